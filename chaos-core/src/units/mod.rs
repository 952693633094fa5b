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

#[cfg(test)]
mod tests {
    use std::{fmt, str::FromStr, time::Duration};

    use proptest::prelude::*;
    use serde::{Serialize, de::DeserializeOwned};

    use super::*;

    fn round_trips<T>(value: T) -> Result<(), TestCaseError>
    where
        T: Copy + PartialEq + fmt::Debug + fmt::Display + FromStr + Serialize + DeserializeOwned,
        T::Err: fmt::Debug,
    {
        prop_assert_eq!(value.to_string().parse::<T>().unwrap(), value);
        let json = serde_json::to_string(&value).unwrap();
        prop_assert_eq!(&json, &format!("\"{value}\""));
        prop_assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
        Ok(())
    }

    proptest! {
        #[test]
        fn every_duration_is_read_as_it_is_written(nanos in 1..=u64::MAX) {
            round_trips(HumanDuration::new(Duration::from_nanos(nanos)).unwrap())?;
        }

        #[test]
        fn every_round_duration_is_read_as_it_is_written(count in 1..10_000_u64, unit in 0..6_u32) {
            let nanos = count * [1, 1_000, 1_000_000, 1_000_000_000, 60_000_000_000, 3_600_000_000_000][unit as usize];
            round_trips(HumanDuration::new(Duration::from_nanos(nanos)).unwrap())?;
        }

        #[test]
        fn every_size_is_read_as_it_is_written(bytes in 1..=u64::MAX) {
            round_trips(ByteSize::from_bytes(bytes).unwrap())?;
        }

        #[test]
        fn every_rate_is_read_as_it_is_written(bits in 1..=u64::MAX) {
            round_trips(Rate::from_bits_per_sec(bits).unwrap())?;
        }

        #[test]
        fn every_percentage_is_read_as_it_is_written(percent in prop_oneof![0.0..=100.0_f64, any::<f64>()]) {
            match Percent::new(percent) {
                Ok(share) => round_trips(share)?,
                Err(_) => prop_assert!(!(percent > 0.0 && percent <= 100.0)),
            }
        }

        #[test]
        fn any_text_is_a_quantity_or_an_error(text in "\\PC*|[0-9.eE+-]{0,12}[a-zA-Zµ%]{0,4}") {
            let errors = [
                text.parse::<HumanDuration>().map_err(|error| error.to_string()).err(),
                text.parse::<ByteSize>().map_err(|error| error.to_string()).err(),
                text.parse::<Rate>().map_err(|error| error.to_string()).err(),
                text.parse::<Percent>().map_err(|error| error.to_string()).err(),
            ];
            for error in errors.into_iter().flatten() {
                prop_assert!(error.chars().count() < 300 && !error.contains(char::is_control), "{error}");
            }
        }
    }

    #[test]
    fn spellings_of_a_duration() {
        let cases = [
            ("0.5ms", 500_000),
            ("1m30s", 90_000_000_000),
            (" 1 m 30 s ", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("1µs", 1_000),
            ("1us", 1_000),
            ("1ns", 1),
            ("0.000000001s", 1),
            ("2h", 7_200_000_000_000),
            ("1.50000000000000000000000000s", 1_500_000_000),
        ];
        for (text, nanos) in cases {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_nanos(nanos), "{text}");
        }
    }

    #[test]
    fn row_23_wrong_durations_are_told_apart() {
        let of = |text: &str| text.parse::<HumanDuration>().unwrap_err();
        for text in ["0", "0s", "0.0ms", "0h0m"] {
            assert!(matches!(of(text), UnitError::TooShort { .. }), "{text}");
        }
        for text in ["-5s", "-5", "-"] {
            assert!(matches!(of(text), UnitError::Negative { .. }), "{text}");
        }
        for text in ["5", "1m30", "1.5"] {
            assert!(matches!(of(text), UnitError::MissingUnit { .. }), "{text}");
        }
        for text in [
            "1e30s",
            "1E30s",
            "1e-3s",
            "0.5ns",
            "99999999999999h",
            "1e400s",
            &"9".repeat(500),
            "584.6h0.0000000001ns",
        ] {
            let text = if text.ends_with('9') { &format!("{text}s") } else { text };
            assert!(matches!(of(text), UnitError::Overflow { .. }), "{text}");
        }
        for text in ["5 parsecs", "5S", "5sec", "5ms,", "1m-5s"] {
            assert!(matches!(of(text), UnitError::BadUnit { .. }), "{text}");
        }
        for text in ["", "s", ".s", "1.2.3s", "+5s", "five", "٥s"] {
            assert!(matches!(of(text), UnitError::Malformed { .. }), "{text}");
        }
    }

