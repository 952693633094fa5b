//! The toxics of one direction of one connection: a plain function says what may pass now, the pipe owns the timers.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    bucket::Bucket,
    stats::ToxicStats,
    toxic::{Stream, Toxic, ToxicKind},
};

/// A chunk under packet loss, in bytes at most.
const LOSS_CHUNK: usize = 16 << 10;
/// Bytes that a direction takes in ahead of what it may send, beside those that a delay keeps under way.
const AHEAD: usize = 256 << 10;

/// The way that bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

impl Way {
    const fn stream(self) -> Stream {
        match self {
            Self::Up => Stream::Upstream,
            Self::Down => Stream::Downstream,
        }
    }
}

/// A toxic on its proxy, with what it did.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) toxic: Toxic,
    pub(super) stats: ToxicStats,
    /// Seed of this toxic's draws.
    pub(super) seed: u64,
}

impl Installed {
    /// Whether the toxic works on the connection with this number.
    pub(super) fn takes(&self, connection: u64) -> bool {
        let share = self.toxic.toxicity;
        share >= 1.0 || (share > 0.0 && draws(self.seed, connection, 0).random::<f64>() < share)
    }

    fn reaches(&self, way: Way) -> bool {
        self.toxic.kind != ToxicKind::Down && self.toxic.stream.overlaps(way.stream())
    }
}

fn draws(seed: u64, connection: u64, purpose: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (purpose << 62));
    rng.set_stream(connection);
    rng
}

/// How a toxic ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Close,
    Reset,
}

/// What may happen to the bytes that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// So many bytes may pass.
    Send(usize),
    /// Nothing before this instant.
    Wait(Instant),
    /// Nothing until the toxics change.
    Hold,
    /// The connection ends now.
    End(Ending),
}

#[derive(Debug)]
enum State {
    Plain,
    Random(Box<ChaCha8Rng>),
    Paced(Bucket),
    Limited(u64),
    Sliced { rng: Box<ChaCha8Rng>, left: usize, next: Option<Instant> },
}

#[derive(Debug)]
struct Link {
    installed: Arc<Installed>,
    since: Instant,
    state: State,
}

/// The toxics that work on one direction of one connection; never empty.
#[derive(Debug)]
pub(super) struct Chain(Vec<Link>);

/// A chain after a change.
#[derive(Debug)]
pub(super) struct Rebuilt {
    /// `None` if no toxic works here any more.
    pub(super) chain: Option<Chain>,
    /// Whether a toxic that delays chunks is gone.
    pub(super) eased: bool,
}

impl Chain {
    /// The chain of the toxics in `set`; links that `old` has keep their state.
    pub(super) fn build(
        set: &[Arc<Installed>],
        old: Option<Self>,
        connection: u64,
        way: Way,
        now: Instant,
    ) -> Rebuilt {
        let mut old = old.map_or_else(Vec::new, |chain| chain.0);
        let links: Vec<Link> = set
            .iter()
            .filter(|installed| installed.reaches(way) && installed.takes(connection))
            .map(|installed| {
                let kept = old.iter().position(|link| Arc::ptr_eq(&link.installed, installed));
                kept.map_or_else(|| Link::new(installed, connection, way, now), |at| old.swap_remove(at))
            })
            .collect();
        let eased = old.iter().any(|link| !link.longest_delay().is_zero());
        Rebuilt { chain: (!links.is_empty()).then_some(Self(links)), eased }
    }

    /// Counts a chunk that came in now; returns how long it is under way.
    pub(super) fn enter(&mut self) -> Duration {
        self.0.iter_mut().map(Link::enter).sum()
    }

    /// How long a chunk is under way, drawn anew and not counted.
    pub(super) fn draw(&mut self) -> Duration {
        self.0.iter_mut().map(Link::draw).sum()
    }

    /// The most that one chunk may hold.
    pub(super) fn chunk(&self) -> usize {
        let lossy = |link: &Link| matches!(link.kind(), ToxicKind::PacketLoss { .. });
        if self.0.iter().any(lossy) { LOSS_CHUNK } else { usize::MAX }
    }

