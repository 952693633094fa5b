use std::{
    fs::{File, TryLockError},
    io,
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

/// Takes the exclusive lock of a file, which ends with its descriptor. False if another descriptor holds it.
pub(crate) fn try_lease(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Reserves space on disk from `offset` on without changing the length that a reader sees.
///
/// A file system that cannot reserve is no error; there an undo may need space.
pub(crate) fn preallocate(file: &File, offset: u64, length: u64) -> io::Result<()> {
    loop {
        match fallocate(file, FallocateFlags::KEEP_SIZE, offset, length) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Brings the content of a file to disk, and of its metadata what is needed to read it.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    file.sync_data()
}
