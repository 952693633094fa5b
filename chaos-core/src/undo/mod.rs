//! The second half of a fault: what takes it away, from the record alone.
//!
//! After SIGKILL there is no configured injector, only bytes. A live run, a crashed run and the operator's tool all roll back
//! by the same function over the same record.

mod held;
mod record;
mod registry;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::{
    held::HeldByProcess,
    record::{ProcessId, UndoPayload, UndoRecord},
    registry::ReverterRegistry,
};
use crate::{
    error::RevertError,
    id::{FaultKind, RunId},
    scope::Target,
};

/// What became of an undo. All but `HeldBy` and `Stuck` mean that the fault is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reverted {
    /// The fault was there and is gone.
    Undone,
    /// There was nothing to undo.
    NothingToDo,
    /// What the fault was on is gone, and the fault with it.
    TargetGone,
    /// A living run holds it; that run is stopped first.
    HeldBy(RunId),
    /// It cannot be undone by this program.
    Stuck {
        /// Why.
        why: String,
    },
}

impl Reverted {
    /// Whether the duty to undo is done.
    #[must_use]
    pub const fn is_clear(&self) -> bool {
        matches!(self, Self::Undone | Self::NothingToDo | Self::TargetGone)
    }
}

impl fmt::Display for Reverted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undone => f.write_str("undone"),
            Self::NothingToDo => f.write_str("nothing to do"),
            Self::TargetGone => f.write_str("target gone"),
            Self::HeldBy(run) => write!(f, "held by run {run}"),
            Self::Stuck { why } => write!(f, "stuck: {why}"),
        }
    }
}

/// Whether a fault is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It is there.
    Present,
    /// It is not there; somebody looked.
    Absent,
    /// It could not be told.
    Unknown,
}

/// The process that held a fault, seen from the one that undoes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Holder {
    /// This very process, and the fault's [`Live`](crate::injector::Live) was ended, or its injection never began.
    ThisEnded,
    /// This very process, and the fault's `Live` is not known to have ended; also after an injection that handed over none.
    This,
    /// Another process, which is alive.
    Alive,
    /// It is gone: by its pid and start time, or by the boot id.
    Gone,
}

/// What a reverter is told.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RevertCtx {
    /// Wall time at the call.
    pub now: DateTime<Utc>,
    /// The bound of the call; a reverter sets its own time limits below it.
    pub time_limit: Duration,
    /// The process that held the fault.
    pub holder: Holder,
}

impl RevertCtx {
    /// A context with a bound of 10 s.
    #[must_use]
    pub const fn new(now: DateTime<Utc>, holder: Holder) -> Self {
        Self { now, time_limit: Duration::from_secs(10), holder }
    }
}

/// Canonical lines of the state that a fault touches, by name; equal before and after, or the undo is not done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Snapshot(pub BTreeMap<String, String>);

/// A fault of ours that was found without a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The run whose mark it carries.
    pub run: RunId,
    /// What it is on.
    pub target: Target,
    /// A record that the same reverter undoes.
    pub record: UndoRecord,
}

/// Takes away the faults of one kind. Stateless, and a promise to strangers: it needs nothing of the process that injected.
///
/// # Contract
/// - `revert` is idempotent, and right if inject never ran, ran half, ran, or was undone already.
/// - It removes only what carries our mark, and checks the identity of the target again before it touches it.
/// - It returns within `ctx.time_limit`.
///
/// ```
/// use chaos_core::{
///     async_trait,
///     error::RevertError,
///     id::FaultKind,
///     undo::{Presence, RevertCtx, Reverted, Reverter, UndoPayload, UndoRecord},
/// };
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Marked { path: std::path::PathBuf }
///
/// impl UndoPayload for Marked {
///     const KIND: &'static str = "demo.file";
///     const VERSION: u32 = 1;
/// }
///
/// /// Removes a file that a fault created; its name carries the run id.
/// #[derive(Debug)]
/// struct RemoveFile;
///
/// #[async_trait]
/// impl Reverter for RemoveFile {
///     fn kind(&self) -> FaultKind {
///         FaultKind::from_static(Marked::KIND)
///     }
///
///     async fn revert(&self, _: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
///         let marked: Marked = record.decode()?;
///         match std::fs::remove_file(&marked.path) {
///             Ok(()) => Ok(Reverted::Undone),
///             Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Reverted::NothingToDo),
///             Err(error) => Err(RevertError::failed(self.kind(), "remove the file", true, error)),
///         }
///     }
///
///     async fn presence(&self, _: &RevertCtx, record: &UndoRecord) -> Presence {
///         match record.decode::<Marked>().map(|marked| marked.path.try_exists()) {
///             Ok(Ok(true)) => Presence::Present,
///             Ok(Ok(false)) => Presence::Absent,
///             _ => Presence::Unknown,
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Reverter: fmt::Debug + Send + Sync + 'static {
    /// The kind whose records it reads.
    fn kind(&self) -> FaultKind;

    /// Undoes the fault.
    ///
    /// # Errors
    /// [`RevertError`]; [`RevertError::retryable`] tells whether to try again.
    async fn revert(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError>;

    /// Looks whether the fault is there.
    async fn presence(&self, ctx: &RevertCtx, record: &UndoRecord) -> Presence;

    /// Writes down the state that the fault touches, for the comparison of before and after. Empty by default, for faults that
    /// change no state outside their own process.
    ///
    /// # Errors
    /// [`RevertError`], if the state cannot be read.
    async fn snapshot(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Snapshot, RevertError> {
        let _ = (ctx, record);
        Ok(Snapshot::default())
    }

    /// Finds faults of this kind by our mark alone. Empty by default, for faults that vanish with their process.
    ///
    /// # Errors
    /// [`RevertError`], if the search failed.
    async fn discover(&self, ctx: &RevertCtx) -> Result<Vec<Found>, RevertError> {
        let _ = ctx;
        Ok(Vec::new())
    }
}

macro_rules! forward_reverter {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<T: Reverter + ?Sized> Reverter for $pointer<T> {
            fn kind(&self) -> FaultKind {
                (**self).kind()
            }
            async fn revert(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Reverted, RevertError> {
                (**self).revert(ctx, record).await
            }
            async fn presence(&self, ctx: &RevertCtx, record: &UndoRecord) -> Presence {
                (**self).presence(ctx, record).await
            }
            async fn snapshot(&self, ctx: &RevertCtx, record: &UndoRecord) -> Result<Snapshot, RevertError> {
                (**self).snapshot(ctx, record).await
            }
            async fn discover(&self, ctx: &RevertCtx) -> Result<Vec<Found>, RevertError> {
                (**self).discover(ctx).await
            }
        }
    )*};
}

forward_reverter!(Arc, Box);

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: &dyn Reverter) {}
