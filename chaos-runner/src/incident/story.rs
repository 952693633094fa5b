//! What the events of a run say, read once.

use chaos_core::{
    experiment::{ExperimentStatus, Phase},
    journal::{Event, EventBody, JournalState, fold},
};
use incident_model::{Milestone, Severity};

use crate::report::{AbortReason, Conclusion};

/// Where the milestones of a run stand in its journal.
#[derive(Debug)]
pub(super) struct Story {
    state: JournalState,
    /// The reached milestones: index of the event, milestone.
    milestones: Vec<(usize, Milestone)>,
    /// An undo went wrong at some time.
    stuck: bool,
    /// The runner was gone before the run was over: it did not roll back, or somebody else closed the run.
    abandoned: bool,
    /// Why the rollback began, and what the run showed; empty where that is not written.
    rollback_note: String,
    conclusion: String,
}

impl Story {
    pub(super) fn of(events: &[Event]) -> Self {
        let state = fold(events);
        let note = |of: Phase| {
            let mut latest = events.iter().rev();
            let found = latest.find_map(|event| match &event.body {
                EventBody::Phase { phase, note } if *phase == of => Some(note.clone()),
                _ => None,
            });
            found.unwrap_or_default()
        };
        let conclusion = note(Phase::Closed);
        let closed_by_another = state.closed.is_some() && conclusion.is_empty();
        let mut story = Self {
            milestones: Vec::new(),
            stuck: events.iter().any(|event| is_stuck(&event.body)),
            abandoned: rollback(events).is_none() || closed_by_another,
            rollback_note: note(Phase::Rollback),
            conclusion,
            state,
        };
        story.milestones = story.find_milestones(events);
        story
    }

    /// Whether something may have landed that did not end in success.
    pub(super) fn opens_incident(&self) -> bool {
        let success = self.state.closed == Some(ExperimentStatus::Success)
            || self.conclusion == Conclusion::Success.to_string();
        let fine = success && self.state.is_clear();
        !self.state.faults.is_empty() && !fine
    }

    /// The severity before any undo got stuck.
    pub(super) fn opening_severity(&self) -> Severity {
        let open = !self.state.is_clear() && !self.stuck;
        if self.abandoned || open {
            Severity::Sev2
        } else if self.is_harmless() {
            Severity::Sev4
        } else {
            Severity::Sev3
        }
    }

    pub(super) fn experiment(&self) -> &str {
        self.state.info.as_ref().map_or("(its name is lost)", |info| &info.experiment)
    }

    /// What became of the run, for the title.
    pub(super) fn verdict(&self) -> &'static str {
        match self.state.closed {
            _ if !self.state.is_clear() => "left a fault behind",
            Some(ExperimentStatus::Aborted) if self.abandoned => "lost its runner",
            Some(ExperimentStatus::Aborted) => "aborted",
            _ => "failed",
        }
    }

    pub(super) const fn abandoned(&self) -> bool {
        self.abandoned
    }

    /// Whether the run has a conclusion of its own, written by its own runner.
    pub(super) const fn has_conclusion(&self) -> bool {
        !self.conclusion.is_empty()
    }

    /// The milestones that an event reaches, in order.
    pub(super) fn milestones_at(&self, index: usize) -> impl Iterator<Item = &Milestone> {
        self.milestones.iter().filter(move |(at, _)| *at == index).map(|(_, milestone)| milestone)
    }

    fn find_milestones(&self, events: &[Event]) -> Vec<(usize, Milestone)> {
        let position = |wanted: fn(&EventBody) -> bool| events.iter().position(|event| wanted(&event.body));
        let impact = position(|body| matches!(body, EventBody::Applied { .. }))
            .or_else(|| position(|body| matches!(body, EventBody::Intent { .. })));
        let rollback = rollback(events);
        let detects = |(index, event): (usize, &Event)| detects(index, &event.body, rollback);
        let detected = events.iter().enumerate().position(detects);
        let clear = self.state.is_clear();
        let mitigated = events.iter().rposition(|event| is_gone(&event.body)).filter(|_| clear);
        let resolved =
            events.iter().rposition(|event| matches!(event.body, EventBody::Closed { .. })).filter(|_| clear);
        let found = [
            (impact, Milestone::ImpactStarted),
            (detected, Milestone::Detected),
            (mitigated, Milestone::Mitigated),
            (resolved, Milestone::Resolved),
        ];
        found.into_iter().filter_map(|(index, milestone)| Some((index?, milestone))).collect()
    }

    /// Stopped from outside, or nothing was shown: nobody saw anything break.
    fn is_harmless(&self) -> bool {
        stopped_from_outside(&self.rollback_note) || shows_nothing(&self.conclusion)
    }
}

fn rollback(events: &[Event]) -> Option<usize> {
    events.iter().position(|event| matches!(event.body, EventBody::Phase { phase: Phase::Rollback, .. }))
}

/// Whether an event is the first to say that something is wrong. A rollback without a reason is that of a run that lasted as long as
/// planned; an undo before any rollback is that of a recovery.
fn detects(index: usize, body: &EventBody, rollback: Option<usize>) -> bool {
    match body {
        EventBody::Phase { phase: Phase::Rollback | Phase::Closed, note } => !note.is_empty(),
        EventBody::Undone { .. } => is_stuck(body) || rollback.is_none_or(|rollback| index < rollback),
        EventBody::Stuck { .. } | EventBody::Closed { .. } => true,
        _ => false,
    }
}

pub(super) fn is_stuck(body: &EventBody) -> bool {
    match body {
        EventBody::Stuck { .. } => true,
        EventBody::Undone { how, .. } => !how.is_clear(),
        _ => false,
    }
}

fn is_gone(body: &EventBody) -> bool {
    matches!(body, EventBody::Undone { how, .. } if how.is_clear())
}

/// The journal keeps the reason as text, in the words of [`AbortReason`].
fn stopped_from_outside(note: &str) -> bool {
    let plain = [AbortReason::Requested, AbortReason::HandleDropped, AbortReason::ShutDown];
    plain.iter().any(|reason| reason.to_string() == note)
        || note.starts_with(&AbortReason::Signal("").to_string())
}

/// The journal keeps the conclusion as text, in the words of [`Conclusion`].
fn shows_nothing(note: &str) -> bool {
    let words = [Conclusion::NotEvaluated(String::new()), Conclusion::NotInjected(String::new())];
    words.iter().any(|word| note.starts_with(&word.to_string()))
}
