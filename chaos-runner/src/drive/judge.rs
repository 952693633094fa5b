//! What became of the criteria, over all observations under the fault.

use chaos_core::{
    criterion::{Comparison, Criterion, Outcome},
    experiment::Observation,
};

use crate::report::CriterionResult;

/// Judges one criterion: not met if any observation misses it, with the worst value; not evaluated if none could tell.
pub(super) fn over(
    criterion: &Criterion,
    from_hypothesis: bool,
    observations: &[Observation],
) -> CriterionResult {
    let outcomes = observations.iter().map(|observation| criterion.judge(&observation.metrics));
    let worst = outcomes.reduce(|left, right| worse(criterion, left, right));
    let outcome = worst.unwrap_or_else(|| match criterion.judge(&chaos_core::metrics::Metrics::new()) {
        Outcome::NotEvaluated { why } if criterion.tolerance().is_none() => Outcome::NotEvaluated { why },
        _ => Outcome::NotEvaluated { why: "there is no observation".into() },
    });
    CriterionResult { criterion: criterion.clone(), from_hypothesis, outcome }
}

fn worse(criterion: &Criterion, left: Outcome, right: Outcome) -> Outcome {
    let larger_is_better = criterion
        .tolerance()
        .is_none_or(|tolerance| matches!(tolerance.comparison(), Comparison::Above | Comparison::AtLeast));
    let worst = |a: f64, b: f64| if larger_is_better { a.min(b) } else { a.max(b) };
    match (left, right) {
        (Outcome::NotMet { observed: a }, Outcome::NotMet { observed: b }) => {
            Outcome::NotMet { observed: worst(a, b) }
        }
        (missed @ Outcome::NotMet { .. }, _) | (_, missed @ Outcome::NotMet { .. }) => missed,
        (Outcome::Met { observed: a }, Outcome::Met { observed: b }) => {
            Outcome::Met { observed: worst(a, b) }
        }
        (met @ Outcome::Met { .. }, _) | (_, met @ Outcome::Met { .. }) => met,
        (unknown, _) => unknown,
    }
}
