use chaos_core::journal::{Event, EventBody};

use super::record::{Step, decode};

/// What the bytes of a journal say.
#[derive(Debug)]
pub(super) struct Scan {
    /// The events that are proven, in the order of their numbers.
    pub(super) events: Vec<Event>,
    /// What is wrong. A torn tail is not.
    pub(super) damage: Option<String>,
    /// Where the next record belongs: behind the last whole line. What follows is a torn tail.
    pub(super) end: u64,
    /// The number of the next record.
    pub(super) next: u64,
}

/// Reads a journal. Total: whatever the bytes are, the result holds only events that were written, and errs toward "may have landed".
///
/// - A last line without an end is what a crash leaves; it was never acknowledged, and is left out.
/// - Every other line that is no record is damage, and so is a number that is missing, doubled or out of order.
/// - What is missing may have been an intent. So an `Undone` before such a place clears nothing and is left out; the undo is
///   repeated, which is harmless.
/// - Of two different records of one number no `Undone` and no `Closed` is believed.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    let mut lines = Lines::default();
    let mut at = 0;
    while at < bytes.len() {
        match decode(&bytes[at..]) {
            Step::Torn => break,
            Step::Bad(length) => {
                lines.bad(at);
                at += length;
            }
            Step::Record { sequence, event, length, ended } => {
                lines.record(at, sequence, event, ended);
                at += length;
            }
        }
    }
    lines.finish(at as u64)
}

/// Whether the last line of a journal, which `tail` ends with, closes the run.
pub(super) fn ends_closed(tail: &[u8]) -> bool {
    let Some(lines) = tail.strip_suffix(b"\n") else {
        return false;
    };
    let start = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    match decode(&tail[start..]) {
        Step::Record { event, ended, .. } => ended && matches!(event.body, EventBody::Closed { .. }),
        _ => false,
    }
}

#[derive(Debug, Default)]
struct Lines {
    records: Vec<(u64, Event)>,
    lines: usize,
    /// How many records stand before the last bad line, if there is one.
    before_bad: Option<usize>,
    first_problem: Option<String>,
    problems: usize,
}

impl Lines {
    fn bad(&mut self, at: usize) {
        self.lines += 1;
        self.before_bad = Some(self.records.len());
        self.problem(|lines| format!("line {lines} (byte {at}) is not a record"));
    }

    fn record(&mut self, at: usize, sequence: u64, event: Event, ended: bool) {
        self.lines += 1;
        if !ended {
            self.problem(|lines| format!("line {lines} (byte {at}) has no end"));
        }
        let expected = self.records.last().map_or(1, |(last, _)| last.saturating_add(1));
        if sequence != expected {
            self.problem(|lines| format!("line {lines} has number {sequence} where {expected} belongs"));
        }
        self.records.push((sequence, event));
    }

    fn problem(&mut self, text: impl FnOnce(usize) -> String) {
        self.problems += 1;
        let lines = self.lines;
        self.first_problem.get_or_insert_with(|| text(lines));
    }

    fn finish(mut self, end: u64) -> Scan {
        let damage = self.summary();
        let suspect = self.last_gap().max(self.after_bad());
        self.records.sort_by_key(|(sequence, _)| *sequence);
        let disputed = disputed(&self.records);
        self.records.dedup();
        let next = self.records.last().map_or(1, |(last, _)| last.saturating_add(1));
        let believed = |(sequence, event): &(u64, Event)| match event.body {
            EventBody::Undone { .. } => *sequence >= suspect && !disputed.contains(sequence),
            EventBody::Closed { .. } => !disputed.contains(sequence),
            _ => true,
        };
        let events = self.records.into_iter().filter(believed).map(|(_, event)| event).collect();
        Scan { events, damage, end, next }
    }

    /// One more than every number before the last bad line, which may have followed any of them.
    fn after_bad(&self) -> u64 {
        let before = &self.records[..self.before_bad.unwrap_or(0)];
        before.iter().map(|(sequence, _)| sequence.saturating_add(1)).max().unwrap_or(0)
    }

    fn summary(&mut self) -> Option<String> {
        let first = self.first_problem.take()?;
        Some(match self.problems {
            1 => first,
            count => format!("{first} (the first of {count} problems)"),
        })
    }

    /// The number behind the last missing one.
    fn last_gap(&self) -> u64 {
        let mut numbers: Vec<u64> = self.records.iter().map(|(sequence, _)| *sequence).collect();
        numbers.sort_unstable();
        let before = std::iter::once(0).chain(numbers.iter().copied());
        let gaps = before.zip(&numbers).filter(|(before, number)| **number > before.saturating_add(1));
        gaps.last().map_or(0, |(_, number)| *number)
    }
}

/// The numbers that stand for different records; `records` are sorted.
fn disputed(records: &[(u64, Event)]) -> Vec<u64> {
    let differ = |pair: &&[(u64, Event)]| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1;
    records.windows(2).filter(differ).map(|pair| pair[0].0).collect()
}
