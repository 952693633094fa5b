//! A first experiment, in one command and without root: a real HTTP service on loopback, the fault proxy before it, constant
//! traffic through it, latency injected, limits watched, everything rolled back and verified.
//!
//! `cargo run --release -p chaos-examples --example first_experiment`            ends with 0: the service bears it
//! `cargo run --release -p chaos-examples --example first_experiment -- --breach` ends with 3: a limit is breached, the run aborts
//! `cargo run --release -p chaos-examples --example first_experiment -- --file examples/experiments/first.yaml`
//!
//! The journal and the reports are in the folder `chaos-report`.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use chaos_core::{
    error::{PlanError, Problem},
    experiment::Experiment,
    file::{BuiltFault, ExperimentFile},
    id::FaultId,
    safety::{OperatingWindow, SafetyConstraints},
    spec::FaultFactory,
    undo::ReverterRegistry,
    units::HumanDuration,
};
use chaos_examples::Service;
use chaos_injectors::{
    load::{Load, LoadSpec, Profile},
    proxy::{Latency, Proxy, ToxicSpec},
};
use chaos_runner::{Run, RunError, RunEvent, RunReport, Runner, Settings, journal::FileJournal};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The name by which experiment files find the proxy.
const PROXY: &str = "service";

#[derive(Parser)]
#[command(about = "A first experiment: latency before a real service, watched and rolled back")]
struct Args {
    /// Ask for so much latency that a limit is breached and the run aborts.
    #[arg(long, conflicts_with = "file")]
    breach: bool,
    /// Run an experiment file instead; its faults find the proxy under the name `service`.
    #[arg(long)]
    file: Option<PathBuf>,
    /// Where the journal and the reports go.
    #[arg(long, default_value = "chaos-report")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let causes = std::iter::successors(Some(&*error), |&error: &&dyn Error| error.source());
            causes.for_each(|cause| eprintln!("error: {cause}"));
            ExitCode::from(if is_bad_input(&*error) { 2 } else { 1 })
        }
    }
}

