use std::{fmt, sync::Arc};

use crate::undo::Snapshot;

/// Sees the world without asking the code under test: the judge of "everything is as it was before".
///
/// A dump is canonical: equal states give equal dumps, without counters, times, or names that the kernel chooses.
pub trait StateOracle: fmt::Debug + Send + Sync + 'static {
    /// Writes down the whole state that faults of this kind could touch, and what lies beside it.
    fn dump(&self) -> Snapshot;
}

impl<T: StateOracle + ?Sized> StateOracle for Arc<T> {
    fn dump(&self) -> Snapshot {
        (**self).dump()
    }
}

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: &dyn StateOracle) {}
