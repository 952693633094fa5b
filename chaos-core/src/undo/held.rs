use async_trait::async_trait;

use super::{Holder, Presence, RevertCtx, Reverted, Reverter, UndoRecord};
use crate::{error::RevertError, id::FaultKind};

/// Undoes faults that only their process holds, made by [`Prepared::held_by_process`](crate::injector::Prepared::held_by_process).
///
/// There is nothing to do beyond ending the [`Live`](crate::injector::Live): once that ended, or the process is gone, so is the fault.
/// [`Holder::ThisEnded`] says that a `Live` was handed over and ended, or that `inject` never began. After an `inject` that failed
/// or was dropped the holder is [`Holder::This`], and the answer [`Reverted::Stuck`]: only the drop guard of `inject` could undo
/// what it did, and nobody looked.
#[derive(Debug, Clone)]
pub struct HeldByProcess(FaultKind);

impl HeldByProcess {
    /// The version of the payloads.
    pub const VERSION: u32 = 1;

    /// A reverter for one kind.
    #[must_use]
    pub const fn new(kind: FaultKind) -> Self {
        Self(kind)
    }
}

#[async_trait]
impl Reverter for HeldByProcess {
    fn kind(&self) -> FaultKind {
        self.0.clone()
    }

    async fn revert(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
        Ok(match ctx.holder {
            Holder::ThisEnded => Reverted::Undone,
            Holder::Gone => Reverted::NothingToDo,
            Holder::Alive => Reverted::HeldBy(record.run.clone()),
            Holder::This => Reverted::Stuck {
                why: "no live fault of it is known to have ended; it ends with this process".into(),
            },
        })
    }

    async fn presence(&self, ctx: &RevertCtx, _: &UndoRecord) -> Presence {
        match ctx.holder {
            Holder::ThisEnded | Holder::Gone => Presence::Absent,
            Holder::This | Holder::Alive => Presence::Unknown,
        }
    }
}
