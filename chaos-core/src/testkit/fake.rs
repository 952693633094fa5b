use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::FakeHost;
use crate::{
    error::{InjectError, RevertError},
    id::FaultKind,
    injector::{Capabilities, Effect, FaultCtx, Guarantee, Injector, Live, Prepared},
    scope::Target,
    undo::{Found, Presence, RevertCtx, Reverted, Reverter, Snapshot, UndoPayload, UndoRecord},
};

/// A fault that changes one setting of a [`FakeHost`] and outlives its process, as a kernel's state does.
#[derive(Debug, Clone)]
pub struct FakeFault {
    host: FakeHost,
    setting: String,
    value: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct FakeUndo {
    setting: String,
    previous: Option<String>,
}

impl UndoPayload for FakeUndo {
    const KIND: &'static str = FakeFault::KIND;
    const VERSION: u32 = 1;
}

impl FakeFault {
    /// The kind of the fault.
    pub const KIND: &'static str = "fake.setting";

    /// A fault that sets `setting` to `value`.
    #[must_use]
    pub fn new(host: &FakeHost, setting: &str, value: &str) -> Self {
        Self { host: host.clone(), setting: setting.into(), value: value.into() }
    }
}

#[async_trait]
impl Injector for FakeFault {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(Self::KIND)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Guarantee::Recover)
    }

    async fn prepare(&self, _: &FaultCtx) -> Result<Prepared, InjectError> {
        let previous = self.host.free(&self.kind(), &self.setting)?;
        let undo = FakeUndo { setting: self.setting.clone(), previous };
        Ok(Prepared::new(&undo)?
            .target(Target::new("fake", &self.setting))
            .manual(format!("set {} back", self.setting)))
    }

    async fn inject(&self, ctx: &FaultCtx, _: &Prepared) -> Result<Option<Box<dyn Live>>, InjectError> {
        self.host.free(&self.kind(), &self.setting)?;
        self.host.land(ctx, &self.kind(), Guarantee::Recover, &self.setting, &self.value);
        Ok(None)
    }

    async fn effect(&self, _: &FaultCtx) -> Result<Effect, InjectError> {
        let there = self.host.get(&self.setting).as_ref() == Some(&self.value);
        Ok(if there { Effect::seen() } else { Effect::absent("the setting has another value") })
    }
}

/// Undoes [`FakeFault`]s on one host.
#[derive(Debug, Clone)]
pub struct FakeReverter(FakeHost);

impl FakeReverter {
    /// A reverter on this host.
    #[must_use]
    pub fn new(host: &FakeHost) -> Self {
        Self(host.clone())
    }
}

#[async_trait]
impl Reverter for FakeReverter {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(FakeFault::KIND)
    }

    async fn revert(&self, _: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
        let undo: FakeUndo = record.decode()?;
        Ok(self.0.lift(&record.run, &undo.setting, undo.previous.as_deref()))
    }

    async fn presence(&self, _: &RevertCtx, record: &UndoRecord) -> Presence {
        record
            .decode::<FakeUndo>()
            .map_or(Presence::Unknown, |undo| self.0.presence(&record.run, &undo.setting))
    }

    async fn snapshot(&self, _: &RevertCtx, record: &UndoRecord) -> Result<Snapshot, RevertError> {
        let undo: FakeUndo = record.decode()?;
        let mut dump = self.0.dump();
        dump.0.retain(|name, _| *name == undo.setting);
        Ok(dump)
    }

    async fn discover(&self, ctx: &RevertCtx) -> Result<Vec<Found>, RevertError> {
        let payload = |setting: &str, previous: Option<&str>| serde_json::json!({ "setting": setting, "previous": previous });
        Ok(self.0.discover(ctx, &self.kind(), payload))
    }
}
