use super::{Experiment, ExperimentStatus, Hypothesis};
use crate::{
    criterion::{Criteria, Criterion},
    error::{PlanError, Problem},
    probe::{Strategy, Tolerances},
    scope::BlastRadius,
    units::HumanDuration,
};

/// Faults are held for at least a millisecond and at most a day.
const DURATION_RULE: &str = "an experiment lasts 1ms to 24h";

const TOLERANCE_RULE: &str = "write a metric, a comparison and a bound, such as error_rate < 1%";

/// Builds an [`Experiment`]; every part but the name may be left out.
#[derive(Debug, Clone)]
#[must_use = "an experiment is made by `build`"]
pub struct ExperimentBuilder(Experiment);

impl ExperimentBuilder {
    pub(super) fn new(name: String) -> Self {
        Self(Experiment {
            name,
            hypothesis: Hypothesis::default(),
            blast_radius: BlastRadius::default(),
            rollback_plan: String::new(),
            success_criteria: Criteria::default(),
            duration: None,
            seed: None,
            allow_irreversible: false,
            status: ExperimentStatus::Planned,
            started_at: None,
            completed_at: None,
            observations: Vec::new(),
        })
    }

    /// Says what is expected to hold, in words; what can be lifted out of them is evaluated with the success criteria.
    pub fn hypothesis(mut self, text: impl Into<String>) -> Self {
        self.0.hypothesis.text = text.into();
        self.0.hypothesis.lifted = Criteria::lift(&self.0.hypothesis.text);
        self
    }

    /// Adds a tolerance of the steady state: `error_rate < 1%`. The bound needs its unit: `5%` or `0.05`, `500ms`.
    pub fn steady_state(mut self, tolerance: impl AsRef<str>) -> Self {
        self.0.hypothesis.steady_state.0.push(Criterion::parse(tolerance.as_ref()));
        self
    }

    /// Sets all tolerances of the steady state.
    pub fn tolerances(mut self, tolerances: Tolerances) -> Self {
        self.0.hypothesis.steady_state = tolerances;
        self
    }

    /// Sets when the steady state is checked.
    pub const fn strategy(mut self, strategy: Strategy) -> Self {
        self.0.hypothesis.strategy = strategy;
        self
    }

    /// Sets how far the experiment may reach, in words or as data.
    pub fn blast_radius(mut self, radius: impl Into<BlastRadius>) -> Self {
        self.0.blast_radius = radius.into();
        self
    }

    /// Says how the experiment is undone.
    pub fn rollback_plan(mut self, text: impl Into<String>) -> Self {
        self.0.rollback_plan = text.into();
        self
    }

    /// Says what must hold for a success: `Error rate <5%, latency p99 <1s`.
    pub fn success_criteria(mut self, text: impl AsRef<str>) -> Self {
        self.0.success_criteria = Criteria::parse(text.as_ref());
        self
    }

    /// Adds one criterion of success.
    pub fn criterion(mut self, criterion: Criterion) -> Self {
        self.0.success_criteria.push(criterion);
        self
    }

    /// Sets how long the faults are held: 1 ms to 24 h.
    pub const fn duration(mut self, duration: HumanDuration) -> Self {
        self.0.duration = Some(duration.get());
        self
    }

    /// Sets the seed of every random choice.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.0.seed = Some(seed);
        self
    }

    /// Allows faults that cannot be undone, such as a killed process.
    pub const fn allow_irreversible(mut self) -> Self {
        self.0.allow_irreversible = true;
        self
    }

    /// Makes the experiment.
    ///
    /// # Errors
    /// [`PlanError`] with every problem: an empty name, a duration out of range, a steady state that cannot be evaluated.
    pub fn build(self) -> Result<Experiment, PlanError> {
        PlanError::check("experiment", self.problems())?;
        Ok(self.0)
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.0.name.trim().is_empty() {
            problems.push(Problem::new("name", "an experiment needs a name"));
        }
        if let Some(duration) = self.0.duration
            && !(1..=86_400_000).contains(&duration.as_millis())
        {
            problems
                .push(Problem::new("duration", format!("{duration:?} is out of range")).hint(DURATION_RULE));
        }
        let manual = self
            .0
            .hypothesis
            .steady_state
            .0
            .iter()
            .enumerate()
            .filter(|(_, item)| item.tolerance().is_none());
        problems.extend(manual.map(|(index, item)| {
            Problem::new(format!("steady_state[{index}]"), format!("`{item}` cannot be evaluated"))
                .hint(item.unit_hint().unwrap_or(TOLERANCE_RULE))
        }));
        problems
    }
}
