//! The events of a journal in the words of an incident.

use chaos_core::{
    experiment::Phase,
    journal::{Event, EventBody},
};
use incident_model::{Milestone, Severity, TimelineEvent};

use super::story::{Story, is_stuck};

/// One line an event; two or more where it reaches several milestones. The recovery, if it is known, stands before the run's end.
pub(super) fn of(
    story: &Story,
    events: &[Event],
    mut recovered: Option<TimelineEvent>,
    not_back: bool,
) -> Vec<TimelineEvent> {
    let mut lines = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        if matches!(event.body, EventBody::Phase { phase: Phase::Closed, .. }) {
            lines.extend(recovered.take());
        }
        let skip = |milestone: &&Milestone| not_back && **milestone == Milestone::Resolved;
        let reached: Vec<&Milestone> = story.milestones_at(index).filter(|it| !skip(it)).collect();
        lines.extend(reached.iter().map(|milestone| reach(story, event, milestone)));
        if is_stuck(&event.body) {
            lines.push(TimelineEvent::severity(event.at, Severity::Sev2).with_text(words(&event.body)));
        } else if reached.is_empty() {
            lines.push(TimelineEvent::note(event.at, words(&event.body)));
        }
    }
    lines.extend(recovered);
    lines
}

fn reach(story: &Story, event: &Event, milestone: &Milestone) -> TimelineEvent {
    let text = match (milestone, &event.body) {
        (Milestone::Detected, body) => detection(story, body),
        (Milestone::ImpactStarted, EventBody::Intent { undo }) => {
            format!("{} ({}) may have landed from here on", undo.fault, undo.kind)
        }
        (_, body) => words(body),
    };
    TimelineEvent::milestone(event.at, milestone.clone()).with_text(text)
}

fn detection(story: &Story, body: &EventBody) -> String {
    match body {
        EventBody::Phase { note, .. } => note.clone(),
        EventBody::Stuck { .. } if !story.abandoned() => "an undo is stuck".into(),
        EventBody::Undone { .. } | EventBody::Stuck { .. } => {
            "a recovery finds the run, whose runner did not roll back".into()
        }
        _ if story.has_conclusion() => words(body),
        _ => "a recovery closes the run, which its runner left open".into(),
    }
}

fn words(body: &EventBody) -> String {
    match body {
        EventBody::Run(info) => {
            format!("the run begins: {} (seed {}, pid {})", info.experiment, info.seed, info.runner.pid)
        }
        EventBody::Intent { undo } => {
            let targets: Vec<String> = undo.targets.iter().map(ToString::to_string).collect();
            format!("about to inject {} ({}) on {}", undo.fault, undo.kind, targets.join(", "))
        }
        EventBody::Applied { fault } => format!("{fault} is on"),
        EventBody::Undone { fault, how } => format!("{fault}: {how}"),
        EventBody::Stuck { fault, why, manual } => format!("{fault} is stuck: {why}{}", by_hand(manual)),
        EventBody::Phase { phase: Phase::Closed, note } => format!("the run ends: {note}"),
        EventBody::Phase { phase, note } if note.is_empty() => format!("{phase} begins"),
        EventBody::Phase { phase, note } => format!("{phase} begins: {note}"),
        EventBody::Closed { status } => format!("the run is closed as {status}"),
        _ => "an event of a newer program".into(),
    }
}

fn by_hand(manual: &str) -> String {
    if manual.is_empty() { String::new() } else { format!("; by hand: {manual}") }
}
