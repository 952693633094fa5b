//! What would be touched, checked before anything is.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chaos_core::{
    error::{PlanError, Problem},
    experiment::{Experiment, Phase},
    id::{FaultId, RunId},
    injector::{Capabilities, FaultCtx, Injector, Prepared, Reversal},
    journal::{Durability, Event, EventBody},
    metrics::Metrics,
    plan::{Plan, PlannedFault},
    safety::{AllOf, SafetyPolicy},
    scope::{Scope, Target},
    undo::{Reverter, UndoRecord},
};
use tokio::sync::mpsc;

use super::{Driver, Job, Ledger, observe::EffectWatch, sample::Eyes};
use crate::{
    error::RunError,
    event::RunEvent,
    machine::Machine,
    run::{RequestedFault, Run, Shared, on_worker},
};

/// No fault is held for longer, whatever a policy allows.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A fault that was looked at and not yet injected.
#[derive(Debug, Clone)]
pub(super) struct PreparedFault {
    pub(super) id: FaultId,
    pub(super) injector: Arc<dyn Injector>,
    pub(super) reverter: Arc<dyn Reverter>,
    pub(super) capabilities: Capabilities,
    pub(super) ctx: FaultCtx,
    pub(super) prepared: Prepared,
}

impl PreparedFault {
    pub(super) fn record(&self, shared: &Shared) -> UndoRecord {
        let guarantee = self.capabilities.guarantee;
        UndoRecord::new(&self.ctx, self.injector.kind(), guarantee, &self.prepared, shared.process.clone())
    }

    fn planned(&self) -> PlannedFault {
        let manual = self.prepared.undo().2.to_owned();
        let scope = self.prepared.scope().clone();
        PlannedFault::new(self.id.clone(), self.injector.kind(), scope, self.capabilities.clone(), manual)
    }
}

/// What a run would do. Changes nothing.
pub(crate) async fn plan(shared: &Shared, id: &RunId, run: &Run) -> Result<Plan, RunError> {
    let draft = Draft::new(shared, id, run)?;
    let faults = draft.prepare(shared, run).await?;
    draft.plan(run, &faults)
}

/// What is settled before the faults are looked at.
struct Draft<'a> {
    id: &'a RunId,
    policy: AllOf,
    duration: Duration,
    seed: u64,
}

impl<'a> Draft<'a> {
    fn new(shared: &Shared, id: &'a RunId, run: &Run) -> Result<Self, RunError> {
        let policy = shared.policy.clone().and_all(&run.policy);
        let duration = run.experiment.duration.or_else(|| policy.time_limit());
        let problems = problems(shared, run, duration);
        PlanError::check(format!("run of {}", run.experiment.name), problems)?;
        let seed = run.experiment.seed.unwrap_or_else(rand::random);
        Ok(Self { id, policy, duration: duration.unwrap_or_default(), seed })
    }

    async fn prepare(&self, shared: &Shared, run: &Run) -> Result<Vec<PreparedFault>, RunError> {
        let mut prepared = Vec::with_capacity(run.faults.len());
        for (index, fault) in run.faults.iter().enumerate() {
            prepared.push(self.prepare_one(shared, fault, index as u64).await?);
        }
        Ok(prepared)
    }

    async fn prepare_one(
        &self,
        shared: &Shared,
        fault: &RequestedFault,
        index: u64,
    ) -> Result<PreparedFault, RunError> {
        let ctx = self.ctx(shared, fault, index);
        let (injector, on) = (Arc::clone(&fault.injector), ctx.clone());
        let looked = on_worker(&shared.workers, shared.settings.prepare_timeout, async move {
            let prepared = injector.prepare(&on).await;
            (injector.capabilities(), injector.kind(), prepared)
        });
        let broke = |what: String| RunError::PrepareBroke { fault: fault.id.clone(), what };
        let (capabilities, kind, prepared) = looked.await.map_err(|error| broke(error.to_string()))?;
        let prepared = prepared
            .map_err(|source| RunError::Prepare { fault: fault.id.clone(), source: Box::new(source) })?;
        let reverter = shared
            .registry
            .find(&kind, capabilities.guarantee)
            .ok_or_else(|| no_reverter(&fault.id, kind.as_str()))?;
        Ok(PreparedFault {
            id: fault.id.clone(),
            injector: Arc::clone(&fault.injector),
            reverter,
            capabilities,
            ctx,
            prepared,
        })
    }

    fn ctx(&self, shared: &Shared, fault: &RequestedFault, index: u64) -> FaultCtx {
        let mut ctx = FaultCtx::new(self.id.clone(), fault.id.clone(), shared.clock.now());
        ctx.seed = self.seed.wrapping_add(index);
        ctx.max_duration = self.duration;
        ctx
    }

