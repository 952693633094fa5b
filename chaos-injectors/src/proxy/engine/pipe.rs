//! One direction of a connection: reads, queues under the verdict of the toxics, writes.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    chain::{Chain, Ending, Installed, Rebuilt, Verdict, Way},
    queue::{ByteQueue, Filled},
    shared::Shared,
};

/// The most that is read at once into memory; a read that fills it turns to pipes.
const SCRATCH: usize = 64 << 10;
/// From this on a read is one of many.
const BULK: usize = 32 << 10;
/// Bytes in and out after which a connection lets others have their turn.
const TURN: usize = 512 << 10;
/// The most that one call moves.
const STRIDE: usize = TURN / 2;
/// Bookkeeping that a queued chunk costs beside its bytes.
const CHUNK_COST: usize = 64;

thread_local! {
    /// Read here first: a connection owns memory only for what it cannot pass on at once.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into());
}

/// Why a connection is over before both streams ended.
#[derive(Debug)]
pub(super) enum Over {
    /// A toxic ends it.
    Toxic(Ending),
    /// One side failed; the other is reset.
    Failed,
}

impl From<io::Error> for Over {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "a proxied connection failed");
        Self::Failed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    /// The sender is done, the receiver does not know yet.
    Seen,
    Passed,
}

#[derive(Debug)]
struct Mark {
    len: usize,
    entered: Instant,
    due: Instant,
}

/// What a direction keeps while toxics work on it.
#[derive(Debug)]
struct Shaped {
    chain: Chain,
    marks: VecDeque<Mark>,
    /// When the end of the stream came in, and when it is due.
    end: Option<(Instant, Instant)>,
    /// Since when only a slow close holds the end back.
    closing: Option<Instant>,
}

/// Whether a direction has to be looked at again without an event of its sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// At this instant at the latest.
    At(Instant),
    /// As soon as others had their turn.
    Soon,
    /// Not before a socket or a toxic changes.
    Event,
}

enum Flushed {
    /// All that may go is gone.
    All,
    /// The receiver takes nothing now.
    Blocked,
    /// Bytes wait for this instant.
    At(Instant),
    /// Bytes wait for a toxic to change.
    Held,
    /// It is the turn of others.
    Later,
}

/// One direction of a connection.
#[derive(Debug)]
pub(super) struct Direction {
    way: Way,
    end: End,
    bulk: bool,
    queue: ByteQueue,
    shaped: Option<Box<Shaped>>,
}

impl Direction {
    pub(super) const fn new(way: Way, queue: ByteQueue) -> Self {
        Self { way, end: End::Open, bulk: false, queue, shaped: None }
    }

    /// Whether the end of the stream has been passed on.
    pub(super) fn is_done(&self) -> bool {
        self.end == End::Passed
    }

    /// Takes over a new set of toxics.
    pub(super) fn change(&mut self, set: &[Arc<Installed>], connection: u64, now: Instant) {
        let (old, marks, end) = match self.shaped.take().map(|shaped| *shaped) {
            Some(Shaped { chain, marks, end, .. }) => (Some(chain), marks, end),
            None => (None, VecDeque::new(), None),
        };
        let Rebuilt { chain, eased } = Chain::build(set, old, connection, self.way, now);
        let Some(chain) = chain else { return };
        let mut shaped = Shaped { chain, marks, end, closing: None };
        if eased {
            shaped.release_early();
        }
        shaped.mark_rest(self.queue.len(), now);
        if self.end == End::Seen && shaped.end.is_none() {
            shaped.end = Some((now, now));
        }
        self.shaped = Some(Box::new(shaped));
    }

