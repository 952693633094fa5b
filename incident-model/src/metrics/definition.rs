//! What a metric measures.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Measured;
use crate::error::Error;
use crate::milestone::Milestone;
use crate::text;
use crate::timeline::{Timeline, TimelineEvent};

/// Defines a duration: between which milestones, by which calendar, and what an open incident counts as.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire")]
pub struct MetricDef {
    pub(super) name: String,
    pub(super) from: Milestone,
    pub(super) to: Milestone,
    pub(super) calendar: Calendar,
    pub(super) missing: Missing,
}

/// Says which time counts between two instants.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Calendar {
    /// All of it.
    #[default]
    Wall,
}

/// Says what happens where the end of a metric is not reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The incident has no value.
    #[default]
    Skip,
    /// The value is what has passed until now, marked as a lower bound.
    CensorAtNow,
}

impl MetricDef {
    /// A metric on wall time that skips incidents which have not reached its end.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidText`] where the name is not one line of 1 to 255 characters, [`Error::SameMilestone`] where
    /// both ends are the same.
    pub fn new(name: &str, from: Milestone, to: Milestone) -> Result<Self, Error> {
        let name = text::name("metric name", name)?;
        if from == to {
            return Err(Error::SameMilestone { metric: name, milestone: to });
        }
        Ok(Self { name, from, to, calendar: Calendar::Wall, missing: Missing::Skip })
    }

    /// The same metric with another rule for a missing end.
    #[must_use]
    pub const fn with_missing(mut self, missing: Missing) -> Self {
        self.missing = missing;
        self
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The milestone that starts the clock.
    #[must_use]
    pub const fn from(&self) -> &Milestone {
        &self.from
    }

    /// The milestone that stops the clock.
    #[must_use]
    pub const fn to(&self) -> &Milestone {
        &self.to
    }

    /// Which time counts.
    #[must_use]
    pub const fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// What happens where the end is not reached.
    #[must_use]
    pub const fn missing(&self) -> Missing {
        self.missing
    }

    /// Measures a log whose clock is known to have stopped, or whose metric skips open incidents.
    ///
    /// `None` where the start is not reached, or where the end is not and the metric skips.
    ///
    /// # Errors
    ///
    /// [`Error::EndBeforeStart`]; [`Error::NowRequired`] where the end is not reached and the metric censors.
    pub fn measure(&self, timeline: &Timeline) -> Result<Option<Measured>, Error> {
        self.measure_with(timeline, None)
    }

    /// Measures a log at an instant; `now` counts only where the metric censors and the end is not reached.
    ///
    /// ```
    /// use incident_model::metrics::{Missing, Preset};
    /// use incident_model::{Milestone, Timeline, TimelineEvent};
    ///
    /// let detected = TimelineEvent::milestone("2024-01-15T14:35:00Z".parse()?, Milestone::Detected);
    /// let metric = Preset::SeedMttr.definition().with_missing(Missing::CensorAtNow);
    /// let open = metric.measure_at(&Timeline::from_iter([detected]), "2024-01-15T14:45:00Z".parse()?)?;
    /// assert!(open.is_some_and(|value| value.is_censored() && value.minutes() == 10.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::EndBeforeStart`]; [`Error::NowBeforeStart`] where the value would be censored before its start.
    pub fn measure_at(&self, timeline: &Timeline, now: DateTime<Utc>) -> Result<Option<Measured>, Error> {
        self.measure_with(timeline, Some(now))
    }

    /// What a figure must show beside it: both ends, the calendar, the rule for a missing end.
    pub(super) fn terms(&self) -> String {
        let Self { from, to, calendar, .. } = self;
        match self.missing {
            Missing::Skip => format!("{from} to {to}, {calendar}"),
            Missing::CensorAtNow => format!("{from} to {to}, {calendar}, open incidents censored at now"),
        }
    }

    fn measure_with(
        &self,
        timeline: &Timeline,
        now: Option<DateTime<Utc>>,
    ) -> Result<Option<Measured>, Error> {
        let Some(start) = timeline.first(&self.from) else {
            return Ok(None);
        };
        match (timeline.first(&self.to), self.missing) {
            (Some(end), _) => self.between(start, end).map(Some),
            (None, Missing::Skip) => Ok(None),
            (None, Missing::CensorAtNow) => self.censored(start, now).map(Some),
        }
    }

    fn between(&self, start: &TimelineEvent, end: &TimelineEvent) -> Result<Measured, Error> {
        let precision = start.precision().max(end.precision());
        Measured::new(self, start.at(), end.at(), precision, false).ok_or_else(|| Error::EndBeforeStart {
            metric: self.name.clone(),
            from: self.from.clone(),
            from_at: start.at(),
            to: self.to.clone(),
            to_at: end.at(),
        })
    }

    fn censored(&self, start: &TimelineEvent, now: Option<DateTime<Utc>>) -> Result<Measured, Error> {
        let metric = self.name.clone();
        let Some(now) = now else {
            return Err(Error::NowRequired { metric, to: self.to.clone() });
        };
        let value = Measured::new(self, start.at(), now, start.precision(), true);
        value.ok_or_else(|| Error::NowBeforeStart {
            metric,
            from: self.from.clone(),
            from_at: start.at(),
            now,
        })
    }
}

/// The name, both ends and the calendar, and what a missing end counts as where that is not "no value".
impl fmt::Display for MetricDef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.name, self.terms())
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wall => f.write_str("wall clock"),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    name: String,
    from: Milestone,
    to: Milestone,
    #[serde(default)]
    calendar: Calendar,
    #[serde(default)]
    missing: Missing,
}

