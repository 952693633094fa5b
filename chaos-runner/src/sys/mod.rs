//! The only place of this crate that calls the system: safe rustix and std, no `unsafe`.

mod file;
mod folder;
mod process;
mod state;

#[cfg(test)]
pub(crate) use self::process::is_root;
pub(crate) use self::{
    file::{preallocate, sync_data, try_lease},
    folder::{Folder, How, is_missing},
    process::{holder_of, open_files_limit, process_id},
    state::default_root,
};
