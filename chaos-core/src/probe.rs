//! Questions to the system under test, and the judgement of its steady state.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    criterion::{Criterion, Outcome},
    error::MetricsError,
    metrics::Metrics,
};

/// One read-only question, asked with the metrics: are all orders there, how many replicas are up.
///
/// Its answer joins the [`Metrics`] under the probe's name, for tolerances such as `replicas_up >= 2`. A probe whose name is
/// the text of a manual criterion answers that criterion: 0 is no, anything else is yes.
#[async_trait]
pub trait Probe: fmt::Debug + Send + Sync + 'static {
    /// The metric's name, or the text of the criterion that is answered.
    fn name(&self) -> &str;

    /// Asks, and changes nothing.
    ///
    /// # Errors
    /// [`MetricsError`], when there is no answer.
    async fn observe(&self) -> Result<f64, MetricsError>;
}

#[async_trait]
impl<T: Probe + ?Sized> Probe for Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    async fn observe(&self) -> Result<f64, MetricsError> {
        (**self).observe().await
    }
}

/// Whether the steady state holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Judgement {
    /// It holds.
    Held,
    /// It does not.
    Deviated {
        /// What deviates, with figures.
        reasons: Vec<String>,
    },
    /// It cannot be told, which is not "held".
    Unknown {
        /// What is missing.
        reasons: Vec<String>,
    },
}

impl Judgement {
    /// Whether it holds.
    #[must_use]
    pub const fn held(&self) -> bool {
        matches!(self, Self::Held)
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held => f.write_str("held"),
            Self::Deviated { reasons } => write!(f, "deviated: {}", reasons.join("; ")),
            Self::Unknown { reasons } => write!(f, "unknown: {}", reasons.join("; ")),
        }
    }
}

/// Judges figures. Sync and pure, so that it cannot hang.
pub trait SteadyState: fmt::Debug + Send + Sync + 'static {
    /// Whether the steady state holds under these figures.
    fn judge(&self, metrics: &Metrics) -> Judgement;
}

/// A steady state of tolerances: all of them hold.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tolerances(pub Vec<Criterion>);

impl SteadyState for Tolerances {
    fn judge(&self, metrics: &Metrics) -> Judgement {
        let (mut deviated, mut unknown) = (Vec::new(), Vec::new());
        for criterion in &self.0 {
            match criterion.judge(metrics) {
                Outcome::Met { .. } => {}
                Outcome::NotMet { observed } => deviated.push(deviation(criterion, observed)),
                Outcome::NotEvaluated { why } => unknown.push(format!("{criterion}: {why}")),
            }
        }
        match (deviated.is_empty(), unknown.is_empty()) {
            (false, _) => Judgement::Deviated { reasons: deviated },
            (true, false) => Judgement::Unknown { reasons: unknown },
            (true, true) => Judgement::Held,
        }
    }
}

fn deviation(criterion: &Criterion, observed: f64) -> String {
    let observed = criterion
        .tolerance()
        .map_or_else(|| observed.to_string(), |tolerance| tolerance.format_value(observed));
    format!("{criterion}: observed {observed}")
}

/// When the steady state is checked. The names are those of Chaos Toolkit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// Before the injection and after the rollback.
    #[default]
    Default,
    /// Only before the injection.
    Before,
    /// Only after the rollback.
    After,
    /// Only while the fault is on.
    During,
    /// Before, while the fault is on, and after.
    Continuously,
    /// Never.
    Skip,
}

impl Strategy {
    /// Whether the baseline is judged.
    #[must_use]
    pub const fn before(self) -> bool {
        matches!(self, Self::Default | Self::Before | Self::Continuously)
    }

    /// Whether each observation is judged.
    #[must_use]
    pub const fn during(self) -> bool {
        matches!(self, Self::During | Self::Continuously)
    }

    /// Whether the state after the rollback is judged.
    #[must_use]
    pub const fn after(self) -> bool {
        matches!(self, Self::Default | Self::After | Self::Continuously)
    }
}

#[expect(dead_code, reason = "pins that the traits can be trait objects")]
fn object_safe(_: &dyn Probe, _: &dyn SteadyState) {}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(texts: &[&str]) -> Tolerances {
        Tolerances(texts.iter().map(|text| Criterion::parse(text)).collect())
    }

    #[test]
    fn a_steady_state_holds_if_all_its_tolerances_do() {
        let state = steady(&["error_rate < 1%", "latency_p99 < 300ms"]);
        let judged = |errors: f64, latency: f64| {
            state.judge(&Metrics::from([("error_rate", errors), ("latency_p99", latency)])).to_string()
        };
        assert_eq!(judged(0.0, 0.2), "held");
        assert_eq!(judged(0.02, 0.2), "deviated: error_rate < 1%: observed 2%");
        assert_eq!(
            judged(0.02, 0.3),
            "deviated: error_rate < 1%: observed 2%; latency_p99 < 300ms: observed 300ms"
        );
        assert_eq!(
            judged(0.0, f64::NAN),
            "unknown: latency_p99 < 300ms: latency_p99 is unknown: not a finite number"
        );
        assert_eq!(
            judged(0.02, f64::NAN),
            "deviated: error_rate < 1%: observed 2%",
            "a deviation is certain"
        );
        assert!(!state.judge(&Metrics::new()).held());
        assert!(steady(&[]).judge(&Metrics::new()).held());
    }

    #[test]
    fn a_manual_tolerance_is_never_held_by_itself() {
        let state = steady(&["No data loss"]);
        assert_eq!(state.judge(&Metrics::new()).to_string(), "unknown: No data loss: manual criterion");
        assert!(state.judge(&Metrics::from([("No data loss", 1.0)])).held());
        assert_eq!(
            state.judge(&Metrics::from([("No data loss", 0.0)])).to_string(),
            "deviated: No data loss: observed 0"
        );
    }

    #[test]
    fn a_strategy_says_when_the_state_is_checked() {
        let checks = |strategy: Strategy| (strategy.before(), strategy.during(), strategy.after());
        assert_eq!(checks(Strategy::Default), (true, false, true));
        assert_eq!(checks(Strategy::Before), (true, false, false));
        assert_eq!(checks(Strategy::After), (false, false, true));
        assert_eq!(checks(Strategy::During), (false, true, false));
        assert_eq!(checks(Strategy::Continuously), (true, true, true));
        assert_eq!(checks(Strategy::Skip), (false, false, false));
    }
}
