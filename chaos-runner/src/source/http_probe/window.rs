//! What ended within the last few seconds.

use std::{collections::VecDeque, time::Duration};

use hdrhistogram::Histogram;

/// How one request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// When, after the begin of the probe.
    pub(super) at: Duration,
    /// From the intended start; none if there was no connection.
    pub(super) latency: Option<Duration>,
    /// Whether it counts as an error.
    pub(super) failed: bool,
}

/// The figures of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) total: usize,
    pub(super) failed: usize,
    /// Seconds.
    pub(super) p50: Option<f64>,
    /// Seconds.
    pub(super) p99: Option<f64>,
    /// Requests a second.
    pub(super) rate: Option<f64>,
}

/// The outcomes of a sliding span of time, nearly in the order in which they ended.
#[derive(Debug)]
pub(super) struct Window {
    span: Duration,
    rate: f64,
    outcomes: VecDeque<Outcome>,
}

impl Summary {
    /// The share of failed requests, if there were any requests.
    pub(super) fn error_rate(&self) -> Option<f64> {
        (self.total > 0).then(|| self.failed as f64 / self.total as f64)
    }
}

impl Window {
    /// A window of this length over requests at this asked rate, a second.
    pub(super) const fn new(span: Duration, rate: f64) -> Self {
        Self { span, rate, outcomes: VecDeque::new() }
    }

    pub(super) fn record(&mut self, outcome: Outcome) {
        self.forget(outcome.at);
        self.outcomes.push_back(outcome);
    }

    /// The figures of what ended after `now - span`.
    pub(super) fn summary(&mut self, now: Duration) -> Summary {
        self.forget(now);
        let oldest = now.checked_sub(self.span);
        // Two tasks may record in another order than they ended, so an old outcome may stand behind a young one.
        let inside: Vec<&Outcome> =
            self.outcomes.iter().filter(|outcome| oldest.is_none_or(|oldest| outcome.at > oldest)).collect();
        let latencies = histogram(inside.iter().filter_map(|outcome| outcome.latency));
        Summary {
            total: inside.len(),
            failed: inside.iter().filter(|outcome| outcome.failed).count(),
            p50: quantile(&latencies, 0.50),
            p99: quantile(&latencies, 0.99),
            rate: self.achieved(inside.len(), now),
        }
    }

    /// Finished requests a second over the part of the window that has passed. A young probe has passed at least the time that its
    /// requests are due in, so that its first one is not a thousand a second.
    fn achieved(&self, total: usize, now: Duration) -> Option<f64> {
        let span = self.span.as_secs_f64();
        let passed = now.as_secs_f64().max(total as f64 / self.rate).min(span);
        (total > 0).then(|| total as f64 / passed)
    }

    fn forget(&mut self, now: Duration) {
        let Some(oldest) = now.checked_sub(self.span) else { return };
        while self.outcomes.front().is_some_and(|outcome| outcome.at <= oldest) {
            self.outcomes.pop_front();
        }
    }
}

/// In microseconds, to three significant digits.
fn histogram(latencies: impl Iterator<Item = Duration> + Clone) -> Histogram<u32> {
    let micros = latencies.map(|latency| u64::try_from(latency.as_micros()).unwrap_or(u64::MAX / 2));
    let highest = micros.clone().max().unwrap_or_default().max(2);
    let mut histogram =
        Histogram::new_with_max(highest, 3).expect("a range from 1 with three digits is a histogram");
    micros.for_each(|micros| histogram.saturating_record(micros));
    histogram
}

