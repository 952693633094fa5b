//! The figures of a running load as metrics of the system under test.

use async_trait::async_trait;
use chaos_core::{
    error::MetricsError,
    metrics::{ERROR_RATE, LATENCY_P50, LATENCY_P99, Metrics, MetricsSource, REQUEST_RATE, UnknownReason},
};

use super::{LoadMeter, LoadStats};

/// Samples the sliding window: `error_rate` (0 to 1), `latency_p50` and `latency_p99` (seconds, from the intended
/// start), `request_rate` (responses a second). A figure without requests behind it is unknown, and so is every figure
/// of a load that has ended.
#[async_trait]
impl MetricsSource for LoadMeter {
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        let ended = UnknownReason::Failed("the load has ended".into());
        Ok(if self.is_running() { metrics(&self.window()) } else { all_unknown(&ended) })
    }
}

fn metrics(stats: &LoadStats) -> Metrics {
    let mut metrics = all_unknown(&UnknownReason::Empty);
    if let Some(latency) = stats.latency {
        metrics.insert(LATENCY_P50, latency.p50.as_secs_f64());
        metrics.insert(LATENCY_P99, latency.p99.as_secs_f64());
    }
    if let Some(rate) = stats.error_rate {
        metrics.insert(ERROR_RATE, rate);
    }
    if stats.scheduled > 0 {
        metrics.insert(REQUEST_RATE, stats.completed_rate);
    }
    metrics
}

fn all_unknown(why: &UnknownReason) -> Metrics {
    let mut metrics = Metrics::new();
    for name in [ERROR_RATE, LATENCY_P50, LATENCY_P99, REQUEST_RATE] {
        metrics.insert_unknown(name, why.clone());
    }
    metrics
}
