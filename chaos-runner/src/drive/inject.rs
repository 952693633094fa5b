//! Intents first, durable; then the faults, one after the other.

use std::{
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use chaos_core::{
    experiment::{ExperimentStatus, Phase},
    id::FaultId,
    injector::Live,
    journal::{Durability, Event, EventBody},
    undo::{Holder, RevertCtx, Snapshot},
};
use tokio::time::{Instant, sleep, timeout};

use super::{Driver, PreparedFault};
use crate::{
    error::chain,
    event::RunEvent,
    machine::{AbortReason, Input},
    rollback::{Hold, Injecting, Landed},
    run::{Broke, on_worker},
};

/// How one inject ended.
enum Injected {
    On(Option<Box<dyn Live>>),
    Broke(String),
    /// It could not be joined: it may land later.
    Hangs(String, Injecting),
    Aborted(AbortReason, Option<Box<dyn Live>>, Option<Injecting>),
}

impl Driver {
    pub(super) async fn inject_all(&mut self) -> Input {
        if let Some(reason) = self.abort.pulled() {
            return Input::Abort(reason);
        }
        self.begin(Phase::Injection, "");
        self.move_to(ExperimentStatus::Running);
        if let Err(error) = self.write_intents() {
            return Input::Broke(format!("no fault without its intent: {error}"));
        }
        self.note_intents();
        self.injected_at = Some(Instant::now());
        let faults = Arc::clone(&self.faults);
        for (index, fault) in faults.iter().enumerate() {
            if let Some(reason) = self.abort.pulled() {
                return Input::Abort(reason);
            }
            let before = self.snapshot(fault).await;
            let injected = self.inject_one(fault).await;
            if let Some(input) = self.keep(index, fault, before, injected) {
                return input;
            }
        }
        self.begin(Phase::Observation, "");
        Input::Injected
    }

    /// From here on each fault is undone, whether or not it was begun.
    fn note_intents(&self) {
        let mut ledger = self.ledger();
        ledger.reserve_exact(self.faults.len());
        ledger.extend(self.faults.iter().map(|fault| Landed {
            record: fault.record(&self.shared),
            hold: Hold::NeverBegun,
            before: None,
        }));
    }

    fn ledger(&self) -> MutexGuard<'_, Vec<Landed>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All intents of the phase: one write, one sync.
    fn write_intents(&self) -> Result<(), String> {
        let now = self.shared.clock.now();
        let intent = |fault: &PreparedFault| {
            Event::new(now, EventBody::Intent { undo: fault.record(&self.shared).into() })
        };
        let intents: Vec<Event> = self.faults.iter().map(intent).collect();
        self.shared.journal.append(&self.id, &intents, Durability::Durable).map_err(|error| chain(&error))
    }

    /// The state before the inject, where the reverter can tell.
    async fn snapshot(&self, fault: &PreparedFault) -> Option<Snapshot> {
        let (reverter, record) = (Arc::clone(&fault.reverter), fault.record(&self.shared));
        let ctx = RevertCtx::new(self.shared.clock.now(), Holder::ThisEnded);
        let limit = self.shared.settings.prepare_timeout;
        let look =
            on_worker(&self.shared.workers, limit, async move { reverter.snapshot(&ctx, &record).await });
        look.await.ok().and_then(Result::ok)
    }

    async fn inject_one(&self, fault: &PreparedFault) -> Injected {
        self.set_hold(&fault.id, Hold::Unsure);
        let (injector, ctx, prepared) =
            (Arc::clone(&fault.injector), fault.ctx.clone(), fault.prepared.clone());
        let mut task = self.shared.workers.spawn(async move { injector.inject(&ctx, &prepared).await });
        let limit = self.shared.settings.inject_timeout;
        tokio::select! {
            biased;
            reason = self.abort.wait() => {
                let (live, pending) = self.join(task).await;
                Injected::Aborted(reason, live, pending)
            }
            done = &mut task => match done {
                Ok(Ok(live)) => Injected::On(live),
                Ok(Err(error)) => Injected::Broke(chain(&error)),
                Err(error) => Injected::Broke(Broke::from(error).to_string()),
            },
            () = sleep(limit) => {
                let (live, pending) = self.join(task).await;
                match (live, pending) {
                    (_, Some(pending)) => Injected::Hangs(hung(limit), pending),
                    (Some(live), None) => Injected::On(Some(live)),
                    (None, None) => Injected::Broke(hung(limit)),
                }
            }
        }
    }

    /// Waits for a running inject within a bound; dropping it is the last resort.
    async fn join(&self, mut task: Injecting) -> (Option<Box<dyn Live>>, Option<Injecting>) {
        let limit = self.shared.settings.join_timeout;
        let mut joined = timeout(limit, &mut task).await;
        if joined.is_err() {
            task.abort();
            joined = timeout(self.shared.settings.settle, &mut task).await;
        }
        match joined {
            Ok(done) => (done.ok().and_then(Result::ok).flatten(), None),
            Err(_) => (None, Some(task)),
        }
    }

    /// Keeps what is needed to undo the fault; an input if the injection ends here.
    fn keep(
        &self,
        index: usize,
        fault: &PreparedFault,
        before: Option<Snapshot>,
        injected: Injected,
    ) -> Option<Input> {
        if let Some(landed) = self.ledger().get_mut(index) {
            landed.before = before;
        }
        match injected {
            Injected::On(live) => {
                self.set_hold(&fault.id, Hold::Handed(live));
                self.write(EventBody::Applied { fault: fault.id.clone() });
                self.tell(|| RunEvent::Applied { fault: fault.id.clone(), kind: fault.injector.kind() });
                None
            }
            Injected::Broke(what) => Some(Input::Broke(format!("inject of {} broke: {what}", fault.id))),
            Injected::Hangs(what, pending) => {
                self.set_hold(&fault.id, Hold::Pending(pending));
                Some(Input::Broke(format!("inject of {} broke: {what}", fault.id)))
            }
            Injected::Aborted(reason, live, pending) => {
                match (live, pending) {
                    (_, Some(pending)) => self.set_hold(&fault.id, Hold::Pending(pending)),
                    (Some(live), None) => self.set_hold(&fault.id, Hold::Handed(Some(live))),
                    (None, None) => {}
                }
                Some(Input::Abort(reason))
            }
        }
    }

    fn set_hold(&self, fault: &FaultId, hold: Hold) {
        if let Some(landed) = self.ledger().iter_mut().find(|landed| landed.record.fault == *fault) {
            landed.hold = hold;
        }
    }
}

fn hung(limit: Duration) -> String {
    format!("it did not return within {limit:?}")
}
