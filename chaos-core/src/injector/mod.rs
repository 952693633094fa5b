//! The first half of a fault: what brings it about.

mod capability;
mod effect;
mod live;
mod prepared;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use self::{
    capability::{Capabilities, Guarantee, Need, Reversal},
    effect::{Effect, EffectFigure, Injected},
    live::{Live, on_end},
    prepared::Prepared,
};
use crate::{
    error::InjectError,
    id::{FaultId, FaultKind, RunId},
};

/// What a fault is told of its run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FaultCtx {
    /// The run. What the fault creates carries this id.
    pub run: RunId,
    /// The fault within the run.
    pub fault: FaultId,
    /// The seed of every random choice of this fault.
    pub seed: u64,
    /// The longest time that the fault may last; a fault that can end by itself does so then.
    pub max_duration: Duration,
    /// Wall time at the call.
    pub now: DateTime<Utc>,
}

impl FaultCtx {
    /// A context; the seed is 0 and the longest time is 15 minutes until they are set.
    #[must_use]
    pub const fn new(run: RunId, fault: FaultId, now: DateTime<Utc>) -> Self {
        Self { run, fault, seed: 0, max_duration: Duration::from_secs(15 * 60), now }
    }
}

/// One configured fault.
///
/// The runner calls `prepare`, makes the undo record durable, and only then calls `inject`. Whatever becomes of `inject`, the
/// [`Reverter`](crate::undo::Reverter) of the same kind is called with the record afterwards.
///
/// # Contract
/// - `prepare` changes nothing. It reads the present state and computes all that the undo needs and all that is touched.
/// - `inject` may fail, panic, or be dropped at any await: the undo record covers every state in between. It starts no blocking
///   change that it does not join.
/// - The record of [`Prepared::held_by_process`] undoes nothing: such an `inject` hands over a [`Live`] for everything that it
///   changed, or undoes it by a drop guard before it fails.
/// - A second injection over our own fault is an [`InjectError::Conflict`]; faults are never stacked.
#[async_trait]
pub trait Injector: fmt::Debug + Send + Sync + 'static {
    /// The kind, by which the reverter is found.
    fn kind(&self) -> FaultKind;

    /// What the fault promises and what it needs.
    fn capabilities(&self) -> Capabilities;

    /// Looks, and changes nothing.
    ///
    /// # Errors
    /// [`InjectError`], when the fault cannot be injected here; nothing was touched.
    async fn prepare(&self, ctx: &FaultCtx) -> Result<Prepared, InjectError>;

    /// Brings the fault about. A fault that this process holds is returned as a [`Live`].
    ///
    /// # Errors
    /// [`InjectError`]; the fault may be there all the same, whole or in part, and is undone.
    async fn inject(&self, ctx: &FaultCtx, prepared: &Prepared)
    -> Result<Option<Box<dyn Live>>, InjectError>;

    /// Measures what the fault did: asked 100 ms, observed p50 and p99. Called while the fault is on.
    ///
    /// # Errors
    /// [`InjectError`], when the measurement itself failed.
    async fn effect(&self, ctx: &FaultCtx) -> Result<Effect, InjectError> {
        let _ = ctx;
        Ok(Effect::not_measured("this fault has no effect check"))
    }
}

macro_rules! forward_injector {
    ($($pointer:ident),*) => {$(
        #[async_trait]
        impl<T: Injector + ?Sized> Injector for $pointer<T> {
            fn kind(&self) -> FaultKind {
                (**self).kind()
            }
            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }
            async fn prepare(&self, ctx: &FaultCtx) -> Result<Prepared, InjectError> {
                (**self).prepare(ctx).await
            }
            async fn inject(&self, ctx: &FaultCtx, prepared: &Prepared) -> Result<Option<Box<dyn Live>>, InjectError> {
                (**self).inject(ctx, prepared).await
            }
            async fn effect(&self, ctx: &FaultCtx) -> Result<Effect, InjectError> {
                (**self).effect(ctx).await
            }
        }
    )*};
}

forward_injector!(Arc, Box);

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: &dyn Injector) {}
