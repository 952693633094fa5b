//! A real HTTP/1.1 server on loopback whose behaviour a test switches while it runs.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Method, Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

/// What the server saw of its latest request.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
struct Switches {
    delay_ms: AtomicU64,
    status: AtomicU16,
    stalled: watch::Sender<bool>,
    close: watch::Sender<bool>,
    hits: AtomicU64,
    connections: AtomicU64,
    seen: Mutex<Option<Seen>>,
}

/// A server that lives until it is dropped.
#[derive(Debug)]
pub(crate) struct TestServer {
    addr: SocketAddr,
    switches: Arc<Switches>,
    task: tokio::task::JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let switches = Arc::new(Switches {
            delay_ms: AtomicU64::new(0),
            status: AtomicU16::new(200),
            stalled: watch::channel(false).0,
            close: watch::channel(false).0,
            hits: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            seen: Mutex::new(None),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&switches)));
        Self { addr, switches, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn delay(&self, delay: Duration) {
        self.switches.delay_ms.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    pub(crate) fn status(&self, status: u16) {
        self.switches.status.store(status, Ordering::Relaxed);
    }

    /// Holds every answer back until it is switched off again.
    pub(crate) fn stall(&self, stalled: bool) {
        self.switches.stalled.send_replace(stalled);
    }

    /// Ends every connection after its present answer.
    pub(crate) fn close_after_answer(&self, close: bool) {
        self.switches.close.send_replace(close);
    }

    /// How many requests arrived.
    pub(crate) fn hits(&self) -> u64 {
        self.switches.hits.load(Ordering::Relaxed)
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> u64 {
        self.switches.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn seen(&self) -> Seen {
        self.switches.seen.lock().unwrap().clone().expect("a request arrived")
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, switches: Arc<Switches>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        switches.connections.fetch_add(1, Ordering::Relaxed);
        let switches = Arc::clone(&switches);
        connections.spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&switches), request));
            // The client may vanish at any time.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(
    switches: Arc<Switches>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    switches.hits.fetch_add(1, Ordering::Relaxed);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let seen = Seen { method: parts.method, path: parts.uri.to_string(), headers: parts.headers, body };
    *switches.seen.lock().unwrap() = Some(seen);
    let delay = Duration::from_millis(switches.delay_ms.load(Ordering::Relaxed));
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    switches.stalled.subscribe().wait_for(|stalled| !stalled).await.ok();
    let mut response = Response::new(Full::new(Bytes::from_static(b"ok")));
    *response.status_mut() = switches.status.load(Ordering::Relaxed).try_into().unwrap();
    if *switches.close.borrow() {
        response.headers_mut().insert("connection", "close".try_into().unwrap());
    }
    Ok(response)
}
