//! A journal is privileged input.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown, symlink},
    path::Path,
};

use chaos_core::{
    error::JournalError,
    journal::{Durability, Journal as _},
};
use rustix::{fs::Mode, process::umask};

use crate::{
    journal::{
        FileJournal, TargetLocks,
        testing::{closed, intent, opening, run},
    },
    sys,
};

const NOBODY: u32 = 65_534;

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn why<T: std::fmt::Debug>(result: Result<T, JournalError>) -> String {
    match result.unwrap_err() {
        JournalError::Refused { why, .. } => why,
        other => panic!("not refused: {other}"),
    }
}

#[test]
fn nothing_is_open_to_others_whatever_the_umask() {
    let home = tempfile::tempdir().unwrap();
    let before = umask(Mode::empty());
    let journal = FileJournal::open(home.path().join("state/chaos/runs")).unwrap();
    journal.append(&run(1), &[opening()], Durability::Durable).unwrap();
    let guard = journal.target_locks().unwrap().try_lock(&["test:db".parse().unwrap()], &run(1)).unwrap();
    umask(before);
    for folder in ["state", "state/chaos", "state/chaos/runs", "state/chaos/runs/.locks"] {
        assert_eq!(mode(home.path().join(folder)), 0o700, "{folder}");
    }
    assert_eq!(mode(journal.folder_of(&run(1))), 0o700);
    assert_eq!(mode(journal.path_of(&run(1))), 0o600);
    let locks = fs::read_dir(journal.root().join(".locks")).unwrap();
    assert!(locks.map(|lock| mode(lock.unwrap().path())).eq([0o600]));
    drop(guard);
}

#[test]
fn a_root_that_is_a_link_is_refused() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("real")).unwrap();
    symlink("real", home.path().join("link")).unwrap();
    symlink("nowhere", home.path().join("dangling")).unwrap();
    for name in ["link", "link/", "link/.", "dangling"] {
        assert_eq!(why(FileJournal::open(home.path().join(name))), "it is a symbolic link", "{name}");
        assert_eq!(why(TargetLocks::open(home.path().join(name))), "it is a symbolic link", "{name}");
    }
    assert!(!home.path().join("nowhere").exists());
}

#[test]
fn a_root_that_others_can_write_to_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("runs");
    FileJournal::open(&root).unwrap();
    for (bits, open) in [(0o770, false), (0o707, false), (0o1777, false), (0o755, true), (0o700, true)] {
        chmod(&root, bits);
        assert_eq!(FileJournal::open(&root).is_ok(), open, "{bits:o}");
    }
    chmod(&root, 0o720);
    assert_eq!(why(FileJournal::open(&root)), "others have rights to it, mode 0720 (chmod 700)");
}

#[test]
fn a_root_that_is_a_file_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("runs");
    fs::write(&root, "").unwrap();
    assert_eq!(why(FileJournal::open(&root)), "it is not a folder");
}

/// As root a folder is given away; anybody else meets one of root's.
#[test]
fn a_root_of_another_user_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let root = if sys::is_root() {
        chown(home.path(), Some(NOBODY), None).unwrap();
        home.path()
    } else {
        Path::new("/")
    };
    assert!(why(FileJournal::open(root)).contains("owns it, not user"));
}

/// Spoils run 1 of two and returns what is said of it; run 2 has to be found all the same.
fn spoiled(spoil: impl FnOnce(&FileJournal)) -> String {
    let root = tempfile::tempdir().unwrap();
    let journal = FileJournal::open(root.path()).unwrap();
    for number in [1, 2] {
        journal.append(&run(number), &[opening(), intent(1)], Durability::Written).unwrap();
        journal.release(&run(number));
    }
    spoil(&journal);
    let [bad, good] = journal.outstanding().unwrap().try_into().unwrap();
    assert_eq!((good.run, good.events.len(), good.damage), (run(2), 2, None));
    assert_eq!((bad.run, bad.events.len()), (run(1), 0));
    let text = why(journal.append(&run(1), &[closed()], Durability::Written));
    assert_eq!(why(journal.read(&run(1))), text);
    let damage = bad.damage.unwrap();
    assert!(damage.starts_with("refused the journal ") && damage.ends_with(&text), "{damage}");
    text
}

#[test]
fn a_journal_that_is_a_link_is_refused() {
    let text = spoiled(|journal| {
        let path = journal.path_of(&run(1));
        let moved = journal.folder_of(&run(1)).join("moved");
        fs::rename(&path, &moved).unwrap();
        symlink(moved, path).unwrap();
    });
    assert_eq!(text, "it is a symbolic link");
}

#[test]
fn a_journal_with_a_second_name_is_refused() {
    let text = spoiled(|journal| {
        fs::hard_link(journal.path_of(&run(1)), journal.root().join("second")).unwrap();
        // The second name is no run id only if it cannot be one.
        fs::rename(journal.root().join("second"), journal.root().join("Second")).unwrap();
    });
    assert_eq!(text, "it has 2 hard links, only one is allowed");
}

#[test]
fn a_journal_that_others_have_rights_to_is_refused() {
    let text = spoiled(|journal| chmod(journal.path_of(&run(1)), 0o660));
    assert_eq!(text, "others have rights to it, mode 0660 (chmod 600)");
    let text = spoiled(|journal| chmod(journal.path_of(&run(1)), 0o604));
    assert_eq!(text, "others have rights to it, mode 0604 (chmod 600)");
}

#[test]
fn a_folder_that_others_have_rights_to_is_refused() {
    let text = spoiled(|journal| chmod(journal.folder_of(&run(1)), 0o770));
    assert_eq!(text, "others have rights to it, mode 0770 (chmod 700)");
}

#[test]
fn a_folder_that_is_a_link_is_refused() {
    let text = spoiled(|journal| {
        let moved = journal.root().join("Moved");
        fs::rename(journal.folder_of(&run(1)), &moved).unwrap();
        symlink(moved, journal.folder_of(&run(1))).unwrap();
    });
    assert_eq!(text, "it is a symbolic link");
}

#[test]
fn a_journal_that_is_no_file_is_refused() {
    let text = spoiled(|journal| {
        fs::remove_file(journal.path_of(&run(1))).unwrap();
        fs::create_dir(journal.path_of(&run(1))).unwrap();
    });
    assert_eq!(text, "it is not a regular file");
    let text = spoiled(|journal| {
        let path = journal.path_of(&run(1));
        fs::remove_file(&path).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    });
    assert_eq!(text, "it is not a regular file");
}

/// Only root can give a file away, so only root can show this.
#[test]
fn a_journal_of_another_user_is_refused() {
    if sys::is_root() {
        let text = spoiled(|journal| chown(journal.path_of(&run(1)), Some(NOBODY), None).unwrap());
        assert_eq!(text, "user 65534 owns it, not user 0");
        let text = spoiled(|journal| chown(journal.folder_of(&run(1)), Some(NOBODY), None).unwrap());
        assert_eq!(text, "user 65534 owns it, not user 0");
    }
}
