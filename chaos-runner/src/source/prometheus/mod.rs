//! Figures by PromQL.

mod answer;
mod builder;

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use chaos_core::{
    clock::Clock,
    error::MetricsError,
    metrics::{Metrics, MetricsSource, Sample, UnknownReason},
};
use futures_util::future::join_all;

pub use answer::QueryError;
pub use builder::PrometheusBuilder;

use super::{
    Name, NamedSource,
    endpoint::Endpoint,
    explain,
    transport::{Client, RequestError},
};

/// Asks a Prometheus server, or what speaks its API, one instant query a metric.
///
/// The queries of a sample are sent at the same time, each as form data by POST to
/// `/api/v1/query` (the HTTP API of Prometheus, v1). A query must yield one series, or a scalar:
///
/// | answer | sample |
/// |---|---|
/// | one finite number | the value |
/// | no series | `Unknown(Empty)` |
/// | several series | `Unknown(Ambiguous)`; aggregate in the query |
/// | `NaN`, `+Inf`, `-Inf` | `Unknown(NotFinite)`; a ratio of nothing to nothing is `NaN` |
/// | a time stamp older than `max_age` | `Unknown(Stale)`, by how much it is older than allowed |
/// | a time stamp ahead of our clock | `Unknown(Future)` |
/// | no whole answer in time | `Unknown(TimedOut)` |
/// | anything else, a warning of a partial answer too | `Unknown(Failed)` with a [`QueryError`] as text |
///
/// # Staleness
/// The time stamp of an instant query is the instant of its evaluation, not that of the scrape: it tells of a server whose clock is
/// wrong and of a cache between, not of old data. Prometheus drops a series whose target cannot be scraped at the next scrape, but
/// one that stopped scraping altogether answers with data of up to five minutes (its look-back). Where that matters, ask for the age
/// too, as a metric of its own with a tolerance: `time() - max(timestamp(up{job="api"}))`.
///
/// # Errors
/// A sample is an error only when no query got an answer: the server is down or too slow. The cause is a [`RequestError`].
///
/// ```no_run
/// use chaos_runner::source::prometheus::Prometheus;
/// let source = Prometheus::builder("http://127.0.0.1:9090")
///     .query("error_rate", r#"sum(rate(http_requests_total{code=~"5.."}[1m])) / sum(rate(http_requests_total[1m]))"#)
///     .query("latency_p99", "histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))")
///     .build()?;
/// # let _ = source;
/// # Ok::<(), chaos_core::error::PlanError>(())
/// ```
#[derive(Debug)]
pub struct Prometheus {
    client: Client,
    queries: Vec<Query>,
    max_age: Duration,
    clock_skew: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Query {
    name: Name,
    promql: String,
}

impl Prometheus {
    /// A source at the base URL of the server: what stands before `/api/v1/query`.
    #[must_use]
    pub fn builder(base_url: impl Into<Endpoint>) -> PrometheusBuilder {
        PrometheusBuilder::new(base_url.into())
    }

    async fn ask(&self, query: &Query) -> Result<Sample, QueryError> {
        let answer = self.client.post_form(&[("query", &query.promql)]).await?;
        let point = match answer::parse(answer.status, &answer.body)? {
            Ok(point) => point,
            Err(why) => return Ok(Sample::Unknown(why)),
        };
        Ok(self.off_time(point.at_millis).map_or_else(|| Sample::of(point.value), Sample::Unknown))
    }

    /// Whether a time stamp, in milliseconds since 1970, is too old or too new to be believed.
    fn off_time(&self, at_millis: f64) -> Option<UnknownReason> {
        let (max_age, skew) = (millis(self.max_age), millis(self.clock_skew));
        let age = whole_millis(self.clock.now()) - at_millis;
        if age > max_age {
            return Some(UnknownReason::Stale(rounded(age - max_age)));
        }
        (age < -skew).then(|| UnknownReason::Future(rounded(-age)))
    }

    fn from(&self) -> String {
        format!("prometheus at {}", self.client.label())
    }

    fn unreachable(&self, error: RequestError) -> MetricsError {
        match error {
            RequestError::TimedOut { limit } => MetricsError::TimedOut { from: self.from(), limit },
            other => MetricsError::Failed { from: self.from(), source: other.into() },
        }
    }
}

#[async_trait]
impl MetricsSource for Prometheus {
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        let answers = join_all(self.queries.iter().map(|query| self.ask(query))).await;
        if answers.iter().all(|answer| matches!(answer, Err(QueryError::Request(_)))) {
            let first = answers.into_iter().find_map(|answer| match answer {
                Err(QueryError::Request(error)) => Some(error),
                _ => None,
            });
            return Err(self.unreachable(first.expect("a source has a query, and every query failed")));
        }
        Ok(self.queries.iter().map(|query| query.name.clone()).zip(answers.into_iter().map(judged)).collect())
    }
}

impl NamedSource for Prometheus {
    fn names(&self) -> Vec<Cow<'static, str>> {
        self.queries.iter().map(|query| query.name.clone()).collect()
    }
}

fn judged(answer: Result<Sample, QueryError>) -> Sample {
    answer.unwrap_or_else(|error| {
        Sample::Unknown(match error {
            QueryError::Request(RequestError::TimedOut { .. }) => UnknownReason::TimedOut,
            other => UnknownReason::Failed(explain(&other)),
        })
    })
}

fn whole_millis(at: chrono::DateTime<chrono::Utc>) -> f64 {
    at.timestamp_millis() as f64
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn rounded(millis: f64) -> u64 {
    millis.round() as u64
}

#[cfg(test)]
mod tests {
    use chaos_core::clock::ManualClock;
    use chrono::DateTime;

    use super::*;

    fn source(at_millis: i64) -> Prometheus {
        let clock = ManualClock::new(DateTime::from_timestamp_millis(at_millis).unwrap());
        Prometheus::builder("http://127.0.0.1:1")
            .query("a", "b")
            .max_age(Duration::from_secs(10))
            .clock_skew(Duration::from_secs(2))
            .clock(Arc::new(clock))
            .build()
            .unwrap()
    }

    #[test]
    fn time_stamps_are_judged_by_our_clock() {
        let source = source(100_000);
        assert_eq!(source.off_time(100_000.0), None);
        assert_eq!(source.off_time(90_000.0), None);
        assert_eq!(source.off_time(89_999.0), Some(UnknownReason::Stale(1)));
        assert_eq!(source.off_time(102_000.0), None);
        assert_eq!(source.off_time(102_001.0), Some(UnknownReason::Future(2001)));
        assert_eq!(source.off_time(1e300), Some(UnknownReason::Future(u64::MAX)));
        assert_eq!(source.off_time(-1e300), Some(UnknownReason::Stale(u64::MAX)));
    }

    #[test]
    fn names_are_those_of_the_queries() {
        assert_eq!(source(0).names(), ["a"]);
    }
}
