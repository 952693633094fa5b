//! How a toxic is taken away, from its record alone.

use std::marker::PhantomData;

use async_trait::async_trait;
use chaos_core::{
    error::RevertError,
    id::{FaultId, FaultKind, RunId},
    undo::{Holder, Presence, RevertCtx, Reverted, Reverter, Snapshot, UndoPayload, UndoRecord},
};
use serde::{Deserialize, Serialize};

use super::{
    ToxicSpec,
    engine::{ProxyHandle, ToxicKind},
};

/// The name of a fault's toxic on its proxy.
pub(super) fn mark(run: &RunId, fault: &FaultId) -> String {
    format!("{run}/{fault}")
}

/// What the journal keeps of a toxic. The toxic itself carries run and fault in its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub(super) struct ToxicUndo<T> {
    /// The proxy's name.
    proxy: String,
    /// Tells the proxy from a later one of the same name; hexadecimal.
    proxy_id: String,
    /// Where it listens, for a reader of the journal.
    listen: String,
    #[serde(skip)]
    spec: PhantomData<fn() -> T>,
}

impl<T: ToxicSpec> UndoPayload for ToxicUndo<T> {
    const KIND: &'static str = T::KIND;
    const VERSION: u32 = 1;
}

impl<T: ToxicSpec> ToxicUndo<T> {
    pub(super) fn of(proxy: &ProxyHandle) -> Self {
        Self {
            proxy: proxy.name().to_owned(),
            proxy_id: format!("{:016x}", proxy.id()),
            listen: proxy.local_addr().to_string(),
            spec: PhantomData,
        }
    }

    /// The very proxy, if it lives in this process.
    fn find(&self) -> Option<ProxyHandle> {
        ProxyHandle::find(&self.proxy).filter(|proxy| format!("{:016x}", proxy.id()) == self.proxy_id)
    }
}

/// Removes the toxics of one kind from proxies of this process, and knows that those of a process that is gone are gone
/// with it.
#[derive(Debug, Clone, Copy)]
pub struct ToxicReverter<T>(PhantomData<fn() -> T>);

impl<T> ToxicReverter<T> {
    /// A reverter; it needs nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for ToxicReverter<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl<T: ToxicSpec> Reverter for ToxicReverter<T> {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(T::KIND)
    }

    async fn revert(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
        let undo: ToxicUndo<T> = record.decode()?;
        let removed =
            undo.find().filter(|proxy| proxy.remove_toxic(&mark(&record.run, &record.fault)).is_ok());
        match (removed, ctx.holder) {
            (Some(proxy), _) => {
                let limit = ctx.time_limit;
                let timed_out = |_| RevertError::TimedOut { kind: self.kind(), limit };
                tokio::time::timeout(limit, proxy.settled()).await.map_err(timed_out)?;
                Ok(Reverted::Undone)
            }
            (None, Holder::ThisEnded) => Ok(Reverted::Undone),
            (None, Holder::Alive) => Ok(Reverted::HeldBy(record.run.clone())),
            (None, Holder::This | Holder::Gone) => Ok(Reverted::NothingToDo),
        }
    }

    async fn presence(&self, ctx: &RevertCtx, record: &UndoRecord) -> Presence {
        let Ok(undo) = record.decode::<ToxicUndo<T>>() else { return Presence::Unknown };
        let name = mark(&record.run, &record.fault);
        match undo.find() {
            Some(proxy) if proxy.report(&name).is_some() => Presence::Present,
            None if ctx.holder == Holder::Alive => Presence::Unknown,
            _ => Presence::Absent,
        }
    }

    /// The toxics of this kind on the proxy, without those of the run's other faults: they come and go beside this one.
    async fn snapshot(&self, _: &RevertCtx, record: &UndoRecord) -> Result<Snapshot, RevertError> {
        let undo: ToxicUndo<T> = record.decode()?;
        let toxics = undo.find().map(|proxy| proxy.toxics()).unwrap_or_default();
        let same = toxics
            .into_iter()
            .filter(|toxic| is_kind::<T>(&toxic.kind) && !is_of_another_fault(&toxic.name, record));
        let line = |toxic: super::Toxic| (toxic.name.clone(), format!("{:?} {:?}", toxic.stream, toxic.kind));
        Ok(Snapshot(same.map(line).collect()))
    }
}

/// Whether a toxic is of the record's run, and not the record's own.
fn is_of_another_fault(toxic: &str, record: &UndoRecord) -> bool {
    let of_run = toxic.strip_prefix(record.run.as_str()).and_then(|rest| rest.strip_prefix('/'));
    of_run.is_some_and(|fault| fault != record.fault.as_str())
}

fn is_kind<T: ToxicSpec>(kind: &ToxicKind) -> bool {
    T::KIND.strip_prefix("proxy.") == Some(kind.name())
}
