use std::{sync::Arc, time::Duration};

use chaos_core::{
    experiment::Experiment,
    injector::{Guarantee, Injector},
    journal::MemoryJournal,
    plan::Plan,
    safety::{Env, History, SafetyPolicy, Verdict},
    undo::ReverterRegistry,
};

use crate::{
    error::RunError,
    event::RunEvent,
    report::RunReport,
    run::{Run, RunHandle, Runner},
};

/// For how long a guard holds its fault at most.
const TIME_LIMIT: Duration = Duration::from_secs(15 * 60);

/// One fault in a test: there after `inject`, gone after `rollback`.
///
/// Dropping the guard rolls back too, and waits for it within a bound, also when the test panics or its runtime ends: the rollback has
/// a thread and a runtime of its own. A fault that is held for more than 15 minutes is rolled back by itself.
///
/// ```
/// use chaos_core::testkit::{FakeFault, FakeHost, FakeReverter};
/// use chaos_core::undo::ReverterRegistry;
/// use chaos_runner::FaultGuard;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let host = FakeHost::new();
/// # let mut registry = ReverterRegistry::new();
/// # registry.register(FakeReverter::new(&host));
/// # let journal = chaos_core::journal::MemoryJournal::new();
/// let guard = FaultGuard::inject_with(registry, journal, FakeFault::new(&host, "limit", "0")).await?;
/// assert_eq!(host.get("limit").as_deref(), Some("0"));
/// guard.rollback().await?;
/// assert_eq!(host.get("limit"), None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the fault is rolled back when the guard is dropped; call `rollback().await`"]
pub struct FaultGuard {
    // Declared before the runner: an abort comes before the wait for the rollback.
    handle: RunHandle,
    _runner: Runner,
}

impl FaultGuard {
    /// Injects a fault. A fault that ends with the process needs nothing more; any other uses the default journal, and needs its
    /// reverter: see [`inject_with`](Self::inject_with).
    ///
    /// # Errors
    /// [`RunError`]; nothing of the fault is left then.
    pub async fn inject(injector: impl Injector) -> Result<Self, RunError> {
        let builder = Runner::builder(TimeLimit);
        let runner = match injector.capabilities().guarantee {
            Guarantee::Process => builder.journal(MemoryJournal::forgetting()).build()?,
            _ => builder.build()?,
        };
        Self::start(runner, Arc::new(injector)).await
    }

    /// Injects a fault with reverters and a journal of the caller's.
    ///
    /// # Errors
    /// [`RunError`]; nothing of the fault is left then.
    pub async fn inject_with(
        registry: ReverterRegistry,
        journal: impl chaos_core::journal::Journal,
        injector: impl Injector,
    ) -> Result<Self, RunError> {
        let runner = Runner::builder(TimeLimit).registry(registry).journal(journal).build()?;
        Self::start(runner, Arc::new(injector)).await
    }

    /// Takes the fault away and waits until it is gone.
    ///
    /// # Errors
    /// [`RunError::LeftBehind`], if it is not gone, with the step that a person can do.
    pub async fn rollback(self) -> Result<RunReport, RunError> {
        self.handle.abort();
        let report = self.handle.wait().await?;
        if report.left_behind().next().is_some() {
            Err(RunError::LeftBehind(Box::new(report)))
        } else {
            Ok(report)
        }
    }

    async fn start(runner: Runner, injector: Arc<dyn Injector>) -> Result<Self, RunError> {
        let name = format!("guard of {}", injector.kind());
        let experiment = Experiment::builder(name).build()?;
        let mut handle = runner.start(Run::new(experiment).fault(injector));
        while let Some(event) = handle.next_event().await {
            if matches!(event, RunEvent::Applied { .. }) {
                return Ok(Self { handle, _runner: runner });
            }
        }
        let report = handle.wait().await?;
        let left = report.left_behind().next().is_some();
        Err(if left {
            RunError::LeftBehind(Box::new(report))
        } else {
            RunError::NotInjected(report.conclusion)
        })
    }
}

/// Nothing but the bound on the time.
#[derive(Debug)]
struct TimeLimit;

impl SafetyPolicy for TimeLimit {
    fn admit(&self, _: &Plan, _: &Env) -> Verdict {
        Verdict::Allow
    }

    fn judge(&self, _: &History<'_>) -> Verdict {
        Verdict::Allow
    }

    fn time_limit(&self) -> Option<Duration> {
        Some(TIME_LIMIT)
    }
}
