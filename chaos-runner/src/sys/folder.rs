use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use chaos_core::error::JournalError;
use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat, fchmod, fstat, fsync, mkdirat, openat,
        renameat, renameat_with, unlinkat,
    },
    io::Errno,
};

const FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Without `NONBLOCK` the opening of a FIFO in place of a file would wait for ever.
const FILE: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// To read it.
    Read,
    /// To read it and to write at its end.
    Append,
    /// The same; made if it is missing.
    AppendOrCreate,
    /// The same; an error if it exists.
    Create,
}

impl How {
    const fn flags(self) -> OFlags {
        let append = OFlags::RDWR.union(OFlags::APPEND);
        match self {
            Self::Read => OFlags::RDONLY,
            Self::Append => append,
            Self::AppendOrCreate => append.union(OFlags::CREATE),
            Self::Create => append.union(OFlags::CREATE).union(OFlags::EXCL),
        }
    }

    const fn operation(self) -> &'static str {
        match self {
            Self::Create => "create",
            _ => "open",
        }
    }
}

/// An open folder that only its owner may enter or change. All names are looked up relative to its descriptor, none through a link.
#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder that belongs to this user and that nobody else may write to; makes it, and what lies above it, with mode
    /// 0700 where it is missing.
    pub(crate) fn open_or_create(path: &Path) -> Result<Self, JournalError> {
        let path = whole(path).map_err(io_error("open", path))?;
        let folder = match open_folder(CWD, &path, &path) {
            Err(error) if is_missing(&error) => create_all(&path)?,
            other => other?,
        };
        folder.check(Mode::WGRP.union(Mode::WOTH))?;
        Ok(folder)
    }

    /// Opens a private folder within this one.
    pub(crate) fn open(&self, name: &str) -> Result<Self, JournalError> {
        let folder = open_folder(&self.fd, Path::new(name), &self.path.join(name))?;
        folder.check(Mode::RWXG.union(Mode::RWXO))?;
        Ok(folder)
    }

    /// Makes a private folder within this one, mode 0700 whatever the umask.
    pub(crate) fn create(&self, name: &str) -> Result<Self, JournalError> {
        let path = self.path.join(name);
        mkdirat(&self.fd, name, FOLDER_MODE).map_err(io_error("create", &path))?;
        let folder = open_folder(&self.fd, Path::new(name), &path)?;
        exact_mode(&folder.fd, FOLDER_MODE).map_err(io_error("create", &path))?;
        Ok(folder)
    }

    /// Opens a private file within this folder; a new one has mode 0600 whatever the umask.
    pub(crate) fn file(&self, name: &str, how: How) -> Result<File, JournalError> {
        let path = self.path.join(name);
        let failed = || io_error(how.operation(), &path);
        let opened = openat(&self.fd, name, FILE.union(how.flags()), FILE_MODE);
        let fd = opened.map_err(|error| refuse_link(error, &path, failed()))?;
        if how == How::Create {
            exact_mode(&fd, FILE_MODE).map_err(failed())?;
        }
        let stat = fstat(&fd).map_err(failed())?;
        check_file(&stat).map_err(refused(&path))?;
        Ok(File::from(fd))
    }

    /// The names within, in no order. Names that are not UTF-8 are left out: none of ours is like that.
    pub(crate) fn names(&self) -> Result<Vec<String>, JournalError> {
        let listed = || -> Result<Vec<String>, Errno> {
            let mut names = Vec::new();
            for entry in Dir::read_from(&self.fd)? {
                names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
            }
            names.retain(|name| name != "." && name != "..");
            Ok(names)
        };
        listed().map_err(io_error("list", &self.path))
    }

    /// Gives a folder or file within this one another name; an error if that name is taken.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), JournalError> {
        let renamed = match renameat_with(&self.fd, from, &self.fd, to, RenameFlags::NOREPLACE) {
            // Some file systems know no flags here. The plain call still replaces nothing but an empty folder.
            Err(Errno::INVAL | Errno::NOSYS) => renameat(&self.fd, from, &self.fd, to),
            other => other,
        };
        renamed.map_err(io_error("create", &self.path.join(to)))
    }

    /// Removes a file; none of that name is right too.
    pub(crate) fn remove_file(&self, name: &str) -> Result<(), JournalError> {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            other => other.map_err(io_error("remove", &self.path.join(name))),
        }
    }

    /// Removes a folder and the files in it. One that holds further folders is not ours, and stays.
    pub(crate) fn remove_folder(&self, name: &str) -> Result<(), JournalError> {
        let folder = self.open(name)?;
        for file in folder.names()? {
            folder.remove_file(&file)?;
        }
        unlinkat(&self.fd, name, AtFlags::REMOVEDIR).map_err(io_error("remove", &folder.path))
    }

    /// Brings the names within to disk.
    pub(crate) fn sync(&self) -> Result<(), JournalError> {
        fsync(&self.fd).map_err(io_error("sync", &self.path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn check(&self, forbidden: Mode) -> Result<(), JournalError> {
        let stat = fstat(&self.fd).map_err(io_error("open", &self.path))?;
        check_owner(&stat)
            .and_then(|()| check_mode(&stat, forbidden, "chmod 700"))
            .map_err(refused(&self.path))
    }
}

/// Whether an error says that there is no such file or folder.
pub(crate) fn is_missing(error: &JournalError) -> bool {
    matches!(error, JournalError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

fn open_folder(at: impl std::os::fd::AsFd, name: &Path, path: &Path) -> Result<Folder, JournalError> {
    let failed = io_error("open", path);
    let fd = openat(at, name, FOLDER, Mode::empty()).map_err(|error| refuse_link(error, path, failed))?;
    Ok(Folder { fd, path: path.to_owned() })
}

/// The names are synced too, up to the deepest folder that was there before.
fn create_all(path: &Path) -> Result<Folder, JournalError> {
    let failed = || io_error("create", path);
    let missing: Vec<&Path> = path.ancestors().take_while(|part| !part.exists()).collect();
    for part in missing.iter().rev() {
        match mkdirat(CWD, *part, FOLDER_MODE) {
            Err(Errno::EXIST) => {}
            other => other.map_err(failed())?,
        }
    }
    for part in missing.iter().filter_map(|part| part.parent()) {
        let parent = openat(CWD, part, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        parent.and_then(fsync).map_err(failed())?;
    }
    open_folder(CWD, path, path)
}

/// The path from `/` on and without a slash at its end, behind which the last link would be followed.
fn whole(path: &Path) -> io::Result<PathBuf> {
    Ok(std::path::absolute(path)?.components().collect())
}

fn check_file(stat: &Stat) -> Result<(), String> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err("it is not a regular file".into());
    }
    if stat.st_nlink > 1 {
        return Err(format!("it has {} hard links, only one is allowed", stat.st_nlink));
    }
    check_owner(stat)?;
    check_mode(stat, Mode::RWXG.union(Mode::RWXO), "chmod 600")
}

fn check_owner(stat: &Stat) -> Result<(), String> {
    let user = rustix::process::geteuid().as_raw();
    let owned = stat.st_uid == user;
    owned.then_some(()).ok_or_else(|| format!("user {} owns it, not user {user}", stat.st_uid))
}

fn check_mode(stat: &Stat, forbidden: Mode, fix: &str) -> Result<(), String> {
    let mode = Mode::from_raw_mode(stat.st_mode);
    let why = || format!("others have rights to it, mode {:04o} ({fix})", mode.bits() & 0o7777);
    (!mode.intersects(forbidden)).then_some(()).ok_or_else(why)
}

fn exact_mode(fd: &OwnedFd, mode: Mode) -> Result<(), Errno> {
    let all = Mode::RWXU.union(Mode::RWXG).union(Mode::RWXO);
    let exact = Mode::from_raw_mode(fstat(fd)?.st_mode).intersection(all) == mode;
    if exact { Ok(()) } else { fchmod(fd, mode) }
}

/// `NOFOLLOW` reports a link as a loop, and together with `DIRECTORY` as no directory.
fn refuse_link(error: Errno, path: &Path, otherwise: impl FnOnce(Errno) -> JournalError) -> JournalError {
    let why = match error {
        Errno::LOOP => "it is a symbolic link",
        Errno::NOTDIR if path.is_symlink() => "it is a symbolic link",
        Errno::NOTDIR => "it is not a folder",
        Errno::ISDIR => "it is not a regular file",
        other => return otherwise(other),
    };
    refused(path)(why.into())
}

fn io_error<E: Into<io::Error>>(operation: &'static str, path: &Path) -> impl FnOnce(E) -> JournalError {
    let journal = path.display().to_string();
    move |error| JournalError::Io { operation, journal, source: error.into() }
}

fn refused(path: &Path) -> impl FnOnce(String) -> JournalError {
    let journal = path.display().to_string();
    move |why| JournalError::Refused { journal, why }
}
