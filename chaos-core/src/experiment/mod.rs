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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metrics::Metrics, units::HumanDuration};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    /// The seed's example.
    fn failover() -> ExperimentBuilder {
        Experiment::builder("Database Primary Failover")
            .hypothesis("System automatically fails over to replica within 30s with <1% error rate")
            .blast_radius("Single database instance, 50% of production traffic")
            .rollback_plan("Restore primary database immediately, redirect traffic")
            .success_criteria("- Failover completes in <30s\n- Error rate <1%\n- No data loss")
    }

    #[test]
    fn the_words_of_the_seed_are_kept_beside_their_typed_form() {
        let experiment = failover().build().unwrap();
        assert_eq!(experiment.blast_radius.text, "Single database instance, 50% of production traffic");
        assert_eq!(
            experiment.success_criteria.text(),
            "- Failover completes in <30s\n- Error rate <1%\n- No data loss"
        );
        let typed: Vec<_> =
            experiment.success_criteria.items().iter().map(|item| item.tolerance().is_some()).collect();
        assert_eq!(typed, [true, true, false]);
        assert_eq!(experiment.hypothesis.lifted[0].text(), "<1% error rate");
    }

    #[test]
    fn a_life_has_its_stamps_and_its_observations() {
        let mut experiment = failover().build().unwrap();
        assert_eq!((experiment.started_at(), experiment.completed_at()), (None, None));
        assert!(experiment.transition(ExperimentStatus::Success, at(1)).is_err());
        experiment.transition(ExperimentStatus::Running, at(1)).unwrap();
        experiment.observe(Observation::new(at(2), Phase::Observation, Metrics::from([("error_rate", 0.0)])));
        experiment.transition(ExperimentStatus::Success, at(3)).unwrap();
        assert_eq!((experiment.started_at(), experiment.completed_at()), (Some(at(1)), Some(at(3))));
        assert_eq!(
            experiment.observations()[0].to_string(),
            "1970-01-01T00:00:02.000Z observation: error_rate 0"
        );
        assert!(experiment.transition(ExperimentStatus::Running, at(4)).is_err());
        assert_eq!(
            (experiment.status(), experiment.completed_at()),
            (ExperimentStatus::Success, Some(at(3)))
        );
    }

    #[test]
    fn a_refused_run_never_started() {
        let mut experiment = failover().build().unwrap();
        experiment.transition(ExperimentStatus::Aborted, at(1)).unwrap();
        assert_eq!((experiment.started_at(), experiment.completed_at()), (None, Some(at(1))));
    }

    #[test]
    fn a_builder_tells_all_problems_at_once() {
        let error = Experiment::builder(" ")
            .duration(HumanDuration::from_secs(86_401))
            .steady_state("error_rate < 1%")
            .steady_state("All is well")
            .steady_state("error_rate < 5")
            .steady_state("latency_p99 < 500")
            .build()
            .unwrap_err();
        insta::assert_snapshot!(error, @r"
        experiment: 5 problems
          name: an experiment needs a name
          duration: 86401s is out of range (an experiment lasts 1ms to 24h)
          steady_state[1]: `All is well` cannot be evaluated (write a metric, a comparison and a bound, such as error_rate < 1%)
          steady_state[2]: `error_rate < 5` cannot be evaluated (write 5% or 0.05)
          steady_state[3]: `latency_p99 < 500` cannot be evaluated (write a unit, such as 500ms or 2s)
        ");
        for millis in [1, 86_400_000] {
            assert!(failover().duration(HumanDuration::from_millis(millis)).build().is_ok());
        }
    }
}
