//! The undo of one fault: the only caller of `Reverter::revert`, for a live run, a recovery and the operator alike.

use std::{
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use chaos_core::{
    error::{InjectError, RevertError},
    id::{FaultId, FaultKind, RunId},
    injector::Live,
    journal::{Durability, Event, EventBody},
    undo::{Holder, Presence, RevertCtx, Reverted, Reverter, Snapshot, UndoRecord},
};
use futures_util::FutureExt;
use serde::Serialize;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    error::{chain, panic_text},
    run::{Broke, Shared},
    sys,
};

/// An inject that runs on the workers.
pub(crate) type Injecting = JoinHandle<Result<Option<Box<dyn Live>>, InjectError>>;

/// A fault whose intent is durable.
#[derive(Debug)]
pub(crate) struct Landed {
    pub(crate) record: UndoRecord,
    pub(crate) hold: Hold,
    /// The state before the inject, where the reverter can tell.
    pub(crate) before: Option<Snapshot>,
}

/// What this process knows of the fault beside its record.
#[derive(Debug)]
pub(crate) enum Hold {
    /// Inject was never called.
    NeverBegun,
    /// Only the record is known: it was read from a journal.
    Record,
    /// Inject is over and handed over what it holds, which may be nothing.
    Handed(Option<Box<dyn Live>>),
    /// Inject failed: what it changed, and did not undo itself, is held by nobody.
    Unsure,
    /// Inject could not be joined: it may land later.
    Pending(Injecting),
}

/// What was not proven to have ended in this process, kept for the next try.
pub(crate) type Loose = Mutex<HashMap<(RunId, FaultId), Option<Injecting>>>;

/// What became of one fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UndoReport {
    /// The fault.
    pub fault: FaultId,
    /// Its kind.
    pub kind: FaultKind,
    /// How the undo went.
    pub how: Reverted,
    /// How often it was tried.
    pub tries: u32,
    /// How long it took.
    pub took: Duration,
    /// What a person can do by hand, where the fault is stuck.
    pub manual: Option<String>,
}

/// Undoes one fault on a thread of its own, so that a reverter that blocks holds up nothing else.
pub(crate) async fn undo(shared: &Arc<Shared>, landed: Landed) -> UndoReport {
    let (record, started) = (landed.record.clone(), Instant::now());
    let theirs = Arc::clone(shared);
    let work = async move { undo_here(&theirs, landed).await };
    let mut task = match &shared.undoer {
        Some(undoer) => undoer.spawn_blocking({
            let undoer = undoer.clone();
            move || undoer.block_on(work)
        }),
        None => shared.workers.spawn(work),
    };
    let limit = shared.settings.rollback_timeout + shared.settings.join_timeout;
    let (how, tries) = match timeout(limit, &mut task).await {
        Ok(Ok(undone)) => undone,
        Ok(Err(error)) => (Reverted::Stuck { why: format!("the undo broke: {}", Broke::from(error)) }, 1),
        Err(_) => (Reverted::Stuck { why: format!("the undo blocks for more than {limit:?}") }, 1),
    };
    let manual = (!how.is_clear()).then(|| record.manual.clone());
    let (fault, kind) = (record.fault.clone(), record.kind.clone());
    let report = UndoReport { fault, kind, how, tries, took: started.elapsed(), manual };
    let written = std::panic::catch_unwind(AssertUnwindSafe(|| write_down(shared, &record, &report)));
    if written.is_err() {
        tracing::error!(run = %record.run, fault = %record.fault, "the journal or the clock panicked");
    }
    report
}

async fn undo_here(shared: &Shared, landed: Landed) -> (Reverted, u32) {
    let Landed { record, hold, before } = landed;
    let key = (record.run.clone(), record.fault.clone());
    let loose = shared.loose().remove(&key);
    let (live, pending, unsure) = match (hold, loose) {
        (Hold::NeverBegun, _) => return (Reverted::NothingToDo, 0),
        (Hold::Record, Some(pending)) => (None, pending, true),
        (Hold::Record, None) => (None, None, false),
        (Hold::Handed(live), _) => (live, None, false),
        (Hold::Unsure, _) => (None, None, true),
        (Hold::Pending(inject), _) => (None, Some(inject), false),
    };
    let deadline = Instant::now() + shared.settings.rollback_timeout;
    let duty = Duty { shared, record: &record, before: before.as_ref(), deadline };
    let mut attempt = Attempt { duty, live, pending, unsure };
    let (how, tries) = attempt.run().await;
    if !how.is_clear() && (attempt.unsure || attempt.pending.is_some()) {
        shared.loose().insert(key, attempt.pending);
    }
    (how, tries)
}

/// What this process still holds of a fault, ended before each try.
struct Attempt<'a> {
    duty: Duty<'a>,
    live: Option<Box<dyn Live>>,
    pending: Option<Injecting>,
    /// Whether something may be held that nobody can end any more.
    unsure: bool,
}

