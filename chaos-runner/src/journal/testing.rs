//! Values that the tests of the journal share.

use chaos_core::{
    id::{FaultId, FaultKind, RunId},
    injector::{FaultCtx, Guarantee, Prepared},
    journal::{Event, EventBody, RunInfo},
    scope::Target,
    undo::UndoRecord,
};
use chrono::{DateTime, Utc};

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
    event(EventBody::Intent { undo: undo(number) })
}
