//! The runner's own thread: every run is driven there, so that neither a caller nor the end of a caller's runtime can cancel it.

use std::{
    future::Future,
    io,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc},
    thread,
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{AbortSwitch, Run, Shared};
use crate::{
    drive::{self, Job},
    error::{RunError, panic_text},
    event::RunEvent,
    machine::AbortReason,
    recovery::RecoveryReport,
    report::RunReport,
    signal,
};
use chaos_core::{id::RunId, plan::Plan};

/// More undos at once wait for each other.
const UNDO_THREADS: usize = 64;

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
        shared: impl FnOnce(Handle, Handle) -> Arc<Shared>,
    ) -> io::Result<(Self, Arc<Shared>)> {
        let workers =
            Builder::new_multi_thread().worker_threads(2).thread_name("chaos-worker").enable_all().build()?;
        let control = Builder::new_current_thread().enable_all().build()?;
        let (undoer, undoing) = undoer()?;
        let shared = shared(workers.handle().clone(), undoer);
        let (orders, incoming) = mpsc::unbounded_channel();
        let (end, ended) = std_mpsc::channel();
        let signals = if handle_signals { Some(signal::listen(&control)?) } else { None };
        let held = Arc::clone(&shared);
        thread::Builder::new().name("chaos-runner".into()).spawn(move || {
            control.block_on(serve(held, incoming, signals));
            drop(undoing);
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

/// The runtime for undoing, which has a thread for each undo under way; it ends when the sender is dropped.
fn undoer() -> io::Result<(Handle, oneshot::Sender<()>)> {
    let runtime = Builder::new_current_thread().max_blocking_threads(UNDO_THREADS).enable_all().build()?;
    let (handle, (undoing, end)) = (runtime.handle().clone(), oneshot::channel::<()>());
    thread::Builder::new().name("chaos-undo".into()).spawn(move || {
        let _ = runtime.block_on(end);
        runtime.shutdown_background();
    })?;
    Ok((handle, undoing))
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
            runs.spawn(async move {
                let enlisted = Enlisted(Arc::clone(&shared), job.id.clone());
                let result = drive::drive(shared, job, events).await;
                drop(enlisted);
                let _ = done.send(result);
            });
        }
        Order::Plan { id, run, done } => {
            runs.spawn(async move {
                let _ = done.send(unbroken(drive::plan(&shared, &id, &run)).await);
            });
        }
        Order::Recover { done } => {
            runs.spawn(async move {
                let _ = done.send(unbroken(shared.recover()).await);
            });
        }
    }
}

/// A run that signals and a shutdown reach, until this is dropped.
struct Enlisted(Arc<Shared>, RunId);

impl Drop for Enlisted {
    fn drop(&mut self) {
        self.0.delist(&self.1);
    }
}

/// A panic of code of others is an error and not the end of the order.
async fn unbroken<T>(work: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.unwrap_or_else(|panic| Err(RunError::Broke(panic_text(&*panic))))
}

/// A job and the switch that stops it.
pub(super) fn job(id: RunId, run: Run) -> (Box<Job>, AbortSwitch) {
    let abort = AbortSwitch::new();
    (Box::new(Job { id, run, abort: abort.clone() }), abort)
}
