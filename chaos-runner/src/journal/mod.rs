//! The journal on disk: what may have landed, written down before it does, and read again after whatever happened.
//!
//! # Format
//!
//! One folder for each run, named by its id, mode 0700, and in it the file `journal`, mode 0600. A line is a record:
//!
//! ```text
//! 82 7913e74d 7 {"at":"2026-01-17T14:30:00Z","body":{"undone":{"fault":"fault-1","how":"undone"}}}
//! ```
//!
//! the bytes of the JSON, the CRC-32C of `7 {...}` in eight hex digits, the number of the record from 1, and the
//! [`Event`](chaos_core::journal::Event). `cat` reads it.
//!
//! # Trust
//!
//! A journal tells a program what to change on this machine, so it is privileged input. The folders and files belong to the
//! effective user, nobody else may write to them, there are no symbolic and no hard links; anything else is refused. Root
//! recovers only what root owns.
//!
//! # Leases
//!
//! A run is held by an exclusive `flock` on its file. It ends with the descriptor, whatever kills the process, so a run whose
//! lock is free is one that nobody takes care of. The root has to lie on a local file system.

mod file;
mod locks;
mod open_run;
mod record;
mod scan;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod told;

pub use self::{
    file::FileJournal,
    locks::{LockError, TargetGuard, TargetLocks},
};