impl Attempt<'_> {
    async fn run(&mut self) -> (Reverted, u32) {
        let duty = self.duty;
        let reverter = match duty.shared.registry.of(duty.record) {
            Ok(reverter) => reverter,
            Err(error) => return (Reverted::Stuck { why: chain(&error) }, 0),
        };
        let mut pause = duty.shared.settings.settle;
        let mut tries = 0;
        loop {
            tries += 1;
            self.end_live().await;
            let (how, again) = duty.once(&*reverter, self.holder()).await;
            let pending = self.pending.is_some();
            if !again && !pending {
                return (how, tries);
            }
            if Instant::now() + pause >= duty.deadline {
                let may_land = Reverted::Stuck { why: "inject did not return: it may still land".into() };
                return (if pending { may_land } else { how }, tries);
            }
            self.wait(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn end_live(&mut self) {
        let duty = self.duty;
        let Some(live) = self.live.take() else { return };
        if let Err(error) = duty.bounded(live.end()).await {
            tracing::warn!(fault = %duty.record.fault, error = chain(&error), "the live fault did not end cleanly");
            self.unsure = true;
        }
    }

    /// Waits for the next try; an inject that ends meanwhile hands over its live fault.
    async fn wait(&mut self, pause: Duration) {
        let Some(pending) = self.pending.as_mut() else { return sleep(pause).await };
        if let Ok(joined) = timeout(pause, pending).await {
            self.pending = None;
            match joined {
                Ok(Ok(live)) => self.live = live,
                _ => self.unsure = true,
            }
        }
    }

    fn holder(&self) -> Holder {
        match sys::holder_of(&self.duty.record.holder) {
            Holder::This if !self.unsure && self.pending.is_none() => Holder::ThisEnded,
            holder => holder,
        }
    }
}

/// What the record alone asks for.
#[derive(Clone, Copy)]
struct Duty<'a> {
    shared: &'a Shared,
    record: &'a UndoRecord,
    before: Option<&'a Snapshot>,
    deadline: Instant,
}

impl Duty<'_> {
    /// One try: how it went, and whether another may go better.
    async fn once(&self, reverter: &dyn Reverter, holder: Holder) -> (Reverted, bool) {
        let mut ctx = RevertCtx::new(self.shared.clock.now(), holder);
        ctx.time_limit = self.deadline.saturating_duration_since(Instant::now());
        match self.bounded(reverter.revert(&ctx, self.record)).await {
            Ok(how) if how.is_clear() => self.verify(reverter, &ctx, how).await,
            Ok(how) => (how, false),
            Err(error) => (Reverted::Stuck { why: chain(&error) }, error.retryable()),
        }
    }

    /// Looks whether the fault is gone, and, where this undo changed it, whether the state is what it was.
    async fn verify(&self, reverter: &dyn Reverter, ctx: &RevertCtx, how: Reverted) -> (Reverted, bool) {
        let stuck = |why: &str| (Reverted::Stuck { why: why.into() }, true);
        match self.bounded(reverter.presence(ctx, self.record).map(Ok)).await {
            Ok(Presence::Absent) => {}
            Ok(Presence::Present) => return stuck("it is still there after the undo"),
            Ok(Presence::Unknown) => return stuck("it cannot be told whether it is gone"),
            Err(error) => return stuck(&chain(&error)),
        }
        let Some(before) = self.before.filter(|_| how == Reverted::Undone) else { return (how, false) };
        match self.bounded(reverter.snapshot(ctx, self.record)).await {
            Ok(after) if after == *before => (how, false),
            Ok(after) => (Reverted::Stuck { why: difference(before, &after) }, false),
            Err(error) => (Reverted::Stuck { why: chain(&error) }, error.retryable()),
        }
    }

    /// Runs code of others until the deadline, and survives its panic.
    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, RevertError>> + Send,
    ) -> Result<T, RevertError> {
        let kind = || self.record.kind.clone();
        match timeout_at(self.deadline, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(RevertError::Panicked { kind: kind(), message: panic_text(&*panic) }),
            Err(_) => {
                Err(RevertError::TimedOut { kind: kind(), limit: self.shared.settings.rollback_timeout })
            }
        }
    }
}

fn difference(before: &Snapshot, after: &Snapshot) -> String {
    let changed = |(name, value): &(&String, &String)| after.0.get(*name) != Some(*value);
    let lost = before.0.iter().filter(changed).map(|(name, _)| name.as_str());
    let added = after.0.keys().filter(|name| !before.0.contains_key(*name)).map(String::as_str);
    let names: Vec<&str> = lost.chain(added).collect();
    format!("the state is not what it was: {}", names.join(", "))
}

/// A failing journal never stops a rollback.
fn write_down(shared: &Shared, record: &UndoRecord, report: &UndoReport) {
    let fault = record.fault.clone();
    let body = match &report.how {
        Reverted::Stuck { why } => {
            tracing::error!(run = %record.run, %fault, why, manual = record.manual, "a fault could not be undone");
            EventBody::Stuck { fault, why: why.clone(), manual: record.manual.clone() }
        }
        how => EventBody::Undone { fault, how: how.clone() },
    };
    let event = Event::new(shared.clock.now(), body);
    if let Err(error) = shared.journal.append(&record.run, &[event], Durability::Written) {
        tracing::warn!(run = %record.run, error = chain(&error), "the undo is not in the journal");
    }
}
