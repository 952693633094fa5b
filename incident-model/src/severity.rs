//! How bad an incident is.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::text::{excerpt, folded, serde_as_text};

/// Says how bad an incident is, from `SEV1`, the most severe, to `SEV4`.
///
/// The order is that of the numbers: `Sev1 < Sev2`, so a sorted list begins with the most severe. Because
/// "greater" then reads the wrong way round, compare with [`is_at_least`](Self::is_at_least).
///
/// The text form, also in serde, is `SEV1`. Both spellings parse, whatever their case.
///
/// ```
/// use incident_model::Severity;
///
/// let severity: Severity = "critical".parse()?;
/// assert_eq!(severity, "SEV1".parse()?);
/// assert!(severity.is_at_least(Severity::Sev2));
/// # Ok::<(), incident_model::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Critical: a complete outage, or a major impact on customers.
    Sev1,
    /// High: a partial outage, or a significant impact.
    Sev2,
    /// Medium: degraded performance that some users notice.
    Sev3,
    /// Low: a minor issue with minimal impact.
    Sev4,
}

impl Severity {
    /// All severities, the most severe first.
    pub const ALL: [Self; 4] = [Self::Sev1, Self::Sev2, Self::Sev3, Self::Sev4];

    /// The code: `SEV1` to `SEV4`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Sev1 => "SEV1",
            Self::Sev2 => "SEV2",
            Self::Sev3 => "SEV3",
            Self::Sev4 => "SEV4",
        }
    }

    /// The word: `critical`, `high`, `medium` or `low`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sev1 => "critical",
            Self::Sev2 => "high",
            Self::Sev3 => "medium",
            Self::Sev4 => "low",
        }
    }

    /// Whether this is as severe as `other` or more: `SEV1` is at least `SEV2`.
    #[must_use]
    pub fn is_at_least(self, other: Self) -> bool {
        self <= other
    }

    /// The more severe of the two.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        self.min(other)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        let word = folded(given, "");
        Self::ALL
            .into_iter()
            .find(|severity| word == severity.name() || word == severity.code().to_lowercase())
            .ok_or_else(|| Error::UnknownSeverity { given: excerpt(given) })
    }
}

serde_as_text!(Severity);

#[cfg(test)]
mod tests {
    use super::Severity;

    #[test]
    fn both_spellings_parse_whatever_their_case() {
        for text in ["SEV1", "sev1", "Sev-1", "sev 1", "critical", "CRITICAL", " Critical "] {
            assert_eq!(text.parse(), Ok(Severity::Sev1), "{text}");
        }
        for severity in Severity::ALL {
            assert_eq!(severity.code().parse(), Ok(severity));
            assert_eq!(severity.name().parse(), Ok(severity));
        }
    }

    #[test]
    fn an_unknown_severity_says_what_would_be_right() {
        insta::assert_snapshot!("SEV5\n".parse::<Severity>().unwrap_err(), @r"unknown severity `SEV5\n`: use SEV1, SEV2, SEV3 or SEV4, or critical, high, medium or low");
        for text in ["", "1", "sev", "sev0", "sev11", "P1", "crit"] {
            assert!(text.parse::<Severity>().is_err(), "{text}");
        }
    }

    #[test]
    fn more_severe_comes_first() {
        assert!(Severity::Sev1.is_at_least(Severity::Sev1));
        assert!(!Severity::Sev3.is_at_least(Severity::Sev2));
        assert_eq!(Severity::Sev3.worse(Severity::Sev2), Severity::Sev2);
        assert!(Severity::ALL.is_sorted());
    }

    #[test]
    fn serde_uses_the_code() {
        assert_eq!(serde_json::to_string(&Severity::Sev2).unwrap(), r#""SEV2""#);
        assert_eq!(serde_json::from_str::<Severity>(r#""high""#).unwrap(), Severity::Sev2);
        assert!(serde_json::from_str::<Severity>("2").is_err());
    }
}
