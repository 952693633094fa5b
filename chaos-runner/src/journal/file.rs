use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chaos_core::{
    error::JournalError,
    id::RunId,
    journal::{Durability, Event, EventBody, Journal, Outstanding},
};
use chrono::{DateTime, Utc};

use super::{
    locks::TargetLocks,
    open_run::{MAX_BYTES, OpenRun},
    scan::{Scan, ends_closed, scan},
};
use crate::sys::{self, Folder, How, is_missing};

const JOURNAL: &str = "journal";
/// No run id begins with a dot, so these are never taken for a run.
const NEW: &str = ".new-";
const OLD: &str = ".old-";
const LOCKS: &str = ".locks";
/// The last record of a closed run fits in.
const TAIL: u64 = 512;

/// The journal of runs in a folder.
///
/// # Guarantees
/// - An append is one write. `Durable` adds one `fdatasync`, and for a new run one sync of each folder.
/// - A new run appears whole: its folder gets its name when its first events are in it, and its lease is held from before that.
/// - Space for the end of a run and for what is said of each fault is reserved before an intent is written, so that an undo needs
///   none, except on file systems that cannot reserve.
/// - A failed sync is final for its run: `Durable` appends fail from then on without writing, `Written` ones still try.
/// - An `Undone`, `Stuck`, `Phase` or `Closed` that repeats what the journal says is not written again, so that a recovery that is
///   killed and run again does not grow it.
///
/// # Caveats
/// One descriptor stays open for each run that is held, and one for each of its target locks. [`outstanding`](Journal::outstanding) takes no more runs than half of the
/// soft limit of descriptors at once; the others follow when it is called again after these are closed.
#[derive(Debug)]
pub struct FileJournal {
    root: Folder,
    held: Mutex<HashMap<RunId, Arc<Mutex<OpenRun>>>>,
    /// How many runs a recovery may hold.
    most_held: usize,
}

