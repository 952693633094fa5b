//! Figures that are known beforehand, for tests and examples.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use chaos_core::{
    error::MetricsError,
    metrics::{Metrics, MetricsSource},
};

use super::{Name, NamedSource};

/// A source that replays a script of figures, one set a sample; the last one is repeated for ever.
///
/// ```
/// use chaos_runner::source::fixed::Fixed;
/// let steady = Fixed::new([("error_rate", 0.01)]);
/// let breach = Fixed::script([[("error_rate", 0.01)], [("error_rate", 0.5)]]);
/// # let _ = (steady, breach);
/// ```
#[derive(Debug)]
pub struct Fixed {
    script: Vec<Metrics>,
    taken: AtomicUsize,
}

impl Fixed {
    /// The same figures at every sample.
    pub fn new(metrics: impl Into<Metrics>) -> Self {
        Self::script([metrics])
    }

    /// One set of figures after the other. An empty script reports nothing at all.
    pub fn script<M: Into<Metrics>>(steps: impl IntoIterator<Item = M>) -> Self {
        Self { script: steps.into_iter().map(Into::into).collect(), taken: AtomicUsize::new(0) }
    }

    /// How many samples were taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl MetricsSource for Fixed {
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        let step = self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(self.script.get(step).or(self.script.last()).cloned().unwrap_or_default())
    }
}

impl NamedSource for Fixed {
    fn names(&self) -> Vec<Name> {
        let mut all = Metrics::new();
        self.script.iter().cloned().for_each(|step| all.merge(step));
        all.iter().map(|(name, _)| Name::Owned(name.to_owned())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_step_of_a_script_is_repeated() {
        let source = Fixed::script([[("a", 1.0)], [("a", 2.0)]]);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(source.sample().await.unwrap().value("a").unwrap());
        }
        assert_eq!(seen, [1.0, 2.0, 2.0, 2.0]);
        assert_eq!(source.taken(), 4);
    }

    #[tokio::test]
    async fn an_empty_script_reports_nothing() {
        assert!(Fixed::script(Vec::<Metrics>::new()).sample().await.unwrap().is_empty());
    }

    #[test]
    fn names_are_those_of_all_steps() {
        let script = [Metrics::from([("a", 1.0)]), Metrics::from([("b", f64::NAN)])];
        assert_eq!(Fixed::script(script).names(), ["a", "b"]);
    }
}
