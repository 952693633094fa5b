use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Env, History, OperatingWindow, SafetyPolicy, Verdict};
use crate::{
    criterion::{BoundUnit, Comparison, Tolerance},
    metrics::{ERROR_RATE, LATENCY_P99, Metrics, Sample},
    plan::Plan,
    units::{HumanDuration, Percent},
};

/// The seed's safety constraints, with its defaults: at most 10 % errors, a p99 of at most 2 s, at most 15 minutes, never between
/// 09:00 and 18:00 UTC.
///
/// The seed calls its window `business_hours_only` and refuses during business hours, through 17:59; this window does the same
/// and says so. It holds for the whole run: one that is still on when its window ends is stopped. Set
/// [`SafetyConstraints::window`] where nothing should depend on the hour.
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
    /// When faults may be on: outside it no run starts, and a run that leaves it is stopped.
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

    /// Sets when faults may be on.
    #[must_use]
    pub fn window(mut self, window: OperatingWindow) -> Self {
        self.window = window;
        self
    }

    fn within_window(&self, now: DateTime<Utc>) -> Verdict {
        self.window.refusal(now).map_or(Verdict::Allow, |why| Verdict::stop("window", why))
    }
}

impl SafetyPolicy for SafetyConstraints {
    fn admit(&self, plan: &Plan, env: &Env) -> Verdict {
        let limit = self.max_duration.get();
        let duration = if plan.duration > limit {
            Verdict::stop(
                "max_duration",
                format!("{:?} is asked for, at most {limit:?} is allowed", plan.duration),
            )
        } else {
            Verdict::Allow
        };
        self.within_window(env.now).and(duration)
    }

    fn judge(&self, history: &History<'_>) -> Verdict {
        let metrics = history.latest();
        let errors = limit(metrics, ERROR_RATE, self.max_error_rate.fraction(), |value| {
            format!("{}%", round(value * 100.0))
        });
        let latency = limit(metrics, LATENCY_P99, self.max_latency_p99.as_secs_f64(), |value| {
            format!("{} ms", round(value * 1e3))
        });
        self.within_window(history.now).and(errors).and(latency)
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(self.max_duration.get())
    }

