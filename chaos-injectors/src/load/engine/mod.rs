//! The engine: a thread of its own that keeps the schedule, and connections that carry the requests.

mod board;
mod conn;
mod dispatch;
mod worker;

use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{runtime, sync::watch};

use self::board::Board;
use super::{spec::LoadPlan, stats::LoadStats};
use crate::sys::timer::PreciseTimer;

/// How often [`LoadMeter::answered`] looks.
const POLL: Duration = Duration::from_millis(5);

/// How a load came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadEnd {
    /// Its duration passed, and what was outstanding then got its time to finish.
    Finished,
    /// It was stopped.
    Stopped,
    /// Its thread died, by a defect of ours or because the process could not arm a timer.
    Died,
}

/// What a load did, once it has ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LoadReport {
    /// How it ended.
    pub end: LoadEnd,
    /// The figures of its whole life.
    pub stats: LoadStats,
}

/// A load could not be started.
#[derive(Debug, thiserror::Error)]
#[error("failed to start the thread of a load")]
#[non_exhaustive]
pub struct StartError {
    #[from]
    source: io::Error,
}

/// A running load.
///
/// It has a thread and a current-thread runtime of its own, so that a busy caller does not bend its schedule, and so
/// that it can be started from any runtime or from none. It ends by itself when its duration has passed; requests
/// that are outstanding then get their time-out, at most two seconds, to finish. Dropping it ends it as well, but
/// without waiting: [`Load::stop`] is the way that joins.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use chaos_core::units::HumanDuration;
/// use chaos_injectors::load::{Load, LoadSpec, Profile};
///
/// let spec = LoadSpec::new("http://127.0.0.1:8080/", Profile::Constant { rate: 200.0 });
/// let load = Load::start(spec.duration(HumanDuration::from_secs(60)).plan()?)?;
/// println!("p99 of the last seconds: {:?}", load.meter().window().latency);
/// let report = load.stop().await;
/// println!("asked {} achieved {}", report.stats.asked_rate, report.stats.achieved_rate);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a load ends it"]
pub struct Load {
    meter: LoadMeter,
}

impl Load {
    /// Starts to send.
    ///
    /// # Errors
    /// [`StartError`] if the process has no thread or no file descriptor left.
    pub fn start(plan: LoadPlan) -> Result<Self, StartError> {
        let (stop, stopped) = watch::channel(false);
        let (ended, done) = watch::channel(());
        let (ready, started) = mpsc::channel();
        let thread = thread::Builder::new().name("chaos-load".into()).spawn(move || {
            if let Some((board, runtime, timer)) = set_up(plan, &ready) {
                live(&board, runtime, timer, stopped);
            }
            drop(ended);
        })?;
        let died = || io::Error::other("the thread died at once");
        let board = started.recv().map_err(|_| died())??;
        let control = Control { board, stop, done, thread: Mutex::new(Some(thread)) };
        Ok(Self { meter: LoadMeter { control: Arc::new(control) } })
    }

    /// A handle that reads the figures while the load runs and after it.
    #[must_use]
    pub fn meter(&self) -> LoadMeter {
        self.meter.clone()
    }

    /// Ends the load at once: nothing is sent any more when this returns, and its connections are closed.
    pub async fn stop(self) -> LoadReport {
        self.meter.stop().await
    }

    /// Waits until the load has ended by itself.
    pub async fn wait(self) -> LoadReport {
        self.meter.ended().await
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.meter.control.stop.send_replace(true);
    }
}

/// Reads a load's figures; cheap to clone, and without influence on how long the load lives.
#[derive(Debug, Clone)]
pub struct LoadMeter {
    control: Arc<Control>,
}

#[derive(Debug)]
struct Control {
    board: Arc<Board>,
    stop: watch::Sender<bool>,
    done: watch::Receiver<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl LoadMeter {
    /// The figures since the start.
    #[must_use]
    pub fn stats(&self) -> LoadStats {
        self.control.board.total()
    }

    /// The figures of the last seconds (as many as the spec's `window`), of an ended load those before its end.
    #[must_use]
    pub fn window(&self) -> LoadStats {
        self.control.board.window()
    }

    /// Whether the load still runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.control.done.has_changed().is_ok()
    }

    /// Waits until `count` requests were answered, so that the figures rest on something; `false` if the load ended
    /// before.
    ///
    /// # Panics
    /// Outside a tokio runtime that has its timer on.
    pub async fn answered(&self, count: u64) -> bool {
        loop {
            let running = self.is_running();
            if self.stats().completed >= count {
                return true;
            }
            if !running {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Where the load goes.
    #[must_use]
    pub fn target(&self) -> &super::LoadTarget {
        self.control.board.plan().target()
    }

    /// Ends the load and joins its thread; does nothing more if it has ended.
    pub(crate) async fn stop(&self) -> LoadReport {
        self.control.stop.send_replace(true);
        self.ended().await
    }

    async fn ended(&self) -> LoadReport {
        let mut done = self.control.done.clone();
        while done.changed().await.is_ok() {}
        self.control.join();
        LoadReport { end: self.control.board.end().unwrap_or(LoadEnd::Died), stats: self.stats() }
    }
}

impl Control {
    /// Joins the thread, which has said before that it is about to return. A panic of it shows as [`LoadEnd::Died`].
    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of a load panicked");
        }
    }
}

type Started = mpsc::Sender<io::Result<Arc<Board>>>;

fn set_up(plan: LoadPlan, ready: &Started) -> Option<(Arc<Board>, runtime::Runtime, PreciseTimer)> {
    let built = build_runtime().and_then(|runtime| {
        let timer = {
            let _context = runtime.enter();
            PreciseTimer::new()?
        };
        Ok((runtime, timer))
    });
    match built {
        Ok((runtime, timer)) => {
            let board = Arc::new(Board::new(plan));
            ready.send(Ok(Arc::clone(&board))).ok()?;
            Some((board, runtime, timer))
        }
        Err(error) => {
            ready.send(Err(error)).ok()?;
            None
        }
    }
}

/// One runtime that looks at sockets and timers often, since the schedule is its main duty.
fn build_runtime() -> io::Result<runtime::Runtime> {
    runtime::Builder::new_current_thread().enable_io().enable_time().event_interval(16).build()
}

fn live(board: &Arc<Board>, runtime: runtime::Runtime, timer: PreciseTimer, mut stop: watch::Receiver<bool>) {
    let end = runtime.block_on(async {
        tokio::select! {
            biased;
            _ = stop.wait_for(|stopped| *stopped) => LoadEnd::Stopped,
            result = dispatch::run(board, timer) => result,
        }
    });
    runtime.shutdown_background();
    board.close(end);
}
