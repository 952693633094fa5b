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
///
/// ```
/// use chaos_core::safety::{OperatingWindow, Span, Zone};
/// use chrono::{NaiveTime, Weekday};
/// let hour = |hour| NaiveTime::from_hms_opt(hour, 0, 0).expect("an hour of the day");
/// let office = Span::daily(Zone::Utc, hour(9), hour(18))?.on([Weekday::Mon, Weekday::Tue, Weekday::Wed]);
/// let window = OperatingWindow::only_during(office);
/// let wednesday = "2026-01-14T17:59:59Z".parse().expect("an instant");
/// assert!(window.refusal(wednesday).is_none());
/// # Ok::<(), chaos_core::safety::WindowError>(())
/// ```
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn time(text: &str) -> NaiveTime {
        text.parse::<TimeOfDay>().unwrap().0
    }

    fn span(zone: &str, from: &str, to: &str) -> Span {
        Span::daily(zone.parse().unwrap(), time(from), time(to)).unwrap()
    }

    fn on(day: &str, clock: &str) -> DateTime<Utc> {
        at(&format!("{day}T{clock}Z"))
    }

    #[test]
    fn the_default_refuses_what_the_seed_refuses() {
        let window = OperatingWindow::default();
        let allowed = |clock: &str| window.refusal(on("2026-01-14", clock)).is_none();
        for clock in ["09:00:00", "12:00:00", "17:00:00", "17:59:59", "17:59:59.999999999"] {
            assert!(!allowed(clock), "{clock}");
        }
        for clock in ["18:00:00", "23:59:59", "00:00:00", "08:59:59.999"] {
            assert!(allowed(clock), "{clock}");
        }
        insta::assert_snapshot!(window.refusal(on("2026-01-14", "10:00:00")).unwrap(), @"2026-01-14 10:00:00 UTC is within 09:00-18:00 UTC");
    }

    #[test]
    fn a_span_may_pass_midnight_and_belongs_to_the_day_on_which_it_begins() {
        let night = span("UTC", "22:00", "06:00").on([Weekday::Fri]);
        assert!(night.contains(on("2026-01-16", "22:00:00")), "friday night");
        assert!(night.contains(on("2026-01-17", "05:59:59")), "saturday morning");
        assert!(!night.contains(on("2026-01-17", "06:00:00")));
        assert!(!night.contains(on("2026-01-16", "05:00:00")), "thursday's night");
        assert!(!night.contains(on("2026-01-17", "23:00:00")), "saturday night");
    }

    #[test]
    fn weekdays_and_holidays_bound_a_span() {
        let workday = span("UTC", "09:00", "18:00")
            .on([Weekday::Mon, Weekday::Tue])
            .except([NaiveDate::from_ymd_opt(2026, 1, 13).unwrap()]);
        assert!(workday.contains(on("2026-01-12", "09:00:00")));
        assert!(!workday.contains(on("2026-01-13", "09:00:00")), "a holiday");
        assert!(!workday.contains(on("2026-01-14", "09:00:00")), "a wednesday");
        let only = OperatingWindow::only_during(workday);
        insta::assert_snapshot!(only.refusal(on("2026-01-14", "10:00:00")).unwrap(), @"2026-01-14 10:00:00 UTC is outside 09:00-18:00 UTC Mon Tue not 2026-01-13");
        assert!(only.refusal(on("2026-01-12", "10:00:00")).is_none());
        assert!(OperatingWindow::always().refusal(DateTime::<Utc>::MIN_UTC).is_none());
    }

    #[test]
    fn a_zone_is_a_fixed_distance_or_utc() {
        let span = span("+02:00", "09:00", "10:00");
        assert!(span.contains(on("2026-01-14", "07:30:00")) && !span.contains(on("2026-01-14", "09:30:00")));
        for text in ["UTC", "+02:00", "-05:30"] {
            assert_eq!(text.parse::<Zone>().unwrap().to_string(), text);
        }
        insta::assert_snapshot!("Mars/Olympus".parse::<Zone>().unwrap_err(), @"unknown zone `Mars/Olympus`: write UTC, an offset such as +02:00, or an IANA name with the feature timezones");
    }

    #[cfg(feature = "timezones")]
    #[test]
    fn a_named_zone_changes_its_clock() {
        let span = span("Europe/Berlin", "02:00", "03:00");
        assert!(span.contains(on("2026-03-28", "01:30:00")), "the day before, +01:00");
        assert!(!span.contains(on("2026-03-29", "00:59:59")));
        assert!(!span.contains(on("2026-03-29", "01:00:00")), "02:00 to 03:00 does not exist on that day");
        assert!(span.contains(on("2026-10-25", "00:30:00")), "the first 02:30, +02:00");
        assert!(span.contains(on("2026-10-25", "01:30:00")), "the second 02:30, +01:00");
        assert!(!span.contains(on("2026-10-25", "02:00:00")));
        assert_eq!("Europe/Berlin".parse::<Zone>().unwrap().to_string(), "Europe/Berlin");
    }

    #[test]
    fn an_empty_span_and_a_wrong_time_are_errors() {
        assert!(Span::daily(Zone::Utc, time("09:00"), time("09:00")).is_err());
        for text in ["9am", "24:00", "09", "", "09:00 UTC", "-1:00", "09:60"] {
            assert!(text.parse::<TimeOfDay>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_window_reads_back_as_it_was_written() {
        let night = span("+02:00", "22:00", "06:00:30").on([Weekday::Sat]).except([NaiveDate::MAX]);
        for window in
            [OperatingWindow::Always, OperatingWindow::default(), OperatingWindow::only_during(night)]
        {
            let json = serde_json::to_string(&window).unwrap();
            assert_eq!(serde_json::from_str::<OperatingWindow>(&json).unwrap(), window, "{json}");
        }
        let unknown = r#"{"only_during":{"zone":"UTC","from":"09:00","to":"10:00","weekday":["Mon"]}}"#;
        assert!(serde_json::from_str::<OperatingWindow>(unknown).is_err());
    }

    proptest! {
        #[test]
        fn two_spans_with_the_same_ends_share_the_day(from in 0..1440_u32, to in 0..1440_u32, now in 0..4_000_000_000_i64) {
            prop_assume!(from != to);
            let time = |minute: u32| NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).unwrap();
            let now = DateTime::from_timestamp(now, 0).unwrap();
            let inside = Span::daily(Zone::Utc, time(from), time(to)).unwrap();
            let outside = Span::daily(Zone::Utc, time(to), time(from)).unwrap();
            prop_assert_ne!(inside.contains(now), outside.contains(now));
        }
    }
}
