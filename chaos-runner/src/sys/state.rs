use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// Where runs are remembered: `/var/lib/chaos/runs` for root, else `$XDG_STATE_HOME/chaos/runs`, else
/// `~/.local/state/chaos/runs`. A relative `$XDG_STATE_HOME` is ignored, as the XDG Base Directory Specification asks.
pub(crate) fn default_root() -> PathBuf {
    root_of(super::process::is_root(), env::var_os("XDG_STATE_HOME"), env::home_dir())
}

fn root_of(is_root: bool, state_home: Option<OsString>, home: Option<PathBuf>) -> PathBuf {
    if is_root {
        return PathBuf::from("/var/lib/chaos/runs");
    }
    let state_home = state_home.map(PathBuf::from).filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute());
    let state = state_home.or_else(|| home.map(|home| home.join(".local/state")));
    state.unwrap_or_else(nameless).join("chaos/runs")
}

/// A user without a home directory still gets a folder that survives a reboot.
fn nameless() -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    Path::new("/var/tmp").join(format!("chaos-{user}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_one_place_and_users_their_own() {
        let home = || Some(PathBuf::from("/home/ann"));
        let at = |root, state: Option<&str>| root_of(root, state.map(OsString::from), home());
        assert_eq!(at(true, Some("/state")), Path::new("/var/lib/chaos/runs"));
        assert_eq!(at(false, Some("/state")), Path::new("/state/chaos/runs"));
        assert_eq!(at(false, Some("relative")), Path::new("/home/ann/.local/state/chaos/runs"));
        assert_eq!(at(false, None), Path::new("/home/ann/.local/state/chaos/runs"));
        assert!(root_of(false, None, None).starts_with("/var/tmp"));
    }
}
