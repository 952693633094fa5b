//! What came out of a measurement.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};

use super::MetricDef;
use crate::timeline::Precision;

/// Holds a duration together with the definition it was measured by; never negative.
///
/// `Display` always writes the definition's name, its two ends and its calendar beside the figure, in minutes, or
/// below a minute in seconds or milliseconds. Serialises with the value as `seconds`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Measured {
    definition: MetricDef,
    #[serde(rename = "seconds", serialize_with = "as_seconds")]
    value: Duration,
    from_at: DateTime<Utc>,
    to_at: DateTime<Utc>,
    precision: Precision,
    censored: bool,
}

impl Measured {
    /// `None` where the end lies before the start.
    pub(super) fn new(
        definition: &MetricDef,
        from_at: DateTime<Utc>,
        to_at: DateTime<Utc>,
        precision: Precision,
        censored: bool,
    ) -> Option<Self> {
        let value = to_at.signed_duration_since(from_at).to_std().ok()?;
        Some(Self { definition: definition.clone(), value, from_at, to_at, precision, censored })
    }

    /// What was measured.
    #[must_use]
    pub const fn definition(&self) -> &MetricDef {
        &self.definition
    }

    /// How long it took, or has taken so far where [censored](Self::is_censored).
    #[must_use]
    pub const fn value(&self) -> Duration {
        self.value
    }

    /// The value in minutes.
    #[must_use]
    pub fn minutes(&self) -> f64 {
        self.value.as_secs_f64() / 60.0
    }

    /// When the clock started.
    #[must_use]
    pub const fn started_at(&self) -> DateTime<Utc> {
        self.from_at
    }

    /// When the clock stopped, or `now` where [censored](Self::is_censored).
    #[must_use]
    pub const fn to_at(&self) -> DateTime<Utc> {
        self.to_at
    }

    /// How exactly the less exact of the two instants is known.
    #[must_use]
    pub const fn precision(&self) -> Precision {
        self.precision
    }

    /// Whether the end is not reached, so that the value is only a lower bound.
    #[must_use]
    pub const fn is_censored(&self) -> bool {
        self.censored
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = if self.censored { ">=" } else { "=" };
        let (name, terms) = (self.definition.name(), self.definition.terms());
        write!(f, "{name} {relation} {} [{terms}", figure(self.value))?;
        if self.censored {
            write!(f, "; open at {:?}", self.to_at)?;
        }
        if self.precision != Precision::Second {
            write!(f, "; precision: {}", self.precision.name())?;
        }
        f.write_str("]")
    }
}

fn figure(value: Duration) -> String {
    let seconds = value.as_secs_f64();
    match value.as_secs() {
        0 => format!("{} ms", value.as_millis()),
        1..60 => format!("{seconds:.1} s"),
        _ => format!("{:.1} min", seconds / 60.0),
    }
}

fn as_seconds<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(value.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::figure;
    use crate::metrics::Preset;
    use crate::{Milestone, Precision, Timeline, TimelineEvent};

    #[test]
    fn short_values_are_not_printed_as_zero_minutes() {
        assert_eq!(figure(Duration::from_millis(250)), "250 ms");
        assert_eq!(figure(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(figure(Duration::from_secs(60)), "1.0 min");
        assert_eq!(figure(Duration::from_secs(40_414 * 60)), "40414.0 min");
    }

    #[test]
    fn a_coarse_end_shows_in_the_figure() {
        let event = |time: &str, milestone| {
            TimelineEvent::milestone(format!("2024-01-15T{time}Z").parse().unwrap(), milestone)
        };
        let timeline = Timeline::from_iter([
            event("14:30:00", Milestone::ImpactStarted).with_precision(Precision::Approximate),
            event("15:10:00", Milestone::Resolved),
        ]);
        let value = Preset::SeedTotalDuration.definition().measure(&timeline).unwrap().unwrap();
        insta::assert_snapshot!(value, @"total duration (seed) = 40.0 min [impact_started to resolved, wall clock; precision: approximate]");
        insta::assert_snapshot!(serde_json::to_string(&value).unwrap(), @r#"{"definition":{"name":"total duration (seed)","from":"impact_started","to":"resolved","calendar":"wall","missing":"skip"},"seconds":2400.0,"from_at":"2024-01-15T14:30:00Z","to_at":"2024-01-15T15:10:00Z","precision":"approximate","censored":false}"#);
    }
}
