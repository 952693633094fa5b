//! Runs with real faults: the proxy of this process before a real server, and real traffic through it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chaos_core::{
    experiment::{ExperimentBuilder, ExperimentStatus},
    injector::Injected,
    testkit::MemoryJournal,
    units::HumanDuration,
};
use chaos_injectors::proxy::{Latency, Proxy, Stream, ToxicSpec};
use chaos_runner::{FaultGuard, Run, RunReport, Runner, Settings, report::Conclusion, source::function};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::support::{experiment, figures, good, safety, within};

/// The latency that is asked for.
const ASKED: HumanDuration = HumanDuration::from_millis(60);

/// A latency that no undisturbed request on loopback comes near.
const HUGE: HumanDuration = HumanDuration::from_secs(600);

/// An echo server and a proxy before it. What it started ends with it.
struct Site {
    proxy: Proxy,
    tasks: JoinSet<()>,
}

impl Site {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = listener.local_addr().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener));
        let proxy =
            Proxy::builder(SocketAddr::from(([127, 0, 0, 1], 0)), server).start().await.expect("a proxy");
        Self { proxy, tasks }
    }

    /// With echo after echo on one connection.
    async fn with_traffic() -> Self {
        let mut site = Self::start().await;
        let addr = site.proxy.local_addr();
        site.tasks.spawn(async move {
            let mut stream = TcpStream::connect(addr).await.expect("a connection");
            loop {
                echo(&mut stream).await;
            }
        });
        site
    }

    /// One echo on a new connection.
    async fn request(&self) {
        let mut stream = TcpStream::connect(self.proxy.local_addr()).await.expect("a connection");
        echo(&mut stream).await;
    }
}

async fn echo(stream: &mut TcpStream) {
    let mut reply = [0; 4];
    stream.write_all(b"ping").await.expect("the proxy takes a request");
    stream.read_exact(&mut reply).await.expect("the proxy gives a reply");
    assert_eq!(&reply, b"ping");
}

async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        connections.spawn(async move {
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await
        });
    }
}

fn runner() -> Runner {
    let mut settings = Settings::default();
    settings.interval = Duration::from_millis(20);
    let builder = Runner::builder(safety()).settings(settings).journal(Arc::new(MemoryJournal::new()));
    builder.registry(registry()).build().expect("a runner")
}

fn registry() -> chaos_core::undo::ReverterRegistry {
    let mut registry = chaos_core::undo::ReverterRegistry::new();
    chaos_injectors::register_all(&mut registry);
    registry
}

fn short() -> ExperimentBuilder {
    experiment().duration(HumanDuration::from_millis(400))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_completed_run_shows_the_latency_that_was_asked_for() {
    let site = Site::with_traffic().await;
    let run = Run::new(short().build().expect("an experiment")).fault(Latency::new(ASKED).on(&site.proxy));
    let report = within(runner().run_all(run.metrics(good()))).await.expect("a report");
    let effect = report.faults[0].effect.as_ref().expect("an effect");
    assert_eq!(effect.injected, Injected::Yes, "{report}");
    let p50 = &effect.figures[0];
    assert_eq!((p50.name.as_str(), p50.asked), ("latency p50", Some(60.0)));
    // The figure is read from buckets, a few thousandths wide.
    assert!(p50.observed.expect("an observed latency") >= 59.5, "{p50}");
    assert_eq!(report.status(), ExperimentStatus::Success, "{report}");
    assert_gone(&site, &report);
}

#[tokio::test]
async fn without_traffic_nothing_was_injected() {
    let site = Site::start().await;
    let run = Run::new(short().build().expect("an experiment")).fault(Latency::new(ASKED).on(&site.proxy));
    let report = within(runner().run_all(run.metrics(good()))).await.expect("a report");
    assert!(matches!(&report.conclusion, Conclusion::NotInjected(_)), "{report}");
    assert_eq!(report.exit_code(), 5);
    assert_gone(&site, &report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn latency_in_both_directions_leaves_nothing_behind() {
    let site = Site::with_traffic().await;
    let latency = |stream| Latency::new(HumanDuration::from_millis(10)).stream(stream).on(&site.proxy);
    let run = Run::new(short().build().expect("an experiment"))
        .fault(latency(Stream::Upstream))
        .fault(latency(Stream::Downstream));
    let report = within(runner().run_all(run.metrics(good()))).await.expect("a report");
    assert_eq!(report.conclusion, Conclusion::Success, "{report}");
    assert_gone(&site, &report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_abort_the_next_request_is_fast() {
    let site = Site::start().await;
    let proxy = site.proxy.handle();
    // The error rate is bad as soon as the fault is on.
    let source = function::from_fn(move || figures(if proxy.toxics().is_empty() { 0.01 } else { 0.5 }));
    let experiment = short().duration(HumanDuration::from_secs(600)).build().expect("an experiment");
    let run = Run::new(experiment).fault(Latency::new(HUGE).on(&site.proxy)).metrics(source);
    let report = within(runner().run_all(run)).await.expect("a report");
    assert_eq!(report.exit_code(), 3, "{report}");
    assert_gone(&site, &report);
    within(site.request()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guard_needs_three_lines() {
    let site = Site::start().await;
    let guard = within(FaultGuard::inject(Latency::new(HUGE).on(&site.proxy))).await.expect("a guard");
    assert_eq!(site.proxy.toxics().len(), 1);
    within(guard.rollback()).await.expect("a rollback");
    assert!(site.proxy.toxics().is_empty());
    within(site.request()).await;
}

fn assert_gone(site: &Site, report: &RunReport) {
    assert_eq!(report.left_behind().count(), 0, "{report}");
    assert!(site.proxy.toxics().is_empty(), "{:?}", site.proxy.toxics());
}
