//! What the listener, the connections and the handles of a proxy share.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    time::Instant,
};

use tokio::sync::Notify;

use super::{
    chain::Installed,
    pool::PipePool,
    slots::{Key, Slots},
    stats::{ProxyStats, ToxicStats},
    timer::Timers,
    toxic::{Toxic, ToxicError, ToxicKind},
};

pub(super) type ToxicSet = Arc<[Arc<Installed>]>;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) local: SocketAddr,
    pub(super) upstream: SocketAddr,
    pub(super) seed: u64,
    /// Bytes that each direction of a connection may hold.
    pub(super) in_flight: usize,
    pub(super) pool: PipePool,
    pub(super) stats: ProxyStats,
    pub(super) timers: Timers,
    pub(super) slots: Slots,
    /// The listener has something to look at.
    pub(super) listener: Notify,
    /// Counts changes of the toxics.
    generation: AtomicU64,
    toxics: Mutex<ToxicSet>,
    closed: AtomicBool,
    /// Tasks of this proxy that still run.
    tasks: AtomicUsize,
    settled: Notify,
    quiet: Notify,
}

impl Shared {
    pub(super) fn new(
        id: u64,
        name: String,
        addrs: (SocketAddr, SocketAddr),
        seed: u64,
        timers: Timers,
    ) -> Self {
        Self {
            id,
            name,
            local: addrs.0,
            upstream: addrs.1,
            seed,
            in_flight: super::IN_FLIGHT,
            pool: PipePool::default(),
            stats: ProxyStats::default(),
            timers,
            slots: Slots::default(),
            listener: Notify::new(),
            generation: AtomicU64::new(0),
            toxics: Mutex::new(Arc::new([])),
            closed: AtomicBool::new(false),
            tasks: AtomicUsize::new(0),
            settled: Notify::new(),
            quiet: Notify::new(),
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Acquire)
    }

    pub(super) fn toxics(&self) -> ToxicSet {
        Arc::clone(&self.locked())
    }

    fn locked(&self) -> MutexGuard<'_, ToxicSet> {
        self.toxics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the listener refuses everybody.
    pub(super) fn is_down(&self) -> bool {
        let all = |installed: &Arc<Installed>| {
            installed.toxic.kind == ToxicKind::Down && installed.toxic.toxicity >= 1.0
        };
        self.toxics().iter().any(all)
    }

    pub(super) fn add(&self, toxic: Toxic) -> Result<(), ToxicError> {
        let set = self.locked();
        self.admit(&set, &toxic)?;
        let new = set.iter().cloned().chain([self.install(toxic)]).collect();
        self.replace(set, new)
    }

    pub(super) fn may_add(&self, toxic: &Toxic) -> Result<(), ToxicError> {
        self.admit(&self.locked(), toxic)
    }

    fn admit(&self, set: &ToxicSet, toxic: &Toxic) -> Result<(), ToxicError> {
        toxic.check()?;
        let (proxy, name) = (self.name.clone(), toxic.name.clone());
        if set.iter().any(|installed| installed.toxic.name == name) {
            return Err(ToxicError::NameTaken { proxy, name });
        }
        match set.iter().find(|installed| toxic.conflicts(&installed.toxic)) {
            Some(there) => Err(ToxicError::Conflict { proxy, name, taken_by: there.toxic.name.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn update(&self, toxic: Toxic) -> Result<(), ToxicError> {
        toxic.check()?;
        let set = self.locked();
        let at = self.find(&set, &toxic.name)?;
        let mut new: Vec<_> = set.to_vec();
        new[at] = self.install(toxic);
        self.replace(set, new.into())
    }

    pub(super) fn remove(&self, name: &str) -> Result<Arc<Installed>, ToxicError> {
        let set = self.locked();
        let at = self.find(&set, name)?;
        let mut new: Vec<_> = set.to_vec();
        let gone = new.remove(at);
        self.replace(set, new.into())?;
        Ok(gone)
    }

    /// Removes the toxics whose time is over.
    pub(super) fn expire(&self, now: Instant) {
        let set = self.locked();
        let stays = |installed: &&Arc<Installed>| installed.toxic.expires.is_none_or(|at| at > now);
        let left: ToxicSet = set.iter().filter(stays).cloned().collect();
        if left.len() < set.len() {
            // A closed proxy has none.
            let _ = self.replace(set, left);
        }
    }

    pub(super) fn remove_all(&self) {
        let set = self.locked();
        // A closed proxy has none.
        let _ = self.replace(set, Arc::new([]));
    }

    fn find(&self, set: &ToxicSet, name: &str) -> Result<usize, ToxicError> {
        set.iter()
            .position(|installed| installed.toxic.name == name)
            .ok_or_else(|| ToxicError::NotFound { proxy: self.name.clone(), name: name.to_owned() })
    }

    fn install(&self, toxic: Toxic) -> Arc<Installed> {
        if let Some(at) = toxic.expires {
            self.timers.arm(at, Key::REAPER);
        }
        let seed = toxic.seed.unwrap_or_else(|| self.seed ^ fnv1a(toxic.name.as_bytes()));
        Arc::new(Installed { toxic, stats: ToxicStats::default(), seed })
    }

    fn replace(&self, mut set: MutexGuard<'_, ToxicSet>, new: ToxicSet) -> Result<(), ToxicError> {
        if self.is_closed() {
            return Err(ToxicError::Closed { proxy: self.name.clone() });
        }
        *set = new;
        let generation = self.generation.fetch_add(1, AcqRel) + 1;
        drop(set);
        self.slots.announce(generation);
        self.listener.notify_one();
        Ok(())
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Release);
        let generation = self.generation.fetch_add(1, AcqRel) + 1;
        self.slots.announce(generation);
        self.listener.notify_one();
    }

    pub(super) fn task_begins(&self) {
        self.tasks.fetch_add(1, Relaxed);
    }

    pub(super) fn task_ends(&self) {
        if self.tasks.fetch_sub(1, AcqRel) == 1 {
            self.quiet.notify_waiters();
        }
    }

    pub(super) fn settles(&self) {
        self.settled.notify_waiters();
    }

    /// Until every connection has taken over the toxics that are there at the call.
    pub(super) async fn settled(&self) {
        let generation = self.generation();
        until(&self.settled, || self.slots.all_saw(generation)).await;
    }

    /// Until listener and connections are gone.
    pub(super) async fn quiet(&self) {
        until(&self.quiet, || self.tasks.load(Acquire) == 0).await;
    }
}

async fn until(notify: &Notify, done: impl Fn() -> bool + Send) {
    loop {
        let notified = notify.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if done() {
            return;
        }
        notified.await;
    }
}

/// The FNV-1a hash, the same on every machine and in every release.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