/// Whether the caller has to change something: the plan, or the file that was named.
fn is_bad_input(error: &(dyn Error + 'static)) -> bool {
    error.is::<PlanError>() || matches!(error.downcast_ref(), Some(RunError::Plan(_)))
}

async fn run(args: Args) -> Result<u8, Box<dyn Error>> {
    let service = Service::start().await?;
    let proxy = Proxy::builder("127.0.0.1:0".parse()?, service.addr()).name(PROXY).start().await?;
    let traffic = traffic(&proxy)?;
    let What { experiment, faults, safety, interval } = what(&args, &proxy)?;

    let journal = FileJournal::open(args.out.join("runs"))?;
    let runner = runner(safety, interval, &args.out)?;
    let recovery = runner.recover().await?;
    if !recovery.runs.is_empty() {
        println!("{recovery}\n");
    }

    let mut run = Run::new(experiment).metrics(traffic.meter());
    for fault in faults {
        run = run.named_fault(fault.id, fault.injector);
    }
    let report = watch(&runner, run).await?;
    println!("\n{report}");
    save(&report, &journal, &args.out)?;
    tell_incident(&report, &journal)?;
    let took = one_request(&proxy).await?;
    println!("the next request through the proxy takes {:.1} ms", took.as_secs_f64() * 1e3);
    traffic.stop().await;
    proxy.shutdown().await;
    Ok(report.exit_code())
}

/// Everything that an experiment file may say, said here or read from one.
struct What {
    experiment: Experiment,
    faults: Vec<BuiltFault>,
    safety: SafetyConstraints,
    interval: Duration,
}

fn what(args: &Args, proxy: &Proxy) -> Result<What, Box<dyn Error>> {
    match &args.file {
        Some(path) => Ok(from_file(path)?),
        None => Ok(built_in(args.breach, proxy)?),
    }
}

fn built_in(breach: bool, proxy: &Proxy) -> Result<What, PlanError> {
    let latency = HumanDuration::from_millis(if breach { 1500 } else { 100 });
    let experiment = Experiment::builder("The service bears a slow network")
        .hypothesis("100 ms more latency slows every request and fails none")
        .steady_state("error_rate < 1%")
        .steady_state("latency_p99 < 90ms")
        .blast_radius("the proxy before one service on loopback")
        .rollback_plan("remove the toxic from the proxy")
        .success_criteria("error rate < 1%, latency p99 < 700ms")
        .duration(HumanDuration::from_secs(5))
        .build()?;
    let fault = Latency::new(latency).jitter(HumanDuration::from_millis(10)).on(proxy);
    let safety = SafetyConstraints::default()
        .max_latency_p99(HumanDuration::from_secs(1))
        .max_duration(HumanDuration::from_secs(15))
        .window(OperatingWindow::always());
    let faults = vec![BuiltFault { id: FaultId::numbered(0), injector: Box::new(fault) }];
    Ok(What { experiment, faults, safety, interval: Duration::from_millis(250) })
}

fn from_file(path: &Path) -> Result<What, Box<dyn Error>> {
    let name = path.display().to_string();
    let unreadable =
        |error| PlanError::new(&name, vec![Problem::new("", format!("cannot be read: {error}"))]);
    let file = ExperimentFile::parse_bytes(&name, &fs::read(path).map_err(unreadable)?)?;
    let mut factory = FaultFactory::new();
    chaos_injectors::register_kinds(&mut factory);
    Ok(What {
        experiment: file.experiment(),
        faults: file.build_faults(&factory)?,
        safety: file.constraints(),
        interval: file.interval().unwrap_or(Duration::from_secs(1)),
    })
}

/// 200 requests a second through the proxy, whatever the service does; its figures are the metrics of the experiment.
fn traffic(proxy: &Proxy) -> Result<Load, Box<dyn Error>> {
    let spec = LoadSpec::new(format!("http://{}/", proxy.local_addr()), Profile::Constant { rate: 200.0 })
        .duration(HumanDuration::from_secs(3600))
        .window(HumanDuration::from_secs(2));
    Ok(Load::start(spec.plan()?)?)
}

fn runner(safety: SafetyConstraints, interval: Duration, out: &Path) -> Result<Runner, Box<dyn Error>> {
    let mut settings = Settings::default();
    settings.interval = interval;
    settings.baseline_wait = Duration::from_secs(10);
    let mut registry = ReverterRegistry::new();
    chaos_injectors::register_all(&mut registry);
    let journal = FileJournal::open(out.join("runs"))?;
    Ok(Runner::builder(safety)
        .settings(settings)
        .registry(registry)
        .file_journal(journal)
        .handle_signals()
        .build()?)
}

/// Shows the run while it goes on.
async fn watch(runner: &Runner, run: Run) -> Result<RunReport, Box<dyn Error>> {
    let mut handle = runner.start(run);
    let bar =
        ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {elapsed:>4} {msg}")?);
    bar.enable_steady_tick(Duration::from_millis(100));
    while let Some(event) = handle.next_event().await {
        match event {
            RunEvent::Phase { phase, note, .. } => bar.println(format!("{phase:<13} {note}")),
            RunEvent::Observed(seen) => bar.set_message(format!("{}: {}", seen.phase, seen.metrics)),
            RunEvent::Applied { fault, kind } => bar.println(format!("  {fault} {kind} is on")),
            RunEvent::Undone { fault, how } => bar.println(format!("  {fault} {how}")),
            _ => {}
        }
    }
    bar.finish_and_clear();
    Ok(handle.wait().await?)
}

async fn one_request(proxy: &Proxy) -> Result<Duration, std::io::Error> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(proxy.local_addr()).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: service\r\nconnection: close\r\n\r\n").await?;
    stream.read_to_end(&mut Vec::new()).await?;
    Ok(started.elapsed())
}

/// An aborted or failed run opens an incident, whose timeline comes from the journal.
fn tell_incident(report: &RunReport, journal: &FileJournal) -> Result<(), Box<dyn Error>> {
    let events = journal.read(&report.run)?.events;
    if let Some(incident) = report.incident(&events)? {
        println!("\n{incident}\n{}", incident.timeline());
    }
    Ok(())
}

fn save(report: &RunReport, journal: &FileJournal, out: &Path) -> Result<(), Box<dyn Error>> {
    fs::write(out.join("report.txt"), report.to_string())?;
    fs::write(out.join("report.json"), report.to_json()?)?;
    fs::write(out.join("report.html"), report.to_html())?;
    println!("\njournal  {}", journal.path_of(&report.run).display());
    for name in ["report.txt", "report.json", "report.html"] {
        println!("report   {}", out.join(name).display());
    }
    Ok(())
}
