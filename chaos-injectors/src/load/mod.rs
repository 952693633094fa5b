//! Constant-rate and ramped HTTP traffic, with latency corrected for coordinated omission.
//!
//! A [`LoadSpec`] says where to, how many requests a second and for how long; [`LoadSpec::plan`] checks it;
//! [`Load::start`] runs it and [`LoadMeter`] reads its figures at any time, also as a
//! [`MetricsSource`](chaos_core::metrics::MetricsSource) of an experiment. [`LoadInjector`] makes it a fault and
//! [`LoadReverter`] takes that away.
//!
//! # The open model
//!
//! The schedule of intended starts is fixed before the first request and nothing that the target does shifts it. A
//! request whose time has come takes an idle connection, or opens one, or waits in a bounded queue; beyond the bound
//! it is counted as dropped. Its latency runs from its intended start, so that a stall of one second is seen by all
//! requests that should have been sent during it, not by the few that were in flight. This is how wrk2 measures
//! (<https://github.com/giltene/wrk2>), with an HdrHistogram of three significant digits.
//!
//! # What it does not do
//!
//! HTTP/1.1 without TLS only, and no redirects: a 3xx is a response like any other. Its timer needs Linux.

mod engine;
mod file;
mod inject;
mod profile;
mod source;
mod spec;
mod stats;
mod table;
mod target;
mod undo;

pub use engine::{Load, LoadEnd, LoadMeter, LoadReport, StartError};
pub use file::{register, register_kinds, register_kinds_measuring};
pub use inject::LoadInjector;
pub use profile::{MAX_RATE, Profile};
pub use spec::{LoadPlan, LoadSpec};
pub use stats::{LoadErrors, LoadStats, Quantiles};
pub use target::{LoadTarget, UrlError};
pub use undo::LoadReverter;

/// The kind under which journals and experiment files know this fault.
pub const KIND: &str = "load.http";
