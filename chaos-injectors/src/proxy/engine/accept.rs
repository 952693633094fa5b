//! The listener of a proxy.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
    time::Duration,
};

use tokio::net::{TcpListener, TcpStream};

use super::{
    conn::{self, Ticket},
    shared::Shared,
    slots::Key,
};
use crate::sys::{tcp, timer::PreciseTimer};

/// How long the listener rests after it could not take a connection.
const REST: Duration = Duration::from_millis(10);

/// Listens until the proxy closes.
#[derive(Debug)]
pub(super) struct Acceptor {
    shared: Arc<Shared>,
    rest: PreciseTimer,
    accepted: u64,
    /// The listener takes over changes like a connection does.
    key: Key,
}

impl Acceptor {
    /// Needs the context of a tokio runtime.
    pub(super) fn new(shared: Arc<Shared>) -> io::Result<Self> {
        let rest = PreciseTimer::new()?;
        let key = shared.slots.enter(Waker::noop().clone(), shared.generation());
        shared.task_begins();
        Ok(Self { shared, rest, accepted: 0, key })
    }

    pub(super) async fn run(mut self, listener: std::net::TcpListener) {
        let mut listener = Some(listener);
        while let Some(held) = listener.take() {
            let served =
                if self.shared.is_down() { self.refuse(held).await } else { self.listen(held).await };
            listener = served.unwrap_or_else(|error| {
                tracing::error!(%error, proxy = %self.shared.name, "the listener of a fault proxy failed");
                None
            });
        }
    }

    /// Refuses connections until the proxy is up again.
    async fn refuse(&self, listener: std::net::TcpListener) -> io::Result<Option<std::net::TcpListener>> {
        tcp::stop(&listener)?;
        while self.still(true) {
            self.shared.listener.notified().await;
        }
        if self.shared.is_closed() {
            return Ok(None);
        }
        tcp::restart(&listener)?;
        Ok(Some(listener))
    }

    /// Takes connections until the proxy is down.
    async fn listen(&mut self, listener: std::net::TcpListener) -> io::Result<Option<std::net::TcpListener>> {
        let listener = TcpListener::from_std(listener)?;
        while self.still(false) {
            tokio::select! {
                biased;
                () = self.shared.listener.notified() => {}
                accepted = listener.accept() => match accepted {
                    Ok((client, _)) => self.serve(client),
                    Err(error) => self.rest(&error).await?,
                },
            }
        }
        if self.shared.is_closed() { Ok(None) } else { listener.into_std().map(Some) }
    }

    /// Whether the listener is as the toxics want it.
    fn still(&self, down: bool) -> bool {
        let generation = self.shared.generation();
        let still = !self.shared.is_closed() && self.shared.is_down() == down;
        if still && self.shared.slots.saw(self.key, generation) {
            self.shared.settles();
        }
        still
    }

    fn serve(&mut self, client: TcpStream) {
        self.accepted += 1;
        tokio::spawn(conn::serve(Ticket::new(&self.shared, self.accepted), client));
    }

    /// After an error of one connection, or for want of descriptors.
    async fn rest(&self, error: &io::Error) -> io::Result<()> {
        tracing::warn!(%error, proxy = %self.shared.name, "a fault proxy cannot accept a connection");
        self.shared.stats.accept_failures.fetch_add(1, Relaxed);
        self.rest.set(REST)?;
        self.rest.fired().await
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        if self.shared.slots.leave(self.key) {
            self.shared.settles();
        }
        self.shared.task_ends();
    }
}
