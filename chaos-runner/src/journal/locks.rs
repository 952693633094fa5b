use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chaos_core::{error::JournalError, id::RunId, scope::Target};

use crate::sys::{self, Folder, How};

/// How often a lock file may vanish under us before the target counts as busy.
const TRIES: usize = 100;

/// Why targets were not locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another run holds a target.
    #[error("{target} is held by {}", holder(.run.as_ref()))]
    Busy {
        /// The target.
        target: Target,
        /// The run that holds it, where that could be read.
        run: Option<RunId>,
    },
    /// The lock files could not be used.
    #[error("cannot lock {target}")]
    Store {
        /// The target.
        target: Target,
        /// The cause.
        #[source]
        source: JournalError,
    },
}

fn holder(run: Option<&RunId>) -> String {
    run.map_or_else(|| "another run".into(), |run| format!("run {run}"))
}

/// Locks by the identity of what is touched, so that two experiments never hold the same target.
///
/// Clones share one table. With a folder, every locked target also has a file there with an exclusive `flock` on it, which other
/// processes of the same user see and which ends with the process; it costs one descriptor a target.
#[derive(Debug, Clone)]
pub struct TargetLocks(Arc<Table>);

#[derive(Debug, Default)]
struct Table {
    held: Mutex<HashMap<Target, RunId>>,
    folder: Option<Folder>,
}

impl TargetLocks {
    /// Locks that other processes do not see: for faults that end with this process anyway, and for tests.
    #[must_use]
    pub fn in_process() -> Self {
        Self(Arc::default())
    }

    /// Locks that all processes see that use this folder, which is made with mode 0700 where it is missing.
    ///
    /// # Errors
    /// [`JournalError::Refused`], if the folder is a link, belongs to another user, or can be written to by others;
    /// [`JournalError::Io`], if it cannot be made or opened.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, JournalError> {
        let folder = Some(Folder::open_or_create(folder.as_ref())?);
        Ok(Self(Arc::new(Table { folder, ..Table::default() })))
    }

    /// Locks all of the targets for a run, or none. Never waits. One that is named twice is locked once.
    ///
    /// # Errors
    /// [`LockError::Busy`] with the first target that another run holds, this very run included; [`LockError::Store`].
    pub fn try_lock(&self, targets: &[Target], run: &RunId) -> Result<TargetGuard, LockError> {
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        self.0.enter(&targets, run)?;
        let mut guard = TargetGuard { table: Arc::clone(&self.0), targets, files: Vec::new() };
        if let Some(folder) = &self.0.folder {
            for target in &guard.targets {
                guard.files.push(LockFile::take(folder, target, run)?);
            }
        }
        Ok(guard)
    }
}

impl Table {
    fn enter(&self, targets: &[Target], run: &RunId) -> Result<(), LockError> {
        let mut held = self.lock();
        if let Some(target) = targets.iter().find(|target| held.contains_key(*target)) {
            return Err(LockError::Busy { target: target.clone(), run: held.get(target).cloned() });
        }
        held.extend(targets.iter().map(|target| (target.clone(), run.clone())));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Target, RunId>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Targets that one run holds, until this is dropped.
#[derive(Debug)]
#[must_use = "the targets are free again when the guard is dropped"]
pub struct TargetGuard {
    table: Arc<Table>,
    targets: Vec<Target>,
    files: Vec<LockFile>,
}

impl TargetGuard {
    /// What is held, in order, each once.
    #[must_use]
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }
}

/// The files go first: as long as the table names a target, nobody in this process tries its file.
impl Drop for TargetGuard {
    fn drop(&mut self) {
        if let Some(folder) = &self.table.folder {
            self.files.drain(..).for_each(|file| file.give_back(folder));
        }
        let mut held = self.table.lock();
        self.targets.iter().for_each(|target| drop(held.remove(target)));
    }
}

#[derive(Debug)]
struct LockFile {
    name: String,
    file: File,
}

impl LockFile {
    /// A file that was removed before its lock was taken locks nothing, so it is opened again.
    fn take(folder: &Folder, target: &Target, run: &RunId) -> Result<Self, LockError> {
        let store = |source| LockError::Store { target: target.clone(), source };
        let name = file_name(target);
        for _ in 0..TRIES {
            let mut file = folder.file(&name, How::AppendOrCreate).map_err(store)?;
            let failed = |source| {
                let journal = folder.path().join(&name).display().to_string();
                store(JournalError::Io { operation: "lock", journal, source })
            };
            if !sys::try_lease(&file).map_err(failed)? {
                return Err(LockError::Busy { target: target.clone(), run: read_holder(&file, target) });
            }
            if write_holder(&mut file, target, run).map_err(failed)? {
                return Ok(Self { name, file });
            }
        }
        Err(LockError::Busy { target: target.clone(), run: None })
    }

