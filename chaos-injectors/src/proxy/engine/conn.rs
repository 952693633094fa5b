//! One connection: a single task for both directions.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Instant,
};

use tokio::net::{TcpSocket, TcpStream};

use super::{
    chain::{Ending, Installed, Way},
    pipe::{Direction, Next, Over},
    queue::ByteQueue,
    shared::Shared,
    slots::Key,
    toxic::ToxicKind,
};
use crate::sys::tcp;

/// Serves one accepted connection until it ends.
pub(super) async fn serve(mut ticket: Ticket, client: TcpStream) {
    poll_fn(|cx| {
        ticket.enter(cx);
        Poll::Ready(())
    })
    .await;
    let _ = client.set_nodelay(true);
    if let Some(server) = connect(&mut ticket, &client).await {
        let _ = server.set_nodelay(true);
        Piping::new(ticket, client, server).await;
    }
}

/// A connection's place in the proxy's books.
#[derive(Debug)]
pub(super) struct Ticket {
    shared: Arc<Shared>,
    number: u64,
    /// None before the task runs.
    key: Option<Key>,
    /// The toxics that the connection knows.
    generation: u64,
}

impl Ticket {
    pub(super) fn new(shared: &Arc<Shared>, number: u64) -> Self {
        shared.stats.accepted.fetch_add(1, Relaxed);
        shared.stats.open.fetch_add(1, Relaxed);
        shared.task_begins();
        Self { shared: Arc::clone(shared), number, key: None, generation: 0 }
    }

    fn enter(&mut self, cx: &Context<'_>) {
        self.key = Some(self.shared.slots.enter(cx.waker().clone(), self.generation));
    }

    /// Whether the toxics changed since the last call.
    fn changed(&mut self) -> bool {
        let generation = self.shared.generation();
        let changed = generation != self.generation;
        self.generation = generation;
        changed
    }

    fn saw(&self) {
        if self.key.is_some_and(|key| self.shared.slots.saw(key, self.generation)) {
            self.shared.settles();
        }
    }

    /// Whether the connection has to end because its proxy closed or is down.
    fn condemned(&self) -> bool {
        let down = |installed: &Arc<Installed>| {
            let down = installed.toxic.kind == ToxicKind::Down && installed.takes(self.number);
            if down {
                installed.stats.connections.fetch_add(1, Relaxed);
                installed.stats.closed.fetch_add(1, Relaxed);
                self.shared.stats.closed_by_toxic.fetch_add(1, Relaxed);
            }
            down
        };
        self.shared.is_closed() || self.shared.toxics().iter().any(down)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.key.is_some_and(|key| self.shared.slots.leave(key)) {
            self.shared.settles();
        }
        self.shared.stats.open.fetch_sub(1, Relaxed);
        self.shared.task_ends();
    }
}

async fn connect(ticket: &mut Ticket, client: &TcpStream) -> Option<TcpStream> {
    let upstream = ticket.shared.upstream;
    let mut connecting = Box::pin(async move {
        let socket = if upstream.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
        socket?.connect(upstream).await
    });
    let result = poll_fn(|cx| {
        if ticket.changed() {
            let condemned = ticket.condemned();
            ticket.saw();
            if condemned {
                return Poll::Ready(None);
            }
        }
        connecting.as_mut().poll(cx).map(Some)
    })
    .await?;
    match result {
        Ok(server) => {
            // The pipe looks at the toxics once more, from the start.
            ticket.generation = 0;
            Some(server)
        }
        Err(error) => {
            tracing::debug!(%error, proxy = %ticket.shared.name, "the upstream cannot be reached");
            ticket.shared.stats.upstream_failures.fetch_add(1, Relaxed);
            tcp::reset_on_close(client);
            None
        }
    }
}

/// Both directions of a connection.
#[derive(Debug)]
struct Piping {
    ticket: Ticket,
    client: TcpStream,
    server: TcpStream,
    up: Direction,
    down: Direction,
    armed: Option<Instant>,
}

impl Piping {
    fn new(ticket: Ticket, client: TcpStream, server: TcpStream) -> Self {
        let direction = |way| Direction::new(way, ByteQueue::default());
        Self { ticket, client, server, up: direction(Way::Up), down: direction(Way::Down), armed: None }
    }

    /// Takes over new toxics; true if the connection has to end.
    fn change(&mut self) -> bool {
        if !self.ticket.changed() {
            return false;
        }
        let (set, number, now) = (self.ticket.shared.toxics(), self.ticket.number, Instant::now());
        self.up.change(&set, number, now);
        self.down.change(&set, number, now);
        self.ticket.condemned()
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, Over> {
        let before = self.ticket.generation;
        if self.change() {
            return Err(Over::Toxic(Ending::Close));
        }
        let shared = &*self.ticket.shared;
        let up = self.up.poll(cx, &mut self.client, &mut self.server, shared)?;
        let down = self.down.poll(cx, &mut self.server, &mut self.client, shared)?;
        if before != self.ticket.generation {
            self.ticket.saw();
        }
        if self.up.is_done() && self.down.is_done() {
            return Ok(Poll::Ready(()));
        }
        self.schedule(cx, up, down);
        Ok(Poll::Pending)
    }

    fn schedule(&mut self, cx: &Context<'_>, up: Next, down: Next) {
        let at = match (up, down) {
            (Next::Soon, _) | (_, Next::Soon) => return cx.waker().wake_by_ref(),
            (Next::At(a), Next::At(b)) => a.min(b),
            (Next::At(at), Next::Event) | (Next::Event, Next::At(at)) => at,
            (Next::Event, Next::Event) => return,
        };
        let now = Instant::now();
        let Some(key) = self.ticket.key else { return };
        if self.armed.is_none_or(|armed| at < armed || armed <= now) {
            self.armed = Some(at);
            self.ticket.shared.timers.arm(at, key);
        }
    }

    fn end(&self, over: &Over) {
        let stats = &self.ticket.shared.stats;
        match over {
            Over::Toxic(Ending::Close) => {
                stats.closed_by_toxic.fetch_add(1, Relaxed);
                tcp::finish(&self.client);
                tcp::finish(&self.server);
            }
            Over::Toxic(Ending::Reset) => {
                stats.reset_by_toxic.fetch_add(1, Relaxed);
                self.reset();
            }
            Over::Failed => self.reset(),
        }
    }

    fn reset(&self) {
        tcp::reset_on_close(&self.client);
        tcp::reset_on_close(&self.server);
    }
}

impl Future for Piping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.step(cx).unwrap_or_else(|over| {
            self.end(&over);
            Poll::Ready(())
        })
    }
}
