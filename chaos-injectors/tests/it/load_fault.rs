//! Load as a fault: prepared, injected, measured, ended, reverted.

use std::time::Duration;

use chaos_core::{
    error::{InjectError, MetricsError},
    id::RunId,
    injector::{Effect, FaultCtx, Guarantee, Injected, Injector, Live, Prepared},
    metrics::{Metrics, MetricsSource, Sample, UnknownReason},
    undo::{Holder, Presence, ProcessId, RevertCtx, Reverted, Reverter, UndoRecord},
    units::HumanDuration,
};
use chaos_injectors::load::{LoadInjector, LoadReverter, LoadSpec, Profile};
use chrono::{DateTime, Utc};
use serde_json::json;

use crate::{load::until, load_server::TestServer};

const NOON: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn spec(url: &str) -> LoadSpec {
    LoadSpec::new(url, Profile::Constant { rate: 500.0 }).duration(HumanDuration::from_secs(600))
}

fn ctx(entropy: u32) -> FaultCtx {
    FaultCtx::new(RunId::from_parts(NOON, entropy), "load".parse().unwrap(), NOON)
}

fn revert_ctx(holder: Holder) -> RevertCtx {
    RevertCtx::new(NOON, holder)
}

fn record(ctx: &FaultCtx, prepared: &Prepared, injector: &LoadInjector) -> UndoRecord {
    let holder = ProcessId { boot_id: "boot".into(), pid: 1, start_time: 1 };
    UndoRecord::new(ctx, injector.kind(), Guarantee::Process, prepared, holder)
}

struct Injection {
    injector: LoadInjector,
    record: UndoRecord,
    live: Box<dyn Live>,
}

impl Injection {
    async fn on(server: &TestServer, ctx: &FaultCtx) -> Self {
        let injector = LoadInjector::new(spec(&server.url())).unwrap();
        let prepared = injector.prepare(ctx).await.unwrap();
        let live = injector.inject(ctx, &prepared).await.unwrap().expect("a load is held by its process");
        let record = record(ctx, &prepared, &injector);
        Self { injector, record, live }
    }
}

async fn has_sent(injector: &LoadInjector, count: u64) {
    assert!(injector.meter().unwrap().answered(count).await);
}

