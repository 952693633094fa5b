//! Connections through a proxy whose both ends are in the test's hands.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use chaos_injectors::proxy::{Proxy, ProxyHandle, Toxic, ToxicKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Far above what anything here takes, even on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// Longer than any test lives.
pub(crate) const FOREVER: Duration = Duration::from_secs(3_600);

/// What comes of `future`, unless it takes far too long.
pub(crate) async fn within<F: Future + Send>(what: &str, future: F) -> F::Output {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Waits for a condition that another thread or task brings about.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool + Send + Sync) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(what, poll).await;
}

pub(crate) fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// `len` bytes that differ from place to place.
pub(crate) fn pattern(len: usize, salt: u64) -> Vec<u8> {
    let mix = |at: usize| (at as u64 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0];
    (0..len).map(mix).collect()
}

/// A proxy and the server behind it.
pub(crate) struct Site {
    pub(crate) proxy: Proxy,
    pub(crate) server: TcpListener,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::seeded(7).await
    }

    pub(crate) async fn seeded(seed: u64) -> Self {
        let server = TcpListener::bind(loopback()).await.unwrap();
        let upstream = server.local_addr().unwrap();
        let proxy = Proxy::builder(loopback(), upstream).seed(seed).start().await.unwrap();
        Self { proxy, server }
    }

    pub(crate) async fn link(&self) -> Link {
        let client = within("connect", TcpStream::connect(self.proxy.local_addr())).await.unwrap();
        let (server, _) = within("accept", self.server.accept()).await.unwrap();
        Link { client, server }
    }

    /// Adds a toxic named after its kind, downstream.
    pub(crate) fn add(&self, kind: ToxicKind) -> &'static str {
        self.proxy.add_toxic(Toxic::new(kind.name(), kind)).unwrap();
        kind.name()
    }

    pub(crate) async fn until_empty(&self) {
        let proxy: ProxyHandle = self.proxy.handle();
        until("no connection is open", move || proxy.counters().connections_open == 0).await;
    }
}

/// Both ends of a connection.
pub(crate) struct Link {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
}

impl Link {
    /// One byte each way: the connection is served now.
    pub(crate) async fn ping(&mut self) {
        send(&mut self.client, b"?").await;
        expect(&mut self.server, b"?").await;
        send(&mut self.server, b"!").await;
        expect(&mut self.client, b"!").await;
    }
}

pub(crate) async fn send(to: &mut TcpStream, bytes: &[u8]) {
    within("send", to.write_all(bytes)).await.unwrap();
}

pub(crate) async fn expect(from: &mut TcpStream, bytes: &[u8]) {
    let mut got = vec![0; bytes.len()];
    within("receive", from.read_exact(&mut got)).await.unwrap();
    assert!(got == bytes, "other bytes arrived than were sent");
}

/// All bytes until the end of the stream.
pub(crate) async fn rest(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut got = Vec::new();
    within("read to the end", from.read_to_end(&mut got)).await.map(|_| got)
}

/// Whether nothing has arrived. Says nothing about what is still to come.
pub(crate) fn is_silent(stream: &TcpStream) -> bool {
    let mut byte = [0];
    matches!(stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
