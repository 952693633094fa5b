//! What the tests of runs share: a fake host, a runner on it, and waits with a bound.

use std::{future::Future, sync::Arc, time::Duration};

use chaos_core::{
    experiment::{Experiment, ExperimentBuilder},
    journal::EventBody,
    metrics::Metrics,
    safety::{OperatingWindow, SafetyConstraints},
    testkit::{FakeHost, FakeReverter, MemoryJournal, ScriptedFault, ScriptedReverter},
    units::HumanDuration,
};
use chaos_runner::{Run, Runner, RunnerBuilder, Settings, source::function};

/// No wait of a test is longer.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

pub(crate) struct Bench {
    pub(crate) host: FakeHost,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) runner: Runner,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(more: impl FnOnce(RunnerBuilder) -> RunnerBuilder) -> Self {
        let (host, journal) = (FakeHost::new(), Arc::new(MemoryJournal::new()));
        let builder = builder(&host).journal(Arc::clone(&journal));
        Self { runner: more(builder).build().expect("a runner"), host, journal }
    }

    pub(crate) fn fault(&self, setting: &str) -> ScriptedFault {
        ScriptedFault::new(&self.host, setting)
    }

    /// A run of one fault on the setting `db`, with good figures.
    pub(crate) fn run(&self) -> Run {
        Run::new(experiment().build().expect("an experiment")).fault(self.fault("db")).metrics(good())
    }

    /// The events of the only run, by name.
    pub(crate) fn journaled(&self) -> Vec<String> {
        let runs = self.journal.runs();
        assert_eq!(runs.len(), 1, "one run in the journal");
        self.journal.events(&runs[0]).iter().map(|event| name(&event.body)).collect()
    }

    pub(crate) fn assert_clean(&self) {
        assert!(!self.host.is_marked(), "a fault is left behind: {:?}", self.host.dump());
    }
}

pub(crate) fn builder(host: &FakeHost) -> RunnerBuilder {
    Runner::builder(safety())
        .settings(fast())
        .reverter(ScriptedReverter::new(host))
        .reverter(FakeReverter::new(host))
}

pub(crate) fn safety() -> SafetyConstraints {
    SafetyConstraints::default().window(OperatingWindow::always())
}

pub(crate) fn fast() -> Settings {
    let mut settings = Settings::default();
    settings.interval = Duration::from_millis(10);
    settings.settle = Duration::from_millis(5);
    settings.join_timeout = Duration::from_millis(200);
    settings.rollback_timeout = Duration::from_secs(2);
    settings.recovery_timeout = Duration::from_millis(200);
    settings
}

pub(crate) fn experiment() -> ExperimentBuilder {
    Experiment::builder("A setting is lost")
        .hypothesis("the service bears it")
        .blast_radius("one setting")
        .rollback_plan("set it back")
        .success_criteria("error rate <5%")
        .duration(HumanDuration::from_millis(60))
        .seed(7)
}

/// An experiment that goes on until it is stopped.
pub(crate) fn endless() -> Experiment {
    experiment().duration(HumanDuration::from_secs(600)).build().expect("an experiment")
}

pub(crate) fn figures(error_rate: f64) -> Metrics {
    Metrics::from([("error_rate", error_rate), ("latency_p99", 0.2)])
}

pub(crate) fn good() -> function::Function {
    function::from_fn(|| figures(0.01))
}

/// Waits for a future, for no longer than the bound.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, work).await.expect("the test waits for no longer than its bound")
}

/// Waits until the condition holds, for no longer than the bound.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(BOUND, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

pub(crate) fn name(body: &EventBody) -> String {
    match body {
        EventBody::Run(_) => "run".into(),
        EventBody::Intent { undo } => format!("intent {}", undo.fault),
        EventBody::Applied { fault } => format!("applied {fault}"),
        EventBody::Undone { fault, how } => format!("undone {fault}: {how}"),
        EventBody::Stuck { fault, .. } => format!("stuck {fault}"),
        EventBody::Phase { phase, .. } => format!("phase {phase}"),
        EventBody::Closed { status } => format!("closed {status}"),
        other => format!("{other:?}"),
    }
}
