//! The HTTP probe against a real server: what it measures, and that it ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use chaos_core::metrics::{Metrics, MetricsSource, Sample, UnknownReason};
use chaos_runner::source::http_probe::{HttpProbe, HttpProbeBuilder};

use crate::source_server::{BOUND, ClosedPort, Reply, Server, eventually, redirect, reply};

const ALL: [&str; 4] = ["error_rate", "latency_p50", "latency_p99", "request_rate"];
const EMPTY: Sample = Sample::Unknown(UnknownReason::Empty);

/// Fast and with a short window, so that tests see it slide; patient with answers, since the machine may be loaded.
fn probe(url: &str) -> HttpProbeBuilder {
    HttpProbe::builder(url).rate(100.0).window(Duration::from_secs(1)).timeout(Duration::from_secs(10))
}

async fn until(probe: &HttpProbe, what: &str, wanted: impl Fn(&Metrics) -> bool) -> Metrics {
    eventually(what, async || Some(probe.sample().await.unwrap()).filter(&wanted)).await
}

fn reads(name: &'static str, value: f64) -> impl Fn(&Metrics) -> bool {
    move |metrics| metrics.value(name) == Some(value)
}

async fn hanging() -> Server {
    Server::start(|_| std::future::pending::<Reply>()).await
}

#[tokio::test]
async fn a_healthy_service_has_four_figures() {
    let server = Server::fixed(200, "fine").await;
    let probe = probe(&server.url()).start().unwrap();
    let metrics = until(&probe, "a request ended", reads("error_rate", 0.0)).await;
    let (p50, p99) = (metrics.value("latency_p50").unwrap(), metrics.value("latency_p99").unwrap());
    assert!(0.0 < p50 && p50 <= p99 && p99 < BOUND.as_secs_f64(), "{metrics}");
    assert!(metrics.value("request_rate").is_some_and(|rate| rate > 0.0), "{metrics}");
}

#[tokio::test]
async fn without_an_ended_request_all_is_unknown() {
    let server = hanging().await;
    let probe = probe(&server.url()).timeout(Duration::from_secs(2)).start().unwrap();
    let metrics = probe.sample().await.unwrap();
    assert!(ALL.iter().all(|name| metrics.sample(name) == EMPTY), "{metrics}");
    let metrics = until(&probe, "a request timed out", reads("error_rate", 1.0)).await;
    assert!(metrics.value("latency_p50").is_some_and(|seconds| seconds >= 2.0), "{metrics}");
}

#[tokio::test]
async fn too_few_requests_are_unknown() {
    let server = Server::fixed(200, "fine").await;
    let served = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&served);
    let hangs_after_three = Server::start(move |_| {
        let count = counter.fetch_add(1, Ordering::SeqCst);
        async move { if count < 3 { reply(200, "") } else { std::future::pending().await } }
    })
    .await;
    let few = probe(&hangs_after_three.url()).min_requests(4).start().unwrap();
    let enough = probe(&server.url()).min_requests(4).start().unwrap();
    until(&enough, "four requests ended", reads("error_rate", 0.0)).await;
    eventually("the fourth request is there", async || (served.load(Ordering::SeqCst) > 3).then_some(()))
        .await;
    assert_eq!(few.sample().await.unwrap().sample("error_rate"), EMPTY);
}

#[tokio::test]
async fn the_window_slides_from_failure_to_success() {
    let broken = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&broken);
    let server = Server::start(move |_| {
        let status = if switch.load(Ordering::SeqCst) { 503 } else { 200 };
        std::future::ready(reply(status, ""))
    })
    .await;
    let probe = probe(&server.url()).start().unwrap();
    until(&probe, "all fail", reads("error_rate", 1.0)).await;
    broken.store(false, Ordering::SeqCst);
    until(&probe, "the failures have left the window", reads("error_rate", 0.0)).await;
}

#[tokio::test]
async fn every_second_failure_is_half() {
    let count = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |_| {
        let even = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        std::future::ready(reply(if even { 200 } else { 500 }, ""))
    })
    .await;
    let probe = probe(&server.url()).min_requests(20).start().unwrap();
    let metrics = until(&probe, "there are 20", |metrics| metrics.value("error_rate").is_some()).await;
    let share = metrics.value("error_rate").unwrap();
    assert!((0.25..=0.75).contains(&share), "{metrics}");
}

