use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::JournalError,
    id::RunId,
    journal::{Durability, Event, EventBody, Journal, Outstanding, fold},
};

/// Up to here a run's events take no more room than they need: there may be ten thousand runs.
const SMALL: usize = 16;

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
        let known = runs.events.entry(run.clone()).or_default();
        if known.len() < SMALL {
            known.reserve_exact(events.len());
        }
        known.extend_from_slice(events);
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::{experiment::ExperimentStatus, id::FaultId, journal::RunInfo, undo::ProcessId};

    fn run(number: u32) -> RunId {
        RunId::from_parts(DateTime::<Utc>::UNIX_EPOCH, number)
    }

    fn event(body: EventBody) -> Event {
        Event::new(DateTime::<Utc>::UNIX_EPOCH, body)
    }

    fn opening() -> Event {
        let runner = ProcessId { boot_id: "b".into(), pid: 1, start_time: 1 };
        event(EventBody::Run(RunInfo::new("e".into(), 1, runner)))
    }

    fn closing() -> Event {
        event(EventBody::Closed { status: ExperimentStatus::Success })
    }

    fn open(journal: &MemoryJournal) -> Vec<RunId> {
        journal.outstanding().unwrap().into_iter().map(|open| open.run).collect()
    }

    #[test]
    fn a_run_is_opened_first_and_keeps_its_events_in_order() {
        let journal = MemoryJournal::new();
        let applied = event(EventBody::Applied { fault: FaultId::numbered(0) });
        let refused = journal.append(&run(1), std::slice::from_ref(&applied), Durability::Durable);
        assert!(matches!(refused, Err(JournalError::NoSuchRun { .. })));
        journal.append(&run(1), &[opening()], Durability::Durable).unwrap();
        journal.append(&run(1), std::slice::from_ref(&applied), Durability::Written).unwrap();
        assert_eq!(journal.events(&run(1)), [opening(), applied]);
        assert_eq!(journal.runs(), [run(1)]);
    }

    #[test]
    fn only_what_no_one_holds_is_outstanding_and_once() {
        let journal = MemoryJournal::new();
        journal.append(&run(1), &[opening()], Durability::Durable).unwrap();
        journal.append(&run(2), &[opening(), closing()], Durability::Durable).unwrap();
        assert!(open(&journal).is_empty(), "the runner holds it");
        journal.crash();
        assert_eq!(open(&journal), [run(1)]);
        assert!(open(&journal).is_empty(), "the recovery holds it");
        journal.release(&run(1));
        assert_eq!(open(&journal), [run(1)]);
        journal.append(&run(1), &[closing()], Durability::Durable).unwrap();
        journal.crash();
        assert!(open(&journal).is_empty());
    }

    #[test]
    fn a_forgetting_journal_keeps_open_runs_only() {
        let journal = MemoryJournal::forgetting();
        journal.append(&run(1), &[opening()], Durability::Durable).unwrap();
        journal.append(&run(2), &[opening()], Durability::Durable).unwrap();
        journal.append(&run(1), &[closing()], Durability::Durable).unwrap();
        assert_eq!(journal.runs(), [run(2)]);
    }
}
