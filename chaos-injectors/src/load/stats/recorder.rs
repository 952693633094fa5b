use std::time::Duration;

use super::{LoadStats, tally::Tally};
use crate::load::profile::Curve;

/// What happened to a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Event {
    /// Its time came, and it was taken up `lag` later.
    Scheduled { lag: Duration },
    /// It was written to a connection.
    Sent,
    /// Too many were waiting, so it was not sent.
    Dropped,
    /// It ended: `latency` since its intended start, `service` since it got its connection.
    Finished { outcome: Outcome, latency: Duration, service: Duration },
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A whole response came; `failed` with a status of 500 or above.
    Answered { failed: bool },
    /// No connection could be made.
    Connect,
    /// Nothing whole came in time.
    Timeout,
    /// The connection broke, or what came was not HTTP.
    Protocol,
}

/// Takes events as they happen and yields figures: over all time, and over a ring of one-second slots.
///
/// It reads no clock: every call brings the time since the start of the load.
#[derive(Debug)]
pub(crate) struct Recorder {
    curve: Curve,
    duration: Duration,
    total: Tally,
    ring: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    second: u64,
    tally: Tally,
}

impl Recorder {
    /// A recorder whose window is `window` seconds; at least one.
    pub(crate) fn new(curve: Curve, duration: Duration, window: u64) -> Self {
        let slot = |second| Slot { second, tally: Tally::new() };
        Self { curve, duration, total: Tally::new(), ring: (0..window.max(1)).map(slot).collect() }
    }

    pub(crate) fn record(&mut self, now: Duration, event: Event) {
        self.total.apply(event);
        self.slot(now.as_secs()).apply(event);
    }

    /// The figures since the start. `ages` are those of the requests that are waiting or in flight.
    pub(crate) fn total(&self, now: Duration, ages: impl ExactSizeIterator<Item = Duration>) -> LoadStats {
        self.finish(self.total.clone(), Duration::ZERO, now, ages)
    }

    /// The figures of the present second and the full ones before it that the window holds.
    pub(crate) fn window(&self, now: Duration, ages: impl ExactSizeIterator<Item = Duration>) -> LoadStats {
        let seconds = self.ring.len() as u64;
        let first = (now.as_secs() + 1).saturating_sub(seconds);
        let mut tally = Tally::new();
        let live = first..=now.as_secs();
        self.ring.iter().filter(|slot| live.contains(&slot.second)).for_each(|slot| tally.add(&slot.tally));
        self.finish(tally, Duration::from_secs(first), now, ages)
    }

    fn finish(
        &self,
        mut tally: Tally,
        from: Duration,
        now: Duration,
        ages: impl ExactSizeIterator<Item = Duration>,
    ) -> LoadStats {
        let outstanding = ages.len() as u64;
        tally.count_overdue(ages);
        tally.stats(self.asked(from, now), now.saturating_sub(from), outstanding)
    }

    /// The mean of the asked rate over that part of the stretch in which the profile asks for anything.
    fn asked(&self, from: Duration, to: Duration) -> f64 {
        let (from, to) = (from.min(self.duration), to.min(self.duration));
        let seconds = (to - from).as_secs_f64();
        if seconds > 0.0 { (self.curve.count(to) - self.curve.count(from)) / seconds } else { 0.0 }
    }

    fn slot(&mut self, second: u64) -> &mut Tally {
        let index = (second % self.ring.len() as u64) as usize;
        let slot = &mut self.ring[index];
        if slot.second != second {
            slot.second = second;
            slot.tally.clear();
        }
        &mut slot.tally
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn recorder(window: u64) -> Recorder {
        Recorder::new(Curve::constant(100.0), HOUR, window)
    }

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn answered(latency: Duration) -> Event {
        Event::Finished { outcome: Outcome::Answered { failed: false }, latency, service: ms(1) }
    }

    #[test]
    fn no_data_is_not_zero() {
        let stats = recorder(5).total(ms(10), [].into_iter());
        assert_eq!((stats.latency, stats.service, stats.error_rate), (None, None, None));
        assert_eq!(stats.asked_rate.round(), 100.0);
    }

    #[test]
    fn the_window_forgets() {
        let mut recorder = recorder(3);
        recorder.record(ms(500), answered(ms(900)));
        recorder.record(ms(2_500), answered(ms(10)));
        let at = |now| recorder.window(now, [].into_iter());
        assert_eq!(at(ms(2_900)).completed, 2);
        assert_eq!(at(ms(3_100)).completed, 1);
        assert!(at(ms(3_100)).latency.unwrap().max < ms(11));
        assert_eq!(at(ms(3_100)).elapsed, ms(2_100));
        assert_eq!(at(ms(5_000)).completed, 0);
        assert_eq!(recorder.total(ms(5_000), [].into_iter()).completed, 2);
    }

    #[test]
    fn slots_are_used_again() {
        let mut recorder = recorder(2);
        for second in 0..10 {
            recorder.record(ms(second * 1_000), Event::Sent);
        }
        assert_eq!(recorder.window(ms(9_999), [].into_iter()).sent, 2);
        assert_eq!(recorder.total(ms(9_999), [].into_iter()).sent, 10);
    }

    #[test]
    fn an_overdue_request_shows_before_it_ends() {
        let mut recorder = recorder(5);
        (0..100).for_each(|_| recorder.record(ms(100), answered(ms(5))));
        let young = recorder.window(ms(200), [ms(1), ms(2)].into_iter());
        assert!(young.latency.unwrap().max < ms(6), "{young:?}");
        let stalled = recorder.window(ms(900), [ms(700), ms(600), ms(500)].into_iter());
        assert!(stalled.latency.unwrap().p99 >= ms(500), "{stalled:?}");
        assert_eq!(stalled.outstanding, 3);
        assert!(stalled.service.unwrap().max < ms(2));
    }

    #[test]
    fn errors_are_counted_by_class_and_never_hidden() {
        let mut recorder = recorder(5);
        let end = |outcome| Event::Finished { outcome, latency: ms(20), service: ms(10) };
        for outcome in [
            Outcome::Connect,
            Outcome::Timeout,
            Outcome::Protocol,
            Outcome::Answered { failed: true },
            Outcome::Answered { failed: false },
        ] {
            recorder.record(ms(1), end(outcome));
        }
        recorder.record(ms(1), Event::Dropped);
        let stats = recorder.total(ms(10), [].into_iter());
        let errors = stats.errors;
        assert_eq!(
            (errors.connect, errors.timeout, errors.status, errors.protocol, errors.dropped),
            (1, 1, 1, 1, 1)
        );
        assert_eq!((stats.completed, stats.error_rate), (2, Some(5.0 / 6.0)));
    }

    #[test]
    fn the_asked_rate_stops_with_the_schedule() {
        let recorder = Recorder::new(Curve::constant(100.0), ms(2_000), 10);
        assert_eq!(recorder.total(ms(4_000), [].into_iter()).asked_rate, 100.0);
    }

    proptest! {
        #[test]
        fn the_window_equals_the_events_within_it(events in prop::collection::vec((0_u64..20_000, 1_u64..2_000), 0..200)) {
            let mut events = events;
            events.sort_unstable();
            let mut recorder = recorder(4);
            for (at, latency) in &events {
                recorder.record(ms(*at), answered(ms(*latency)));
            }
            let inside = events.iter().filter(|(at, _)| *at >= 16_000).count() as u64;
            prop_assert_eq!(recorder.window(ms(19_999), [].into_iter()).completed, inside);
            prop_assert_eq!(recorder.total(ms(19_999), [].into_iter()).completed, events.len() as u64);
        }
    }
}