impl TryFrom<Wire> for MetricDef {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self, Error> {
        let definition = Self::new(&wire.name, wire.from, wire.to)?;
        Ok(Self { calendar: wire.calendar, missing: wire.missing, ..definition })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{MetricDef, Missing};
    use crate::{Error, Milestone, Timeline, TimelineEvent};

    fn at(minute: i64) -> DateTime<Utc> {
        "2024-01-15T14:30:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
    }

    fn mttr() -> MetricDef {
        MetricDef::new("mttr", Milestone::Detected, Milestone::Resolved).unwrap()
    }

    fn log(events: &[(i64, Milestone)]) -> Timeline {
        events
            .iter()
            .map(|(minute, milestone)| TimelineEvent::milestone(at(*minute), milestone.clone()))
            .collect()
    }

    #[test]
    fn an_end_before_its_start_is_an_error() {
        let timeline = log(&[(5, Milestone::Detected), (4, Milestone::Resolved)]);
        let error = mttr().measure(&timeline).unwrap_err();
        insta::assert_snapshot!(error, @"cannot measure `mttr`: resolved at 2024-01-15T14:34:00Z is before detected at 2024-01-15T14:35:00Z");
    }

    #[test]
    fn a_missing_end_is_skipped_or_censored() {
        let open = log(&[(5, Milestone::Detected)]);
        assert_eq!(mttr().measure(&open), Ok(None));
        assert_eq!(mttr().measure_at(&open, at(9)), Ok(None));

        let censoring = mttr().with_missing(Missing::CensorAtNow);
        let value = censoring.measure_at(&open, at(9)).unwrap().unwrap();
        assert!(value.is_censored());
        insta::assert_snapshot!(value, @"mttr >= 4.0 min [detected to resolved, wall clock, open incidents censored at now; open at 2024-01-15T14:39:00Z]");
        insta::assert_snapshot!(censoring.measure(&open).unwrap_err(), @"cannot measure `mttr`: resolved is not reached and the metric censors at now, use measure_at");
        insta::assert_snapshot!(censoring.measure_at(&open, at(1)).unwrap_err(), @"cannot measure `mttr`: now, 2024-01-15T14:31:00Z, is before detected at 2024-01-15T14:35:00Z");
    }

    #[test]
    fn a_metric_whose_end_is_reached_needs_no_now() {
        let closed = log(&[(5, Milestone::Detected), (40, Milestone::Resolved)]);
        let censoring = mttr().with_missing(Missing::CensorAtNow);
        let value = censoring.measure_at(&closed, at(10)).unwrap().unwrap();
        assert!(!value.is_censored());
        assert_eq!(value.minutes(), 35.0);
        assert_eq!(censoring.measure(&closed), Ok(Some(value)));
        assert_eq!(mttr().measure(&log(&[(40, Milestone::Resolved)])), Ok(None));
    }

    #[test]
    fn a_definition_is_checked_when_built_and_when_read() {
        let same = MetricDef::new("x", Milestone::Closed, Milestone::Closed);
        assert!(matches!(same, Err(Error::SameMilestone { .. })));
        assert!(MetricDef::new(" ", Milestone::Closed, Milestone::Resolved).is_err());

        let json = r#"{"name":"mttr","from":"first detected","to":"resolved","missing":"censor_at_now"}"#;
        let read: MetricDef = serde_json::from_str(json).unwrap();
        assert_eq!(read, mttr().with_missing(Missing::CensorAtNow));
        let back = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<MetricDef>(&back).unwrap(), read);

        let bad = r#"{"name":"mttr","from":"detected","to":"detected"}"#;
        insta::assert_snapshot!(serde_json::from_str::<MetricDef>(bad).unwrap_err(), @"cannot define metric `mttr`: it starts and ends at detected, name two milestones");
    }
}
