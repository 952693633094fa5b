//! A TCP fault proxy in this process, without privileges.
//!
//! [`Proxy::builder`] starts a proxy before a server. [`Toxic`]s change what its live connections do, at once and
//! exactly: [`ProxyHandle::add_toxic`] and [`ProxyHandle::remove_toxic`] from any thread. As faults of an experiment
//! toxics are built from specs such as [`Latency`], put on a proxy with [`ToxicSpec::on`], and taken away by a
//! [`ToxicReverter`]; [`register_kinds`] has a factory read them from experiment files.
//!
//! ```
//! use chaos_core::units::HumanDuration;
//! use chaos_injectors::proxy::{Latency, Proxy, ToxicSpec};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
//! let (listen, database) = ("127.0.0.1:0".parse()?, "127.0.0.1:5432".parse()?);
//! let proxy = Proxy::builder(listen, database).name("db").start().await?;
//! let slow_database = Latency::new(HumanDuration::from_millis(200)).on(&proxy);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The toxics
//!
//! They are those of Toxiproxy (<https://github.com/Shopify/toxiproxy>), by the same names: `latency`, `bandwidth`,
//! `slow_close`, `timeout`, `reset_peer`, `limit_data`, `slicer`, `down`; and `packet_loss`, which holds chunks for one
//! retransmission time-out. Each works on a direction ([`Stream`]) and on a share of the connections (toxicity), drawn
//! from a seed. It differs from Toxiproxy in this: a `timeout` holds data and does not throw it away; the time of a
//! `reset_peer` runs from when the toxic meets the connection, and not from its first byte; several toxics of a kind
//! add up.
//!
//! # Bounds
//!
//! Each direction of a connection holds at most 128 MiB under a delay ([`ProxyBuilder::in_flight`]) and about
//! 256 KiB without one; then its sender waits. An idle connection holds two sockets and no buffer. It works on Linux.

mod effect;
mod engine;
mod file;
mod inject;
mod spec;
mod undo;

pub use self::{
    engine::{
        Counters, DelayHistogram, DelaySummary, Proxy, ProxyBuilder, ProxyError, ProxyHandle, Stream, Toxic,
        ToxicError, ToxicKind, ToxicReport,
    },
    file::{KINDS, register, register_kinds},
    inject::ToxicFault,
    spec::{
        Bandwidth, Down, Latency, LimitData, PacketLoss, ResetPeer, Slicer, SlowClose, Timeout, ToxicSpec,
    },
    undo::ToxicReverter,
};
