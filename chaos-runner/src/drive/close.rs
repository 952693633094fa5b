//! The end of a run: what it showed, and what is left.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chaos_core::{
    criterion::{Outcome, Tolerance},
    experiment::{ExperimentStatus, Phase},
    injector::Injected,
    journal::{Durability, Event, EventBody},
    probe::Judgement,
    safety::SafetyPolicy,
};

use super::{Driver, judge, observe::under_fault};
use crate::{
    machine::{Ending, join},
    report::{Conclusion, CriterionResult, FaultReport, RunReport},
};

impl Driver {
    pub(super) async fn close(mut self: Box<Self>, ending: Ending) -> Box<RunReport> {
        let criteria = self.criteria();
        let left_behind: Vec<_> = self.undone.iter().filter(|undo| !undo.how.is_clear()).cloned().collect();
        let conclusion = self.conclude(&ending, &criteria, !left_behind.is_empty());
        let status = conclusion.status();
        self.begin(Phase::Closed, conclusion.to_string());
        self.move_to(status);
        if left_behind.is_empty() {
            self.close_journal(status);
        } else {
            self.shared.leave_behind(&self.id).await;
        }
        let faults = self.fault_reports();
        let limits = self.limits();
        let this = *self;
        Box::new(RunReport {
            run: this.id,
            plan: this.plan,
            conclusion,
            criteria,
            steady_before: this.steady_before,
            steady_during: this.steady_during,
            steady_after: this.steady_after,
            baseline: this.baseline,
            faults,
            recovered_in: this.recovered_in,
            phases: this.phases,
            experiment: this.experiment,
            ending,
            limits,
        })
    }

    /// The bounds of the safety policies; those of a policy that panics are not known.
    fn limits(&self) -> Vec<Tolerance> {
        let ask = AssertUnwindSafe(|| self.policy.limits());
        catch_unwind(ask).unwrap_or_default()
    }

    fn criteria(&self) -> Vec<CriterionResult> {
        let observations = under_fault(self.experiment.observations());
        let asked = self.experiment.success_criteria.items().iter().map(|criterion| (criterion, false));
        let lifted = self.experiment.hypothesis.lifted.iter().map(|criterion| (criterion, true));
        asked
            .chain(lifted)
            .map(|(criterion, lifted)| {
                judge::over(criterion, lifted, observations, self.shared.settings.unknown_grace)
            })
            .collect()
    }

    fn conclude(&self, ending: &Ending, criteria: &[CriterionResult], left_behind: bool) -> Conclusion {
        if left_behind {
            return Conclusion::LeftBehind;
        }
        match ending {
            Ending::Refused(reasons) => Conclusion::Refused(join(reasons)),
            Ending::Aborted(reason) => Conclusion::Aborted(reason.clone()),
            Ending::Failed(what) => Conclusion::Failed(what.clone()),
            Ending::Completed => self.conclude_completed(criteria),
        }
    }

    fn conclude_completed(&self, criteria: &[CriterionResult]) -> Conclusion {
        let not_injected =
            |(id, effect): &(chaos_core::id::FaultId, chaos_core::injector::Effect)| match &effect.injected {
                Injected::No { why } => Some(format!("{id}: {why}")),
                _ => None,
            };
        if let Some(why) = self.effects().iter().find_map(not_injected) {
            return Conclusion::NotInjected(why);
        }
        let steady = [&self.steady_during, &self.steady_after];
        let deviated = steady.into_iter().flatten().find(|judgement| !judgement.held());
        if let Some(judgement) = deviated {
            return Conclusion::NotHeld(format!("steady state {judgement}"));
        }
        let missed = |result: &&CriterionResult| matches!(result.outcome, Outcome::NotMet { .. });
        if let Some(result) = criteria.iter().find(missed) {
            return Conclusion::NotHeld(result.to_string());
        }
        let open =
            criteria.iter().filter(|result| matches!(result.outcome, Outcome::NotEvaluated { .. })).count();
        let judged = criteria.len() - open
            + steady.into_iter().flatten().filter(|judgement| Judgement::held(judgement)).count();
        match (open, judged) {
            (0, 0) => {
                Conclusion::NotEvaluated("there was no criterion and no steady state to evaluate".into())
            }
            (0, _) => Conclusion::Success,
            (open, _) => Conclusion::NotEvaluated(format!("{open} of {} criteria", criteria.len())),
        }
    }

    fn fault_reports(&self) -> Vec<FaultReport> {
        let effects = self.effects();
        let of = |fault: &super::PreparedFault| FaultReport {
            id: fault.id.clone(),
            kind: fault.injector.kind(),
            guarantee: fault.capabilities.guarantee,
            effect: effects.iter().find(|(id, _)| *id == fault.id).map(|(_, effect)| effect.clone()),
            undo: self.undone.iter().find(|undo| undo.fault == fault.id).cloned(),
        };
        self.faults.iter().map(of).collect()
    }

    fn close_journal(&self, status: ExperimentStatus) {
        let closed = Event::new(self.shared.clock.now(), EventBody::Closed { status });
        if let Err(error) = self.shared.journal.append(&self.id, &[closed], Durability::Written) {
            tracing::warn!(run = %self.id, error = crate::error::chain(&error), "the run is not closed in the journal");
            self.shared.journal.release(&self.id);
        }
    }
}
