//! What became of the criteria, over all observations under the fault.

use chaos_core::{
    criterion::{Comparison, Criterion, Outcome},
    experiment::Observation,
};

use crate::report::CriterionResult;

/// Judges one criterion: not met if any look misses it, with the worst value; not evaluated if the last look could not tell, or
/// more than `grace` looks in a row.
pub(super) fn over(
    criterion: &Criterion,
    from_hypothesis: bool,
    observations: &[Observation],
    grace: u32,
) -> CriterionResult {
    let outcomes: Vec<Outcome> =
        observations.iter().map(|observation| criterion.judge(&observation.metrics)).collect();
    let blind = blind(&outcomes, grace);
    let worst = outcomes.into_iter().reduce(|left, right| worse(criterion, left, right));
    let outcome = match worst {
        Some(Outcome::Met { .. }) if blind.is_some() => {
            Outcome::NotEvaluated { why: blind.unwrap_or_default() }
        }
        Some(outcome) => outcome,
        None if criterion.tolerance().is_none() => criterion.judge(&chaos_core::metrics::Metrics::new()),
        None => Outcome::NotEvaluated { why: "there is no observation".into() },
    };
    CriterionResult { criterion: criterion.clone(), from_hypothesis, outcome }
}

/// Why what was seen does not speak for the whole time: the longest stretch of looks that could not tell.
fn blind(outcomes: &[Outcome], grace: u32) -> Option<String> {
    let why = |outcome: &Outcome| match outcome {
        Outcome::NotEvaluated { why } => Some(why.clone()),
        _ => None,
    };
    if let Some(why) = outcomes.last().and_then(why) {
        return Some(format!("the last look could not tell: {why}"));
    }
    let (mut streak, mut longest) = (0_u32, 0_u32);
    for outcome in outcomes {
        streak = if why(outcome).is_some() { streak + 1 } else { 0 };
        longest = longest.max(streak);
    }
    (longest > grace).then(|| format!("{longest} looks in a row could not tell"))
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
