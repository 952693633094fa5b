//! Toxics as faults: prepared, injected, measured, ended, reverted.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use chaos_core::{
    error::InjectError,
    id::{FaultId, RunId},
    injector::{FaultCtx, Guarantee, Injected, Injector, Live, Prepared},
    undo::{Holder, Presence, ProcessId, RevertCtx, Reverted, Reverter, ReverterRegistry, UndoRecord},
    units::{HumanDuration, Percent},
};
use chaos_injectors::proxy::{
    self, KINDS, Latency, Proxy, ProxyHandle, SlowClose, Stream, Toxic, ToxicFault, ToxicKind, ToxicReverter,
    ToxicSpec,
};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::proxy_link::{FOREVER, Site, expect, loopback, send, until};

const NOON: DateTime<Utc> = DateTime::UNIX_EPOCH;
const SLOW: HumanDuration = HumanDuration::from_millis(30);

fn ctx(entropy: u32) -> FaultCtx {
    FaultCtx::new(RunId::from_parts(NOON, entropy), FaultId::numbered(0), NOON)
}

fn revert_ctx(holder: Holder) -> RevertCtx {
    RevertCtx::new(NOON, holder)
}

fn record(ctx: &FaultCtx, prepared: &Prepared, injector: &dyn Injector) -> UndoRecord {
    let holder = ProcessId { boot_id: "boot".into(), pid: 1, start_time: 1 };
    UndoRecord::new(ctx, injector.kind(), Guarantee::Process, prepared, holder)
}

async fn injected(fault: &dyn Injector, ctx: &FaultCtx) -> (UndoRecord, Box<dyn Live>) {
    let prepared = fault.prepare(ctx).await.unwrap();
    let live = fault.inject(ctx, &prepared).await.unwrap().expect("a toxic is held by its process");
    (record(ctx, &prepared, fault), live)
}

#[tokio::test]
async fn a_fault_shows_its_effect_and_goes_with_its_live() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let (fault, ctx) = (Latency::new(SLOW).on(&site.proxy), ctx(1));
    let (record, live) = injected(&fault, &ctx).await;
    assert_eq!(record.targets, [format!("tcp-proxy:{}", site.proxy.name()).parse().unwrap()]);

    let quiet = fault.effect(&ctx).await.unwrap();
    assert_eq!(quiet.injected, Injected::No { why: "nothing passed".into() });
    send(&mut link.server, b"late").await;
    expect(&mut link.client, b"late").await;
    let effect = fault.effect(&ctx).await.unwrap();
    assert_eq!(effect.injected, Injected::Yes);
    let p50 = &effect.figures[0];
    assert_eq!((p50.name.as_str(), p50.asked, p50.unit.as_str()), ("latency p50", Some(30.0), "ms"));
    assert!(p50.observed.unwrap() >= 29.8, "{p50}");

    live.end().await.unwrap();
    assert!(site.proxy.toxics().is_empty());
    let reverter = ToxicReverter::<Latency>::new();
    assert_eq!(reverter.revert(&revert_ctx(Holder::ThisEnded), &record).await.unwrap(), Reverted::Undone);
    let gone = fault.effect(&ctx).await.unwrap();
    assert!(matches!(gone.injected, Injected::NotMeasured { .. }), "{gone:?}");
}

#[tokio::test]
async fn a_dropped_live_takes_its_toxic_along() {
    let site = Site::start().await;
    let (_, live) = injected(&Latency::new(SLOW).on(&site.proxy), &ctx(1)).await;
    assert_eq!(site.proxy.toxics().len(), 1);
    drop(live);
    assert!(site.proxy.toxics().is_empty());
}

#[tokio::test]
async fn a_second_fault_of_the_kind_on_the_direction_is_a_conflict() {
    let site = Site::start().await;
    let slow = |stream| Latency::new(SLOW).stream(stream).on(&site.proxy);
    let (_, _live) = injected(&slow(Stream::Downstream), &ctx(1)).await;
    for stream in [Stream::Downstream, Stream::Both] {
        let error = slow(stream).prepare(&ctx(2)).await.unwrap_err();
        assert!(matches!(error, InjectError::Conflict { .. }), "{error}");
    }
    let (_, _other) = injected(&slow(Stream::Upstream), &ctx(2)).await;
    let (_, _kind) = injected(&SlowClose::new(SLOW).on(&site.proxy), &ctx(3)).await;
    assert_eq!(site.proxy.toxics().len(), 3);
}

