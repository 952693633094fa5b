use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{
    FakeHost,
    script::{Act, Ending, Scripted, Step, play},
};
use crate::{
    error::{InjectError, RevertError},
    id::{FaultKind, RunId},
    injector::{Capabilities, Effect, FaultCtx, Guarantee, Injector, Live, Prepared},
    scope::Target,
    undo::{
        Found, HeldByProcess, Presence, RevertCtx, Reverted, Reverter, Snapshot, UndoPayload, UndoRecord,
    },
};

const VALUE: &str = "broken";

/// A fault on one setting of a [`FakeHost`] that does at each [`Step`] what a test tells it: fail, panic, hang, block, wait.
///
/// The script is kept by the host, so that [`ScriptedReverter`] plays its part of it from the record alone, and
/// [`FakeHost::calls`] tells what was called in which order.
///
/// ```
/// use chaos_core::testkit::{Act, FakeHost, ScriptedFault, Step};
/// let host = FakeHost::new();
/// let fault = ScriptedFault::new(&host, "db")
///     .always(Step::Landed, Act::Panic)
///     .first(2, Step::Revert, Act::Fail);
/// ```
#[derive(Debug, Clone)]
pub struct ScriptedFault {
    host: FakeHost,
    setting: String,
    guarantee: Guarantee,
}

#[derive(Debug, Serialize, Deserialize)]
struct ScriptedUndo {
    setting: String,
    previous: Option<String>,
}

impl UndoPayload for ScriptedUndo {
    const KIND: &'static str = ScriptedFault::KIND;
    const VERSION: u32 = HeldByProcess::VERSION;
}

impl ScriptedFault {
    /// The kind of the fault.
    pub const KIND: &'static str = "fake.scripted";

    /// A fault on `setting` that works until its script says otherwise, of class [`Guarantee::Recover`].
    #[must_use]
    pub fn new(host: &FakeHost, setting: &str) -> Self {
        Self { host: host.clone(), setting: setting.into(), guarantee: Guarantee::Recover }
    }

    /// Acts each time.
    #[must_use]
    pub fn always(self, step: Step, act: Act) -> Self {
        self.first(usize::MAX, step, act)
    }

    /// Acts the first `times` times; then comes what was scripted later for the same step, or nothing.
    #[must_use]
    pub fn first(self, times: usize, step: Step, act: Act) -> Self {
        self.host.script().write(&self.setting, step, act, times);
        self
    }

    /// A fault of class [`Guarantee::Process`] with a [`Live`]: what it changed is changed back when that ends or is dropped.
    #[must_use]
    pub const fn held(self) -> Self {
        self.of_class(Guarantee::Process)
    }

    /// A fault that cannot be undone: its revert is clear once somebody else has set the setting again.
    #[must_use]
    pub const fn irreversible(self) -> Self {
        self.of_class(Guarantee::Irreversible)
    }

    /// A fault of this class; [`Guarantee::Process`] is held by a [`Live`].
    #[must_use]
    pub const fn of_class(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    async fn play(&self, step: Step) -> Result<(), InjectError> {
        play(&self.host, &self.setting, step)
            .await
            .map_err(|scripted| InjectError::failed(self.kind(), "follow the script", scripted))
    }
}

#[async_trait]
impl Injector for ScriptedFault {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(Self::KIND)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.guarantee)
    }

    async fn prepare(&self, _: &FaultCtx) -> Result<Prepared, InjectError> {
        self.play(Step::Prepare).await?;
        let previous = self.host.free(&self.kind(), &self.setting)?;
        let undo = ScriptedUndo { setting: self.setting.clone(), previous };
        let prepared = if self.guarantee == Guarantee::Process {
            Prepared::held_by_process(self.kind(), &undo)?
        } else {
            Prepared::new(&undo)?.manual(format!("set {} back", self.setting))
        };
        Ok(prepared.target(Target::new("fake", &self.setting)))
    }

    async fn inject(
        &self,
        ctx: &FaultCtx,
        prepared: &Prepared,
    ) -> Result<Option<Box<dyn Live>>, InjectError> {
        self.play(Step::Inject).await?;
        self.host.free(&self.kind(), &self.setting)?;
        self.host.land(ctx, &self.kind(), self.guarantee, &self.setting, VALUE);
        let held = if self.guarantee == Guarantee::Process {
            let undo: ScriptedUndo = prepared.state(self.kind())?;
            Some(Held { host: self.host.clone(), run: ctx.run.clone(), undo })
        } else {
            None
        };
        self.play(Step::Landed).await?;
        Ok(held.map(|held| Box::new(held) as Box<dyn Live>))
    }

    async fn effect(&self, _: &FaultCtx) -> Result<Effect, InjectError> {
        self.play(Step::Effect).await?;
        let there = self.host.get(&self.setting).as_deref() == Some(VALUE);
        Ok(if there { Effect::seen() } else { Effect::absent("the setting has another value") })
    }
}

