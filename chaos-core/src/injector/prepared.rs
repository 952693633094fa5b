use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    error::InjectError,
    id::FaultKind,
    scope::{Scope, Target},
    undo::{HeldByProcess, UndoPayload},
};

/// What `prepare` found: all that the undo needs, and all that will be touched.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a prepared fault does nothing until it is injected"]
pub struct Prepared {
    payload: Value,
    version: u32,
    scope: Scope,
    manual: String,
}

impl Prepared {
    /// Takes the undo payload; add at least one target.
    ///
    /// # Errors
    /// [`InjectError::Failed`], if the payload cannot be written as JSON.
    pub fn new<P: UndoPayload>(payload: &P) -> Result<Self, InjectError> {
        Self::encode(FaultKind::from_static(P::KIND), P::VERSION, payload)
    }

    /// A fault that only this process holds: nothing of it is left once its [`Live`](super::Live) ended or the process is gone.
    /// `state` is what `inject` needs again; read it with [`Prepared::state`].
    ///
    /// Its reverter is [`HeldByProcess`], which can change nothing. So `inject` hands over a [`Live`](super::Live) for everything
    /// that it changed, or undoes it by a drop guard before it fails, panics or is dropped. What it leaves beside these stays
    /// until the process ends, and the run reports it as stuck. The conformance suite drops `inject` at each of its awaits and
    /// lets the oracle look.
    ///
    /// # Errors
    /// [`InjectError::Failed`], if the state cannot be written as JSON.
    pub fn held_by_process(kind: FaultKind, state: &impl Serialize) -> Result<Self, InjectError> {
        let prepared = Self::encode(kind, HeldByProcess::VERSION, state)?;
        Ok(prepared.manual("end the process that runs the experiment"))
    }

    fn encode(kind: FaultKind, version: u32, payload: &impl Serialize) -> Result<Self, InjectError> {
        let payload = serde_json::to_value(payload)
            .map_err(|source| InjectError::failed(kind, "write the undo record", source))?;
        Ok(Self { payload, version, scope: Scope::default(), manual: String::new() })
    }

    /// Adds something that will be touched.
    pub fn target(mut self, target: Target) -> Self {
        self.scope.targets.reserve_exact(1);
        self.scope.targets.push(target);
        self
    }

    /// Adds several things that will be touched.
    pub fn targets(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.scope.targets.extend(targets);
        self
    }

    /// Says of how many the targets were chosen, so that a share can be checked.
    pub const fn population(mut self, count: usize) -> Self {
        self.scope.population = Some(count);
        self
    }

    /// Says what a person can do by hand if every program fails.
    pub fn manual(mut self, step: impl Into<String>) -> Self {
        self.manual = step.into();
        self
    }

    /// What will be touched.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The undo payload as JSON, its version, and the manual step.
    #[must_use]
    pub fn undo(&self) -> (&Value, u32, &str) {
        (&self.payload, self.version, &self.manual)
    }

    /// Reads back what `prepare` wrote.
    ///
    /// # Errors
    /// [`InjectError::Failed`], if it is of another type.
    pub fn state<T: DeserializeOwned>(&self, kind: FaultKind) -> Result<T, InjectError> {
        T::deserialize(&self.payload)
            .map_err(|source| InjectError::failed(kind, "read what was prepared", source))
    }
}
