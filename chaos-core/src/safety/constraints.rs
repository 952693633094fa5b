use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Env, History, OperatingWindow, SafetyPolicy, Verdict};
use crate::{
    metrics::{ERROR_RATE, LATENCY_P99, Metrics, Sample},
    plan::Plan,
    units::{HumanDuration, Percent},
};

/// The seed's safety constraints, with its defaults: at most 10 % errors, a p99 of at most 2 s, at most 15 minutes, never between
/// 09:00 and 18:00 UTC.
///
/// The seed calls its window `business_hours_only` and refuses during business hours, through 17:59; this window does the same
/// and says so. Set [`SafetyConstraints::window`] where nothing should depend on the hour.
///
/// ```
/// use chaos_core::safety::{OperatingWindow, SafetyConstraints};
/// let safety = SafetyConstraints::default().window(OperatingWindow::always());
/// assert_eq!(safety.max_error_rate.to_string(), "10%");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SafetyConstraints {
    /// Stop when `error_rate` is above this share.
    pub max_error_rate: Percent,
    /// Stop when `latency_p99` is above this.
    pub max_latency_p99: HumanDuration,
    /// Faults are never on for longer.
    pub max_duration: HumanDuration,
    /// When a run may start.
    pub window: OperatingWindow,
}

impl Default for SafetyConstraints {
    fn default() -> Self {
        Self {
            max_error_rate: Percent::whole(10),
            max_latency_p99: HumanDuration::from_secs(2),
            max_duration: HumanDuration::from_secs(15 * 60),
            window: OperatingWindow::default(),
        }
    }
}

impl SafetyConstraints {
    /// Sets the error rate above which a run stops.
    #[must_use]
    pub const fn max_error_rate(mut self, share: Percent) -> Self {
        self.max_error_rate = share;
        self
    }

    /// Sets the p99 latency above which a run stops.
    #[must_use]
    pub const fn max_latency_p99(mut self, latency: HumanDuration) -> Self {
        self.max_latency_p99 = latency;
        self
    }

    /// Sets the longest time for which faults are on.
    #[must_use]
    pub const fn max_duration(mut self, duration: HumanDuration) -> Self {
        self.max_duration = duration;
        self
    }

    /// Sets when a run may start.
    #[must_use]
    pub fn window(mut self, window: OperatingWindow) -> Self {
        self.window = window;
        self
    }
}

impl SafetyPolicy for SafetyConstraints {
    fn admit(&self, plan: &Plan, env: &Env) -> Verdict {
        let window = match self.window.refusal(env.now) {
            None => Verdict::Allow,
            Some(why) => Verdict::stop("window", why),
        };
        let limit = self.max_duration.get();
        let duration = if plan.duration > limit {
            Verdict::stop(
                "max_duration",
                format!("{:?} is asked for, at most {limit:?} is allowed", plan.duration),
            )
        } else {
            Verdict::Allow
        };
        window.and(duration)
    }

    fn judge(&self, history: &History<'_>) -> Verdict {
        let metrics = history.latest();
        let errors = limit(metrics, ERROR_RATE, self.max_error_rate.fraction(), |value| {
            format!("{}%", round(value * 100.0))
        });
        let latency = limit(metrics, LATENCY_P99, self.max_latency_p99.as_secs_f64(), |value| {
            format!("{} ms", round(value * 1e3))
        });
        errors.and(latency)
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(self.max_duration.get())
    }
}

fn limit(metrics: &Metrics, name: &str, bound: f64, show: impl Fn(f64) -> String) -> Verdict {
    match metrics.sample(name) {
        Sample::Value(value) if value > bound => Verdict::stop(
            format!("max_{name}"),
            format!("{name} is {}, the limit is {}", show(value), show(bound)),
        ),
        Sample::Value(_) => Verdict::Allow,
        Sample::Unknown(why) => Verdict::unknown(format!("max_{name}"), format!("{name} is unknown: {why}")),
    }
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
