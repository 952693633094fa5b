//! Tolerances that are evaluated: `error rate < 1%`, `latency p99 < 1s`, `failover completes in < 30s`.
//!
//! A text that cannot be lifted into a typed tolerance stays a manual criterion. It is never met by itself: its outcome is
//! [`Outcome::NotEvaluated`]. Nor is a bound lifted that lacks the unit it needs, since it would always hold: a plain number above
//! 1 on `error_rate` (write `5%`), or other than 0 on a name that begins with `latency` or ends in `_duration` (write `500ms`).

mod parse;

use std::{convert::Infallible, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    metrics::{Metrics, Sample, UnknownReason},
    text::text_serde,
};

/// How a metric is compared with its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

impl Comparison {
    /// The sign, as it is written.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
        }
    }

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::AtLeast => value >= bound,
            Self::Equal => value == bound,
        }
    }
}

/// The unit in which a bound was written. Metrics themselves are ratios, seconds and plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BoundUnit {
    /// A plain number.
    Plain,
    /// Written in percent, compared as a ratio of 0 to 1.
    Percent,
    /// Written as a duration, compared in seconds.
    Seconds,
}

/// A metric, a comparison and a finite bound.
///
/// ```
/// use chaos_core::criterion::{BoundUnit, Comparison, Criterion, Tolerance};
/// let tolerance = Tolerance::new("latency_p99", Comparison::AtMost, 0.3, BoundUnit::Seconds)?;
/// assert_eq!(tolerance.to_string(), "latency_p99 <= 300ms");
/// assert_eq!(Criterion::parse("p99 latency at most 0.3s").tolerance(), Some(&tolerance));
/// # Ok::<(), chaos_core::criterion::BoundNotFinite>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tolerance {
    metric: String,
    comparison: Comparison,
    bound: f64,
    unit: BoundUnit,
}

/// The bound is NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bound of a tolerance is a finite number")]
pub struct BoundNotFinite;

impl Tolerance {
    /// `metric comparison bound`, with the bound as a ratio, in seconds, or plain, as `unit` says.
    ///
    /// # Errors
    /// [`BoundNotFinite`].
    pub fn new(
        metric: impl Into<String>,
        comparison: Comparison,
        bound: f64,
        unit: BoundUnit,
    ) -> Result<Self, BoundNotFinite> {
        if !bound.is_finite() {
            return Err(BoundNotFinite);
        }
        Ok(Self { metric: metric.into(), comparison, bound, unit })
    }

    /// The metric's name, such as `error_rate`.
    #[must_use]
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// How the metric is compared.
    #[must_use]
    pub const fn comparison(&self) -> Comparison {
        self.comparison
    }

    /// The bound: a ratio, seconds, or a plain number.
    #[must_use]
    pub const fn bound(&self) -> f64 {
        self.bound
    }

    /// The unit in which the bound was written.
    #[must_use]
    pub const fn unit(&self) -> BoundUnit {
        self.unit
    }

    /// Compares. An unknown metric is not evaluated; it neither holds nor fails.
    #[must_use]
    pub fn judge(&self, metrics: &Metrics) -> Outcome {
        match metrics.sample(&self.metric) {
            Sample::Value(observed) if self.comparison.holds(observed, self.bound) => {
                Outcome::Met { observed }
            }
            Sample::Value(observed) => Outcome::NotMet { observed },
            Sample::Unknown(why) => Outcome::NotEvaluated { why: self.unknown(&why) },
        }
    }

    /// Writes a value of this metric in the unit of its bound: `0.5%`, `1.2s`.
    #[must_use]
    pub fn format_value(&self, value: f64) -> String {
        parse::format_bound(value, self.unit)
    }

    fn unknown(&self, why: &UnknownReason) -> String {
        format!("{} is unknown: {why}", self.metric)
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.metric, self.comparison.sign(), self.format_value(self.bound))
    }
}

