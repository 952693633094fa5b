//! The report for a terminal.

use std::fmt;

use chaos_core::{criterion::Outcome, injector::Injected};

use super::{CriterionResult, FaultReport, RunReport};

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "experiment  {}", self.experiment.name)?;
        writeln!(f, "run         {} (seed {})", self.run, self.plan.seed)?;
        writeln!(f, "status      {}", self.status())?;
        writeln!(f, "conclusion  {}", self.conclusion)?;
        self.hypothesis(f)?;
        self.faults.iter().try_for_each(|fault| write!(f, "{fault}"))?;
        for (when, judgement) in
            [("before", &self.steady_before), ("during", &self.steady_during), ("after", &self.steady_after)]
        {
            if let Some(judgement) = judgement {
                writeln!(f, "steady state {when}: {judgement}")?;
            }
        }
        if let Some(recovered_in) = self.recovered_in {
            writeln!(f, "steady state back {:.0} ms after the rollback", recovered_in.as_secs_f64() * 1e3)?;
        }
        writeln!(f, "baseline    {}", self.baseline)?;
        self.criteria.iter().try_for_each(|criterion| writeln!(f, "criterion   {criterion}"))?;
        self.timeline(f)
    }
}

impl RunReport {
    fn hypothesis(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.experiment.hypothesis.text;
        if text.is_empty() { Ok(()) } else { writeln!(f, "hypothesis  {text}") }
    }

    fn timeline(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "phases")?;
        for phase in &self.phases {
            let note = if phase.note.is_empty() { String::new() } else { format!("  {}", phase.note) };
            writeln!(f, "  {}  {}{note}", phase.at.format("%H:%M:%S%.3fZ"), phase.phase)?;
        }
        Ok(())
    }
}

impl fmt::Display for CriterionResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |value: f64| {
            self.criterion
                .tolerance()
                .map_or_else(|| value.to_string(), |tolerance| tolerance.format_value(value))
        };
        write!(f, "{}: ", self.criterion)?;
        match &self.outcome {
            Outcome::Met { observed } => write!(f, "met (worst {})", show(*observed)),
            Outcome::NotMet { observed } => write!(f, "NOT met (worst {})", show(*observed)),
            Outcome::NotEvaluated { why } => write!(f, "not evaluated ({why})"),
            _ => f.write_str("of a newer version"),
        }
    }
}

impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fault       {} {} ({})", self.id, self.kind, self.guarantee)?;
        if let Some(effect) = &self.effect {
            match &effect.injected {
                Injected::Yes => writeln!(f, "  injected: yes")?,
                Injected::No { why } => writeln!(f, "  NOT injected: {why}")?,
                Injected::NotMeasured { why } => writeln!(f, "  effect not measured: {why}")?,
                _ => {}
            }
            effect.figures.iter().try_for_each(|figure| writeln!(f, "  {figure}"))?;
        }
        let Some(undo) = &self.undo else { return writeln!(f, "  never on") };
        writeln!(f, "  {} after {:.1} ms, {} tries", undo.how, undo.took.as_secs_f64() * 1e3, undo.tries)?;
        undo.manual.as_ref().map_or(Ok(()), |manual| writeln!(f, "  BY HAND: {manual}"))
    }
}
