//! How the rate of a load runs over time, and when each of its requests is due.

use std::time::Duration;

use chaos_core::{error::Problem, units::HumanDuration};
use serde::{Deserialize, Serialize};

/// The highest rate that a plan may ask for, in requests a second.
pub const MAX_RATE: f64 = 1_000_000.0;

/// The lowest rate but zero that a plan may ask for: one request in 1,000 seconds.
const MIN_RATE: f64 = 0.001;

/// How many requests a second a load asks for, over its whole duration.
///
/// Rates are requests a second. In a file: `profile: { constant: { rate: 500 } }`,
/// `profile: { ramp: { from: 100, to: 1000, over: 30s } }` or
/// `profile: { multiple: { times: 10, baseline: 120 } }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Profile {
    /// The same rate from the first to the last second.
    Constant {
        /// Requests a second.
        rate: f64,
    },
    /// A straight line from one rate to another, which is then held.
    Ramp {
        /// Requests a second at the start; zero is allowed.
        from: f64,
        /// Requests a second at the end of the ramp and after it.
        to: f64,
        /// How long the ramp takes; at most the duration of the load.
        over: HumanDuration,
    },
    /// A multiple of what is normal, as in "ten times normal".
    Multiple {
        /// The factor.
        times: f64,
        /// What is normal, in requests a second. Absent, it is measured from a metrics source before the load starts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        baseline: Option<f64>,
    },
}

impl Profile {
    /// Everything that is wrong with the profile of a load of this duration.
    pub(crate) fn problems(&self, duration: Option<HumanDuration>) -> Vec<Problem> {
        let mut problems = Vec::new();
        match *self {
            Self::Constant { rate } => problems.extend(positive("profile.constant.rate", rate)),
            Self::Ramp { from, to, over } => {
                problems.extend(rate_problem("profile.ramp.from", from, 0.0));
                problems.extend(positive("profile.ramp.to", to));
                problems.extend(duration.and_then(|whole| inconsistent(over, whole)));
            }
            Self::Multiple { times, baseline } => {
                problems.extend(positive("profile.multiple.times", times));
                problems.extend(baseline.and_then(|rate| positive("profile.multiple.baseline", rate)));
                problems.extend(baseline.and_then(|rate| product_problem(rate, times)));
            }
        }
        problems
    }

    /// The curve of the rate; `None` for a multiple of a baseline that is not known yet.
    pub(crate) fn curve(&self) -> Option<Curve> {
        match *self {
            Self::Constant { rate } => Some(Curve::constant(rate)),
            Self::Ramp { from, to, over } => Some(Curve { from, to, over: over.as_secs_f64() }),
            Self::Multiple { times, baseline } => baseline.map(|rate| Curve::constant(rate * times)),
        }
    }
}

fn positive(path: &str, rate: f64) -> Option<Problem> {
    rate_problem(path, rate, MIN_RATE)
}

fn rate_problem(path: &str, value: f64, least: f64) -> Option<Problem> {
    if !value.is_finite() {
        Some(Problem::new(path, format!("`{value}` is not a finite number")))
    } else if value < least || value > MAX_RATE {
        Some(Problem::new(path, format!("`{value}` is out of range: {least} to {MAX_RATE}")))
    } else {
        None
    }
}

fn product_problem(baseline: f64, times: f64) -> Option<Problem> {
    let allowed = MIN_RATE..=MAX_RATE;
    let wrong =
        allowed.contains(&baseline) && allowed.contains(&times) && !allowed.contains(&(baseline * times));
    wrong.then(|| {
        let message =
            format!("{times} times {baseline} is out of range: {MIN_RATE} to {MAX_RATE} requests a second");
        Problem::new("profile.multiple", message)
    })
}

fn inconsistent(over: HumanDuration, whole: HumanDuration) -> Option<Problem> {
    (over > whole).then(|| {
        Problem::new("profile.ramp.over", format!("the ramp of {over} is longer than the load of {whole}"))
            .hint("shorten the ramp, or lengthen `duration`")
    })
}

