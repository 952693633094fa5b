//! Quantities that are parsed once, at the edge, and cannot be built wrong.
//!
//! Each has one text form, used by `Display`, `FromStr` and serde: `50%`, `200ms`, `64KiB`, `10mbit`.

mod bytes;
mod duration;
mod number;
mod percent;
mod rate;

pub use bytes::ByteSize;
pub use duration::HumanDuration;
pub use percent::Percent;
pub use rate::Rate;

/// Why a text or a number is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// The number is NaN or infinite.
    #[error("{what} is not a finite number")]
    NotFinite {
        /// The quantity that was to be read.
        what: &'static str,
    },
    /// The number lies outside what the quantity allows.
    #[error("{what} `{value}` is out of range: {rule}")]
    OutOfRange {
        /// The quantity that was to be read.
        what: &'static str,
        /// The value, as it was written.
        value: String,
        /// What would be right.
        rule: &'static str,
    },
    /// The number is below zero.
    #[error("{what} `{value}` is negative")]
    Negative {
        /// The quantity that was to be read.
        what: &'static str,
        /// The value, as it was written.
        value: String,
    },
    /// The quantity is zero where something must be there.
    #[error("{what} `{value}` is too short: it must be more than zero")]
    TooShort {
        /// The quantity that was to be read.
        what: &'static str,
        /// The value, as it was written.
        value: String,
    },
    /// A number stands without its unit.
    #[error("{what} `{value}` has no unit: use one of {units}")]
    MissingUnit {
        /// The quantity that was to be read.
        what: &'static str,
        /// The value, as it was written.
        value: String,
        /// The units that are known.
        units: &'static str,
    },
    /// The unit is not one of this quantity's.
    #[error("{what} `{value}` has an unknown unit `{unit}`: use one of {units}")]
    BadUnit {
        /// The quantity that was to be read.
        what: &'static str,
        /// The value, as it was written.
        value: String,
        /// The unit that was found.
        unit: String,
        /// The units that are known.
        units: &'static str,
    },
    /// The number does not fit, or is finer than the smallest unit.
    #[error("{what} `{value}` does not fit: {rule}")]
    Overflow {
        /// The quantity that was to be read.
        what: &'static str,
        /// The value, as it was written.
        value: String,
        /// What would fit.
        rule: &'static str,
    },
    /// The text is not a number at all.
    #[error("{what} `{value}` is not a quantity: write {example}")]
    Malformed {
        /// The quantity that was to be read.
        what: &'static str,
        /// The value, as it was written.
        value: String,
        /// A correct example.
        example: &'static str,
    },
}
