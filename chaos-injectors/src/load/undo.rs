//! How a load is taken away, from its record alone.

use async_trait::async_trait;
use chaos_core::{
    error::RevertError,
    id::FaultKind,
    undo::{Holder, Presence, RevertCtx, Reverted, Reverter, UndoPayload, UndoRecord},
};
use serde::{Deserialize, Serialize};

use super::{
    KIND,
    table::{self, Key},
};

/// What the journal keeps of a load. No header, body or path is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoadUndo {
    /// Host and port.
    pub(super) target: String,
    /// The mean of the asked rate, in requests a second.
    pub(super) mean_rate: f64,
    /// The baseline that was measured for it, in requests a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) baseline: Option<f64>,
}

impl UndoPayload for LoadUndo {
    const KIND: &'static str = KIND;
    const VERSION: u32 = 1;
}

/// Ends loads of this process, and knows that those of a process that is gone are gone with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadReverter;

#[async_trait]
impl Reverter for LoadReverter {
    fn kind(&self) -> FaultKind {
        FaultKind::from_static(KIND)
    }

    async fn revert(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
        record.decode::<LoadUndo>()?;
        match ctx.holder {
            Holder::This | Holder::ThisEnded => end(ctx, record).await,
            Holder::Alive => Ok(Reverted::HeldBy(record.run.clone())),
            Holder::Gone => Ok(Reverted::NothingToDo),
        }
    }

    async fn presence(&self, ctx: &RevertCtx, record: &UndoRecord) -> Presence {
        match ctx.holder {
            Holder::This | Holder::ThisEnded if table::find(&Key::of_record(record)).is_some() => {
                Presence::Present
            }
            Holder::This | Holder::ThisEnded | Holder::Gone => Presence::Absent,
            Holder::Alive => Presence::Unknown,
        }
    }
}

/// Ends the load if it runs. Where it does not, either its `Live` has ended or it never started.
async fn end(ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
    let Some(meter) = table::find(&Key::of_record(record)) else {
        let ended = ctx.holder == Holder::ThisEnded;
        return Ok(if ended { Reverted::Undone } else { Reverted::NothingToDo });
    };
    let limit = ctx.time_limit;
    let timed_out = |_| RevertError::TimedOut { kind: record.kind.clone(), limit };
    tokio::time::timeout(limit, meter.stop()).await.map_err(timed_out)?;
    Ok(Reverted::Undone)
}
