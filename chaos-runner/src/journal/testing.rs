//! Values that the tests of the journal share.

use chaos_core::{
    experiment::{ExperimentStatus, Phase},
    id::{FaultId, FaultKind, RunId},
    injector::{FaultCtx, Guarantee, Prepared},
    journal::{Event, EventBody, RunInfo},
    scope::Target,
    undo::{Reverted, UndoRecord},
};
use chrono::{DateTime, Utc};

use super::record::encode;

pub(crate) fn at() -> DateTime<Utc> {
    "2026-01-17T14:30:00Z".parse().unwrap()
}

pub(crate) fn run(number: u32) -> RunId {
    RunId::from_parts(at(), number)
}

pub(crate) fn fault(number: usize) -> FaultId {
    FaultId::numbered(number - 1)
}

pub(crate) fn event(body: EventBody) -> Event {
    Event::new(at(), body)
}

pub(crate) fn opening() -> Event {
    event(EventBody::Run(RunInfo::new("the database is slow".into(), 7, crate::sys::process_id())))
}

pub(crate) fn undo(number: usize) -> UndoRecord {
    let kind = FaultKind::from_static("test.fault");
    let prepared =
        Prepared::held_by_process(kind.clone(), &serde_json::json!({ "was": [1, "a\nb"] })).unwrap();
    let ctx = FaultCtx::new(run(1), fault(number), at());
    let prepared = prepared.target(Target::new("test", "db"));
    UndoRecord::new(&ctx, kind, Guarantee::Process, &prepared, crate::sys::process_id())
}

pub(crate) fn intent(number: usize) -> Event {
    event(EventBody::Intent { undo: undo(number).into() })
}

pub(crate) fn applied(number: usize) -> Event {
    event(EventBody::Applied { fault: fault(number) })
}

pub(crate) fn undone(number: usize) -> Event {
    event(EventBody::Undone { fault: fault(number), how: Reverted::Undone })
}

pub(crate) fn stuck(number: usize) -> Event {
    event(EventBody::Stuck { fault: fault(number), why: "busy".into(), manual: "end it by hand".into() })
}

pub(crate) fn phase(phase: Phase) -> Event {
    event(EventBody::Phase { phase, note: String::new() })
}

pub(crate) fn closed() -> Event {
    event(EventBody::Closed { status: ExperimentStatus::Success })
}

/// The lines of events that are numbered from 1.
pub(crate) fn lines(events: &[Event]) -> Vec<Vec<u8>> {
    let line = |(number, event)| {
        let mut line = Vec::new();
        encode(&mut line, number, event).unwrap();
        line
    };
    (1..).zip(events).map(line).collect()
}
