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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn verdict() -> impl Strategy<Value = Verdict> {
        let reasons = || {
            prop::collection::vec("[a-c]", 1..3)
                .prop_map(|rules| rules.into_iter().map(|rule| Reason::new(rule, "")).collect::<Vec<_>>())
        };
        prop_oneof![
            Just(Verdict::Allow),
            reasons().prop_map(Verdict::Unknown),
            reasons().prop_map(Verdict::Stop)
        ]
    }

    /// 0 is allowed, 2 is stopped.
    fn rank(verdict: &Verdict) -> u8 {
        match verdict {
            Verdict::Allow => 0,
            Verdict::Unknown(_) => 1,
            Verdict::Stop(_) => 2,
        }
    }

    /// A verdict with its reasons in an order of their own.
    fn sorted(verdict: Verdict) -> (u8, Vec<String>) {
        let mut reasons: Vec<String> = verdict.reasons().iter().map(ToString::to_string).collect();
        reasons.sort();
        (rank(&verdict), reasons)
    }

    proptest! {
        #[test]
        fn and_is_the_worse_and_or_the_better(a in verdict(), b in verdict()) {
            prop_assert_eq!(rank(&a.clone().and(b.clone())), rank(&a).max(rank(&b)));
            prop_assert_eq!(rank(&a.clone().or(b.clone())), rank(&a).min(rank(&b)));
        }

        #[test]
        fn both_are_associative_and_commutative(a in verdict(), b in verdict(), c in verdict()) {
            prop_assert_eq!(a.clone().and(b.clone()).and(c.clone()), a.clone().and(b.clone().and(c.clone())));
            prop_assert_eq!(a.clone().or(b.clone()).or(c.clone()), a.clone().or(b.clone().or(c)));
            prop_assert_eq!(sorted(a.clone().and(b.clone())), sorted(b.clone().and(a.clone())));
            prop_assert_eq!(sorted(a.clone().or(b.clone())), sorted(b.or(a)));
        }

        #[test]
        fn allow_changes_no_and_and_ends_every_or(a in verdict()) {
            prop_assert_eq!(a.clone().and(Verdict::Allow), a.clone());
            prop_assert_eq!(a.clone().or(Verdict::Allow), Verdict::Allow);
            prop_assert_eq!(a.allows(), a.reasons().is_empty());
        }
    }
}
