use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::UnitError;
use crate::text::excerpt;

const WHAT: &str = "percentage";
const RULE: &str = "a percentage is more than 0 and at most 100";

/// A share in percent: finite, more than 0, at most 100. Written `50%`.
///
/// In a file a bare number is a percentage too (`percent: 50`), a quoted number without the sign is an error.
///
/// ```
/// use chaos_core::units::Percent;
/// let half: Percent = "50%".parse()?;
/// assert_eq!(half.fraction(), 0.5);
/// assert!(Percent::new(f64::NAN).is_err());
/// assert!("0%".parse::<Percent>().is_err());
/// # Ok::<(), chaos_core::units::UnitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// All of it.
    pub const HUNDRED: Self = Self(100.0);

    /// Takes a number of percent.
    ///
    /// # Errors
    /// [`UnitError::NotFinite`] or [`UnitError::OutOfRange`].
    pub fn new(percent: f64) -> Result<Self, UnitError> {
        Self::checked(percent, || percent.to_string())
    }

    /// A whole number of percent; for constants.
    ///
    /// # Panics
    /// If it is not within 1 to 100, which in a constant is a compile error.
    #[must_use]
    pub const fn whole(percent: u8) -> Self {
        assert!(percent >= 1 && percent <= 100, "a percentage is more than 0 and at most 100");
        Self(percent as f64)
    }

    /// The number of percent, above 0 and at most 100.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    /// The share as a fraction, above 0 and at most 1.
    #[must_use]
    pub const fn fraction(self) -> f64 {
        self.0 / 100.0
    }

    fn checked(percent: f64, value: impl Fn() -> String) -> Result<Self, UnitError> {
        if !percent.is_finite() {
            Err(UnitError::NotFinite { what: WHAT })
        } else if percent > 0.0 && percent <= 100.0 {
            Ok(Self(percent))
        } else {
            Err(UnitError::OutOfRange { what: WHAT, value: value(), rule: RULE })
        }
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let malformed = || UnitError::Malformed { what: WHAT, value: excerpt(text), example: "50%" };
        let trimmed = text.trim();
        let number = match trimmed.strip_suffix('%') {
            Some(number) => number.trim_end(),
            None if trimmed.parse::<f64>().is_ok() => {
                return Err(UnitError::MissingUnit { what: WHAT, value: excerpt(text), units: "%" });
            }
            None => return Err(malformed()),
        };
        let percent: f64 = number.parse().map_err(|_| malformed())?;
        Self::checked(percent, || excerpt(text))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}%", self.0))
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PercentVisitor)
    }
}

struct PercentVisitor;

impl de::Visitor<'_> for PercentVisitor {
    type Value = Percent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a percentage such as 50 or \"50%\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Percent, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: de::Error>(self, percent: f64) -> Result<Percent, E> {
        Percent::new(percent).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, percent: u64) -> Result<Percent, E> {
        self.visit_f64(percent as f64)
    }

    fn visit_i64<E: de::Error>(self, percent: i64) -> Result<Percent, E> {
        self.visit_f64(percent as f64)
    }
}
