//! Intents first, durable; then the faults, one after the other.

use std::{sync::Arc, sync::PoisonError, time::Duration};

use chaos_core::{
    experiment::{ExperimentStatus, Phase},
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
    rollback::{Injecting, Landed},
    run::Broke,
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
        let faults = Arc::clone(&self.faults);
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).reserve_exact(faults.len());
        for fault in faults.iter() {
            self.note_landing(fault).await;
            let injected = self.inject_one(fault).await;
            if let Some(input) = self.keep(fault, injected) {
                return input;
            }
        }
        self.injected_at = Some(Instant::now());
        self.begin(Phase::Observation, "");
        Input::Injected
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

    /// From here on the fault may have landed.
    async fn note_landing(&self, fault: &PreparedFault) {
        let record = fault.record(&self.shared);
        let ctx = RevertCtx::new(self.shared.clock.now(), Holder::ThisEnded);
        let before =
            timeout(self.shared.settings.prepare_timeout, fault.reverter.snapshot(&ctx, &record)).await;
        let before: Option<Snapshot> = before.ok().and_then(Result::ok);
        let landed = Landed { before, ..Landed::from_record(record) };
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).push(landed);
    }

    async fn inject_one(&self, fault: &PreparedFault) -> Injected {
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
    fn keep(&self, fault: &PreparedFault, injected: Injected) -> Option<Input> {
        match injected {
            Injected::On(live) => {
                self.keep_live(live, None);
                self.write(EventBody::Applied { fault: fault.id.clone() });
                self.tell(|| RunEvent::Applied { fault: fault.id.clone(), kind: fault.injector.kind() });
                None
            }
            Injected::Broke(what) => Some(Input::Broke(format!("inject of {} broke: {what}", fault.id))),
            Injected::Hangs(what, pending) => {
                self.keep_live(None, Some(pending));
                Some(Input::Broke(format!("inject of {} broke: {what}", fault.id)))
            }
            Injected::Aborted(reason, live, pending) => {
                self.keep_live(live, pending);
                Some(Input::Abort(reason))
            }
        }
    }

    fn keep_live(&self, live: Option<Box<dyn Live>>, pending: Option<Injecting>) {
        if let Some(landed) = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).last_mut() {
            landed.live = live;
            landed.pending = pending;
        }
    }
}

fn hung(limit: Duration) -> String {
    format!("it did not return within {limit:?}")
}
