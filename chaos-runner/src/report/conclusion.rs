use std::fmt;

use chaos_core::experiment::ExperimentStatus;
use serde::Serialize;

use crate::machine::AbortReason;

/// What a run showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Conclusion {
    /// Everything that was asked was evaluated and held.
    Success,
    /// A criterion or the steady state did not hold.
    NotHeld(String),
    /// Nothing failed, and something that was asked was not evaluated: success was not shown.
    NotEvaluated(String),
    /// A fault was on and had no effect: nothing was tested.
    NotInjected(String),
    /// Nothing was injected: a policy, the baseline or the steady state before it said no.
    Refused(String),
    /// Stopped before its end.
    Aborted(AbortReason),
    /// Something broke.
    Failed(String),
    /// A fault could not be undone.
    LeftBehind,
}

impl Conclusion {
    /// The status that goes with it: success only for a success, aborted for what was refused or stopped, failed for the rest.
    #[must_use]
    pub const fn status(&self) -> ExperimentStatus {
        match self {
            Self::Success => ExperimentStatus::Success,
            Self::Refused(_) | Self::Aborted(_) => ExperimentStatus::Aborted,
            _ => ExperimentStatus::Failed,
        }
    }

    /// The conclusion in a word or two, without its reason.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::NotHeld(_) => "not held",
            Self::NotEvaluated(_) => "not evaluated",
            Self::NotInjected(_) => "not injected",
            Self::Refused(_) => "refused",
            Self::Aborted(_) => "aborted",
            Self::Failed(_) => "failed",
            Self::LeftBehind => "left behind",
        }
    }

    /// The reason, or what the conclusion means where it has none.
    #[must_use]
    pub fn explanation(&self) -> String {
        match self {
            Self::Success => "Everything that was asked was evaluated and held.".into(),
            Self::LeftBehind => "A fault could not be undone and may still be on.".into(),
            Self::Aborted(reason) => reason.to_string(),
            Self::NotHeld(why)
            | Self::NotEvaluated(why)
            | Self::NotInjected(why)
            | Self::Refused(why)
            | Self::Failed(why) => why.clone(),
        }
    }

    /// 0 success; 1 a criterion did not hold or something broke; 3 aborted or refused; 4 something is left behind; 5 not evaluated or not
    /// injected; 130 and 143 after SIGINT and SIGTERM. (2 is for bad input, which yields no report.)
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Success => 0,
            Self::NotHeld(_) | Self::Failed(_) => 1,
            Self::Aborted(AbortReason::Signal("SIGINT")) => 130,
            Self::Aborted(AbortReason::Signal("SIGTERM")) => 143,
            Self::Refused(_) | Self::Aborted(_) => 3,
            Self::LeftBehind => 4,
            Self::NotEvaluated(_) | Self::NotInjected(_) => 5,
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str(self.word()),
            Self::LeftBehind => f.write_str("a fault is left behind"),
            _ => write!(f, "{}: {}", self.word(), self.explanation()),
        }
    }
}
