//! The proxies of this process, by name: an undo record finds its proxy here as long as it lives.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use super::shared::Shared;

static PROXIES: Mutex<BTreeMap<String, Weak<Shared>>> = Mutex::new(BTreeMap::new());

fn proxies() -> MutexGuard<'static, BTreeMap<String, Weak<Shared>>> {
    PROXIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Enters a proxy; false if a live one has its name.
pub(super) fn enter(shared: &Arc<Shared>) -> bool {
    let mut proxies = proxies();
    proxies.retain(|_, proxy| proxy.upgrade().is_some_and(|shared| !shared.is_closed()));
    let free = !proxies.contains_key(&shared.name);
    if free {
        proxies.insert(shared.name.clone(), Arc::downgrade(shared));
    }
    free
}

/// The live proxy of this name.
pub(super) fn find(name: &str) -> Option<Arc<Shared>> {
    proxies().get(name)?.upgrade().filter(|shared| !shared.is_closed())
}

/// The names of all live proxies, in order.
pub(super) fn names() -> Vec<String> {
    let proxies = proxies();
    let live = proxies.iter().filter(|(_, proxy)| proxy.upgrade().is_some_and(|shared| !shared.is_closed()));
    live.map(|(name, _)| name.clone()).collect()
}
