//! The integration tests of chaos-core, in one binary.

#[cfg(feature = "yaml")]
mod bad_files;
#[cfg(feature = "testkit")]
mod broken;
#[cfg(feature = "testkit")]
mod conformance;
#[cfg(feature = "yaml")]
mod file;
mod golden;
#[cfg(feature = "testkit")]
mod scripted;
