use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chaos_core::{error::RevertError, id::FaultKind, injector::Live};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Handle,
    task::JoinHandle,
};

use crate::Service;

/// The kind of the fault that kills replicas.
pub const KILL: FaultKind = FaultKind::from_static("example.pod_kill");

/// Replicas are up again in less.
const RESTART_LIMIT: Duration = Duration::from_secs(5);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n";

/// A deployment of replicas on loopback, of which some can be killed and restarted. Clones share it.
#[derive(Debug, Clone)]
pub struct Replicas(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    runtime: Handle,
    addresses: BTreeMap<String, SocketAddr>,
    running: Mutex<BTreeMap<String, Service>>,
}

impl Replicas {
    /// Starts `count` replicas called `api-1`, `api-2` and so on.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start(count: usize) -> io::Result<Self> {
        let (mut addresses, mut running) = (BTreeMap::new(), BTreeMap::new());
        for index in 1..=count {
            let service = Service::start().await?;
            addresses.insert(format!("api-{index}"), service.addr());
            running.insert(format!("api-{index}"), service);
        }
        Ok(Self(Arc::new(Inner { runtime: Handle::current(), addresses, running: Mutex::new(running) })))
    }

    /// The names of all replicas, running or not.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.addresses.keys().cloned().collect()
    }

    /// How many are running.
    #[must_use]
    pub fn running(&self) -> usize {
        self.lock().len()
    }

    /// Kills replicas: their listeners and their connections are gone at once.
    pub fn kill(&self, names: &[String]) {
        let mut running = self.lock();
        names.iter().for_each(|name| drop(running.remove(name)));
    }

    /// Has killed replicas started again, at their old addresses, when the fault ends. The fault has ended when they are up.
    #[must_use]
    pub fn restart_on_end(&self, names: Vec<String>) -> Box<dyn Live> {
        Box::new(Restart { replicas: self.clone(), names })
    }

    async fn restart(&self, names: Vec<String>) {
        for name in names {
            // The old listener may take a moment to let go of its port.
            while self.start_again(&name).await.is_err() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn start_again(&self, name: &str) -> io::Result<()> {
        let Some(addr) = self.0.addresses.get(name) else { return Ok(()) };
        let service = Service::start_at(*addr).await?;
        self.lock().insert(name.to_owned(), service);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Service>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replicas that are down as long as this is held.
#[derive(Debug)]
struct Restart {
    replicas: Replicas,
    names: Vec<String>,
}

#[async_trait]
impl Live for Restart {
    async fn end(mut self: Box<Self>) -> Result<(), RevertError> {
        let restart = self.replicas.restart(self.names.clone());
        let timed_out = |_| RevertError::TimedOut { kind: KILL, limit: RESTART_LIMIT };
        tokio::time::timeout(RESTART_LIMIT, restart).await.map_err(timed_out)?;
        self.names.clear();
        Ok(())
    }
}

/// The fallback, if nobody ends it: the replicas come up a moment later.
impl Drop for Restart {
    fn drop(&mut self) {
        let (replicas, names) = (self.replicas.clone(), std::mem::take(&mut self.names));
        if !names.is_empty() {
            self.replicas.0.runtime.spawn(async move { replicas.restart(names).await });
        }
    }
}

/// Requests to all replicas in turn; one that is refused goes to the next, as a load balancer does it.
#[derive(Debug)]
pub struct Traffic {
    figures: Arc<Figures>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Figures {
    turn: AtomicUsize,
    requests: AtomicU64,
    failed: AtomicU64,
    latencies: Mutex<Vec<(Instant, f64)>>,
}

impl Traffic {
    /// Starts a request every five milliseconds.
    #[must_use]
    pub fn start(replicas: &Replicas) -> Self {
        let figures = Arc::new(Figures::default());
        let addresses: Vec<_> = replicas.0.addresses.values().copied().collect();
        Self { task: tokio::spawn(drive(Arc::clone(&figures), addresses)), figures }
    }

    /// The share of failed requests since the start.
    #[must_use]
    pub fn error_rate(&self) -> f64 {
        self.figures.failed.load(Ordering::Relaxed) as f64
            / self.figures.requests.load(Ordering::Relaxed) as f64
    }

    /// The 99th percentile of the latency over the last second, in seconds; NaN without requests.
    #[must_use]
    pub fn latency_p99(&self) -> f64 {
        let mut latencies = self.figures.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        latencies.retain(|(at, _)| at.elapsed() < Duration::from_secs(1));
        let mut sorted: Vec<f64> = latencies.iter().map(|(_, latency)| *latency).collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get((sorted.len() * 99) / 100).copied().unwrap_or(f64::NAN)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drive(figures: Arc<Figures>, addresses: Vec<SocketAddr>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    loop {
        ticks.tick().await;
        let (figures, addresses) = (Arc::clone(&figures), addresses.clone());
        tokio::spawn(async move { request(&figures, &addresses).await });
    }
}

async fn request(figures: &Figures, addresses: &[SocketAddr]) {
    let (started, first) = (Instant::now(), figures.turn.fetch_add(1, Ordering::Relaxed));
    let mut answered = false;
    for attempt in 0..addresses.len() {
        answered = answer(addresses[(first + attempt) % addresses.len()]).await.is_ok();
        if answered {
            break;
        }
    }
    figures.requests.fetch_add(1, Ordering::Relaxed);
    figures.failed.fetch_add(u64::from(!answered), Ordering::Relaxed);
    let latency = (started, started.elapsed().as_secs_f64());
    figures.latencies.lock().unwrap_or_else(PoisonError::into_inner).push(latency);
}

async fn answer(addr: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(REQUEST).await?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).await?;
    if reply.starts_with(b"HTTP/1.1 200") { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}
