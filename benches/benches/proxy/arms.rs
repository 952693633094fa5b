//! The proxies that are compared, each on a thread and a runtime of its own.

use std::{
    net::SocketAddr,
    sync::mpsc::{Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use chaos_injectors::proxy::{Proxy, ProxyHandle};
use nix::sys::resource::{UsageWho, getrusage};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ours.
    Ours,
    /// A task for each connection with `tokio::io::copy_bidirectional`.
    Tokio,
}

/// A running proxy whose thread answers how much CPU time it has used.
#[derive(Debug)]
pub(crate) struct Arm {
    pub(crate) addr: SocketAddr,
    /// Only ours has toxics.
    pub(crate) handle: Option<ProxyHandle>,
    cpu: Option<UnboundedSender<Sender<Duration>>>,
    thread: Option<JoinHandle<()>>,
}

impl Arm {
    pub(crate) fn start(kind: Kind, upstream: SocketAddr) -> Self {
        let (give, take) = channel();
        let (cpu, mut asked) = unbounded_channel::<Sender<Duration>>();
        let thread = thread::Builder::new().name("proxy".into());
        let thread = thread.spawn(move || {
            runtime().block_on(async move {
                let ours = serve(kind, upstream).await;
                let (addr, proxy) = match ours {
                    Serving::Ours(proxy) => (proxy.local_addr(), Some(proxy)),
                    Serving::Tokio(addr) => (addr, None),
                };
                give.send((addr, proxy.as_ref().map(Proxy::handle)))
                    .expect("the bench waits for the address");
                while let Some(answer) = asked.recv().await {
                    let _ = answer.send(used());
                }
            });
        });
        let thread = thread.expect("a thread for the proxy");
        let (addr, handle) = take.recv().expect("the proxy starts");
        Self { addr, handle, cpu: Some(cpu), thread: Some(thread) }
    }

    /// CPU time that the proxy's thread has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let (give, take) = channel();
        self.cpu.as_ref().and_then(|cpu| cpu.send(give).ok()).expect("the proxy's thread runs");
        take.recv().expect("the proxy's thread answers")
    }

    pub(crate) fn toxics(&self) -> &ProxyHandle {
        self.handle.as_ref().expect("only our proxy is given toxics")
    }
}

impl Drop for Arm {
    fn drop(&mut self) {
        self.cpu = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

enum Serving {
    Ours(Proxy),
    Tokio(SocketAddr),
}

async fn serve(kind: Kind, upstream: SocketAddr) -> Serving {
    match kind {
        Kind::Ours => {
            let proxy = Proxy::builder(loopback(), upstream).seed(1).start().await;
            Serving::Ours(proxy.expect("a free port on loopback"))
        }
        Kind::Tokio => {
            let listener = TcpListener::bind(loopback()).await.expect("a free port on loopback");
            let addr = listener.local_addr().expect("a bound listener has an address");
            tokio::spawn(copy(listener, upstream));
            Serving::Tokio(addr)
        }
    }
}

async fn copy(listener: TcpListener, upstream: SocketAddr) {
    while let Ok((mut client, _)) = listener.accept().await {
        tokio::spawn(async move {
            let _ = client.set_nodelay(true);
            if let Ok(mut server) = TcpStream::connect(upstream).await {
                let _ = server.set_nodelay(true);
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

fn used() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("a thread may ask for its own usage");
    let time = |tv: nix::sys::time::TimeVal| {
        Duration::from_secs(tv.tv_sec() as u64) + Duration::from_micros(tv.tv_usec() as u64)
    };
    time(usage.user_time()) + time(usage.system_time())
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("descriptors for a runtime")
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
