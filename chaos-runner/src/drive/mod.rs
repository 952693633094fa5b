//! The async shell around the machine: it does what the machine commands and reports what happened.

mod baseline;
mod close;
mod inject;
mod judge;
mod observe;
mod preflight;
mod sample;
#[cfg(test)]
mod tests;
mod verify;

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chaos_core::{
    experiment::{Experiment, ExperimentStatus, Phase},
    id::RunId,
    injector::Effect,
    journal::{Durability, Event, EventBody, RunInfo},
    metrics::Metrics,
    plan::Plan,
    probe::Judgement,
    safety::{AllOf, SafetyPolicy},
};
use futures_util::FutureExt;
use tokio::{sync::mpsc, time::Instant};

pub(crate) use self::preflight::plan;
use self::{observe::EffectWatch, preflight::PreparedFault, sample::Eyes};
use crate::{
    error::{RunError, panic_text},
    event::RunEvent,
    journal::TargetGuard,
    machine::{Command, Ending, Input, Machine},
    report::{PhaseStart, RunReport},
    rollback::{self, Landed, UndoReport},
    run::{AbortSwitch, Run, Shared},
};

/// One run to be driven.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: RunId,
    pub(crate) run: Run,
    pub(crate) abort: AbortSwitch,
}

/// The faults that may have landed, kept where even a panic of the driver does not lose them.
type Ledger = Arc<Mutex<Vec<Landed>>>;

/// Drives one run to its end. Whatever happens in between, what may have landed is rolled back.
pub(crate) async fn drive(
    shared: Arc<Shared>,
    job: Box<Job>,
    events: Option<mpsc::UnboundedSender<RunEvent>>,
) -> Result<Box<RunReport>, RunError> {
    let (ledger, id) = (Ledger::default(), job.id.clone());
    let run = Box::pin(admit_and_drive(Arc::clone(&shared), job, events, Arc::clone(&ledger)));
    match AssertUnwindSafe(run).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Box::pin(clean_up(&shared, &id, &ledger, panic_text(&*panic))).await,
    }
}

async fn admit_and_drive(
    shared: Arc<Shared>,
    job: Box<Job>,
    events: Option<mpsc::UnboundedSender<RunEvent>>,
    ledger: Ledger,
) -> Result<Box<RunReport>, RunError> {
    Box::pin(shared.ensure_recovered()).await?;
    let driver = Box::pin(Driver::admit(shared, job, events, ledger)).await?;
    Ok(driver.to_the_end().await)
}

/// The driver itself broke, or code of others that it called in place.
async fn clean_up(
    shared: &Arc<Shared>,
    id: &RunId,
    ledger: &Ledger,
    what: String,
) -> Result<Box<RunReport>, RunError> {
    tracing::error!(run = %id, panic = what, "the driver of a run broke; rolling back");
    while let Some(landed) = pop(ledger) {
        rollback::undo(shared, landed).await;
    }
    shared.leave_behind(id).await;
    Err(RunError::Broke(what))
}

fn pop(ledger: &Ledger) -> Option<Landed> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

struct Driver {
    shared: Arc<Shared>,
    id: RunId,
    abort: AbortSwitch,
    events: Option<mpsc::UnboundedSender<RunEvent>>,
    machine: Machine,
    experiment: Experiment,
    policy: AllOf,
    eyes: Eyes,
    plan: Plan,
    faults: Arc<[PreparedFault]>,
    ledger: Ledger,
    baseline: Metrics,
    steady_before: Option<Judgement>,
    steady_during: Option<Judgement>,
    steady_after: Option<Judgement>,
    effects: EffectWatch,
    undone: Vec<UndoReport>,
    phases: Vec<PhaseStart>,
    injected_at: Option<Instant>,
    next_sample: Option<Instant>,
    rolled_back_at: Option<Instant>,
    recovered_in: Option<Duration>,
    /// Held until the run is over.
    _targets: TargetGuard,
}

impl Driver {
    /// Each step is boxed, so that a run that waits for its next look, as most do most of the time, is small.
    async fn to_the_end(mut self: Box<Self>) -> Box<RunReport> {
        let mut command = self.machine.command();
        loop {
            let input = match command {
                Command::Admit => self.ask_policies(),
                Command::Baseline => Box::pin(self.take_baseline()).await,
                Command::Inject => Box::pin(self.inject_all()).await,
                Command::Observe => match self.until_next_look().await {
                    Some(input) => input,
                    None => Box::pin(self.observe()).await,
                },
                Command::RollBack(ending) => Box::pin(self.roll_back(&ending)).await,
                Command::Verify => Box::pin(self.verify()).await,
                Command::Close(ending) => return Box::pin(self.close(ending)).await,
            };
            command = self.machine.step(input);
        }
    }

    fn ask_policies(&self) -> Input {
        let env = chaos_core::safety::Env::at(self.shared.clock.now());
        let ask = || self.policy.admit(&self.plan, &env);
        match std::panic::catch_unwind(AssertUnwindSafe(ask)) {
            Ok(verdict) => Input::Admitted(verdict),
            Err(panic) => Input::Broke(format!("a safety policy panicked: {}", panic_text(&*panic))),
        }
    }

    async fn roll_back(&mut self, ending: &Ending) -> Input {
        self.begin(
            Phase::Rollback,
            match ending {
                Ending::Aborted(reason) => reason.to_string(),
                Ending::Failed(what) => what.clone(),
                Ending::Completed | Ending::Refused(_) => String::new(),
            },
        );
        self.effects.settle(ending).await;
        while let Some(landed) = pop(&self.ledger) {
            let undone = rollback::undo(&self.shared, landed).await;
            self.tell(|| RunEvent::Undone { fault: undone.fault.clone(), how: undone.how.clone() });
            self.undone.push(undone);
        }
        self.rolled_back_at = Some(Instant::now());
        Input::RolledBack
    }

    /// Enters a phase: in the report, in the journal, on the stream.
    fn begin(&mut self, phase: Phase, note: impl Into<String>) {
        let (at, note) = (self.shared.clock.now(), note.into());
        tracing::info!(run = %self.id, %phase, note, "phase");
        self.write(EventBody::Phase { phase, note: note.clone() });
        self.phases.push(PhaseStart { phase, at, note: note.clone() });
        self.tell(|| RunEvent::Phase { at, phase, note });
    }

    fn tell(&self, event: impl FnOnce() -> RunEvent) {
        if let Some(events) = &self.events {
            let _ = events.send(event());
        }
    }

    /// Writes an event that may be lost without harm.
    fn write(&self, body: EventBody) {
        let event = Event::new(self.shared.clock.now(), body);
        if let Err(error) = self.shared.journal.append(&self.id, &[event], Durability::Written) {
            tracing::warn!(run = %self.id, error = crate::error::chain(&error), "an event is not in the journal");
        }
    }

    fn move_to(&mut self, status: ExperimentStatus) {
        let now = self.shared.clock.now();
        if let Err(error) = self.experiment.transition(status, now) {
            tracing::error!(run = %self.id, %error, "the experiment is in a status that the run does not know");
        }
    }

    fn effects(&self) -> Vec<(chaos_core::id::FaultId, Effect)> {
        self.effects.results()
    }

    fn run_info(&self) -> RunInfo {
        RunInfo::new(self.experiment.name.clone(), self.plan.seed, self.shared.process.clone())
    }
}