    fn plan(&self, run: &Run, faults: &[PreparedFault]) -> Result<Plan, RunError> {
        let scopes: Vec<Scope> = faults.iter().map(|fault| fault.prepared.scope().clone()).collect();
        let mut problems = run.experiment.blast_radius.problems(&scopes);
        problems.extend(faults.iter().filter_map(|fault| irreversible(&run.experiment, fault)));
        PlanError::check(format!("run of {}", run.experiment.name), problems)?;
        let planned = faults.iter().map(PreparedFault::planned).collect();
        let radius = run.experiment.blast_radius.clone();
        Ok(Plan::new(self.id.clone(), run.experiment.name.clone(), planned, radius, self.duration, self.seed))
    }
}

fn problems(shared: &Shared, run: &Run, duration: Option<Duration>) -> Vec<Problem> {
    let mut problems = Vec::new();
    if run.faults.is_empty() {
        problems.push(Problem::new("faults", "there is no fault to inject"));
    }
    let mut seen = BTreeSet::new();
    let twice = run.faults.iter().filter(|fault| !seen.insert(&fault.id));
    problems.extend(twice.map(|fault| Problem::new("faults", format!("two faults are called {}", fault.id))));
    if duration.is_none() {
        let hint = "set the experiment's duration or a safety policy with a time limit";
        problems.push(Problem::new("duration", "there is no time limit").hint(hint));
    }
    if let Some(duration) = duration.filter(|duration| *duration > LONGEST) {
        let hint = "set the experiment's duration or a policy with a shorter time limit";
        problems.push(Problem::new("duration", format!("{duration:?} is more than {LONGEST:?}")).hint(hint));
    }
    if shared.settings.interval.is_zero() {
        problems.push(Problem::new("interval", "the time between two observations is zero"));
    }
    problems
}

fn no_reverter(fault: &FaultId, kind: &str) -> PlanError {
    let problem = Problem::new(fault.to_string(), format!("no reverter for {kind} is registered"))
        .hint("add it to the runner's registry: without one the fault could not be undone after a crash");
    PlanError::new("registry", vec![problem])
}

fn irreversible(experiment: &Experiment, fault: &PreparedFault) -> Option<Problem> {
    let refused = fault.capabilities.reversal == Reversal::Irreversible && !experiment.allow_irreversible;
    refused.then(|| {
        Problem::new(fault.id.to_string(), format!("{} cannot be undone", fault.injector.kind()))
            .hint("allow it with allow_irreversible")
    })
}

impl Driver {
    /// Looks, locks the targets, looks again under the lock, and opens the journal. An error leaves nothing behind.
    pub(super) async fn admit(
        shared: Arc<Shared>,
        job: Box<Job>,
        events: Option<mpsc::UnboundedSender<RunEvent>>,
        ledger: Ledger,
    ) -> Result<Box<Self>, RunError> {
        let Job { id, run, abort } = *job;
        let draft = Draft::new(&shared, &id, &run)?;
        let first = draft.prepare(&shared, &run).await?;
        let plan = draft.plan(&run, &first)?;
        let targets: Vec<Target> =
            first.iter().flat_map(|fault| fault.prepared.scope().targets.clone()).collect();
        let guard =
            shared.locks.try_lock(&targets, &id).map_err(|error| RunError::Target(Box::new(error)))?;
        let faults: Arc<[PreparedFault]> = draft.prepare(&shared, &run).await?.into();
        same_targets(&first, &faults)?;
        let policy = draft.policy;
        let mut driver = Box::new(Self {
            machine: Machine::new(shared.settings.unknown_grace),
            eyes: Eyes::new(run.metrics, run.probes, run.steady_state),
            effects: EffectWatch::new(&shared, &faults),
            experiment: run.experiment,
            policy,
            plan,
            faults,
            abort,
            events,
            ledger,
            baseline: Metrics::new(),
            steady_before: None,
            steady_during: None,
            steady_after: None,
            undone: Vec::new(),
            phases: Vec::new(),
            injected_at: None,
            next_sample: None,
            rolled_back_at: None,
            recovered_in: None,
            _targets: guard,
            shared,
            id,
        });
        driver.open_journal()?;
        driver.begin(Phase::Preflight, "");
        Ok(driver)
    }

    fn open_journal(&self) -> Result<(), RunError> {
        let event = Event::new(self.shared.clock.now(), EventBody::Run(self.run_info()));
        Ok(self.shared.journal.append(&self.id, &[event], Durability::Written)?)
    }
}

/// What is touched under the lock is what was planned.
fn same_targets(planned: &[PreparedFault], now: &[PreparedFault]) -> Result<(), RunError> {
    let changed =
        planned.iter().zip(now).find(|(planned, now)| planned.prepared.scope() != now.prepared.scope());
    changed.map_or(Ok(()), |(planned, _)| Err(RunError::TargetsChanged { fault: planned.id.clone() }))
}
