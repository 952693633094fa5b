//! The load engine against a real server on loopback.

use std::time::{Duration, Instant};

use chaos_core::units::HumanDuration;
use chaos_injectors::load::{Load, LoadEnd, LoadMeter, LoadReport, LoadSpec, LoadStats, Profile};
use tokio::io::AsyncWriteExt;

use crate::load_server::TestServer;

/// Far above what anything here takes, even on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

fn spec(url: &str, rate: f64) -> LoadSpec {
    LoadSpec::new(url, Profile::Constant { rate }).duration(HumanDuration::from_secs(600))
}

fn start(spec: &LoadSpec) -> Load {
    Load::start(spec.plan().unwrap()).unwrap()
}

pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let bound = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < bound, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn until_completed(meter: &LoadMeter, count: u64) {
    until(&format!("{count} requests completed"), || meter.stats().completed >= count).await;
}

fn assert_nothing_lost(stats: &LoadStats) {
    let errors = stats.errors;
    let ended = stats.completed + errors.connect + errors.timeout + errors.protocol + errors.dropped;
    assert_eq!(stats.scheduled, ended + stats.outstanding, "{stats:?}");
}

#[tokio::test]
async fn a_load_ends_by_itself_and_sends_exactly_its_schedule() {
    let server = TestServer::start().await;
    let spec = spec(&server.url(), 500.0).duration(HumanDuration::from_millis(400));
    let LoadReport { end, stats, .. } = start(&spec).wait().await;
    assert_eq!(end, LoadEnd::Finished);
    assert_eq!((stats.scheduled, stats.sent, stats.completed), (200, 200, 200), "{stats:?}");
    assert_eq!((stats.errors.total(), stats.error_rate, stats.outstanding), (0, Some(0.0), 0));
    assert_eq!(server.hits(), 200);
    assert_eq!(stats.asked_rate.round(), 500.0);
    assert!(stats.elapsed >= Duration::from_millis(400));
    assert!(stats.latency.unwrap().p50 >= stats.service.unwrap().p50 / 2);
}

#[tokio::test]
async fn a_ramp_sends_the_area_under_its_line() {
    let server = TestServer::start().await;
    let over = HumanDuration::from_millis(400);
    let spec = LoadSpec::new(server.url(), Profile::Ramp { from: 0.0, to: 1_000.0, over })
        .duration(HumanDuration::from_millis(600));
    let report = start(&spec).wait().await;
    assert_eq!(report.stats.completed, 200 + 200, "{report:?}");
}

#[tokio::test]
async fn a_multiple_of_a_baseline_is_a_constant_rate() {
    let server = TestServer::start().await;
    let spec = LoadSpec::new(server.url(), Profile::Multiple { times: 10.0, baseline: None })
        .duration(HumanDuration::from_millis(200))
        .baseline(50.0);
    assert_eq!(start(&spec).wait().await.stats.completed, 100);
}

#[tokio::test]
async fn a_stall_counts_for_every_request_that_should_have_been_sent() {
    let server = TestServer::start().await;
    let load = start(&spec(&server.url(), 500.0).connections(2));
    let meter = load.meter();
    until_completed(&meter, 100).await;
    server.stall(true);
    let before = meter.stats().scheduled;
    until("the stall is visible while it lasts", || {
        meter.window().latency.is_some_and(|latency| latency.p99 >= Duration::from_millis(300))
    })
    .await;
    until("half a second was asked", || meter.stats().scheduled >= before + 250).await;
    server.stall(false);
    let waiting = meter.stats().scheduled;
    until_completed(&meter, waiting).await;
    let stats = load.stop().await.stats;
    let (latency, service) = (stats.latency.unwrap(), stats.service.unwrap());
    assert!(latency.p99 >= Duration::from_millis(300), "{stats:?}");
    assert!(service.p90 < latency.p90, "two slow requests cannot hide behind the quick ones: {stats:?}");
    assert!(server.connections() <= 2);
    assert_nothing_lost(&stats);
}

#[tokio::test]
async fn beyond_the_bound_requests_are_dropped_and_counted() {
    let server = TestServer::start().await;
    server.stall(true);
    let load = start(&spec(&server.url(), 1_000.0).connections(1).max_pending(10));
    let meter = load.meter();
    until("one flies, ten wait and the rest is dropped", || {
        let stats = meter.stats();
        stats.sent == 1 && stats.outstanding == 11 && stats.errors.dropped >= 50
    })
    .await;
    let stats = load.stop().await.stats;
    assert_eq!((stats.sent, stats.outstanding, stats.completed), (1, 11, 0));
    assert_eq!(stats.error_rate, Some(1.0));
    assert_nothing_lost(&stats);
}

#[tokio::test]
async fn statuses_from_500_are_errors_and_below_are_not() {
    let server = TestServer::start().await;
    server.status(404);
    let load = start(&spec(&server.url(), 500.0));
    let meter = load.meter();
    until_completed(&meter, 20).await;
    assert_eq!(meter.stats().errors.total(), 0);
    server.status(503);
    until("failures are counted", || meter.stats().errors.status >= 20).await;
    let stats = load.stop().await.stats;
    assert_eq!(stats.errors.total(), stats.errors.status);
    assert!(stats.error_rate.unwrap() > 0.0 && stats.error_rate.unwrap() < 1.0);
}