impl FileJournal {
    /// Opens the journal in a folder, which is made with mode 0700 where it is missing.
    ///
    /// # Errors
    /// [`JournalError::Refused`], if the folder is a link, belongs to another user, or can be written to by others;
    /// [`JournalError::Io`], if it cannot be made or opened.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, JournalError> {
        let root = Folder::open_or_create(root.as_ref())?;
        Ok(Self { root, held: Mutex::default(), most_held: sys::open_files_limit() / 2 })
    }

    /// Opens the journal in its usual place: [`FileJournal::default_root`].
    ///
    /// # Errors
    /// As [`FileJournal::open`].
    pub fn open_default() -> Result<Self, JournalError> {
        Self::open(Self::default_root())
    }

    /// The usual place: `/var/lib/chaos/runs` for root, else `$XDG_STATE_HOME/chaos/runs` or `~/.local/state/chaos/runs`.
    #[must_use]
    pub fn default_root() -> PathBuf {
        sys::default_root()
    }

    #[cfg(test)]
    pub(super) const fn holding_at_most(mut self, runs: usize) -> Self {
        self.most_held = runs;
        self
    }

    /// The folder of all runs.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The folder of a run, whether it exists or not. A report may be put there; [`FileJournal::prune`] removes it with the run.
    #[must_use]
    pub fn folder_of(&self, run: &RunId) -> PathBuf {
        self.root().join(run.as_str())
    }

    /// The file of a run, whether it exists or not.
    #[must_use]
    pub fn path_of(&self, run: &RunId) -> PathBuf {
        self.folder_of(run).join(JOURNAL)
    }

    /// The target locks that belong to this journal, in the folder `.locks` beside the runs.
    ///
    /// # Errors
    /// As [`FileJournal::open`].
    pub fn target_locks(&self) -> Result<TargetLocks, JournalError> {
        TargetLocks::open(self.root().join(LOCKS))
    }

    /// Reads a run, open or closed, whoever holds it, and takes no lease.
    ///
    /// # Errors
    /// [`JournalError::NoSuchRun`]; [`JournalError::Refused`], if the run is not to be trusted; [`JournalError::Io`].
    pub fn read(&self, run: &RunId) -> Result<Outstanding, JournalError> {
        let mut file = self.file_of(run, How::Read).map_err(|error| no_such_run(error, run))?;
        let (scan, _) = self.scan(run, &mut file)?;
        Ok(Outstanding::new(run.clone(), scan.events, scan.damage))
    }

    /// All runs, open and closed, in the order of their ids, which is that of their start.
    ///
    /// # Errors
    /// [`JournalError::Io`], if the folder cannot be listed.
    pub fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        let names = self.root.names()?;
        let mut runs: Vec<RunId> = names.iter().filter_map(|name| name.parse().ok()).collect();
        runs.sort_unstable();
        Ok(runs)
    }

    /// Removes closed runs until only the `keep` that were closed last are left, with all files in their folders; returns what was
    /// removed. Nothing removes a run by itself, and this never removes one that is open, held or damaged.
    ///
    /// # Errors
    /// [`JournalError::Io`], if the folder cannot be listed or a run cannot be removed.
    pub fn prune(&self, keep: usize) -> Result<Vec<RunId>, JournalError> {
        let runs = self.runs()?.into_iter();
        let mut closed: Vec<(DateTime<Utc>, RunId)> = runs.filter_map(|run| self.closed_at(run)).collect();
        closed.sort_unstable();
        closed.truncate(closed.len().saturating_sub(keep));
        let removed: Vec<RunId> = closed.into_iter().map(|(_, run)| run).collect();
        removed.iter().try_for_each(|run| self.remove(run))?;
        Ok(removed)
    }

    fn closed_at(&self, run: RunId) -> Option<(DateTime<Utc>, RunId)> {
        let Outstanding { events, damage, .. } = self.read(&run).ok()?;
        let closed = events.iter().rev().find(|event| matches!(event.body, EventBody::Closed { .. }))?;
        damage.is_none().then_some((closed.at, run))
    }

    /// The folder leaves its name first: a removal that is cut short never looks like a run without events.
    fn remove(&self, run: &RunId) -> Result<(), JournalError> {
        let old = format!("{OLD}{run}");
        self.root.rename(run.as_str(), &old)?;
        self.root.remove_folder(&old)
    }

    fn begin(&self, run: &RunId, events: &[Event]) -> Result<Arc<Mutex<OpenRun>>, JournalError> {
        let opens = matches!(events.first().map(|event| &event.body), Some(EventBody::Run(_)));
        match self.file_of(run, How::Read) {
            Ok(_) if opens => return Err(self.refused(run, "a run of this id exists")),
            Err(error) if opens && is_missing(&error) => {}
            Ok(_) => return Err(JournalError::NoSuchRun { run: run.clone() }),
            Err(error) => return Err(no_such_run(error, run)),
        }
        let staged = format!("{NEW}{run}-{:08x}", rand::random::<u32>());
        let open = self.stage(run, &staged, events).and_then(|open| {
            self.root.rename(&staged, run.as_str())?;
            Ok(open)
        });
        let open = open.inspect_err(|_| drop(self.root.remove_folder(&staged)))?;
        Ok(self.hold(run, open))
    }

    fn stage(&self, run: &RunId, staged: &str, events: &[Event]) -> Result<OpenRun, JournalError> {
        let file = self.root.create(staged)?.file(JOURNAL, How::Create)?;
        if !self.lease(run, &file)? {
            return Err(self.refused(run, "another process took it while it was made"));
        }
        let mut open = OpenRun::new(run.clone(), self.path_of(run), file);
        open.append(events)?;
        Ok(open)
    }

    /// Takes a run that nobody holds. `None`, if it is held, closed, or gone meanwhile.
    fn take(&self, run: &RunId) -> Result<Option<Outstanding>, JournalError> {
        let Some(mut file) = self.file_to_take(run)? else {
            return Ok(None);
        };
        if !self.lease(run, &file)? || self.is_over(run, &file)? {
            return Ok(None);
        }
        let (scan, length) = self.scan(run, &mut file)?;
        let open = OpenRun::found(run.clone(), self.path_of(run), file, &scan, length);
        if open.is_closed() {
            return Ok(None);
        }
        if lock(&self.held).len() >= self.most_held {
            return Err(self.refused(run, "too many runs are held at once; it is left for the next recovery"));
        }
        self.hold(run, open);
        Ok(Some(Outstanding::new(run.clone(), scan.events, scan.damage)))
    }

    /// An empty folder is what a crash leaves before the first write, and gets a file to hold the lease.
    fn file_to_take(&self, run: &RunId) -> Result<Option<File>, JournalError> {
        let folder = match self.root.open(run.as_str()) {
            Err(error) if is_missing(&error) => return Ok(None),
            folder => folder?,
        };
        match folder.file(JOURNAL, How::Append) {
            Err(error) if is_missing(&error) && folder.names()?.is_empty() => {
                folder.file(JOURNAL, How::AppendOrCreate).map(Some)
            }
            file => file.map(Some),
        }
    }

    /// Whether a run was closed or removed, by the look of its last bytes.
    fn is_over(&self, run: &RunId, file: &File) -> Result<bool, JournalError> {
        let look = || {
            let stat = file.metadata()?;
            let start = stat.len().saturating_sub(TAIL);
            let mut tail = vec![0; usize::try_from(stat.len() - start).unwrap_or(0)];
            file.read_exact_at(&mut tail, start)?;
            Ok(stat.nlink() == 0 || ends_closed(&tail))
        };
        look().map_err(self.io(run, "read"))
    }

    fn scan(&self, run: &RunId, file: &mut File) -> Result<(Scan, u64), JournalError> {
        let mut bytes = Vec::new();
        let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
        let length = read.map_err(self.io(run, "read"))? as u64;
        if length > MAX_BYTES {
            return Err(self.refused(run, &format!("it is longer than {MAX_BYTES} bytes")));
        }
        Ok((scan(&bytes), length))
    }

    /// Clears away what a crash left of runs that never began, and of runs that were being removed. A folder whose maker may
    /// still be alive stays.
    fn sweep(&self, names: &[String]) {
        for name in names {
            let dead = || self.root.open(name).and_then(|folder| folder.file(JOURNAL, How::Append));
            let is_dead = |file: File| {
                sys::try_lease(&file).unwrap_or(false) && file.metadata().is_ok_and(|stat| stat.len() > 0)
            };
            if name.starts_with(OLD) || name.starts_with(NEW) && dead().is_ok_and(is_dead) {
                let _ = self.root.remove_folder(name);
            }
        }
    }

    fn file_of(&self, run: &RunId, how: How) -> Result<File, JournalError> {
        self.root.open(run.as_str())?.file(JOURNAL, how)
    }

    fn lease(&self, run: &RunId, file: &File) -> Result<bool, JournalError> {
        sys::try_lease(file).map_err(self.io(run, "lock"))
    }

    fn hold(&self, run: &RunId, open: OpenRun) -> Arc<Mutex<OpenRun>> {
        let open = Arc::new(Mutex::new(open));
        lock(&self.held).insert(run.clone(), Arc::clone(&open));
        open
    }

    fn held(&self, run: &RunId) -> Option<Arc<Mutex<OpenRun>>> {
        lock(&self.held).get(run).map(Arc::clone)
    }

    fn sync_names(&self, run: &RunId) -> Result<(), JournalError> {
        self.root.open(run.as_str())?.sync()?;
        self.root.sync()
    }

    fn io(&self, run: &RunId, operation: &'static str) -> impl FnOnce(io::Error) -> JournalError {
        let journal = self.path_of(run).display().to_string();
        move |source| JournalError::Io { operation, journal, source }
    }

    fn refused(&self, run: &RunId, why: &str) -> JournalError {
        JournalError::Refused { journal: self.path_of(run).display().to_string(), why: why.into() }
    }
}

