//! What a killed runner left behind, undone from its journal.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc};

use chaos_core::{
    error::{JournalError, RevertError},
    experiment::ExperimentStatus,
    id::{FaultId, RunId},
    journal::{Durability, Event, EventBody, FaultState, JournalState, Outstanding, fold},
    undo::{Holder, RevertCtx, UndoRecord},
};
use futures_util::FutureExt;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    error::{chain, panic_text},
    rollback::{self, Hold, Landed, UndoReport},
    run::Shared,
};

/// One run that was found open.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecoveredRun {
    /// The run.
    pub run: RunId,
    /// The experiment's name, where the journal has it.
    pub experiment: Option<String>,
    /// What became of each fault that may have landed.
    pub undone: Vec<UndoReport>,
    /// What stands in the way of closing it: damage of the journal, an unknown event, a fault without a record.
    pub open: Vec<String>,
}

impl RecoveredRun {
    /// Whether nothing of it is left and its journal is closed.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.open.is_empty() && self.undone.iter().all(|undo| undo.how.is_clear())
    }
}

/// What a recovery found and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// The runs that were open.
    pub runs: Vec<RecoveredRun>,
}

impl RecoveryReport {
    /// The runs of which something may be left.
    #[must_use]
    pub fn unrecovered(&self) -> Vec<RunId> {
        self.runs.iter().filter(|run| !run.closed()).map(|run| run.run.clone()).collect()
    }
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.runs.is_empty() {
            return f.write_str("recovery: no open runs");
        }
        write!(f, "recovery: {} open", self.runs.len())?;
        self.runs.iter().try_for_each(|run| write!(f, "\n{run}"))
    }
}

impl fmt::Display for RecoveredRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.experiment.as_deref().unwrap_or("of an unknown experiment");
        let closed = if self.closed() { "closed" } else { "still open" };
        write!(f, "  run {} ({name}): {closed}", self.run)?;
        self.undone
            .iter()
            .try_for_each(|undo| write!(f, "\n    {} {}: {}", undo.fault, undo.kind, undo.how))?;
        self.open.iter().try_for_each(|why| write!(f, "\n    {why}"))
    }
}

/// Undoes what open runs left behind, each run for itself, last in first out, and closes those of which nothing is left.
pub(crate) async fn recover(shared: &Arc<Shared>) -> Result<RecoveryReport, JournalError> {
    let mut report = RecoveryReport::default();
    for open in shared.journal.outstanding()? {
        let run = open.run.clone();
        let recovered = match AssertUnwindSafe(recover_run(shared, open)).catch_unwind().await {
            Ok(recovered) => recovered,
            Err(panic) => broken(shared, run, &panic_text(&*panic)),
        };
        tracing::warn!(run = %recovered.run, closed = recovered.closed(), "recovered an open run");
        report.runs.push(recovered);
    }
    Ok(report)
}

/// A run whose recovery panicked stays open, for a later recovery.
fn broken(shared: &Shared, run: RunId, what: &str) -> RecoveredRun {
    shared.journal.release(&run);
    RecoveredRun {
        run,
        experiment: None,
        undone: Vec::new(),
        open: vec![format!("its recovery broke: {what}")],
    }
}

async fn recover_run(shared: &Arc<Shared>, open: Outstanding) -> RecoveredRun {
    let state = fold(&open.events);
    let mut report = RecoveredRun {
        run: open.run.clone(),
        experiment: state.info.as_ref().map(|info| info.experiment.clone()),
        undone: Vec::new(),
        open: obstacles(&open, &state),
    };
    for fault in state.duties() {
        for record in records(shared, &open.run, fault, &mut report.open).await {
            report
                .undone
                .push(rollback::undo(shared, Landed { record, hold: Hold::Record, before: None }).await);
        }
    }
    finish(shared, &report);
    report
}

fn obstacles(open: &Outstanding, state: &JournalState) -> Vec<String> {
    let damage = open.damage.iter().map(|damage| format!("the journal is damaged: {damage}"));
    let unknown = (state.unknown_events > 0).then(|| {
        format!("{} events are of a newer program, which can recover this run", state.unknown_events)
    });
    damage.chain(unknown).collect()
}

/// The records of a fault; without any, what carries the run's mark.
async fn records(
    shared: &Shared,
    run: &RunId,
    fault: &FaultState,
    open: &mut Vec<String>,
) -> Vec<UndoRecord> {
    if !fault.records.is_empty() {
        return fault.records.iter().rev().cloned().collect();
    }
    let found = discover(shared, run, &fault.fault).await;
    if found.is_empty() {
        open.push(format!(
            "{} was applied, its undo record is lost, and nothing carries its mark",
            fault.fault
        ));
    }
    found
}

async fn discover(shared: &Shared, run: &RunId, fault: &FaultId) -> Vec<UndoRecord> {
    let ctx = RevertCtx::new(shared.clock.now(), Holder::Gone);
    let mut records = Vec::new();
    for kind in shared.registry.kinds() {
        let Some(reverter) = shared.registry.find(kind, chaos_core::injector::Guarantee::Recover) else {
            continue;
        };
        let limited = timeout(shared.settings.rollback_timeout, reverter.discover(&ctx)).await;
        let limit = shared.settings.rollback_timeout;
        match limited.unwrap_or_else(|_| Err(RevertError::TimedOut { kind: kind.clone(), limit })) {
            Ok(found) => records.extend(found.into_iter().map(|found| found.record)),
            Err(error) => {
                tracing::warn!(%kind, error = chain(&error), "cannot search for faults of this kind")
            }
        }
    }
    records.retain(|record| record.run == *run && record.fault == *fault);
    records
}

/// Closes the run if nothing of it is left; gives it back otherwise, so that a later recovery finds it.
fn finish(shared: &Shared, report: &RecoveredRun) {
    if !report.closed() {
        return shared.journal.release(&report.run);
    }
    let closed = Event::new(shared.clock.now(), EventBody::Closed { status: ExperimentStatus::Aborted });
    if let Err(error) = shared.journal.append(&report.run, &[closed], Durability::Durable) {
        tracing::warn!(run = %report.run, error = chain(&error), "the recovered run is not closed in the journal");
        shared.journal.release(&report.run);
    }
}
