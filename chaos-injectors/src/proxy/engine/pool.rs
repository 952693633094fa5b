//! Kernel pipes on loan: a connection holds one only while bytes move.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::sys::pipe::Pipe;

/// Nominal bytes of a pipe, in single pages; a spliced page may be eight times as large.
const PIPE_SIZE: i32 = 256 << 10;
/// Pipes of all proxies of this process together: half of what the kernel grants an ordinary user without complaint
/// (`pipe-user-pages-soft`, 64 MiB).
const PIPES_MAX: usize = 128;
/// Pipes that a pool keeps while nobody needs them.
const PIPES_IDLE: usize = 8;

static PIPES: AtomicUsize = AtomicUsize::new(0);

/// A pipe that counts in the process's share as long as it lives.
#[derive(Debug)]
pub(super) struct Counted(pub(super) Pipe);

impl Counted {
    fn new() -> Option<Self> {
        if PIPES.fetch_add(1, Relaxed) >= PIPES_MAX {
            PIPES.fetch_sub(1, Relaxed);
            return None;
        }
        let pipe = Pipe::new(PIPE_SIZE);
        if pipe.is_err() {
            PIPES.fetch_sub(1, Relaxed);
        }
        pipe.ok().map(Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        PIPES.fetch_sub(1, Relaxed);
    }
}

/// Empty pipes of one proxy.
#[derive(Debug, Default)]
pub(super) struct PipePool(Mutex<Vec<Counted>>);

impl PipePool {
    /// An empty pipe; `None` if the process has as many as it may, so that the caller copies instead.
    pub(super) fn take(&self) -> Option<Counted> {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.or_else(Counted::new)
    }

    /// Takes back a pipe. It must be empty.
    pub(super) fn put(&self, pipe: Counted) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < PIPES_IDLE {
            idle.push(pipe);
        }
    }
}
