//! The runner beside nothing at all: a trivial experiment from start to exit, from a breach to the rollback, and many
//! experiments at once. Each memory figure is of a process of its own.
//!
//! `cargo bench -p chaos-benches --bench runner [-- --quick] [trivial|breach|many]`

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chaos_core::{
    error::InjectError,
    experiment::{Experiment, ExperimentStatus},
    id::FaultKind,
    injector::{Capabilities, Effect, FaultCtx, Injector, Live, Prepared, on_end},
    journal::MemoryJournal,
    safety::{OperatingWindow, SafetyConstraints},
    scope::Target,
    units::HumanDuration,
};
use chaos_runner::{Run, Runner, Settings, journal::FileJournal, source::function::from_fn};

/// The argument that makes this program a process to be measured.
const CHILD: &str = "--child";

fn main() {
    let args: Vec<String> = env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let Some(at) = args.iter().position(|arg| arg == CHILD) {
        return child(&args[at + 1..]);
    }
    let quick = args.iter().any(|arg| arg == "--quick");
    let wanted =
        |name: &str| args.iter().all(|arg| arg.starts_with("--")) || args.iter().any(|arg| arg == name);
    if wanted("trivial") {
        trivial(if quick { 5 } else { 31 });
    }
    if wanted("breach") {
        breach(if quick { 30 } else { 300 });
    }
    if wanted("many") {
        many(quick);
    }
}

/// A fault that does nothing but be there; what is measured is the runner.
#[derive(Debug)]
struct Nothing {
    name: String,
    ended: Arc<Mutex<Option<Instant>>>,
}

impl Nothing {
    fn new(index: usize) -> Self {
        Self { name: index.to_string(), ended: Arc::default() }
    }
}

#[async_trait]
impl Injector for Nothing {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static("bench.nothing")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::process()
    }

    async fn prepare(&self, _: &FaultCtx) -> Result<Prepared, InjectError> {
        Ok(Prepared::held_by_process(self.kind(), &())?.target(Target::new("bench", &self.name)))
    }

    async fn inject(&self, _: &FaultCtx, _: &Prepared) -> Result<Option<Box<dyn Live>>, InjectError> {
        let ended = Arc::clone(&self.ended);
        Ok(Some(on_end(move || *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now()))))
    }

    async fn effect(&self, _: &FaultCtx) -> Result<Effect, InjectError> {
        Ok(Effect::seen())
    }
}

fn safety() -> SafetyConstraints {
    SafetyConstraints::default().window(OperatingWindow::always())
}

fn experiment(duration: Duration) -> Experiment {
    Experiment::builder("bench")
        .success_criteria("error rate <5%")
        .duration(HumanDuration::new(duration).expect("a duration"))
        .build()
        .expect("an experiment")
}

fn run(index: usize, duration: Duration) -> Run {
    Run::new(experiment(duration))
        .fault(Nothing::new(index))
        .metrics(from_fn(|| [("error_rate", 0.01), ("latency_p99", 0.2)]))
}

/// Start to exit of a whole process with one experiment, beside one that starts a runtime and exits.
fn trivial(rounds: usize) {
    let mut experiment = Vec::new();
    let mut empty = Vec::new();
    let mut peak = 0;
    for _ in 0..rounds {
        let (took, rss) = measure(&["trivial"]);
        experiment.push(took);
        peak = peak.max(rss);
        empty.push(measure(&["empty"]).0);
    }
    let (experiment, empty) = (median(&mut experiment), median(&mut empty));
    line("trivial experiment, start to exit", &format!("{experiment:.1} ms"), "20 ms", experiment <= 20.0);
    line("  the same process without it", &format!("{empty:.1} ms"), "", true);
    line("trivial experiment, peak memory", &format!("{:.1} MB", mb(peak)), "10 MB", mb(peak) <= 10.0);
}

/// From the instant at which the figures turn bad to the instant at which the fault is being taken away.
fn breach(rounds: usize) {
    let interval = Duration::from_millis(20);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut settings = Settings::default();
    settings.interval = interval;
    let runner = Runner::builder(safety())
        .settings(settings)
        .journal(MemoryJournal::forgetting())
        .build()
        .expect("a runner");
    let mut late: Vec<f64> = (0..rounds).map(|round| runtime.block_on(one_breach(&runner, round))).collect();
    late.sort_by(f64::total_cmp);
    let (p50, p99) = (late[late.len() / 2], late[(late.len() * 99 / 100).min(late.len() - 1)]);
    let goal = interval.as_secs_f64() * 1e3 + 2.0;
    line("breach to rollback begun, p50 at an interval of 20 ms", &format!("{p50:.2} ms"), "", true);
    line(
        "breach to rollback begun, p99 at an interval of 20 ms",
        &format!("{p99:.2} ms"),
        &format!("{goal} ms"),
        p99 <= goal,
    );
}

