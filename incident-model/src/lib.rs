#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! | where | what |
//! |---|---|
//! | [`Severity`] | how bad: `SEV1` to `SEV4` |
//! | [`Milestone`] | the named points of an incident's life, and the words that documents use for them |
//! | [`Timeline`] | the append-only log of [`TimelineEvent`]s and what follows from it |
//! | [`Incident`] | one incident, its builder and its text form in serde |
//! | [`metrics`] | durations as data: a definition, its presets, and measured values |
//! | [`Error`] | everything that can be wrong with a value from outside |

mod error;
mod incident;
pub mod metrics;
mod milestone;
mod severity;
mod text;
mod timeline;

pub use error::Error;
pub use incident::{ExperimentId, Incident, IncidentBuilder, IncidentId, Origin};
pub use milestone::{CustomMilestone, Milestone};
pub use severity::Severity;
pub use timeline::{Diagnostic, EventKind, LogEntry, Precision, SeverityStep, Timeline, TimelineEvent};
