use std::sync::{Arc, OnceLock};

use chaos_core::id::RunId;
use tokio::sync::{Notify, oneshot};

use super::engine::Finished;
use crate::{error::RunError, event::EventStream, event::RunEvent, machine::AbortReason, report::RunReport};

/// Asks a run to stop; the first reason counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct AbortSwitch(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    reason: OnceLock<AbortReason>,
    pulled: Notify,
}

impl AbortSwitch {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn pull(&self, reason: AbortReason) {
        if self.0.reason.set(reason).is_ok() {
            self.0.pulled.notify_waiters();
        }
    }

    pub(crate) fn pulled(&self) -> Option<AbortReason> {
        self.0.reason.get().cloned()
    }

    /// Returns once somebody asked.
    pub(crate) async fn wait(&self) -> AbortReason {
        loop {
            // Enlisted before the look, so that no pull is missed in between.
            let pulled = self.0.pulled.notified();
            if let Some(reason) = self.pulled() {
                return reason;
            }
            pulled.await;
        }
    }
}

/// A run under way.
///
/// Dropping the handle, or the future of [`wait`](Self::wait), aborts the run; its faults are rolled back all the same, by the
/// runner's own thread. [`detach`](Self::detach) lets it go on.
#[derive(Debug)]
#[must_use = "a run is aborted when its handle is dropped; use `wait` or `detach`"]
pub struct RunHandle {
    id: RunId,
    abort: AbortSwitch,
    events: Option<EventStream>,
    result: oneshot::Receiver<Finished>,
    attached: bool,
}

impl RunHandle {
    pub(super) const fn new(
        id: RunId,
        abort: AbortSwitch,
        events: Option<EventStream>,
        result: oneshot::Receiver<Finished>,
    ) -> Self {
        Self { id, abort, events, result, attached: true }
    }

    /// The run.
    #[must_use]
    pub const fn id(&self) -> &RunId {
        &self.id
    }

    /// Asks the run to stop and roll back. Returns at once; asking again changes nothing.
    pub fn abort(&self) {
        self.abort.pull(AbortReason::Requested);
    }

    /// A function that asks the run to stop, for another task.
    pub fn aborter(&self) -> impl Fn() + Send + Sync + 'static {
        let abort = self.abort.clone();
        move || abort.pull(AbortReason::Requested)
    }

    /// The next event; `None` once the run is over, or after [`events`](Self::events).
    pub async fn next_event(&mut self) -> Option<RunEvent> {
        self.events.as_mut()?.next().await
    }

    /// Takes the events as a stream of their own.
    pub const fn events(&mut self) -> Option<EventStream> {
        self.events.take()
    }

    /// Waits for the end of the run, rollback and verification included.
    ///
    /// # Errors
    /// [`RunError`], if the run did not take place.
    pub async fn wait(mut self) -> Result<RunReport, RunError> {
        self.events = None;
        let result = (&mut self.result).await;
        self.attached = false;
        result.unwrap_or(Err(RunError::ShutDown)).map(|report| *report)
    }

    /// Lets the run go on without a handle.
    pub fn detach(mut self) {
        self.attached = false;
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        if self.attached {
            self.abort.pull(AbortReason::HandleDropped);
        }
    }
}