    /// How many bytes may be queued before the sender has to wait, given the bound of a connection.
    pub(super) fn room(&self, bound: usize) -> usize {
        let delayed: Duration = self.0.iter().map(Link::longest_delay).sum();
        let rate = self.0.iter().filter_map(Link::rate).min();
        let wanted = match rate {
            // Ten quanta ahead of the bucket, and what is under way at this rate.
            Some(rate) => bytes_in(rate, delayed + Duration::from_millis(10)).max(AHEAD / 4),
            None if delayed.is_zero() => AHEAD,
            None => bound,
        };
        wanted.min(bound)
    }

    /// What may be sent now of `due` bytes; `queued` says whether any are there, due or not.
    pub(super) fn verdict(&mut self, now: Instant, due: usize, queued: bool) -> Verdict {
        let mut verdict = Verdict::Send(due);
        for link in &mut self.0 {
            verdict = match (verdict, link.verdict(now, due, queued)) {
                (Verdict::End(ending), _) | (_, Verdict::End(ending)) => return link.ends(ending),
                (Verdict::Hold, _) | (_, Verdict::Hold) => Verdict::Hold,
                (Verdict::Wait(a), Verdict::Wait(b)) => Verdict::Wait(a.max(b)),
                (Verdict::Wait(at), Verdict::Send(_)) | (Verdict::Send(_), Verdict::Wait(at)) => {
                    Verdict::Wait(at)
                }
                (Verdict::Send(a), Verdict::Send(b)) => Verdict::Send(a.min(b)),
            };
        }
        verdict
    }

    /// When the connection ends by itself, if no toxic changes.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(Link::deadline).min()
    }

    /// Tells that `n` bytes passed.
    pub(super) fn sent(&mut self, now: Instant, n: usize) {
        self.0.iter_mut().for_each(|link| link.sent(now, n));
    }

    /// Tells that a chunk has passed whole, `delay` after it came in.
    pub(super) fn passed(&self, delay: Duration) {
        let delaying = |link: &&Link| !matches!(link.kind(), ToxicKind::SlowClose { .. });
        self.0.iter().filter(delaying).for_each(|link| link.installed.stats.delay.record(delay));
    }

    /// How long the end of the stream waits.
    pub(super) fn close_delay(&self) -> Duration {
        self.0.iter().map(Link::close_delay).sum()
    }

    /// Tells that the end of the stream has passed after it waited for `delay`.
    pub(super) fn closed(&self, delay: Duration) {
        let slow = self.0.iter().filter(|link| !link.close_delay().is_zero());
        slow.for_each(|link| {
            link.installed.stats.delay.record(delay);
            link.installed.stats.held.fetch_add(1, Relaxed);
        });
    }
}

impl Link {
    fn new(installed: &Arc<Installed>, connection: u64, way: Way, now: Instant) -> Self {
        installed.stats.connections.fetch_add(1, Relaxed);
        let rng = || Box::new(draws(installed.seed, connection, 1 + u64::from(way == Way::Down)));
        let state = match installed.toxic.kind {
            ToxicKind::Latency { jitter, .. } if !jitter.is_zero() => State::Random(rng()),
            ToxicKind::PacketLoss { .. } => State::Random(rng()),
            ToxicKind::Bandwidth { rate } => State::Paced(Bucket::new(rate, now)),
            ToxicKind::LimitData { bytes } => State::Limited(bytes),
            ToxicKind::Slicer { .. } => State::Sliced { rng: rng(), left: 0, next: None },
            _ => State::Plain,
        };
        Self { installed: Arc::clone(installed), since: now, state }
    }

    fn kind(&self) -> &ToxicKind {
        &self.installed.toxic.kind
    }

    fn enter(&mut self) -> Duration {
        let delay = self.draw();
        let stats = &self.installed.stats;
        stats.chunks.fetch_add(1, Relaxed);
        stats.held.fetch_add(u64::from(!delay.is_zero()), Relaxed);
        delay
    }

