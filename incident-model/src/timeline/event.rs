//! One entry of the log.

use chrono::{DateTime, Utc};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::milestone::Milestone;
use crate::severity::Severity;
use crate::text;

/// Records that something happened at an instant: a milestone, a severity, or a note in words.
///
/// ```
/// use incident_model::{Milestone, Precision, TimelineEvent};
///
/// let event = TimelineEvent::milestone("2024-01-15T14:35:00Z".parse()?, Milestone::Detected)
///     .with_text("Alert fires: HighErrorRate")
///     .with_precision(Precision::Minute);
/// assert_eq!(event.to_string(), "14:35Z  detected  Alert fires: HighErrorRate");
/// # Ok::<(), chrono::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineEvent {
    #[serde(deserialize_with = "instant")]
    at: DateTime<Utc>,
    kind: EventKind,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    text: String,
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    precision: Precision,
}

/// What an entry of the log says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The incident reached a milestone.
    Milestone(Milestone),
    /// The severity was set, for the first time or to another value.
    Severity(Severity),
    /// Something worth telling that changes no state.
    Note,
}

/// How exactly an instant is known; the finer comes first in the order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Precision {
    /// To the second or finer.
    #[default]
    Second,
    /// To the minute.
    Minute,
    /// To the hour.
    Hour,
    /// To the day, in UTC.
    Day,
    /// Written as "about" or "around".
    Approximate,
    /// Nobody says.
    Unknown,
}

impl Precision {
    /// The word for it, as in serde.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Approximate => "approximate",
            Self::Unknown => "unknown",
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl TimelineEvent {
    /// The incident reached a milestone.
    #[must_use]
    pub const fn milestone(at: DateTime<Utc>, milestone: Milestone) -> Self {
        Self::new(at, EventKind::Milestone(milestone))
    }

    /// The severity was set.
    #[must_use]
    pub const fn severity(at: DateTime<Utc>, severity: Severity) -> Self {
        Self::new(at, EventKind::Severity(severity))
    }

    /// Something worth telling happened.
    #[must_use]
    pub fn note(at: DateTime<Utc>, text: impl Into<String>) -> Self {
        Self::new(at, EventKind::Note).with_text(text)
    }

    /// The same event, told in words. The text is kept verbatim; where it is printed, it is put on one line.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// The same event with its instant known this exactly; without this, to the second.
    #[must_use]
    pub const fn with_precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }

    /// When it happened, in UTC.
    #[must_use]
    pub const fn at(&self) -> DateTime<Utc> {
        self.at
    }

    /// What it says.
    #[must_use]
    pub const fn kind(&self) -> &EventKind {
        &self.kind
    }

    /// The words, verbatim; empty where none were given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How exactly the instant is known.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    pub(super) fn reaches(&self, milestone: &Milestone) -> bool {
        matches!(&self.kind, EventKind::Milestone(reached) if reached == milestone)
    }

    const fn new(at: DateTime<Utc>, kind: EventKind) -> Self {
        Self { at, kind, text: String::new(), precision: Precision::Second }
    }
}

fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    text::instant(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}
