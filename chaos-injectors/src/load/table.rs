//! The loads of this process that were injected as faults, so that a reverter finds them by their record.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chaos_core::{
    error::InjectError,
    id::{FaultId, FaultKind, RunId},
    injector::FaultCtx,
    scope::Target,
    undo::UndoRecord,
};

use super::{KIND, Load, LoadMeter, LoadPlan};

static RUNNING: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// Which fault of which run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    run: RunId,
    fault: FaultId,
}

impl Key {
    pub(super) fn of(ctx: &FaultCtx) -> Self {
        Self { run: ctx.run.clone(), fault: ctx.fault.clone() }
    }

    pub(super) fn of_record(record: &UndoRecord) -> Self {
        Self { run: record.run.clone(), fault: record.fault.clone() }
    }
}

#[derive(Debug)]
struct Entry {
    key: Key,
    target: Target,
    meter: LoadMeter,
}

/// Starts a load and remembers it, unless one runs on its target already.
pub(super) fn start(key: Key, target: Target, plan: LoadPlan) -> Result<Load, InjectError> {
    let mut running = running();
    refuse(&running, &target)?;
    let kind = FaultKind::from_static(KIND);
    let load = Load::start(plan).map_err(|source| InjectError::failed(kind, "start the load", source))?;
    running.push(Entry { key, target, meter: load.meter() });
    Ok(load)
}

/// Fails if a load runs on the target.
pub(super) fn refuse_taken(target: &Target) -> Result<(), InjectError> {
    refuse(&running(), target)
}

/// The running load of a fault.
pub(super) fn find(key: &Key) -> Option<LoadMeter> {
    running().iter().find(|entry| entry.key == *key).map(|entry| entry.meter.clone())
}

fn refuse(running: &[Entry], target: &Target) -> Result<(), InjectError> {
    let Some(taken) = running.iter().find(|entry| entry.target == *target) else {
        return Ok(());
    };
    let why = format!("fault {} of run {} is on it", taken.key.fault, taken.key.run);
    Err(InjectError::Conflict { kind: FaultKind::from_static(KIND), target: target.clone(), why })
}

/// The table without the loads that have ended.
fn running() -> MutexGuard<'static, Vec<Entry>> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    running.retain(|entry| entry.meter.is_running());
    running
}
