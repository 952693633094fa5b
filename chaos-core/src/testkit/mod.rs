//! Fakes, and the conformance suite that every injector passes on the fake and on the real arm.
//!
//! [`conformance`] is the suite. [`FakeFault`] is a well-behaved fault on a [`FakeHost`]; [`ScriptedFault`] fails, panics, hangs or blocks where a test wants it.

pub mod conformance;
mod fake;
mod gate;
mod host;
mod oracle;
mod script;
mod scripted;

pub use self::{
    fake::{FakeFault, FakeReverter},
    gate::Gate,
    host::FakeHost,
    oracle::StateOracle,
    script::{Act, Step},
    scripted::{ScriptedFault, ScriptedReverter},
};
pub use crate::journal::MemoryJournal;
