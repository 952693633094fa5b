use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use http_body_util::Full;
use hyper::{Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// An HTTP service on loopback that answers every request with `200 OK` after about a millisecond. Dropping it ends it and
/// its connections.
#[derive(Debug)]
pub struct Service {
    addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Service {
    /// Starts a service on a free port.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts a service at an address.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start_at(addr: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        Ok(Self { addr, task: tokio::spawn(serve(listener)) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connections live in the set, and so end with the service.
async fn serve(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(answer(stream));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn answer(stream: TcpStream) {
    let reply = |_| async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok\n"))))
    };
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(reply)).await;
}
