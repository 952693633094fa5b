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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::undo::{Holder, Presence, RevertCtx, Reverted};

    const KIND: FaultKind = FaultKind::from_static("test.kind");

    #[test]
    fn a_process_fault_without_a_reverter_of_its_own_is_undone_by_its_end() {
        let mut registry = ReverterRegistry::new();
        assert!(registry.find(&KIND, Guarantee::Process).is_some());
        for guarantee in [Guarantee::Recover, Guarantee::KernelFd, Guarantee::Irreversible] {
            assert!(registry.find(&KIND, guarantee).is_none());
        }
        registry.register(HeldByProcess::new(KIND));
        assert!(registry.find(&KIND, Guarantee::Recover).is_some());
        assert_eq!(registry.kinds().collect::<Vec<_>>(), [&KIND]);
    }

    #[tokio::test]
    async fn a_held_fault_is_gone_with_its_holder_and_never_before() {
        let reverter = HeldByProcess::new(KIND);
        let record = crate::undo::record::tests::record(Guarantee::Process);
        let mut told = Vec::new();
        for holder in [Holder::ThisEnded, Holder::Gone, Holder::Alive, Holder::This] {
            let ctx = RevertCtx::new(DateTime::<Utc>::UNIX_EPOCH, holder);
            told.push((
                reverter.revert(&ctx, &record).await.unwrap(),
                reverter.presence(&ctx, &record).await,
            ));
        }
        assert_eq!(told[0], (Reverted::Undone, Presence::Absent));
        assert_eq!(told[1], (Reverted::NothingToDo, Presence::Absent));
        assert_eq!(told[2], (Reverted::HeldBy(record.run.clone()), Presence::Unknown));
        assert!(matches!(told[3], (Reverted::Stuck { .. }, Presence::Unknown)));
    }
}
