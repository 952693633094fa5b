//! What a toxic is: a kind with its parameters, a direction, and a share of the connections.

use std::{
    mem,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// The direction in which a toxic works, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// From the client to the upstream server.
    Upstream,
    /// From the upstream server to the client.
    #[default]
    Downstream,
    /// Both ways.
    Both,
}

impl Stream {
    /// Whether a toxic of this stream and one of `other` meet in some direction.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self == other || self == Self::Both || other == Self::Both
    }
}

/// A fault of a connection with its parameters, in the field's terms (those of Toxiproxy).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ToxicKind {
    /// Every byte arrives later; the order stays.
    Latency {
        /// How much later.
        latency: Duration,
        /// Drawn evenly from minus to plus this for each chunk; at most `latency`.
        jitter: Duration,
    },
    /// At most so many bytes a second pass on each connection.
    Bandwidth {
        /// Bytes a second, at least 1.
        rate: u64,
    },
    /// The end of the stream is passed on later.
    SlowClose {
        /// How much later.
        delay: Duration,
    },
    /// Data stops, and the connection closes after a while.
    Timeout {
        /// After how long from the toxic's start on the connection; `None` holds the data until the toxic goes.
        timeout: Option<Duration>,
    },
    /// The connection is reset (RST) on both sides.
    ResetPeer {
        /// After how long from the toxic's start on the connection; data passes until then.
        timeout: Duration,
    },
    /// The connection closes after so many bytes, counted from the toxic's start on the connection.
    LimitData {
        /// Bytes that still pass.
        bytes: u64,
    },
    /// Data goes in small pieces.
    Slicer {
        /// Mean bytes of a piece, at least 1.
        average_size: usize,
        /// Drawn evenly from minus to plus this for each piece; less than `average_size`.
        size_variation: usize,
        /// Pause after each piece.
        delay: Duration,
    },
    /// The proxy refuses new connections and closes the open ones; ignores `stream`.
    ///
    /// At a toxicity under 100 % new connections are accepted, and the drawn ones closed at once.
    Down,
    /// A chunk waits for one retransmission time-out, and what follows waits behind it; no byte is lost.
    PacketLoss {
        /// Chance of a chunk to be held, 0 to 1.
        probability: f64,
        /// The retransmission time-out.
        rto: Duration,
    },
}

impl ToxicKind {
    /// The kind's name, as in Toxiproxy: `latency`, `slow_close`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::SlowClose { .. } => "slow_close",
            Self::Timeout { .. } => "timeout",
            Self::ResetPeer { .. } => "reset_peer",
            Self::LimitData { .. } => "limit_data",
            Self::Slicer { .. } => "slicer",
            Self::Down => "down",
            Self::PacketLoss { .. } => "packet_loss",
        }
    }

    fn problem(&self) -> Option<&'static str> {
        match *self {
            Self::Latency { latency, jitter } if jitter > latency => Some("jitter is more than latency"),
            Self::Bandwidth { rate: 0 } => Some("rate is 0"),
            Self::Slicer { average_size: 0, .. } => Some("average_size is 0"),
            Self::Slicer { average_size, size_variation, .. } if size_variation >= average_size => {
                Some("size_variation is not less than average_size")
            }
            Self::PacketLoss { probability, .. } if !(0.0..=1.0).contains(&probability) => {
                Some("probability is not within 0 and 1")
            }
            _ => None,
        }
    }
}

/// One toxic of a proxy, found by its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Toxic {
    /// Unique on its proxy.
    pub name: String,
    /// What it does.
    pub kind: ToxicKind,
    /// In which direction.
    pub stream: Stream,
    /// On which share of the connections, 0 to 1; drawn once for each connection from the seed and the
    /// connection's number.
    pub toxicity: f64,
    /// Seed of all that is drawn; `None` derives it from the proxy's seed and the name.
    pub seed: Option<u64>,
    /// Who injected it. Of all owned toxics only one of a kind works on a direction.
    pub owner: Option<String>,
    /// When it goes by itself, at the latest.
    pub expires: Option<Instant>,
}

impl Toxic {
    /// A toxic of all connections, downstream.
    pub fn new(name: impl Into<String>, kind: ToxicKind) -> Self {
        let (stream, toxicity) = (Stream::default(), 1.0);
        Self { name: name.into(), kind, stream, toxicity, seed: None, owner: None, expires: None }
    }

