use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a policy says no, or cannot tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The rule: `max_error_rate`, `window`.
    pub rule: String,
    /// What was found, with figures.
    pub text: String,
}

impl Reason {
    /// A reason.
    #[must_use]
    pub fn new(rule: impl Into<String>, text: impl Into<String>) -> Self {
        Self { rule: rule.into(), text: text.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

/// The answer of a policy. `Unknown` is not `Stop`: before the injection it refuses, in flight it stops after a grace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Allow,
    /// It cannot be told.
    Unknown(Vec<Reason>),
    /// Stop, or do not start.
    Stop(Vec<Reason>),
}

impl Verdict {
    /// A stop for one reason.
    #[must_use]
    pub fn stop(rule: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Stop(vec![Reason::new(rule, text)])
    }

    /// An unknown for one reason.
    #[must_use]
    pub fn unknown(rule: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Unknown(vec![Reason::new(rule, text)])
    }

    /// The worse of both; reasons of equal rank are joined.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Stop(mut left), Self::Stop(right)) => {
                left.extend(right);
                Self::Stop(left)
            }
            (Self::Stop(reasons), _) | (_, Self::Stop(reasons)) => Self::Stop(reasons),
            (Self::Unknown(mut left), Self::Unknown(right)) => {
                left.extend(right);
                Self::Unknown(left)
            }
            (Self::Unknown(reasons), _) | (_, Self::Unknown(reasons)) => Self::Unknown(reasons),
            (Self::Allow, Self::Allow) => Self::Allow,
        }
    }

    /// The better of both: what one policy allows is allowed.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Allow, _) | (_, Self::Allow) => Self::Allow,
            (Self::Unknown(mut left), Self::Unknown(right)) => {
                left.extend(right);
                Self::Unknown(left)
            }
            (Self::Unknown(reasons), _) | (_, Self::Unknown(reasons)) => Self::Unknown(reasons),
            (Self::Stop(mut left), Self::Stop(right)) => {
                left.extend(right);
                Self::Stop(left)
            }
        }
    }

    /// Whether to go on.
    #[must_use]
    pub const fn allows(&self) -> bool {
        matches!(self, Self::Allow)
    }

    /// Why not; empty for `Allow`.
    #[must_use]
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Allow => &[],
            Self::Unknown(reasons) | Self::Stop(reasons) => reasons,
        }
    }
}