/// A change that ends with its holder.
#[derive(Debug)]
struct Held {
    host: FakeHost,
    run: RunId,
    undo: ScriptedUndo,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.host.lift(&self.run, &self.undo.setting, self.undo.previous.as_deref());
    }
}

#[async_trait]
impl Live for Held {
    async fn end(self: Box<Self>) -> Result<(), RevertError> {
        play(&self.host, &self.undo.setting, Step::End).await.map_err(failed)
    }
}

/// Undoes [`ScriptedFault`]s on one host, as their scripts say.
#[derive(Debug, Clone)]
pub struct ScriptedReverter(FakeHost);

impl ScriptedReverter {
    /// A reverter on this host.
    #[must_use]
    pub fn new(host: &FakeHost) -> Self {
        Self(host.clone())
    }

    async fn undo(&self, ctx: &RevertCtx, record: &UndoRecord, undo: &ScriptedUndo) -> Reverted {
        let present = || self.0.presence(&record.run, &undo.setting) == Presence::Present;
        match record.guarantee {
            // The host shows what no other reverter of held faults can see.
            Guarantee::Process if !present() => Reverted::NothingToDo,
            Guarantee::Process => HeldByProcess::new(self.kind())
                .revert(ctx, record)
                .await
                .unwrap_or_else(|error| Reverted::Stuck { why: error.to_string() }),
            Guarantee::Irreversible if present() => Reverted::Stuck { why: "it has not recovered".into() },
            Guarantee::Irreversible => Reverted::NothingToDo,
            _ => self.0.lift(&record.run, &undo.setting, undo.previous.as_deref()),
        }
    }
}

#[async_trait]
impl Reverter for ScriptedReverter {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(ScriptedFault::KIND)
    }

    async fn revert(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
        let undo: ScriptedUndo = record.decode()?;
        match play(&self.0, &undo.setting, Step::Revert).await {
            Err(scripted) if scripted.ending == Ending::Stuck => {
                return Ok(Reverted::Stuck { why: scripted.to_string() });
            }
            played => played.map_err(failed)?,
        }
        let reverted = self.undo(ctx, record, &undo).await;
        play(&self.0, &undo.setting, Step::Reverted).await.map_err(failed)?;
        Ok(reverted)
    }

    async fn presence(&self, _: &RevertCtx, record: &UndoRecord) -> Presence {
        let Ok(undo) = record.decode::<ScriptedUndo>() else {
            return Presence::Unknown;
        };
        if play(&self.0, &undo.setting, Step::Presence).await.is_err() {
            Presence::Unknown
        } else {
            self.0.presence(&record.run, &undo.setting)
        }
    }

    async fn snapshot(&self, _: &RevertCtx, record: &UndoRecord) -> Result<Snapshot, RevertError> {
        let undo: ScriptedUndo = record.decode()?;
        let mut dump = self.0.dump();
        dump.0.retain(|name, _| *name == undo.setting);
        Ok(dump)
    }

    async fn discover(&self, ctx: &RevertCtx) -> Result<Vec<Found>, RevertError> {
        let payload = |setting: &str, previous: Option<&str>| serde_json::json!({ "setting": setting, "previous": previous });
        Ok(self.0.discover(ctx, &self.kind(), payload))
    }
}

fn failed(scripted: Scripted) -> RevertError {
    RevertError::Failed {
        kind: FaultKind::from_static(ScriptedFault::KIND),
        operation: "follow the script".into(),
        retryable: scripted.ending == Ending::Retry,
        source: Box::new(scripted),
    }
}
