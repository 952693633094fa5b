//! The runner's own thread: every run is driven there, so that neither a caller nor the end of a caller's runtime can cancel it.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{AbortSwitch, Run, Shared};
use crate::{
    drive::{self, Job},
    error::RunError,
    event::RunEvent,
    machine::AbortReason,
    recovery::{self, RecoveryReport},
    report::RunReport,
    signal,
};
use chaos_core::{id::RunId, plan::Plan};

/// What a run hands to whoever waits for it.
pub(super) type Finished = Result<Box<RunReport>, RunError>;

/// What the runner's thread is asked to do.
pub(super) enum Order {
    Start { job: Box<Job>, events: Option<mpsc::UnboundedSender<RunEvent>>, done: oneshot::Sender<Finished> },
    Plan { id: RunId, run: Box<Run>, done: oneshot::Sender<Result<Plan, RunError>> },
    Recover { done: oneshot::Sender<Result<RecoveryReport, RunError>> },
}

/// The thread, and the way to it.
#[derive(Debug)]
pub(super) struct Engine {
    orders: Option<mpsc::UnboundedSender<Order>>,
    /// Behind a lock only so that the runner can be shared between threads.
    ended: Mutex<std_mpsc::Receiver<()>>,
    shutdown_timeout: Duration,
}

impl Engine {
    /// Starts the thread and the workers. `shared` gets the handle of the workers.
    pub(super) fn start(
        handle_signals: bool,
        shutdown_timeout: Duration,
        shared: impl FnOnce(tokio::runtime::Handle) -> Arc<Shared>,
    ) -> io::Result<(Self, Arc<Shared>)> {
        let workers =
            Builder::new_multi_thread().worker_threads(2).thread_name("chaos-worker").enable_all().build()?;
        let control = Builder::new_current_thread().enable_all().build()?;
        let shared = shared(workers.handle().clone());
        let (orders, incoming) = mpsc::unbounded_channel();
        let (end, ended) = std_mpsc::channel();
        let signals = if handle_signals { Some(signal::listen(&control)?) } else { None };
        let held = Arc::clone(&shared);
        thread::Builder::new().name("chaos-runner".into()).spawn(move || {
            control.block_on(serve(held, incoming, signals));
            stop(control, workers);
            let _ = end.send(());
        })?;
        Ok((Self { orders: Some(orders), ended: Mutex::new(ended), shutdown_timeout }, shared))
    }

    /// Gives an order; it comes back if the thread is gone.
    pub(super) fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            let _ = orders.send(order);
        }
    }
}

/// Hanging code of others never holds up the end of the thread.
fn stop(control: Runtime, workers: Runtime) {
    workers.shutdown_background();
    control.shutdown_background();
}

impl Drop for Engine {
    /// Aborts what runs and waits for the rollbacks, within a bound.
    fn drop(&mut self) {
        drop(self.orders.take());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(self.shutdown_timeout) == Err(std_mpsc::RecvTimeoutError::Timeout) {
            tracing::error!(limit = ?self.shutdown_timeout, "rollbacks are still under way when the runner is dropped");
        }
    }
}

async fn serve(
    shared: Arc<Shared>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut signals: Option<signal::Signals>,
) {
    let mut runs = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => obey(&shared, &mut runs, order),
                None => break,
            },
            name = signal::next(&mut signals) => signal::on_signal(&shared, name),
            Some(_) = runs.join_next(), if !runs.is_empty() => {}
        }
    }
    shared.abort_all(&AbortReason::ShutDown);
    while runs.join_next().await.is_some() {}
}

fn obey(shared: &Arc<Shared>, runs: &mut JoinSet<()>, order: Order) {
    let shared = Arc::clone(shared);
    match order {
        Order::Start { job, events, done } => {
            shared.enlist(&job.id, &job.abort);
            runs.spawn(async move {
                let id = job.id.clone();
                let result = drive::drive(Arc::clone(&shared), job, events).await;
                shared.delist(&id);
                let _ = done.send(result);
            });
        }
        Order::Plan { id, run, done } => {
            runs.spawn(async move {
                let _ = done.send(drive::plan(&shared, &id, &run).await);
            });
        }
        Order::Recover { done } => {
            runs.spawn(async move {
                let _ = done.send(recovery::recover(&shared).await.map_err(RunError::from));
            });
        }
    }
}

/// A job and the switch that stops it.
pub(super) fn job(id: RunId, run: Run) -> (Box<Job>, AbortSwitch) {
    let abort = AbortSwitch::new();
    (Box::new(Job { id, run, abort: abort.clone() }), abort)
}
