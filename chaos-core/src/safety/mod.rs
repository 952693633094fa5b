//! When a run may start, and when it stops: pure judgements over data.

mod constraints;
mod verdict;
mod window;

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};

pub use self::{
    constraints::SafetyConstraints,
    verdict::{Reason, Verdict},
    window::{OperatingWindow, Span, WindowError, Zone},
};
use crate::{criterion::Tolerance, experiment::Observation, metrics::Metrics, plan::Plan};

/// What a policy knows of the surroundings when it admits a plan.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Env {
    /// Wall time.
    pub now: DateTime<Utc>,
}

impl Env {
    /// The surroundings at an instant.
    #[must_use]
    pub const fn at(now: DateTime<Utc>) -> Self {
        Self { now }
    }
}

/// What a policy knows of a run when it judges it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct History<'a> {
    /// Wall time.
    pub now: DateTime<Utc>,
    /// How long the faults have been on.
    pub elapsed: Duration,
    /// The figures before the injection.
    pub baseline: &'a Metrics,
    /// All observations since the injection, oldest first. Empty while the baseline is judged.
    pub observations: &'a [Observation],
}

impl<'a> History<'a> {
    /// The history of a run up to now.
    #[must_use]
    pub const fn new(
        now: DateTime<Utc>,
        elapsed: Duration,
        baseline: &'a Metrics,
        observations: &'a [Observation],
    ) -> Self {
        Self { now, elapsed, baseline, observations }
    }

    /// The newest figures: of the last observation, or the baseline.
    #[must_use]
    pub fn latest(&self) -> &'a Metrics {
        self.observations.last().map_or(self.baseline, |observation| &observation.metrics)
    }
}

/// Decides whether a run may start and whether it must stop. Sync and pure: it cannot hang, and the same input gives the same answer.
pub trait SafetyPolicy: fmt::Debug + Send + Sync + 'static {
    /// Whether the plan may start.
    fn admit(&self, plan: &Plan, env: &Env) -> Verdict;

    /// Whether the run may go on. Asked for the baseline too, before anything is injected.
    fn judge(&self, history: &History<'_>) -> Verdict;

    /// The longest time for which this policy lets faults be on; `None` if it sets no bound.
    fn time_limit(&self) -> Option<Duration> {
        None
    }

    /// The bounds to which [`judge`](Self::judge) holds the metrics, for reports; empty where it is not a matter of bounds.
    fn limits(&self) -> Vec<Tolerance> {
        Vec::new()
    }
}

macro_rules! forward_policy {
    ($($pointer:ident),*) => {$(
        impl<T: SafetyPolicy + ?Sized> SafetyPolicy for $pointer<T> {
            fn admit(&self, plan: &Plan, env: &Env) -> Verdict {
                (**self).admit(plan, env)
            }
            fn judge(&self, history: &History<'_>) -> Verdict {
                (**self).judge(history)
            }
            fn time_limit(&self) -> Option<Duration> {
                (**self).time_limit()
            }
            fn limits(&self) -> Vec<Tolerance> {
                (**self).limits()
            }
        }
    )*};
}

forward_policy!(Arc, Box);

/// All policies at once: the worst verdict counts, the shortest time limit holds.
#[derive(Debug, Clone, Default)]
pub struct AllOf(Vec<Arc<dyn SafetyPolicy>>);

impl AllOf {
    /// No policy yet, which admits everything.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a policy.
    #[must_use]
    pub fn and(mut self, policy: impl SafetyPolicy) -> Self {
        self.0.push(Arc::new(policy));
        self
    }

    /// Adds all policies of another set.
    #[must_use]
    pub fn and_all(mut self, policies: &Self) -> Self {
        self.0.extend(policies.0.iter().map(Arc::clone));
        self
    }
}

impl SafetyPolicy for AllOf {
    fn admit(&self, plan: &Plan, env: &Env) -> Verdict {
        self.0.iter().map(|policy| policy.admit(plan, env)).fold(Verdict::Allow, Verdict::and)
    }

    fn judge(&self, history: &History<'_>) -> Verdict {
        self.0.iter().map(|policy| policy.judge(history)).fold(Verdict::Allow, Verdict::and)
    }

    fn time_limit(&self) -> Option<Duration> {
        self.0.iter().filter_map(|policy| policy.time_limit()).min()
    }

    fn limits(&self) -> Vec<Tolerance> {
        self.0.iter().flat_map(|policy| policy.limits()).collect()
    }
}

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: &dyn SafetyPolicy) {}
