use crate::{
    experiment::ExperimentStatus,
    id::FaultId,
    journal::{Event, EventBody, RunInfo},
    undo::UndoRecord,
};

/// What is known of one fault.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FaultState {
    /// The fault.
    pub fault: FaultId,
    /// Whether it may be there now: it is reverted then.
    pub may_have_landed: bool,
    /// All records of it, oldest first. Empty if only an `Applied` was found; the fault is found by its mark then.
    pub records: Vec<UndoRecord>,
    /// Why the last undo failed, if it did.
    pub stuck: Option<String>,
}

/// The state of a run, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct JournalState {
    /// What opened the run.
    pub info: Option<RunInfo>,
    /// The faults, in the order in which they first appear.
    pub faults: Vec<FaultState>,
    /// How the run was closed.
    pub closed: Option<ExperimentStatus>,
    /// How many events this program does not know.
    pub unknown_events: usize,
}

impl JournalState {
    /// The faults that may be there, last in first out.
    pub fn duties(&self) -> impl Iterator<Item = &FaultState> {
        self.faults.iter().rev().filter(|fault| fault.may_have_landed)
    }

    /// Whether nothing may have landed that is not known to be gone. `Closed` alone does not make it so.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.unknown_events == 0 && self.duties().next().is_none()
    }
}

/// Folds events into what is known. Total: an odd order, a missing event or an unknown one moves toward "may have landed".
///
/// Only an `Undone` that says the fault is gone, after the last `Intent` or `Applied` of that fault, clears the duty to undo it.
#[must_use]
pub fn fold(events: &[Event]) -> JournalState {
    let mut state = JournalState::default();
    events.iter().for_each(|event| apply(&mut state, &event.body));
    state
}

fn apply(state: &mut JournalState, body: &EventBody) {
    match body {
        EventBody::Run(info) => state.info = Some(info.clone()),
        EventBody::Intent { undo } => {
            let entry = landed(state, &undo.fault);
            entry.records.push(undo.clone());
        }
        EventBody::Applied { fault } => {
            landed(state, fault);
        }
        EventBody::Undone { fault, how } => {
            let entry = entry(state, fault);
            entry.may_have_landed &= !how.is_clear();
            entry.stuck = (!how.is_clear()).then(|| how.to_string());
        }
        EventBody::Stuck { fault, why, .. } => entry(state, fault).stuck = Some(why.clone()),
        EventBody::Phase { .. } => {}
        EventBody::Closed { status } => state.closed = Some(*status),
        EventBody::Unknown(_) => state.unknown_events += 1,
    }
}

fn landed<'a>(state: &'a mut JournalState, fault: &FaultId) -> &'a mut FaultState {
    let entry = entry(state, fault);
    entry.may_have_landed = true;
    entry
}

/// A fault that first appears in an `Undone` has nothing to clear; one that first appears as stuck may be there.
fn entry<'a>(state: &'a mut JournalState, fault: &FaultId) -> &'a mut FaultState {
    let index = state.faults.iter().position(|known| known.fault == *fault).unwrap_or_else(|| {
        let fault = fault.clone();
        state.faults.push(FaultState { fault, may_have_landed: true, records: Vec::new(), stuck: None });
        state.faults.len() - 1
    });
    &mut state.faults[index]
}
