use std::{
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// A door that a test opens: what waits at it goes on then. Clones share it, and it needs no runtime.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<Mutex<Door>>);

#[derive(Debug, Default)]
struct Door {
    open: bool,
    arrived: usize,
    wakers: Vec<Waker>,
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the gate, for ever.
    pub fn open(&self) {
        let mut door = self.door();
        door.open = true;
        let wakers = std::mem::take(&mut door.wakers);
        drop(door);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until the gate is open.
    pub async fn pass(&self) {
        self.door().arrived += 1;
        poll_fn(|cx| {
            let mut door = self.door();
            if door.open {
                return Poll::Ready(());
            }
            door.wakers.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// How many came to the gate so far, those that passed included.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.door().arrived
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
