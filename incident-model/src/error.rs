//! What can be wrong with a value that comes from outside.

use chrono::{DateTime, Utc};

use crate::milestone::Milestone;

/// Says why a value was refused and what would be right.
///
/// Offending text is quoted with control characters escaped and is cut at 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text names no severity.
    #[error("unknown severity `{given}`: use SEV1, SEV2, SEV3 or SEV4, or critical, high, medium or low")]
    UnknownSeverity {
        /// What was written.
        given: String,
    },

    /// A text names no milestone.
    #[error("unknown milestone `{given}`: use {}, or custom:<name>", Milestone::built_in_names())]
    UnknownMilestone {
        /// What was written.
        given: String,
    },

    /// A text field breaks its rule.
    #[error("invalid {field} `{given}`: {rule}")]
    InvalidText {
        /// The field.
        field: &'static str,
        /// What was written.
        given: String,
        /// What would be right.
        rule: &'static str,
    },

    /// A field that every incident has was left out.
    #[error("missing {field}: {hint}")]
    MissingField {
        /// The field.
        field: &'static str,
        /// How to supply it.
        hint: &'static str,
    },

    /// An incident could not be built; all its problems are listed, not only the first.
    #[error("cannot build incident `{id}`: {}", join(problems))]
    InvalidIncident {
        /// The id as it was written.
        id: String,
        /// Every problem found, at least one.
        problems: Vec<Self>,
    },

    /// A stored incident has a format that this version does not read.
    #[error("cannot read incident: schema {given} is unknown, this version reads schema {supported}")]
    UnsupportedSchema {
        /// The version in the record.
        given: u32,
        /// The version that can be read.
        supported: u32,
    },

    /// A metric starts and ends at the same milestone.
    #[error("cannot define metric `{metric}`: it starts and ends at {milestone}, name two milestones")]
    SameMilestone {
        /// The metric's name.
        metric: String,
        /// The milestone named twice.
        milestone: Milestone,
    },

    /// The end of a metric lies before its start, so there is no duration.
    #[error("cannot measure `{metric}`: {to} at {to_at:?} is before {from} at {from_at:?}")]
    EndBeforeStart {
        /// The metric's name.
        metric: String,
        /// The starting milestone.
        from: Milestone,
        /// When it was reached.
        from_at: DateTime<Utc>,
        /// The ending milestone.
        to: Milestone,
        /// When it was reached.
        to_at: DateTime<Utc>,
    },

    /// An open incident was to be censored at an instant before the metric's start.
    #[error("cannot measure `{metric}`: now, {now:?}, is before {from} at {from_at:?}")]
    NowBeforeStart {
        /// The metric's name.
        metric: String,
        /// The starting milestone.
        from: Milestone,
        /// When it was reached.
        from_at: DateTime<Utc>,
        /// The instant that was given.
        now: DateTime<Utc>,
    },

    /// A metric that censors open incidents was measured on one without an instant.
    #[error("cannot measure `{metric}`: {to} is not reached and the metric censors at now, use measure_at")]
    NowRequired {
        /// The metric's name.
        metric: String,
        /// The milestone that is not reached.
        to: Milestone,
    },
}

fn join(problems: &[Error]) -> String {
    problems.iter().map(Error::to_string).collect::<Vec<_>>().join("; ")
}
