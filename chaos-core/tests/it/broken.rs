//! Faults with one defect each: the negative controls of the conformance suite.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use chaos_core::{
    async_trait,
    error::{InjectError, RevertError},
    id::FaultKind,
    injector::{Capabilities, Effect, FaultCtx, Guarantee, Injector, Live, Prepared, on_end},
    scope::Target,
    testkit::{FakeHost, conformance::World},
    undo::{
        Found, HeldByProcess, Presence, ProcessId, RevertCtx, Reverted, Reverter, Snapshot, UndoPayload,
        UndoRecord,
    },
};
use serde::{Deserialize, Serialize};

/// What is wrong with a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    PrepareChanges,
    NamesNoTarget,
    ChoosesAnew,
    NoEffect,
    RestoresADefault,
    FailsTheSecondTime,
    UndoesWhatNeverWas,
    LandsBeforeItsMark,
    KeepsItsLock,
    Stacks,
    AlwaysAbsent,
    AlwaysPresent,
    ReadsAnyVersion,
    IgnoresTheRun,
    Clobbers,
    DiscoversWrong,
    OtherKind,
    EndsNothing,
    LeavesItWhenDropped,
    Invisible,
    NotFinite,
}

/// A fault that writes `broken` into the setting `db` and its run into `db.mark`.
#[derive(Debug, Clone)]
pub(crate) struct Broken {
    host: FakeHost,
    defect: Defect,
    locked: Arc<AtomicBool>,
    chosen: Arc<AtomicUsize>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Undo {
    previous: String,
}

impl UndoPayload for Undo {
    const KIND: &'static str = "test.broken";
    const VERSION: u32 = 1;
}

/// A world with a fault of this defect.
pub(crate) fn world(defect: Defect) -> World {
    let host = FakeHost::new();
    host.set("db", "fine");
    let broken = Broken { host: host.clone(), defect, locked: Arc::default(), chosen: Arc::default() };
    let foreign = host.clone();
    World::new(broken.clone()).reverter(broken).oracle(host).drive(async || {}).foreign(move || {
        let host = foreign.clone();
        async move {
            host.set("db", "theirs");
            host.remove("db.mark");
            Snapshot([("db".to_owned(), "theirs".to_owned())].into())
        }
    })
}

impl Broken {
    fn is(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn held(&self) -> bool {
        self.is(Defect::EndsNothing) || self.is(Defect::LeavesItWhenDropped)
    }

    fn is_marked(&self, record: &UndoRecord) -> bool {
        let mark = self.host.get("db.mark");
        match self.defect {
            Defect::Clobbers => true,
            Defect::IgnoresTheRun => mark.is_some(),
            Defect::UndoesWhatNeverWas => mark.is_none() || mark.as_deref() == Some(record.run.as_str()),
            _ => mark.as_deref() == Some(record.run.as_str()),
        }
    }

    fn undo(&self, previous: &str) {
        let fallback = self.is(Defect::RestoresADefault) || self.is(Defect::UndoesWhatNeverWas);
        self.host.set("db", if fallback { "default" } else { previous });
        self.host.remove("db.mark");
    }
}

#[async_trait]
impl Injector for Broken {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(Undo::KIND)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(if self.held() { Guarantee::Process } else { Guarantee::Recover })
    }

    async fn prepare(&self, _: &FaultCtx) -> Result<Prepared, InjectError> {
        let taken = self.host.get("db.mark").is_some() && !self.is(Defect::Stacks);
        if taken || self.locked.load(Ordering::SeqCst) {
            let (kind, target) = (Injector::kind(self), Target::new("fake", "db"));
            return Err(InjectError::Conflict { kind, target, why: "it is taken".into() });
        }
        if self.is(Defect::PrepareChanges) {
            self.host.set("touched", "yes");
        }
        let previous = self.host.get("db").unwrap_or_default();
        let prepared = Prepared::new(&Undo { previous })?;
        Ok(match self.defect {
            Defect::NamesNoTarget => prepared,
            Defect::ChoosesAnew => {
                let number = self.chosen.fetch_add(1, Ordering::SeqCst);
                prepared.target(Target::new("fake", &format!("db-{number}")))
            }
            _ => prepared.target(Target::new("fake", "db")),
        })
    }