#[tokio::test]
async fn a_slow_target_is_offered_the_same_rate_over_more_connections() {
    let server = TestServer::start().await;
    server.delay(Duration::from_millis(100));
    let spec = spec(&server.url(), 200.0).duration(HumanDuration::from_millis(500));
    let stats = start(&spec).wait().await.stats;
    assert_eq!((stats.sent, stats.completed), (100, 100));
    assert!(server.connections() >= 10, "100 ms at 200/s keep twenty busy");
    assert!(stats.service.unwrap().p50 >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_slow_target_times_out_and_the_time_counts() {
    let server = TestServer::start().await;
    server.stall(true);
    let load = start(&spec(&server.url(), 200.0).timeout(HumanDuration::from_millis(50)));
    let meter = load.meter();
    until("requests time out", || meter.stats().errors.timeout >= 10).await;
    let stats = load.stop().await.stats;
    assert!(stats.latency.unwrap().p50 >= Duration::from_millis(50), "{stats:?}");
    assert_nothing_lost(&stats);
}

#[tokio::test]
async fn a_target_that_is_not_there_is_a_connect_error() {
    // Bound and not listening: nobody else can take the port, and connecting is refused.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    let load = start(&spec(&format!("http://{addr}/"), 500.0));
    let meter = load.meter();
    until("connects fail", || meter.stats().errors.connect >= 20).await;
    let stats = load.stop().await.stats;
    assert_eq!((stats.sent, stats.latency, stats.achieved_rate), (0, None, 0.0));
    assert_nothing_lost(&stats);
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let garbage = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"SSH-2.0-nothing\r\n").await.unwrap();
        }
    });
    let load = start(&spec(&format!("http://{addr}/"), 200.0));
    let meter = load.meter();
    until("protocol errors are counted", || meter.stats().errors.protocol >= 10).await;
    assert_nothing_lost(&load.stop().await.stats);
    garbage.abort();
}

#[tokio::test]
async fn connections_are_kept_and_closed_ones_replaced_without_an_error() {
    let server = TestServer::start().await;
    let load = start(&spec(&server.url(), 200.0).connections(1));
    let meter = load.meter();
    until_completed(&meter, 50).await;
    assert_eq!(server.connections(), 1);
    server.close_after_answer(true);
    until("connections are replaced", || server.connections() >= 20).await;
    let stats = load.stop().await.stats;
    assert_eq!(stats.errors.total(), 0, "{stats:?}");
}

#[tokio::test]
async fn method_headers_path_and_body_arrive() {
    let server = TestServer::start().await;
    let url = format!("{}orders?limit=5", server.url());
    let load = start(&spec(&url, 100.0).method("POST").header("X-Team", "blue").body("{\"a\":1}"));
    until_completed(&load.meter(), 1).await;
    load.stop().await;
    let seen = server.seen();
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str(), &seen.body[..]),
        ("POST", "/orders?limit=5", &b"{\"a\":1}"[..])
    );
    assert_eq!(seen.headers["x-team"], "blue");
    assert_eq!(seen.headers["host"], server.addr().to_string());
    assert!(seen.headers["user-agent"].to_str().unwrap().starts_with("chaos-injectors/"));
}

#[tokio::test]
async fn stop_ends_at_once_even_when_the_target_is_stalled() {
    let server = TestServer::start().await;
    server.stall(true);
    let load = start(&spec(&server.url(), 500.0));
    let meter = load.meter();
    until("requests are in flight", || meter.stats().sent >= 10).await;
    let report = load.stop().await;
    assert_eq!(report.end, LoadEnd::Stopped);
    assert!(!meter.is_running());
    server.stall(false);
    assert_eq!(meter.stats(), report.stats, "the figures of an ended load stand still");
    assert!(server.hits() <= report.stats.sent);
}

#[tokio::test]
async fn dropping_a_load_ends_it() {
    let server = TestServer::start().await;
    let load = start(&spec(&server.url(), 500.0));
    let meter = load.meter();
    until_completed(&meter, 10).await;
    drop(load);
    until("the load has ended", || !meter.is_running()).await;
}

#[test]
fn a_load_outlives_the_runtime_that_started_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (of_server, of_caller) = (runtime(), runtime());
    let server = of_server.block_on(TestServer::start());
    let load = of_caller.block_on(async { start(&spec(&server.url(), 500.0)) });
    drop(of_caller);
    of_server.block_on(until_completed(&load.meter(), 20));
    assert_eq!(of_server.block_on(load.stop()).end, LoadEnd::Stopped);
}

#[tokio::test]
async fn many_loads_run_beside_each_other() {
    let server = TestServer::start().await;
    let short = spec(&server.url(), 100.0).duration(HumanDuration::from_millis(200));
    let loads: Vec<Load> = (0..8).map(|_| start(&short)).collect();
    for load in loads {
        assert_eq!(load.wait().await.stats.completed, 20);
    }
    assert_eq!(server.hits(), 160);
}
