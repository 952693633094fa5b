//! What a proxy and its toxics did: plain counters, and the delays in a histogram of fixed memory.

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Bits of a value that are kept: an error of at most 1 in 256.
const PRECISION: u32 = 8;
const HALF: usize = 1 << (PRECISION - 1);
/// Values are counted in units of 1,024 ns, up to 2^37 of them (39 hours).
const UNIT_BITS: u32 = 10;
const GROUPS: usize = (37 - PRECISION as usize) + 2;
const CELLS: usize = GROUPS * HALF + HALF;

/// A histogram of durations in logarithmic cells, as HdrHistogram has them; 15 KiB once something is recorded.
///
/// Values up to 39 hours are kept within 0.4 % or 1 us, whichever is more.
#[derive(Default)]
pub struct DelayHistogram {
    cells: OnceLock<Box<[AtomicU32]>>,
    count: AtomicU64,
    max: AtomicU64,
}

impl DelayHistogram {
    pub(super) fn record(&self, delay: Duration) {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        let cells = self.cells.get_or_init(|| (0..CELLS).map(|_| AtomicU32::new(0)).collect());
        cells[cell_of(nanos)].fetch_add(1, Relaxed);
        self.count.fetch_add(1, Relaxed);
        self.max.fetch_max(nanos, Relaxed);
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// The largest value, exact; zero if there is none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max.load(Relaxed))
    }

    /// The value under which a share `q` (0 to 1) of all values lies; `None` if there are none.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let cells = self.cells.get()?;
        let total: u64 = cells.iter().map(|cell| u64::from(cell.load(Relaxed))).sum();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let at = cells.iter().position(|cell| {
            seen += u64::from(cell.load(Relaxed));
            seen >= rank
        })?;
        Some(middle_of(at).min(self.max()))
    }

    /// Forgets all values.
    pub fn reset(&self) {
        for cell in self.cells.get().into_iter().flatten() {
            cell.store(0, Relaxed);
        }
        self.count.store(0, Relaxed);
        self.max.store(0, Relaxed);
    }

    /// Count, p50, p99 and maximum at once; `None` if nothing was recorded.
    pub fn summary(&self) -> Option<DelaySummary> {
        let (p50, p99) = (self.quantile(0.5)?, self.quantile(0.99)?);
        Some(DelaySummary { count: self.count(), p50, p99, max: self.max() })
    }
}

impl fmt::Debug for DelayHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayHistogram").field("summary", &self.summary()).finish()
    }
}

fn cell_of(nanos: u64) -> usize {
    let value = nanos >> UNIT_BITS;
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(PRECISION);
    let cell = shift as usize * HALF + usize::try_from(value >> shift).unwrap_or(usize::MAX);
    cell.min(CELLS - 1)
}

fn middle_of(cell: usize) -> Duration {
    let shift = (cell / HALF).saturating_sub(1);
    let low = ((cell - shift * HALF) as u64) << shift;
    let middle = (low << UNIT_BITS) + ((1u64 << shift) << UNIT_BITS) / 2;
    Duration::from_nanos(middle)
}

/// Delays in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelaySummary {
    /// How many values.
    pub count: u64,
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The largest.
    pub max: Duration,
}

/// What one toxic did since it was added or changed, counted by the connections that it touched.
#[derive(Debug, Default)]
pub(super) struct ToxicStats {
    pub(super) connections: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) chunks: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) pieces: AtomicU64,
    pub(super) busy_nanos: AtomicU64,
    pub(super) closed: AtomicU64,
    pub(super) reset: AtomicU64,
    pub(super) delay: DelayHistogram,
}

impl ToxicStats {
    pub(super) fn report(&self) -> ToxicReport {
        ToxicReport {
            connections: self.connections.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            chunks: self.chunks.load(Relaxed),
            held: self.held.load(Relaxed),
            pieces: self.pieces.load(Relaxed),
            busy: Duration::from_nanos(self.busy_nanos.load(Relaxed)),
            closed: self.closed.load(Relaxed),
            reset: self.reset.load(Relaxed),
            delay: self.delay.summary(),
        }
    }
}

