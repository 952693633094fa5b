#![doc = include_str!("../README.md")]

#[cfg(feature = "load")]
pub mod load;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(any(feature = "load", feature = "proxy"))]
mod sys;
