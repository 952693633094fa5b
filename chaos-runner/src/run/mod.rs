//! Runner, request and handle.

mod builder;
mod engine;
mod handle;
mod request;
mod runner;
mod shared;

pub use self::{builder::RunnerBuilder, handle::RunHandle, request::Run, runner::Runner};
pub(crate) use self::{
    handle::AbortSwitch,
    request::RequestedFault,
    shared::{Broke, Shared, on_worker},
};
