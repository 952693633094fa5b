//! What a caller may show while a run is under way.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use chaos_core::{
    experiment::{Observation, Phase},
    id::{FaultId, FaultKind},
    undo::Reverted,
};
use chrono::{DateTime, Utc};
use futures_core::Stream;
use serde::Serialize;
use tokio::sync::mpsc;

/// One step of a run, in the order in which it happens.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunEvent {
    /// A phase began.
    Phase {
        /// When.
        at: DateTime<Utc>,
        /// Which.
        phase: Phase,
        /// Why, or what was found; may be empty.
        note: String,
    },
    /// Figures were taken.
    Observed(Observation),
    /// A fault is on.
    Applied {
        /// Which.
        fault: FaultId,
        /// Its kind.
        kind: FaultKind,
    },
    /// An undo is over.
    Undone {
        /// Of which fault.
        fault: FaultId,
        /// How it went.
        how: Reverted,
    },
}

/// The events of one run, as a stream that ends with the run.
#[derive(Debug)]
pub struct EventStream(pub(crate) mpsc::UnboundedReceiver<RunEvent>);

impl EventStream {
    /// The next event; `None` once the run is over.
    pub async fn next(&mut self) -> Option<RunEvent> {
        self.0.recv().await
    }
}

impl Stream for EventStream {
    type Item = RunEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<RunEvent>> {
        self.0.poll_recv(cx)
    }
}
