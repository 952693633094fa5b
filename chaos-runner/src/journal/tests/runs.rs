//! The making, the numbering and the removal of runs.

use std::{fs, sync::Arc, thread};

use chaos_core::{
    error::JournalError,
    experiment::Phase,
    journal::{Durability, Event, EventBody, Journal, fold},
};
use chrono::TimeDelta;
use serde_json::Value;

use crate::journal::{
    FileJournal,
    testing::{applied, at, closed, event, intent, opening, phase, run, undo},
};

fn names(journal: &FileJournal) -> Vec<String> {
    let entries = fs::read_dir(journal.root()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn only_a_run_event_opens_a_run() {
    let root = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(root.path()).unwrap();
    for events in [vec![], vec![applied(1)], vec![intent(1), opening()]] {
        let error = journal.append(&run(1), &events, Durability::Durable).unwrap_err();
        assert!(matches!(error, JournalError::NoSuchRun { .. }), "{error}");
    }
    assert_eq!(names(&journal), [""; 0]);
    let error = journal.read(&run(1)).unwrap_err();
    assert_eq!(error.to_string(), format!("the journal holds no open run {}", run(1)));
}

#[test]
fn an_event_that_cannot_be_written_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(root.path()).unwrap();
    let mut undo = undo(1);
    undo.payload = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let deep = event(EventBody::Intent { undo: undo.into() });
    let error = journal.append(&run(1), &[opening(), deep.clone()], Durability::Durable).unwrap_err();
    assert!(matches!(error, JournalError::Refused { .. }), "{error}");
    assert_eq!(names(&journal), [""; 0]);
    journal.append(&run(1), &[opening()], Durability::Durable).unwrap();
    journal.append(&run(1), &[deep], Durability::Written).unwrap_err();
    assert_eq!(journal.read(&run(1)).unwrap().events, [opening()]);
}

#[test]
fn many_threads_write_one_run() {
    let root = tempfile::tempdir().unwrap();
    let journal: Arc<dyn Journal> = Arc::new(FileJournal::open(root.path()).unwrap());
    journal.append(&run(1), &[opening()], Durability::Written).unwrap();
    thread::scope(|scope| {
        for number in 1..=8 {
            let journal = Arc::clone(&journal);
            let write =
                move || journal.append(&run(1), &[intent(number), applied(number)], Durability::Written);
            scope.spawn(move || (0..25).try_for_each(|_| write()).unwrap());
        }
    });
    let read = FileJournal::open(root.path()).unwrap().read(&run(1)).unwrap();
    assert_eq!((read.events.len(), read.damage), (1 + 8 * 25 * 2, None));
    assert_eq!(fold(&read.events).duties().count(), 8);
}

#[test]
fn pruning_keeps_what_was_closed_last_and_all_that_is_open() {
    let root = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(root.path()).unwrap();
    let closed_after = |minutes| Event { at: at() + TimeDelta::minutes(minutes), ..closed() };
    for (number, minutes) in [(1, 30), (2, 10), (3, 20)] {
        journal.append(&run(number), &[opening(), closed_after(minutes)], Durability::Written).unwrap();
    }
    journal.append(&run(4), &[opening()], Durability::Written).unwrap();
    fs::write(journal.folder_of(&run(2)).join("report.html"), "figures").unwrap();
    assert_eq!(journal.prune(1).unwrap(), [run(2), run(3)]);
    assert_eq!(journal.runs().unwrap(), [run(1), run(4)]);
    assert_eq!(journal.prune(1).unwrap(), []);
    assert_eq!(journal.prune(0).unwrap(), [run(1)]);
    assert_eq!(names(&journal), [run(4).to_string()]);
}

#[test]
fn what_a_crash_left_of_beginnings_and_removals_goes() {
    let root = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(root.path()).unwrap();
    journal.append(&run(1), &[opening(), closed()], Durability::Written).unwrap();
    let left = |from: u32, to: &str| {
        journal.append(&run(from), &[opening()], Durability::Written).unwrap();
        fs::rename(journal.folder_of(&run(from)), root.path().join(to)).unwrap();
    };
    left(2, ".new-a");
    left(3, ".new-b");
    left(4, ".old-a");
    journal.release(&run(2));
    assert_eq!(journal.outstanding().unwrap(), []);
    assert_eq!(names(&journal), [".new-b", run(1).as_str()], "the maker of .new-b is alive");
}

#[test]
fn what_is_not_a_run_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    for name in ["lost+found", "README.md", "Not-A-Run", "..."] {
        fs::create_dir(root.path().join(name)).unwrap();
    }
    let journal = FileJournal::open(root.path()).unwrap();
    assert_eq!(journal.outstanding().unwrap(), []);
    assert_eq!(journal.runs().unwrap(), []);
    assert_eq!(names(&journal).len(), 4);
}

#[test]
fn a_durable_append_is_readable_by_cat() {
    let root = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(root.path()).unwrap();
    journal.append(&run(1), &[opening(), phase(Phase::Preflight)], Durability::Durable).unwrap();
    let text = fs::read_to_string(journal.path_of(&run(1))).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.lines().all(|line| line.ends_with('}') && !line.contains('\0')), "{text}");
}