    fn limits(&self) -> Vec<Tolerance> {
        let errors = (ERROR_RATE, self.max_error_rate.fraction(), BoundUnit::Percent);
        let latency = (LATENCY_P99, self.max_latency_p99.as_secs_f64(), BoundUnit::Seconds);
        let at_most = |(metric, bound, unit)| Tolerance::new(metric, Comparison::AtMost, bound, unit).ok();
        [errors, latency].into_iter().filter_map(at_most).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        experiment::{Observation, Phase},
        id::RunId,
        safety::AllOf,
        scope::BlastRadius,
    };

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(hour * 3600, 0).unwrap()
    }

    fn plan(duration: Duration) -> Plan {
        Plan::new(RunId::from_parts(at(0), 1), "e".into(), Vec::new(), BlastRadius::default(), duration, 1)
    }

    fn judged(metrics: Metrics) -> String {
        let observations = [Observation::new(at(0), Phase::Observation, metrics)];
        let baseline = Metrics::new();
        let history = History::new(at(0), Duration::ZERO, &baseline, &observations);
        format!("{:?}", SafetyConstraints::default().judge(&history))
    }

    #[test]
    fn the_defaults_are_those_of_the_seed() {
        let json = serde_json::to_string(&SafetyConstraints::default()).unwrap();
        insta::assert_snapshot!(json, @r#"{"max_error_rate":"10%","max_latency_p99":"2s","max_duration":"15m","window":{"never_during":{"zone":"UTC","from":"09:00","to":"18:00"}}}"#);
        assert_eq!(serde_json::from_str::<SafetyConstraints>("{}").unwrap(), SafetyConstraints::default());
        assert!(serde_json::from_str::<SafetyConstraints>(r#"{"error_rate":"1%"}"#).is_err());
        assert_eq!(SafetyConstraints::default().time_limit(), Some(Duration::from_secs(900)));
    }

    #[test]
    fn a_plan_is_admitted_within_the_window_and_the_limit() {
        let safety = SafetyConstraints::default();
        assert!(safety.admit(&plan(Duration::from_secs(900)), &Env::at(at(8))).allows());
        let refused = safety.admit(&plan(Duration::from_secs(901)), &Env::at(at(10)));
        let rules: Vec<_> = refused.reasons().iter().map(|reason| reason.rule.as_str()).collect();
        assert_eq!(rules, ["window", "max_duration"]);
        let always = safety.window(OperatingWindow::always());
        assert!(always.admit(&plan(Duration::from_secs(60)), &Env::at(at(10))).allows());
    }

    #[test]
    fn a_run_that_leaves_its_window_is_stopped() {
        let nine = at(9);
        let minute = chrono::TimeDelta::minutes(1);
        let well = Metrics::from([("error_rate", 0.0), ("latency_p99", 0.1)]);
        let seen = [Observation::new(nine - minute, Phase::Observation, well.clone())];
        let safety = SafetyConstraints::default();
        assert!(safety.admit(&plan(Duration::from_secs(600)), &Env::at(nine - minute)).allows());
        for observations in [&[] as &[_], &seen] {
            let judged = |now| safety.judge(&History::new(now, Duration::from_secs(60), &well, observations));
            assert!(judged(nine - minute).allows());
            let stopped = judged(nine);
            assert!(matches!(stopped, Verdict::Stop(_)), "{stopped:?}");
            assert_eq!(stopped.reasons().len(), 1);
            assert_eq!(stopped.reasons()[0].rule, "window");
        }
        let unknown = safety.judge(&History::new(nine, Duration::ZERO, &Metrics::new(), &[]));
        assert!(matches!(unknown, Verdict::Stop(_)), "{unknown:?}");
    }

    #[test]
    fn a_run_stops_above_a_limit_and_not_at_it() {
        insta::assert_snapshot!(judged(Metrics::from([("error_rate", 0.1), ("latency_p99", 2.0)])), @"Allow");
        insta::assert_snapshot!(
            judged(Metrics::from([("error_rate", 0.1234), ("latency_p99", 2.5)])),
            @r#"Stop([Reason { rule: "max_error_rate", text: "error_rate is 12.34%, the limit is 10%" }, Reason { rule: "max_latency_p99", text: "latency_p99 is 2500 ms, the limit is 2000 ms" }])"#
        );
    }

    #[test]
    fn no_data_is_unknown_and_a_breach_beside_it_still_stops() {
        insta::assert_snapshot!(
            judged(Metrics::from([("error_rate", f64::NAN), ("latency_p99", 1.0)])),
            @r#"Unknown([Reason { rule: "max_error_rate", text: "error_rate is unknown: not a finite number" }])"#
        );
        insta::assert_snapshot!(
            judged(Metrics::from([("latency_p99", 3.0)])),
            @r#"Stop([Reason { rule: "max_latency_p99", text: "latency_p99 is 3000 ms, the limit is 2000 ms" }])"#
        );
    }

    #[test]
    fn of_several_policies_the_strictest_counts() {
        let strict = SafetyConstraints::default()
            .max_duration(HumanDuration::from_secs(5))
            .max_error_rate(Percent::whole(1))
            .max_latency_p99(HumanDuration::from_millis(1))
            .window(OperatingWindow::always());
        let both = AllOf::new().and(SafetyConstraints::default()).and(strict);
        assert_eq!(both.time_limit(), Some(Duration::from_secs(5)));
        assert!(!both.admit(&plan(Duration::from_secs(6)), &Env::at(at(8))).allows());
        let baseline = Metrics::from([("error_rate", 0.05), ("latency_p99", 0.0001)]);
        let verdict = both.judge(&History::new(at(0), Duration::ZERO, &baseline, &[]));
        assert_eq!(verdict.reasons().len(), 1);
        assert!(AllOf::new().admit(&plan(Duration::MAX), &Env::at(at(10))).allows());
        assert_eq!(AllOf::new().time_limit(), None);
    }
}
