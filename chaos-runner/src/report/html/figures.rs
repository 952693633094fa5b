//! The metrics: before, under the fault, after; as a table, as charts, and every look.

use chaos_core::{
    experiment::{Observation, Phase},
    metrics::Sample,
};
use maud::{Markup, html};

use super::UNSURE;
use crate::report::{
    RunReport,
    figures::{Series, Worst},
    svg::{self, Frame},
    words::{offset, one_line, time_of_day},
};

/// Up to this many looks are listed; more stand in the JSON report.
const LISTED: usize = 1_000;

pub(super) fn metrics(report: &RunReport) -> Markup {
    let series = report.series();
    html! {
        @if !series.is_empty() {
            section {
                h2 { "Metrics" }
                div class="card scroll" { (summary(&series)) }
                @if let Some(frame) = Frame::of(report) {
                    (legend(&frame, &series))
                    div class="charts" {
                        @for (index, series) in series.iter().enumerate() { (chart(&frame, series, index)) }
                    }
                }
            }
        }
    }
}

fn summary(series: &[Series<'_>]) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "Metric" }
                    th class="n" scope="col" { "Before" }
                    th class="n" scope="col" { "Worst under the fault" }
                    th class="n" scope="col" { "Last under the fault" }
                    th class="n" scope="col" { "After" }
                }
            }
            tbody {
                @for series in series {
                    tr {
                        td class="name" { (one_line(series.name)) }
                        td class="n" { (series.show_baseline()) }
                        (cell(series, Phase::Observation, worst(series), series.show_worst()))
                        (cell(series, Phase::Observation, series.last(), series.show_value(series.last())))
                        (cell(series, Phase::Verification, series.after(), series.show_value(series.after())))
                    }
                }
            }
        }
    }
}

/// A value outside a bound stands out; where nobody looked there is a dash.
fn cell(series: &Series<'_>, phase: Phase, value: Option<f64>, shown: String) -> Markup {
    let missed = value.is_some_and(|value| series.missed_by(value).is_some());
    let shown = if series.was_seen(phase) { shown } else { "–".into() };
    html! { td class=(if missed { "n miss" } else { "n" }) { (shown) } }
}

fn worst(series: &Series<'_>) -> Option<f64> {
    match series.worst() {
        Worst::Value(value) => Some(value),
        _ => None,
    }
}

fn chart(frame: &Frame, series: &Series<'_>, index: usize) -> Markup {
    let id = format!("metric-{index}");
    html! {
        figure class="card" {
            figcaption id=(id) {
                h3 { (one_line(series.name)) }
                p class="soft small" { (svg::in_words(series)) }
            }
            (svg::chart(frame, series, &id))
        }
    }
}

fn legend(frame: &Frame, series: &[Series<'_>]) -> Markup {
    let bounded = series.iter().any(|series| !series.bounds.is_empty());
    let unknown = series.iter().any(|series| series.unknown_count() > 0);
    html! {
        ul class="legend" {
            @for band in &frame.bands { li { span class={ "key " (band.class) } {} (band.label) } }
            @if bounded {
                li { (key(html! { path class="limit" d="M0 8H26" {} })) "bound" }
                li { (key(html! { circle class="point outside" cx="13" cy="8" r="4" {} })) "outside a bound" }
            }
            @if frame.stop.is_some() { li { (key(html! { path class="stop" d="M13 0V16" {} })) "stopped here" } }
            @if unknown {
                li {
                    (key(html! { g class="unknown" { path d="M13 0V16" {} text x="13" y="13" text-anchor="middle" { "?" } } }))
                    "unknown: no value, not zero"
                }
            }
        }
    }
}

fn key(drawing: Markup) -> Markup {
    html! { span class="key draw" aria-hidden="true" { svg viewBox="0 0 26 16" { (drawing) } } }
}

pub(super) fn samples(report: &RunReport) -> Markup {
    let observations = report.experiment.observations();
    let series = report.series();
    let start = report.phases.first().map(|start| start.at);
    html! {
        @if !observations.is_empty() && !series.is_empty() {
            details {
                summary { "All looks (" (observations.len()) ")" }
                @if observations.len() > LISTED {
                    p class="soft" { "The first " (LISTED) " are listed; the JSON report has all." }
                }
                div class="card scroll" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Time" }
                                th class="n" scope="col" { "Since start" }
                                th scope="col" { "Phase" }
                                @for series in &series { th class="n" scope="col" { (one_line(series.name)) } }
                            }
                        }
                        tbody {
                            @for observation in observations.iter().take(LISTED) {
                                tr {
                                    td class="t" { (time_of_day(observation.at)) }
                                    td class="n" { (offset(start.unwrap_or(observation.at), observation.at)) }
                                    td { (observation.phase) }
                                    @for series in &series { (look(series, observation)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn look(series: &Series<'_>, observation: &Observation) -> Markup {
    html! {
        td class="n" {
            @match observation.metrics.sample(series.name) {
                Sample::Value(value) => { (series.unit.show(value)) }
                Sample::Unknown(why) => { span title=(one_line(&why.to_string())) { (UNSURE.pill("unknown")) } }
                _ => { (UNSURE.pill("unknown")) }
            }
        }
    }
}
