//! Who holds a run, and what is found of one that nobody holds.

use std::{fs, path::Path};

use chaos_core::{
    error::JournalError,
    experiment::Phase,
    journal::{Durability, Event, Journal as _, fold},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::journal::{
    FileJournal,
    testing::{applied, closed, intent, opening, phase, run, stuck, undone},
};

fn journal(root: &Path) -> FileJournal {
    FileJournal::open(root).unwrap()
}

fn begin(journal: &FileJournal, number: u32, events: &[Event]) {
    let events: Vec<Event> = std::iter::once(opening()).chain(events.iter().cloned()).collect();
    journal.append(&run(number), &events, Durability::Written).unwrap();
}

#[test]
fn a_held_run_is_nobody_elses() {
    let root = tempfile::tempdir().unwrap();
    let (mine, other) = (journal(root.path()), journal(root.path()));
    begin(&mine, 1, &[intent(1)]);
    assert_eq!(mine.outstanding().unwrap(), []);
    assert_eq!(other.outstanding().unwrap(), []);
    let error = other.append(&run(1), &[closed()], Durability::Written).unwrap_err();
    assert!(matches!(error, JournalError::NoSuchRun { .. }), "{error}");
    let error = other.append(&run(1), &[opening()], Durability::Written).unwrap_err();
    assert!(matches!(error, JournalError::Refused { .. }), "{error}");
    assert_eq!(other.read(&run(1)).unwrap().events, [opening(), intent(1)]);
}

#[test]
fn a_run_whose_process_is_gone_is_found_with_its_events() {
    let root = tempfile::tempdir().unwrap();
    let mine = journal(root.path());
    begin(&mine, 1, &[intent(1)]);
    mine.append(&run(1), &[applied(1)], Durability::Durable).unwrap();
    drop(mine);
    let next = journal(root.path());
    let found = next.outstanding().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].run, &found[0].damage), (&run(1), &None));
    assert_eq!(found[0].events, [opening(), intent(1), applied(1)]);
    assert_eq!(next.outstanding().unwrap(), [], "it is leased now");
    assert_eq!(journal(root.path()).outstanding().unwrap(), []);
}

#[test]
fn a_released_run_is_found_again() {
    let root = tempfile::tempdir().unwrap();
    let (mine, other) = (journal(root.path()), journal(root.path()));
    begin(&mine, 1, &[]);
    mine.release(&run(1));
    assert_eq!(other.outstanding().unwrap().len(), 1);
    other.release(&run(1));
    assert_eq!(mine.outstanding().unwrap().len(), 1);
}

#[test]
fn numbers_go_on_after_a_crash() {
    let root = tempfile::tempdir().unwrap();
    begin(&journal(root.path()), 1, &[intent(1)]);
    let next = journal(root.path());
    assert_eq!(next.outstanding().unwrap().len(), 1);
    next.append(&run(1), &[undone(1), closed()], Durability::Durable).unwrap();
    let text = fs::read_to_string(next.path_of(&run(1))).unwrap();
    let numbers: Vec<&str> = text.lines().map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4"]);
}

#[test]
fn a_closed_run_stays_as_a_record_and_is_nobodys_duty() {
    let root = tempfile::tempdir().unwrap();
    let mine = journal(root.path());
    begin(&mine, 1, &[intent(1), undone(1), closed()]);
    begin(&mine, 2, &[]);
    mine.append(&run(2), &[closed()], Durability::Durable).unwrap();
    assert_eq!(journal(root.path()).outstanding().unwrap(), []);
    assert_eq!(mine.outstanding().unwrap(), []);
    let error = mine.append(&run(1), &[intent(1)], Durability::Durable).unwrap_err();
    assert!(matches!(error, JournalError::NoSuchRun { .. }), "{error}");
    assert!(fold(&mine.read(&run(1)).unwrap().events).closed.is_some());
    assert_eq!(mine.runs().unwrap(), [run(1), run(2)]);
}

#[test]
fn an_empty_folder_is_a_run_that_can_be_closed() {
    let root = tempfile::tempdir().unwrap();
    let mine = journal(root.path());
    begin(&mine, 2, &[]);
    drop(mine);
    let empty = |name: &str, with_file: bool| {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        let folder = root.path().join(name);
        fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        if with_file {
            fs::File::options().append(true).create(true).mode(0o600).open(folder.join("journal")).unwrap();
        }
    };
    empty(run(1).as_str(), false);
    empty(run(3).as_str(), true);
    let next = journal(root.path());
    let found = next.outstanding().unwrap();
    let events: Vec<usize> = found.iter().map(|open| open.events.len()).collect();
    assert_eq!(events, [0, 1, 0]);
    assert!(found.iter().all(|open| open.damage.is_none()));
    for open in found {
        next.append(&open.run, &[closed()], Durability::Durable).unwrap();
    }
    assert_eq!(journal(root.path()).outstanding().unwrap(), []);
}

