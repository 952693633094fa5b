//! Figures of the system under test, where "no data" is never a number.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::MetricsError;

/// The share of failed requests, 0 to 1.
pub const ERROR_RATE: &str = "error_rate";
/// The median latency in seconds.
pub const LATENCY_P50: &str = "latency_p50";
/// The 99th percentile of the latency in seconds.
pub const LATENCY_P99: &str = "latency_p99";
/// Requests a second.
pub const REQUEST_RATE: &str = "request_rate";

/// Why a metric has no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UnknownReason {
    /// The source does not report this metric.
    #[error("not reported")]
    Missing,
    /// The value is NaN or infinite.
    #[error("not a finite number")]
    NotFinite,
    /// The query yields no series, or there were no requests to measure.
    #[error("no data")]
    Empty,
    /// The query yields more than one series.
    #[error("{0} series where one is needed")]
    Ambiguous(usize),
    /// The value is older than allowed.
    #[error("stale by {0} ms")]
    Stale(u64),
    /// The value's time stamp lies in the future.
    #[error("time stamp {0} ms in the future")]
    Future(u64),
    /// The source did not answer in time.
    #[error("timed out")]
    TimedOut,
    /// The source failed; the text says how, without secrets.
    #[error("{0}")]
    Failed(String),
}

/// One metric at one instant: a finite value, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sample {
    /// A finite value.
    Value(f64),
    /// No value, and why.
    Unknown(UnknownReason),
}

impl Sample {
    /// A value, or [`UnknownReason::NotFinite`].
    #[must_use]
    pub fn of(value: f64) -> Self {
        if value.is_finite() { Self::Value(value) } else { Self::Unknown(UnknownReason::NotFinite) }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value}"),
            Self::Unknown(why) => write!(f, "unknown ({why})"),
        }
    }
}

/// Several metrics by name. Ratios are 0 to 1, times are seconds, rates are a second.
///
/// ```
/// use chaos_core::metrics::{Metrics, Sample};
/// let metrics = Metrics::from([("error_rate", 0.02), ("latency_p99", f64::NAN)]);
/// assert_eq!(metrics.value("error_rate"), Some(0.02));
/// assert!(matches!(metrics.sample("latency_p99"), Sample::Unknown(_)));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Cow<'static, str>, Sample>", into = "BTreeMap<Cow<'static, str>, Sample>")]
pub struct Metrics(Vec<(Cow<'static, str>, Sample)>);

impl Metrics {
    /// No metrics at all.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds or replaces a value; a value that is not finite is kept as unknown.
    pub fn insert(&mut self, name: impl Into<Cow<'static, str>>, value: f64) {
        self.put(name.into(), Sample::of(value));
    }

    /// Adds or replaces a metric that has no value.
    pub fn insert_unknown(&mut self, name: impl Into<Cow<'static, str>>, why: UnknownReason) {
        self.put(name.into(), Sample::Unknown(why));
    }

    /// The metric; [`UnknownReason::Missing`] if it is not there.
    #[must_use]
    pub fn sample(&self, name: &str) -> Sample {
        self.get(name).cloned().unwrap_or(Sample::Unknown(UnknownReason::Missing))
    }

    /// The finite value, if there is one.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Sample::Value(value)) => Some(*value),
            _ => None,
        }
    }

    /// All metrics by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Sample)> {
        self.0.iter().map(|(name, sample)| (name.as_ref(), sample))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over all of `other`, which wins where both have a name.
    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(name, sample)| self.put(name, sample));
    }

    fn get(&self, name: &str) -> Option<&Sample> {
        self.position(name).ok().map(|index| &self.0[index].1)
    }

    /// Sorted by name; a vector, since a run keeps many small sets.
    fn put(&mut self, name: Cow<'static, str>, sample: Sample) {
        let sample = match sample {
            Sample::Value(value) => Sample::of(value),
            unknown => unknown,
        };
        match self.position(&name) {
            Ok(index) => self.0[index].1 = sample,
            Err(index) => self.0.insert(index, (name, sample)),
        }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_ref().cmp(name))
    }
}