#[tokio::test]
async fn a_closed_port_is_an_error_rate_and_no_latency() {
    let port = ClosedPort::new();
    let probe = probe(&port.url()).start().unwrap();
    let metrics = until(&probe, "a request failed", reads("error_rate", 1.0)).await;
    assert_eq!((metrics.sample("latency_p50"), metrics.sample("latency_p99")), (EMPTY, EMPTY));
}

#[tokio::test]
async fn the_expected_status_is_a_choice_and_redirects_are_not_followed() {
    let server = Server::start(|_| std::future::ready(redirect(302, "/elsewhere"))).await;
    let lenient = probe(&server.url()).start().unwrap();
    let strict = probe(&server.url()).expect_status(200..=299).start().unwrap();
    until(&lenient, "302 is success", reads("error_rate", 0.0)).await;
    until(&strict, "302 is failure", reads("error_rate", 1.0)).await;
}

#[tokio::test]
async fn a_large_page_is_read_to_its_end() {
    let server = Server::fixed(200, " ".repeat(4 * 1024 * 1024)).await;
    let probe = probe(&server.url()).rate(2.0).window(Duration::from_secs(10)).start().unwrap();
    until(&probe, "a page was read", reads("error_rate", 0.0)).await;
}

#[tokio::test]
async fn a_token_is_sent() {
    let server = Server::start(|asked| {
        let known = asked
            .headers
            .get("authorization")
            .is_some_and(|value| *value == format!("Bearer {}", std::env::var("PATH").unwrap()));
        std::future::ready(reply(if known { 200 } else { 401 }, ""))
    })
    .await;
    let endpoint = chaos_runner::source::endpoint::Endpoint::new(server.url()).bearer_token_env("PATH");
    let probe = HttpProbe::builder(endpoint).rate(100.0).timeout(Duration::from_secs(10)).start().unwrap();
    until(&probe, "the token is known", reads("error_rate", 0.0)).await;
}

#[tokio::test]
async fn stop_ends_all_requests() {
    let server = hanging().await;
    let probe = probe(&server.url()).start().unwrap();
    eventually("a request is there", async || (server.in_flight() > 0).then_some(())).await;
    probe.stop().await;
    probe.stop().await;
    eventually("no request is left", async || (server.in_flight() == 0).then_some(())).await;
    let error = probe.sample().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read the metrics of probe of {}/", server.url()));
}

#[tokio::test]
async fn a_dropped_probe_ends_all_requests() {
    let server = hanging().await;
    let probe = probe(&server.url()).start().unwrap();
    eventually("a request is there", async || (server.in_flight() > 0).then_some(())).await;
    drop(probe);
    eventually("no request is left", async || (server.in_flight() == 0).then_some(())).await;
}

#[test]
fn a_probe_outlives_no_runtime() {
    let (here, there) = (runtime(), runtime());
    let server = here.block_on(Server::fixed(200, ""));
    let probe = there.block_on(async { probe(&server.url()).start().unwrap() });
    drop(there);
    let error = here.block_on(probe.sample()).unwrap_err();
    assert!(error.to_string().starts_with("cannot read the metrics of probe of http://"), "{error}");
    here.block_on(probe.stop());
}

/// The runtime of the probe is blocked while the server answers at once: only a latency from the intended start shows it.
#[test]
fn a_stall_of_the_client_shows_in_the_latency() {
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = servers.block_on(Server::fixed(200, ""));
    let single = runtime();
    single.block_on(async {
        let probe = probe(&server.url()).window(Duration::from_secs(5)).start().unwrap();
        until(&probe, "it runs", reads("error_rate", 0.0)).await;
        let (_keeps_open, nothing) = mpsc::channel::<()>();
        assert!(nothing.recv_timeout(Duration::from_secs(1)).is_err());
        let slow = |metrics: &Metrics| metrics.value("latency_p99").is_some_and(|seconds| seconds > 0.5);
        until(&probe, "the stall shows", slow).await;
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