    /// Moves what can be moved now.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        src: &mut TcpStream,
        dst: &mut TcpStream,
        shared: &Shared,
    ) -> Result<Next, Over> {
        let mut turn = TURN;
        let next = loop {
            let flushed = self.flush(cx, dst, shared, &mut turn)?;
            if self.end == End::Seen {
                self.pass_end(cx, dst, &flushed);
            }
            if turn == 0 {
                break Next::Soon;
            }
            let filled = match self.wants(shared) {
                true => self.fill(cx, src, dst, shared)?,
                false => Filled::Empty,
            };
            match filled {
                Filled::Bytes(n) => turn = turn.saturating_sub(n),
                Filled::End => self.see_end(),
                Filled::Empty | Filled::NoPipe => break self.next(&flushed),
            }
        };
        self.queue.shrink(&shared.pool);
        Ok(next)
    }

    fn next(&self, flushed: &Flushed) -> Next {
        let shaped = self.shaped.as_deref();
        let closes = self.end == End::Seen && self.queue.is_empty() && matches!(flushed, Flushed::All);
        let closing = shaped.and_then(Shaped::close_at).filter(|_| closes);
        let bytes = if let Flushed::At(at) = flushed { Some(*at) } else { None };
        let deadline = shaped.and_then(|shaped| shaped.chain.deadline());
        [closing, bytes, deadline].into_iter().flatten().min().map_or(Next::Event, Next::At)
    }

    fn wants(&self, shared: &Shared) -> bool {
        self.end == End::Open
            && match &self.shaped {
                None => self.queue.is_empty(),
                Some(shaped) => {
                    let held = self.queue.len() + shaped.marks.len() * CHUNK_COST;
                    held < shaped.chain.room(shared.in_flight)
                }
            }
    }

    fn fill(
        &mut self,
        cx: &mut Context<'_>,
        src: &mut TcpStream,
        dst: &TcpStream,
        shared: &Shared,
    ) -> Result<Filled, Over> {
        while self.bulk {
            match self.queue.splice_in(src, &shared.pool, self.ask(shared))? {
                Filled::Bytes(n) => {
                    self.bulk = n >= BULK;
                    return Ok(self.mark(n, shared));
                }
                Filled::End => return Ok(Filled::End),
                Filled::NoPipe => break,
                Filled::Empty => match src.poll_read_ready(cx) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => return Ok(Filled::Empty),
                },
            }
        }
        let Poll::Ready(result) = self.copy_in(cx, src, dst, shared) else { return Ok(Filled::Empty) };
        let n = result?;
        if n == 0 {
            return Ok(Filled::End);
        }
        self.bulk = n >= BULK;
        Ok(self.mark(n, shared))
    }

    fn ask(&self, shared: &Shared) -> usize {
        let room = self.shaped.as_ref().map(|shaped| shaped.chain.room(shared.in_flight));
        room.map_or(STRIDE, |room| room.saturating_sub(self.queue.len()).clamp(1, STRIDE))
    }

    /// Reads into memory; what no toxic touches goes out from there.
    fn copy_in(
        &mut self,
        cx: &mut Context<'_>,
        src: &mut TcpStream,
        dst: &TcpStream,
        shared: &Shared,
    ) -> Poll<Result<usize, Over>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            match Pin::new(src).poll_read(cx, &mut read) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) => {}
            }
            let bytes = read.filled();
            let written = match self.shaped {
                None if !bytes.is_empty() => match dst.try_write(bytes) {
                    Ok(n) => n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                    Err(error) => return Poll::Ready(Err(error.into())),
                },
                _ => 0,
            };
            self.count(written, shared);
            self.queue.push(&bytes[written..]);
            Poll::Ready(Ok(bytes.len()))
        })
    }

    fn mark(&mut self, n: usize, shared: &Shared) -> Filled {
        if let Some(shaped) = &mut self.shaped {
            let delayed = shaped.enter(n);
            shared.stats.chunks_delayed.fetch_add(delayed, Relaxed);
        }
        Filled::Bytes(n)
    }

    fn see_end(&mut self) {
        self.end = End::Seen;
        if let Some(shaped) = &mut self.shaped {
            let now = Instant::now();
            shaped.end = Some((now, now + shaped.chain.draw()));
        }
    }

    fn flush(
        &mut self,
        cx: &mut Context<'_>,
        dst: &TcpStream,
        shared: &Shared,
        turn: &mut usize,
    ) -> Result<Flushed, Over> {
        while self.shaped.is_some() || !self.queue.is_empty() {
            let max = match self.permit() {
                Verdict::Send(0) => {
                    return Ok(self.shaped.as_ref().map_or(Flushed::All, |shaped| shaped.waits()));
                }
                Verdict::Send(n) => n,
                Verdict::Wait(at) => return Ok(Flushed::At(at)),
                Verdict::Hold => return Ok(Flushed::Held),
                Verdict::End(ending) => return Err(Over::Toxic(ending)),
            };
            if *turn == 0 {
                return Ok(Flushed::Later);
            }
            match self.queue.drain(dst, max.min(STRIDE), &shared.pool) {
                Ok(n) => {
                    *turn = turn.saturating_sub(n);
                    self.sent(n, shared);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => match dst.poll_write_ready(cx) {
                    Poll::Ready(ready) => ready?,
                    Poll::Pending => return Ok(Flushed::Blocked),
                },
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Flushed::All)
    }

    fn permit(&mut self) -> Verdict {
        match &mut self.shaped {
            None => Verdict::Send(usize::MAX),
            Some(shaped) => {
                let now = Instant::now();
                shaped.chain.verdict(now, shaped.due(now), !self.queue.is_empty())
            }
        }
    }

    fn sent(&mut self, n: usize, shared: &Shared) {
        self.count(n, shared);
        if let Some(shaped) = &mut self.shaped {
            shaped.sent(n, Instant::now());
        }
    }

    fn count(&self, n: usize, shared: &Shared) {
        let bytes = if self.way == Way::Up { &shared.stats.bytes_up } else { &shared.stats.bytes_down };
        bytes.fetch_add(n as u64, Relaxed);
    }

    /// Passes the end of the stream on if it is its turn.
    fn pass_end(&mut self, cx: &mut Context<'_>, dst: &mut TcpStream, flushed: &Flushed) {
        if !self.queue.is_empty() || !matches!(flushed, Flushed::All) {
            return;
        }
        if let Some(shaped) = &mut self.shaped {
            let now = Instant::now();
            if !shaped.may_close(now) {
                return;
            }
            shaped.chain.closed(shaped.closing.map_or(Duration::ZERO, |since| now - since));
        }
        self.end = End::Passed;
        // A receiver that has closed already needs no end of the stream.
        let _ = Pin::new(dst).poll_shutdown(cx);
    }
}

impl Shaped {
    /// Stamps what came in; returns how many chunks are delayed.
    fn enter(&mut self, mut n: usize) -> u64 {
        let (now, chunk) = (Instant::now(), self.chain.chunk());
        let mut delayed = 0;
        while n > 0 {
            let len = n.min(chunk);
            let delay = self.chain.enter();
            delayed += u64::from(!delay.is_zero());
            self.marks.push_back(Mark { len, entered: now, due: now + delay });
            n -= len;
        }
        delayed
    }

    /// Bytes that may go by their time, up to what one call moves.
    fn due(&self, now: Instant) -> usize {
        let mut due = 0;
        for mark in self.marks.iter().take_while(|mark| mark.due <= now) {
            due += mark.len;
            if due >= STRIDE {
                break;
            }
        }
        due
    }

    fn waits(&self) -> Flushed {
        self.marks.front().map_or(Flushed::All, |mark| Flushed::At(mark.due))
    }

    fn sent(&mut self, mut n: usize, now: Instant) {
        self.chain.sent(now, n);
        while let Some(mark) = self.marks.front_mut() {
            if mark.len > n {
                mark.len -= n;
                return;
            }
            n -= mark.len;
            self.chain.passed(now.saturating_duration_since(mark.entered));
            self.marks.pop_front();
        }
    }

    /// After a delay is gone: bytes that wait leave when the toxics that are left let them, if that is earlier.
    fn release_early(&mut self) {
        for mark in &mut self.marks {
            mark.due = mark.due.min(mark.entered + self.chain.draw());
        }
        if let Some((entered, due)) = &mut self.end {
            *due = (*due).min(*entered + self.chain.draw());
        }
    }

    /// Bytes that were queued without any toxic are due at once.
    fn mark_rest(&mut self, queued: usize, now: Instant) {
        let marked: usize = self.marks.iter().map(|mark| mark.len).sum();
        if queued > marked {
            self.marks.push_back(Mark { len: queued - marked, entered: now, due: now });
        }
    }

    fn close_at(&self) -> Option<Instant> {
        let (_, due) = self.end?;
        let slow = self.closing.map(|since| since + self.chain.close_delay());
        Some(slow.map_or(due, |at| at.max(due)))
    }

    fn may_close(&mut self, now: Instant) -> bool {
        if self.end.is_none_or(|(_, due)| now >= due) {
            self.closing.get_or_insert(now);
        }
        self.closing.is_some_and(|since| now >= since + self.chain.close_delay())
    }
}
