//! Figures by requests of our own.

mod builder;
mod task;
mod window;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use chaos_core::{
    error::MetricsError,
    metrics::{ERROR_RATE, LATENCY_P50, LATENCY_P99, Metrics, MetricsSource, REQUEST_RATE, UnknownReason},
};
use tokio::{sync::watch, task::JoinHandle};

pub use builder::HttpProbeBuilder;

use self::{task::Shared, window::Summary};
use super::{Name, NamedSource, endpoint::Endpoint};

/// Requests a URL at a constant rate in the background, and reports the last few seconds of it.
///
/// | metric | is |
/// |---|---|
/// | `error_rate` | the share of requests without an answer, or with another status than expected; 0 to 1 |
/// | `latency_p50`, `latency_p99` | seconds from the intended start to the last byte |
/// | `request_rate` | finished requests a second |
///
/// **Window.** It slides: a sample counts exactly the requests that ended within the window before it, and each counts once. While
/// none did, or fewer than [`min_requests`](HttpProbeBuilder::min_requests), all metrics are `Unknown(Empty)` and never zero.
///
/// **Latency.** It runs from the instant at which the request was due, so that a client or a server that stalls shows in full
/// (no coordinated omission). A request that timed out counts with the time waited. One that found no connection, or lost it, has
/// no latency; when there are only such, the latencies are `Unknown(Empty)` while the error rate is 1.
///
/// **Quantiles.** They come from an HDR histogram over all requests of the window, to three significant digits: never below the
/// true value, at most 0.1 % above. A quantile is the smallest latency that at least that share of the requests did not exceed. With
/// fewer than 100 requests in the window the p99 is the slowest one, so at 10 requests a second take a window of 10 s or more.
///
/// **Life.** Requests begin with [`HttpProbeBuilder::start`], on the tokio runtime that it is called on. They end with
/// [`stop`](Self::stop), or when the probe is dropped. A probe whose task has ended reports an error, not old figures.
///
/// ```no_run
/// # async fn example() -> Result<(), chaos_core::error::PlanError> {
/// use chaos_runner::source::http_probe::HttpProbe;
/// let probe = HttpProbe::builder("http://127.0.0.1:8080/health").rate(20.0).start()?;
/// # let _ = probe;
/// # Ok(())
/// # }
/// ```
#[must_use = "the requests end when the probe is dropped"]
pub struct HttpProbe {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    ended: watch::Receiver<()>,
    min_requests: usize,
}

/// The probe's task has ended, so its figures are no longer those of the present.
#[derive(Debug, thiserror::Error)]
#[error("the probe has stopped")]
#[non_exhaustive]
pub struct Stopped;

impl HttpProbe {
    /// A probe of this URL, by GET.
    #[must_use]
    pub fn builder(url: impl Into<Endpoint>) -> HttpProbeBuilder {
        HttpProbeBuilder::new(url.into())
    }

    /// Ends the requests, also those under way, and waits until they are gone. Can be called again.
    pub async fn stop(&self) {
        self.task.abort();
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    fn metrics(&self, summary: &Summary) -> Metrics {
        let mut metrics = Metrics::new();
        let enough = summary.total >= self.min_requests;
        let mut put = |name: &'static str, value: Option<f64>| match value.filter(|_| enough) {
            Some(value) => metrics.insert(name, value),
            None => metrics.insert_unknown(name, UnknownReason::Empty),
        };
        put(ERROR_RATE, summary.error_rate());
        put(LATENCY_P50, summary.p50);
        put(LATENCY_P99, summary.p99);
        put(REQUEST_RATE, summary.rate);
        metrics
    }
}

#[async_trait]
impl MetricsSource for HttpProbe {
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        if self.task.is_finished() {
            let from = format!("probe of {}", self.shared.label());
            return Err(MetricsError::Failed { from, source: Stopped.into() });
        }
        Ok(self.metrics(&self.shared.summary()))
    }
}

impl NamedSource for HttpProbe {
    fn names(&self) -> Vec<Name> {
        [ERROR_RATE, LATENCY_P50, LATENCY_P99, REQUEST_RATE].map(Name::Borrowed).to_vec()
    }
}

impl Drop for HttpProbe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for HttpProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpProbe")
            .field("shared", &self.shared)
            .field("min_requests", &self.min_requests)
            .field("running", &!self.task.is_finished())
            .finish_non_exhaustive()
    }
}
