//! The integration tests of chaos-runner, one binary.

#![expect(clippy::future_not_send, reason = "tests run on the thread of their runtime")]

mod always;
mod crash;
#[cfg(feature = "incident")]
mod incident;
mod proxy_run;
mod run;
#[cfg(feature = "http")]
mod source_answers;
#[cfg(feature = "http")]
mod source_http_probe;
#[cfg(feature = "http")]
mod source_prometheus;
#[cfg(feature = "http")]
mod source_server;
#[cfg(feature = "http")]
mod source_tls;
mod support;
