//! The report for a terminal.

use std::fmt;

use chaos_core::{
    criterion::Outcome,
    experiment::Phase,
    injector::{Effect, Injected},
    probe::Judgement,
    scope::Target,
};

use super::{
    CriterionResult, FaultReport, RunReport, UndoReport,
    figures::Unit,
    words::{clean, duration, offset, one_line, optional, time_of_day},
};

/// Plain text in blocks, aligned, without colours; what comes from outside cannot steer the terminal.
impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.left_behind_block(f)?;
        self.metrics_block(f)?;
        self.steady_block(f)?;
        self.criteria_block(f)?;
        if !self.faults.is_empty() {
            writeln!(f, "\nfaults")?;
        }
        self.faults.iter().try_for_each(|fault| self.fault_block(f, fault))?;
        self.phases_block(f)
    }
}

/// One line: the text, what became of it, and the worst value.
impl fmt::Display for CriterionResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", one_line(self.criterion.text()), self.verdict(), self.finding())
    }
}

/// The effect of the fault and its undo, as lines.
impl fmt::Display for FaultReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fault_lines(f, self, &[])
    }
}

impl RunReport {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let experiment = &self.experiment;
        entry(f, "experiment", &experiment.name)?;
        entry(f, "run", &format!("{}, seed {}", self.run, self.plan.seed))?;
        entry(f, "status", self.status().as_str())?;
        entry(f, "conclusion", &self.conclusion.to_string())?;
        entry(f, "hypothesis", &experiment.hypothesis.text)?;
        entry(f, "blast radius", &experiment.blast_radius.text)?;
        entry(f, "rollback", &experiment.rollback_plan)
    }

    fn left_behind_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for undo in self.left_behind() {
            writeln!(
                f,
                "\nLEFT BEHIND  {} ({}): {}",
                undo.fault,
                undo.kind,
                one_line(&undo.how.to_string())
            )?;
            if let Some(manual) = undo.manual.as_deref().filter(|manual| !manual.is_empty()) {
                entry(f, "  by hand", manual)?;
            }
        }
        Ok(())
    }

    fn metrics_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series = self.series();
        if series.is_empty() {
            return Ok(());
        }
        let seen = |wanted, text: String| if wanted { text } else { "–".into() };
        let head = ["metrics", "before", "fault: worst", "fault: last", "after"].map(String::from).to_vec();
        let rows = series.iter().map(|series| {
            let on = series.was_seen(Phase::Observation);
            let after = series.was_seen(Phase::Verification);
            vec![
                format!("  {}", one_line(series.name)),
                series.show_baseline(),
                seen(on, series.show_worst()),
                seen(on, series.show_value(series.last())),
                seen(after, series.show_value(series.after())),
            ]
        });
        writeln!(f)?;
        table(f, std::iter::once(head).chain(rows).collect())
    }

    fn steady_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judged =
            [("before", &self.steady_before), ("during", &self.steady_during), ("after", &self.steady_after)];
        if judged.iter().all(|(_, judgement)| judgement.is_none()) {
            return Ok(());
        }
        writeln!(f, "\nsteady state")?;
        for (when, judgement) in judged {
            match judgement {
                Some(judgement) => writeln!(f, "  {when:<8}{}{}", judged_as(judgement), self.recovery(when))?,
                None => writeln!(f, "  {when:<8}not looked for")?,
            }
        }
        Ok(())
    }

    fn recovery(&self, when: &str) -> String {
        match self.recovered_in {
            Some(time) if when == "after" => format!(", {} after the rollback", duration(time)),
            _ => String::new(),
        }
    }

    fn criteria_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.criteria.is_empty() {
            return Ok(());
        }
        writeln!(f, "\ncriteria")?;
        let row = |result: &CriterionResult| {
            let from = if result.from_hypothesis { ", from the hypothesis" } else { "" };
            let finding = format!("{}{from}", result.finding());
            vec![format!("  {}", result.verdict()), one_line(result.criterion.text()), finding]
        };
        table(f, self.criteria.iter().map(row).collect())
    }

    fn fault_block(&self, f: &mut fmt::Formatter<'_>, fault: &FaultReport) -> fmt::Result {
        fault_lines(f, fault, self.targets(fault))
    }

    /// What a fault was to touch.
    pub(super) fn targets(&self, fault: &FaultReport) -> &[Target] {
        let planned = self.plan.faults.iter().find(|planned| planned.id == fault.id);
        planned.map(|planned| planned.scope.targets.as_slice()).unwrap_or_default()
    }

    fn phases_block(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.phases.first() else { return Ok(()) };
        writeln!(f, "\nphases")?;
        let row = |phase: &super::PhaseStart| {
            vec![
                format!("  {}", time_of_day(phase.at)),
                offset(first.at, phase.at),
                phase.phase.to_string(),
                one_line(&phase.note),
            ]
        };
        table(f, self.phases.iter().map(row).collect())
    }
}

