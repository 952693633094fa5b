//! A log as plain text.

use std::fmt;

use super::{EventKind, Precision, Timeline, TimelineEvent};
use crate::text::one_line;

/// One line: time, what, words, two spaces apart; parts of a second as milliseconds where there are any.
///
/// A coarse instant is written in ISO 8601's reduced form (`14:35Z`, `14Z`), a day as `day`, an approximate one
/// with `~` and one of unknown precision with `?` before it.
impl fmt::Display for TimelineEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Line::of(self, has_millis(self));
        f.write_str(&line.padded(0, 0))
    }
}

/// The events in the order of time, aligned in columns, under a line for each UTC day.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.events.iter().any(has_millis);
        let events = self.chronological();
        let lines: Vec<_> = events.iter().map(|event| Line::of(event, millis)).collect();
        let time_width = widest(&lines, |line| &line.time);
        let label_width = widest(&lines, |line| &line.label);
        let mut day = None;
        for (event, line) in events.iter().zip(&lines) {
            let date = event.at().date_naive();
            if day.replace(date) != Some(date) {
                writeln!(f, "{date} UTC")?;
            }
            writeln!(f, "{}", line.padded(time_width, label_width))?;
        }
        Ok(())
    }
}

struct Line {
    time: String,
    label: String,
    text: String,
}

impl Line {
    fn of(event: &TimelineEvent, millis: bool) -> Self {
        let label = one_line(&label(event.kind()));
        Self { time: time(event, millis), label, text: one_line(event.text()) }
    }

    fn padded(&self, time: usize, label: usize) -> String {
        let line = format!("{:time$}  {:label$}  {}", self.time, self.label, self.text);
        line.trim_end().to_owned()
    }
}

fn widest(lines: &[Line], column: impl Fn(&Line) -> &String) -> usize {
    lines.iter().map(|line| column(line).chars().count()).max().unwrap_or(0)
}

fn label(kind: &EventKind) -> String {
    match kind {
        EventKind::Milestone(milestone) => milestone.name().to_owned(),
        EventKind::Severity(severity) => format!("severity {severity}"),
        EventKind::Note => "note".to_owned(),
    }
}

fn time(event: &TimelineEvent, millis: bool) -> String {
    let seconds = if millis { "%H:%M:%S%.3fZ" } else { "%H:%M:%SZ" };
    let at = event.at();
    match event.precision() {
        Precision::Second => at.format(seconds).to_string(),
        Precision::Minute => at.format("%H:%MZ").to_string(),
        Precision::Hour => at.format("%HZ").to_string(),
        Precision::Day => "day".to_owned(),
        Precision::Approximate => format!("~{}", at.format("%H:%M:%SZ")),
        Precision::Unknown => format!("?{}", at.format("%H:%M:%SZ")),
    }
}

fn has_millis(event: &TimelineEvent) -> bool {
    event.at().timestamp_subsec_millis() != 0
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use crate::{Milestone, Precision, Severity, Timeline, TimelineEvent};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn lines_are_aligned_and_sorted_under_their_day() {
        let timeline = Timeline::from_iter([
            TimelineEvent::milestone(at("2024-01-16T00:10:00Z"), Milestone::Resolved),
            TimelineEvent::milestone(at("2024-01-15T23:35:00Z"), Milestone::Detected)
                .with_text("Alert fires"),
            TimelineEvent::severity(at("2024-01-15T23:40:00Z"), Severity::Sev2)
                .with_text("Incident declared"),
            TimelineEvent::note(at("2024-01-15T23:50:00Z"), "Rollback initiated"),
            TimelineEvent::milestone(at("2024-01-15T23:59:00Z"), Milestone::custom("failover").unwrap()),
        ]);
        insta::assert_snapshot!(timeline, @"
        2024-01-15 UTC
        23:35:00Z  detected       Alert fires
        23:40:00Z  severity SEV2  Incident declared
        23:50:00Z  note           Rollback initiated
        23:59:00Z  failover
        2024-01-16 UTC
        00:10:00Z  resolved
        ");
    }

    #[test]
    fn precision_shows_in_the_time() {
        let note = |precision| TimelineEvent::note(at("2024-01-15T14:35:07Z"), "x").with_precision(precision);
        let timeline = Timeline::from_iter([
            note(Precision::Second),
            note(Precision::Minute),
            note(Precision::Hour),
            note(Precision::Day),
            note(Precision::Approximate),
            note(Precision::Unknown),
        ]);
        insta::assert_snapshot!(timeline, @"
        2024-01-15 UTC
        14:35:07Z   note  x
        14:35Z      note  x
        14Z         note  x
        day         note  x
        ~14:35:07Z  note  x
        ?14:35:07Z  note  x
        ");
    }

    #[test]
    fn milliseconds_show_on_every_line_once_one_has_them() {
        let timeline = Timeline::from_iter([
            TimelineEvent::note(at("2024-01-15T14:35:00.250999Z"), "a"),
            TimelineEvent::note(at("2024-01-15T14:35:01Z"), "b"),
        ]);
        insta::assert_snapshot!(timeline, @"
        2024-01-15 UTC
        14:35:00.250Z  note  a
        14:35:01.000Z  note  b
        ");
    }

    #[test]
    fn text_from_outside_stays_on_its_line() {
        let event = TimelineEvent::note(at("2024-01-15T14:35:00Z"), "two\nlines \u{1b}[2J");
        insta::assert_snapshot!(event, @r"14:35:00Z  note  two\nlines \u{1b}[2J");
        assert_eq!(event.text(), "two\nlines \u{1b}[2J");
    }
}
