use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    error::{InjectError, RevertError},
    id::{FaultKind, RunId},
    injector::{Capabilities, Effect, FaultCtx, Guarantee, Injector, Live, Prepared},
    scope::Target,
    undo::{Found, Presence, RevertCtx, Reverted, Reverter, Snapshot, UndoPayload, UndoRecord},
};

/// A host of named settings, which faults change. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct FakeHost(Arc<Mutex<BTreeMap<String, Setting>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    value: String,
    mark: Option<RunId>,
}

impl FakeHost {
    /// A host without settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value, without a mark, as somebody else would.
    pub fn set(&self, name: &str, value: &str) {
        self.lock().insert(name.into(), Setting { value: value.into(), mark: None });
    }

    /// Removes a setting, as somebody else would.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// The value of a setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.lock().get(name).map(|setting| setting.value.clone())
    }

    /// All settings with their marks, in canonical form.
    #[must_use]
    pub fn dump(&self) -> Snapshot {
        Snapshot(self.lock().iter().map(|(name, setting)| (name.clone(), format!("{setting:?}"))).collect())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Setting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
        let target = Target::new("fake", &self.setting);
        let settings = self.host.lock();
        let previous = settings.get(&self.setting);
        if let Some(run) = previous.and_then(|setting| setting.mark.as_ref()) {
            let why = format!("run {run} holds it");
            return Err(InjectError::Conflict { kind: self.kind(), target, why });
        }
        let previous = previous.map(|setting| setting.value.clone());
        let undo = FakeUndo { setting: self.setting.clone(), previous };
        Ok(Prepared::new(&undo)?.target(target).manual(format!("set {} back", self.setting)))
    }

    async fn inject(&self, ctx: &FaultCtx, _: &Prepared) -> Result<Option<Box<dyn Live>>, InjectError> {
        let setting = Setting { value: self.value.clone(), mark: Some(ctx.run.clone()) };
        self.host.lock().insert(self.setting.clone(), setting);
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

    fn mark(&self, setting: &str) -> Option<Option<RunId>> {
        self.0.lock().get(setting).map(|setting| setting.mark.clone())
    }
}

#[async_trait]
impl Reverter for FakeReverter {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(FakeFault::KIND)
    }

    async fn revert(&self, _: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
        let undo: FakeUndo = record.decode()?;
        match self.mark(&undo.setting) {
            None if undo.previous.is_some() => return Ok(Reverted::TargetGone),
            Some(Some(run)) if run == record.run => {}
            _ => return Ok(Reverted::NothingToDo),
        }
        match undo.previous {
            Some(previous) => self.0.set(&undo.setting, &previous),
            None => self.0.remove(&undo.setting),
        }
        Ok(Reverted::Undone)
    }

    async fn presence(&self, _: &RevertCtx, record: &UndoRecord) -> Presence {
        let Ok(undo) = record.decode::<FakeUndo>() else {
            return Presence::Unknown;
        };
        if self.mark(&undo.setting).flatten().as_ref() == Some(&record.run) {
            Presence::Present
        } else {
            Presence::Absent
        }
    }

    async fn snapshot(&self, _: &RevertCtx, record: &UndoRecord) -> Result<Snapshot, RevertError> {
        let undo: FakeUndo = record.decode()?;
        let mut dump = self.0.dump();
        dump.0.retain(|name, _| *name == undo.setting);
        Ok(dump)
    }

    async fn discover(&self, _: &RevertCtx) -> Result<Vec<Found>, RevertError> {
        Ok(Vec::new())
    }
}
