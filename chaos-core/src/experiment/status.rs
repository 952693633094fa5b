use std::fmt;

use serde::{Deserialize, Serialize};

/// The life of an experiment, as the seed has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentStatus {
    /// Not started.
    #[default]
    Planned,
    /// Under way, rollback and verification included.
    Running,
    /// Everything that was asked was evaluated and held, and nothing is left behind.
    Success,
    /// Something failed, did not hold, or was not shown.
    Failed,
    /// Stopped before its end, or refused at its start.
    Aborted,
}

/// A step that the life of an experiment does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an experiment does not go from {from} to {to}")]
pub struct IllegalTransition {
    /// Where it is.
    pub from: ExperimentStatus,
    /// Where it was to go.
    pub to: ExperimentStatus,
}

impl ExperimentStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Planned, Self::Running, Self::Success, Self::Failed, Self::Aborted];

    /// The next status: from planned to running, failed or aborted; from running to success, failed or aborted.
    ///
    /// # Errors
    /// [`IllegalTransition`] for every other step.
    pub const fn to(self, to: Self) -> Result<Self, IllegalTransition> {
        match (self, to) {
            (Self::Planned, Self::Running | Self::Failed | Self::Aborted)
            | (Self::Running, Self::Success | Self::Failed | Self::Aborted) => Ok(to),
            (from, to) => Err(IllegalTransition { from, to }),
        }
    }

    /// Whether it is over.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Aborted)
    }

    /// The word, as it is serialised.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

impl fmt::Display for ExperimentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{ExperimentStatus::*, *};

    #[test]
    fn of_all_pairs_six_are_legal() {
        let legal = [
            (Planned, Running),
            (Planned, Failed),
            (Planned, Aborted),
            (Running, Success),
            (Running, Failed),
            (Running, Aborted),
        ];
        for from in ExperimentStatus::ALL {
            for to in ExperimentStatus::ALL {
                let expected =
                    if legal.contains(&(from, to)) { Ok(to) } else { Err(IllegalTransition { from, to }) };
                assert_eq!(from.to(to), expected);
            }
            assert_eq!(from.is_final(), ExperimentStatus::ALL.iter().all(|to| from.to(*to).is_err()));
            assert_eq!(serde_json::to_value(from).unwrap(), from.as_str());
        }
        let error = Success.to(Running).unwrap_err();
        assert_eq!(error.to_string(), "an experiment does not go from success to running");
    }
}
