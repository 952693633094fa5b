//! What stands out of order in a log.

use std::fmt;

use chrono::{DateTime, Utc};

use super::{Timeline, TimelineEvent};
use crate::milestone::Milestone;

/// Reports two things of a log whose order is odd; both are named and both are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Diagnostic {
    /// An event was recorded after one that happened later.
    RecordedLate {
        /// The event that was recorded late.
        late: LogEntry,
        /// The latest of the events recorded before it.
        after: LogEntry,
    },
    /// A milestone was reached before one that it follows from, such as resolved before detected.
    MilestonesReversed {
        /// The one that should come first.
        earlier: Milestone,
        /// When it was first reached.
        earlier_at: DateTime<Utc>,
        /// The one that should follow.
        later: Milestone,
        /// When it was first reached.
        later_at: DateTime<Utc>,
    },
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The place in the order of recording, counted from 1.
    pub position: usize,
    /// The event.
    pub event: TimelineEvent,
}

/// The pairs that contradict each other when reversed.
///
/// The list is short on purpose: a cause is often identified after the mitigation, and an incident declared
/// before anybody acknowledges it.
const EXPECTED_ORDER: [(Milestone, Milestone); 10] = [
    (Milestone::ImpactStarted, Milestone::Detected),
    (Milestone::ImpactStarted, Milestone::Mitigated),
    (Milestone::ImpactStarted, Milestone::Recovered),
    (Milestone::ImpactStarted, Milestone::Resolved),
    (Milestone::Detected, Milestone::Acknowledged),
    (Milestone::Detected, Milestone::Resolved),
    (Milestone::Acknowledged, Milestone::Resolved),
    (Milestone::Declared, Milestone::Resolved),
    (Milestone::Mitigated, Milestone::Resolved),
    (Milestone::Resolved, Milestone::Closed),
];

pub(super) fn find(timeline: &Timeline) -> Vec<Diagnostic> {
    let mut found = recorded_late(timeline.events());
    found.extend(reversed(timeline));
    found
}

fn recorded_late(events: &[TimelineEvent]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut latest = 0;
    for (index, event) in events.iter().enumerate() {
        if event.at() < events[latest].at() {
            found.push(Diagnostic::RecordedLate { late: entry(events, index), after: entry(events, latest) });
        } else {
            latest = index;
        }
    }
    found
}

fn entry(events: &[TimelineEvent], index: usize) -> LogEntry {
    LogEntry { position: index + 1, event: events[index].clone() }
}

fn reversed(timeline: &Timeline) -> impl Iterator<Item = Diagnostic> {
    let reached = timeline.milestones();
    EXPECTED_ORDER.into_iter().filter_map(move |(earlier, later)| {
        let (earlier_at, later_at) = (*reached.get(&earlier)?, *reached.get(&later)?);
        let odd = later_at < earlier_at;
        odd.then_some(Diagnostic::MilestonesReversed { earlier, earlier_at, later, later_at })
    })
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordedLate { late, after } => {
                write!(f, "{late} is recorded after {after} but happened before it")
            }
            Self::MilestonesReversed { earlier, earlier_at, later, later_at } => {
                write!(f, "{later} at {later_at:?} is before {earlier} at {earlier_at:?}")
            }
        }
    }
}

impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} ({} {})", self.position, self.event.at().date_naive(), self.event)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Milestone, Timeline, TimelineEvent};

    fn reached(time: &str, milestone: Milestone) -> TimelineEvent {
        TimelineEvent::milestone(format!("2024-01-15T{time}Z").parse().unwrap(), milestone)
    }

    fn report(timeline: &Timeline) -> String {
        timeline.diagnostics().iter().map(|found| format!("{found}\n")).collect()
    }

    #[test]
    fn odd_orders_name_both_sides() {
        let timeline = Timeline::from_iter([
            reached("14:35:00", Milestone::Detected).with_text("Alert fires"),
            reached("14:40:00", Milestone::Declared),
            reached("14:20:00", Milestone::Resolved).with_text("typed wrongly"),
            reached("14:30:00", Milestone::ImpactStarted),
            reached("15:00:00", Milestone::Recovered),
        ]);
        insta::assert_snapshot!(report(&timeline), @"
        entry 3 (2024-01-15 14:20:00Z  resolved  typed wrongly) is recorded after entry 2 (2024-01-15 14:40:00Z  declared) but happened before it
        entry 4 (2024-01-15 14:30:00Z  impact_started) is recorded after entry 2 (2024-01-15 14:40:00Z  declared) but happened before it
        resolved at 2024-01-15T14:20:00Z is before impact_started at 2024-01-15T14:30:00Z
        resolved at 2024-01-15T14:20:00Z is before detected at 2024-01-15T14:35:00Z
        resolved at 2024-01-15T14:20:00Z is before declared at 2024-01-15T14:40:00Z
        ");
        assert_eq!(timeline.len(), 5);
    }

    #[test]
    fn an_orderly_log_has_no_findings() {
        let timeline = Timeline::from_iter([
            reached("14:30:00", Milestone::ImpactStarted),
            reached("14:30:00", Milestone::Detected),
            reached("14:55:00", Milestone::Mitigated),
            reached("15:05:00", Milestone::Identified),
        ]);
        assert_eq!(report(&timeline), "");
        assert_eq!(report(&Timeline::new()), "");
    }
}