impl<const N: usize> From<[(&'static str, f64); N]> for Metrics {
    fn from(values: [(&'static str, f64); N]) -> Self {
        values.into_iter().map(|(name, value)| (Cow::Borrowed(name), Sample::of(value))).collect()
    }
}

impl FromIterator<(Cow<'static, str>, Sample)> for Metrics {
    fn from_iter<I: IntoIterator<Item = (Cow<'static, str>, Sample)>>(samples: I) -> Self {
        let samples = samples.into_iter();
        let mut metrics = Self(Vec::with_capacity(samples.size_hint().0));
        samples.for_each(|(name, sample)| metrics.put(name, sample));
        metrics
    }
}

impl From<BTreeMap<Cow<'static, str>, Sample>> for Metrics {
    fn from(samples: BTreeMap<Cow<'static, str>, Sample>) -> Self {
        Self(samples.into_iter().collect())
    }
}

impl From<Metrics> for BTreeMap<Cow<'static, str>, Sample> {
    fn from(metrics: Metrics) -> Self {
        metrics.0.into_iter().collect()
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, sample)) in self.iter().enumerate() {
            let gap = if index == 0 { "" } else { ", " };
            write!(f, "{gap}{name} {sample}")?;
        }
        Ok(())
    }
}

/// Where the figures come from: Prometheus, own requests, a function.
///
/// A source never invents: no data is [`Sample::Unknown`], not zero. An error of the whole source makes every metric
/// unknown. The runner bounds every call by a timeout and survives a panic.
#[async_trait]
pub trait MetricsSource: fmt::Debug + Send + Sync + 'static {
    /// Reads the present figures.
    ///
    /// # Errors
    /// [`MetricsError`] when nothing at all could be read.
    async fn sample(&self) -> Result<Metrics, MetricsError>;
}

#[async_trait]
impl<T: MetricsSource + ?Sized> MetricsSource for Arc<T> {
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        (**self).sample().await
    }
}

#[async_trait]
impl<T: MetricsSource + ?Sized> MetricsSource for Box<T> {
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        (**self).sample().await
    }
}

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: &dyn MetricsSource) {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_data_is_never_a_number() {
        let mut metrics = Metrics::from([("a", f64::INFINITY), ("b", 1.0)]);
        metrics.insert_unknown("c", UnknownReason::Stale(1_500));
        assert_eq!(metrics.sample("a"), Sample::Unknown(UnknownReason::NotFinite));
        assert_eq!(metrics.sample("nothing"), Sample::Unknown(UnknownReason::Missing));
        assert_eq!((metrics.value("a"), metrics.value("b"), metrics.value("c")), (None, Some(1.0), None));
        assert_eq!(metrics.to_string(), "a unknown (not a finite number), b 1, c unknown (stale by 1500 ms)");
        let raw: Metrics = [("x".into(), Sample::Value(f64::NAN))].into_iter().collect();
        assert_eq!(raw.sample("x"), Sample::Unknown(UnknownReason::NotFinite));
    }

    #[test]
    fn a_merge_replaces_what_both_have() {
        let mut metrics = Metrics::from([("a", 1.0), ("c", 1.0)]);
        metrics.merge(Metrics::from([("b", 2.0), ("c", 2.0)]));
        let names: Vec<_> = metrics.iter().map(|(name, sample)| (name.to_owned(), sample.clone())).collect();
        assert_eq!(
            names,
            [
                ("a".into(), Sample::Value(1.0)),
                ("b".into(), Sample::Value(2.0)),
                ("c".into(), Sample::Value(2.0))
            ]
        );
        assert!(!metrics.is_empty() && Metrics::new().is_empty());
    }

    proptest! {
        #[test]
        fn metrics_read_back_as_they_were_written(values in prop::collection::btree_map("[a-z]{1,4}", any::<f64>(), 0..8)) {
            let mut metrics = Metrics::new();
            values.into_iter().for_each(|(name, value)| metrics.insert(name, value));
            let json = serde_json::to_string(&metrics).unwrap();
            prop_assert_eq!(serde_json::from_str::<Metrics>(&json).unwrap(), metrics);
        }
    }
}
