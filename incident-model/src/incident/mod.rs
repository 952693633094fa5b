//! One incident.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::metrics::{Measured, MetricDef, Preset};
use crate::milestone::Milestone;
use crate::severity::Severity;
use crate::text::{one_line, prose};
use crate::timeline::{Timeline, TimelineEvent};

mod builder;
mod id;
mod wire;

pub use builder::IncidentBuilder;
pub use id::{ExperimentId, IncidentId};

/// Describes one incident: what it is called, how bad it is, where it came from, and its [`Timeline`].
///
/// The timeline is the truth about time: milestones, durations and the severity after the opening are read from
/// it. A duration is a [`Measured`] that carries its definition, `None` where the incident has not got that far.
///
/// In serde an incident is one object with a schema number; reading checks all that the builder checks, and an
/// unknown field is an error.
///
/// ```
/// use incident_model::{Incident, Severity};
///
/// let incident = Incident::builder("INC-2024-001", "Database connection pool exhaustion")
///     .severity(Severity::Sev2)
///     .impact_started("2024-01-15T14:30:00Z".parse()?)
///     .detected("2024-01-15T14:35:00Z".parse()?)
///     .resolved("2024-01-15T15:10:00Z".parse()?)
///     .root_cause("Connection leak in payment service")
///     .impact("Payment processing delayed for 15% of users")
///     .build()?;
///
/// let mttr = incident.mttr()?.expect("the incident is resolved");
/// assert_eq!(mttr.to_string(), "MTTR (seed) = 35.0 min [detected to resolved, wall clock]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "wire::Record", into = "wire::Record")]
pub struct Incident {
    id: IncidentId,
    title: String,
    opened_as: Severity,
    origin: Origin,
    root_cause: Option<String>,
    impact: Option<String>,
    timeline: Timeline,
}

/// Says what kind of event an incident belongs to, so that exercises stay out of the figures of real ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// It happened by itself.
    #[default]
    Real,
    /// It was played in a game day.
    GameDay,
    /// A chaos experiment's run caused it.
    Experiment(ExperimentId),
}

impl Incident {
    /// Begins an incident; [`IncidentBuilder::build`] checks everything at once.
    pub fn builder(id: impl Into<String>, title: impl Into<String>) -> IncidentBuilder {
        IncidentBuilder::new(id.into(), title.into())
    }

    /// The id.
    #[must_use]
    pub const fn id(&self) -> &IncidentId {
        &self.id
    }