async fn one_breach(runner: &Runner, round: usize) -> f64 {
    let (bad, fault) = (Arc::new(AtomicBool::new(false)), Nothing::new(round));
    let ended = Arc::clone(&fault.ended);
    let theirs = Arc::clone(&bad);
    let metrics = from_fn(move || {
        let rate = if theirs.load(Ordering::SeqCst) { 0.5 } else { 0.01 };
        [("error_rate", rate), ("latency_p99", 0.2)]
    });
    let handle = runner.start(Run::new(experiment(Duration::from_secs(600))).fault(fault).metrics(metrics));
    // The breach falls anywhere within an interval.
    tokio::time::sleep(Duration::from_micros(30_000 + (round as u64 * 7_919) % 20_000)).await;
    let breached = Instant::now();
    bad.store(true, Ordering::SeqCst);
    let report = handle.wait().await.expect("a report");
    assert_eq!(report.status(), ExperimentStatus::Aborted);
    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner).expect("the fault ended");
    (ended - breached).as_secs_f64() * 1e3
}

/// Many experiments on one runner, each in a process of its own: peak memory while all are on, and CPU time.
fn many(quick: bool) {
    let counts: &[usize] = if quick { &[1, 1_000] } else { &[1, 10, 100, 1_000, 10_000] };
    for count in counts {
        many_of("memory", *count, if *count == 10_000 { "80 MB" } else { "" });
    }
    many_of("file", if quick { 100 } else { 1_000 }, "");
}

fn many_of(journal: &str, count: usize, goal: &str) {
    let mut child = spawn(&["many", journal, &count.to_string()]);
    let told = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok).last();
    assert!(child.wait().expect("its end").success(), "{count} experiments failed");
    let told = told.expect("its figures");
    let mut figures = told.split(' ').filter_map(|figure| figure.parse::<f64>().ok());
    let (memory, cpu) = (figures.next().unwrap_or(f64::NAN), figures.next().unwrap_or(f64::NAN));
    let name = format!("{count} experiments at once, {journal} journal");
    let each = cpu / count as f64 * 1e6;
    let value = format!("{memory:.1} MB, {:.2} s CPU, {each:.0} us CPU each", cpu);
    line(&name, &value, goal, goal.is_empty() || memory <= 80.0);
}

fn child(args: &[String]) {
    match args[0].as_str() {
        "empty" => drop(tokio::runtime::Runtime::new().expect("a runtime")),
        "trivial" => child_trivial(),
        "many" => child_many(&args[1], args[2].parse().expect("a number")),
        other => panic!("no such child: {other}"),
    }
}

fn child_trivial() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = FileJournal::open(folder.path().join("runs")).expect("a journal");
    let runner = Runner::builder(safety()).file_journal(journal).build().expect("a runner");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(runner.run_all(run(0, Duration::from_millis(1)))).expect("a report");
    assert_eq!(report.status(), ExperimentStatus::Success, "{report}");
}

fn child_many(journal: &str, count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let builder = Runner::builder(safety());
    let builder = match journal {
        "file" => builder.file_journal(FileJournal::open(folder.path().join("runs")).expect("a journal")),
        _ => builder.journal(MemoryJournal::forgetting()),
    };
    let runner = Arc::new(builder.build().expect("a runner"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut runs = tokio::task::JoinSet::new();
        for index in 0..count {
            let runner = Arc::clone(&runner);
            runs.spawn(async move {
                runner.run_all(run(index, Duration::from_secs(3))).await.expect("a report").status()
            });
        }
        while let Some(status) = runs.join_next().await {
            assert_eq!(status.expect("no panic"), ExperimentStatus::Success);
        }
    });
    println!("{} {}", peak_memory_mb(), cpu_seconds());
}

fn peak_memory_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
}

fn cpu_seconds() -> f64 {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

#[expect(clippy::disallowed_methods, reason = "a memory figure needs a process of its own")]
fn spawn(args: &[&str]) -> Child {
    Command::new(env::current_exe().expect("this program"))
        .arg(CHILD)
        .args(args)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process")
}

/// Milliseconds from spawn to exit, and the peak of memory in kB of the largest child so far.
fn measure(args: &[&str]) -> (f64, i64) {
    use nix::sys::resource::{UsageWho, getrusage};
    let started = Instant::now();
    let status: ExitStatus = spawn(args).wait().expect("its end");
    assert!(status.success());
    let took = started.elapsed().as_secs_f64() * 1e3;
    (took, getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage").max_rss())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn mb(kilobytes: i64) -> f64 {
    kilobytes as f64 / 1024.0
}

fn line(what: &str, value: &str, goal: &str, reached: bool) {
    let goal = if goal.is_empty() {
        String::new()
    } else {
        format!("goal {goal}: {}", if reached { "reached" } else { "MISSED" })
    };
    println!("{what:<56} {value:<44} {goal}");
}
