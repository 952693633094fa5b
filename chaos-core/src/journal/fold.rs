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
/// Only an `Undone` that says the fault is gone, after the last `Intent`, `Applied` or `Stuck` of that fault, clears the duty to undo
/// it.
///
/// ```
/// use chaos_core::{id::FaultId, journal::{Event, EventBody, fold}, undo::Reverted};
/// let event = |body| Event::new("2026-01-14T10:00:00Z".parse().expect("an instant"), body);
/// let fault = FaultId::numbered(0);
/// let mut events = vec![event(EventBody::Applied { fault: fault.clone() })];
/// assert_eq!(fold(&events).duties().count(), 1);
/// events.push(event(EventBody::Undone { fault, how: Reverted::Undone }));
/// assert!(fold(&events).is_clear());
/// ```
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
            entry.records.push((**undo).clone());
        }
        EventBody::Applied { fault } => {
            landed(state, fault);
        }
        EventBody::Undone { fault, how } => {
            let entry = entry(state, fault);
            entry.may_have_landed = !how.is_clear();
            entry.stuck = (!how.is_clear()).then(|| how.to_string());
        }
        EventBody::Stuck { fault, why, .. } => landed(state, fault).stuck = Some(why.clone()),
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

/// The fault's entry; one that was not there yet may have landed.
fn entry<'a>(state: &'a mut JournalState, fault: &FaultId) -> &'a mut FaultState {
    let index = state.faults.iter().position(|known| known.fault == *fault).unwrap_or_else(|| {
        let fault = fault.clone();
        state.faults.push(FaultState { fault, may_have_landed: true, records: Vec::new(), stuck: None });
        state.faults.len() - 1
    });
    &mut state.faults[index]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::{DateTime, Utc};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        experiment::Phase,
        id::{FaultKind, RunId},
        injector::{FaultCtx, Guarantee, Prepared},
        journal::Durability,
        undo::{ProcessId, Reverted},
    };

    fn fault(number: usize) -> FaultId {
        FaultId::numbered(number)
    }

    fn event(body: EventBody) -> Event {
        Event::new(DateTime::<Utc>::UNIX_EPOCH, body)
    }

    fn intent(number: usize) -> Event {
        let run = RunId::from_parts(DateTime::<Utc>::UNIX_EPOCH, 1);
        let kind = FaultKind::from_static("test.fold");
        let prepared = Prepared::held_by_process(kind.clone(), &number).unwrap();
        let ctx = FaultCtx::new(run, fault(number), DateTime::<Utc>::UNIX_EPOCH);
        let holder = ProcessId { boot_id: "b".into(), pid: 1, start_time: 1 };
        event(EventBody::Intent {
            undo: UndoRecord::new(&ctx, kind, Guarantee::Recover, &prepared, holder).into(),
        })
    }

    fn applied(number: usize) -> Event {
        event(EventBody::Applied { fault: fault(number) })
    }

    fn undone(number: usize, how: Reverted) -> Event {
        event(EventBody::Undone { fault: fault(number), how })
    }

    fn stuck(number: usize) -> Event {
        event(EventBody::Stuck { fault: fault(number), why: "why".into(), manual: String::new() })
    }

    fn duties(events: &[Event]) -> Vec<FaultId> {
        fold(events).duties().map(|state| state.fault.clone()).collect()
    }

    #[test]
    fn only_an_undone_after_the_last_intent_or_applied_clears() {
        let clear = || undone(0, Reverted::Undone);
        assert_eq!(duties(&[intent(0)]), [fault(0)]);
        assert!(duties(&[intent(0), clear()]).is_empty());
        assert_eq!(duties(&[intent(0), clear(), applied(0)]), [fault(0)]);
        assert_eq!(duties(&[intent(0), clear(), intent(0)]), [fault(0)]);
        assert_eq!(duties(&[applied(0)]), [fault(0)], "a lost intent");
        assert!(fold(&[applied(0)]).faults[0].records.is_empty());
        assert_eq!(
            duties(&[intent(0), event(EventBody::Closed { status: ExperimentStatus::Success })]),
            [fault(0)]
        );
        assert_eq!(duties(&[clear(), intent(0)]), [fault(0)], "an odd order");
        assert_eq!(duties(&[intent(0), clear(), stuck(0)]), [fault(0)]);
        assert_eq!(duties(&[stuck(0)]), [fault(0)]);
    }

    #[test]
    fn an_undone_that_says_it_is_not_gone_clears_nothing() {
        let run = RunId::from_parts(DateTime::<Utc>::UNIX_EPOCH, 2);
        for how in [Reverted::Stuck { why: "busy".into() }, Reverted::HeldBy(run)] {
            assert_eq!(duties(&[intent(0), undone(0, how.clone())]), [fault(0)]);
            assert_eq!(duties(&[intent(0), undone(0, Reverted::Undone), undone(0, how.clone())]), [fault(0)]);
            assert!(fold(&[intent(0), undone(0, how)]).faults[0].stuck.is_some());
        }
        for how in [Reverted::Undone, Reverted::NothingToDo, Reverted::TargetGone] {
            let state = fold(&[intent(0), stuck(0), undone(0, how)]);
            assert!(state.is_clear() && state.faults[0].stuck.is_none());
        }
    }

    #[test]
    fn duties_come_last_in_first_out_and_keep_all_records() {
        let events = [intent(0), intent(1), applied(0), intent(2), undone(1, Reverted::Undone), intent(0)];
        assert_eq!(duties(&events), [fault(2), fault(0)]);
        assert_eq!(fold(&events).faults[0].records.len(), 2);
    }

    #[test]
    fn an_unknown_event_keeps_a_run_open() {
        let state =
            fold(&[intent(0), undone(0, Reverted::Undone), event(EventBody::Unknown(json!({ "new": 1 })))]);
        assert_eq!((state.unknown_events, state.is_clear()), (1, false));
    }

    fn any_event() -> impl Strategy<Value = Event> {
        let number = 0..3_usize;
        let how = prop_oneof![
            Just(Reverted::Undone),
            Just(Reverted::NothingToDo),
            Just(Reverted::TargetGone),
            Just(Reverted::Stuck { why: "w".into() }),
        ];
        prop_oneof![
            number.clone().prop_map(intent),
            number.clone().prop_map(applied),
            (number.clone(), how).prop_map(|(number, how)| undone(number, how)),
            number.prop_map(stuck),
            Just(event(EventBody::Phase { phase: Phase::Rollback, note: String::new() })),
            Just(event(EventBody::Closed { status: ExperimentStatus::Failed })),
            Just(event(EventBody::Unknown(json!(1)))),
        ]
    }

    /// A step of a run: it writes its event, and the world changes.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Inject(usize, bool),
        Undo(usize, bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3_usize, any::<bool>()).prop_map(|(number, noted)| Step::Inject(number, noted)),
            (0..3_usize, any::<bool>()).prop_map(|(number, noted)| Step::Undo(number, noted)),
        ]
    }

    proptest! {
        #[test]
        fn the_fold_is_total_and_clears_only_by_the_last_event_of_a_fault(events in prop::collection::vec(any_event(), 0..20)) {
            let state = fold(&events);
            for known in &state.faults {
                let last = events.iter().rev().find_map(|event| match &event.body {
                    EventBody::Intent { undo } if undo.fault == known.fault => Some(false),
                    EventBody::Applied { fault } | EventBody::Stuck { fault, .. } if *fault == known.fault => Some(false),
                    EventBody::Undone { fault, how } if *fault == known.fault => Some(how.is_clear()),
                    _ => None,
                });
                prop_assert_eq!(last, Some(!known.may_have_landed));
            }
        }

        #[test]
        fn a_lost_undone_or_an_unknown_event_never_clears_a_duty(
            events in prop::collection::vec(any_event(), 0..20), at in any::<prop::sample::Index>(),
        ) {
            let before: BTreeSet<_> = duties(&events).into_iter().collect();
            let at = at.index(events.len() + 1);
            let mut more = events.clone();
            more.insert(at, event(EventBody::Unknown(json!(1))));
            let after: BTreeSet<_> = duties(&more).into_iter().collect();
            prop_assert!(after == before && !fold(&more).is_clear());
            if matches!(events.get(at), Some(Event { body: EventBody::Undone { how, .. }, .. }) if how.is_clear()) {
                let mut less = events.clone();
                less.remove(at);
                let lost: BTreeSet<_> = duties(&less).into_iter().collect();
                prop_assert!(before.is_subset(&lost), "{before:?} became {lost:?}");
            }
        }

        #[test]
        fn whatever_is_in_the_world_is_a_duty_wherever_the_log_is_torn(
            steps in prop::collection::vec(step(), 0..12), crash in any::<prop::sample::Index>(), torn in 0..8_usize,
        ) {
            let (mut log, mut world) = (Vec::<(Event, Durability)>::new(), BTreeSet::new());
            for step in &steps[..crash.index(steps.len() + 1)] {
                match *step {
                    Step::Inject(number, noted) => {
                        log.push((intent(number), Durability::Durable));
                        world.insert(fault(number));
                        log.extend(noted.then(|| (applied(number), Durability::Written)));
                    }
                    Step::Undo(number, noted) => {
                        world.remove(&fault(number));
                        log.extend(noted.then(|| (undone(number, Reverted::Undone), Durability::Written)));
                    }
                }
            }
            for _ in 0..torn {
                if log.last().is_some_and(|(_, durability)| *durability == Durability::Written) {
                    log.pop();
                }
            }
            let events: Vec<Event> = log.into_iter().map(|(event, _)| event).collect();
            let duties: BTreeSet<_> = duties(&events).into_iter().collect();
            prop_assert!(world.is_subset(&duties), "{world:?} is there, {duties:?} are known");
        }
    }
}
