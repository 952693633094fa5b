use std::{
    error::Error,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::Poll,
    time::Duration,
};

use super::world::{Case, World};
use crate::{
    clock::{Clock, SystemClock},
    error::{InjectError, RevertError},
    id::{FaultId, RunId},
    injector::{FaultCtx, Guarantee, Live, Prepared},
    undo::{Holder, Presence, RevertCtx, Reverted, Reverter, Snapshot, UndoRecord},
};

/// How a test ends early.
#[derive(Debug)]
pub(super) enum Stop {
    Skip(String),
    Fail(String),
}

pub(super) type Outcome<T = ()> = Result<T, Stop>;

pub(super) fn fail<T>(why: impl Into<String>) -> Outcome<T> {
    Err(Stop::Fail(why.into()))
}

pub(super) fn skip<T>(why: impl Into<String>) -> Outcome<T> {
    Err(Stop::Skip(why.into()))
}

pub(super) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { fail(why()) }
}

/// Makes the stages of one test, and tidies them up.
pub(super) struct Bench<'a> {
    case: &'a dyn Case,
    stages: Mutex<Vec<Arc<Stage>>>,
}

impl<'a> Bench<'a> {
    pub(super) const fn new(case: &'a dyn Case) -> Self {
        Self { case, stages: Mutex::new(Vec::new()) }
    }

    /// A stage in a fresh world; what was staged before is tidied up first.
    pub(super) async fn stage(&self) -> Outcome<Arc<Stage>> {
        self.tidy().await.or_else(|why| fail(format!("left a fault behind: {why}")))?;
        Ok(self.enter(Stage::new(Arc::new(self.case.world().await))))
    }

    /// A second run of the same fault in the same world.
    pub(super) fn again(&self, stage: &Stage) -> Arc<Stage> {
        self.enter(Stage::new(Arc::clone(&stage.world)))
    }

    fn enter(&self, stage: Stage) -> Arc<Stage> {
        let stage = Arc::new(stage);
        lock(&self.stages).push(Arc::clone(&stage));
        stage
    }

    /// Ends and reverts whatever is still there.
    pub(super) async fn tidy(&self) -> Result<(), String> {
        let stages = std::mem::take(&mut *lock(&self.stages));
        for stage in stages.into_iter().rev() {
            stage.tidy().await?;
        }
        Ok(())
    }
}

/// One fault in one world, and how far it came.
pub(super) struct Stage {
    pub(super) world: Arc<World>,
    pub(super) ctx: FaultCtx,
    prepared: OnceLock<(Prepared, UndoRecord)>,
    live: Mutex<Held>,
}

/// What is known of the fault's `Live`.
enum Held {
    Never,
    Live(Box<dyn Live>),
    Ended,
    Dropped,
}

impl Stage {
    fn new(world: Arc<World>) -> Self {
        Self { world, ctx: context(), prepared: OnceLock::new(), live: Mutex::new(Held::Never) }
    }

    pub(super) fn class(&self) -> Guarantee {
        self.world.injector.capabilities().guarantee
    }

    /// A test of exact restoration says nothing about a fault that cannot be undone.
    pub(super) fn reversible(&self) -> Outcome {
        if self.class() == Guarantee::Irreversible {
            return skip("the fault is irreversible");
        }
        Ok(())
    }

    pub(super) fn reverter(&self) -> Outcome<Arc<dyn Reverter>> {
        let kind = self.world.injector.kind();
        let found = self.world.reverters.find(&kind, self.class());
        found.map_or_else(|| fail(format!("no reverter is registered for {kind}")), Ok)
    }

    /// Prepares, and keeps the record as it comes back from JSON, as a recovery reads it.
    pub(super) async fn prepare(&self) -> Outcome<&UndoRecord> {
        let prepared = self.prepare_as(&self.ctx).await.or_else(|error| refused("prepare", &error))?;
        let record = reread(&self.envelope(&self.ctx, &prepared))?;
        let _ = self.prepared.set((prepared, record));
        self.record()
    }

    pub(super) async fn prepare_as(&self, ctx: &FaultCtx) -> Result<Prepared, InjectError> {
        self.world.injector.prepare(ctx).await
    }

    pub(super) fn envelope(&self, ctx: &FaultCtx, prepared: &Prepared) -> UndoRecord {
        let (kind, holder) = (self.world.injector.kind(), self.world.holder.clone());
        UndoRecord::new(ctx, kind, self.class(), prepared, holder)
    }

    pub(super) fn record(&self) -> Outcome<&UndoRecord> {
        self.prepared.get().map_or_else(|| fail("nothing was prepared"), |(_, record)| Ok(record))
    }

    pub(super) async fn inject(&self) -> Outcome {
        let done = self.inject_for(usize::MAX).await?;
        ensure(done, || "inject did not end".into())
    }

    /// Polls the injection this many times, then drops it. Whether it came to its end.
    pub(super) async fn inject_for(&self, polls: usize) -> Outcome<bool> {
        let Some((prepared, _)) = self.prepared.get() else {
            return fail("nothing was prepared");
        };
        let Some(result) = poll_at_most(self.world.injector.inject(&self.ctx, prepared), polls).await else {
            return Ok(false);
        };
        let live = result.or_else(|error| refused("inject", &error))?;
        *lock(&self.live) = live.map_or(Held::Never, Held::Live);
        Ok(true)
    }

    pub(super) async fn drive(&self) {
        if let Some(drive) = &self.world.drive {
            drive().await;
        }
    }

