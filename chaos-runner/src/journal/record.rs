use std::{io::Write as _, ops::Range};

use chaos_core::journal::{Event, EventBody};
use chrono::{DateTime, Utc};
use serde_json::Value;

/// The longest JSON of one event, in bytes.
pub(super) const MAX_JSON: usize = 16 << 20;

/// The reader of JSON stops at 128 levels, and some of them are the envelope's.
const MAX_PAYLOAD_DEPTH: usize = 100;

/// Three numbers and three blanks fit in.
const MAX_HEADER: usize = 20 + 1 + 8 + 1 + 20 + 1;

/// Why an event was not encoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("an event cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    #[error("an event of {0} bytes is longer than {MAX_JSON}")]
    TooLong(usize),
    #[error(
        "the payload of an intent is nested deeper than {MAX_PAYLOAD_DEPTH} levels and would not be read back"
    )]
    TooDeep,
}

/// Adds the line of an event: the length of the JSON, the CRC-32C of all between the second blank and the line's end, the
/// sequence number, the JSON. An intent that could not be read back is refused.
pub(super) fn encode(line: &mut Vec<u8>, sequence: u64, event: &Event) -> Result<(), EncodeError> {
    let mut body = sequence.to_string().into_bytes();
    body.push(b' ');
    let start = body.len();
    serde_json::to_writer(&mut body, event).map_err(EncodeError::Json)?;
    let json = &body[start..];
    if json.len() > MAX_JSON {
        return Err(EncodeError::TooLong(json.len()));
    }
    if let EventBody::Intent { undo } = &event.body
        && is_deeper_than(MAX_PAYLOAD_DEPTH, &undo.payload)
    {
        return Err(EncodeError::TooDeep);
    }
    write!(line, "{} {:08x} ", json.len(), crc32c::crc32c(&body))
        .expect("a vector takes all that is written");
    line.extend_from_slice(&body);
    line.push(b'\n');
    Ok(())
}

fn is_deeper_than(levels: usize, value: &Value) -> bool {
    let is_deeper = |inner: &Value| levels == 0 || is_deeper_than(levels - 1, inner);
    match value {
        Value::Array(items) => items.iter().any(is_deeper),
        Value::Object(fields) => fields.values().any(is_deeper),
        _ => false,
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug)]
pub(super) enum Step {
    /// A record that its checksum proves.
    Record {
        /// Its number, from 1.
        sequence: u64,
        /// What it says.
        event: Event,
        /// How many bytes it takes.
        length: usize,
        /// Whether the line ends as it was written.
        ended: bool,
    },
    /// A line that is not a record, and how many bytes it takes.
    Bad(usize),
    /// No whole line: what a crash in the midst of a write leaves.
    Torn,
}

/// Reads the record at the beginning of `bytes`, which are not empty.
pub(super) fn decode(bytes: &[u8]) -> Step {
    let proven = parse_header(bytes).and_then(|header| header.prove(bytes));
    match proven {
        Some(record) if record.end == bytes.len() => Step::Torn,
        Some(record) => Step::Record {
            sequence: record.sequence,
            event: record.event,
            length: record.end + 1,
            ended: bytes[record.end] == b'\n',
        },
        None => match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => Step::Bad(end + 1),
            None => Step::Torn,
        },
    }
}

struct Header {
    crc: u32,
    sequence: u64,
    body: Range<usize>,
    json: usize,
}

struct Proven {
    sequence: u64,
    event: Event,
    end: usize,
}

/// Takes only what [`encode`] writes: no sign, no leading zero, no capital hex digit.
fn parse_header(bytes: &[u8]) -> Option<Header> {
    let head = &bytes[..bytes.len().min(MAX_HEADER)];
    let mut parts = head.splitn(4, |byte| *byte == b' ');
    let (length, crc, sequence) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?;
    let start = length.len() + 1 + crc.len() + 1;
    let json = start + sequence.len() + 1;
    let length = usize::try_from(decimal(length)?).ok().filter(|length| *length <= MAX_JSON)?;
    let end = json + length;
    Some(Header { crc: hex(crc)?, sequence: decimal(sequence)?, body: start..end, json })
}

impl Header {
    fn prove(&self, bytes: &[u8]) -> Option<Proven> {
        let body = bytes.get(self.body.clone())?;
        if crc32c::crc32c(body) != self.crc {
            return None;
        }
        let event = parse_event(&bytes[self.json..self.body.end])?;
        Some(Proven { sequence: self.sequence, event, end: self.body.end })
    }
}