/// A busy machine may leave the target behind for a while.
async fn effect_once_seen(injector: &LoadInjector) -> Effect {
    let looking = async {
        loop {
            let effect = injector.effect(&ctx(0)).await.unwrap();
            if effect.injected == Injected::Yes {
                return effect;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), looking).await.expect("the load reaches its rate")
}

async fn presence(holder: Holder, record: &UndoRecord) -> Presence {
    LoadReverter.presence(&revert_ctx(holder), record).await
}

async fn revert(holder: Holder, record: &UndoRecord) -> Reverted {
    LoadReverter.revert(&revert_ctx(holder), record).await.unwrap()
}

#[tokio::test]
async fn prepare_names_the_target_and_touches_nothing() {
    let server = TestServer::start().await;
    let injector = LoadInjector::new(spec(&server.url())).unwrap();
    let prepared = injector.prepare(&ctx(1)).await.unwrap();
    let targets: Vec<String> = prepared.scope().targets.iter().map(ToString::to_string).collect();
    assert_eq!(targets, [format!("http:{}", server.addr())]);
    assert_eq!(injector.capabilities().guarantee, Guarantee::Process);
    assert_eq!((server.connections(), injector.meter().is_none()), (0, true));
}

#[tokio::test]
async fn a_target_without_a_port_has_the_name_of_port_80() {
    for url in ["http://Example.test", "http://example.test:80/path"] {
        let injector = LoadInjector::new(spec(url)).unwrap();
        let prepared = injector.prepare(&ctx(2)).await.unwrap();
        assert_eq!(prepared.scope().targets[0].to_string(), "http:example.test:80");
    }
}

#[tokio::test]
async fn ending_the_live_fault_ends_the_load() {
    let server = TestServer::start().await;
    let injection = Injection::on(&server, &ctx(3)).await;
    has_sent(&injection.injector, 50).await;
    let effect = effect_once_seen(&injection.injector).await;
    assert_eq!(effect.figures[0].asked.map(f64::round), Some(500.0));
    assert_eq!(presence(Holder::This, &injection.record).await, Presence::Present);
    let Injection { injector, record, live } = injection;
    live.end().await.unwrap();
    let meter = injector.meter().unwrap();
    assert!(!meter.is_running());
    assert_eq!(revert(Holder::ThisEnded, &record).await, Reverted::Undone);
    assert_eq!(revert(Holder::ThisEnded, &record).await, Reverted::Undone);
    assert_eq!(presence(Holder::ThisEnded, &record).await, Presence::Absent);
    assert!(server.hits() <= meter.stats().sent);
}

#[tokio::test]
async fn the_reverter_ends_a_load_whose_live_fault_nobody_ended() {
    let server = TestServer::start().await;
    let injection = Injection::on(&server, &ctx(4)).await;
    has_sent(&injection.injector, 10).await;
    assert_eq!(revert(Holder::This, &injection.record).await, Reverted::Undone);
    assert!(!injection.injector.meter().unwrap().is_running());
    assert_eq!(presence(Holder::This, &injection.record).await, Presence::Absent);
    assert_eq!(revert(Holder::This, &injection.record).await, Reverted::NothingToDo);
    injection.live.end().await.unwrap();
}

#[tokio::test]
async fn dropping_the_live_fault_ends_the_load() {
    let server = TestServer::start().await;
    let injection = Injection::on(&server, &ctx(5)).await;
    has_sent(&injection.injector, 10).await;
    let meter = injection.injector.meter().unwrap();
    drop(injection.live);
    until("the load has ended", || !meter.is_running()).await;
}

#[tokio::test]
async fn a_record_whose_load_never_started_needs_nothing() {
    let injector = LoadInjector::new(spec("http://127.0.0.1:9/")).unwrap();
    let prepared = injector.prepare(&ctx(6)).await.unwrap();
    assert_eq!(revert(Holder::This, &record(&ctx(6), &prepared, &injector)).await, Reverted::NothingToDo);
}

#[tokio::test]
async fn one_load_on_a_target_at_a_time() {
    let server = TestServer::start().await;
    let first = Injection::on(&server, &ctx(7)).await;
    let second = LoadInjector::new(spec(&server.url())).unwrap();
    let error = second.prepare(&ctx(8)).await.unwrap_err();
    assert!(matches!(error, InjectError::Conflict { .. }), "{error}");
    first.live.end().await.unwrap();
    let prepared = second.prepare(&ctx(8)).await.unwrap();
    let third = Injection::on(&server, &ctx(9)).await;
    let error = second.inject(&ctx(8), &prepared).await.unwrap_err();
    assert!(matches!(error, InjectError::Conflict { .. }), "{error}");
    third.live.end().await.unwrap();
}

#[tokio::test]
async fn the_run_bounds_the_load() {
    let server = TestServer::start().await;
    let mut ctx = ctx(10);
    ctx.max_duration = Duration::from_millis(100);
    let injection = Injection::on(&server, &ctx).await;
    let meter = injection.injector.meter().unwrap();
    until("the load ended by itself", || !meter.is_running()).await;
    assert_eq!(meter.stats().completed, 50);
}

#[tokio::test]
async fn a_target_that_refuses_is_not_under_load() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}/", socket.local_addr().unwrap());
    let injector = LoadInjector::new(spec(&url)).unwrap();
    assert!(matches!(injector.effect(&ctx(11)).await.unwrap().injected, Injected::NotMeasured { .. }));
    let prepared = injector.prepare(&ctx(11)).await.unwrap();
    let live = injector.inject(&ctx(11), &prepared).await.unwrap().unwrap();
    let meter = injector.meter().unwrap();
    until("connects fail", || meter.stats().errors.connect >= 100).await;
    let effect = injector.effect(&ctx(11)).await.unwrap();
    assert!(matches!(effect.injected, Injected::No { .. }), "{effect:?}");
    live.end().await.unwrap();
}

#[derive(Debug)]
struct Fixed(Metrics);

#[chaos_core::async_trait]
impl MetricsSource for Fixed {
    async fn sample(&self) -> Result<Metrics, MetricsError> {
        Ok(self.0.clone())
    }
}

fn ten_times(url: &str) -> LoadInjector {
    let spec = LoadSpec::new(url, Profile::Multiple { times: 10.0, baseline: None });
    LoadInjector::new(spec.duration(HumanDuration::from_millis(200))).unwrap()
}