    /// The title, one line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The severity after the last event of the log.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.timeline.severity_steps().last().map_or(self.opened_as, |step| step.severity)
    }

    /// The severity that held at an instant: before the first severity event, that of the opening.
    #[must_use]
    pub fn severity_at(&self, at: DateTime<Utc>) -> Severity {
        self.timeline.severity_at(at).unwrap_or(self.opened_as)
    }

    /// The most severe that the incident ever was.
    #[must_use]
    pub fn worst_severity(&self) -> Severity {
        let steps = self.timeline.severity_steps();
        steps.iter().fold(self.opened_as, |worst, step| worst.worse(step.severity))
    }

    /// Where it came from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Why it happened, in words.
    #[must_use]
    pub fn root_cause(&self) -> Option<&str> {
        self.root_cause.as_deref()
    }

    /// Who noticed what, in words.
    #[must_use]
    pub fn impact(&self) -> Option<&str> {
        self.impact.as_deref()
    }

    /// What happened when.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Records an event in the timeline.
    pub fn record(&mut self, event: TimelineEvent) {
        self.timeline.append(event);
    }

    /// Writes down the cause once it is known.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidText`] where the text is blank.
    pub fn set_root_cause(&mut self, text: impl Into<String>) -> Result<(), Error> {
        self.root_cause = Some(prose("root cause", text.into())?);
        Ok(())
    }

    /// Writes down the impact once it is known.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidText`] where the text is blank.
    pub fn set_impact(&mut self, text: impl Into<String>) -> Result<(), Error> {
        self.impact = Some(prose("impact", text.into())?);
        Ok(())
    }

    /// When a milestone was first reached.
    #[must_use]
    pub fn reached_at(&self, milestone: &Milestone) -> Option<DateTime<Utc>> {
        self.timeline.reached_at(milestone)
    }

    /// From the start of the impact to the detection ([`Preset::SeedDetectionTime`]).
    ///
    /// # Errors
    ///
    /// [`Error::EndBeforeStart`].
    pub fn detection_time(&self) -> Result<Option<Measured>, Error> {
        self.measure(&Preset::SeedDetectionTime.definition())
    }

    /// From the detection to the resolution ([`Preset::SeedMttr`]), which is the seed's reading of "MTTR".
    ///
    /// # Errors
    ///
    /// [`Error::EndBeforeStart`].
    pub fn mttr(&self) -> Result<Option<Measured>, Error> {
        self.measure(&Preset::SeedMttr.definition())
    }

    /// From the start of the impact to the resolution ([`Preset::SeedTotalDuration`]).
    ///
    /// # Errors
    ///
    /// [`Error::EndBeforeStart`].
    pub fn total_duration(&self) -> Result<Option<Measured>, Error> {
        self.measure(&Preset::SeedTotalDuration.definition())
    }

    /// Measures any metric, as [`MetricDef::measure`].
    ///
    /// # Errors
    ///
    /// [`Error::EndBeforeStart`], [`Error::NowRequired`].
    pub fn measure(&self, metric: &MetricDef) -> Result<Option<Measured>, Error> {
        metric.measure(&self.timeline)
    }

    /// Measures any metric at an instant, as [`MetricDef::measure_at`].
    ///
    /// # Errors
    ///
    /// [`Error::EndBeforeStart`], [`Error::NowBeforeStart`].
    pub fn measure_at(&self, metric: &MetricDef, now: DateTime<Utc>) -> Result<Option<Measured>, Error> {
        metric.measure_at(&self.timeline, now)
    }
}

/// One line: `INC-2024-001  SEV2  Database connection pool exhaustion`.
impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.id, self.severity(), one_line(&self.title))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Incident, Origin};
    use crate::{Error, Severity, TimelineEvent};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn incident() -> Incident {
        Incident::builder("INC-1", "Slow checkout").severity(Severity::Sev3).build().unwrap()
    }

    #[test]
    fn severity_follows_the_log_after_the_opening() {
        let mut incident = incident();
        incident.record(TimelineEvent::severity(at("2024-01-15T14:40:00Z"), Severity::Sev1));
        incident.record(TimelineEvent::severity(at("2024-01-15T14:50:00Z"), Severity::Sev4));
        assert_eq!(incident.severity(), Severity::Sev4);
        assert_eq!(incident.severity_at(at("2024-01-15T14:39:59Z")), Severity::Sev3);
        assert_eq!(incident.severity_at(at("2024-01-15T14:40:00Z")), Severity::Sev1);
        assert_eq!(incident.worst_severity(), Severity::Sev1);
    }

    #[test]
    fn an_open_incident_has_no_durations_and_no_errors() {
        let incident = incident();
        assert_eq!(incident.severity(), Severity::Sev3);
        assert_eq!(*incident.origin(), Origin::Real);
        assert_eq!(incident.detection_time(), Ok(None));
        assert_eq!(incident.mttr(), Ok(None));
        assert_eq!(incident.total_duration(), Ok(None));
    }

    #[test]
    fn cause_and_impact_can_follow_but_not_blank() {
        let mut incident = incident();
        incident.set_root_cause("Connection leak").unwrap();
        assert!(matches!(incident.set_impact(" \n"), Err(Error::InvalidText { field: "impact", .. })));
        assert_eq!((incident.root_cause(), incident.impact()), (Some("Connection leak"), None));
    }

    #[test]
    fn a_headline_is_one_line() {
        insta::assert_snapshot!(incident(), @"INC-1  SEV3  Slow checkout");
    }
}