#[test]
fn a_recovery_that_dies_again_and_again_does_not_grow_the_journal() {
    let root = tempfile::tempdir().unwrap();
    begin(&journal(root.path()), 1, &[intent(1), intent(2)]);
    let recover = || {
        let next = journal(root.path());
        assert_eq!(next.outstanding().unwrap().len(), 1);
        for event in [phase(Phase::Rollback), undone(2), stuck(1)] {
            next.append(&run(1), &[event], Durability::Written).unwrap();
        }
        fs::metadata(next.path_of(&run(1))).unwrap().len()
    };
    let once = recover();
    assert_eq!([recover(), recover()], [once, once]);
}

#[test]
fn a_torn_tail_is_cut_off_before_the_next_record() {
    let root = tempfile::tempdir().unwrap();
    let mine = journal(root.path());
    begin(&mine, 1, &[intent(1)]);
    let path = mine.path_of(&run(1));
    drop(mine);
    let whole = fs::metadata(&path).unwrap().len();
    let torn = [fs::read(&path).unwrap(), b"412 0badcafe 3 {\"at".to_vec()].concat();
    fs::write(&path, torn).unwrap();
    let next = journal(root.path());
    assert_eq!(next.outstanding().unwrap()[0].damage, None);
    assert!(fs::metadata(&path).unwrap().len() > whole, "looking changes nothing");
    next.append(&run(1), &[undone(1)], Durability::Durable).unwrap();
    let read = next.read(&run(1)).unwrap();
    assert_eq!((read.events, read.damage), (vec![opening(), intent(1), undone(1)], None));
}

#[test]
fn a_damaged_run_is_found_says_so_and_can_be_closed() {
    let root = tempfile::tempdir().unwrap();
    let mine = journal(root.path());
    begin(&mine, 1, &[intent(1), applied(1), intent(2)]);
    let path = mine.path_of(&run(1));
    drop(mine);
    let mut bytes = fs::read(&path).unwrap();
    let second = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 40;
    bytes[second] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let next = journal(root.path());
    let found = next.outstanding().unwrap().remove(0);
    assert!(found.damage.is_some_and(|damage| damage.starts_with("line 2 (byte ")));
    assert_eq!(fold(&found.events).duties().count(), 2);
    next.append(&run(1), &[undone(1), undone(2), closed()], Durability::Durable).unwrap();
    assert_eq!(journal(root.path()).outstanding().unwrap(), []);
}

#[test]
fn a_thousand_runs_at_once() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let room = getrlimit(Resource::Nofile).current.map_or(u64::MAX, |limit| limit / 2 - 100);
    let count = u32::try_from(room.min(1_000)).unwrap();
    let root = tempfile::tempdir().unwrap();
    let mine = journal(root.path());
    (0..count).for_each(|number| begin(&mine, number, &[intent(1)]));
    assert_eq!(journal(root.path()).outstanding().unwrap(), []);
    drop(mine);
    let next = journal(root.path());
    let found = next.outstanding().unwrap();
    assert_eq!(found.len(), count as usize);
    for open in found {
        next.append(&open.run, &[undone(1), closed()], Durability::Written).unwrap();
    }
    assert_eq!(journal(root.path()).outstanding().unwrap(), []);
    assert_eq!(next.runs().unwrap().len(), count as usize);
}

#[test]
fn a_recovery_takes_no_more_than_it_has_descriptors_for() {
    let root = tempfile::tempdir().unwrap();
    let mine = journal(root.path());
    (1..=3).for_each(|number| begin(&mine, number, &[]));
    drop(mine);
    let next = journal(root.path()).holding_at_most(2);
    let left = |next: &FileJournal| {
        let found = next.outstanding().unwrap();
        found.into_iter().filter(|open| open.damage.is_some()).map(|open| open.run).collect::<Vec<_>>()
    };
    assert_eq!(left(&next), [run(3)]);
    next.append(&run(1), &[closed()], Durability::Written).unwrap();
    assert_eq!(left(&next), []);
    next.append(&run(3), &[closed()], Durability::Written).unwrap();
}
