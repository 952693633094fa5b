//! The report for tools.

use std::time::Duration;

use chaos_core::{
    experiment::{Experiment, ExperimentStatus},
    id::{FaultId, RunId},
    metrics::Metrics,
    plan::Plan,
    probe::Judgement,
};
use serde::{Serialize, Serializer};

use super::{Conclusion, CriterionResult, Ending, FaultReport, PhaseStart, RunReport, figures::Bound};

/// What is written: the report, and what a tool would otherwise have to derive from it.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    generator: &'static str,
    run: &'a RunId,
    /// Text, since it may be above 2^53, which many tools cannot read as a number.
    seed: String,
    status: ExperimentStatus,
    exit_code: u8,
    conclusion: &'a Conclusion,
    /// The conclusion in words.
    summary: String,
    left_behind: Vec<&'a FaultId>,
    ending: &'a Ending,
    criteria: &'a [CriterionResult],
    bounds: Vec<BoundForm>,
    steady_before: &'a Option<Judgement>,
    steady_during: &'a Option<Judgement>,
    steady_after: &'a Option<Judgement>,
    recovered_in: Option<Duration>,
    baseline: &'a Metrics,
    faults: &'a [FaultReport],
    phases: &'a [PhaseStart],
    plan: &'a Plan,
    experiment: &'a Experiment,
}

/// A bound that a criterion, the hypothesis, the steady state or a safety policy sets, ready to be compared or drawn.
#[derive(Serialize)]
struct BoundForm {
    metric: String,
    comparison: &'static str,
    /// A ratio, seconds, or a plain number, as the metric itself.
    bound: f64,
    asked_by: Vec<&'static str>,
}

impl BoundForm {
    fn of(bound: &Bound) -> Self {
        let tolerance = &bound.tolerance;
        Self {
            metric: tolerance.metric().to_owned(),
            comparison: tolerance.comparison().sign(),
            bound: tolerance.bound(),
            asked_by: bound.asked_by.clone(),
        }
    }
}

impl RunReport {
    /// The version of the JSON form. Fields may be added under the same version; a field that goes or changes its meaning raises it.
    pub const SCHEMA: u32 = 1;

    /// The report as JSON, indented.
    ///
    /// It is one object with `schema` ([`RunReport::SCHEMA`]), the fields of the report, and the derived `status`, `exit_code`, `summary`
    /// (the conclusion in words), `left_behind` (ids of faults), `seed` (as text) and `bounds` (all bounds by metric). Instants are RFC 3339 in UTC, durations are objects of `secs` and
    /// `nanos`, ratios are 0 to 1 and times in metrics are seconds. An unknown metric is an object with its reason, never a number.
    ///
    /// # Errors
    /// None that is known: all parts are plain data.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }
}

impl Serialize for RunReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = Document {
            schema: Self::SCHEMA,
            generator: concat!("chaos-runner ", env!("CARGO_PKG_VERSION")),
            run: &self.run,
            seed: self.plan.seed.to_string(),
            status: self.status(),
            exit_code: self.exit_code(),
            conclusion: &self.conclusion,
            summary: self.conclusion.to_string(),
            left_behind: self.left_behind().map(|undo| &undo.fault).collect(),
            ending: &self.ending,
            criteria: &self.criteria,
            bounds: self.all_bounds().iter().map(BoundForm::of).collect(),
            steady_before: &self.steady_before,
            steady_during: &self.steady_during,
            steady_after: &self.steady_after,
            recovered_in: self.recovered_in,
            baseline: &self.baseline,
            faults: &self.faults,
            phases: &self.phases,
            plan: &self.plan,
            experiment: &self.experiment,
        };
        document.serialize(serializer)
    }
}
