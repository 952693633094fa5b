//! Shared pieces of types that have one text form.

use std::iter;

use serde::{Deserialize, Deserializer};

/// The longest excerpt of a value in an error message, in characters.
const EXCERPT: usize = 64;

/// Cuts a value for an error message: what cannot be printed is escaped, and at most 64 characters are left.
pub(crate) fn excerpt(value: &str) -> String {
    let mut escaped = value.chars().flat_map(escape);
    let mut cut: String = escaped.by_ref().take(EXCERPT).collect();
    cut.extend(escaped.next().map(|_| '…'));
    cut
}

fn escape(c: char) -> impl Iterator<Item = char> {
    let quote = matches!(c, '\'' | '"');
    let escaped = c.escape_debug().filter(move |_| !quote);
    iter::once(c).filter(move |_| quote).chain(escaped)
}

/// Reads an optional field that is there: a field without a value is a mistake, not a field that was left out.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Serde through `Display` and `FromStr`, so that a type has one text form everywhere.
macro_rules! text_serde {
    ($type:ty, $expecting:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
pub(crate) use text_serde;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_escaped_and_cut() {
        assert_eq!(excerpt("it's \"50%\""), "it's \"50%\"");
        assert_eq!(excerpt("a\n\u{1b}\\"), "a\\n\\u{1b}\\\\");
        assert_eq!(excerpt(&"x".repeat(64)), "x".repeat(64));
        assert_eq!(excerpt(&"x".repeat(65)), format!("{}…", "x".repeat(64)));
        assert_eq!(excerpt("\u{202e}\u{200b}"), "\\u{202e}\\u{200b}");
    }
}
