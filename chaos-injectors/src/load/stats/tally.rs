use std::time::Duration;

use hdrhistogram::Histogram;

use super::{Event, LoadErrors, LoadStats, Outcome, Quantiles};

/// Counts and distributions over one stretch of time. Times are kept in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    scheduled: u64,
    sent: u64,
    completed: u64,
    errors: LoadErrors,
    latency: Histogram<u64>,
    service: Histogram<u64>,
    lag_max: Duration,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            scheduled: 0,
            sent: 0,
            completed: 0,
            errors: LoadErrors::default(),
            latency: histogram(),
            service: histogram(),
            lag_max: Duration::ZERO,
        }
    }

    pub(super) fn clear(&mut self) {
        (self.scheduled, self.sent, self.completed) = (0, 0, 0);
        self.errors = LoadErrors::default();
        self.latency.reset();
        self.service.reset();
        self.lag_max = Duration::ZERO;
    }

    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Scheduled { lag } => {
                self.scheduled += 1;
                self.lag_max = self.lag_max.max(lag);
            }
            Event::Sent => self.sent += 1,
            Event::Dropped => self.errors.dropped += 1,
            Event::Finished { outcome, latency, service } => self.finish(outcome, latency, service),
        }
    }

    fn finish(&mut self, outcome: Outcome, latency: Duration, service: Duration) {
        match outcome {
            Outcome::Connect => self.errors.connect += 1,
            Outcome::Protocol => self.errors.protocol += 1,
            Outcome::Timeout => self.errors.timeout += 1,
            Outcome::Answered { failed } => {
                self.completed += 1;
                self.errors.status += u64::from(failed);
            }
        }
        if matches!(outcome, Outcome::Timeout | Outcome::Answered { .. }) {
            record(&mut self.latency, latency);
            record(&mut self.service, service);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.completed += other.completed;
        self.errors.connect += other.errors.connect;
        self.errors.timeout += other.errors.timeout;
        self.errors.status += other.errors.status;
        self.errors.protocol += other.errors.protocol;
        self.errors.dropped += other.errors.dropped;
        self.lag_max = self.lag_max.max(other.lag_max);
        self.latency.add(&other.latency).expect("a histogram that resizes itself takes every value");
        self.service.add(&other.service).expect("a histogram that resizes itself takes every value");
    }

    /// Lets requests that are still outstanding count with their present age once that is beyond every finished one.
    pub(super) fn count_overdue(&mut self, ages: impl Iterator<Item = Duration>) {
        let slowest = self.latency.max();
        for age in ages.filter(|age| micros(*age) > slowest) {
            record(&mut self.latency, age);
        }
    }

    /// The figures over `elapsed`; the rates of starts are per `asked_over`, for which `asked` requests were asked.
    pub(super) fn stats(&self, asked_rate: f64, elapsed: Duration, outstanding: u64) -> LoadStats {
        let per_second = |count: u64| rate(count, elapsed);
        LoadStats {
            elapsed,
            asked_rate,
            achieved_rate: per_second(self.sent),
            completed_rate: per_second(self.completed),
            scheduled: self.scheduled,
            sent: self.sent,
            completed: self.completed,
            errors: self.errors,
            outstanding,
            latency: quantiles(&self.latency),
            service: quantiles(&self.service),
            error_rate: self.error_rate(),
            lag_max: self.lag_max,
        }
    }

    fn error_rate(&self) -> Option<f64> {
        let failed = self.errors.total();
        let finished = self.completed + failed - self.errors.status;
        (finished > 0).then(|| failed as f64 / finished as f64)
    }
}

fn rate(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three significant digits are allowed")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.record(micros(time)).expect("a histogram that resizes itself takes every value");
}

fn quantiles(histogram: &Histogram<u64>) -> Option<Quantiles> {
    let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
    (!histogram.is_empty()).then(|| Quantiles {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        max: Duration::from_micros(histogram.max()),
    })
}
