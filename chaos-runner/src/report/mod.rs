//! What became of a run: as data, as text, as JSON, and as a page.
//!
//! [`RunReport`] is the data; its `Display` is the report for a terminal, [`RunReport::to_json`] the one for tools, and with the feature
//! `report` `RunReport::to_html` the one for people: a page that needs nothing but itself.

mod conclusion;
mod figures;
#[cfg(feature = "report")]
mod html;
mod json;
#[cfg(feature = "report")]
mod svg;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod text;
mod words;

use std::time::Duration;

use chaos_core::{
    criterion::{Criterion, Outcome, Tolerance},
    experiment::{Experiment, ExperimentStatus, Phase},
    id::{FaultId, FaultKind, RunId},
    injector::{Effect, Guarantee},
    metrics::Metrics,
    plan::Plan,
    probe::Judgement,
};
use chrono::{DateTime, Utc};
use serde::Serialize;

pub use self::conclusion::Conclusion;
#[cfg(feature = "incident")]
pub(crate) use self::words::clean;
pub use crate::{
    machine::{AbortReason, Ending},
    rollback::UndoReport,
};

/// The beginning of a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PhaseStart {
    /// Which.
    pub phase: Phase,
    /// When.
    pub at: DateTime<Utc>,
    /// Why, or what was found; may be empty.
    pub note: String,
}

/// One fault of a run, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FaultReport {
    /// The fault within the run.
    pub id: FaultId,
    /// Its kind.
    pub kind: FaultKind,
    /// What would have ended it, had the runner been killed.
    pub guarantee: Guarantee,
    /// Asked beside observed; `None` if it was never on.
    pub effect: Option<Effect>,
    /// How it was undone; `None` if it was never on.
    pub undo: Option<UndoReport>,
}

/// One criterion and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CriterionResult {
    /// The text, verbatim.
    pub criterion: Criterion,
    /// Whether it stands in the hypothesis rather than among the success criteria.
    pub from_hypothesis: bool,
    /// What became of it: the worst observation counts.
    pub outcome: Outcome,
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// The experiment with its status, its times and its observations.
    pub experiment: Experiment,
    /// What was planned.
    pub plan: Plan,
    /// How the run came to its rollback.
    pub ending: Ending,
    /// What the run showed.
    pub conclusion: Conclusion,
    /// What became of each criterion.
    pub criteria: Vec<CriterionResult>,
    /// The steady state before the injection, where it was judged.
    pub steady_before: Option<Judgement>,
    /// The steady state under the fault: the first deviation, where it was judged.
    pub steady_during: Option<Judgement>,
    /// The steady state after the rollback, where it was judged.
    pub steady_after: Option<Judgement>,
    /// From the end of the rollback until the steady state was seen again.
    pub recovered_in: Option<Duration>,
    /// The figures before the injection.
    pub baseline: Metrics,
    /// The faults, in the order of injection.
    pub faults: Vec<FaultReport>,
    /// The phases, in order.
    pub phases: Vec<PhaseStart>,
    /// The bounds of the safety policies, at which the run was to be stopped.
    pub limits: Vec<Tolerance>,
}

impl RunReport {
    /// The experiment's status.
    #[must_use]
    pub const fn status(&self) -> ExperimentStatus {
        self.experiment.status()
    }

    /// What could not be undone; empty unless something is wrong.
    pub fn left_behind(&self) -> impl Iterator<Item = &UndoReport> {
        self.faults.iter().filter_map(|fault| fault.undo.as_ref()).filter(|undo| !undo.how.is_clear())
    }

    /// The exit code that a program should end with: see [`Conclusion::exit_code`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.conclusion.exit_code()
    }

    /// The instant of the look that saw the steady state again after the rollback.
    #[must_use]
    pub fn recovered_at(&self) -> Option<DateTime<Utc>> {
        let looks = self.experiment.observations();
        let last = looks.iter().rfind(|look| look.phase == Phase::Verification)?;
        self.recovered_in.map(|_| last.at)
    }
}
