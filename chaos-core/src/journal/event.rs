use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::{
    experiment::{ExperimentStatus, Phase},
    id::FaultId,
    undo::{ProcessId, Reverted, UndoRecord},
};

/// What opens a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunInfo {
    /// The version of the events.
    pub schema: u32,
    /// The experiment's name.
    pub experiment: String,
    /// The seed of every random choice.
    pub seed: u64,
    /// The process that runs it.
    pub runner: ProcessId,
}

impl RunInfo {
    /// The version of the events that this crate writes.
    pub const SCHEMA: u32 = 1;

    /// The opening of a run.
    #[must_use]
    pub const fn new(experiment: String, seed: u64, runner: ProcessId) -> Self {
        Self { schema: Self::SCHEMA, experiment, seed, runner }
    }
}

/// One thing that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What happened.
    pub body: EventBody,
}

impl Event {
    /// An event.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, body: EventBody) -> Self {
        Self { at, body }
    }
}

/// What happened. An event of a newer program is kept as [`EventBody::Unknown`] and clears no duty.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventBody {
    /// The run began.
    Run(RunInfo),
    /// A fault is about to be injected; from here on it may have landed.
    Intent {
        /// All that the undo needs.
        undo: Box<UndoRecord>,
    },
    /// A fault was injected.
    Applied {
        /// Which.
        fault: FaultId,
    },
    /// A fault is gone.
    Undone {
        /// Which.
        fault: FaultId,
        /// How.
        how: Reverted,
    },
    /// A fault could not be undone.
    Stuck {
        /// Which.
        fault: FaultId,
        /// Why.
        why: String,
        /// What a person can do.
        manual: String,
    },
    /// A phase began; `note` says why, for an abort. Clears no duty.
    Phase {
        /// Which.
        phase: Phase,
        /// Why, or what was found.
        note: String,
    },
    /// The run is over and nothing of it is left.
    Closed {
        /// How it ended.
        status: ExperimentStatus,
    },
    /// An event that this program does not know.
    Unknown(Value),
}

impl<'de> Deserialize<'de> for EventBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match Known::deserialize(&value) {
            Ok(known) => known.into(),
            Err(_) => Self::Unknown(value),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Known {
    Run(RunInfo),
    Intent { undo: Box<UndoRecord> },
    Applied { fault: FaultId },
    Undone { fault: FaultId, how: Reverted },
    Stuck { fault: FaultId, why: String, manual: String },
    Phase { phase: Phase, note: String },
    Closed { status: ExperimentStatus },
    Unknown(Value),
}

impl From<Known> for EventBody {
    fn from(known: Known) -> Self {
        match known {
            Known::Run(info) => Self::Run(info),
            Known::Intent { undo } => Self::Intent { undo },
            Known::Applied { fault } => Self::Applied { fault },
            Known::Undone { fault, how } => Self::Undone { fault, how },
            Known::Stuck { fault, why, manual } => Self::Stuck { fault, why, manual },
            Known::Phase { phase, note } => Self::Phase { phase, note },
            Known::Closed { status } => Self::Closed { status },
            Known::Unknown(value) => Self::Unknown(value),
        }
    }
}
