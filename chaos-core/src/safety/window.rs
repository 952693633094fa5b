use std::fmt;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, NaiveTime, Timelike, Utc, Weekday};
use serde::{Deserialize, Serialize};

/// Where a window's clock stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Zone {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// A fixed distance from UTC.
    Fixed(FixedOffset),
    /// A zone of the IANA database, with its changes of the clock.
    #[cfg(feature = "timezones")]
    Named(chrono_tz::Tz),
}

impl Zone {
    fn local(self, now: DateTime<Utc>) -> chrono::NaiveDateTime {
        match self {
            Self::Utc => now.naive_utc(),
            Self::Fixed(offset) => now.with_timezone(&offset).naive_local(),
            #[cfg(feature = "timezones")]
            Self::Named(zone) => now.with_timezone(&zone).naive_local(),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utc => f.write_str("UTC"),
            Self::Fixed(offset) => write!(f, "{offset}"),
            #[cfg(feature = "timezones")]
            Self::Named(zone) => f.write_str(zone.name()),
        }
    }
}

impl std::str::FromStr for Zone {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        if text == "UTC" {
            return Ok(Self::Utc);
        }
        if let Ok(offset) = text.parse::<FixedOffset>() {
            return Ok(Self::Fixed(offset));
        }
        #[cfg(feature = "timezones")]
        if let Ok(zone) = text.parse::<chrono_tz::Tz>() {
            return Ok(Self::Named(zone));
        }
        Err(WindowError::UnknownZone(crate::text::excerpt(text)))
    }
}

crate::text::text_serde!(
    Zone,
    "a zone: UTC, an offset such as +02:00, or an IANA name where zones are compiled in"
);

/// Why a window cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The zone is not known.
    #[error(
        "unknown zone `{0}`: write UTC, an offset such as +02:00, or an IANA name with the feature timezones"
    )]
    UnknownZone(String),
    /// The text is not a time of day.
    #[error("`{0}` is not a time of day: write 09:00")]
    NotATime(String),
    /// Both ends are the same time of day.
    #[error("a window from {0} to {0} is empty: write two different times")]
    Empty(NaiveTime),
}

/// Hours of the day on some days of the week: the end is exclusive, and a span may pass midnight (it belongs to the day on which it begins).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SpanText", into = "SpanText")]
pub struct Span {
    zone: Zone,
    from: NaiveTime,
    to: NaiveTime,
    weekdays: Vec<Weekday>,
    holidays: Vec<NaiveDate>,
}

impl Span {
    /// From one time of day to another, every day. The zone is stated, never assumed.
    ///
    /// # Errors
    /// [`WindowError::Empty`], if both times are the same.
    pub fn daily(zone: Zone, from: NaiveTime, to: NaiveTime) -> Result<Self, WindowError> {
        if from == to {
            return Err(WindowError::Empty(from));
        }
        Ok(Self { zone, from, to, weekdays: Vec::new(), holidays: Vec::new() })
    }

    /// Only on these days of the week.
    #[must_use]
    pub fn on(mut self, weekdays: impl IntoIterator<Item = Weekday>) -> Self {
        self.weekdays.extend(weekdays);
        self
    }

    /// Not on these dates.
    #[must_use]
    pub fn except(mut self, holidays: impl IntoIterator<Item = NaiveDate>) -> Self {
        self.holidays.extend(holidays);
        self
    }

    /// Whether the instant lies within.
    #[must_use]
    pub fn contains(&self, now: DateTime<Utc>) -> bool {
        let local = self.zone.local(now);
        let (date, time) = (local.date(), local.time());
        if self.from < self.to {
            return time >= self.from && time < self.to && self.on_day(date);
        }
        (time >= self.from && self.on_day(date))
            || (time < self.to && date.pred_opt().is_some_and(|day| self.on_day(day)))
    }

    fn on_day(&self, date: NaiveDate) -> bool {
        (self.weekdays.is_empty() || self.weekdays.contains(&date.weekday()))
            && !self.holidays.contains(&date)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} {}", TimeOfDay(self.from), TimeOfDay(self.to), self.zone)?;
        self.weekdays.iter().try_for_each(|day| write!(f, " {day}"))?;
        self.holidays.iter().try_for_each(|date| write!(f, " not {date}"))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpanText {
    zone: Zone,
    from: TimeOfDay,
    to: TimeOfDay,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    weekdays: Vec<Weekday>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    holidays: Vec<NaiveDate>,
}

impl TryFrom<SpanText> for Span {
    type Error = WindowError;

    fn try_from(text: SpanText) -> Result<Self, WindowError> {
        let span = Self::daily(text.zone, text.from.0, text.to.0)?;
        Ok(span.on(text.weekdays).except(text.holidays))
    }
}

impl From<Span> for SpanText {
    fn from(span: Span) -> Self {
        Self {
            zone: span.zone,
            from: TimeOfDay(span.from),
            to: TimeOfDay(span.to),
            weekdays: span.weekdays,
            holidays: span.holidays,
        }
    }
}

/// `09:00`, or `09:00:30` where seconds are given.
#[derive(Clone, Copy)]
struct TimeOfDay(NaiveTime);

impl std::str::FromStr for TimeOfDay {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        ["%H:%M", "%H:%M:%S%.f"]
            .iter()
            .find_map(|format| NaiveTime::parse_from_str(text, format).ok())
            .map(Self)
            .ok_or_else(|| WindowError::NotATime(crate::text::excerpt(text)))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.second() == 0 && self.0.nanosecond() == 0;
        let format = if whole { "%H:%M" } else { "%H:%M:%S%.f" };
        write!(f, "{}", self.0.format(format))
    }
}

crate::text::text_serde!(TimeOfDay, "a time of day such as \"09:00\"");

/// When runs may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OperatingWindow {
    /// At any time.
    Always,
    /// Only within the span.
    OnlyDuring(Span),
    /// Never within the span.
    NeverDuring(Span),
}

impl OperatingWindow {
    /// At any time.
    #[must_use]
    pub const fn always() -> Self {
        Self::Always
    }

    /// Only within the span.
    #[must_use]
    pub const fn only_during(span: Span) -> Self {
        Self::OnlyDuring(span)
    }

    /// Never within the span.
    #[must_use]
    pub const fn never_during(span: Span) -> Self {
        Self::NeverDuring(span)
    }

    /// Why a run may not start now; `None` if it may.
    #[must_use]
    pub fn refusal(&self, now: DateTime<Utc>) -> Option<String> {
        match self {
            Self::OnlyDuring(span) if !span.contains(now) => Some(format!("{now} is outside {span}")),
            Self::NeverDuring(span) if span.contains(now) => Some(format!("{now} is within {span}")),
            _ => None,
        }
    }
}

/// Never between 09:00 and 18:00 UTC, as the seed's code does.
impl Default for OperatingWindow {
    fn default() -> Self {
        let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN);
        Self::NeverDuring(Span {
            zone: Zone::Utc,
            from: hour(9),
            to: hour(18),
            weekdays: Vec::new(),
            holidays: Vec::new(),
        })
    }
}
