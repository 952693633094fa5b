//! The connections of a proxy that can be woken, each under a key.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

/// Names a connection's slot; a key of a connection that is gone wakes nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    index: u32,
    turn: u32,
}

impl Key {
    /// No connection's: the timer looks for toxics whose time is over.
    pub(super) const REAPER: Self = Self { index: u32::MAX, turn: 0 };
}

#[derive(Debug, Default)]
struct Slot {
    turn: u32,
    waker: Option<Waker>,
    seen: u64,
}

#[derive(Debug, Default)]
struct Inner {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// The newest generation, and how many connections have not taken it over.
    generation: u64,
    behind: usize,
}

/// One slot for each open connection.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<Inner>);

impl Slots {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a slot for the task behind `waker`, which knows the toxics of generation `seen`.
    pub(super) fn enter(&self, waker: Waker, seen: u64) -> Key {
        let mut inner = self.inner();
        inner.behind += usize::from(seen < inner.generation);
        let index = inner.free.pop().unwrap_or_else(|| {
            inner.slots.push(Slot::default());
            u32::try_from(inner.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut inner.slots[index as usize];
        (slot.waker, slot.seen) = (Some(waker), seen);
        Key { index, turn: slot.turn }
    }

    /// Gives the slot back; true if every connection that is left knows the newest generation.
    pub(super) fn leave(&self, key: Key) -> bool {
        let mut inner = self.inner();
        let slot = &mut inner.slots[key.index as usize];
        slot.turn = slot.turn.wrapping_add(1);
        let (waker, seen) = (slot.waker.take(), slot.seen);
        inner.free.push(key.index);
        inner.behind -= usize::from(seen < inner.generation);
        let settled = inner.behind == 0;
        drop(inner);
        drop(waker);
        settled
    }

    /// Notes that a connection has taken over the toxics of `generation`; true if it was the last.
    pub(super) fn saw(&self, key: Key, generation: u64) -> bool {
        let mut inner = self.inner();
        let newest = inner.generation;
        let slot = &mut inner.slots[key.index as usize];
        let caught_up = slot.seen < newest && generation >= newest;
        slot.seen = generation;
        inner.behind -= usize::from(caught_up);
        inner.behind == 0
    }

    /// Tells every connection that there is a new generation of toxics.
    pub(super) fn announce(&self, generation: u64) {
        let mut inner = self.inner();
        inner.generation = inner.generation.max(generation);
        let newest = inner.generation;
        inner.behind = inner.slots.iter().filter(|slot| slot.waker.is_some() && slot.seen < newest).count();
        inner.slots.iter().filter_map(|slot| slot.waker.as_ref()).for_each(Waker::wake_by_ref);
    }

    /// Whether every connection has taken over the toxics of `generation`.
    pub(super) fn all_saw(&self, generation: u64) -> bool {
        let inner = self.inner();
        inner.generation >= generation && inner.behind == 0
    }

    pub(super) fn wake(&self, keys: &[Key]) {
        let inner = self.inner();
        for key in keys {
            let slot = inner.slots.get(key.index as usize).filter(|slot| slot.turn == key.turn);
            if let Some(waker) = slot.and_then(|slot| slot.waker.as_ref()) {
                waker.wake_by_ref();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_used_again_under_another_key() {
        let slots = Slots::default();
        let first = slots.enter(Waker::noop().clone(), 0);
        slots.leave(first);
        let second = slots.enter(Waker::noop().clone(), 3);
        assert_ne!(first, second);
        assert!(slots.leave(second));
    }

    #[test]
    fn all_have_seen_a_generation_once_the_last_one_has() {
        let slots = Slots::default();
        let [a, b, c] = [(); 3].map(|()| slots.enter(Waker::noop().clone(), 0));
        slots.announce(1);
        assert!(!slots.saw(a, 1) && !slots.saw(a, 1) && !slots.leave(b));
        assert!(!slots.all_saw(1));
        assert!(slots.saw(c, 1) && slots.all_saw(1));
        let late = slots.enter(Waker::noop().clone(), 0);
        assert!(!slots.all_saw(1) && slots.saw(late, 1));
    }
}
