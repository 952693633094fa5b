//! Several sources as one, where the failure of one leaves the others alone.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, time::Duration};

use async_trait::async_trait;
use chaos_core::{
    error::{MetricsError, PlanError, Problem},
    metrics::{Metrics, MetricsSource, Sample, UnknownReason},
};
use futures_util::{FutureExt, future::join_all};

use super::{Name, NamedSource, excerpt, panic_text, reason};

/// How long one source may take, unless [`CompositeBuilder::each_within`] says otherwise.
pub const DEFAULT_EACH_WITHIN: Duration = Duration::from_secs(2);

/// Samples all its sources at once and merges what they report.
///
/// Every source declares its metrics. When it fails, panics or takes too long, these are unknown with the reason, and those of the
/// others stay. A metric that a source reports without having declared it is left out, so that a name has one owner.
///
/// ```
/// use chaos_runner::source::{composite::Composite, fixed::Fixed, function::from_fn};
/// let source = Composite::builder()
///     .source(Fixed::new([("error_rate", 0.01)]))
///     .declared(["queue_length"], from_fn(|| [("queue_length", 3.0)]))
///     .build()?;
/// # let _ = source;
/// # Ok::<(), chaos_core::error::PlanError>(())
/// ```
#[derive(Debug)]
pub struct Composite {
    parts: Vec<Part>,
    each_within: Duration,
}

/// The options of a [`Composite`].
#[derive(Debug)]
pub struct CompositeBuilder {
    parts: Vec<Part>,
    each_within: Duration,
}

#[derive(Debug)]
struct Part {
    names: Vec<Name>,
    source: Box<dyn MetricsSource>,
}

impl Composite {
    /// A composite of nothing yet.
    #[must_use]
    pub const fn builder() -> CompositeBuilder {
        CompositeBuilder { parts: Vec::new(), each_within: DEFAULT_EACH_WITHIN }
    }
}

impl CompositeBuilder {
    /// Adds a source that knows its metrics.
    #[must_use]
    pub fn source(self, source: impl NamedSource) -> Self {
        let names = source.names();
        self.declared(names, source)
    }

    /// Adds a source and says which metrics it reports.
    #[must_use]
    pub fn declared<N: Into<Name>>(
        mut self,
        names: impl IntoIterator<Item = N>,
        source: impl MetricsSource,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.parts.push(Part { names, source: Box::new(source) });
        self
    }

    /// Bounds each source. It should be shorter than the runner's own bound of a sample, which covers all of them.
    #[must_use]
    pub const fn each_within(mut self, limit: Duration) -> Self {
        self.each_within = limit;
        self
    }

    /// Finishes the composite.
    ///
    /// # Errors
    /// All problems: no source, a source without a metric, a metric of two sources, a bound of zero.
    pub fn build(self) -> Result<Composite, PlanError> {
        let mut problems = part_problems(&self.parts);
        if self.parts.is_empty() {
            problems.push(Problem::new("sources", "no source").hint("add at least one"));
        }
        if self.each_within.is_zero() {
            problems.push(Problem::new("each_within", "a bound of zero lets no source answer"));
        }
        PlanError::check("composite source", problems)?;
        Ok(Composite { parts: self.parts, each_within: self.each_within })
    }
}

impl Part {
    async fn sample(&self, limit: Duration) -> Metrics {
        let sample = AssertUnwindSafe(self.source.sample()).catch_unwind();
        match tokio::time::timeout(limit, sample).await {
            Ok(Ok(Ok(metrics))) => self.own(&metrics),
            Ok(Ok(Err(error))) => self.unknown(&reason(&error)),
            Ok(Err(panic)) => {
                self.unknown(&UnknownReason::Failed(format!("panicked: {}", panic_text(&*panic))))
            }
            Err(_) => self.unknown(&UnknownReason::TimedOut),
        }
    }

    fn own(&self, metrics: &Metrics) -> Metrics {
        self.names.iter().map(|name| (name.clone(), metrics.sample(name))).collect()
    }

    fn unknown(&self, why: &UnknownReason) -> Metrics {
        self.names.iter().map(|name| (name.clone(), Sample::Unknown(why.clone()))).collect()
    }
}

#[async_trait]
impl MetricsSource for Composite {
    /// Never fails as a whole: each metric says by itself why it is unknown.
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        let parts = join_all(self.parts.iter().map(|part| part.sample(self.each_within))).await;
        Ok(parts.into_iter().fold(Metrics::new(), |mut all, part| {
            all.merge(part);
            all
        }))
    }
}

