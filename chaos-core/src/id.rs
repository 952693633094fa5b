//! Names of runs and faults: text, validated once, safe in file names, table names and labels.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

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
pub struct RunId(Arc<str>);

impl RunId {
    /// An id that sorts by its start: `20260117t143000-9f86d081`.
    #[must_use]
    pub fn from_parts(at: DateTime<Utc>, entropy: u32) -> Self {
        let mut stamp = at.format("%Y%m%dt%H%M%S").to_string();
        stamp.retain(|c| c.is_ascii_alphanumeric());
        Self(format!("{stamp}-{entropy:08x}").into())
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
pub struct FaultId(Arc<str>);

impl FaultId {
    /// The id of the fault at `index` (from 0) that was not named: `fault-1`.
    #[must_use]
    pub fn numbered(index: usize) -> Self {
        Self(format!("fault-{}", index.saturating_add(1)).into())
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
                is_id(text).then(|| Self(text.into())).ok_or_else(invalid)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_run_id_sorts_by_its_start_and_is_an_id() {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().to_utc();
        let id = RunId::from_parts(at("2026-01-17T14:30:00Z"), 0x9f86_d081);
        assert_eq!(id.as_str(), "20260117t143000-9f86d081");
        assert!(id < RunId::from_parts(at("2026-01-17T14:30:01Z"), 0));
        assert_ne!(RunId::generate(at("2026-01-17T14:30:00Z")), RunId::generate(at("2026-01-17T14:30:00Z")));
        for instant in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            assert!(RunId::from_parts(instant, u32::MAX).as_str().parse::<RunId>().is_ok());
        }
    }

    #[test]
    fn row_47_hostile_ids_are_refused() {
        for text in ["", "../../x", "-a", "A", "a b", "a/b", "a\0", "é", "a\n", &"a".repeat(41), "a_b", "a.b"]
        {
            assert!(text.parse::<RunId>().is_err() && text.parse::<FaultId>().is_err(), "{text:?}");
        }
        insta::assert_snapshot!("../../x".parse::<RunId>().unwrap_err(), @"invalid run id `../../x`: 1 to 40 of a-z, 0-9 and -, beginning with a letter or a digit");
        for text in [
            "proxy",
            ".latency",
            "proxy.",
            "proxy..latency",
            "Proxy.latency",
            "a b.c",
            "",
            &format!("a.{}", "b".repeat(63)),
        ] {
            assert!(text.parse::<FaultKind>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_unnamed_fault_is_numbered_from_one() {
        assert_eq!(FaultId::numbered(0).as_str(), "fault-1");
        assert!(FaultId::numbered(usize::MAX).as_str().parse::<FaultId>().is_ok());
        assert_eq!(FaultKind::from_static("proxy.latency"), "proxy.latency".parse().unwrap());
    }

    proptest! {
        #[test]
        fn ids_are_read_as_they_are_written(run in "[a-z0-9][a-z0-9-]{0,39}", kind in "[a-z0-9_]{1,20}(\\.[a-z0-9_]{1,20}){1,2}") {
            let (run, kind): (RunId, FaultKind) = (run.parse().unwrap(), kind.parse().unwrap());
            let json = serde_json::to_string(&(&run, &kind)).unwrap();
            prop_assert_eq!(serde_json::from_str::<(RunId, FaultKind)>(&json).unwrap(), (run, kind));
        }

        #[test]
        fn any_text_is_an_id_or_an_error(text in any::<String>()) {
            if let Ok(id) = text.parse::<RunId>() {
                prop_assert!(!id.as_str().contains(['/', '.', '\0']) && id.as_str() == text);
            }
        }
    }
}
