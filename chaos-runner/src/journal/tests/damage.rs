//! Whatever happens to the bytes: never a panic, never an event that was not written, never a duty less.

use std::collections::BTreeSet;

use chaos_core::{
    experiment::Phase,
    id::FaultId,
    journal::{Event, EventBody, fold},
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::journal::{
    scan::{Scan, scan},
    testing::{applied, closed, event, intent, lines, opening, phase, stuck, undone},
};

/// A run in which a fault is injected twice, and another is stuck.
fn story() -> Vec<Event> {
    vec![
        opening(),
        phase(Phase::Injection),
        intent(1),
        applied(1),
        intent(2),
        undone(1),
        intent(1),
        applied(1),
        undone(2),
        intent(3),
        stuck(3),
        undone(1),
        intent(2),
    ]
}

fn duties(events: &[Event]) -> BTreeSet<FaultId> {
    fold(events).duties().map(|fault| fault.fault.clone()).collect()
}

/// The faults of which an intent or an injection is still known.
fn known(events: &[Event]) -> BTreeSet<FaultId> {
    let landed = |event: &Event| match &event.body {
        EventBody::Intent { undo } => Some(undo.fault.clone()),
        EventBody::Applied { fault } => Some(fault.clone()),
        _ => None,
    };
    events.iter().filter_map(landed).collect()
}

fn is_part_of(part: &[Event], whole: &[Event]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|event| whole.any(|other| other == event))
}

/// All that was a duty and is still known is still a duty.
fn loses_no_duty(read: &Scan, written: &[Event]) -> bool {
    let known = known(&read.events);
    duties(written).intersection(&known).all(|fault| duties(&read.events).contains(fault))
}

fn any_event() -> impl Strategy<Value = Event> {
    (0..7_usize, 1..4_usize).prop_map(|(what, fault)| match what {
        0 | 1 => intent(fault),
        2 => applied(fault),
        3 | 4 => undone(fault),
        5 => stuck(fault),
        _ => phase(Phase::Rollback),
    })
}

fn any_story() -> impl Strategy<Value = Vec<Event>> {
    vec(any_event(), 1..14).prop_map(|mut events| {
        events.insert(0, opening());
        events
    })
}

#[test]
fn a_whole_journal_reads_back() {
    let story = story();
    let bytes = lines(&story).concat();
    let read = scan(&bytes);
    assert_eq!(read.events, story);
    assert_eq!((read.damage, read.end, read.next), (None, bytes.len() as u64, story.len() as u64 + 1));
}

#[test]
fn cut_at_any_byte_it_is_the_log_up_to_there() {
    let story = story();
    let lines = lines(&story);
    let bytes = lines.concat();
    for cut in 0..=bytes.len() {
        let read = scan(&bytes[..cut]);
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(read.events, story[..whole], "cut at {cut}");
        assert_eq!(read.damage, None, "cut at {cut}");
        assert_eq!(read.end, lines[..whole].concat().len() as u64, "cut at {cut}");
    }
}

#[test]
fn a_tail_of_zeros_is_torn() {
    let mut bytes = lines(&story()).concat();
    bytes.extend([0; 4096]);
    let read = scan(&bytes);
    assert_eq!((read.events, read.damage), (story(), None));
}

#[test]
fn every_flipped_bit_is_seen_and_takes_no_duty_away() {
    let story = [opening(), intent(1), applied(1), undone(1), intent(1), undone(1), stuck(2)];
    let mut bytes = lines(&story).concat();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let read = scan(&bytes);
        assert!(read.damage.is_some(), "bit {bit} is not seen");
        assert!(is_part_of(&read.events, &story), "bit {bit} makes an event");
        assert!(loses_no_duty(&read, &story), "bit {bit} takes a duty away");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_missing_record_is_seen_and_takes_no_duty_away() {
    let story = story();
    let lines = lines(&story);
    for missing in 0..lines.len() - 1 {
        let left: Vec<u8> = lines
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != missing)
            .flat_map(|(_, line)| line.clone())
            .collect();
        let read = scan(&left);
        assert!(read.damage.is_some(), "line {missing} is not missed");
        assert!(loses_no_duty(&read, &story), "without line {missing}");
    }
}

