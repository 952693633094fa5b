//! The log of an incident, and what follows from it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::milestone::Milestone;
use crate::severity::Severity;

mod diagnostic;
mod event;
mod render;

pub use diagnostic::{Diagnostic, LogEntry};
pub use event::{EventKind, Precision, TimelineEvent};

/// Holds what happened in an incident as an append-only log; milestones and severity are a fold of it.
///
/// Events are kept in the order in which they were recorded, whatever their instants, and none is ever dropped;
/// [`diagnostics`](Self::diagnostics) reports what stands out of order. The folds do not depend on the order of
/// recording:
///
/// - a milestone is reached at the *earliest* instant that an event gives for it, so a second resolution after a
///   re-open does not move the first ([`occurrences`](Self::occurrences) lists them all);
/// - severity is a step function that changes at each severity event; where two of them share an instant, the
///   more severe one holds.
///
/// `Display` writes the log as text, one line an event in the order of time, under a line for each UTC day.
///
/// ```
/// use incident_model::{Milestone, Timeline, TimelineEvent};
///
/// let mut timeline = Timeline::new();
/// let at = "2024-01-15T14:35:00Z".parse()?;
/// timeline.append(TimelineEvent::milestone(at, Milestone::Detected).with_text("Alert fires: HighErrorRate"));
///
/// assert_eq!(timeline.reached_at(&Milestone::Detected), Some(at));
/// assert_eq!(timeline.to_string(), "2024-01-15 UTC\n14:35:00Z  detected  Alert fires: HighErrorRate\n");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timeline {
    events: Vec<TimelineEvent>,
}

/// The severity that holds from an instant until the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SeverityStep {
    /// When it begins to hold.
    pub from: DateTime<Utc>,
    /// What holds.
    pub severity: Severity,
}

impl Timeline {
    /// An empty log.
    #[must_use]
    pub const fn new() -> Self {
        Self { events: Vec::new() }
    }

    /// Records an event after all others, also where its instant is earlier than theirs.
    pub fn append(&mut self, event: TimelineEvent) {
        self.events.push(event);
    }

    /// The events in the order in which they were recorded.
    #[must_use]
    pub fn events(&self) -> &[TimelineEvent] {
        &self.events
    }

    /// The events in the order of time; those of one instant keep the order in which they were recorded.
    #[must_use]
    pub fn chronological(&self) -> Vec<&TimelineEvent> {
        let mut events: Vec<_> = self.events.iter().collect();
        events.sort_by_key(|event| event.at());
        events
    }

    /// Whether nothing is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many events are recorded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// When the milestone was first reached.
    #[must_use]
    pub fn reached_at(&self, milestone: &Milestone) -> Option<DateTime<Utc>> {
        self.first(milestone).map(TimelineEvent::at)
    }

    /// The earliest event that reaches the milestone; of several at one instant the most precise.
    #[must_use]
    pub fn first(&self, milestone: &Milestone) -> Option<&TimelineEvent> {
        let reaching = self.events.iter().filter(|event| event.reaches(milestone));
        reaching.min_by_key(|event| (event.at(), event.precision()))
    }

    /// Every event that reaches the milestone, in the order of time.
    #[must_use]
    pub fn occurrences(&self, milestone: &Milestone) -> Vec<&TimelineEvent> {
        let mut events = self.chronological();
        events.retain(|event| event.reaches(milestone));
        events
    }

    /// The milestones that were reached, each with its earliest instant.
    #[must_use]
    pub fn milestones(&self) -> BTreeMap<Milestone, DateTime<Utc>> {
        let mut reached = BTreeMap::new();
        for event in &self.events {
            if let EventKind::Milestone(milestone) = event.kind() {
                let first = reached.entry(milestone.clone()).or_insert(event.at());
                *first = event.at().min(*first);
            }
        }
        reached
    }

    /// The severity that the log gives for an instant; none before the first severity event.
    #[must_use]
    pub fn severity_at(&self, at: DateTime<Utc>) -> Option<Severity> {
        let steps = self.severity_steps();
        let begun = steps.partition_point(|step| step.from <= at);
        steps[..begun].last().map(|step| step.severity)
    }

    /// The steps of the severity in the order of time; each differs from the one before.
    #[must_use]
    pub fn severity_steps(&self) -> Vec<SeverityStep> {
        let mut steps: Vec<SeverityStep> = Vec::new();
        for (from, severity) in self.severities_by_instant() {
            if steps.last().is_none_or(|step| step.severity != severity) {
                steps.push(SeverityStep { from, severity });
            }
        }
        steps
    }