    /// Sets the direction.
    #[must_use]
    pub const fn stream(mut self, stream: Stream) -> Self {
        self.stream = stream;
        self
    }

    /// Sets the share of the connections, 0 to 1.
    #[must_use]
    pub const fn toxicity(mut self, share: f64) -> Self {
        self.toxicity = share;
        self
    }

    /// Sets the seed of all that is drawn.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Says who injected it.
    #[must_use]
    pub fn owner(mut self, owner: impl Into<String>) -> Self {
        self.owner = Some(owner.into());
        self
    }

    /// Says when it goes by itself, at the latest.
    #[must_use]
    pub const fn expires(mut self, at: Instant) -> Self {
        self.expires = Some(at);
        self
    }

    /// Whether both are owned, of one kind, and meet in some direction.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        let same_kind = mem::discriminant(&self.kind) == mem::discriminant(&other.kind);
        let meets = self.kind == ToxicKind::Down || self.stream.overlaps(other.stream);
        self.owner.is_some() && other.owner.is_some() && same_kind && meets
    }

    pub(super) fn check(&self) -> Result<(), ToxicError> {
        let toxicity = (!(0.0..=1.0).contains(&self.toxicity)).then_some("toxicity is not within 0 and 1");
        match self.kind.problem().or(toxicity) {
            Some(why) => Err(ToxicError::Invalid { name: self.name.clone(), why }),
            None => Ok(()),
        }
    }
}

/// Why a toxic could not be added, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ToxicError {
    /// A toxic of this name is there already.
    #[error("cannot add toxic {name} to proxy {proxy}: the name is taken")]
    NameTaken {
        /// The proxy.
        proxy: String,
        /// The toxic.
        name: String,
    },
    /// An owned toxic of the same kind works on the same direction already.
    #[error("cannot add toxic {name} to proxy {proxy}: {taken_by} is of the same kind and direction")]
    Conflict {
        /// The proxy.
        proxy: String,
        /// The toxic.
        name: String,
        /// The toxic that is there.
        taken_by: String,
    },
    /// There is no toxic of this name.
    #[error("proxy {proxy} has no toxic {name}")]
    NotFound {
        /// The proxy.
        proxy: String,
        /// The toxic.
        name: String,
    },
    /// A parameter is out of its range.
    #[error("toxic {name} is invalid: {why}")]
    Invalid {
        /// The toxic.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The proxy was shut down.
    #[error("proxy {proxy} is closed")]
    Closed {
        /// The proxy.
        proxy: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_out_of_range_are_refused() {
        let ms = Duration::from_millis;
        let bad = [
            ToxicKind::Latency { latency: ms(1), jitter: ms(2) },
            ToxicKind::Bandwidth { rate: 0 },
            ToxicKind::Slicer { average_size: 0, size_variation: 0, delay: ms(0) },
            ToxicKind::Slicer { average_size: 4, size_variation: 4, delay: ms(0) },
            ToxicKind::PacketLoss { probability: f64::NAN, rto: ms(1) },
            ToxicKind::PacketLoss { probability: 1.1, rto: ms(1) },
        ];
        for kind in bad {
            assert!(Toxic::new("t", kind).check().is_err(), "{kind:?}");
        }
        assert!(Toxic::new("t", ToxicKind::Down).toxicity(f64::NAN).check().is_err());
        assert!(Toxic::new("t", ToxicKind::Down).toxicity(0.5).check().is_ok());
    }

    #[test]
    fn only_owned_toxics_of_one_kind_and_direction_conflict() {
        let slow = |latency| ToxicKind::Latency { latency, jitter: Duration::ZERO };
        let ours = Toxic::new("a", slow(Duration::from_millis(1))).owner("run");
        let theirs = Toxic::new("b", slow(Duration::from_millis(2))).owner("other");
        assert!(ours.conflicts(&theirs));
        assert!(!ours.conflicts(&theirs.clone().stream(Stream::Upstream)));
        assert!(!ours.conflicts(&Toxic { owner: None, ..theirs.clone() }));
        assert!(!ours.conflicts(&Toxic { kind: ToxicKind::Down, ..theirs }));
    }

    #[test]
    fn both_overlaps_each() {
        assert!(Stream::Both.overlaps(Stream::Upstream));
        assert!(Stream::Downstream.overlaps(Stream::Both));
        assert!(!Stream::Downstream.overlaps(Stream::Upstream));
    }
}
