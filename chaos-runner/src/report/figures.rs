//! The metrics of a run, read for people: each with its unit, its bounds and its course over the phases.

use std::collections::BTreeSet;

use chaos_core::{
    criterion::{BoundUnit, Comparison, Tolerance},
    experiment::{Observation, Phase},
    metrics::{ERROR_RATE, Sample},
};
use chrono::{DateTime, Utc};

use super::{RunReport, words};

/// In which unit a metric is shown. The metrics themselves are ratios, seconds and plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Percent,
    Millis,
    Seconds,
    Plain,
}

impl Unit {
    fn of(metric: &str, bounds: &[Bound]) -> Self {
        Self::written_as(metric, bounds.first().map(|bound| bound.tolerance.unit()))
    }

    /// The unit of the metric of a tolerance.
    pub(super) fn of_tolerance(tolerance: &Tolerance) -> Self {
        Self::written_as(tolerance.metric(), Some(tolerance.unit()))
    }

    fn written_as(metric: &str, written: Option<BoundUnit>) -> Self {
        match written {
            _ if metric == ERROR_RATE => Self::Percent,
            _ if metric.starts_with("latency_") => Self::Millis,
            Some(BoundUnit::Percent) => Self::Percent,
            Some(BoundUnit::Seconds) => Self::Seconds,
            _ => Self::Plain,
        }
    }

    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Percent => "%",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Plain => "",
        }
    }

    /// The value in this unit.
    pub(super) fn scaled(self, value: f64) -> f64 {
        match self {
            Self::Percent => value * 100.0,
            Self::Millis => value * 1e3,
            Self::Seconds | Self::Plain => value,
        }
    }

    pub(super) fn show(self, value: f64) -> String {
        words::with_unit(self.scaled(value), self.symbol())
    }
}

/// A bound of a metric, and who asks for it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bound {
    pub(super) tolerance: Tolerance,
    pub(super) asked_by: Vec<&'static str>,
}

#[cfg(feature = "report")]
impl Bound {
    /// Whether the values are to stay below it.
    pub(super) const fn is_upper(&self) -> bool {
        !matches!(self.tolerance.comparison(), Comparison::Above | Comparison::AtLeast)
    }

    /// Whether a value lies outside.
    pub(super) fn is_missed_by(&self, value: f64) -> bool {
        let bound = self.tolerance.bound();
        match self.tolerance.comparison() {
            Comparison::Below => value >= bound,
            Comparison::AtMost => value > bound,
            Comparison::Above => value <= bound,
            Comparison::AtLeast => value < bound,
            Comparison::Equal => value != bound,
        }
    }
}

/// One metric over the run.
#[derive(Debug, Clone)]
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    pub(super) unit: Unit,
    pub(super) bounds: Vec<Bound>,
    pub(super) points: Vec<Point>,
    pub(super) baseline: Sample,
}

/// One look at a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) at: DateTime<Utc>,
    pub(super) phase: Phase,
    pub(super) sample: Sample,
}

/// The worst of a metric under the fault, as far as it is known which side is the bad one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Worst {
    Value(f64),
    /// Nobody said which side is the bad one: the least and the greatest.
    Range(f64, f64),
    Unknown,
}