impl CriterionResult {
    /// What became of it, apart at first sight.
    pub(super) const fn verdict(&self) -> &'static str {
        match self.outcome {
            Outcome::Met { .. } => "met",
            Outcome::NotMet { .. } => "NOT met",
            _ => "not evaluated",
        }
    }

    /// The worst value, or why there is none.
    pub(super) fn finding(&self) -> String {
        match (&self.outcome, self.criterion.tolerance()) {
            (Outcome::Met { observed } | Outcome::NotMet { observed }, Some(tolerance)) => {
                format!("worst {}", Unit::of_tolerance(tolerance).show(*observed))
            }
            (Outcome::Met { .. }, None) => "a probe says yes".into(),
            (Outcome::NotMet { .. }, None) => "a probe says no".into(),
            (Outcome::NotEvaluated { why }, _) => one_line(why),
            _ => "an outcome of a newer version".into(),
        }
    }
}

fn fault_lines(f: &mut fmt::Formatter<'_>, fault: &FaultReport, targets: &[Target]) -> fmt::Result {
    writeln!(f, "  {}  {}", fault.id, fault.kind)?;
    targets.iter().try_for_each(|target| writeln!(f, "    touches    {}", one_line(&target.to_string())))?;
    writeln!(f, "    if killed  {}", fault.guarantee)?;
    fault.effect.as_ref().map_or(Ok(()), |effect| effect_lines(f, effect))?;
    match &fault.undo {
        None => writeln!(f, "    undo       not needed: it was never on"),
        Some(undo) => undo_lines(f, undo),
    }
}

fn effect_lines(f: &mut fmt::Formatter<'_>, effect: &Effect) -> fmt::Result {
    match &effect.injected {
        Injected::Yes => writeln!(f, "    injected   yes, its effect was seen")?,
        Injected::No { why } => writeln!(f, "    injected   NO: {}", one_line(why))?,
        Injected::NotMeasured { why } => writeln!(f, "    injected   not measured: {}", one_line(why))?,
        _ => {}
    }
    if effect.figures.is_empty() {
        return Ok(());
    }
    let head = ["    effect", "asked", "observed"].map(String::from).to_vec();
    let rows = effect.figures.iter().map(|figure| {
        vec![
            format!("      {}", one_line(&figure.name)),
            optional(figure.asked, &figure.unit),
            optional(figure.observed, &figure.unit),
        ]
    });
    table(f, std::iter::once(head).chain(rows).collect())
}

fn undo_lines(f: &mut fmt::Formatter<'_>, undo: &UndoReport) -> fmt::Result {
    let tries = if undo.tries == 1 { "1 try".into() } else { format!("{} tries", undo.tries) };
    let how = one_line(&undo.how.to_string());
    writeln!(f, "    undo       {how} ({}, {tries})", duration(undo.took))
}

/// A judgement on one line.
pub(super) fn judged_as(judgement: &Judgement) -> String {
    let word = if judgement.held() { "held".into() } else { judgement.to_string() };
    one_line(&word)
}

/// A label and a text; further lines of the text stand under the first. An empty text is left out.
fn entry(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    let cleaned = clean(text.trim());
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    cleaned.lines().zip(labels).try_for_each(|(line, label)| writeln!(f, "{label:<14}{line}"))
}

/// Columns two spaces apart, as wide as their widest cell.
fn table(f: &mut fmt::Formatter<'_>, rows: Vec<Vec<String>>) -> fmt::Result {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
