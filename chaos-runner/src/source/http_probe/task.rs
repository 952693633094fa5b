//! The task behind a probe: when requests begin, and what becomes of them.

use std::{
    fmt,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet, time::Instant};

use super::window::{Outcome, Summary, Window};
use crate::source::transport::{Client, RequestError};

/// What the task and the probe both see.
pub(super) struct Shared {
    client: Client,
    expected: RangeInclusive<u16>,
    begun: Instant,
    window: Mutex<Window>,
}

/// When requests are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    rate: f64,
    /// How many requests may be caught up after a stall; older ones would be outside the window.
    backlog: u64,
    in_flight: usize,
}

impl Shared {
    pub(super) fn new(client: Client, window: Duration, rate: f64, expected: RangeInclusive<u16>) -> Self {
        Self { client, expected, begun: Instant::now(), window: Mutex::new(Window::new(window, rate)) }
    }

    pub(super) fn label(&self) -> String {
        self.client.label()
    }

    /// The figures of the window that ends now.
    pub(super) fn summary(&self) -> Summary {
        let now = self.begun.elapsed();
        self.window().summary(now)
    }

    async fn request(&self, due: Instant) {
        let answer = self.client.get_status().await;
        let failed = !matches!(&answer, Ok(status) if self.expected.contains(status));
        let ended = Instant::now();
        let timed = matches!(answer, Ok(_) | Err(RequestError::TimedOut { .. }));
        let latency = timed.then(|| ended.saturating_duration_since(due));
        self.window().record(Outcome { at: ended - self.begun, latency, failed });
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("client", &self.client)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

impl Pace {
    pub(super) fn new(rate: f64, window: Duration, timeout: Duration) -> Self {
        let per = |span: Duration| (rate * span.as_secs_f64()).ceil() as u64;
        Self { rate, backlog: per(window).max(1), in_flight: per(timeout) as usize + 1 }
    }

    /// When the request of this number is due, after the begin.
    fn due(self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// The next number: this one, or a later one if so much time passed that the backlog would exceed its bound.
    fn next(self, number: u64, elapsed: Duration) -> u64 {
        let reached = (elapsed.as_secs_f64() * self.rate) as u64;
        number.max(reached.saturating_sub(self.backlog))
    }
}

/// Requests until it is aborted; then the requests under way end with it, and `_alive` tells that they did.
pub(super) async fn run(shared: Arc<Shared>, pace: Pace, _alive: watch::Sender<()>) {
    let mut requests = JoinSet::new();
    let mut number = 0;
    loop {
        number = pace.next(number, shared.begun.elapsed());
        let due = shared.begun + pace.due(number);
        tokio::time::sleep_until(due).await;
        while requests.try_join_next().is_some() {}
        while requests.len() >= pace.in_flight {
            requests.join_next().await;
        }
        let shared = Arc::clone(&shared);
        requests.spawn(async move { shared.request(due).await });
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: fn() -> Pace = || Pace::new(10.0, Duration::from_secs(5), Duration::from_secs(1));

    #[test]
    fn requests_are_due_at_the_rate() {
        assert_eq!(PACE().due(0), Duration::ZERO);
        assert_eq!(PACE().due(25), Duration::from_millis(2500));
        assert_eq!(PACE().in_flight, 11);
    }

    #[test]
    fn a_stall_is_caught_up_as_far_as_the_window_reaches() {
        assert_eq!(PACE().next(3, Duration::ZERO), 3);
        assert_eq!(PACE().next(3, Duration::from_secs(5)), 3);
        assert_eq!(PACE().next(3, Duration::from_secs(60)), 550);
    }
}
