//! The report for people: one page that needs nothing but itself.
//!
//! No script, no request: a policy in the page forbids both. maud escapes every text, and [`clean`] takes out of it what could reorder a
//! line. The style sheet follows the reader's choice of light or dark, a narrow screen, and paper.

mod figures;
mod results;

use chaos_core::experiment::Phase;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Conclusion, RunReport, text,
    words::{clean, duration},
};

const STYLE: &str = include_str!("report.css");

/// Nothing may be loaded or run; the style sheet stands in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

impl RunReport {
    /// The report as an HTML page that needs nothing but itself: no script, no request, its charts drawn in it.
    ///
    /// It follows the reader's choice of light or dark and reads on a phone and on paper. Text from the experiment, the faults and the
    /// metrics is escaped.
    #[must_use]
    pub fn to_html(&self) -> String {
        page(self).into_string()
    }
}

/// How a result is coloured, and the sign that says the same without a colour.
#[derive(Debug, Clone, Copy)]
struct Tone {
    class: &'static str,
    sign: &'static str,
}

const GOOD: Tone = Tone { class: "good", sign: "✓" };
const BAD: Tone = Tone { class: "bad", sign: "✕" };
const WARN: Tone = Tone { class: "warn", sign: "■" };
const UNSURE: Tone = Tone { class: "unsure", sign: "?" };
const CALM: Tone = Tone { class: "calm", sign: "–" };
const ALARM: Tone = Tone { class: "alarm", sign: "!" };

impl Tone {
    fn pill(self, words: &str) -> Markup {
        html! { span class={ "pill " (self.class) } { span aria-hidden="true" { (self.sign) } (words) } }
    }
}

fn page(report: &RunReport) -> Markup {
    let name = clean(&report.experiment.name);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (report.conclusion.word()) ": " (name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    (header(report, &name))
                    (results::left_behind(report))
                    (expectation(report))
                    (results::criteria(report))
                    (results::steady_state(report))
                    (figures::metrics(report))
                    (results::faults(report))
                    (results::phases(report))
                    (figures::samples(report))
                    (footer(report))
                }
            }
        }
    }
}

fn header(report: &RunReport, name: &str) -> Markup {
    let tone = tone(&report.conclusion);
    html! {
        header {
            p class="over" { "Chaos experiment" }
            h1 dir="auto" { (name) }
            div class="verdict" {
                span class={ "badge " (tone.class) } {
                    span aria-hidden="true" { (tone.sign) } (report.conclusion.word())
                }
                p dir="auto" { (clean(&report.conclusion.explanation())) }
            }
            dl class="facts" {
                (fact("Status", report.status().as_str()))
                (fact("Run", report.run.as_str()))
                @if let Some(start) = report.phases.first() {
                    (fact("Began", &start.at.format("%Y-%m-%d %H:%M:%S UTC").to_string()))
                }
                @if let Some(time) = held_for(report) {
                    (fact("Fault on for", &format!("{time} of {} planned", duration(report.plan.duration))))
                }
                (fact("Seed", &report.plan.seed.to_string()))
                (fact("Exit code", &report.exit_code().to_string()))
            }
        }
    }
}

/// From the first injection to the beginning of the rollback.
fn held_for(report: &RunReport) -> Option<String> {
    let start = |phase| report.phases.iter().find(|start| start.phase == phase);
    let time = start(Phase::Rollback)?.at - start(Phase::Injection)?.at;
    Some(duration(time.to_std().unwrap_or_default()))
}

fn expectation(report: &RunReport) -> Markup {
    let experiment = &report.experiment;
    let texts = [
        ("Hypothesis", &experiment.hypothesis.text),
        ("Blast radius", &experiment.blast_radius.text),
        ("Rollback plan", &experiment.rollback_plan),
    ];
    let said: Vec<_> = texts.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect();
    html! {
        @if !said.is_empty() {
            section {
                h2 { "What was tried" }
                dl class="card facts wide" {
                    @for (label, text) in said {
                        div { dt { (label) } dd class="text" dir="auto" { (clean(text.trim())) } }
                    }
                }
            }
        }
    }
}

fn footer(report: &RunReport) -> Markup {
    html! {
        footer class="soft small" {
            "Written by chaos-runner " (env!("CARGO_PKG_VERSION")) " for run " (report.run)
            ". All times are UTC. The run's journal and its JSON report hold the same figures in full."
        }
    }
}

fn fact(label: &str, text: &str) -> Markup {
    html! { div { dt { (label) } dd { (text) } } }
}

const fn tone(conclusion: &Conclusion) -> Tone {
    match conclusion {
        Conclusion::Success => GOOD,
        Conclusion::NotHeld(_) | Conclusion::Failed(_) => BAD,
        Conclusion::NotEvaluated(_) | Conclusion::NotInjected(_) => UNSURE,
        Conclusion::Refused(_) => CALM,
        Conclusion::Aborted(_) => WARN,
        Conclusion::LeftBehind => ALARM,
    }
}

/// A judgement on the steady state in one line.
fn judged(judgement: &chaos_core::probe::Judgement) -> (Tone, &'static str, String) {
    use chaos_core::probe::Judgement;
    match judgement {
        Judgement::Held => (GOOD, "held", String::new()),
        Judgement::Deviated { reasons } => (BAD, "deviated", clean(&reasons.join("\n"))),
        Judgement::Unknown { reasons } => (UNSURE, "unknown", clean(&reasons.join("\n"))),
        other => (UNSURE, "unknown", text::judged_as(other)),
    }
}

#[cfg(test)]
mod tests;