    /// What stands out of order in the log: recorded late, or milestones that contradict each other.
    ///
    /// A finding is a hint for people and tools; every event is kept and counts all the same.
    #[must_use]
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        diagnostic::find(self)
    }

    fn severities_by_instant(&self) -> BTreeMap<DateTime<Utc>, Severity> {
        let mut by_instant = BTreeMap::new();
        for event in &self.events {
            if let EventKind::Severity(severity) = *event.kind() {
                let held = by_instant.entry(event.at()).or_insert(severity);
                *held = severity.worse(*held);
            }
        }
        by_instant
    }
}

impl Extend<TimelineEvent> for Timeline {
    fn extend<I: IntoIterator<Item = TimelineEvent>>(&mut self, events: I) {
        self.events.extend(events);
    }
}

impl FromIterator<TimelineEvent> for Timeline {
    fn from_iter<I: IntoIterator<Item = TimelineEvent>>(events: I) -> Self {
        Self { events: events.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{EventKind, Precision, Timeline, TimelineEvent};
    use crate::{Milestone, Severity};

    fn at(minute: i64) -> DateTime<Utc> {
        "2024-01-15T14:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
    }

    #[test]
    fn a_reopened_incident_keeps_its_first_resolution_and_lists_both() {
        let resolved = |minute| TimelineEvent::milestone(at(minute), Milestone::Resolved);
        let timeline = Timeline::from_iter([resolved(50), resolved(20)]);
        assert_eq!(timeline.reached_at(&Milestone::Resolved), Some(at(20)));
        let all: Vec<_> = timeline.occurrences(&Milestone::Resolved).iter().map(|event| event.at()).collect();
        assert_eq!(all, [at(20), at(50)]);
        assert_eq!(timeline.reached_at(&Milestone::Closed), None);
    }

    #[test]
    fn of_two_events_at_one_instant_the_precise_one_counts() {
        let detected =
            |precision| TimelineEvent::milestone(at(5), Milestone::Detected).with_precision(precision);
        let timeline = Timeline::from_iter([detected(Precision::Approximate), detected(Precision::Second)]);
        assert_eq!(timeline.first(&Milestone::Detected).unwrap().precision(), Precision::Second);
    }

    #[test]
    fn severity_is_a_step_function() {
        let set = |minute, severity| TimelineEvent::severity(at(minute), severity);
        let timeline = Timeline::from_iter([
            set(30, Severity::Sev3),
            set(10, Severity::Sev3),
            set(20, Severity::Sev2),
            set(20, Severity::Sev1),
            set(25, Severity::Sev1),
        ]);
        let steps: Vec<_> = timeline.severity_steps().iter().map(|step| (step.from, step.severity)).collect();
        assert_eq!(steps, [(at(10), Severity::Sev3), (at(20), Severity::Sev1), (at(30), Severity::Sev3)]);
        assert_eq!(timeline.severity_at(at(9)), None);
        assert_eq!(timeline.severity_at(at(10)), Some(Severity::Sev3));
        assert_eq!(timeline.severity_at(at(29)), Some(Severity::Sev1));
        assert_eq!(timeline.severity_at(at(99)), Some(Severity::Sev3));
    }

    #[test]
    fn a_log_is_a_list_in_serde_and_a_time_without_a_zone_is_refused() {
        let json = r#"[{"at":"2024-01-15T15:35:00+01:00","kind":{"milestone":"first detected"}},
                       {"at":"2024-01-15T14:40:00Z","kind":"note","text":"hello"}]"#;
        let timeline: Timeline = serde_json::from_str(json).unwrap();
        assert_eq!(timeline.reached_at(&Milestone::Detected), Some(at(35)));
        assert_eq!(*timeline.events()[1].kind(), EventKind::Note);

        let naive = r#"[{"at":"2024-01-15T14:35:00","kind":"note"}]"#;
        assert!(serde_json::from_str::<Timeline>(naive).is_err());
        let misspelt = r#"[{"at":"2024-01-15T14:35:00Z","kind":"note","txt":"x"}]"#;
        assert!(
            serde_json::from_str::<Timeline>(misspelt)
                .unwrap_err()
                .to_string()
                .contains("unknown field `txt`")
        );
    }
}
