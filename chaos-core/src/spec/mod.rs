//! Specs of faults as data: what a file or a program says, before it is an injector.
//!
//! [`FaultFactory`] knows how to build each kind; [`SpecValue`] is one spec, which remembers where in a file it stood, so that
//! every problem names its place.

mod explain;
mod factory;
mod place;
mod value;

pub(crate) use self::explain::did_you_mean;
#[cfg(feature = "yaml")]
pub(crate) use self::place::{Place, Step, write_steps};
pub use self::{factory::FaultFactory, value::SpecValue};