    fn draw(&mut self) -> Duration {
        match (&self.installed.toxic.kind, &mut self.state) {
            (ToxicKind::Latency { latency, jitter }, State::Random(rng)) => {
                let spread = jitter.as_secs_f64() * 2.0 * rng.random::<f64>();
                (*latency + Duration::from_secs_f64(spread)).saturating_sub(*jitter)
            }
            (ToxicKind::Latency { latency, .. }, _) => *latency,
            (ToxicKind::PacketLoss { probability, rto }, State::Random(rng)) => {
                if rng.random_bool(*probability) { *rto } else { Duration::ZERO }
            }
            _ => Duration::ZERO,
        }
    }

    fn longest_delay(&self) -> Duration {
        match *self.kind() {
            ToxicKind::Latency { latency, jitter } => latency + jitter,
            ToxicKind::PacketLoss { rto, .. } => rto,
            _ => Duration::ZERO,
        }
    }

    fn rate(&self) -> Option<u64> {
        match *self.kind() {
            ToxicKind::Bandwidth { rate } => Some(rate),
            _ => None,
        }
    }

    fn close_delay(&self) -> Duration {
        match *self.kind() {
            ToxicKind::SlowClose { delay } => delay,
            _ => Duration::ZERO,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match *self.kind() {
            ToxicKind::Timeout { timeout } => self.since.checked_add(timeout?),
            ToxicKind::ResetPeer { timeout } => self.since.checked_add(timeout),
            _ => None,
        }
    }

    fn verdict(&mut self, now: Instant, due: usize, queued: bool) -> Verdict {
        let over = self.deadline().is_some_and(|at| now >= at);
        match (&self.installed.toxic.kind, &mut self.state) {
            (ToxicKind::ResetPeer { .. }, _) if over => Verdict::End(Ending::Reset),
            (ToxicKind::Timeout { .. }, _) if over => Verdict::End(Ending::Close),
            (ToxicKind::Timeout { .. }, _) => Verdict::Hold,
            (_, State::Paced(bucket)) => bucket.verdict(now, due, queued),
            (_, State::Limited(0)) => Verdict::End(Ending::Close),
            (_, State::Limited(left)) => Verdict::Send(due.min(usize::try_from(*left).unwrap_or(usize::MAX))),
            (_, State::Sliced { next: Some(next), .. }) if *next > now => Verdict::Wait(*next),
            (ToxicKind::Slicer { average_size, size_variation, .. }, State::Sliced { rng, left, .. }) => {
                if *left == 0 {
                    let (low, high) = (average_size - size_variation, average_size + size_variation);
                    *left = rng.random_range(low..=high);
                }
                Verdict::Send(due.min(*left))
            }
            _ => Verdict::Send(due),
        }
    }

    fn ends(&self, ending: Ending) -> Verdict {
        let stats = &self.installed.stats;
        let counter = if ending == Ending::Reset { &stats.reset } else { &stats.closed };
        counter.fetch_add(1, Relaxed);
        Verdict::End(ending)
    }

    fn sent(&mut self, now: Instant, n: usize) {
        let stats = &self.installed.stats;
        stats.bytes.fetch_add(n as u64, Relaxed);
        match (&self.installed.toxic.kind, &mut self.state) {
            (_, State::Paced(bucket)) => {
                stats.busy_nanos.fetch_add(bucket.spend(now, n), Relaxed);
            }
            (_, State::Limited(left)) => *left = left.saturating_sub(n as u64),
            (ToxicKind::Slicer { delay, .. }, State::Sliced { left, next, .. }) => {
                *left = left.saturating_sub(n);
                if *left == 0 {
                    *next = Some(now + *delay);
                    stats.pieces.fetch_add(1, Relaxed);
                }
            }
            _ => {}
        }
    }
}

fn bytes_in(rate: u64, span: Duration) -> usize {
    usize::try_from(u128::from(rate) * span.as_nanos() / 1_000_000_000).unwrap_or(usize::MAX)
}