impl NamedSource for Composite {
    fn names(&self) -> Vec<Name> {
        self.parts.iter().flat_map(|part| part.names.iter().cloned()).collect()
    }
}

fn part_problems(parts: &[Part]) -> Vec<Problem> {
    let (mut problems, mut owners) = (Vec::new(), BTreeMap::new());
    for (index, part) in parts.iter().enumerate() {
        let path = format!("sources[{index}]");
        if part.names.is_empty() {
            problems.push(Problem::new(path.as_str(), "declares no metric"));
        }
        for name in &part.names {
            if let Some(owner) = owners.insert(name, index) {
                let message = format!("`{}` is declared by sources[{owner}] already", excerpt(name, 64));
                problems.push(Problem::new(path.as_str(), message));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::{
        fixed::Fixed,
        function::{from_async_fn, from_try_fn},
    };
    use super::*;

    fn failing() -> impl MetricsSource {
        from_try_fn(|| Err::<Metrics, _>(std::io::Error::other("gone"))).labeled("orders")
    }

    #[tokio::test]
    async fn one_failing_source_leaves_the_others_alone() {
        let source = Composite::builder()
            .declared(["orders", "carts"], failing())
            .source(Fixed::new([("error_rate", 0.25)]))
            .build()
            .unwrap();
        let metrics = source.sample().await.unwrap();
        assert_eq!(metrics.value("error_rate"), Some(0.25));
        let why = UnknownReason::Failed("cannot read the metrics of orders: gone".into());
        assert_eq!(metrics.sample("orders"), Sample::Unknown(why.clone()));
        assert_eq!(metrics.sample("carts"), Sample::Unknown(why));
    }

    #[tokio::test]
    async fn a_panic_stays_within_its_source() {
        let panics = from_async_fn(|| async { panic!("no luck") as Metrics });
        let source =
            Composite::builder().declared(["a"], panics).source(Fixed::new([("b", 1.0)])).build().unwrap();
        let metrics = source.sample().await.unwrap();
        assert_eq!(metrics.sample("a"), Sample::Unknown(UnknownReason::Failed("panicked: no luck".into())));
        assert_eq!(metrics.value("b"), Some(1.0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_hangs_costs_only_its_own_metrics() {
        let hangs = from_async_fn(std::future::pending::<Metrics>);
        let source =
            Composite::builder().declared(["a"], hangs).source(Fixed::new([("b", 1.0)])).build().unwrap();
        let begun = tokio::time::Instant::now();
        let metrics = source.sample().await.unwrap();
        assert!(begun.elapsed() < DEFAULT_EACH_WITHIN + Duration::from_millis(100));
        assert_eq!(metrics.sample("a"), Sample::Unknown(UnknownReason::TimedOut));
        assert_eq!(metrics.value("b"), Some(1.0));
    }

    #[tokio::test(start_paused = true)]
    async fn sources_are_sampled_at_the_same_time() {
        let slow = |name: &'static str| {
            from_async_fn(move || async move {
                tokio::time::sleep(Duration::from_millis(1500)).await;
                [(name, 1.0)]
            })
        };
        let source =
            Composite::builder().declared(["a"], slow("a")).declared(["b"], slow("b")).build().unwrap();
        let begun = tokio::time::Instant::now();
        assert_eq!(source.sample().await.unwrap(), Metrics::from([("a", 1.0), ("b", 1.0)]));
        assert!(begun.elapsed() < Duration::from_millis(1600));
    }

    #[tokio::test]
    async fn only_declared_metrics_are_taken() {
        let source =
            Composite::builder().declared(["a", "c"], Fixed::new([("a", 1.0), ("b", 2.0)])).build().unwrap();
        let metrics = source.sample().await.unwrap();
        assert_eq!(metrics.value("a"), Some(1.0));
        assert_eq!(metrics.value("b"), None);
        assert_eq!(metrics.sample("c"), Sample::Unknown(UnknownReason::Missing));
    }

    #[test]
    fn all_problems_are_reported() {
        let error = Composite::builder()
            .source(Fixed::new([("a", 1.0)]))
            .source(Fixed::new([("a", 1.0)]))
            .declared(Vec::<Name>::new(), failing())
            .each_within(Duration::ZERO)
            .build()
            .unwrap_err();
        insta::assert_snapshot!(error);
        assert!(Composite::builder().build().is_err());
    }
}
