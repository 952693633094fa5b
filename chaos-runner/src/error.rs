//! Why a run did not take place. What becomes of a run that does stands in its [`RunReport`](crate::RunReport).

use chaos_core::{
    error::{InjectError, JournalError, PlanError},
    id::{FaultId, RunId},
};

use crate::{
    journal::LockError,
    report::{Conclusion, RunReport},
};

/// Why a run did not take place: nothing was injected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The plan is wrong, with all its problems.
    #[error("the plan is refused")]
    Plan(#[from] PlanError),
    /// A fault could not be prepared.
    #[error("cannot prepare fault {fault}")]
    Prepare {
        /// The fault.
        fault: FaultId,
        /// Why.
        #[source]
        source: Box<InjectError>,
    },
    /// `prepare` of a fault panicked or did not return in time.
    #[error("prepare of fault {fault} {what}")]
    PrepareBroke {
        /// The fault.
        fault: FaultId,
        /// What it did.
        what: String,
    },
    /// A target is held by another run.
    #[error("a target is not free")]
    Target(#[source] Box<LockError>),
    /// What would be touched is not what was planned.
    #[error("the targets of fault {fault} changed between the plan and the injection")]
    TargetsChanged {
        /// The fault.
        fault: FaultId,
    },
    /// No journal, no fault.
    #[error("no run without its journal")]
    Journal(#[from] JournalError),
    /// Earlier runs left something behind that could not be undone.
    #[error("{} earlier runs are not recovered: {}", .0.len(), list(.0))]
    Unrecovered(Vec<RunId>),
    /// A guard's fault did not come about.
    #[error("the fault is not on: {0}")]
    NotInjected(Conclusion),
    /// A guard's fault could not be undone; the report says what a person can do.
    #[error("a fault is left behind:\n{0}")]
    LeftBehind(Box<RunReport>),
    /// The run broke in a way that is not foreseen, such as a panic in `kind` of an injector. What may have landed is rolled
    /// back, and looked for again before the next run.
    #[error("the run broke: {0}")]
    Broke(String),
    /// The runner is shutting down.
    #[error("the runner is shutting down")]
    ShutDown,
    /// The runner's own thread could not be started.
    #[error("cannot start the runner's thread")]
    Thread(#[source] std::io::Error),
}

fn list(runs: &[RunId]) -> String {
    runs.iter().map(RunId::as_str).collect::<Vec<_>>().join(", ")
}

/// An error and its causes in one line, for reports.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The text of a caught panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a text".into())
}