impl Journal for FileJournal {
    fn append(&self, run: &RunId, events: &[Event], durability: Durability) -> Result<(), JournalError> {
        let known = self.held(run);
        let is_new = known.is_none();
        let open = known.map_or_else(|| self.begin(run, events), Ok)?;
        let mut open = lock(&open);
        if durability == Durability::Durable {
            open.check_syncs()?;
        }
        if !is_new {
            open.append(events)?;
        }
        if durability == Durability::Durable {
            open.sync(|| self.sync_names(run))?;
        }
        if open.is_closed() {
            open.trim();
            self.release(run);
        }
        Ok(())
    }

    fn outstanding(&self) -> Result<Vec<Outstanding>, JournalError> {
        let names = self.root.names()?;
        self.sweep(&names);
        let mut open = Vec::new();
        for run in self.runs()? {
            if self.held(&run).is_none() {
                open.extend(self.take(&run).unwrap_or_else(|error| Some(damaged(run, &error))));
            }
        }
        Ok(open)
    }

    fn release(&self, run: &RunId) {
        lock(&self.held).remove(run);
    }
}

fn damaged(run: RunId, error: &JournalError) -> Outstanding {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Outstanding::new(run, Vec::new(), Some(format!("{error}{}", cause.unwrap_or_default())))
}

fn no_such_run(error: JournalError, run: &RunId) -> JournalError {
    if is_missing(&error) { JournalError::NoSuchRun { run: run.clone() } } else { error }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
