use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::JournalError,
    id::RunId,
    journal::{Durability, Event, EventBody, Journal, Outstanding, fold},
};

/// A journal in memory: for tests, and for runs whose faults end with the process anyway.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    runs: Mutex<Runs>,
    forgets: bool,
}

#[derive(Debug, Default)]
struct Runs {
    events: BTreeMap<RunId, Vec<Event>>,
    leased: BTreeSet<RunId>,
}

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty journal that forgets a run when it is closed, so that it does not grow.
    #[must_use]
    pub fn forgetting() -> Self {
        Self { forgets: true, ..Self::default() }
    }

    /// The events of a run, oldest first.
    #[must_use]
    pub fn events(&self, run: &RunId) -> Vec<Event> {
        self.lock().events.get(run).cloned().unwrap_or_default()
    }

    /// All runs.
    #[must_use]
    pub fn runs(&self) -> Vec<RunId> {
        self.lock().events.keys().cloned().collect()
    }

    /// Gives up every lease, as the death of the process does.
    pub fn crash(&self) {
        self.lock().leased.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn append(&self, run: &RunId, events: &[Event], _: Durability) -> Result<(), JournalError> {
        let mut runs = self.lock();
        let opens = matches!(events.first(), Some(Event { body: EventBody::Run(_), .. }));
        if !opens && !runs.events.contains_key(run) {
            return Err(JournalError::NoSuchRun { run: run.clone() });
        }
        let closes = events.iter().any(|event| matches!(event.body, EventBody::Closed { .. }));
        runs.events.entry(run.clone()).or_default().extend_from_slice(events);
        if closes {
            runs.leased.remove(run);
        } else {
            runs.leased.insert(run.clone());
        }
        if closes && self.forgets {
            runs.events.remove(run);
        }
        Ok(())
    }

    fn outstanding(&self) -> Result<Vec<Outstanding>, JournalError> {
        let mut runs = self.lock();
        let open: Vec<Outstanding> = runs
            .events
            .iter()
            .filter(|(run, events)| !runs.leased.contains(*run) && fold(events).closed.is_none())
            .map(|(run, events)| Outstanding::new(run.clone(), events.clone(), None))
            .collect();
        runs.leased.extend(open.iter().map(|open| open.run.clone()));
        Ok(open)
    }

    fn release(&self, run: &RunId) {
        self.lock().leased.remove(run);
    }
}
