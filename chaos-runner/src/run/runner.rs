use std::sync::Arc;

use chaos_core::{
    experiment::Experiment, id::RunId, injector::Injector, metrics::MetricsSource, plan::Plan,
    safety::SafetyPolicy,
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Run, RunHandle, RunnerBuilder, Shared,
    engine::{Engine, Order, job},
};
use crate::{
    error::RunError, event::EventStream, machine::AbortReason, recovery::RecoveryReport, report::RunReport,
};

/// Runs experiments and rolls back their faults, whatever happens.
///
/// A runner has a thread of its own: dropping the future that waits for a run, or the runtime on which it waits, aborts the run
/// and rolls it back. Dropping the runner aborts all runs and waits for their rollbacks, within a bound.
///
/// ```
/// use chaos_core::{experiment::Experiment, safety::{OperatingWindow, SafetyConstraints}, units::HumanDuration};
/// use chaos_core::testkit::{FakeFault, FakeHost, FakeReverter, MemoryJournal};
/// use chaos_runner::{Runner, source};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let host = FakeHost::new();
/// let safety = SafetyConstraints::default().window(OperatingWindow::always());
/// let runner = Runner::builder(safety).journal(MemoryJournal::new()).reverter(FakeReverter::new(&host)).build()?;
/// let experiment = Experiment::builder("A setting is lost")
///     .success_criteria("Error rate <5%")
///     .duration(HumanDuration::from_millis(10))
///     .build()?;
/// let metrics = source::function::from_fn(|| [("error_rate", 0.01), ("latency_p99", 0.2)]);
/// let report = runner.run(experiment, FakeFault::new(&host, "limit", "0"), metrics).await?;
/// assert_eq!(report.status().as_str(), "success");
/// assert_eq!(host.get("limit"), None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Runner {
    engine: Engine,
    shared: Arc<Shared>,
}

impl Runner {
    /// A runner with these safety policies, the default journal and no reverters but those of faults that end with the process.
    ///
    /// # Errors
    /// [`RunError::Journal`], [`RunError::Thread`].
    pub fn new(policy: impl SafetyPolicy) -> Result<Self, RunError> {
        Self::builder(policy).build()
    }

    /// Begins a runner with these safety policies.
    pub fn builder(policy: impl SafetyPolicy) -> RunnerBuilder {
        RunnerBuilder::new(policy)
    }

    pub(super) const fn from_parts(engine: Engine, shared: Arc<Shared>) -> Self {
        Self { engine, shared }
    }

    /// Runs one fault and waits for the report.
    ///
    /// # Errors
    /// [`RunError`], if the run did not take place. A run that was refused by a policy, aborted or failed is a report.
    pub async fn run(
        &self,
        experiment: Experiment,
        injector: impl Injector,
        metrics: impl MetricsSource,
    ) -> Result<RunReport, RunError> {
        self.run_all(Run::new(experiment).fault(injector).metrics(metrics)).await
    }

    /// Runs all faults of a request and waits for the report, without events.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_all(&self, run: Run) -> impl Future<Output = Result<RunReport, RunError>> + Send {
        // Boxed until it is started: many runs may wait at once.
        let run = Box::new(run);
        async move {
            let handle = {
                let run = run;
                self.launch(*run, false)
            };
            handle.wait().await
        }
    }

    /// Starts a run; its handle streams the events.
    pub fn start(&self, run: Run) -> RunHandle {
        self.launch(run, true)
    }

    /// Says what a run would touch, with which guarantee, and what each fault needs. Changes nothing.
    ///
    /// # Errors
    /// [`RunError`], as the run itself would give it.
    pub async fn plan(&self, run: Run) -> Result<Plan, RunError> {
        let (done, result) = oneshot::channel();
        self.engine.order(Order::Plan { id: self.next_id(), run: Box::new(run), done });
        result.await.unwrap_or(Err(RunError::ShutDown))
    }

    /// Undoes what earlier runs left behind. The first run of a runner does so by itself.
    ///
    /// # Errors
    /// [`RunError::Journal`], if the journal cannot be read.
    pub async fn recover(&self) -> Result<RecoveryReport, RunError> {
        let (done, result) = oneshot::channel();
        self.engine.order(Order::Recover { done });
        result.await.unwrap_or(Err(RunError::ShutDown))
    }

    /// Asks every run to stop, and tells how many there are.
    pub fn abort_all(&self) -> usize {
        self.shared.abort_all(&AbortReason::Requested)
    }

    fn launch(&self, run: Run, with_events: bool) -> RunHandle {
        let (job, abort) = job(self.next_id(), run);
        let id = job.id.clone();
        // Before the order: a signal that comes first stops it all the same.
        self.shared.enlist(&id, &abort);
        let (done, result) = oneshot::channel();
        let (sender, stream) = with_events.then(mpsc::unbounded_channel).unzip();
        self.engine.order(Order::Start { job, events: sender, done });
        RunHandle::new(id, abort, stream.map(EventStream), result)
    }

    fn next_id(&self) -> RunId {
        RunId::generate(self.shared.clock.now())
    }
}

#[expect(dead_code, reason = "pins that a runner and its handles can be shared and sent")]
fn shared_and_sent(runner: Runner, handle: RunHandle) -> (impl Send + Sync, impl Send) {
    (runner, handle)
}