#[test]
fn a_lost_intent_between_good_records_leaves_the_fault_a_duty() {
    let story = [opening(), intent(1), undone(1), intent(1), phase(Phase::Rollback)];
    let mut lines = lines(&story);
    lines[3][20] ^= 1;
    let read = scan(&lines.concat());
    assert_eq!(duties(&read.events).len(), 1, "{:?}", read.events);
    let at = lines[..3].concat().len();
    let damage = format!("line 4 (byte {at}) is not a record (the first of 2 problems)");
    assert_eq!(read.damage, Some(damage));
}

/// It has an end, so it was written whole; a crash leaves no such line.
#[test]
fn a_damaged_last_intent_leaves_the_fault_a_duty() {
    let story = [opening(), intent(1), undone(1), intent(1)];
    let mut lines = lines(&story);
    lines[3][20] ^= 1;
    let read = scan(&lines.concat());
    assert_eq!(duties(&read.events).len(), 1, "{:?}", read.events);
    let damage = format!("line 4 (byte {}) is not a record", lines[..3].concat().len());
    assert_eq!(read.damage, Some(damage));
}

#[test]
fn a_replayed_undone_clears_nothing() {
    let story = [opening(), intent(1), undone(1), intent(1)];
    let mut lines = lines(&story);
    lines.push(lines[2].clone());
    let read = scan(&lines.concat());
    assert_eq!(read.events, story);
    assert_eq!(read.damage.as_deref(), Some("line 5 has number 3 where 5 belongs"));
}

#[test]
fn of_two_records_of_one_number_neither_clears() {
    let story = [opening(), intent(1), undone(1)];
    let mut lines = lines(&story);
    let rival = self::lines(&[opening(), intent(1), phase(Phase::Rollback)]).remove(2);
    lines.push(rival);
    let read = scan(&lines.concat());
    assert_eq!(duties(&read.events).len(), 1);
    assert!(read.damage.is_some());
}

#[test]
fn what_follows_the_damage_counts_again() {
    let story = [opening(), intent(1), phase(Phase::Rollback), undone(1), closed()];
    let mut lines = lines(&story);
    lines[2][30] ^= 4;
    let read = scan(&lines.concat());
    assert!(duties(&read.events).is_empty());
    assert!(fold(&read.events).closed.is_some());
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..600)) {
        let read = scan(&bytes);
        prop_assert!(read.end <= bytes.len() as u64);
    }

    #[test]
    fn changed_bytes_make_no_event_and_take_no_duty_away(
        story in any_story(),
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = lines(&story).concat();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let read = scan(&bytes);
        prop_assert!(is_part_of(&read.events, &story));
        prop_assert!(read.events == story || read.damage.is_some() || read.end < bytes.len() as u64);
        prop_assert!(read.end < bytes.len() as u64 || loses_no_duty(&read, &story));
    }

    #[test]
    fn doubled_and_reordered_records_are_put_in_order(
        story in any_story(),
        doubled in vec(any::<Index>(), 0..4),
        swaps in vec((any::<Index>(), any::<Index>()), 0..6),
    ) {
        let mut lines = lines(&story);
        for index in doubled {
            lines.push(lines[index.index(story.len())].clone());
        }
        for (from, to) in swaps {
            let (from, to) = (from.index(lines.len()), to.index(lines.len()));
            lines.swap(from, to);
        }
        let written: Vec<Event> = story;
        let read = scan(&lines.concat());
        prop_assert_eq!(read.events, written);
    }

    #[test]
    fn an_unknown_event_keeps_the_run_from_being_clear(at in 1..5_usize) {
        let mut story = vec![opening(), intent(1), applied(1), undone(1), phase(Phase::Rollback)];
        story.insert(at, event(EventBody::Unknown(serde_json::json!({ "thawed": {} }))));
        let read = scan(&lines(&story).concat());
        prop_assert!(!fold(&read.events).is_clear());
    }
}