#[tokio::test]
async fn a_toxic_of_the_program_itself_is_no_conflict_and_stays() {
    let site = Site::start().await;
    let base = ToxicKind::Latency { latency: Duration::from_millis(1), jitter: Duration::ZERO };
    site.proxy.add_toxic(Toxic::new("always", base)).unwrap();
    let (record, live) = injected(&Latency::new(SLOW).on(&site.proxy), &ctx(1)).await;
    live.end().await.unwrap();
    ToxicReverter::<Latency>::new().revert(&revert_ctx(Holder::ThisEnded), &record).await.unwrap();
    assert_eq!(site.proxy.toxics().iter().map(|toxic| toxic.name.as_str()).collect::<Vec<_>>(), ["always"]);
}

#[tokio::test]
async fn a_toxic_ends_by_itself_when_it_expires() {
    let site = Site::start().await;
    let mut link = site.link().await;
    link.ping().await;
    let slow = ToxicKind::Latency { latency: FOREVER, jitter: Duration::ZERO };
    let soon = Instant::now() + Duration::from_millis(50);
    site.proxy.add_toxic(Toxic::new("slow", slow).expires(soon)).unwrap();
    send(&mut link.server, b"held").await;
    expect(&mut link.client, b"held").await;
    let proxy = site.proxy.handle();
    until("the toxic is gone", move || proxy.toxics().is_empty()).await;
}

#[tokio::test]
async fn a_fault_outlives_the_end_and_the_rollback_of_its_run_but_not_by_much() {
    for (run, longest) in [(1, 31), (600, 900)] {
        let site = Site::start().await;
        let mut ctx = ctx(1);
        ctx.max_duration = Duration::from_secs(run);
        let before = Instant::now();
        let (_, _live) = injected(&Latency::new(SLOW).on(&site.proxy), &ctx).await;
        let expires = site.proxy.toxics()[0].expires.expect("a toxic of a fault expires");
        let lifetime = Duration::from_secs(longest);
        assert!(expires >= before + lifetime && expires <= Instant::now() + lifetime, "{run} s");
    }
}

#[tokio::test]
async fn faults_of_one_run_are_not_in_the_snapshots_of_each_other() {
    let site = Site::start().await;
    let reverter = ToxicReverter::<Latency>::new();
    let base = ToxicKind::Latency { latency: Duration::from_millis(1), jitter: Duration::ZERO };
    site.proxy.add_toxic(Toxic::new("always", base)).unwrap();
    let (mut first, second) = (ctx(1), ctx(1));
    first.fault = FaultId::numbered(7);
    let (_, _up) = injected(&Latency::new(SLOW).stream(Stream::Upstream).on(&site.proxy), &first).await;
    let (record, _down) = injected(&Latency::new(SLOW).on(&site.proxy), &second).await;
    let seen = reverter.snapshot(&revert_ctx(Holder::This), &record).await.unwrap();
    let own = format!("{}/{}", record.run, record.fault);
    assert_eq!(seen.0.into_keys().collect::<Vec<_>>(), [own, "always".to_owned()]);
}

#[tokio::test]
async fn a_proxy_is_found_by_name_when_the_fault_is_prepared() {
    let fault = Latency::new(SLOW).on_named("named-db");
    let error = fault.prepare(&ctx(1)).await.unwrap_err();
    assert!(matches!(&error, InjectError::NoTargets { why, .. } if why.contains("named-db")), "{error}");
    let proxy = Proxy::builder(loopback(), loopback()).name("named-db").start().await.unwrap();
    let (_, _live) = injected(&fault, &ctx(1)).await;
    assert_eq!(proxy.toxics().len(), 1);
    proxy.shutdown().await;
    assert!(matches!(fault.prepare(&ctx(2)).await.unwrap_err(), InjectError::NoTargets { .. }));
}

#[tokio::test]
async fn a_wrong_spec_is_refused_before_anything_is_touched() {
    let site = Site::start().await;
    let fault = Latency::new(SLOW).jitter(HumanDuration::from_secs(1)).on(&site.proxy);
    assert!(fault.validate().is_err());
    let error = fault.prepare(&ctx(1)).await.unwrap_err();
    assert!(matches!(error, InjectError::Invalid { .. }), "{error}");
}