    /// The name goes while the lock is held, so that no lock files are left over.
    fn give_back(self, folder: &Folder) {
        let _ = folder.remove_file(&self.name);
        let _ = self.file.unlock();
    }
}

/// False if the file has no name any more.
fn write_holder(file: &mut File, target: &Target, run: &RunId) -> io::Result<bool> {
    let stat = file.metadata()?;
    if stat.nlink() == 0 {
        return Ok(false);
    }
    // A file that was emptied is written out by ext4 when it is closed, so a new one is not emptied.
    if stat.len() > 0 {
        file.set_len(0)?;
    }
    file.write_all(format!("{run} {target}\n").as_bytes())?;
    Ok(true)
}

/// Only for the message: the holder may be just about to write, or to go.
fn read_holder(file: &File, target: &Target) -> Option<RunId> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    let (run, held) = text.trim_end().split_once(' ')?;
    (held == target.to_string()).then(|| run.parse().ok())?
}

/// A readable beginning and the FNV-1a hash (64 bits) of the whole; equal hashes would only make two targets exclude each other.
fn file_name(target: &Target) -> String {
    let text = target.to_string();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let readable: String = text.chars().take(40).map(plain).collect();
    format!("{readable}-{hash:016x}")
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicUsize, Ordering},
        thread,
    };

    use super::*;
    use crate::journal::testing::run;

    fn targets(names: &[&str]) -> Vec<Target> {
        names.iter().map(|name| Target::new("tcp-proxy", name)).collect()
    }

    /// The same rules within one table and between two that share a folder.
    fn exclude(mine: &TargetLocks, other: &TargetLocks) {
        let guard = mine.try_lock(&targets(&["db", "cache", "db"]), &run(1)).unwrap();
        assert_eq!(guard.targets(), targets(&["cache", "db"]));
        let error = other.try_lock(&targets(&["api", "db"]), &run(2)).unwrap_err();
        assert_eq!(error.to_string(), format!("tcp-proxy:db is held by run {}", run(1)));
        let api = other.try_lock(&targets(&["api"]), &run(2)).expect("a refused call holds nothing");
        drop((guard, api));
        drop(other.try_lock(&targets(&["api", "cache", "db"]), &run(2)).unwrap());
    }

    #[test]
    fn a_target_has_one_holder() {
        let folder = tempfile::tempdir().unwrap();
        let open = || TargetLocks::open(folder.path()).unwrap();
        let (here, on_disk) = (TargetLocks::in_process(), open());
        exclude(&here, &here.clone());
        exclude(&on_disk, &on_disk.clone());
        exclude(&on_disk, &open());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "lock files are left");
        assert!(here.0.lock().is_empty() && on_disk.0.lock().is_empty());
    }

    #[test]
    fn a_file_that_a_crash_left_locks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let locks = TargetLocks::open(folder.path()).unwrap();
        let db = Target::new("tcp-proxy", "db");
        let stale = LockFile::take(locks.0.folder.as_ref().unwrap(), &db, &run(9)).unwrap();
        drop(stale);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let guard = locks.try_lock(std::slice::from_ref(&db), &run(1)).unwrap();
        let content = fs::read_to_string(folder.path().join(file_name(&db))).unwrap();
        assert_eq!(content, format!("{} tcp-proxy:db\n", run(1)));
        drop(guard);
    }

    /// The holder removed the name between our opening of the file and our lock on it.
    #[test]
    fn a_file_without_a_name_locks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut file = File::create(&path).unwrap();
        let db = Target::new("tcp-proxy", "db");
        assert!(write_holder(&mut file, &db, &run(1)).unwrap());
        fs::remove_file(path).unwrap();
        assert!(!write_holder(&mut file, &db, &run(1)).unwrap());
    }

    #[test]
    fn two_tables_and_many_threads_never_share_a_target() {
        let folder = tempfile::tempdir().unwrap();
        let tables: Vec<TargetLocks> = (0..2).map(|_| TargetLocks::open(folder.path()).unwrap()).collect();
        let (inside, held) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |locks: &TargetLocks| {
            for _ in 0..300 {
                if let Ok(_guard) = locks.try_lock(&targets(&["db"]), &run(1)) {
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                    held.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            }
        };
        thread::scope(|scope| {
            for table in tables.iter().cycle().take(4) {
                scope.spawn(|| work(table));
            }
        });
        assert!(held.load(Ordering::SeqCst) > 0);
        drop(tables[0].try_lock(&targets(&["db"]), &run(1)).unwrap());
    }

    #[test]
    fn ten_thousand_runs_hold_their_targets_in_one_map() {
        let locks = TargetLocks::in_process();
        let hold = |number: u32| locks.try_lock(&targets(&[&number.to_string()]), &run(number)).unwrap();
        let guards: Vec<TargetGuard> = (0..10_000).map(hold).collect();
        assert_eq!(locks.0.lock().len(), 10_000);
        assert!(matches!(
            locks.try_lock(&targets(&["7"]), &run(1)),
            Err(LockError::Busy { run: Some(holder), .. }) if holder == run(7)
        ));
        drop(guards);
        assert!(locks.0.lock().is_empty());
    }

    #[test]
    fn file_names_are_plain_and_differ() {
        let name = |name: &str| file_name(&Target::new("netns", name));
        assert_eq!(name("web"), "netns_web-c3ac50092336b783");
        assert_ne!(name("a/b"), name("a_b"));
        let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        assert!(plain(&name("../../etc/passwd")) && plain(&name(&"é".repeat(500))));
        assert!(name(&"é".repeat(500)).len() < 60);
    }
}
