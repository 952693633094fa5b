//! Checks and quoting of text from outside, and serde through a type's text form.

use chrono::{DateTime, Utc};

use crate::error::Error;

/// The longest id, in characters.
pub(crate) const MAX_ID: usize = 128;
/// The longest one-line name, in characters.
pub(crate) const MAX_NAME: usize = 255;

/// Gives back an id: 1 to [`MAX_ID`] characters, no white space, no control characters.
pub(crate) fn id(field: &'static str, given: &str) -> Result<String, Error> {
    let fits = (1..=MAX_ID).contains(&given.chars().count());
    if fits && !given.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Ok(given.to_owned());
    }
    Err(invalid(field, given, "write 1 to 128 characters without white space or control characters"))
}

/// Gives back a trimmed one-line name of 1 to [`MAX_NAME`] characters.
pub(crate) fn name(field: &'static str, given: &str) -> Result<String, Error> {
    let trimmed = given.trim();
    let fits = (1..=MAX_NAME).contains(&trimmed.chars().count());
    if fits && !trimmed.chars().any(char::is_control) {
        return Ok(trimmed.to_owned());
    }
    Err(invalid(field, given, "write one line of 1 to 255 characters"))
}

/// Gives back a text of any length and number of lines that is not blank.
pub(crate) fn prose(field: &'static str, given: String) -> Result<String, Error> {
    if given.trim().is_empty() {
        return Err(invalid(field, &given, "write something or leave the field out"));
    }
    Ok(given)
}

/// Reads an instant that names its zone; one without is refused, since guessing a zone moves it by hours.
pub(crate) fn instant(given: &str) -> Result<DateTime<Utc>, Error> {
    let rule = "write date, time and zone, such as 2024-01-15T14:35:00Z";
    given.parse().map_err(|_| invalid("time", given, rule))
}

fn invalid(field: &'static str, given: &str, rule: &'static str) -> Error {
    Error::InvalidText { field, given: excerpt(given), rule }
}

/// The text as an error may show it: escaped and cut at 64 characters.
pub(crate) fn excerpt(given: &str) -> String {
    const SHOWN: usize = 64;
    let mut shown: String = given.chars().take(SHOWN).flat_map(escaped).collect();
    if given.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The text on one line, so that it can neither break a listing nor steer a terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().flat_map(escaped).collect()
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    let (kept, code) = if is_unsafe(c) { (None, Some(c.escape_default())) } else { (Some(c), None) };
    kept.into_iter().chain(code.into_iter().flatten())
}

/// Control characters, line separators, and the marks that reorder text on a screen.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Lower case with the separators between words (space, `-`, `_`) replaced by `joint`.
pub(crate) fn folded(given: &str, joint: &str) -> String {
    let lower = given.to_lowercase();
    let words = lower.split(|c: char| c.is_whitespace() || c == '-' || c == '_');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(joint)
}

/// Implements serde by a type's `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

#[cfg(test)]
mod tests {
    use super::{excerpt, folded, id, name, one_line};

    #[test]
    fn an_excerpt_is_escaped_and_cut() {
        assert_eq!(excerpt("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(excerpt(&"x".repeat(65)), format!("{}…", "x".repeat(64)));
        assert_eq!(excerpt(&"x".repeat(64)), "x".repeat(64));
    }

    #[test]
    fn one_line_keeps_letters_of_any_script() {
        assert_eq!(one_line("café\r\n\u{202e}"), "café\\r\\n\\u{202e}");
    }

    #[test]
    fn folding_ignores_case_and_separators() {
        assert_eq!(folded(" First-Detected_ ", "_"), "first_detected");
        assert_eq!(folded("SEV - 1", ""), "sev1");
    }

    #[test]
    fn ids_and_names_have_bounds() {
        assert!(id("id", &"x".repeat(128)).is_ok());
        assert!(id("id", &"x".repeat(129)).is_err());
        assert!(id("id", "a b").is_err());
        assert_eq!(name("title", "  two words ").unwrap(), "two words");
        assert!(name("title", "two\nlines").is_err());
        assert!(name("title", " \t").is_err());
    }
}