impl Series<'_> {
    /// The finite values of a phase, in order of time.
    fn values(&self, phase: Phase) -> impl DoubleEndedIterator<Item = f64> {
        self.points.iter().filter(move |point| point.phase == phase).filter_map(Point::value)
    }

    pub(super) fn worst(&self) -> Worst {
        let values = || self.values(Phase::Observation);
        let (Some(least), Some(greatest)) = (values().reduce(f64::min), values().reduce(f64::max)) else {
            return Worst::Unknown;
        };
        match self.larger_is_worse() {
            Some(true) => Worst::Value(greatest),
            Some(false) => Worst::Value(least),
            None if least == greatest => Worst::Value(least),
            None => Worst::Range(least, greatest),
        }
    }

    /// The last value under the fault.
    pub(super) fn last(&self) -> Option<f64> {
        self.values(Phase::Observation).next_back()
    }

    /// The last value after the rollback.
    pub(super) fn after(&self) -> Option<f64> {
        self.values(Phase::Verification).next_back()
    }

    #[cfg(feature = "report")]
    pub(super) fn unknown_count(&self) -> usize {
        self.points.iter().filter(|point| point.value().is_none()).count()
    }

    #[cfg(feature = "report")]
    pub(super) fn missed_by(&self, value: f64) -> Option<&Bound> {
        self.bounds.iter().find(|bound| bound.is_missed_by(value))
    }

    pub(super) fn show_worst(&self) -> String {
        match self.worst() {
            Worst::Value(value) => self.unit.show(value),
            Worst::Range(least, greatest) => {
                format!("{} to {}", self.unit.show(least), self.unit.show(greatest))
            }
            Worst::Unknown => "unknown".into(),
        }
    }

    pub(super) fn show_value(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "unknown".into(), |value| self.unit.show(value))
    }

    pub(super) fn show_baseline(&self) -> String {
        match &self.baseline {
            Sample::Value(value) => self.unit.show(*value),
            _ => "unknown".into(),
        }
    }

    /// Whether anybody looked in this phase.
    pub(super) fn was_seen(&self, phase: Phase) -> bool {
        self.points.iter().any(|point| point.phase == phase)
    }

    fn larger_is_worse(&self) -> Option<bool> {
        match self.bounds.first().map(|bound| bound.tolerance.comparison()) {
            Some(Comparison::Below | Comparison::AtMost) => Some(true),
            Some(Comparison::Above | Comparison::AtLeast) => Some(false),
            _ if self.name == ERROR_RATE || self.name.starts_with("latency_") => Some(true),
            _ => None,
        }
    }
}

impl Point {
    pub(super) const fn value(&self) -> Option<f64> {
        match self.sample {
            Sample::Value(value) if value.is_finite() => Some(value),
            _ => None,
        }
    }
}

impl RunReport {
    /// All metrics that were seen or asked for in the observations, by name.
    pub(super) fn series(&self) -> Vec<Series<'_>> {
        let observations = self.experiment.observations();
        let seen = observations.iter().flat_map(|observation| observation.metrics.iter());
        let names: BTreeSet<&str> = seen.chain(self.baseline.iter()).map(|(name, _)| name).collect();
        names.into_iter().map(|name| self.one_series(name, observations)).collect()
    }

    fn one_series<'a>(&'a self, name: &'a str, observations: &[Observation]) -> Series<'a> {
        let bounds = self.bounds(name);
        let point = |observation: &Observation| Point {
            at: observation.at,
            phase: observation.phase,
            sample: observation.metrics.sample(name),
        };
        let points = observations.iter().map(point).collect();
        let unit = Unit::of(name, &bounds);
        Series { name, unit, points, bounds, baseline: self.baseline.sample(name) }
    }

    fn bounds(&self, metric: &str) -> Vec<Bound> {
        let mut bounds = self.all_bounds();
        bounds.retain(|bound| bound.tolerance.metric() == metric);
        bounds
    }

    /// Every bound that is asked for, each once, whoever asks.
    pub(super) fn all_bounds(&self) -> Vec<Bound> {
        let hypothesis = &self.experiment.hypothesis;
        let asked = [
            ("criterion", self.experiment.success_criteria.items()),
            ("hypothesis", &hypothesis.lifted),
            ("steady state", &hypothesis.steady_state.0),
        ];
        let mut bounds = Vec::new();
        for (asked_by, criteria) in asked {
            let tolerances = criteria.iter().filter_map(|criterion| criterion.tolerance());
            tolerances.for_each(|tolerance| add(&mut bounds, tolerance, asked_by));
        }
        self.limits.iter().for_each(|limit| add(&mut bounds, limit, "safety limit"));
        bounds
    }

    /// The figures under the fault beside those before it, for an incident; empty where there are none.
    #[cfg(feature = "incident")]
    pub(crate) fn impact(&self) -> String {
        let series = self.series();
        let seen = series.iter().filter(|series| series.worst() != Worst::Unknown);
        let lines = seen.map(|series| {
            let (before, under) = (series.show_baseline(), series.show_worst());
            format!("{}: {before} before, {under} under the fault", series.name)
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn add(bounds: &mut Vec<Bound>, tolerance: &Tolerance, asked_by: &'static str) {
    let same = |bound: &&mut Bound| {
        bound.tolerance.comparison() == tolerance.comparison() && bound.tolerance.bound() == tolerance.bound()
    };
    match bounds.iter_mut().find(same) {
        Some(bound) if bound.asked_by.contains(&asked_by) => {}
        Some(bound) => bound.asked_by.push(asked_by),
        None => bounds.push(Bound { tolerance: tolerance.clone(), asked_by: vec![asked_by] }),
    }
}
