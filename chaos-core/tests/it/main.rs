//! The integration tests of chaos-core, in one binary.

#[cfg(feature = "testkit")]
mod broken;
#[cfg(feature = "testkit")]
mod conformance;
#[cfg(feature = "testkit")]
mod scripted;
