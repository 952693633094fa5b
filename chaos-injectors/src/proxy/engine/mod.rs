//! The engine: a TCP proxy whose toxics change what live connections do.
//!
//! A [`Proxy`] owns the listener; a [`ProxyHandle`] changes toxics and reads counters from any thread or runtime.
//! One task serves both directions of a connection. It owns memory only for bytes that cannot be passed on at once:
//! reads go through a buffer of the thread, and what comes in bulk moves through kernel pipes (`splice(2)`) and is
//! never copied. Toxics work on lengths and times, never on the bytes themselves, so that a queue of pipes can be
//! delayed, paced and cut as well as one in memory.
//!
//! Invariants: the order of bytes never changes; no byte is lost or doubled unless a toxic closes or resets the
//! connection; nothing waits on a time that a removed toxic has set.

mod accept;
mod bucket;
mod chain;
mod conn;
mod pipe;
mod pool;
mod queue;
mod shared;
mod slots;
mod stats;
mod table;
mod timer;
mod toxic;

use std::{io, net::SocketAddr, ops::Deref, sync::Arc, time::Instant};

use tokio::task::AbortHandle;

use self::{accept::Acceptor, shared::Shared, slots::Key, timer::Timers};
pub use self::{
    stats::{Counters, DelayHistogram, DelaySummary, ToxicReport},
    toxic::{Stream, Toxic, ToxicError, ToxicKind},
};
use crate::sys::tcp;

/// Bytes that each direction of a connection may hold under a delay if nothing else is asked for: enough for
/// 2.5 GB/s under 50 ms.
const IN_FLIGHT: usize = 128 << 20;

/// Why a proxy did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The address cannot be listened on.
    #[error("proxy cannot listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Descriptors for the timers could not be had.
    #[error("proxy on {addr} cannot set up its timers")]
    Timers {
        /// The address asked for.
        addr: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another live proxy of this process has the name.
    #[error("proxy name {name} is taken in this process")]
    NameTaken {
        /// The name.
        name: String,
    },
}

/// What a proxy is started with.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before start"]
pub struct ProxyBuilder {
    listen: SocketAddr,
    upstream: SocketAddr,
    name: Option<String>,
    seed: Option<u64>,
    in_flight: usize,
}

impl ProxyBuilder {
    /// Names the proxy, uniquely in this process; by default it is called as the address that it listens on.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the seed of all random choices, so that they can be replayed; drawn if not set.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Sets how many bytes each direction of a connection may hold under a delay before its sender has to wait;
    /// 128 MiB by default, at least 64 KiB.
    pub const fn in_flight(mut self, bytes: usize) -> Self {
        self.in_flight = if bytes < 64 << 10 { 64 << 10 } else { bytes };
        self
    }

    /// Listens and serves on the runtime of the caller, which must have its I/O driver on.
    ///
    /// # Errors
    /// The address cannot be listened on, the name is taken, or there are no descriptors left.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(self) -> Result<Proxy, ProxyError> {
        let addr = self.listen;
        let listener = tcp::listen(addr).map_err(|source| ProxyError::Listen { addr, source })?;
        let local = listener.local_addr().map_err(|source| ProxyError::Listen { addr, source })?;
        let timers = |source| ProxyError::Timers { addr, source };
        let shared = Arc::new(self.shared(local, Timers::new().map_err(timers)?));
        if !table::enter(&shared) {
            return Err(ProxyError::NameTaken { name: shared.name.clone() });
        }
        let acceptor = Acceptor::new(Arc::clone(&shared)).map_err(timers)?;
        tokio::spawn(acceptor.run(listener));
        let timer = tokio::spawn(tick(Arc::clone(&shared))).abort_handle();
        Ok(Proxy { handle: ProxyHandle(shared), timer })
    }

    fn shared(self, local: SocketAddr, timers: Timers) -> Shared {
        let name = self.name.unwrap_or_else(|| local.to_string());
        let seed = self.seed.unwrap_or_else(rand::random);
        let mut shared = Shared::new(rand::random(), name, (local, self.upstream), seed, timers);
        shared.in_flight = self.in_flight;
        shared
    }
}

async fn tick(shared: Arc<Shared>) {
    let fired = |keys: &[Key]| {
        if keys.contains(&Key::REAPER) {
            shared.expire(Instant::now());
        }
        shared.slots.wake(keys);
    };
    if let Err(error) = shared.timers.run(fired).await {
        tracing::error!(%error, proxy = %shared.name, "the timers of a fault proxy failed");
    }
}