#[tokio::test]
async fn the_reverter_works_from_the_record_alone() {
    let site = Site::start().await;
    let (record, live) = injected(&Latency::new(SLOW).on(&site.proxy), &ctx(1)).await;
    let reverter = ToxicReverter::<Latency>::new();
    let presence = async |holder| reverter.presence(&revert_ctx(holder), &record).await;
    assert_eq!(presence(Holder::This).await, Presence::Present);
    let undone = reverter.revert(&revert_ctx(Holder::This), &record).await.unwrap();
    assert_eq!(undone, Reverted::Undone);
    assert_eq!(presence(Holder::This).await, Presence::Absent);
    let again = reverter.revert(&revert_ctx(Holder::This), &record).await.unwrap();
    assert_eq!(again, Reverted::NothingToDo);
    live.end().await.unwrap();
}

#[tokio::test]
async fn a_later_proxy_of_the_same_name_is_left_alone() {
    let start = || Proxy::builder(loopback(), loopback()).name("reused").start();
    let fault: ToxicFault<Latency> = Latency::new(SLOW).on_named("reused");
    let first = start().await.unwrap();
    let (record, live) = injected(&fault, &ctx(1)).await;
    drop(live);
    first.shutdown().await;
    let second = start().await.unwrap();
    let (_, _live) = injected(&fault, &ctx(1)).await;
    let reverter = ToxicReverter::<Latency>::new();
    let reverted = reverter.revert(&revert_ctx(Holder::Gone), &record).await.unwrap();
    assert_eq!((reverted, second.toxics().len()), (Reverted::NothingToDo, 1));
    second.shutdown().await;
}

#[tokio::test]
async fn a_fault_that_another_living_process_holds_is_left_to_it() {
    let site = Site::start().await;
    let (mut record, _live) = injected(&Latency::new(SLOW).on(&site.proxy), &ctx(1)).await;
    record.payload["proxy_id"] = Value::from("0000000000000000");
    let reverter = ToxicReverter::<Latency>::new();
    let held = reverter.revert(&revert_ctx(Holder::Alive), &record).await.unwrap();
    assert_eq!(held, Reverted::HeldBy(record.run.clone()));
    assert_eq!(reverter.presence(&revert_ctx(Holder::Alive), &record).await, Presence::Unknown);
}

#[tokio::test]
async fn the_share_of_connections_is_drawn_from_the_seed_of_the_run() {
    let site = Site::start().await;
    let mut ctx = ctx(1);
    ctx.seed = 99;
    let (_, _live) = injected(&Latency::new(SLOW).toxicity(Percent::whole(50)).on(&site.proxy), &ctx).await;
    let toxic = site.proxy.toxics().remove(0);
    assert_eq!((toxic.seed, toxic.toxicity), (Some(99), 0.5));
}

fn golden(kind: &str) -> UndoRecord {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{kind}-v1.json"));
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// Records of version 1 are read for ever, and are still what is written.
#[tokio::test]
async fn golden_records_are_understood() {
    let mut registry = ReverterRegistry::new();
    proxy::register(&mut registry);
    let proxy = Proxy::builder(loopback(), loopback()).name("golden").start().await.unwrap();
    let fresh = Latency::new(SLOW).on(&proxy).prepare(&ctx(1)).await.unwrap();
    let keys = |payload: &Value| payload.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for kind in KINDS {
        let record = golden(kind);
        assert_eq!(record.kind.as_str(), *kind);
        let reverter = registry.of(&record).unwrap();
        let gone = revert_ctx(Holder::Gone);
        assert_eq!(reverter.presence(&gone, &record).await, Presence::Absent, "{kind}");
        assert_eq!(reverter.revert(&gone, &record).await.unwrap(), Reverted::NothingToDo, "{kind}");
        let (payload, version, manual) = fresh.undo();
        assert_eq!(keys(payload), keys(&record.payload));
        assert_eq!((version, manual), (record.payload_version, record.manual.as_str()));
    }
    assert!(ProxyHandle::find("golden").is_some());
    proxy.shutdown().await;
}
