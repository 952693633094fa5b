use std::{collections::BTreeMap, sync::Arc};

use super::{HeldByProcess, Reverter, UndoRecord};
use crate::{error::RevertError, id::FaultKind, injector::Guarantee};

/// The reverters that a program knows, by kind.
#[derive(Debug, Clone, Default)]
pub struct ReverterRegistry(BTreeMap<FaultKind, Arc<dyn Reverter>>);

impl ReverterRegistry {
    /// A registry without reverters.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Adds a reverter; the newer one wins.
    pub fn register(&mut self, reverter: impl Reverter) {
        self.0.insert(reverter.kind(), Arc::new(reverter));
    }

    /// The kinds that this program can undo.
    pub fn kinds(&self) -> impl Iterator<Item = &FaultKind> {
        self.0.keys()
    }

    /// The reverter for a kind and class. A fault of class [`Guarantee::Process`] without a reverter of its own is undone by
    /// ending it: [`HeldByProcess`].
    #[must_use]
    pub fn find(&self, kind: &FaultKind, guarantee: Guarantee) -> Option<Arc<dyn Reverter>> {
        let held = || {
            (guarantee == Guarantee::Process)
                .then(|| Arc::new(HeldByProcess::new(kind.clone())) as Arc<dyn Reverter>)
        };
        self.0.get(kind).map(Arc::clone).or_else(held)
    }

    /// The reverter of a record.
    ///
    /// # Errors
    /// [`RevertError::UnknownKind`]; the record is kept and reported.
    pub fn of(&self, record: &UndoRecord) -> Result<Arc<dyn Reverter>, RevertError> {
        self.find(&record.kind, record.guarantee)
            .ok_or_else(|| RevertError::UnknownKind { kind: record.kind.clone() })
    }
}
