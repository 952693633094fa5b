//! Integration tests of the faults against real targets on this host.

#[cfg(feature = "load")]
mod load;
#[cfg(feature = "load")]
mod load_conformance;
#[cfg(feature = "load")]
mod load_fault;
#[cfg(feature = "load")]
mod load_server;
#[cfg(feature = "proxy")]
mod proxy;
#[cfg(feature = "proxy")]
mod proxy_conformance;
#[cfg(feature = "proxy")]
mod proxy_fault;
#[cfg(feature = "proxy")]
mod proxy_link;
#[cfg(feature = "proxy")]
mod proxy_property;
#[cfg(feature = "proxy")]
mod proxy_toxics;
