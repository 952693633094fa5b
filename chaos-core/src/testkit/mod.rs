//! Fakes, and the conformance suite that every injector passes on the fake and on the real arm.

mod fake;

pub use self::fake::{FakeFault, FakeHost, FakeReverter};
pub use crate::journal::MemoryJournal;
