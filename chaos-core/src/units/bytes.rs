use std::{fmt, str::FromStr};

use super::{UnitError, number};
use crate::text::{excerpt, text_serde};

const UNITS: [(&str, u128); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

const QUANTITY: number::Quantity = number::Quantity {
    what: "size",
    example: "64KiB or 10MB",
    units: "B, KB, MB, GB, KiB, MiB, GiB",
    scale: |unit| UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale),
};

/// A number of bytes with its unit: `64KiB`, `10MB`. More than zero.
///
/// ```
/// use chaos_core::units::ByteSize;
/// assert_eq!("64KiB".parse::<ByteSize>()?.bytes(), 65_536);
/// assert!("64".parse::<ByteSize>().is_err());
/// # Ok::<(), chaos_core::units::UnitError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// Takes a number of bytes.
    ///
    /// # Errors
    /// [`UnitError::OutOfRange`] for zero.
    pub fn from_bytes(bytes: u64) -> Result<Self, UnitError> {
        if bytes == 0 { Err(zero("0")) } else { Ok(Self(bytes)) }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

fn zero(text: &str) -> UnitError {
    UnitError::OutOfRange { what: QUANTITY.what, value: excerpt(text), rule: "a size is at least 1B" }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bytes = u64::try_from(QUANTITY.parse_one(text)?).map_err(|_| QUANTITY.overflow(text))?;
        if bytes == 0 { Err(zero(text)) } else { Ok(Self(bytes)) }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = number::largest_unit(self.0.into(), &UNITS);
        f.pad(&format!("{count}{unit}"))
    }
}

text_serde!(ByteSize, "a size with its unit, such as \"64KiB\" or \"10MB\"");
