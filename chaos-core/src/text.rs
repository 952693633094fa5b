//! Shared pieces of types that have one text form.

/// Cuts a value for an error message: control characters escaped, at most 64 characters.
pub(crate) fn excerpt(value: &str) -> String {
    let mut cut: String = value.chars().flat_map(char::escape_debug).take(64).collect();
    if value.chars().flat_map(char::escape_debug).nth(64).is_some() {
        cut.push('…');
    }
    cut
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
