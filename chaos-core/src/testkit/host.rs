use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{StateOracle, script::Script};
use crate::{
    error::InjectError,
    id::{FaultId, FaultKind, RunId},
    injector::{FaultCtx, Guarantee},
    scope::Target,
    undo::{Found, Presence, ProcessId, RevertCtx, Reverted, Snapshot, UndoRecord},
};

/// A host of named settings, which faults change. Clones share it, and it outlives a simulated crash of the runner.
#[derive(Debug, Clone, Default)]
pub struct FakeHost(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    settings: Mutex<BTreeMap<String, Setting>>,
    script: Mutex<Script>,
}

/// A setting's value, and who changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    value: String,
    mark: Option<Mark>,
}

/// What a fault leaves on what it changed, so that it is found without a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    run: RunId,
    fault: FaultId,
    kind: FaultKind,
    guarantee: Guarantee,
    previous: Option<String>,
}

impl FakeHost {
    /// A host without settings.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value, without a mark, as somebody else would.
    pub fn set(&self, name: &str, value: &str) {
        self.settings().insert(name.into(), Setting { value: value.into(), mark: None });
    }

    /// Removes a setting, as somebody else would.
    pub fn remove(&self, name: &str) {
        self.settings().remove(name);
    }

    /// The value of a setting.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.settings().get(name).map(|setting| setting.value.clone())
    }

    /// Whether a fault's mark is on any setting.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.settings().values().any(|setting| setting.mark.is_some())
    }

    /// All settings with their marks, in canonical form.
    #[must_use]
    pub fn dump(&self) -> Snapshot {
        Snapshot(self.settings().iter().map(|(name, setting)| (name.clone(), setting.line())).collect())
    }

    /// The steps that scripted faults took on this host, oldest first: `inject db`, `revert db`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.script().calls.clone()
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present value, unless a fault holds the setting.
    pub(super) fn free(&self, kind: &FaultKind, name: &str) -> Result<Option<String>, InjectError> {
        let settings = self.settings();
        let setting = settings.get(name);
        match setting.and_then(|setting| setting.mark.as_ref()) {
            Some(mark) => Err(InjectError::Conflict {
                kind: kind.clone(),
                target: Target::new("fake", name),
                why: format!("run {} holds it", mark.run),
            }),
            None => Ok(setting.map(|setting| setting.value.clone())),
        }
    }

    /// Lands a fault: the new value, with the mark of its run.
    pub(super) fn land(
        &self,
        ctx: &FaultCtx,
        kind: &FaultKind,
        guarantee: Guarantee,
        name: &str,
        value: &str,
    ) {
        let mut settings = self.settings();
        let mark = Mark {
            run: ctx.run.clone(),
            fault: ctx.fault.clone(),
            kind: kind.clone(),
            guarantee,
            previous: settings.get(name).map(|setting| setting.value.clone()),
        };
        settings.insert(name.into(), Setting { value: value.into(), mark: Some(mark) });
    }

    /// Takes away the change of `run`, and nothing else.
    pub(super) fn lift(&self, run: &RunId, name: &str, previous: Option<&str>) -> Reverted {
        let mut settings = self.settings();
        match settings.get(name) {
            None if previous.is_some() => return Reverted::TargetGone,
            Some(setting) if setting.is_of(run) => {}
            _ => return Reverted::NothingToDo,
        }
        match previous {
            Some(value) => settings.insert(name.into(), Setting { value: value.into(), mark: None }),
            None => settings.remove(name),
        };
        Reverted::Undone
    }

    pub(super) fn presence(&self, run: &RunId, name: &str) -> Presence {
        match self.settings().get(name) {
            Some(setting) if setting.is_of(run) => Presence::Present,
            _ => Presence::Absent,
        }
    }

    /// All faults of a kind, by their marks; `payload` makes what the reverter of that kind reads.
    pub(super) fn discover(
        &self,
        ctx: &RevertCtx,
        kind: &FaultKind,
        payload: impl Fn(&str, Option<&str>) -> serde_json::Value,
    ) -> Vec<Found> {
        let settings = self.settings();
        let marked = settings.iter().filter_map(|(name, setting)| Some((name, setting.mark.as_ref()?)));
        marked
            .filter(|(_, mark)| mark.kind == *kind)
            .map(|(name, mark)| mark.found(ctx, name, payload(name, mark.previous.as_deref())))
            .collect()
    }

    fn settings(&self) -> MutexGuard<'_, BTreeMap<String, Setting>> {
        self.0.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateOracle for FakeHost {
    fn dump(&self) -> Snapshot {
        Self::dump(self)
    }
}

impl Setting {
    fn is_of(&self, run: &RunId) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.run == *run)
    }

    fn line(&self) -> String {
        match &self.mark {
            Some(mark) => format!("{} (run {})", self.value, mark.run),
            None => self.value.clone(),
        }
    }
}

impl Mark {
    fn found(&self, ctx: &RevertCtx, name: &str, payload: serde_json::Value) -> Found {
        let target = Target::new("fake", name);
        let record = UndoRecord {
            schema: UndoRecord::SCHEMA,
            run: self.run.clone(),
            fault: self.fault.clone(),
            kind: self.kind.clone(),
            payload_version: 1,
            created_at: ctx.now,
            expires_at: ctx.now,
            holder: ProcessId { boot_id: String::new(), pid: 0, start_time: 0 },
            guarantee: self.guarantee,
            targets: vec![target.clone()],
            manual: String::new(),
            payload,
        };
        Found { run: self.run.clone(), target, record }
    }
}