/// An object that is proven but no event of ours is one of a newer program: it clears no duty, and is not lost.
fn parse_event(json: &[u8]) -> Option<Event> {
    let newer = || {
        let value: Value = serde_json::from_slice(json).ok()?;
        value.is_object().then(|| Event::new(DateTime::<Utc>::UNIX_EPOCH, EventBody::Unknown(value)))
    };
    serde_json::from_slice(json).ok().or_else(newer)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let canonical =
        digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
    if canonical { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

fn hex(digits: &[u8]) -> Option<u32> {
    let canonical = digits.len() == 8 && digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f'));
    if canonical { u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use chaos_core::{
        experiment::{ExperimentStatus, Phase},
        undo::Reverted,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::journal::testing;

    fn line(sequence: u64, body: EventBody) -> Vec<u8> {
        let mut line = Vec::new();
        encode(&mut line, sequence, &testing::event(body)).unwrap();
        line
    }

    fn raw(sequence: u64, json: &str) -> Vec<u8> {
        let body = format!("{sequence} {json}");
        format!("{} {:08x} {body}\n", json.len(), crc32c::crc32c(body.as_bytes())).into_bytes()
    }

    /// What is on disk outlives the code: this line must be read by every later version.
    #[test]
    fn the_golden_line() {
        let event = testing::event(EventBody::Undone { fault: testing::fault(1), how: Reverted::Undone });
        let golden = concat!(
            r#"82 7913e74d 7 {"at":"2026-01-17T14:30:00Z","body":{"undone":{"fault":"fault-1","how":"undone"}}}"#,
            "\n"
        );
        let mut line = Vec::new();
        encode(&mut line, 7, &event).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), golden);
        match decode(golden.as_bytes()) {
            Step::Record { sequence, event: read, length, ended } => {
                assert_eq!((sequence, read, length, ended), (7, event, golden.len(), true));
            }
            other => panic!("not a record: {other:?}"),
        }
    }

    #[test]
    fn an_event_of_a_newer_program_is_kept_as_unknown() {
        for json in [r#"{"at":"tomorrow","body":{}}"#, r#"{"when":1,"what":{"thawed":{}}}"#] {
            match decode(&raw(3, json)) {
                Step::Record { event, .. } => {
                    assert!(matches!(event.body, EventBody::Unknown(_)), "{event:?}");
                }
                other => panic!("not a record: {other:?}"),
            }
        }
        assert!(matches!(decode(&raw(3, "7")), Step::Bad(_)));
        assert!(matches!(decode(&raw(3, "{")), Step::Bad(_)));
    }

    #[test]
    fn only_the_canonical_header_is_read() {
        let good =
            String::from_utf8(line(5, EventBody::Closed { status: ExperimentStatus::Success })).unwrap();
        let crc = good.split(' ').nth(1).unwrap();
        let others = [
            format!("0{good}"),
            format!("+{good}"),
            format!(" {good}"),
            good.replacen(crc, &crc.to_uppercase(), 1),
            good.replacen(" 5 ", " 05 ", 1),
        ];
        assert!(matches!(decode(good.as_bytes()), Step::Record { .. }));
        for other in others.iter().filter(|other| **other != good) {
            assert!(matches!(decode(other.as_bytes()), Step::Bad(_)), "{other}");
        }
    }

    fn intent_of(payload: Value) -> Event {
        let mut undo = testing::undo(1);
        undo.payload = payload;
        testing::event(EventBody::Intent { undo: undo.into() })
    }

    fn read_back(event: &Event) -> Event {
        let mut line = Vec::new();
        encode(&mut line, 1, event).unwrap();
        match decode(&line) {
            Step::Record { event, .. } => event,
            other => panic!("not a record: {other:?}"),
        }
    }

    #[test]
    fn an_intent_is_refused_before_it_is_too_deep_to_be_read() {
        let nested = |levels| (0..levels).fold(Value::Null, |inner, _| serde_json::json!([{ "in": inner }]));
        let deepest = intent_of(nested(MAX_PAYLOAD_DEPTH / 2));
        assert_eq!(read_back(&deepest), deepest);
        let error = encode(&mut Vec::new(), 1, &intent_of(nested(MAX_PAYLOAD_DEPTH / 2 + 1))).unwrap_err();
        assert!(matches!(error, EncodeError::TooDeep), "{error}");
    }

    #[test]
    fn an_event_that_would_not_be_read_is_refused() {
        let note = "x".repeat(MAX_JSON);
        let event = testing::event(EventBody::Phase { phase: Phase::Baseline, note });
        let error = encode(&mut Vec::new(), 1, &event).unwrap_err();
        assert!(error.to_string().ends_with(" bytes is longer than 16777216"), "{error}");
    }

    /// An undo restores exactly what was there, so the last bit counts: serde_json needs `float_roundtrip` for it.
    #[test]
    fn numbers_of_a_payload_read_back_exactly() {
        let floats = [0.1 + 0.2, 1.0e-308, f64::MAX, 5.447_603_722_011_605e-270, -0.0];
        let event = intent_of(serde_json::json!([floats, u64::MAX, i64::MIN]));
        assert_eq!(read_back(&event), event);
    }

    proptest! {
        #[test]
        fn any_float_of_a_payload_reads_back(float in any::<f64>()) {
            let event = intent_of(serde_json::json!(float));
            prop_assert_eq!(read_back(&event), event);
        }
    }

    #[test]
    fn a_length_without_end_is_no_record() {
        assert!(matches!(decode(b"18446744073709551615 00000000 1 {}\n"), Step::Bad(35)));
        assert!(matches!(decode(b"99999999999999999999999 00000000 1 {}\n"), Step::Bad(_)));
        assert!(matches!(decode(b"5 00000000 1 {}"), Step::Torn));
    }
}
