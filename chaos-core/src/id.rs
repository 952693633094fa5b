//! Names of runs and faults: text, validated once, safe in file names, table names and labels.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{DateTime, Utc};

use crate::text::{excerpt, text_serde};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} `{value}`: {rule}")]
pub struct InvalidId {
    what: &'static str,
    value: String,
    rule: &'static str,
}

const ID_RULE: &str = "1 to 40 of a-z, 0-9 and -, beginning with a letter or a digit";
const KIND_RULE: &str = "a family and a name of a-z, 0-9 and _, such as proxy.latency, at most 64 bytes";

/// One run of an experiment. What a fault creates carries this id as its mark.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// An id that sorts by its start: `20260117t143000-9f86d081`.
    #[must_use]
    pub fn from_parts(at: DateTime<Utc>, entropy: u32) -> Self {
        Self(format!("{}-{entropy:08x}", at.format("%Y%m%dt%H%M%S")))
    }

    /// An id that begins with `at` and ends in 32 random bits.
    #[must_use]
    pub fn generate(at: DateTime<Utc>) -> Self {
        Self::from_parts(at, rand::random())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One fault within a run, named by the experiment: `slow-db`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(String);

impl FaultId {
    /// The id of the fault at `index` (from 0) that was not named: `fault-1`.
    #[must_use]
    pub fn numbered(index: usize) -> Self {
        Self(format!("fault-{}", index + 1))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What kind of fault something is: a family and a name, `proxy.latency`. Reverters are found by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultKind(Cow<'static, str>);

impl FaultKind {
    /// A kind written in the program.
    ///
    /// # Panics
    /// If the text is not a kind, which in a constant is a compile error.
    #[must_use]
    pub const fn from_static(kind: &'static str) -> Self {
        assert!(is_kind(kind.as_bytes()), "a kind is a family and a name, such as proxy.latency");
        Self(Cow::Borrowed(kind))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_kind(bytes: &[u8]) -> bool {
    let (mut at, mut dots, mut part) = (0, 0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'a'..=b'z' | b'0'..=b'9' | b'_' => part += 1,
            b'.' if part > 0 => {
                dots += 1;
                part = 0;
            }
            _ => return false,
        }
        at += 1;
    }
    dots >= 1 && part > 0 && bytes.len() <= 64
}

fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=40).contains(&bytes.len())
        && bytes[0] != b'-'
        && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

macro_rules! id {
    ($type:ident, $what:literal) => {
        impl FromStr for $type {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { what: $what, value: excerpt(text), rule: ID_RULE };
                is_id(text).then(|| Self(text.to_owned())).ok_or_else(invalid)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        text_serde!($type, $what);
    };
}

id!(RunId, "run id");
id!(FaultId, "fault id");

impl FromStr for FaultKind {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId { what: "fault kind", value: excerpt(text), rule: KIND_RULE };
        is_kind(text.as_bytes()).then(|| Self(text.to_owned().into())).ok_or_else(invalid)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

text_serde!(FaultKind, "fault kind");
