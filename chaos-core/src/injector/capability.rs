use std::fmt;

use serde::{Deserialize, Serialize};

/// What ends a fault when its runner is killed. Printed in every plan; from strongest to weakest in the order of `Ord`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Guarantee {
    /// Ends with the process that runs the experiment: proxy, load, fail point.
    Process,
    /// Ends when the holder's descriptor closes, whatever kills the holder.
    KernelFd,
    /// Ends with its network namespace.
    KernelNs,
    /// Ends at a deadline inside the kernel.
    KernelTtl,
    /// Collected by the cluster.
    ClusterTtl,
    /// Undone by the watchdog process.
    Guardian,
    /// Undone at the next start, or by the operator.
    Recover,
    /// Cannot be undone; recovery is awaited and verified.
    Irreversible,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Process => "ends with the process",
            Self::KernelFd => "ends with its file descriptor",
            Self::KernelNs => "ends with its network namespace",
            Self::KernelTtl => "ends at a deadline inside the kernel",
            Self::ClusterTtl => "collected by the cluster",
            Self::Guardian => "undone by the guardian",
            Self::Recover => "undone at the next start",
            Self::Irreversible => "irreversible, recovery is verified",
        })
    }
}

/// Whether a fault can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reversal {
    /// The previous state is restored.
    Exact,
    /// Nothing can be restored; the system's own recovery is awaited. Needs an explicit opt-in.
    Irreversible,
}

/// Something that a fault needs from where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Need {
    /// A Linux capability, such as `CAP_NET_ADMIN`.
    Capability(String),
    /// A kernel module, such as `sch_netem`.
    KernelModule(String),
    /// A right at an API, such as `pods/eviction create`.
    Permission(String),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability(name) => write!(f, "capability {name}"),
            Self::KernelModule(name) => write!(f, "kernel module {name}"),
            Self::Permission(name) => write!(f, "permission {name}"),
        }
    }
}

/// What a fault promises and what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// What ends the fault when its runner is killed.
    pub guarantee: Guarantee,
    /// Whether it can be undone.
    pub reversal: Reversal,
    /// What it needs; empty for a fault that any user may inject.
    pub needs: Vec<Need>,
}

impl Capabilities {
    /// A reversible fault of this class that needs nothing.
    #[must_use]
    pub const fn new(guarantee: Guarantee) -> Self {
        let reversal = match guarantee {
            Guarantee::Irreversible => Reversal::Irreversible,
            _ => Reversal::Exact,
        };
        Self { guarantee, reversal, needs: Vec::new() }
    }

    /// A fault that this process holds and that ends with it.
    #[must_use]
    pub const fn process() -> Self {
        Self::new(Guarantee::Process)
    }

    /// Adds something that the fault needs.
    #[must_use]
    pub fn needing(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }
}
