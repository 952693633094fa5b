use std::collections::HashMap;

use chaos_core::{
    experiment::Phase,
    id::FaultId,
    journal::{Event, EventBody},
    undo::Reverted,
};

/// What a journal has already been told, so that a recovery that is killed and run again does not grow it.
#[derive(Debug, Default)]
pub(super) struct Told {
    faults: HashMap<FaultId, Fault>,
    phase: Option<(Phase, String)>,
    closed: bool,
}

/// What was told of a fault since it last may have landed.
#[derive(Debug, Default)]
struct Fault {
    clear: bool,
    undone: Option<Reverted>,
    stuck: Option<(String, String)>,
}

impl Told {
    /// What a journal with these events was told.
    pub(super) fn of(events: &[Event]) -> Self {
        let mut told = Self::default();
        events.iter().for_each(|event| told.note(&event.body));
        told
    }

    /// Whether the run was closed.
    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// How many faults may be there, and so may need to be told of again.
    pub(super) fn duties(&self) -> usize {
        self.faults.values().filter(|fault| !fault.clear).count()
    }

    /// Whether an event says what the journal does not say yet. Intents, what was applied and unknown events always do.
    pub(super) fn is_news(&self, body: &EventBody) -> bool {
        match body {
            EventBody::Undone { fault, how } => self.faults.get(fault).is_none_or(|fault| fault.is_news(how)),
            EventBody::Stuck { fault, why, manual } => {
                let known = self.faults.get(fault).and_then(|fault| fault.stuck.as_ref());
                known.is_none_or(|(known, by_hand)| known != why || by_hand != manual)
            }
            EventBody::Phase { phase, note } => {
                self.phase.as_ref().is_none_or(|(last, why)| last != phase || why != note)
            }
            EventBody::Closed { .. } => !self.closed,
            _ => true,
        }
    }

    /// Remembers an event that was written.
    pub(super) fn note(&mut self, body: &EventBody) {
        match body {
            EventBody::Intent { undo } => self.landed(&undo.fault),
            EventBody::Applied { fault } => self.landed(fault),
            EventBody::Undone { fault, how } => {
                let fault = self.faults.entry(fault.clone()).or_default();
                fault.clear |= how.is_clear();
                fault.undone = Some(how.clone());
            }
            EventBody::Stuck { fault, why, manual } => {
                self.faults.entry(fault.clone()).or_default().stuck = Some((why.clone(), manual.clone()));
            }
            EventBody::Phase { phase, note } => self.phase = Some((*phase, note.clone())),
            EventBody::Closed { .. } => self.closed = true,
            _ => {}
        }
    }

    fn landed(&mut self, fault: &FaultId) {
        self.faults.insert(fault.clone(), Fault::default());
    }
}

impl Fault {
    fn is_news(&self, how: &Reverted) -> bool {
        if how.is_clear() { !self.clear } else { self.undone.as_ref() != Some(how) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing;

    fn undone(how: Reverted) -> EventBody {
        EventBody::Undone { fault: testing::fault(1), how }
    }

    fn stuck(why: &str) -> EventBody {
        EventBody::Stuck { fault: testing::fault(1), why: why.into(), manual: "look".into() }
    }

    fn told(bodies: &[EventBody]) -> Told {
        let mut told = Told::default();
        bodies.iter().for_each(|body| told.note(body));
        told
    }

    #[test]
    fn what_was_told_is_no_news_until_the_fault_lands_again() {
        let intent = EventBody::Intent { undo: testing::undo(1).into() };
        let why = Reverted::Stuck { why: "busy".into() };
        let told_once = told(&[intent.clone(), undone(why.clone()), stuck("busy")]);
        assert!(!told_once.is_news(&undone(why.clone())));
        assert!(!told_once.is_news(&stuck("busy")));
        assert!(told_once.is_news(&stuck("gone")));
        assert!(told_once.is_news(&undone(Reverted::Undone)));
        assert!(told_once.is_news(&intent));
        let again = told(&[intent.clone(), undone(Reverted::Undone), stuck("busy"), intent]);
        assert!(again.is_news(&undone(Reverted::Undone)));
        assert!(again.is_news(&stuck("busy")));
        assert_eq!(again.duties(), 1);
    }

    #[test]
    fn a_cleared_fault_is_not_cleared_twice() {
        let cleared = told(&[undone(Reverted::Undone)]);
        assert!(!cleared.is_news(&undone(Reverted::NothingToDo)));
        assert_eq!(cleared.duties(), 0);
    }

    #[test]
    fn a_phase_is_told_once_in_a_row() {
        let phase = |phase| EventBody::Phase { phase, note: "recovery".into() };
        let told = told(&[phase(Phase::Rollback)]);
        assert!(!told.is_news(&phase(Phase::Rollback)));
        assert!(told.is_news(&phase(Phase::Verification)));
    }
}