    #[test]
    fn rows_18_to_21_wrong_percentages_are_told_apart() {
        let of = |text: &str| text.parse::<Percent>().unwrap_err();
        for text in ["0%", "-1%", "101%", "1e9%", "-0%"] {
            assert!(matches!(of(text), UnitError::OutOfRange { .. }), "{text}");
        }
        for text in ["nan%", "inf%", "-inf%", "1e400%"] {
            assert!(matches!(of(text), UnitError::NotFinite { .. }), "{text}");
        }
        assert!(matches!(of("50"), UnitError::MissingUnit { .. }));
        for text in ["50%%", "%", "", "half", "5 0%"] {
            assert!(matches!(of(text), UnitError::Malformed { .. }), "{text}");
        }
        assert_eq!("50 %".parse(), Ok(Percent::whole(50)));
        assert!(matches!(Percent::new(f64::NAN), Err(UnitError::NotFinite { .. })));
    }

    #[test]
    fn a_bare_number_in_a_file_is_a_percentage_and_nothing_else() {
        assert_eq!(serde_json::from_str::<Percent>("50").unwrap(), Percent::whole(50));
        assert_eq!(serde_json::from_str::<Percent>("0.5").unwrap().fraction(), 0.005);
        for json in ["0", "-1", "101", "\"50\"", "null", "true"] {
            assert!(serde_json::from_str::<Percent>(json).is_err(), "{json}");
        }
        for json in ["5", "0", "1.5", "null"] {
            assert!(serde_json::from_str::<HumanDuration>(json).is_err(), "{json}");
            assert!(serde_json::from_str::<ByteSize>(json).is_err(), "{json}");
            assert!(serde_json::from_str::<Rate>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn sizes_and_rates_have_the_units_of_their_field() {
        let size = |text: &str| text.parse::<ByteSize>().map(ByteSize::bytes);
        assert_eq!(
            (size("64KiB"), size("10MB"), size("1.5GiB")),
            (Ok(65_536), Ok(10_000_000), Ok(1_610_612_736))
        );
        let rate = |text: &str| text.parse::<Rate>().map(Rate::bits_per_sec);
        assert_eq!(
            (rate("10mbit"), rate("100kbps"), rate("1gbps")),
            (Ok(10_000_000), Ok(800_000), Ok(8_000_000_000))
        );
        assert_eq!(Rate::from_bytes_per_sec(1_000).unwrap().to_string(), "8kbit");
        assert_eq!("1bps".parse::<Rate>().unwrap().bytes_per_sec(), 1.0);
        for text in ["0B", "0bit", "-1KB", "1.5B", "1kb", "10", "10 Mbit", "20000000000GB"] {
            assert!(text.parse::<ByteSize>().is_err() && text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_stands_in_its_error_escaped_and_cut() {
        let error = "x\u{1b}[31m\n".repeat(1_000).parse::<HumanDuration>().unwrap_err().to_string();
        assert!(error.chars().count() < 160 && !error.contains(char::is_control), "{error}");
        insta::assert_snapshot!("5".parse::<HumanDuration>().unwrap_err(), @"duration `5` has no unit: use one of ns, us, ms, s, m, h");
        insta::assert_snapshot!("5 parsecs".parse::<Rate>().unwrap_err(), @"rate `5 parsecs` has an unknown unit `parsecs`: use one of bit, kbit, mbit, gbit (bits a second), bps, kbps, mbps, gbps (bytes a second)");
        insta::assert_snapshot!("-1B".parse::<ByteSize>().unwrap_err(), @"size `-1B` is negative");
        insta::assert_snapshot!("101%".parse::<Percent>().unwrap_err(), @"percentage `101%` is out of range: a percentage is more than 0 and at most 100");
    }

    #[test]
    fn constants_are_what_they_say() {
        assert_eq!(HumanDuration::from_millis(1500).to_string(), "1500ms");
        assert_eq!(HumanDuration::from_secs(90).to_string(), "90s");
        assert_eq!(HumanDuration::from_secs(3600).to_string(), "1h");
        assert!(HumanDuration::new(Duration::ZERO).is_err());
        assert!(HumanDuration::new(Duration::MAX).is_err());
        assert_eq!(format!("[{:>6}]", Percent::HUNDRED), "[  100%]");
    }
}
