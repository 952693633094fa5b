#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! From the easiest to the most primitive: [`experiment`] says what is tried and what should hold, and `file` (feature `yaml`)
//! reads it with its faults and limits; [`criterion`] and [`probe`] judge it, [`safety`] says when to stop, [`plan`] what would
//! be touched. [`injector`] and [`undo`] are the two halves of a fault, [`spec`] builds faults from data, [`journal`] remembers
//! what may have landed. `testkit` (feature `testkit`) has fakes and the suite that every injector passes. [`units`], [`id`],
//! [`scope`], [`select`], [`metrics`], [`clock`] and [`error`] are what all of them share.

pub mod clock;
pub mod criterion;
pub mod error;
pub mod experiment;
#[cfg(feature = "yaml")]
pub mod file;
pub mod id;
pub mod injector;
pub mod journal;
pub mod metrics;
pub mod plan;
pub mod probe;
pub mod safety;
pub mod scope;
pub mod select;
pub mod spec;
#[cfg(feature = "testkit")]
pub mod testkit;
mod text;
pub mod undo;
pub mod units;

pub use async_trait::async_trait;
