//! Constant-rate load: asked against achieved rate, cost, and what a stall of one second does to p99.
//!
//! `cargo bench -p chaos-benches --bench load [-- --quick]`. The server runs in this process, on a thread of its own,
//! and counts and times the arrivals independently of the load. Each figure is one line with its goal; the program
//! fails if a goal is missed.

use std::{
    error::Error,
    fs,
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use chaos_core::units::HumanDuration;
use chaos_injectors::load::{Load, LoadReport, LoadSpec, Profile};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::watch,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Of a load with 1 s of stall in `span`: a share of `1 / span` of its requests waits, uniformly from 0 to 1 s, so
/// the 99th percentile of all is at `1 - 0.01 x span` seconds.
fn true_p99_after_stall(span: Duration) -> f64 {
    1.0 - 0.01 * span.as_secs_f64()
}

fn main() -> ExitCode {
    let quick = std::env::args().any(|argument| argument == "--quick");
    match run(quick) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(quick: bool) -> Outcome<bool> {
    let (rounds, seconds) = if quick { (1, 3) } else { (5, 10) };
    let server = Server::start()?;
    let mut met = true;
    for rate in [1_000.0, 10_000.0] {
        let mut measured =
            (0..rounds).map(|_| Rate::measure(&server, rate, seconds)).collect::<Outcome<Vec<_>>>()?;
        measured.sort_by(|a, b| a.off_percent().total_cmp(&b.off_percent()));
        met &= measured[measured.len() / 2].print(rounds);
    }
    met &= stall(&server, Duration::from_secs(if quick { 5 } else { 10 }))?;
    Ok(met)
}

/// One run at a constant rate.
struct Rate {
    asked: f64,
    achieved: f64,
    arrived: f64,
    failed: u64,
    cpu_percent: f64,
    report: LoadReport,
}

impl Rate {
    fn measure(server: &Server, rate: f64, seconds: u64) -> Outcome<Self> {
        server.forget();
        let load = start(server, rate, Duration::from_secs(seconds), 64)?;
        thread::park_timeout(Duration::from_millis(seconds * 1_000 - 500));
        let cpu = cpu_of_load_thread()?;
        let elapsed = load.meter().stats().elapsed;
        let report = runtime()?.block_on(load.wait());
        Ok(Self {
            asked: report.stats.asked_rate,
            achieved: report.stats.achieved_rate,
            arrived: server.arrival_rate(),
            failed: report.stats.errors.total() + report.stats.outstanding,
            cpu_percent: 100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64(),
            report,
        })
    }

    /// The worse of what the load says and what the server saw, in percent of the asked rate.
    fn off_percent(&self) -> f64 {
        let off = |rate: f64| 100.0 * (rate - self.asked).abs() / self.asked;
        off(self.achieved).max(off(self.arrived))
    }

    fn print(&self, rounds: usize) -> bool {
        let met = self.off_percent() <= 0.1 && self.failed == 0;
        println!(
            "load rate: asked {:.0}/s achieved {:.2}/s, at the server {:.2}/s, off {:.4} % (goal 0.1 %, median of {rounds}) {}",
            self.asked,
            self.achieved,
            self.arrived,
            self.off_percent(),
            verdict(met),
        );
        let (Some(latency), Some(service)) = (self.report.stats.latency, self.report.stats.service) else {
            return false;
        };
        println!(
            "load cost at {:.0}/s: {:.1} % of a core, {:.1} us a request; latency p50 {:?} p99 {:?}, service p50 {:?} p99 {:?}, worst lag {:?} (no goal)",
            self.asked,
            self.cpu_percent,
            self.cpu_percent * 1e4 / self.asked,
            latency.p50,
            latency.p99,
            service.p50,
            service.p99,
            self.report.stats.lag_max,
        );
        met
    }
}

fn stall(server: &Server, span: Duration) -> Outcome<bool> {
    let load = start(server, 1_000.0, span, 16)?;
    thread::park_timeout(span / 3);
    server.stalled.send_replace(true);
    thread::park_timeout(Duration::from_secs(1));
    server.stalled.send_replace(false);
    let stats = runtime()?.block_on(load.wait()).stats;
    let (Some(latency), Some(service)) = (stats.latency, stats.service) else {
        return Err("nothing was measured".into());
    };
    let truth = true_p99_after_stall(span);
    let met = (latency.p99.as_secs_f64() - truth).abs() <= 0.05 * truth;
    println!(
        "load stall of 1 s in {span:?} at 1000/s: p99 {:?} from the intended start, {:?} uncorrected, truth {:.0} ms (goal within 5 %) {}",
        latency.p99,
        service.p99,
        truth * 1e3,
        verdict(met),
    );
    Ok(met)
}

const fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn start(server: &Server, rate: f64, span: Duration, connections: u32) -> Outcome<Load> {
    let spec = LoadSpec::new(server.url.as_str(), Profile::Constant { rate })
        .duration(HumanDuration::new(span)?)
        .connections(connections);
    Ok(Load::start(spec.plan()?)?)
}

fn runtime() -> Outcome<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

/// The time on a CPU of the one load that runs, from the first field of `schedstat`, in nanoseconds.
fn cpu_of_load_thread() -> Outcome<Duration> {
    for task in fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        if fs::read_to_string(path.join("comm"))?.trim() == "chaos-load" {
            let schedstat = fs::read_to_string(path.join("schedstat"))?;
            let nanos = schedstat.split_whitespace().next().ok_or("empty schedstat")?.parse()?;
            return Ok(Duration::from_nanos(nanos));
        }
    }
    Err("no thread of a load".into())
}

/// The least HTTP/1.1 server: it answers every request head with the same bytes, unless it is stalled.
struct Server {
    url: String,
    stalled: watch::Sender<bool>,
    arrivals: Arc<Mutex<Arrivals>>,
}

#[derive(Default)]
struct Arrivals {
    count: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Server {
    fn start() -> Outcome<Self> {
        let runtime = runtime()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}/", listener.local_addr()?);
        let (stalled, gate) = watch::channel(false);
        let arrivals = Arc::new(Mutex::new(Arrivals::default()));
        let seen = Arc::clone(&arrivals);
        thread::spawn(move || {
            runtime.block_on(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, gate.clone(), Arc::clone(&seen)));
                }
            });
        });
        Ok(Self { url, stalled, arrivals })
    }

    fn forget(&self) {
        *self.arrivals.lock().expect("no holder of the lock panics") = Arrivals::default();
    }

    /// The rate between the first and the last arrival, by the server's own clock.
    fn arrival_rate(&self) -> f64 {
        let arrivals = self.arrivals.lock().expect("no holder of the lock panics");
        match (arrivals.first, arrivals.last) {
            (Some(first), Some(last)) => (arrivals.count - 1) as f64 / (last - first).as_secs_f64(),
            _ => 0.0,
        }
    }
}

async fn serve(mut stream: TcpStream, mut stalled: watch::Receiver<bool>, arrivals: Arc<Mutex<Arrivals>>) {
    let mut head = [0; 4096];
    let mut filled = 0;
    while let Ok(read @ 1..) = stream.read(&mut head[filled..]).await {
        filled += read;
        if !head[..filled].ends_with(b"\r\n\r\n") {
            continue;
        }
        filled = 0;
        note(&arrivals);
        let open = stalled.wait_for(|stalled| !stalled).await.is_ok();
        if !open || stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
            return;
        }
    }
}

fn note(arrivals: &Mutex<Arrivals>) {
    let now = Instant::now();
    let mut arrivals = arrivals.lock().expect("no holder of the lock panics");
    arrivals.count += 1;
    arrivals.first.get_or_insert(now);
    arrivals.last = Some(now);
}