/// What became of a criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// The metric was within its bound.
    Met {
        /// The value that was compared.
        observed: f64,
    },
    /// The metric was outside its bound.
    NotMet {
        /// The value that was compared.
        observed: f64,
    },
    /// Nobody looked, or there was nothing to look at.
    NotEvaluated {
        /// Why not.
        why: String,
    },
}

/// One criterion: the text as it was written, and its typed form where it has one.
///
/// ```
/// use chaos_core::{criterion::{Criterion, Outcome}, metrics::Metrics};
/// let criterion = Criterion::parse("Error rate <1%");
/// assert_eq!(criterion.judge(&Metrics::from([("error_rate", 0.004)])), Outcome::Met { observed: 0.004 });
/// assert!(Criterion::parse("No data loss").tolerance().is_none());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    text: String,
    tolerance: Option<Tolerance>,
}

impl Criterion {
    /// Lifts `text` into a tolerance if it can; keeps it verbatim in any case.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self { text: text.to_owned(), tolerance: parse::tolerance(text) }
    }

    /// The text, verbatim.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The typed form; `None` for a manual criterion.
    #[must_use]
    pub const fn tolerance(&self) -> Option<&Tolerance> {
        self.tolerance.as_ref()
    }

    /// What would be right, where only the unit of the bound keeps the text from being a tolerance.
    pub(crate) fn unit_hint(&self) -> Option<&'static str> {
        parse::unit_hint(&self.text)
    }

    /// Evaluates against figures. A metric that carries the criterion's whole text as its name answers a manual criterion: 0 is
    /// no, anything else is yes (see [`Probe`](crate::probe::Probe)).
    #[must_use]
    pub fn judge(&self, metrics: &Metrics) -> Outcome {
        match &self.tolerance {
            Some(tolerance) => tolerance.judge(metrics),
            None => match metrics.sample(&self.text) {
                Sample::Value(0.0) => Outcome::NotMet { observed: 0.0 },
                Sample::Value(observed) => Outcome::Met { observed },
                Sample::Unknown(UnknownReason::Missing) => {
                    Outcome::NotEvaluated { why: "manual criterion".into() }
                }
                Sample::Unknown(why) => Outcome::NotEvaluated { why: why.to_string() },
            },
        }
    }
}

impl From<Tolerance> for Criterion {
    fn from(tolerance: Tolerance) -> Self {
        Self { text: tolerance.to_string(), tolerance: Some(tolerance) }
    }
}

impl FromStr for Criterion {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::parse(text))
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_serde!(Criterion, "a criterion such as \"error rate < 1%\"");

/// A text of several criteria: the text as it was written, and its parts in order.
///
/// Parts are separated by line ends or commas; list marks (`-`, `*`) are dropped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Criteria {
    text: String,
    items: Vec<Criterion>,
}

impl Criteria {
    /// Splits `text` and lifts each part.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut items: Vec<Criterion> = parse::parts(text).map(Criterion::parse).collect();
        items.shrink_to_fit();
        Self { text: text.to_owned(), items }
    }

    /// What can be lifted out of a sentence: its clauses (at commas, `and`, `with`) that are tolerances in full. An alternative (`or`)
    /// is not lifted.
    #[must_use]
    pub fn lift(sentence: &str) -> Vec<Criterion> {
        parse::clauses(sentence).map(Criterion::parse).filter(|clause| clause.tolerance().is_some()).collect()
    }

    /// Adds one criterion; the text grows by a line.
    pub fn push(&mut self, criterion: Criterion) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(criterion.text());
        self.items.push(criterion);
    }

    /// The text, verbatim.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The parts, in order.
    #[must_use]
    pub fn items(&self) -> &[Criterion] {
        &self.items
    }

    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl FromStr for Criteria {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::parse(text))
    }
}

impl fmt::Display for Criteria {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_serde!(Criteria, "criteria such as \"error rate < 1%, latency p99 < 1s\"");
