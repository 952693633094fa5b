//! SIGINT and SIGTERM, for programs that opted in.

use std::io;

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{machine::AbortReason, run::Shared};

/// The signals that abort all runs.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Takes SIGINT and SIGTERM over, for the rest of the process.
pub(crate) fn listen(runtime: &Runtime) -> io::Result<Signals> {
    let _context = runtime.enter();
    Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
}

/// The next signal's name; never, where nobody opted in.
pub(crate) async fn next(signals: &mut Option<Signals>) -> &'static str {
    let Some(Signals { interrupt, terminate }) = signals else { return std::future::pending().await };
    tokio::select! {
        Some(()) = interrupt.recv() => "SIGINT",
        Some(()) = terminate.recv() => "SIGTERM",
        else => std::future::pending().await,
    }
}

/// The first signal aborts; more only report.
pub(crate) fn on_signal(shared: &Shared, name: &'static str) {
    let runs = shared.abort_all(&AbortReason::Signal(name));
    tracing::warn!(signal = name, runs, "aborting and rolling back");
}
