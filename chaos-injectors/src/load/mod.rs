//! Constant-rate and ramped HTTP traffic, with latency corrected for coordinated omission.
//!
//! A [`LoadSpec`] says where to, how many requests a second and for how long; [`LoadSpec::plan`] checks it;
//! [`Load::start`] runs it and [`LoadMeter`] reads its figures at any time.
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
mod profile;
mod spec;
mod stats;
mod target;

pub use engine::{Load, LoadEnd, LoadMeter, LoadReport, StartError};
pub use profile::{MAX_RATE, Profile};
pub use spec::{LoadPlan, LoadSpec};
pub use stats::{LoadErrors, LoadStats, Quantiles};
pub use target::{LoadTarget, UrlError};

/// The kind under which journals and experiment files know this fault.
pub const KIND: &str = "load.http";
