#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! [`FaultGuard`] puts one fault into a test. [`Runner`] runs a whole [`Run`]: an experiment, its faults, its metrics; [`RunHandle`]
//! streams what happens, [`report`] says what came of it. [`source`] is where figures come from, [`journal`] and [`recovery`] are what
//! survives a crash.

pub mod journal;
pub mod recovery;
pub mod report;
pub mod source;

mod drive;
mod error;
mod event;
mod guard;
#[cfg(feature = "incident")]
pub mod incident;
mod machine;
mod rollback;
mod run;
mod settings;
mod signal;
mod sys;

pub use chaos_core;

pub use self::{
    error::RunError,
    event::{EventStream, RunEvent},
    guard::FaultGuard,
    report::RunReport,
    run::{Run, RunHandle, Runner, RunnerBuilder},
    settings::Settings,
};