#[tokio::test]
async fn ten_times_normal_is_ten_times_what_the_source_measures() {
    let server = TestServer::start().await;
    let injector = ten_times(&server.url()).measure_baseline(Fixed(Metrics::from([("request_rate", 40.0)])));
    let prepared = injector.prepare(&ctx(12)).await.unwrap();
    let live = injector.inject(&ctx(12), &prepared).await.unwrap().unwrap();
    let meter = injector.meter().unwrap();
    until("the load ended by itself", || !meter.is_running()).await;
    assert_eq!(meter.stats().completed, 80);
    live.end().await.unwrap();
}

#[tokio::test]
async fn a_baseline_that_cannot_be_measured_is_refused() {
    let with = |metrics| ten_times("http://127.0.0.1:9/").measure_baseline(Fixed(metrics));
    let mut errors = Vec::new();
    for injector in [
        ten_times("http://127.0.0.1:9/"),
        with(Metrics::new()),
        with(Metrics::from([("request_rate", f64::NAN)])),
        with(Metrics::from([("request_rate", 0.0)])),
    ] {
        let error = injector.prepare(&ctx(13)).await.unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        errors.push(format!("{error}{cause}"));
    }
    insta::assert_snapshot!(errors.join("\n"), @r"
    load.http needs a measured baseline (no metrics source was given): set `profile.multiple.baseline`, or give a metrics source that knows request_rate
    load.http needs a measured baseline (request_rate is unknown (not reported)): set `profile.multiple.baseline`, or give a metrics source that knows request_rate
    load.http needs a measured baseline (request_rate is unknown (not a finite number)): set `profile.multiple.baseline`, or give a metrics source that knows request_rate
    invalid spec of load.http: load.http: 1 problem
      profile.multiple.baseline: `0` is out of range: 0.001 to 1000000
    ");
}

#[tokio::test]
async fn a_running_load_is_a_source_of_metrics() {
    let server = TestServer::start().await;
    let injection = Injection::on(&server, &ctx(14)).await;
    has_sent(&injection.injector, 20).await;
    server.status(500);
    let meter = injection.injector.meter().unwrap();
    until("failures are counted", || meter.window().errors.status > 0).await;
    let metrics = meter.sample().await.unwrap();
    let error_rate = metrics.value("error_rate").unwrap();
    assert!(error_rate > 0.0 && error_rate < 1.0, "{metrics}");
    assert!(metrics.value("latency_p50").unwrap() > 0.0, "{metrics}");
    assert!(metrics.value("latency_p99").unwrap() < 60.0, "{metrics}");
    assert!(metrics.value("request_rate").unwrap() > 0.0, "{metrics}");
    injection.live.end().await.unwrap();
    let ended = meter.sample().await.unwrap().sample("error_rate");
    assert_eq!(ended, Sample::Unknown(UnknownReason::Failed("the load has ended".into())));
}

#[tokio::test]
async fn no_answer_yet_is_unknown_and_not_zero() {
    let server = TestServer::start().await;
    server.stall(true);
    let injection = Injection::on(&server, &ctx(15)).await;
    let metrics = injection.injector.meter().unwrap().sample().await.unwrap();
    assert_eq!(metrics.sample("error_rate"), Sample::Unknown(UnknownReason::Empty));
    injection.live.end().await.unwrap();
}

#[tokio::test]
async fn the_golden_record_of_version_1_is_still_undone() {
    let golden: UndoRecord = serde_json::from_str(include_str!("../golden/load.http-v1.json")).unwrap();
    assert_eq!(revert(Holder::Gone, &golden).await, Reverted::NothingToDo);
    assert_eq!(revert(Holder::Alive, &golden).await, Reverted::HeldBy(golden.run.clone()));
    let injector =
        ten_times("http://127.0.0.1:8080/").measure_baseline(Fixed(Metrics::from([("request_rate", 40.0)])));
    let prepared = injector.prepare(&ctx(16)).await.unwrap();
    assert_eq!(*prepared.undo().0, golden.payload, "what is written today is what version 1 reads");
}

#[tokio::test]
async fn a_damaged_record_is_an_error_and_not_a_success() {
    let mut damaged: UndoRecord = serde_json::from_str(include_str!("../golden/load.http-v1.json")).unwrap();
    damaged.payload = json!({"target": 5});
    LoadReverter.revert(&revert_ctx(Holder::Gone), &damaged).await.unwrap_err();
}
