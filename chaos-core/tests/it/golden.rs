//! What is written to disk outlives the code: these files are never changed, only added to.

use chaos_core::{
    experiment::{ExperimentStatus, Phase},
    id::{FaultId, FaultKind, RunId},
    injector::{FaultCtx, Guarantee, Prepared},
    journal::{Event, EventBody, RunInfo, fold},
    scope::Target,
    undo::{ProcessId, Reverted, UndoRecord},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(1_800_000_000_123_456_789)
}

fn runner() -> ProcessId {
    ProcessId { boot_id: "a8a5e3b6-1f0a-4f2f-9d54-0c5f5f1f7e11".into(), pid: 4242, start_time: 987_654_321 }
}

fn record() -> UndoRecord {
    let kind = FaultKind::from_static("net.delay");
    let ctx = FaultCtx::new(RunId::from_parts(now(), 0x9f86_d081), FaultId::numbered(0), now());
    let state =
        json!({ "interface": "eth0", "previous": null, "handles": [1, 18_446_744_073_709_551_615_u64] });
    let prepared = Prepared::held_by_process(kind.clone(), &state)
        .unwrap()
        .target(Target::new("interface", "eth0"))
        .manual("tc qdisc del dev eth0 root");
    UndoRecord::new(&ctx, kind, Guarantee::Guardian, &prepared, runner())
}

fn bodies() -> Vec<(&'static str, EventBody)> {
    let fault = || FaultId::numbered(0);
    let undone = |how| EventBody::Undone { fault: fault(), how };
    vec![
        ("run", EventBody::Run(RunInfo::new("Slow network".into(), u64::MAX, runner()))),
        ("intent", EventBody::Intent { undo: record().into() }),
        ("applied", EventBody::Applied { fault: fault() }),
        ("undone", undone(Reverted::Undone)),
        ("undone-nothing-to-do", undone(Reverted::NothingToDo)),
        ("undone-target-gone", undone(Reverted::TargetGone)),
        ("undone-held-by", undone(Reverted::HeldBy(RunId::from_parts(now(), 2)))),
        ("undone-stuck", undone(Reverted::Stuck { why: "busy".into() })),
        ("stuck", EventBody::Stuck { fault: fault(), why: "busy".into(), manual: "tc qdisc del".into() }),
        ("phase", EventBody::Phase { phase: Phase::Rollback, note: "error_rate is 12%".into() }),
        ("closed", EventBody::Closed { status: ExperimentStatus::Aborted }),
        ("unknown", EventBody::Unknown(json!({ "checkpoint": { "at": 3 } }))),
    ]
}

/// The golden file of this name, which holds what `value` is written as.
fn golden(name: &str, value: &impl serde::Serialize) -> String {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let written = serde_json::to_string_pretty(value).unwrap();
    let text =
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; write\n{written}"));
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(&written), value(&text), "{name} is written otherwise");
    text
}

#[test]
fn every_event_is_written_and_read_as_ever() {
    for (name, body) in bodies() {
        let event = Event::new(now(), body);
        let text = golden(&format!("event-{name}-v1"), &event);
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{name} is read otherwise");
    }
}

#[test]
fn the_undo_record_is_written_and_read_as_ever() {
    let text = golden("undo-record-v1", &record());
    assert_eq!(serde_json::from_str::<UndoRecord>(&text).unwrap(), record());
}

#[test]
fn every_class_has_its_word() {
    let classes = [
        (Guarantee::Process, "process"),
        (Guarantee::KernelFd, "kernel-fd"),
        (Guarantee::KernelNs, "kernel-ns"),
        (Guarantee::KernelTtl, "kernel-ttl"),
        (Guarantee::ClusterTtl, "cluster-ttl"),
        (Guarantee::Guardian, "guardian"),
        (Guarantee::Recover, "recover"),
        (Guarantee::Irreversible, "irreversible"),
    ];
    for (class, word) in classes {
        assert_eq!(serde_json::to_value(class).unwrap(), word);
        assert_eq!(serde_json::from_value::<Guarantee>(word.into()).unwrap(), class);
    }
}

#[test]
fn an_event_of_a_newer_program_is_kept_and_clears_nothing() {
    let read = |value: Value| serde_json::from_value::<Event>(json!({ "at": now(), "body": value })).unwrap();
    let undone = json!({ "undone": { "fault": "fault-1", "how": { "evaporated": 7 } } });
    let newer = read(undone.clone());
    assert_eq!(newer.body, EventBody::Unknown(undone));
    let again: Event = serde_json::from_str(&serde_json::to_string(&newer).unwrap()).unwrap();
    assert_eq!(again, newer, "it survives being written again");
    let intent = Event::new(now(), EventBody::Intent { undo: record().into() });
    let state = fold(&[intent, newer]);
    assert!(state.duties().count() == 1 && state.unknown_events == 1);
    for strange in
        [json!("paused"), json!({}), json!(null), json!([1]), json!({ "applied": {}, "undone": {} })]
    {
        assert_eq!(read(strange.clone()).body, EventBody::Unknown(strange));
    }
}

#[test]
fn an_unknown_field_does_not_hide_a_known_event() {
    for (name, body) in bodies() {
        let mut value: Value =
            serde_json::from_str(&golden(&format!("event-{name}-v1"), &Event::new(now(), body.clone())))
                .unwrap();
        value["written_by"] = json!("a newer program");
        let members = value["body"].as_object_mut().unwrap().values_mut().next().unwrap().as_object_mut();
        if let (Some(members), false) = (members, matches!(body, EventBody::Unknown(_))) {
            members.insert("more".into(), json!(1));
        }
        assert_eq!(serde_json::from_value::<Event>(value).unwrap().body, body, "{name}");
    }
    let mut value: Value = serde_json::from_str(&golden("undo-record-v1", &record())).unwrap();
    value["more"] = json!(1);
    assert_eq!(serde_json::from_value::<UndoRecord>(value).unwrap(), record());
}
