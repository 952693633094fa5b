//! Words and numbers as a report shows them.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The text without what could steer a terminal or reorder a line: control characters, but for line ends, and marks of direction are
/// escaped.
pub(crate) fn clean(text: &str) -> String {
    text.replace("\r\n", "\n").chars().map(visible).collect()
}

/// The text on one line.
pub(super) fn one_line(text: &str) -> String {
    clean(text).lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
}

fn visible(c: char) -> String {
    let keeps = c == '\n' || !(c.is_control() || steers(c));
    if keeps { c.to_string() } else { c.escape_default().to_string() }
}

/// Line separators, and the marks that reorder text on a screen.
const fn steers(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A number with four significant digits; what is not finite has none.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return "not a number".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    if !(1e-3..1e9).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let before_point = magnitude.log10().floor() as i32 + 1;
    let decimals = usize::try_from(4 - before_point).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number and its unit; the percent sign stands close.
pub(super) fn with_unit(value: f64, unit: &str) -> String {
    let gap = if unit.is_empty() || unit == "%" { "" } else { " " };
    format!("{}{gap}{unit}", number(value))
}

/// A value with its unit; where there is none, a dash.
pub(super) fn optional(value: Option<f64>, unit: &str) -> String {
    value.map_or_else(|| "–".into(), |value| with_unit(value, &one_line(unit)))
}

/// A length of time in the unit in which it reads best.
pub(super) fn duration(time: Duration) -> String {
    let secs = time.as_secs_f64();
    match secs {
        0.0 => "0 s".into(),
        _ if secs < 1.0 => format!("{} ms", number(secs * 1e3)),
        _ if secs < 120.0 => format!("{} s", number(secs)),
        _ if secs < 7200.0 => format!("{} min", number(secs / 60.0)),
        _ => format!("{} h", number(secs / 3600.0)),
    }
}

/// An instant on its day, to the millisecond.
pub(super) fn time_of_day(at: DateTime<Utc>) -> String {
    at.format("%H:%M:%S%.3fZ").to_string()
}

/// From one instant to another, with its sign: `+1.25 s`.
pub(super) fn offset(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let sign = if to < from { "-" } else { "+" };
    format!("{sign}{}", duration((to - from).abs().to_std().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_four_significant_digits() {
        let shown = [0.0, 0.05, 1.0, 12.345678, 999.96, 1234.56, 123_456.7, 1e12, -2.5, 0.000_012, 1.0 / 3.0];
        let texts: Vec<String> = shown.into_iter().map(number).collect();
        let right =
            ["0", "0.05", "1", "12.35", "1000", "1235", "123457", "1.000e12", "-2.5", "1.200e-5", "0.3333"];
        assert_eq!(texts, right);
        assert_eq!(number(f64::NAN), "not a number");
        assert_eq!(number(f64::INFINITY), "not a number");
    }

    #[test]
    fn durations_choose_their_unit() {
        let texts: Vec<String> = [0, 12, 1_500, 90_000, 600_000, 9_000_000]
            .into_iter()
            .map(|ms| duration(Duration::from_millis(ms)))
            .collect();
        assert_eq!(texts, ["0 s", "12 ms", "1.5 s", "90 s", "10 min", "2.5 h"]);
    }

    #[test]
    fn text_cannot_steer_a_terminal() {
        assert_eq!(clean("a\u{1b}[2J\r\nb\rc\u{202e}d"), "a\\u{1b}[2J\nb\\rc\\u{202e}d");
        assert_eq!(one_line("two\n\n  lines"), "two / lines");
    }
}