    async fn inject(
        &self,
        ctx: &FaultCtx,
        prepared: &Prepared,
    ) -> Result<Option<Box<dyn Live>>, InjectError> {
        self.locked.store(self.is(Defect::KeepsItsLock), Ordering::SeqCst);
        if self.is(Defect::Invisible) {
            return Ok(None);
        }
        if self.is(Defect::LandsBeforeItsMark) {
            self.host.set("db", "broken");
            tokio::task::yield_now().await;
        }
        self.host.set("db.mark", ctx.run.as_str());
        self.host.set("db", "broken");
        if self.is(Defect::LeavesItWhenDropped) {
            tokio::task::yield_now().await;
        }
        let undo: Undo = prepared.state(Injector::kind(self))?;
        let (this, defect) = (self.clone(), self.defect);
        let end = move || {
            if defect != Defect::EndsNothing && this.host.get("db.mark").is_some() {
                this.undo(&undo.previous);
            }
        };
        Ok(self.held().then(|| on_end(end)))
    }

    async fn effect(&self, _: &FaultCtx) -> Result<Effect, InjectError> {
        Ok(match self.defect {
            Defect::NoEffect => Effect::absent("all is well"),
            Defect::NotFinite => Effect::seen().figure("latency", 100.0, f64::NAN, "ms"),
            _ => Effect::seen().figure("latency", 100.0, 101.0, "ms"),
        })
    }
}

#[async_trait]
impl Reverter for Broken {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(if self.is(Defect::OtherKind) { "test.other" } else { Undo::KIND })
    }

    async fn revert(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
        let undo: Undo = if self.is(Defect::ReadsAnyVersion) {
            Undo::deserialize(&record.payload).unwrap()
        } else {
            record.decode()?
        };
        if self.is(Defect::LeavesItWhenDropped) {
            return HeldByProcess::new(Injector::kind(self)).revert(ctx, record).await;
        }
        if self.held() {
            return Ok(Reverted::NothingToDo);
        }
        if !self.is_marked(record) {
            let again = self.is(Defect::FailsTheSecondTime) && self.chosen.load(Ordering::SeqCst) > 0;
            return if again { record_gone(record) } else { Ok(Reverted::NothingToDo) };
        }
        self.chosen.fetch_add(1, Ordering::SeqCst);
        self.undo(&undo.previous);
        Ok(Reverted::Undone)
    }

    async fn presence(&self, _: &RevertCtx, record: &UndoRecord) -> Presence {
        match self.defect {
            Defect::AlwaysAbsent => Presence::Absent,
            Defect::AlwaysPresent => Presence::Present,
            _ if self.host.get("db.mark").as_deref() == Some(record.run.as_str()) => Presence::Present,
            _ => Presence::Absent,
        }
    }

    async fn discover(&self, ctx: &RevertCtx) -> Result<Vec<Found>, RevertError> {
        let Some(run) = self.host.get("db.mark").and_then(|mark| mark.parse().ok()) else {
            return Ok(Vec::new());
        };
        let mut fault = FaultCtx::new(run, "fault-1".parse().unwrap(), ctx.now);
        fault.max_duration = std::time::Duration::ZERO;
        let previous = if self.is(Defect::DiscoversWrong) { "guess" } else { "fine" };
        let prepared =
            Prepared::new(&Undo { previous: previous.into() }).unwrap().target(Target::new("fake", "db"));
        let holder = ProcessId { boot_id: String::new(), pid: 0, start_time: 0 };
        let record = UndoRecord::new(&fault, Injector::kind(self), Guarantee::Recover, &prepared, holder);
        Ok(vec![Found { run: fault.run, target: Target::new("fake", "db"), record }])
    }
}

fn record_gone(record: &UndoRecord) -> Result<Reverted, RevertError> {
    Err(RevertError::failed(record.kind.clone(), "find the mark", false, std::io::Error::other("no mark")))
}
