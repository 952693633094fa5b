use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
};

use chaos_core::{
    error::JournalError,
    id::RunId,
    journal::{Event, EventBody},
};

use super::{record::encode, scan::Scan, told::Told};
use crate::sys;

/// The longest journal that is read, in bytes. Intents are refused from half of it on.
pub(super) const MAX_BYTES: u64 = 256 << 20;

/// Space that is kept for the end of a run, and for what is said of each fault after its intent.
const RESERVE: u64 = 8 << 10;
const RESERVE_OF_A_FAULT: u64 = 1 << 10;
const RESERVE_STEP: u64 = 16 << 10;

/// What may stay reserved of a closed run: giving space back can take as long as a sync.
const KEPT: u64 = 64 << 10;

/// The journal of one run, held by this process: its one descriptor carries the lease.
#[derive(Debug)]
pub(super) struct OpenRun {
    run: RunId,
    place: PathBuf,
    file: File,
    /// Where the next record belongs.
    end: u64,
    /// What lies behind `end` has to go before the next write.
    torn: bool,
    next: u64,
    reserved: u64,
    told: Told,
    unsynced: bool,
    names_synced: bool,
    sync_failed: bool,
}

impl OpenRun {
    /// A new run; its file at `place` is empty and leased.
    pub(super) fn new(run: RunId, place: PathBuf, file: File) -> Self {
        Self {
            run,
            place,
            file,
            end: 0,
            torn: false,
            next: 1,
            reserved: 0,
            told: Told::default(),
            unsynced: false,
            names_synced: false,
            sync_failed: false,
        }
    }

    /// A run that another process left open; its file is leased. Nothing is known of its last writes, so all is synced again.
    pub(super) fn found(run: RunId, place: PathBuf, file: File, scan: &Scan, length: u64) -> Self {
        let mut open = Self::new(run, place, file);
        open.end = scan.end;
        open.torn = length > scan.end;
        open.next = scan.next;
        open.told = Told::of(&scan.events);
        open.unsynced = true;
        open
    }

    /// Whether the run was closed.
    pub(super) const fn is_closed(&self) -> bool {
        self.told.is_closed()
    }

    /// Whether an earlier sync failed. After that nothing is durable any more: what the kernel dropped then is not written by a
    /// later call.
    pub(super) fn check_syncs(&self) -> Result<(), JournalError> {
        let failed = || self.io("sync", io::Error::other("an earlier sync failed"));
        if self.sync_failed { Err(failed()) } else { Ok(()) }
    }

    /// Writes what is news of the events, in one write.
    pub(super) fn append(&mut self, events: &[Event]) -> Result<(), JournalError> {
        let news: Vec<&Event> = events.iter().filter(|event| self.told.is_news(&event.body)).collect();
        if news.is_empty() {
            return Ok(());
        }
        if self.is_closed() {
            return Err(JournalError::NoSuchRun { run: self.run.clone() });
        }
        let lines = self.encode(&news)?;
        self.reserve(lines.len() as u64, &news)?;
        self.write(lines).map_err(|error| self.io("append to", error))?;
        self.next += news.len() as u64;
        news.iter().for_each(|event| self.told.note(&event.body));
        Ok(())
    }

    /// Brings all to disk; `names` does so for the folders, once.
    pub(super) fn sync(
        &mut self,
        names: impl FnOnce() -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        self.check_syncs()?;
        if self.unsynced {
            self.synced(sys::sync_data(&self.file).map_err(|error| self.io("sync", error)))?;
            self.unsynced = false;
        }
        if !self.names_synced {
            self.synced(names())?;
            self.names_synced = true;
        }
        Ok(())
    }

    /// Gives back the space that was reserved and is worth it.
    pub(super) fn trim(&self) {
        if self.reserved > self.end + KEPT {
            let _ = self.file.set_len(self.end);
        }
    }

    fn encode(&self, news: &[&Event]) -> Result<Vec<u8>, JournalError> {
        let mut lines = Vec::with_capacity(256 * news.len());
        for (sequence, event) in (self.next..).zip(news) {
            encode(&mut lines, sequence, event).map_err(|error| self.refused(error.to_string()))?;
        }
        Ok(lines)
    }

    /// Intents are written only if what has to be said after them has its space; all else is written as far as it goes.
    fn reserve(&mut self, length: u64, news: &[&Event]) -> Result<(), JournalError> {
        let opens = matches!(news.first().map(|event| &event.body), Some(EventBody::Run(_)));
        let intents = news.iter().filter(|event| matches!(event.body, EventBody::Intent { .. })).count();
        if intents == 0 && !opens {
            return Ok(());
        }
        let faults = (self.told.duties() + intents) as u64;
        let wanted = self.end + length + RESERVE + faults * RESERVE_OF_A_FAULT;
        if wanted > MAX_BYTES / 2 {
            return Err(self.refused(format!("no more than {} bytes are kept of a run", MAX_BYTES / 2)));
        }
        if wanted > self.reserved {
            let wanted = wanted.next_multiple_of(RESERVE_STEP);
            sys::preallocate(&self.file, self.end, wanted - self.end)
                .map_err(|error| self.io("reserve space for", error))?;
            self.reserved = wanted;
        }
        Ok(())
    }

    fn write(&mut self, mut lines: Vec<u8>) -> io::Result<()> {
        if self.torn && self.file.set_len(self.end).is_err() {
            self.end = self.file.metadata()?.len();
            // The torn tail becomes a line of its own, which is reported, and hides nothing behind it.
            lines.insert(0, b'\n');
        }
        self.unsynced = true;
        let written = self.file.write_all(&lines);
        self.torn = written.is_err();
        written?;
        self.end += lines.len() as u64;
        Ok(())
    }

    fn synced(&mut self, result: Result<(), JournalError>) -> Result<(), JournalError> {
        self.sync_failed |= result.is_err();
        result
    }

    fn io(&self, operation: &'static str, source: io::Error) -> JournalError {
        JournalError::Io { operation, journal: self.place.display().to_string(), source }
    }

    fn refused(&self, why: String) -> JournalError {
        JournalError::Refused { journal: self.place.display().to_string(), why }
    }
}

/// A descriptor that a child inherited would keep the lease, so it is given back by name.
impl Drop for OpenRun {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}
