use std::{fmt, str::FromStr};

use super::{UnitError, number};
use crate::text::{excerpt, text_serde};

const BIT_UNITS: [(&str, u128); 4] =
    [("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)];

const QUANTITY: number::Quantity = number::Quantity {
    what: "rate",
    example: "10mbit or 100kbps",
    units: "bit, kbit, mbit, gbit (bits a second), bps, kbps, mbps, gbps (bytes a second)",
    scale: |unit| match unit {
        "bps" => Some(8),
        "kbps" => Some(8_000),
        "mbps" => Some(8_000_000),
        "gbps" => Some(8_000_000_000),
        _ => BIT_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale),
    },
};

/// A data rate in the units of `tc`: `10mbit` are bits a second, `100kbps` are bytes a second. More than zero.
///
/// The units are those of the `tc(8)` manual: powers of 1000, and `bps` means bytes.
///
/// ```
/// use chaos_core::units::Rate;
/// assert_eq!("10mbit".parse::<Rate>()?.bits_per_sec(), 10_000_000);
/// assert_eq!("100kbps".parse::<Rate>()?.bits_per_sec(), 800_000);
/// # Ok::<(), chaos_core::units::UnitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(u64);

impl Rate {
    /// Takes bits a second.
    ///
    /// # Errors
    /// [`UnitError::OutOfRange`] for zero.
    pub fn from_bits_per_sec(bits: u64) -> Result<Self, UnitError> {
        if bits == 0 { Err(zero("0")) } else { Ok(Self(bits)) }
    }

    /// Takes bytes a second.
    ///
    /// # Errors
    /// [`UnitError::OutOfRange`] for zero, [`UnitError::Overflow`] above 2^61 bytes a second.
    pub fn from_bytes_per_sec(bytes: u64) -> Result<Self, UnitError> {
        let bits = bytes.checked_mul(8).ok_or_else(|| QUANTITY.overflow(&bytes.to_string()))?;
        Self::from_bits_per_sec(bits)
    }

    /// Bits a second.
    #[must_use]
    pub const fn bits_per_sec(self) -> u64 {
        self.0
    }

    /// Bytes a second.
    #[must_use]
    pub const fn bytes_per_sec(self) -> f64 {
        self.0 as f64 / 8.0
    }
}

fn zero(text: &str) -> UnitError {
    UnitError::OutOfRange { what: QUANTITY.what, value: excerpt(text), rule: "a rate is at least 1bit" }
}

impl FromStr for Rate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bits = u64::try_from(QUANTITY.parse_one(text)?).map_err(|_| QUANTITY.overflow(text))?;
        if bits == 0 { Err(zero(text)) } else { Ok(Self(bits)) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = number::largest_unit(self.0.into(), &BIT_UNITS);
        f.pad(&format!("{count}{unit}"))
    }
}

text_serde!(Rate, "a rate with its unit, such as \"10mbit\" or \"100kbps\"");
