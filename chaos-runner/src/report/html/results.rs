//! What became of the criteria, the steady state, the faults, and when.

use chaos_core::{
    criterion::Outcome,
    injector::{Effect, EffectFigure, Injected},
};
use maud::{Markup, html};

use super::{BAD, CALM, GOOD, UNSURE, fact, judged};
use crate::report::{
    CriterionResult, FaultReport, PhaseStart, RunReport, UndoReport,
    words::{clean, duration, number, offset, one_line, optional, time_of_day},
};

/// Said first and loudest.
pub(super) fn left_behind(report: &RunReport) -> Markup {
    html! {
        @if report.left_behind().next().is_some() {
            section class="card left" role="alert" {
                h2 { "A fault may still be on" }
                @for undo in report.left_behind() {
                    p { strong { (undo.fault) } " (" (undo.kind) "): " (one_line(&undo.how.to_string())) }
                    @if let Some(manual) = undo.manual.as_deref().filter(|manual| !manual.is_empty()) {
                        p class="text" { strong { "By hand: " } (clean(manual)) }
                    }
                }
            }
        }
    }
}

pub(super) fn criteria(report: &RunReport) -> Markup {
    html! {
        section {
            h2 { "Criteria" }
            div class="card scroll" {
                @if report.criteria.is_empty() {
                    p class="soft" { "The run has no result for any criterion." }
                } @else {
                    table {
                        thead { tr { th scope="col" { "Criterion" } th scope="col" { "Result" } th scope="col" { "Finding" } } }
                        tbody { @for result in &report.criteria { (criterion(result)) } }
                    }
                }
            }
        }
    }
}

fn criterion(result: &CriterionResult) -> Markup {
    let (tone, word) = match result.outcome {
        Outcome::Met { .. } => (GOOD, "met"),
        Outcome::NotMet { .. } => (BAD, "not met"),
        _ => (UNSURE, "not evaluated"),
    };
    html! {
        tr {
            td dir="auto" {
                (one_line(result.criterion.text()))
                @if result.from_hypothesis { span class="soft small" { " from the hypothesis" } }
            }
            td { (tone.pill(word)) }
            td { (result.finding()) }
        }
    }
}

pub(super) fn steady_state(report: &RunReport) -> Markup {
    let judgements = [
        ("Before", &report.steady_before),
        ("Under the fault", &report.steady_during),
        ("After", &report.steady_after),
    ];
    html! {
        @if judgements.iter().any(|(_, judgement)| judgement.is_some()) {
            section {
                h2 { "Steady state" }
                div class="trio" {
                    @for (when, judgement) in judgements {
                        div class="card" {
                            div class="head" { h3 { (when) } }
                            @match judgement {
                                Some(judgement) => { (judgement_card(judgement)) }
                                None => { (CALM.pill("not looked for")) }
                            }
                            @if let Some(time) = report.recovered_in.filter(|_| when == "After") {
                                p { "Back " strong { (duration(time)) } " after the rollback." }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn judgement_card(judgement: &chaos_core::probe::Judgement) -> Markup {
    let (tone, word, reasons) = judged(judgement);
    html! {
        (tone.pill(word))
        @if !reasons.is_empty() { p class="text small" { (reasons) } }
    }
}

pub(super) fn faults(report: &RunReport) -> Markup {
    html! {
        @if !report.faults.is_empty() {
            section {
                h2 { "Faults: asked and observed" }
                @for fault in &report.faults { (fault_card(report, fault)) }
            }
        }
    }
}

fn fault_card(report: &RunReport, fault: &FaultReport) -> Markup {
    let targets: Vec<String> =
        report.targets(fault).iter().map(|target| one_line(&target.to_string())).collect();
    html! {
        article class="card" {
            div class="head" {
                h3 { (fault.id) }
                span class="soft" { (fault.kind) }
                (injected(fault.effect.as_ref()))
            }
            dl class="facts wide" {
                @if !targets.is_empty() { (fact("Touches", &targets.join(", "))) }
                (fact("If the runner is killed", &fault.guarantee.to_string()))
                div { dt { "Undo" } dd { (undo(fault.undo.as_ref())) } }
            }
            @if let Some(effect) = &fault.effect { (effect_part(effect)) }
        }
    }
}

fn injected(effect: Option<&Effect>) -> Markup {
    match effect.map(|effect| &effect.injected) {
        Some(Injected::Yes) => GOOD.pill("effect seen"),
        Some(Injected::No { .. }) => BAD.pill("not injected"),
        Some(_) => UNSURE.pill("effect not measured"),
        None => CALM.pill("never on"),
    }
}

fn undo(report: Option<&UndoReport>) -> Markup {
    let Some(report) = report else { return html! { "not needed" } };
    let tries = if report.tries == 1 { "1 try".to_owned() } else { format!("{} tries", report.tries) };
    let tone = if report.how.is_clear() { GOOD } else { BAD };
    let how = one_line(&report.how.to_string());
    let (word, why) = how.split_once(": ").unwrap_or((&how, ""));
    html! {
        (tone.pill(word)) " in " (duration(report.took)) ", " (tries)
        @if !why.is_empty() { p class="small" { (why) } }
    }
}

fn effect_part(effect: &Effect) -> Markup {
    let why = match &effect.injected {
        Injected::No { why } | Injected::NotMeasured { why } => Some(one_line(why)),
        _ => None,
    };
    html! {
        @if let Some(why) = why { p { (why) } }
        @if !effect.figures.is_empty() {
            div class="scroll" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Effect" }
                            th class="n" scope="col" { "Asked" }
                            th class="n" scope="col" { "Observed" }
                            th class="n" scope="col" { "Difference" }
                        }
                    }
                    tbody {
                        @for figure in &effect.figures {
                            tr {
                                td { (one_line(&figure.name)) }
                                td class="n" { (optional(figure.asked, &figure.unit)) }
                                td class="n" { (optional(figure.observed, &figure.unit)) }
                                td class="n" { (difference(figure)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `+1.3 ms (+1.3%)`; a dash where one of both is missing.
fn difference(figure: &EffectFigure) -> String {
    let (Some(asked), Some(observed)) = (figure.asked, figure.observed) else { return "–".into() };
    let sign = if observed < asked { "-" } else { "+" };
    let by = (observed - asked).abs();
    let share = by / asked.abs() * 100.0;
    let shown = format!("{sign}{}", optional(Some(by), &figure.unit));
    if share.is_finite() { format!("{shown} ({sign}{}%)", number(share)) } else { shown }
}

pub(super) fn phases(report: &RunReport) -> Markup {
    html! {
        @if let Some(first) = report.phases.first() {
            section {
                h2 { "Phases" }
                div class="card scroll" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Time" }
                                th class="n" scope="col" { "Since start" }
                                th scope="col" { "Phase" }
                                th class="n" scope="col" { "Took" }
                                th scope="col" { "Note" }
                            }
                        }
                        tbody {
                            @for (index, start) in report.phases.iter().enumerate() {
                                (phase(first, start, report.phases.get(index + 1)))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn phase(first: &PhaseStart, start: &PhaseStart, next: Option<&PhaseStart>) -> Markup {
    let took = next.map(|next| duration((next.at - start.at).to_std().unwrap_or_default()));
    html! {
        tr {
            td class="t" { (time_of_day(start.at)) }
            td class="n" { (offset(first.at, start.at)) }
            td class="name" { (start.phase) }
            td class="n" { (took.unwrap_or_default()) }
            td dir="auto" { (one_line(&start.note)) }
        }
    }
}
