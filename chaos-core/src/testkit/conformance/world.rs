use std::{any::Any, fmt, future::Future, pin::Pin, sync::Arc};

use async_trait::async_trait;

use super::super::StateOracle;
use crate::{
    injector::Injector,
    undo::{ProcessId, Reverter, ReverterRegistry, Snapshot},
};

type Hook<T> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = T> + Send>> + Send + Sync>;

/// Makes fresh worlds. Any async closure without arguments that returns a [`World`] is one.
#[async_trait]
pub trait Case: Send + Sync {
    /// A fresh world, in which nothing is injected yet.
    async fn world(&self) -> World;
}

#[async_trait]
impl<F, W> Case for F
where
    F: Fn() -> W + Send + Sync,
    W: Future<Output = World> + Send,
{
    async fn world(&self) -> World {
        self().await
    }
}

/// What one test of the suite acts on.
pub struct World {
    pub(super) injector: Arc<dyn Injector>,
    pub(super) reverters: ReverterRegistry,
    pub(super) oracle: Option<Arc<dyn StateOracle>>,
    pub(super) drive: Option<Hook<()>>,
    pub(super) foreign: Option<Hook<Snapshot>>,
    pub(super) holder: ProcessId,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl World {
    /// A world with this fault. One of class `Process` needs nothing more.
    #[must_use]
    pub fn new(injector: impl Injector) -> Self {
        Self {
            injector: Arc::new(injector),
            reverters: ReverterRegistry::new(),
            oracle: None,
            drive: None,
            foreign: None,
            holder: ProcessId { boot_id: "conformance".into(), pid: std::process::id(), start_time: 0 },
            kept: Vec::new(),
        }
    }

    /// Adds the fault's reverter.
    #[must_use]
    pub fn reverter(mut self, reverter: impl Reverter) -> Self {
        self.reverters.register(reverter);
        self
    }

    /// Sets all reverters, as a program registers them.
    #[must_use]
    pub fn reverters(mut self, reverters: ReverterRegistry) -> Self {
        self.reverters = reverters;
        self
    }

    /// Sets what sees the state. Only a fault of class `Process` can do without.
    #[must_use]
    pub fn oracle(mut self, oracle: impl StateOracle) -> Self {
        self.oracle = Some(Arc::new(oracle));
        self
    }

    /// Sets what happens between `inject` and `effect`: the traffic that the effect check measures.
    #[must_use]
    pub fn drive<W>(mut self, drive: impl Fn() -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.drive = Some(Box::new(move || Box::pin(drive())));
        self
    }

    /// Sets how somebody else changes the target while the fault is on. The closure returns the lines of the oracle that have to
    /// be there after the undo, since they are not ours.
    #[must_use]
    pub fn foreign<W>(mut self, change: impl Fn() -> W + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Snapshot> + Send + 'static,
    {
        self.foreign = Some(Box::new(move || Box::pin(change())));
        self
    }

    /// Sets the process that the undo records name.
    #[must_use]
    pub fn holder(mut self, holder: ProcessId) -> Self {
        self.holder = holder;
        self
    }

    /// Keeps something alive as long as the world: a server, a namespace, a temporary folder.
    #[must_use]
    pub fn keep(mut self, thing: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(thing));
        self
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("injector", &self.injector)
            .field("reverters", &self.reverters)
            .field("oracle", &self.oracle)
            .field("drive", &self.drive.is_some())
            .field("foreign", &self.foreign.is_some())
            .field("kept", &self.kept.len())
            .finish_non_exhaustive()
    }
}

#[expect(dead_code, reason = "pins that the trait can be a trait object")]
fn object_safe(_: &dyn Case) {}
