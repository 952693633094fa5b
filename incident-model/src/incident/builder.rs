//! How an incident is made.

use chrono::{DateTime, Utc};

use super::{Incident, Origin};
use crate::error::Error;
use crate::milestone::Milestone;
use crate::severity::Severity;
use crate::text::{self, excerpt};
use crate::timeline::{Timeline, TimelineEvent};

/// Collects the parts of an [`Incident`]; nothing is checked before [`build`](Self::build).
///
/// Each milestone method records an event, in the order of the calls. For an event with words use
/// [`event`](Self::event).
#[derive(Debug, Clone)]
#[must_use = "call build to get the incident"]
pub struct IncidentBuilder {
    id: String,
    title: String,
    severity: Option<Severity>,
    origin: Result<Origin, Error>,
    pub(super) root_cause: Option<String>,
    pub(super) impact: Option<String>,
    pub(super) timeline: Timeline,
}

impl IncidentBuilder {
    pub(super) const fn new(id: String, title: String) -> Self {
        let (severity, root_cause, impact) = (None, None, None);
        Self { id, title, severity, origin: Ok(Origin::Real), root_cause, impact, timeline: Timeline::new() }
    }

    /// The severity at the opening; later changes are events. Mandatory.
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// Where the incident came from; without this, [`Origin::Real`].
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = Ok(origin);
        self
    }

    /// The incident was caused by this experiment or run: [`Origin::Experiment`].
    pub fn experiment(mut self, id: &str) -> Self {
        self.origin = id.parse().map(Origin::Experiment);
        self
    }

    /// Why it happened, in words.
    pub fn root_cause(mut self, text: impl Into<String>) -> Self {
        self.root_cause = Some(text.into());
        self
    }

    /// Who noticed what, in words.
    pub fn impact(mut self, text: impl Into<String>) -> Self {
        self.impact = Some(text.into());
        self
    }

    /// Records [`Milestone::ImpactStarted`].
    pub fn impact_started(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::ImpactStarted, at)
    }

    /// Records [`Milestone::Detected`].
    pub fn detected(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::Detected, at)
    }

    /// Records [`Milestone::Acknowledged`].
    pub fn acknowledged(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::Acknowledged, at)
    }

    /// Records [`Milestone::Declared`].
    pub fn declared(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::Declared, at)
    }

    /// Records [`Milestone::Identified`].
    pub fn identified(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::Identified, at)
    }

    /// Records [`Milestone::Mitigated`].
    pub fn mitigated(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::Mitigated, at)
    }

    /// Records [`Milestone::Recovered`].
    pub fn recovered(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::Recovered, at)
    }

    /// Records [`Milestone::Resolved`].
    pub fn resolved(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::Resolved, at)
    }

    /// Records [`Milestone::Closed`].
    pub fn closed(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::Closed, at)
    }

    /// Records [`Milestone::PostmortemPublished`].
    pub fn postmortem_published(self, at: DateTime<Utc>) -> Self {
        self.milestone(Milestone::PostmortemPublished, at)
    }

    /// Records any milestone.
    pub fn milestone(self, milestone: Milestone, at: DateTime<Utc>) -> Self {
        self.event(TimelineEvent::milestone(at, milestone))
    }

    /// Records an event.
    pub fn event(mut self, event: TimelineEvent) -> Self {
        self.timeline.append(event);
        self
    }

    /// Records events in their order.
    pub fn events(mut self, events: impl IntoIterator<Item = TimelineEvent>) -> Self {
        self.timeline.extend(events);
        self
    }

    /// Checks everything and makes the incident.
    ///
    /// The order of the timeline is not checked here: see [`Timeline::diagnostics`], and the errors of a
    /// measurement.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidIncident`] with every problem: a bad id or title, no severity, a blank text, a bad
    /// experiment id.
    pub fn build(self) -> Result<Incident, Error> {
        let written_id = excerpt(&self.id);
        let mut problems = Vec::new();
        let id = noted(self.id.parse(), &mut problems);
        let title = noted(text::name("title", &self.title), &mut problems);
        let opened_as = noted(self.severity.ok_or(SEVERITY_MISSING), &mut problems);
        let origin = noted(self.origin, &mut problems);
        let root_cause = noted(optional_prose("root cause", self.root_cause), &mut problems);
        let impact = noted(optional_prose("impact", self.impact), &mut problems);
        match (id, title, opened_as, origin, root_cause, impact) {
            (Some(id), Some(title), Some(opened_as), Some(origin), Some(root_cause), Some(impact)) => {
                Ok(Incident { id, title, opened_as, origin, root_cause, impact, timeline: self.timeline })
            }
            _ => Err(Error::InvalidIncident { id: written_id, problems }),
        }
    }
}

const SEVERITY_MISSING: Error =
    Error::MissingField { field: "severity", hint: "give one of SEV1, SEV2, SEV3 or SEV4" };

fn noted<T>(checked: Result<T, Error>, problems: &mut Vec<Error>) -> Option<T> {
    checked.map_err(|problem| problems.push(problem)).ok()
}

fn optional_prose(field: &'static str, text: Option<String>) -> Result<Option<String>, Error> {
    text.map(|text| text::prose(field, text)).transpose()
}

#[cfg(test)]
mod tests {
    use crate::{Error, Incident, Origin, Severity};

    #[test]
    fn every_problem_is_reported_at_once() {
        let error = Incident::builder("INC 1", "").experiment("../ x").root_cause(" ").build().unwrap_err();
        insta::assert_snapshot!(error, @"cannot build incident `INC 1`: invalid incident id `INC 1`: write 1 to 128 characters without white space or control characters; invalid title ``: write one line of 1 to 255 characters; missing severity: give one of SEV1, SEV2, SEV3 or SEV4; invalid experiment id `../ x`: write 1 to 128 characters without white space or control characters; invalid root cause ` `: write something or leave the field out");
        assert!(matches!(error, Error::InvalidIncident { problems, .. } if problems.len() == 5));
    }

    #[test]
    fn an_experiment_is_an_origin() {
        let incident =
            Incident::builder("INC-1", "x").severity(Severity::Sev4).experiment("run-7").build().unwrap();
        assert!(matches!(incident.origin(), Origin::Experiment(id) if id.as_str() == "run-7"));
    }
}
