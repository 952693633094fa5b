//! One precise timer for all connections of a proxy.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::slots::Key;
use crate::sys::timer::PreciseTimer;

#[derive(Debug, Default)]
struct Due {
    heap: BinaryHeap<Reverse<(Instant, Key)>>,
    set: Option<Instant>,
}

/// Wakes connections at their instants, about 0.1 ms late and never early by more than the clock's grain.
#[derive(Debug)]
pub(super) struct Timers {
    due: Mutex<Due>,
    timer: PreciseTimer,
}

impl Timers {
    /// Needs the context of a tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { due: Mutex::default(), timer: PreciseTimer::new()? })
    }

    fn due(&self) -> MutexGuard<'_, Due> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes `key` at `at`. A wake that is no longer wanted cannot be taken back; it finds nothing to do.
    pub(super) fn arm(&self, at: Instant, key: Key) {
        let mut due = self.due();
        due.heap.push(Reverse((at, key)));
        if due.set.is_none_or(|set| at < set) {
            self.set(&mut due, at);
        }
    }

    /// Serves the timer for ever; `fired` gets the keys whose time has come.
    pub(super) async fn run(&self, fired: impl Fn(&[Key]) + Send + Sync) -> io::Result<()> {
        let mut keys = Vec::new();
        loop {
            self.timer.fired().await?;
            self.collect(&mut keys);
            fired(&keys);
            keys.clear();
        }
    }

    fn collect(&self, keys: &mut Vec<Key>) {
        let mut due = self.due();
        due.set = None;
        let now = Instant::now();
        while let Some(&Reverse((at, key))) = due.heap.peek() {
            if at > now {
                self.set(&mut due, at);
                break;
            }
            due.heap.pop();
            keys.push(key);
        }
    }

    fn set(&self, due: &mut Due, at: Instant) {
        due.set = Some(at);
        let delay = at.saturating_duration_since(Instant::now());
        if let Err(error) = self.timer.set(delay) {
            tracing::error!(%error, "the timer of a fault proxy cannot be set");
        }
    }
}
