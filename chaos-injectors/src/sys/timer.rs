//! A timer with the kernel's own precision; the wheel of tokio is one of whole milliseconds.

use std::{io, os::fd::AsFd, os::fd::AsRawFd, os::fd::RawFd, time::Duration};

use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};
use tokio::io::unix::AsyncFd;

/// A monotonic one-shot timer behind a file descriptor, see `timerfd_create(2)`.
#[derive(Debug)]
pub(crate) struct PreciseTimer(AsyncFd<Owned>);

#[derive(Debug)]
struct Owned(TimerFd);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl PreciseTimer {
    /// A timer that is not set, on the tokio runtime of the caller.
    ///
    /// # Errors
    /// No descriptors left.
    ///
    /// # Panics
    /// Outside a tokio runtime that has its I/O driver on.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = Owned(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
        #[expect(unsafe_code, reason = "tokio has no safe way to wait for a descriptor of one's own")]
        // SAFETY: `Owned` holds its descriptor open from here to its drop, and always names that one.
        let registered = unsafe { AsyncFd::register(timer) };
        Ok(Self(registered?))
    }

    /// Lets [`PreciseTimer::fired`] return once after `delay`, in place of what was set before.
    ///
    /// # Errors
    /// Those of `timerfd_settime(2)`, which a valid delay does not meet.
    pub(crate) fn set(&self, delay: Duration) -> io::Result<()> {
        let delay = delay.max(Duration::from_nanos(1));
        let when = Expiration::OneShot(TimeSpec::from_duration(delay));
        Ok(self.0.get_ref().0.set(when, TimerSetTimeFlags::empty())?)
    }

    /// Waits until the timer fires.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub(crate) async fn fired(&self) -> io::Result<()> {
        // No read: the next `set` takes the old expiration away, and each expiration is an event of its own.
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const BOUND: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn it_fires_once_for_each_time_that_it_is_set() {
        let timer = PreciseTimer::new().unwrap();
        for _ in 0..3 {
            timer.set(Duration::ZERO).unwrap();
            timeout(BOUND, timer.fired()).await.unwrap().unwrap();
        }
        timer.set(Duration::from_secs(3600)).unwrap();
        let early = timeout(Duration::from_millis(20), timer.fired()).await;
        assert!(early.is_err(), "a timer fires only when its time has come");
    }
}
