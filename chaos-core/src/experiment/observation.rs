use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;

/// The phases of a run, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Plan, locks, policies.
    Preflight,
    /// The figures before the injection.
    Baseline,
    /// The faults are being brought about.
    Injection,
    /// The faults are on.
    Observation,
    /// The faults are being taken away.
    Rollback,
    /// The steady state is looked for again.
    Verification,
    /// The run is over.
    Closed,
}

impl Phase {
    /// The word, as it is serialised.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Baseline => "baseline",
            Self::Injection => "injection",
            Self::Observation => "observation",
            Self::Rollback => "rollback",
            Self::Verification => "verification",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The figures at one instant of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Observation {
    /// When they were taken.
    pub at: DateTime<Utc>,
    /// In which phase.
    pub phase: Phase,
    /// The figures.
    pub metrics: Metrics,
}

impl Observation {
    /// Figures at an instant.
    #[must_use]
    pub const fn new(at: DateTime<Utc>, phase: Phase, metrics: Metrics) -> Self {
        Self { at, phase, metrics }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.at.format("%Y-%m-%dT%H:%M:%S%.3fZ"), self.phase, self.metrics)
    }
}