/// A running proxy; dropped, it closes its listener and its connections.
///
/// All that a [`ProxyHandle`] can do, a proxy can do too.
#[derive(Debug)]
#[must_use = "a proxy that is dropped closes"]
pub struct Proxy {
    handle: ProxyHandle,
    timer: AbortHandle,
}

impl Proxy {
    /// A proxy that listens on `listen` (port 0 takes a free one) and connects to `upstream`.
    pub const fn builder(listen: SocketAddr, upstream: SocketAddr) -> ProxyBuilder {
        ProxyBuilder { listen, upstream, name: None, seed: None, in_flight: IN_FLIGHT }
    }

    /// A handle to it, for other threads and runtimes.
    #[must_use]
    pub fn handle(&self) -> ProxyHandle {
        self.handle.clone()
    }

    /// Closes the listener and all connections, and waits until they are gone.
    pub async fn shutdown(self) {
        self.handle.0.close();
        self.handle.0.quiet().await;
    }
}

impl Deref for Proxy {
    type Target = ProxyHandle;

    fn deref(&self) -> &ProxyHandle {
        &self.handle
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.handle.0.close();
        self.timer.abort();
    }
}

/// Changes the toxics of a proxy and reads its counters, from any thread or runtime; does not keep it running.
///
/// A change applies to live connections at once. No call here waits for a connection.
#[derive(Debug, Clone)]
pub struct ProxyHandle(Arc<Shared>);

impl ProxyHandle {
    /// The live proxy of this name in this process.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        table::find(name).map(Self)
    }

    /// The names of all live proxies of this process, in order.
    #[must_use]
    pub fn names() -> Vec<String> {
        table::names()
    }

    /// Drawn at the start: tells this proxy from an earlier or later one of the same name.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The name, unique in this process.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The address that it listens on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.0.local
    }

    /// The address that it connects to.
    #[must_use]
    pub fn upstream(&self) -> SocketAddr {
        self.0.upstream
    }

    /// The seed of all random choices.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Whether the proxy was shut down or dropped.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Adds a toxic, which works after those that are there.
    ///
    /// # Errors
    /// The name is taken, a parameter is out of range, or the proxy is closed.
    pub fn add_toxic(&self, toxic: Toxic) -> Result<(), ToxicError> {
        self.0.add(toxic)
    }

    /// Whether [`ProxyHandle::add_toxic`] would take it now.
    ///
    /// # Errors
    /// The same.
    pub fn may_add(&self, toxic: &Toxic) -> Result<(), ToxicError> {
        self.0.may_add(toxic)
    }

    /// Puts `toxic` in the place of the one of the same name; its report begins anew.
    ///
    /// # Errors
    /// There is none of the name, a parameter is out of range, or the proxy is closed.
    pub fn update_toxic(&self, toxic: Toxic) -> Result<(), ToxicError> {
        self.0.update(toxic)
    }

    /// Removes a toxic; bytes that it held are released at once, in order. Returns what it did.
    ///
    /// # Errors
    /// There is none of the name, or the proxy is closed.
    pub fn remove_toxic(&self, name: &str) -> Result<ToxicReport, ToxicError> {
        self.0.remove(name).map(|gone| gone.stats.report())
    }

    /// Removes all toxics.
    pub fn remove_all_toxics(&self) {
        self.0.remove_all();
    }

    /// The toxics, in the order in which they work.
    #[must_use]
    pub fn toxics(&self) -> Vec<Toxic> {
        self.0.toxics().iter().map(|installed| installed.toxic.clone()).collect()
    }

    /// What a toxic did since it was added or changed; `None` if there is none of the name.
    #[must_use]
    pub fn report(&self, name: &str) -> Option<ToxicReport> {
        let set = self.0.toxics();
        set.iter().find(|installed| installed.toxic.name == name).map(|installed| installed.stats.report())
    }

    /// Forgets the delays that a toxic has caused so far, so that a report covers what follows.
    pub fn reset_delays(&self, name: &str) {
        let set = self.0.toxics();
        set.iter()
            .filter(|installed| installed.toxic.name == name)
            .for_each(|installed| installed.stats.delay.reset());
    }

    /// The proxy's counters since its start.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.0.stats.counters()
    }

    /// Waits until listener and connections work under the toxics that are there at the call.
    pub async fn settled(&self) {
        self.0.settled().await;
    }
}
