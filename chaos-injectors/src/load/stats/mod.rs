//! What a load measures, readable at any time while it runs.

mod recorder;
mod tally;

use std::time::Duration;

pub(crate) use recorder::{Event, Outcome, Recorder};

/// The figures of a load: over its whole life, or over a sliding window.
///
/// `scheduled = completed + errors.connect + errors.timeout + errors.protocol + errors.dropped + outstanding`: no
/// request is lost in silence.
///
/// Latency is counted from the instant at which the schedule wanted the request to start, not from when a connection
/// was free to carry it. That is the correction of coordinated omission as Gil Tene's wrk2 and HdrHistogram define it:
/// a generator that waits for a stalled server must not leave out the requests that it would have sent meanwhile.
/// [`LoadStats::service`] holds the uncorrected times beside it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LoadStats {
    /// The time that these figures cover.
    pub elapsed: Duration,
    /// The mean rate that the profile asks for, in requests a second.
    pub asked_rate: f64,
    /// Requests a second that were written to a connection: what the target was really offered.
    pub achieved_rate: f64,
    /// Responses a second, whatever their status.
    pub completed_rate: f64,
    /// Requests whose time had come.
    pub scheduled: u64,
    /// Requests that were written to a connection.
    pub sent: u64,
    /// Responses that were read to their end, whatever their status.
    pub completed: u64,
    /// What went wrong, by class.
    pub errors: LoadErrors,
    /// Requests that were waiting or in flight at the reading; of an ended load those that it gave up.
    pub outstanding: u64,
    /// Latency from the intended start to the end of the response; `None` without any. Time-outs count with the time
    /// that passed until then, and so does an outstanding request once it is older than every finished one, so that
    /// a stall shows while it lasts. Connect and protocol errors and dropped requests do not count.
    pub latency: Option<Quantiles>,
    /// Time on the connection (connecting included) of the same finished requests, without any correction.
    pub service: Option<Quantiles>,
    /// The share of finished requests that failed in any class, 0 to 1; `None` where none finished.
    pub error_rate: Option<f64>,
    /// The worst delay of this process's own scheduler: how much later than intended a request was taken up.
    pub lag_max: Duration,
}

/// How many requests failed, by class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadErrors {
    /// No connection could be made.
    pub connect: u64,
    /// No full response within the time-out.
    pub timeout: u64,
    /// A response with a status of 500 or above. It counts as completed too.
    pub status: u64,
    /// The connection broke, or what came was not HTTP.
    pub protocol: u64,
    /// Too many requests were waiting already, so this one was never sent.
    pub dropped: u64,
}

impl LoadErrors {
    /// All failures together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.connect + self.timeout + self.status + self.protocol + self.dropped
    }
}

/// Points of a distribution of times, with three significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quantiles {
    /// The median.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The largest.
    pub max: Duration,
}
