//! Pacing to a rate, exact over any length of time.

use std::time::{Duration, Instant};

use super::chain::Verdict;

/// Bytes go in portions of what the rate yields in this time.
const QUANTUM: Duration = Duration::from_millis(1);
/// A wait shorter than this is not worth a timer; the bytes count against the next ones.
const SLACK: Duration = Duration::from_micros(20);
/// The most that is caught up after a wait for the receiver or for the processor.
const CATCH_UP: Duration = Duration::from_millis(50);

/// A token bucket without a burst: byte k of a backlog passes k / rate after its start.
///
/// What was sent is compared with the time since the backlog began, so no remainder is ever rounded away.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: u64,
    origin: Instant,
    spent: u64,
    idle: bool,
    busy_since: Instant,
}

impl Bucket {
    pub(super) const fn new(rate: u64, now: Instant) -> Self {
        Self { rate, origin: now, spent: 0, idle: true, busy_since: now }
    }

    /// What may pass now of `due` bytes; `queued` says whether there are more that are not due yet.
    pub(super) fn verdict(&mut self, now: Instant, due: usize, queued: bool) -> Verdict {
        if due == 0 {
            self.idle |= !queued;
            return Verdict::Send(0);
        }
        self.begin(now);
        let earned = self.earned(now + SLACK);
        let left = usize::try_from(earned.saturating_sub(self.spent)).unwrap_or(usize::MAX);
        let quantum = (u128::from(self.rate) * QUANTUM.as_nanos() / 1_000_000_000).max(1);
        let wanted = due.min(usize::try_from(quantum).unwrap_or(usize::MAX));
        if left >= wanted { Verdict::Send(due.min(left)) } else { Verdict::Wait(self.when(wanted)) }
    }

    /// Counts `n` bytes as sent; returns for how many nanoseconds the backlog was paced since the last call.
    pub(super) fn spend(&mut self, now: Instant, n: usize) -> u64 {
        self.spent = self.spent.saturating_add(n as u64);
        let paced = now.saturating_duration_since(self.busy_since);
        self.busy_since = now;
        u64::try_from(paced.as_nanos()).unwrap_or(u64::MAX)
    }

    /// An idle line saves nothing up, and a stalled one little.
    fn begin(&mut self, now: Instant) {
        let ahead = self.earned(now) >= self.spent;
        if self.idle {
            self.idle = false;
            self.busy_since = now;
            if ahead {
                (self.origin, self.spent) = (now, 0);
            }
        } else if ahead && self.earned(now) - self.spent > self.bytes(CATCH_UP) {
            (self.origin, self.spent) = (now - CATCH_UP.min(now.saturating_duration_since(self.origin)), 0);
        }
    }

    fn earned(&self, now: Instant) -> u64 {
        self.bytes(now.saturating_duration_since(self.origin))
    }

    fn bytes(&self, span: Duration) -> u64 {
        u64::try_from(u128::from(self.rate) * span.as_nanos() / 1_000_000_000).unwrap_or(u64::MAX)
    }

    /// When `more` bytes will have been earned.
    fn when(&self, more: usize) -> Instant {
        let bytes = u128::from(self.spent) + more as u128;
        let nanos = (bytes * 1_000_000_000).div_ceil(u128::from(self.rate));
        self.origin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sends a backlog of `total` bytes on a clock that is late by `late` at each wake; returns the time taken.
    fn drain(rate: u64, total: usize, late: Duration) -> Duration {
        let start = Instant::now();
        let (mut bucket, mut now, mut left) = (Bucket::new(rate, start), start, total);
        while left > 0 {
            match bucket.verdict(now, left, true) {
                Verdict::Send(n) => {
                    bucket.spend(now, n);
                    left -= n;
                }
                Verdict::Wait(at) => now = now.max(at) + late,
                other => panic!("{other:?}"),
            }
        }
        now - start
    }

    proptest! {
        #[test]
        fn a_backlog_takes_its_size_by_the_rate(rate in 1_000u64..1_000_000_000, ms in 20u64..2_000, late in 0u64..5_000) {
            let total = usize::try_from(rate * ms / 1_000).unwrap();
            let took = drain(rate, total, Duration::from_micros(late)).as_secs_f64();
            let asked = total as f64 / rate as f64;
            let slack = (SLACK + Duration::from_micros(late)).as_secs_f64() + 1.0 / rate as f64;
            prop_assert!((took - asked).abs() <= slack + 1e-6, "asked {asked}, took {took}");
        }
    }

    #[test]
    fn an_idle_line_saves_nothing_up() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000_000, start);
        assert_eq!(bucket.verdict(start, 0, false), Verdict::Send(0));
        let later = start + Duration::from_secs(10);
        assert!(matches!(bucket.verdict(later, 5_000, true), Verdict::Wait(_)));
    }

    #[test]
    fn a_stall_is_caught_up_by_a_bound() {
        let start = Instant::now();
        let mut bucket = Bucket::new(1_000_000, start);
        assert!(matches!(bucket.verdict(start, 1 << 30, true), Verdict::Wait(_)));
        let Verdict::Send(n) = bucket.verdict(start + Duration::from_secs(10), 1 << 30, true) else {
            panic!()
        };
        assert!(n <= 50_020, "{n}");
    }
}
