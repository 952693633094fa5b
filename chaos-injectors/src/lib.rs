#![doc = include_str!("../README.md")]

#[cfg(feature = "load")]
pub mod load;
#[cfg(feature = "proxy")]
pub mod proxy;
mod registry;
#[cfg(any(feature = "load", feature = "proxy"))]
mod sys;

pub use self::registry::{register_all, register_kinds};
