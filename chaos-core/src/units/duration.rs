use std::{fmt, str::FromStr, time::Duration};

use super::{UnitError, number};
use crate::text::{excerpt, text_serde};

const UNITS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

const QUANTITY: number::Quantity = number::Quantity {
    what: "duration",
    example: "200ms, 1.5s or 1m30s",
    units: "ns, us, ms, s, m, h",
    scale: |unit| match unit {
        "µs" => Some(1_000),
        _ => UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale),
    },
};

/// A length of time with its unit: `200ms`, `1.5s`, `1m30s`.
///
/// More than zero, whole nanoseconds, at most about 584 years. A number without a unit is an error, and so is a
/// fraction of a nanosecond: nothing is rounded.
///
/// ```
/// use chaos_core::units::HumanDuration;
/// let delay: HumanDuration = "0.5ms".parse()?;
/// assert_eq!(delay.get(), std::time::Duration::from_micros(500));
/// assert_eq!(delay.to_string(), "500us");
/// assert!("5".parse::<HumanDuration>().is_err());
/// # Ok::<(), chaos_core::units::UnitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

impl HumanDuration {
    /// Takes a duration that is more than zero.
    ///
    /// # Errors
    /// [`UnitError::TooShort`] for zero, [`UnitError::Overflow`] above `u64::MAX` nanoseconds.
    pub fn new(duration: Duration) -> Result<Self, UnitError> {
        if duration.is_zero() {
            return Err(UnitError::TooShort { what: QUANTITY.what, value: "0".into() });
        }
        let fits = u64::try_from(duration.as_nanos()).is_ok();
        if fits { Ok(Self(duration)) } else { Err(QUANTITY.overflow(&format!("{duration:?}"))) }
    }

    /// A whole number of milliseconds; for constants.
    ///
    /// # Panics
    /// If `millis` is zero or does not fit, which in a constant is a compile error.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        assert!(
            millis > 0 && millis < u64::MAX / 1_000_000,
            "a duration is more than zero and fits in u64 nanoseconds"
        );
        Self(Duration::from_millis(millis))
    }

    /// A whole number of seconds; for constants.
    ///
    /// # Panics
    /// If `secs` is zero or does not fit, which in a constant is a compile error.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        assert!(
            secs > 0 && secs < u64::MAX / 1_000_000_000,
            "a duration is more than zero and fits in u64 nanoseconds"
        );
        Self(Duration::from_secs(secs))
    }

    /// The length of time.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    /// The length of time in seconds.
    #[must_use]
    pub const fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl FromStr for HumanDuration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.trim() == "0" {
            return Err(UnitError::TooShort { what: QUANTITY.what, value: excerpt(text) });
        }
        let nanos = QUANTITY.parse_sum(text)?;
        if nanos == 0 {
            return Err(UnitError::TooShort { what: QUANTITY.what, value: excerpt(text) });
        }
        u64::try_from(nanos)
            .map(|nanos| Self(Duration::from_nanos(nanos)))
            .map_err(|_| QUANTITY.overflow(text))
    }
}

impl TryFrom<Duration> for HumanDuration {
    type Error = UnitError;

    fn try_from(duration: Duration) -> Result<Self, UnitError> {
        Self::new(duration)
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = number::largest_unit(self.0.as_nanos(), &UNITS);
        f.pad(&format!("{count}{unit}"))
    }
}

text_serde!(HumanDuration, "a duration with its unit, such as \"200ms\" or \"1m30s\"");