    /// Ends the `Live`, if there is one.
    pub(super) async fn end(&self) -> Outcome {
        let held = std::mem::replace(&mut *lock(&self.live), Held::Never);
        if let Held::Live(live) = held {
            let ended = live.end().await;
            *lock(&self.live) = Held::Ended;
            return ended.or_else(|error| refused("end", &error));
        }
        *lock(&self.live) = held;
        Ok(())
    }

    /// No `Live` came out of the injection, so nobody but the injection itself could end what it held.
    pub(super) fn dropped(&self) {
        if self.class() == Guarantee::Process {
            *lock(&self.live) = Held::Dropped;
        }
    }

    fn is_dropped(&self) -> bool {
        matches!(*lock(&self.live), Held::Dropped)
    }

    pub(super) fn revert_ctx(&self) -> RevertCtx {
        let holder = match &*lock(&self.live) {
            Held::Never => Holder::Gone,
            Held::Live(_) | Held::Dropped => Holder::This,
            Held::Ended => Holder::ThisEnded,
        };
        RevertCtx::new(SystemClock.now(), holder)
    }

    pub(super) async fn revert_record(&self, record: &UndoRecord) -> Outcome<Result<Reverted, RevertError>> {
        Ok(self.reverter()?.revert(&self.revert_ctx(), record).await)
    }

    /// Reverts, and insists that the fault is gone. After a dropped injection the reverter may also know of no way, as
    /// [`HeldByProcess`](crate::undo::HeldByProcess) does; then the state tells whether the injection left nothing.
    pub(super) async fn revert(&self) -> Outcome<Reverted> {
        let reverted = self.revert_record(self.record()?).await?;
        let reverted = reverted.or_else(|error| refused("revert", &error))?;
        let by_guard = matches!(reverted, Reverted::Stuck { .. }) && self.is_dropped();
        ensure(reverted.is_clear() || by_guard, || format!("revert says \"{reverted}\", which is not gone"))?;
        Ok(reverted)
    }

    pub(super) async fn presence(&self) -> Outcome<Presence> {
        Ok(self.reverter()?.presence(&self.revert_ctx(), self.record()?).await)
    }

    /// What the oracle sees.
    pub(super) fn dump(&self) -> Option<Snapshot> {
        self.world.oracle.as_ref().map(|oracle| oracle.dump())
    }

    /// What the oracle and the reverter see.
    pub(super) async fn state(&self) -> Outcome<Snapshot> {
        let seen = self.reverter()?.snapshot(&self.revert_ctx(), self.record()?).await;
        let seen = seen.or_else(|error| refused("snapshot", &error))?;
        let named = |part: &str, lines: Snapshot| {
            let part = part.to_owned();
            lines.0.into_iter().map(move |(name, line)| (format!("{part}/{name}"), line))
        };
        let mut state = Snapshot(named("snapshot", seen).collect());
        state.0.extend(self.dump().into_iter().flat_map(|dump| named("oracle", dump)));
        Ok(state)
    }

    /// Insists that the state is `expected`.
    pub(super) async fn equals(&self, expected: &Snapshot, when: &str) -> Outcome {
        let found = self.state().await?;
        ensure(found == *expected, || format!("{when} the state differs:{}", differences(expected, &found)))
    }

    /// Insists that the fault can be seen; otherwise its absence proves nothing.
    pub(super) async fn shows(&self, before: &Snapshot) -> Outcome {
        match (self.state().await? == *before, self.class()) {
            (false, _) => Ok(()),
            (true, Guarantee::Process) => skip("no oracle sees this fault"),
            (true, _) => fail("neither the oracle nor the snapshot differs while the fault is on"),
        }
    }

    async fn tidy(&self) -> Result<(), String> {
        let ended = self.end().await;
        if self.prepared.get().is_none() || self.class() == Guarantee::Irreversible {
            return Ok(());
        }
        match ended.and(self.revert().await) {
            Err(Stop::Fail(why)) => Err(why),
            _ => Ok(()),
        }
    }
}

/// A run of its own, for at most a minute.
pub(super) fn context() -> FaultCtx {
    let now = SystemClock.now();
    let mut ctx = FaultCtx::new(RunId::generate(now), FaultId::numbered(0), now);
    ctx.max_duration = Duration::from_secs(60);
    ctx
}

/// The record as it comes back from the journal.
pub(super) fn reread(record: &UndoRecord) -> Outcome<UndoRecord> {
    let unreadable =
        |error: serde_json::Error| Stop::Fail(format!("the record does not round-trip: {error}"));
    let text = serde_json::to_string(record).map_err(unreadable)?;
    let again: UndoRecord = serde_json::from_str(&text).map_err(unreadable)?;
    ensure(again == *record, || format!("the record reads back as another one: {text}"))?;
    Ok(again)
}

/// An error with its causes, as a failure.
pub(super) fn refused<T>(step: &str, error: &dyn Error) -> Outcome<T> {
    let mut text = format!("{step} failed: {error}");
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    fail(text)
}

fn differences(expected: &Snapshot, found: &Snapshot) -> String {
    let missing = expected.0.iter().filter(|(name, line)| found.0.get(*name) != Some(line));
    let surplus = found.0.iter().filter(|(name, line)| expected.0.get(*name) != Some(line));
    missing
        .map(|(name, line)| format!("\n    - {name}: {line}"))
        .chain(surplus.map(|(name, line)| format!("\n    + {name}: {line}")))
        .collect()
}

async fn poll_at_most<T>(future: impl Future<Output = T> + Send, limit: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        if polls == limit {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polls == limit => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
