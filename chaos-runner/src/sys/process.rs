use std::{fs, sync::OnceLock};

use chaos_core::undo::{Holder, ProcessId};
use rustix::process::{Resource, getrlimit};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The identity of this process, so that a reused pid is not mistaken for it.
///
/// Read once. Where `/proc` cannot be read, the boot id is empty and the start time 0; [`holder_of`] proves nothing by such fields.
pub(crate) fn process_id() -> ProcessId {
    static THIS: OnceLock<ProcessId> = OnceLock::new();
    let known = THIS.get_or_init(read_process_id);
    if known.pid == std::process::id() { known.clone() } else { read_process_id() }
}

/// Whether the process that holds a fault is this one, another that is alive, or gone. Never [`Holder::ThisEnded`].
///
/// Gone means: another boot, no process of that pid, another start time, or a process that only waits for its parent to look.
/// A pid counts within its PID namespace; across such a border the lease of the journal is the better witness.
pub(crate) fn holder_of(holder: &ProcessId) -> Holder {
    let this = process_id();
    if *holder == this {
        Holder::This
    } else if other_boot(holder, &this) || !runs(holder) {
        Holder::Gone
    } else {
        Holder::Alive
    }
}

/// Whether the effective user is root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How many descriptors this process may have open: the soft limit.
pub(crate) fn open_files_limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

fn other_boot(holder: &ProcessId, this: &ProcessId) -> bool {
    let known = !holder.boot_id.is_empty() && !this.boot_id.is_empty();
    known && holder.boot_id != this.boot_id
}

fn runs(holder: &ProcessId) -> bool {
    match fs::read(format!("/proc/{}/stat", holder.pid)) {
        Ok(stat) => parse_stat(&stat).is_none_or(|stat| stat.is_running_as(holder)),
        Err(_) => has_no_proc() && pid_exists(holder.pid),
    }
}

fn has_no_proc() -> bool {
    fs::metadata("/proc/self/stat").is_err()
}

fn pid_exists(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

fn read_process_id() -> ProcessId {
    let stat = fs::read("/proc/self/stat").ok();
    ProcessId {
        boot_id: fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned(),
        pid: std::process::id(),
        start_time: stat.and_then(|stat| parse_stat(&stat)).map_or(0, |stat| stat.start_time),
    }
}

/// What is read of `/proc/<pid>/stat`, by the numbering of proc_pid_stat(5).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// Field 3.
    state: u8,
    /// Field 20.
    threads: u64,
    /// Field 22, in clock ticks since boot.
    start_time: u64,
}

impl Stat {
    /// A zombie with further threads is a process whose first thread ended: it lives.
    fn is_running_as(&self, holder: &ProcessId) -> bool {
        let ended = matches!(self.state, b'Z' | b'X') && self.threads <= 1;
        let same = holder.start_time == 0 || holder.start_time == self.start_time;
        same && !ended
    }
}

/// The name in field 2 may hold anything, spaces and parentheses included, so counting begins after its last parenthesis.
fn parse_stat(stat: &[u8]) -> Option<Stat> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        threads: fields.get(17)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_again() {
        let this = process_id();
        assert_eq!(this.pid, std::process::id());
        assert_eq!(this.boot_id.len(), 36);
        assert!(this.start_time > 0);
        assert_eq!(holder_of(&this), Holder::This);
    }

    #[test]
    fn another_process_is_alive_until_its_pid_boot_or_start_differs() {
        let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
        let stat = fs::read(format!("/proc/{parent}/stat")).unwrap();
        let start_time = parse_stat(&stat).unwrap().start_time;
        let alive = ProcessId { pid: u32::try_from(parent).unwrap(), start_time, ..process_id() };
        assert_eq!(holder_of(&alive), Holder::Alive);
        let gone = [
            ProcessId { start_time: start_time + 1, ..alive.clone() },
            ProcessId { pid: u32::MAX, ..alive.clone() },
            ProcessId { boot_id: "another".into(), ..alive },
        ];
        assert!(gone.iter().all(|holder| holder_of(holder) == Holder::Gone));
    }

    #[test]
    fn a_reused_pid_of_our_own_is_gone() {
        let this = process_id();
        assert_eq!(holder_of(&ProcessId { start_time: this.start_time + 1, ..this }), Holder::Gone);
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let rest = (3..=22).map(|n| if n == 3 { "S".into() } else { n.to_string() });
        let stat = format!("7 (a) S 1 (b) {}", rest.collect::<Vec<String>>().join(" "));
        assert_eq!(parse_stat(stat.as_bytes()), Some(Stat { state: b'S', threads: 20, start_time: 22 }));
        assert_eq!(parse_stat(b"7 (a"), None);
    }

    #[test]
    fn a_zombie_is_gone_unless_threads_of_it_live() {
        let holder = ProcessId { boot_id: String::new(), pid: 1, start_time: 5 };
        let stat = |state, threads| Stat { state, threads, start_time: 5 };
        assert!(!stat(b'Z', 1).is_running_as(&holder));
        assert!(stat(b'Z', 2).is_running_as(&holder));
        assert!(stat(b'T', 1).is_running_as(&holder));
    }
}
