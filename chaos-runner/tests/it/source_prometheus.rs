//! The Prometheus source against a real `prometheus` that scrapes a real exporter.
//!
//! It needs the program on the path (Debian: `apt-get install prometheus`). Without it the tests say that they are skipped, and fail
//! where `CHAOS_REQUIRE_PROMETHEUS=1` is set, as in CI.

use std::{
    io,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chaos_core::metrics::{Metrics, MetricsSource, Sample, UnknownReason};
use chaos_runner::source::prometheus::{Prometheus, PrometheusBuilder};
use tempfile::TempDir;

use crate::source_server::{Server, eventually, reply};

/// A `prometheus` of this test alone. The process ends with this handle.
#[derive(Debug)]
struct RealPrometheus {
    process: Child,
    folder: TempDir,
}

impl RealPrometheus {
    /// Starts it on a port of its own choice, or says visibly that it is not installed.
    fn start(target: SocketAddr) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prometheus.yml"), config(target)).unwrap();
        match spawn(&folder) {
            Ok(process) => Some(Self { process, folder }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let required = std::env::var("CHAOS_REQUIRE_PROMETHEUS").is_ok_and(|value| value == "1");
                assert!(!required, "CHAOS_REQUIRE_PROMETHEUS=1, but prometheus is not installed");
                eprintln!("SKIPPED real prometheus: not installed");
                None
            }
            Err(error) => panic!("cannot start prometheus: {error}"),
        }
    }

    /// The base URL, as soon as the log tells the port.
    async fn url(&self) -> String {
        let address = eventually("prometheus listens", async || {
            let log = self.log();
            let after = log.split_once("msg=\"Listening on\" address=")?.1;
            after.split_once('\n').map(|(address, _)| address.trim().to_owned())
        });
        format!("http://{}", address.await)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for RealPrometheus {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("log of prometheus:\n{}", self.log());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the test needs a real prometheus beside it")]
fn spawn(folder: &TempDir) -> io::Result<Child> {
    let log = std::fs::File::create(folder.path().join("log"))?;
    Command::new("prometheus")
        .current_dir(folder.path())
        .args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--web.listen-address=127.0.0.1:0",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
}

fn config(target: SocketAddr) -> String {
    format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs: [{{job_name: api, static_configs: [{{targets: [\"{target}\"]}}]}}]\n"
    )
}

/// A service whose counters grow at each scrape: 2 of 100 requests fail, half of them take up to 0.1 s, all up to 0.5 s.
async fn exporter() -> Server {
    let scrapes = Arc::new(AtomicU64::new(0));
    Server::start(move |_| {
        let n = scrapes.fetch_add(1, Ordering::Relaxed) + 1;
        std::future::ready(reply(
            200,
            format!(
                "# TYPE http_requests_total counter\n\
                 http_requests_total{{code=\"200\"}} {ok}\n\
                 http_requests_total{{code=\"500\"}} {bad}\n\
                 # TYPE http_request_duration_seconds histogram\n\
                 http_request_duration_seconds_bucket{{le=\"0.1\"}} {half}\n\
                 http_request_duration_seconds_bucket{{le=\"0.5\"}} {all}\n\
                 http_request_duration_seconds_bucket{{le=\"+Inf\"}} {all}\n\
                 http_request_duration_seconds_sum {half}\n\
                 http_request_duration_seconds_count {all}\n",
                ok = 98 * n,
                bad = 2 * n,
                half = 50 * n,
                all = 100 * n,
            ),
        ))
    })
    .await
}

fn source(url: &str) -> PrometheusBuilder {
    Prometheus::builder(url).timeout(std::time::Duration::from_secs(10))
}

fn quantile(share: f64) -> String {
    format!("histogram_quantile({share}, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))")
}

/// Samples until `wanted` holds, within a bound: a single scrape may fail on a loaded machine, and the queries of one sample are
/// not evaluated at the same instant.
async fn sample_until(source: &Prometheus, what: &str, wanted: impl Fn(&Metrics) -> bool) -> Metrics {
    let last = Mutex::new(String::new());
    eventually(what, async || {
        let sample = source.sample().await;
        let shown = format!("{sample:?}");
        if *last.lock().unwrap() != shown {
            eprintln!("sampled {shown}");
            *last.lock().unwrap() = shown;
        }
        sample.ok().filter(&wanted)
    })
    .await
}

#[tokio::test]
async fn real_figures_are_read_and_their_end_is_seen() {
    let exporter = exporter().await;
    let Some(mut prometheus) = RealPrometheus::start(exporter.address) else { return };
    let error_rate =
        "sum(rate(http_requests_total{code=~\"5..\"}[1m]))\n  / # all\nsum(rate(http_requests_total[1m]))";
    let source = source(&prometheus.url().await)
        .query("error_rate", error_rate)
        .query("latency_p50", quantile(0.5))
        .query("latency_p99", quantile(0.99))
        .query("requests", "sum(http_requests_total)")
        .query("up", "up{job=\"api\"}")
        .query("data_age", "time() - max(timestamp(up{job=\"api\"}))")
        .build()
        .unwrap();

    sample_until(&source, "all figures are right", |metrics| {
        let near = |name: &str, expected: f64| {
            metrics.value(name).is_some_and(|value| (value - expected).abs() < 1e-9)
        };
        let latencies = near("latency_p50", 0.1) && near("latency_p99", 0.1 + 0.4 * 49.0 / 50.0);
        let requests = metrics.value("requests").is_some_and(|count| count >= 200.0 && count % 100.0 == 0.0);
        let fresh = metrics.value("data_age").is_some_and(|age| (0.0..30.0).contains(&age));
        near("error_rate", 0.02) && near("up", 1.0) && latencies && requests && fresh
    })
    .await;

    exporter.stop().await;
    sample_until(&source, "the target is down and its data is gone", |metrics| {
        let gone = metrics.sample("requests") == Sample::Unknown(UnknownReason::Empty);
        metrics.value("up") == Some(0.0) && gone
    })
    .await;

    prometheus.kill();
    let error = source.sample().await.unwrap_err();
    assert!(error.to_string().starts_with("cannot read the metrics of prometheus at http://127.0.0.1:"));
}

#[tokio::test]
async fn real_answers_that_are_no_number_are_unknown() {
    let exporter = exporter().await;
    let Some(prometheus) = RealPrometheus::start(exporter.address) else { return };
    let url = prometheus.url().await;
    let source = source(&url)
        .query("scraped", "sum(http_requests_total)")
        .query("scalar", "scalar(vector(42))")
        .query("nan", "vector(0) / vector(0)")
        .query("infinite", "1 / 0")
        .query("empty", "no_such_metric")
        .query("ambiguous", "http_requests_total")
        .query("string", "\"text\"")
        .query("matrix", "http_requests_total[1m]")
        .query("unparsable", "sum(")
        .query("not_evaluated", "http_requests_total + on() http_requests_total")
        .build()
        .unwrap();
    let metrics = sample_until(&source, "the answers that depend on a scrape", |metrics| {
        let rejected = |text: &str| text.starts_with("HTTP 422, execution: ");
        let evaluated = matches!(metrics.sample("not_evaluated"), Sample::Unknown(UnknownReason::Failed(text)) if rejected(&text));
        let ambiguous = metrics.sample("ambiguous") == Sample::Unknown(UnknownReason::Ambiguous(2));
        metrics.value("scraped").is_some() && ambiguous && evaluated
    })
    .await;
    let reason = |name: &str| match metrics.sample(name) {
        Sample::Unknown(why) => why,
        value => panic!("{name} is {value}"),
    };
    let failure = |name: &str| match reason(name) {
        UnknownReason::Failed(text) => text,
        why => panic!("{name}: {why}"),
    };
    assert_eq!(metrics.value("scalar"), Some(42.0));
    assert_eq!(reason("nan"), UnknownReason::NotFinite);
    assert_eq!(reason("infinite"), UnknownReason::NotFinite);
    assert_eq!(reason("empty"), UnknownReason::Empty);
    assert_eq!(failure("string"), "the query yields a string, not one number");
    assert_eq!(failure("matrix"), "the query yields a matrix, not one number");
    assert!(failure("unparsable").starts_with("HTTP 400, bad_data: "), "{}", failure("unparsable"));
}
