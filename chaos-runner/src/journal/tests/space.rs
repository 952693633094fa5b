//! Space and failing disks.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use chaos_core::{
    error::JournalError,
    experiment::Phase,
    journal::{Durability, Journal as _},
};

use crate::{
    journal::{
        FileJournal,
        open_run::OpenRun,
        testing::{closed, intent, opening, phase, run, stuck, undone},
    },
    sys,
};

/// A run on a device: `/dev/full` has no space, `/dev/null` cannot be synced.
fn run_on(device: &str) -> OpenRun {
    let file = File::options().read(true).append(true).open(device).unwrap();
    OpenRun::new(run(1), device.into(), file)
}

fn on_disk(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

/// Not every file system can reserve.
fn reserves(folder: &Path) -> bool {
    let probe = folder.join("probe");
    sys::preallocate(&File::create(&probe).unwrap(), 0, 1 << 16).unwrap();
    on_disk(&probe) >= 1 << 16
}

#[test]
fn space_for_the_undo_is_reserved_with_the_intents_and_given_back() {
    let root = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(root.path()).unwrap();
    let path = journal.path_of(&run(1));
    journal.append(&run(1), &[opening()], Durability::Written).unwrap();
    let intents: Vec<_> = (1..=100).map(intent).collect();
    journal.append(&run(1), &intents, Durability::Durable).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    let reserved = on_disk(&path);
    if reserves(root.path()) {
        assert!(reserved >= length + 100 * 1024, "{reserved} bytes for {length}");
    }
    let told: Vec<_> = (1..=100).flat_map(|number| [stuck(number), undone(number)]).collect();
    journal.append(&run(1), &told, Durability::Durable).unwrap();
    assert!(on_disk(&path) <= reserved, "the undo took more than was reserved");
    journal.append(&run(1), &[closed()], Durability::Durable).unwrap();
    assert!(on_disk(&path) < fs::metadata(&path).unwrap().len() + 8192);
}

#[test]
fn a_write_that_fails_is_not_taken_for_written() {
    let mut open = run_on("/dev/full");
    for _ in 0..2 {
        let error = open.append(&[phase(Phase::Rollback)]).unwrap_err();
        assert!(matches!(error, JournalError::Io { operation: "append to", .. }), "{error}");
    }
    open.append(&[closed()]).unwrap_err();
    assert!(!open.is_closed());
}

#[test]
fn a_failed_sync_is_final_but_the_undo_is_still_written() {
    let mut open = run_on("/dev/null");
    open.append(&[undone(1)]).unwrap();
    open.check_syncs().unwrap();
    let error = open.sync(|| Ok(())).unwrap_err();
    assert!(matches!(error, JournalError::Io { operation: "sync", .. }), "{error}");
    open.append(&[undone(2)]).unwrap();
    assert!(open.check_syncs().is_err());
    assert!(open.sync(|| Ok(())).is_err());
}

#[test]
fn a_folder_that_cannot_be_synced_is_final_too() {
    let root = tempfile::tempdir().unwrap();
    let file = File::options().append(true).create(true).open(root.path().join("journal")).unwrap();
    let mut open = OpenRun::new(run(1), root.path().into(), file);
    open.append(&[undone(1)]).unwrap();
    let failed = || Err(JournalError::Refused { journal: "it".into(), why: "no".into() });
    open.sync(failed).unwrap_err();
    assert!(open.sync(|| Ok(())).is_err());
}

#[test]
fn the_folders_are_synced_once() {
    let root = tempfile::tempdir().unwrap();
    let file = File::options().append(true).create(true).open(root.path().join("journal")).unwrap();
    let mut open = OpenRun::new(run(1), root.path().into(), file);
    let mut synced = 0;
    for number in 1..=3 {
        open.append(&[undone(number)]).unwrap();
        open.sync(|| {
            synced += 1;
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(synced, 1);
}
