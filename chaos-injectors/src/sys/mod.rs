//! The only place of this crate with system calls: safe wrappers, one kind of kernel object a file.

#[cfg(feature = "proxy")]
pub(crate) mod pipe;
#[cfg(feature = "proxy")]
pub(crate) mod tcp;
#[cfg(any(feature = "load", feature = "proxy"))]
pub(crate) mod timer;
