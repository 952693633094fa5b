//! Names become addresses, and those are judged too: a name may point anywhere.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::source::endpoint::is_blocked;

/// The system's resolver, without the addresses that are never asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guarded {
    /// Drops all that is not on this host, as plain HTTP demands.
    pub(super) loopback_only: bool,
}

/// A name has only addresses that are never asked.
#[derive(Debug, thiserror::Error)]
#[error("{host} resolves to the blocked address {address}")]
pub(super) struct Blocked {
    pub(super) host: String,
    pub(super) address: IpAddr,
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted = guard.admit(name.as_str(), found.collect())?;
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

impl Guarded {
    fn admit(self, host: &str, mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Blocked> {
        let refused = found.iter().map(SocketAddr::ip).find(|address| !self.admits(*address));
        found.retain(|address| self.admits(address.ip()));
        match refused {
            Some(address) if found.is_empty() => Err(Blocked { host: host.to_owned(), address }),
            _ => Ok(found),
        }
    }

    fn admits(self, address: IpAddr) -> bool {
        !is_blocked(address) && (!self.loopback_only || address.to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(all: &[&str]) -> Vec<SocketAddr> {
        all.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn blocked_addresses_are_left_out() {
        let guard = Guarded { loopback_only: false };
        let found = addresses(&["169.254.169.254", "10.0.0.1", "fe80::1"]);
        assert_eq!(guard.admit("h", found).unwrap(), addresses(&["10.0.0.1"]));
    }

    #[test]
    fn a_name_of_nothing_else_is_refused() {
        let guard = Guarded { loopback_only: false };
        let error = guard.admit("metadata.internal", addresses(&["169.254.169.254"])).unwrap_err();
        assert_eq!(error.to_string(), "metadata.internal resolves to the blocked address 169.254.169.254");
        assert_eq!(guard.admit("h", Vec::new()).unwrap(), Vec::new());
    }

    #[test]
    fn plain_http_stays_on_this_host() {
        let guard = Guarded { loopback_only: true };
        assert!(guard.admit("localhost", addresses(&["10.0.0.1"])).is_err());
        assert_eq!(guard.admit("localhost", addresses(&["::1", "10.0.0.1"])).unwrap(), addresses(&["::1"]));
    }
}
