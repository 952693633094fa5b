//! The options of the HTTP probe, and what is wrong with them.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use chaos_core::error::{PlanError, Problem};
use tokio::{runtime::Handle, sync::watch};

use super::{
    HttpProbe,
    task::{Pace, Shared, run},
};
use crate::source::{
    endpoint::Endpoint,
    transport::{Client, Redirects},
};

/// The highest rate, in requests a second. More is load, not a probe.
const MAX_RATE: f64 = 1_000.0;
/// The lowest rate, in requests a second: one a minute.
const MIN_RATE: f64 = 1.0 / 60.0;
/// How many requests may be under way, and a window may hold.
const MAX_IN_FLIGHT: f64 = 1_000.0;
const MAX_IN_WINDOW: f64 = 100_000.0;
const MAX_WINDOW: Duration = Duration::from_secs(600);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The options of an [`HttpProbe`].
#[derive(Debug)]
pub struct HttpProbeBuilder {
    endpoint: Endpoint,
    rate: f64,
    window: Duration,
    timeout: Duration,
    expected: RangeInclusive<u16>,
    min_requests: usize,
}

impl HttpProbeBuilder {
    pub(super) const fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            rate: 10.0,
            window: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            expected: 200..=399,
            min_requests: 1,
        }
    }

    /// Requests a second, 1/60 to 1,000; 10 by default.
    #[must_use]
    pub const fn rate(mut self, per_second: f64) -> Self {
        self.rate = per_second;
        self
    }

    /// How far a sample looks back, up to 10 minutes; 10 s by default.
    #[must_use]
    pub const fn window(mut self, span: Duration) -> Self {
        self.window = span;
        self
    }

    /// Bounds each request from the connection to the last byte, up to 60 s; 1 s by default. What takes longer has failed.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Which statuses are success; 200 to 399 by default. Redirects are not followed.
    #[must_use]
    pub const fn expect_status(mut self, statuses: RangeInclusive<u16>) -> Self {
        self.expected = statuses;
        self
    }

    /// How many requests a window needs to be judged; with fewer, all metrics are `Unknown(Empty)`. 1 by default.
    #[must_use]
    pub const fn min_requests(mut self, count: usize) -> Self {
        self.min_requests = count;
        self
    }

    /// Begins to request, on the present tokio runtime, which needs its I/O and time drivers.
    ///
    /// # Errors
    /// All problems: the URL and its rules (see [`Endpoint`]), the options, no runtime.
    pub fn start(self) -> Result<HttpProbe, PlanError> {
        let mut problems = self.problems();
        let client = self.client().map_err(|found| problems.extend(found)).ok();
        let runtime = Handle::try_current().map_err(|_| problems.push(no_runtime())).ok();
        PlanError::check("http probe", problems)?;
        let (client, runtime) = client.zip(runtime).expect("what could not be had is a problem");
        let shared = Arc::new(Shared::new(client, self.window, self.rate, self.expected));
        let (alive, ended) = watch::channel(());
        let pace = Pace::new(self.rate, self.window, self.timeout);
        let task = runtime.spawn(run(Arc::clone(&shared), pace, alive));
        Ok(HttpProbe { shared, task, ended, min_requests: self.min_requests.max(1) })
    }

    fn client(&self) -> Result<Client, Vec<Problem>> {
        let url = self.endpoint.check("url")?;
        Client::new(&self.endpoint, url, self.timeout, Redirects::Never).map_err(|problem| vec![problem])
    }

    fn problems(&self) -> Vec<Problem> {
        let (rate, window, timeout) = (self.rate, self.window, self.timeout);
        let per = |span: Duration| rate * span.as_secs_f64();
        let mut problems = Vec::new();
        let mut refuse = |wrong: bool, path: &str, message: String, hint: &str| {
            if wrong {
                problems.push(Problem::new(path, message).hint(hint));
            }
        };
        let bad_rate = !(MIN_RATE..=MAX_RATE).contains(&rate);
        refuse(bad_rate, "rate", rate.to_string(), "from 1/60 to 1000 requests a second");
        let bad_window = window.is_zero() || window > MAX_WINDOW;
        refuse(bad_window, "window", format!("{window:?}"), "more than 0, at most 10 minutes");
        let bad_timeout = timeout.is_zero() || timeout > MAX_TIMEOUT;
        refuse(bad_timeout, "timeout", format!("{timeout:?}"), "more than 0, at most 60 s");
        let in_flight = format!("up to {:.0} requests under way", per(timeout));
        refuse(per(timeout) > MAX_IN_FLIGHT, "timeout", in_flight, "rate times timeout is at most 1000");
        let held = format!("{:.0} requests", per(window));
        refuse(per(window) > MAX_IN_WINDOW, "window", held, "rate times window is at most 100000");
        let statuses = format!("{:?} is empty", self.expected);
        refuse(self.expected.is_empty(), "expect_status", statuses, "such as 200..=399");
        let too_many = self.min_requests as f64 > per(window);
        refuse(too_many, "min_requests", self.min_requests.to_string(), "the window never holds that many");
        problems
    }
}

fn no_runtime() -> Problem {
    Problem::new("", "called outside a tokio runtime")
        .hint("start the probe within #[tokio::main] or Runtime::enter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once() {
        let error = HttpProbe::builder("ftp://127.0.0.1/")
            .rate(f64::NAN)
            .window(Duration::ZERO)
            .timeout(Duration::from_secs(61))
            .expect_status(RangeInclusive::new(400, 200))
            .start()
            .unwrap_err();
        insta::assert_snapshot!(error);
    }

    #[test]
    fn products_of_options_are_bounded() {
        let error = HttpProbe::builder("http://127.0.0.1/")
            .rate(1_000.0)
            .window(Duration::from_secs(200))
            .timeout(Duration::from_secs(2))
            .min_requests(1_000_000)
            .start()
            .unwrap_err();
        insta::assert_snapshot!(error);
    }
}