/// In seconds.
fn quantile(histogram: &Histogram<u32>, share: f64) -> Option<f64> {
    let micros = histogram.value_at_quantile(share).min(histogram.max());
    (!histogram.is_empty()).then_some(micros as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn answered(at_ms: u64, latency_ms: u64) -> Outcome {
        let latency = Some(Duration::from_millis(latency_ms));
        Outcome { at: Duration::from_millis(at_ms), latency, failed: false }
    }

    #[test]
    fn an_empty_window_has_no_figures() {
        let summary = Window::new(SECOND, 10.0).summary(Duration::ZERO);
        let nothing = Summary { total: 0, failed: 0, p50: None, p99: None, rate: None };
        assert_eq!(summary, nothing);
        assert_eq!(summary.error_rate(), None);
    }

    #[test]
    fn an_outcome_leaves_exactly_after_the_span() {
        let mut window = Window::new(SECOND, 10.0);
        window.record(answered(500, 1));
        assert_eq!(window.summary(Duration::from_millis(1499)).total, 1);
        assert_eq!(window.summary(Duration::from_millis(1500)).total, 0);
    }

    #[test]
    fn the_rate_of_a_young_window_is_not_blown_up() {
        let mut window = Window::new(10 * SECOND, 10.0);
        window.record(answered(1, 1));
        assert_eq!(window.summary(Duration::from_millis(1)).rate, Some(10.0));
        assert_eq!(window.summary(SECOND).rate, Some(1.0));
        assert_eq!(window.summary(10 * SECOND).rate, Some(0.1));
    }

    #[test]
    fn requests_without_an_answer_have_no_latency() {
        let mut window = Window::new(SECOND, 10.0);
        window.record(Outcome { at: SECOND, latency: None, failed: true });
        let summary = window.summary(SECOND);
        assert_eq!((summary.error_rate(), summary.p50, summary.p99), (Some(1.0), None, None));
    }

    #[test]
    fn outcomes_of_another_order_are_counted_once_and_only_inside() {
        let mut window = Window::new(SECOND, 10.0);
        for at in [300, 100, 200] {
            window.record(answered(at, 1));
        }
        assert_eq!(window.summary(Duration::from_millis(1150)).total, 2);
        assert_eq!(window.summary(Duration::from_millis(1250)).total, 1);
    }

    /// The smallest latency that at least this share does not exceed, by sorting.
    fn naive_quantile(mut latencies: Vec<u64>, share: f64) -> Option<u64> {
        latencies.sort_unstable();
        let rank = (share * latencies.len() as f64).ceil().max(1.0) as usize;
        latencies.get(rank - 1).copied()
    }

    fn within_a_thousandth(seen: Option<f64>, expected_micros: Option<u64>) -> bool {
        match (seen, expected_micros.map(|micros| micros as f64 / 1e6)) {
            (None, None) => true,
            (Some(seen), Some(expected)) => (expected - 1e-12..=expected * 1.001 + 1e-12).contains(&seen),
            _ => false,
        }
    }

    fn outcomes() -> impl Strategy<Value = Vec<Outcome>> {
        let latency = prop_oneof![Just(None), (0_u64..10).prop_map(Some), (0_u64..60_000_000).prop_map(Some)];
        vec((0_u64..500_000, latency, any::<bool>()), 0..300).prop_map(|steps| {
            let mut at = Duration::ZERO;
            let outcome = |(step, latency, failed): (u64, Option<u64>, bool)| {
                at += Duration::from_micros(step);
                Outcome { at, latency: latency.map(Duration::from_micros), failed }
            };
            steps.into_iter().map(outcome).collect()
        })
    }

    proptest! {
        #[test]
        fn figures_are_those_of_a_naive_computation(
            all in outcomes(),
            span_ms in 1_u64..20_000,
            later in 0_u64..2_000_000,
            sampled_between: bool,
        ) {
            let span = Duration::from_millis(span_ms);
            let mut window = Window::new(span, 10.0);
            for (index, outcome) in all.iter().enumerate() {
                window.record(*outcome);
                if sampled_between && index % 32 == 0 {
                    window.summary(outcome.at);
                }
            }
            let now = all.last().map_or(Duration::ZERO, |last| last.at) + Duration::from_micros(later);
            let inside: Vec<&Outcome> = all.iter().filter(|outcome| outcome.at + span > now).collect();
            let latencies = || inside.iter().filter_map(|o| o.latency).map(|l| l.as_micros() as u64).collect();

            let summary = window.summary(now);
            prop_assert_eq!(summary.total, inside.len());
            prop_assert_eq!(summary.failed, inside.iter().filter(|o| o.failed).count());
            let (p50, p99) = (naive_quantile(latencies(), 0.50), naive_quantile(latencies(), 0.99));
            prop_assert!(within_a_thousandth(summary.p50, p50), "{:?} for {:?}", summary.p50, p50);
            prop_assert!(within_a_thousandth(summary.p99, p99), "{:?} for {:?}", summary.p99, p99);
        }
    }
}
