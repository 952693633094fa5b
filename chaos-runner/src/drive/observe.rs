//! The faults are on: look at once, then at an interval, and stop when a policy says so.

use std::{sync::Arc, time::Duration};

use chaos_core::{
    experiment::{Observation, Phase},
    id::FaultId,
    injector::{Effect, Injected},
    metrics::Metrics,
    probe::Judgement,
    safety::{History, SafetyPolicy, Verdict},
};
use futures_util::FutureExt;
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinHandle},
    time::{Instant, sleep_until, timeout},
};

use super::{Driver, PreparedFault};
use crate::{
    error::{chain, panic_text},
    machine::{Ending, Input},
    run::{Broke, Shared},
};

/// How long the end of a run waits for the measurement of its effect.
const EFFECT_TIMEOUT: Duration = Duration::from_secs(2);

impl Driver {
    /// Waits for the next look; an input if the run ends before it.
    pub(super) async fn until_next_look(&self) -> Option<Input> {
        let (due, deadline) = (self.next_look(), self.deadline());
        tokio::select! {
            biased;
            reason = self.abort.wait() => return Some(Input::Abort(reason)),
            () = sleep_until(due.min(deadline)) => {}
        }
        (due >= deadline && self.next_sample.is_some()).then_some(Input::TimeUp)
    }

    /// Looks and judges. The first look is never cut short by the end of the experiment, only by its own time limit: a run that
    /// saw nothing shows nothing.
    pub(super) async fn observe(&mut self) -> Input {
        let (abort, now) = (self.abort.clone(), Instant::now());
        let deadline = match self.next_sample {
            None => self.deadline().max(now + self.shared.settings.sample_timeout),
            Some(_) => self.deadline(),
        };
        self.next_sample = Some(now.max(self.next_look() + self.shared.settings.interval));
        let metrics = tokio::select! {
            biased;
            reason = abort.wait() => return Input::Abort(reason),
            metrics = self.look(Phase::Observation) => metrics,
            () = sleep_until(deadline) => return Input::TimeUp,
        };
        self.effects.measure();
        self.judge_during(&metrics);
        let observations = under_fault(self.experiment.observations());
        match self.judge_safety(&self.baseline, observations) {
            Ok(verdict) => Input::Observed(verdict),
            Err(broke) => Input::Broke(broke),
        }
    }

    /// The first look is at once.
    fn next_look(&self) -> Instant {
        self.next_sample.or(self.injected_at).unwrap_or_else(Instant::now)
    }

    fn deadline(&self) -> Instant {
        self.injected_at.unwrap_or_else(Instant::now) + self.plan.duration
    }

    /// The first deviation under the fault counts.
    fn judge_during(&mut self, metrics: &Metrics) {
        if !self.experiment.hypothesis.strategy.during() {
            return;
        }
        if self.steady_during.as_ref().is_none_or(Judgement::held) {
            self.steady_during = self.judge_steady(metrics);
        }
    }

    /// Asks the policies; one that panics breaks the run.
    pub(super) fn judge_safety(
        &self,
        baseline: &Metrics,
        observations: &[Observation],
    ) -> Result<Verdict, String> {
        let elapsed = self.injected_at.map_or(Duration::ZERO, |at| at.elapsed());
        let history = History::new(self.shared.clock.now(), elapsed, baseline, observations);
        let judge = || self.policy.judge(&history);
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(judge))
            .map_err(|panic| format!("a safety policy panicked: {}", panic_text(&*panic)))
    }
}

/// The observations since the injection; they stand together, after those of the baseline.
pub(super) fn under_fault(observations: &[Observation]) -> &[Observation] {
    let is_on = |observation: &Observation| observation.phase == Phase::Observation;
    let from = observations.iter().position(is_on).unwrap_or(observations.len());
    let to = observations.iter().rposition(is_on).map_or(from, |last| last + 1);
    &observations[from..to]
}

/// Measures the effects beside the observations, and never holds them up.
#[derive(Debug)]
pub(super) struct EffectWatch {
    workers: Handle,
    faults: Arc<[PreparedFault]>,
    task: Option<JoinHandle<Vec<(FaultId, Effect)>>>,
    latest: Vec<(FaultId, Effect)>,
}

impl EffectWatch {
    pub(super) fn new(shared: &Shared, faults: &Arc<[PreparedFault]>) -> Self {
        Self { workers: shared.workers.clone(), faults: Arc::clone(faults), task: None, latest: Vec::new() }
    }

    /// Begins a measurement, if none is under way.
    fn measure(&mut self) {
        if self.task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        self.collect();
        let faults = Arc::clone(&self.faults);
        self.task = Some(self.workers.spawn(async move {
            let mut effects = Vec::with_capacity(faults.len());
            for fault in faults.iter() {
                let effect = fault.injector.effect(&fault.ctx).await;
                effects.push((
                    fault.id.clone(),
                    effect.unwrap_or_else(|error| Effect::not_measured(chain(&error))),
                ));
            }
            effects
        }));
    }

    /// Before the faults go: at the planned end one last measurement, at an abort only what is there.
    pub(super) async fn settle(&mut self, ending: &Ending) {
        if *ending == Ending::Completed {
            self.finish().await;
            self.measure();
            self.finish().await;
        } else {
            self.collect();
        }
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    pub(super) fn results(&self) -> Vec<(FaultId, Effect)> {
        let of = |id: &FaultId| {
            self.latest.iter().find(|(known, _)| known == id).map(|(_, effect)| effect.clone())
        };
        let missing = || Effect::not_measured("the measurement did not end in time");
        self.faults.iter().map(|fault| (fault.id.clone(), of(&fault.id).unwrap_or_else(missing))).collect()
    }

    async fn finish(&mut self) {
        if let Some(task) = self.task.as_mut()
            && let Ok(done) = timeout(EFFECT_TIMEOUT, task).await
        {
            self.task = None;
            self.take(done);
        }
    }

    /// Takes over what is finished, without waiting.
    fn collect(&mut self) {
        if let Some(done) = self.task.as_mut().and_then(FutureExt::now_or_never) {
            self.task = None;
            self.take(done);
        }
    }

    /// A later measurement that failed never hides an earlier one that did not.
    fn take(&mut self, done: Result<Vec<(FaultId, Effect)>, JoinError>) {
        let broke = |error| Effect::not_measured(format!("the measurement {}", Broke::from(error)));
        let measured = done.unwrap_or_else(|error| {
            let effect = broke(error);
            self.faults.iter().map(|fault| (fault.id.clone(), effect.clone())).collect()
        });
        for (id, effect) in measured {
            let measured = !matches!(effect.injected, Injected::NotMeasured { .. });
            match self.latest.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known)) if measured || matches!(known.injected, Injected::NotMeasured { .. }) => {
                    *known = effect
                }
                Some(_) => {}
                None => self.latest.push((id, effect)),
            }
        }
    }
}
