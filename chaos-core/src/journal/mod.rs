//! What may have landed, written down before it does.

mod event;
mod fold;
mod memory;

use std::{fmt, sync::Arc};

pub use self::{
    event::{Event, EventBody, RunInfo},
    fold::{FaultState, JournalState, fold},
    memory::MemoryJournal,
};
use crate::{error::JournalError, id::RunId};

/// Whether an append has to survive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// On disk when the call returns. Intents need it: no durable intent, no fault.
    Durable,
    /// Survives the process. `Applied` and `Undone` need no more: losing them repeats an idempotent undo.
    Written,
}

/// A run in the journal that was not closed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Outstanding {
    /// The run.
    pub run: RunId,
    /// Its events, oldest first, as far as they can be read.
    pub events: Vec<Event>,
    /// What is wrong with the journal, where something is: a torn tail is not, a bad record before good ones is.
    pub damage: Option<String>,
}

impl Outstanding {
    /// An open run.
    #[must_use]
    pub const fn new(run: RunId, events: Vec<Event>, damage: Option<String>) -> Self {
        Self { run, events, damage }
    }
}

/// The memory of runs. Fallible before an injection (no journal, no fault); after it, a failing journal never stops a rollback.
pub trait Journal: fmt::Debug + Send + Sync + 'static {
    /// Appends events to a run, which a `Run` event opens, in one write.
    ///
    /// # Errors
    /// [`JournalError`]. An error of a sync is final: what was written before it is not to be trusted to be on disk.
    fn append(&self, run: &RunId, events: &[Event], durability: Durability) -> Result<(), JournalError>;

    /// The runs that are open and that no living runner holds. Each is leased to the caller until it is closed or released.
    ///
    /// # Errors
    /// [`JournalError`], if the journal as a whole cannot be read. One damaged run never hides the others.
    fn outstanding(&self) -> Result<Vec<Outstanding>, JournalError>;

    /// Gives a run back without closing it, so that a later recovery finds it.
    fn release(&self, run: &RunId);
}

macro_rules! forward_journal {
    ($($pointer:ident),*) => {$(
        impl<T: Journal + ?Sized> Journal for $pointer<T> {
            fn append(&self, run: &RunId, events: &[Event], durability: Durability) -> Result<(), JournalError> {
                (**self).append(run, events, durability)
            }
            fn outstanding(&self) -> Result<Vec<Outstanding>, JournalError> {
                (**self).outstanding()
            }
            fn release(&self, run: &RunId) {
                (**self).release(run);
            }
        }
    )*};
}

forward_journal!(Arc, Box);

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: &dyn Journal) {}