/// A rate over time in closed form: a line from `from` to `to` over `over` seconds, then `to` for ever.
///
/// The number of requests due until `t` is the integral of the rate, so the n-th request is due where the integral
/// reaches n. Both directions are closed formulas, so no error adds up over a long run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Curve {
    from: f64,
    to: f64,
    over: f64,
}

impl Curve {
    pub(crate) const fn constant(rate: f64) -> Self {
        Self { from: rate, to: rate, over: 0.0 }
    }

    /// The highest rate, in requests a second.
    pub(crate) const fn peak(&self) -> f64 {
        self.from.max(self.to)
    }

    /// How many requests are due within the first `elapsed`, as a real number.
    pub(crate) fn count(&self, elapsed: Duration) -> f64 {
        let t = elapsed.as_secs_f64();
        let ramp = t.min(self.over);
        let slope = if self.over > 0.0 { (self.to - self.from) / self.over } else { 0.0 };
        let on_ramp = self.from * ramp + slope * ramp * ramp / 2.0;
        on_ramp + self.to * (t - ramp)
    }

    /// When the request number `n`, counted from 0, is due after the start.
    pub(crate) fn due(&self, n: u64) -> Duration {
        let n = n as f64;
        let ramp_count = (self.from + self.to) / 2.0 * self.over;
        let seconds = if n >= ramp_count { self.over + (n - ramp_count) / self.to } else { self.on_ramp(n) };
        Duration::from_secs_f64(seconds)
    }

    /// The root of `from t + slope t^2 / 2 = n`, in the form that does not cancel for a small slope.
    fn on_ramp(&self, n: f64) -> f64 {
        let slope = (self.to - self.from) / self.over;
        let root = (self.from * self.from + 2.0 * slope * n).max(0.0).sqrt();
        if n == 0.0 { 0.0 } else { 2.0 * n / (self.from + root) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn secs(seconds: u64) -> HumanDuration {
        HumanDuration::from_secs(seconds)
    }

    #[test]
    fn constant_rate_is_evenly_spaced() {
        let curve = Curve::constant(1_000.0);
        assert_eq!(curve.due(0), Duration::ZERO);
        assert_eq!(curve.due(1), Duration::from_millis(1));
        assert_eq!(curve.due(86_400_000), Duration::from_secs(86_400));
    }

    #[test]
    fn ramp_from_zero_then_holds() {
        let profile = Profile::Ramp { from: 0.0, to: 100.0, over: secs(10) };
        let curve = profile.curve().unwrap();
        assert_eq!(curve.count(Duration::from_secs(10)).round(), 500.0);
        assert_eq!(curve.due(500), Duration::from_secs(10));
        assert_eq!(curve.due(600), Duration::from_secs(11));
        assert!((curve.due(125).as_secs_f64() - 5.0).abs() < 1e-6);
    }

    #[test]
    fn multiple_needs_a_baseline() {
        assert_eq!(Profile::Multiple { times: 10.0, baseline: None }.curve(), None);
        let curve = Profile::Multiple { times: 10.0, baseline: Some(12.0) }.curve().unwrap();
        assert_eq!(curve.peak(), 120.0);
    }

    proptest! {
        #[test]
        fn due_is_the_inverse_of_count(
            from in 0.0..10_000.0_f64, to in 0.1..10_000.0_f64, over in 1_u64..600, n in 0_u64..1_000_000,
        ) {
            let curve = Profile::Ramp { from, to, over: secs(over) }.curve().unwrap();
            let counted = curve.count(curve.due(n));
            // A duration is a whole number of nanoseconds, which is what the tolerance pays for.
            prop_assert!((counted - n as f64).abs() < 1e-3, "{counted} instead of {n}");
        }

        #[test]
        fn due_never_goes_back(from in 0.0..10_000.0_f64, to in 0.1..10_000.0_f64, over in 1_u64..60, n in 0_u64..100_000) {
            let curve = Profile::Ramp { from, to, over: secs(over) }.curve().unwrap();
            prop_assert!(curve.due(n) <= curve.due(n + 1));
        }
    }
}