/// What one toxic did since it was added or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToxicReport {
    /// Connections that it touched.
    pub connections: u64,
    /// Bytes that passed under it.
    pub bytes: u64,
    /// Chunks that came in under it: what one read brought, at most 16 KiB each under packet loss.
    pub chunks: u64,
    /// Chunks that it held back: all under latency, the drawn ones under packet loss; ends of streams under slow_close.
    pub held: u64,
    /// Pieces that it cut.
    pub pieces: u64,
    /// Time during which it paced data that was there, added over the connections.
    pub busy: Duration,
    /// Connections that it closed.
    pub closed: u64,
    /// Connections that it reset.
    pub reset: u64,
    /// From the arrival of a chunk to its last byte's departure, together with all other toxics and the
    /// receiver's own pace; under slow_close, how long ends of streams waited.
    pub delay: Option<DelaySummary>,
}

/// The counters of a proxy, since its start.
#[derive(Debug, Default)]
pub(super) struct ProxyStats {
    pub(super) accepted: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) upstream_failures: AtomicU64,
    pub(super) accept_failures: AtomicU64,
    pub(super) bytes_up: AtomicU64,
    pub(super) bytes_down: AtomicU64,
    pub(super) chunks_delayed: AtomicU64,
    pub(super) closed_by_toxic: AtomicU64,
    pub(super) reset_by_toxic: AtomicU64,
}

impl ProxyStats {
    pub(super) fn counters(&self) -> Counters {
        Counters {
            connections_total: self.accepted.load(Relaxed),
            connections_open: self.open.load(Relaxed),
            upstream_failures: self.upstream_failures.load(Relaxed),
            accept_failures: self.accept_failures.load(Relaxed),
            bytes_upstream: self.bytes_up.load(Relaxed),
            bytes_downstream: self.bytes_down.load(Relaxed),
            chunks_delayed: self.chunks_delayed.load(Relaxed),
            closed_by_toxic: self.closed_by_toxic.load(Relaxed),
            reset_by_toxic: self.reset_by_toxic.load(Relaxed),
        }
    }
}

/// A proxy's counters since its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted.
    pub connections_total: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Connections whose upstream could not be reached; the client was reset.
    pub upstream_failures: u64,
    /// Times that the listener could not take a connection, for want of descriptors say.
    pub accept_failures: u64,
    /// Bytes passed from clients to the upstream.
    pub bytes_upstream: u64,
    /// Bytes passed from the upstream to clients.
    pub bytes_downstream: u64,
    /// Chunks that a toxic delayed.
    pub chunks_delayed: u64,
    /// Connections that a toxic closed.
    pub closed_by_toxic: u64,
    /// Connections that a toxic reset.
    pub reset_by_toxic: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_empty_histogram_has_no_quantiles() {
        let delays = DelayHistogram::default();
        assert_eq!(delays.summary(), None);
        delays.record(Duration::from_millis(3));
        delays.reset();
        assert_eq!(delays.quantile(0.5), None);
    }

    #[test]
    fn quantiles_split_the_values() {
        let delays = DelayHistogram::default();
        (1..=100).for_each(|ms| delays.record(Duration::from_millis(ms)));
        let near = |q, ms: f64| {
            let got = delays.quantile(q).unwrap().as_secs_f64() * 1e3;
            assert!((got / ms - 1.0).abs() < 0.005, "{q}: {got}");
        };
        near(0.5, 50.0);
        near(0.99, 99.0);
        near(1.0, 100.0);
        assert_eq!(delays.max(), Duration::from_millis(100));
    }

    proptest! {
        #[test]
        fn a_value_is_kept_within_its_precision(nanos in 0u64..(1 << 47)) {
            let got = middle_of(cell_of(nanos)).as_nanos() as f64;
            let error = (got - nanos as f64).abs();
            prop_assert!(error <= (nanos as f64 / 200.0).max(1024.0), "{nanos} became {got}");
        }

        #[test]
        fn cells_are_ordered(a in any::<u64>(), b in any::<u64>()) {
            prop_assert!((a <= b) == (cell_of(a) <= cell_of(b)) || cell_of(a) == cell_of(b));
        }
    }
}
