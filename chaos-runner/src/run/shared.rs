use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chaos_core::{
    clock::Clock,
    id::{FaultId, RunId},
    journal::Journal,
    safety::AllOf,
    undo::{ProcessId, ReverterRegistry},
};
use tokio::{runtime::Handle, sync::Mutex as AsyncMutex, time::timeout};

use super::AbortSwitch;
use crate::{
    error::{RunError, panic_text},
    journal::TargetLocks,
    machine::AbortReason,
    recovery::{self, RecoveryReport},
    rollback::{Injecting, Loose},
    settings::Settings,
};

/// What all runs of one runner share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) policy: AllOf,
    pub(crate) registry: ReverterRegistry,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) locks: TargetLocks,
    pub(crate) process: ProcessId,
    /// Where code of others runs: injectors, sources, probes.
    pub(crate) workers: Handle,
    /// The runtime whose threads undo faults; `None` undoes on the workers, for tests on paused time.
    pub(crate) undoer: Option<Handle>,
    pub(crate) loose: Loose,
    pub(crate) danger_allow_unrecovered: bool,
    /// Whether earlier runs are recovered; a fault that is left behind makes it untrue again.
    pub(crate) recovered: AsyncMutex<bool>,
    pub(crate) switches: Mutex<HashMap<RunId, AbortSwitch>>,
}

impl Shared {
    /// Recovers earlier runs before the first run of this runner, and again after a fault was left behind.
    pub(crate) async fn ensure_recovered(self: &Arc<Self>) -> Result<(), RunError> {
        if self.danger_allow_unrecovered {
            return Ok(());
        }
        let mut recovered = self.recovered.lock().await;
        if *recovered {
            return Ok(());
        }
        let open = self.recover_locked(&mut recovered).await?.unrecovered();
        if open.is_empty() { Ok(()) } else { Err(RunError::Unrecovered(open)) }
    }

    /// Recovers what is open now; runs that start meanwhile wait for it.
    pub(crate) async fn recover(self: &Arc<Self>) -> Result<RecoveryReport, RunError> {
        let mut recovered = self.recovered.lock().await;
        self.recover_locked(&mut recovered).await
    }

    async fn recover_locked(self: &Arc<Self>, recovered: &mut bool) -> Result<RecoveryReport, RunError> {
        *recovered = false;
        let report = recovery::recover(self).await?;
        *recovered = report.unrecovered().is_empty();
        Ok(report)
    }

    pub(crate) fn loose(&self) -> MutexGuard<'_, HashMap<(RunId, FaultId), Option<Injecting>>> {
        self.loose.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fault is left behind: no new runs until it is recovered.
    pub(crate) async fn leave_behind(&self, run: &RunId) {
        *self.recovered.lock().await = false;
        let release = std::panic::AssertUnwindSafe(|| self.journal.release(run));
        if std::panic::catch_unwind(release).is_err() {
            tracing::error!(%run, "the journal panicked");
        }
    }

    /// Makes a run known, so that signals and a shutdown reach it.
    pub(crate) fn enlist(&self, run: &RunId, switch: &AbortSwitch) {
        self.switches().insert(run.clone(), switch.clone());
    }

    pub(crate) fn delist(&self, run: &RunId) {
        self.switches().remove(run);
    }

    /// Asks every run to stop, and tells how many there are.
    pub(crate) fn abort_all(&self, reason: &AbortReason) -> usize {
        let switches = self.switches();
        switches.values().for_each(|switch| switch.pull(reason.clone()));
        switches.len()
    }

    fn switches(&self) -> MutexGuard<'_, HashMap<RunId, AbortSwitch>> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How code of others broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broke {
    Panicked(String),
    TimedOut(Duration),
}

impl std::fmt::Display for Broke {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panicked(text) => write!(f, "panicked: {text}"),
            Self::TimedOut(limit) => write!(f, "did not return within {limit:?}"),
        }
    }
}

impl From<tokio::task::JoinError> for Broke {
    fn from(error: tokio::task::JoinError) -> Self {
        match error.try_into_panic() {
            Ok(panic) => Self::Panicked(panic_text(panic.as_ref())),
            Err(_) => Self::Panicked("the task was cancelled".into()),
        }
    }
}

/// Runs code of others on the workers, so that neither a panic nor a blocked thread reaches the runner's own.
pub(crate) async fn on_worker<T: Send + 'static>(
    workers: &Handle,
    limit: Duration,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Broke> {
    let mut task = workers.spawn(work);
    match timeout(limit, &mut task).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            task.abort();
            Err(Broke::TimedOut(limit))
        }
    }
}
