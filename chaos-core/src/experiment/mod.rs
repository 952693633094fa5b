//! An experiment: what is tried, what should hold, how far it may reach.

mod builder;
mod observation;
mod status;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use self::{
    builder::ExperimentBuilder,
    observation::{Observation, Phase},
    status::{ExperimentStatus, IllegalTransition},
};
use crate::{
    criterion::{Criteria, Criterion},
    probe::{Strategy, Tolerances},
    scope::BlastRadius,
};

/// What is expected to hold: the words, and the steady state that is checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hypothesis {
    /// The words, verbatim.
    pub text: String,
    /// What was lifted out of the words: `fails over within 30s with <1% error rate` gives `error_rate < 1%`.
    pub lifted: Vec<Criterion>,
    /// The steady state that is checked before, during or after, as the strategy says.
    pub steady_state: Tolerances,
    /// When it is checked.
    pub strategy: Strategy,
}

/// An experiment and what became of it.
///
/// ```
/// use chaos_core::experiment::Experiment;
/// let experiment = Experiment::builder("Kill 50% of API pods")
///     .hypothesis("API remains available with 50% pod loss")
///     .blast_radius("50% of API pods")
///     .rollback_plan("Pods auto-restart via deployment")
///     .success_criteria("Error rate <5%, latency p99 <1s")
///     .build()?;
/// assert_eq!(experiment.success_criteria.items().len(), 2);
/// # Ok::<(), chaos_core::error::PlanError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Experiment {
    /// What it is called.
    pub name: String,
    /// What is expected to hold.
    pub hypothesis: Hypothesis,
    /// How far it may reach.
    pub blast_radius: BlastRadius,
    /// How it is undone, in words; what really is undone stands in the undo records.
    pub rollback_plan: String,
    /// What must hold for a success.
    pub success_criteria: Criteria,
    /// How long the faults are held; `None` for as long as the safety policies allow.
    pub duration: Option<Duration>,
    /// The seed of every random choice; `None` for a random one, which the journal and the report state.
    pub seed: Option<u64>,
    /// Whether faults that cannot be undone are allowed.
    pub allow_irreversible: bool,
    status: ExperimentStatus,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
    observations: Vec<Observation>,
}

impl Experiment {
    /// Begins an experiment of this name.
    pub fn builder(name: impl Into<String>) -> ExperimentBuilder {
        ExperimentBuilder::new(name.into())
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn status(&self) -> ExperimentStatus {
        self.status
    }

    /// When the run began; `None` while planned, and for a run that was refused.
    #[must_use]
    pub const fn started_at(&self) -> Option<DateTime<Utc>> {
        self.started_at
    }

    /// When the run was over, rollback and verification included.
    #[must_use]
    pub const fn completed_at(&self) -> Option<DateTime<Utc>> {
        self.completed_at
    }

    /// What was seen, oldest first.
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// Adds what was seen.
    pub fn observe(&mut self, observation: Observation) {
        self.observations.push(observation);
    }

    /// Moves on in its life and stamps the start and the completion.
    ///
    /// # Errors
    /// [`IllegalTransition`]; nothing changes then.
    pub fn transition(&mut self, to: ExperimentStatus, now: DateTime<Utc>) -> Result<(), IllegalTransition> {
        self.status = self.status.to(to)?;
        match to {
            ExperimentStatus::Running => self.started_at = Some(now),
            _ => self.completed_at = Some(now),
        }
        Ok(())
    }
}
