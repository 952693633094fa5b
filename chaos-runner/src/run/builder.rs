use std::{sync::Arc, time::Duration};

use chaos_core::{
    clock::{Clock, SystemClock},
    journal::Journal,
    safety::{AllOf, SafetyPolicy},
    undo::{Reverter, ReverterRegistry},
};
use tokio::sync::OnceCell;

use super::{Runner, Shared, engine::Engine};
use crate::{
    error::RunError,
    journal::{FileJournal, TargetLocks},
    settings::Settings,
    sys,
};

/// Builds a [`Runner`].
#[derive(Debug)]
#[must_use = "a runner is made by `build`"]
pub struct RunnerBuilder {
    policy: AllOf,
    registry: ReverterRegistry,
    journal: Option<Arc<dyn Journal>>,
    locks: TargetLocks,
    clock: Arc<dyn Clock>,
    settings: Settings,
    handle_signals: bool,
    danger_allow_unrecovered: bool,
}

impl RunnerBuilder {
    pub(super) fn new(policy: impl SafetyPolicy) -> Self {
        Self {
            policy: AllOf::new().and(policy),
            registry: ReverterRegistry::new(),
            journal: None,
            locks: TargetLocks::in_process(),
            clock: Arc::new(SystemClock),
            settings: Settings::default(),
            handle_signals: false,
            danger_allow_unrecovered: false,
        }
    }

    /// Adds a safety policy; the worst verdict of all counts.
    pub fn policy(mut self, policy: impl SafetyPolicy) -> Self {
        self.policy = self.policy.and(policy);
        self
    }

    /// Sets the reverters that this program knows, for live rollback and for recovery.
    pub fn registry(mut self, registry: ReverterRegistry) -> Self {
        self.registry = registry;
        self
    }

    /// Adds one reverter.
    pub fn reverter(mut self, reverter: impl Reverter) -> Self {
        self.registry.register(reverter);
        self
    }

    /// Sets the journal; the default is a [`FileJournal`] at its default place.
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.journal = Some(Arc::new(journal));
        self
    }

    /// Sets how targets are locked. The default knows the runs of this process; a file journal's default locks know all.
    pub fn locks(mut self, locks: TargetLocks) -> Self {
        self.locks = locks;
        self
    }

    /// Sets the clock of stamps and operating windows. Timeouts do not depend on it.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets all times of a run.
    pub const fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets the time between two observations.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// Aborts and rolls back all runs on SIGINT and SIGTERM; the process lives on, and more signals change nothing.
    ///
    /// A library never takes signals over by itself: without this call they do what the program has arranged.
    pub const fn handle_signals(mut self) -> Self {
        self.handle_signals = true;
        self
    }

    /// Starts runs though earlier ones are not recovered: their faults may still be on.
    pub const fn danger_allow_unrecovered(mut self) -> Self {
        self.danger_allow_unrecovered = true;
        self
    }

    /// Makes the runner.
    ///
    /// # Errors
    /// [`RunError::Journal`], if the default journal cannot be opened; [`RunError::Thread`].
    pub fn build(self) -> Result<Runner, RunError> {
        let (journal, locks) = match self.journal {
            Some(journal) => (journal, self.locks),
            None => {
                let journal = FileJournal::open_default()?;
                let locks = journal.locks()?;
                (Arc::new(journal) as Arc<dyn Journal>, locks)
            }
        };
        let process = sys::process_id();
        let shutdown = self.settings.shutdown_timeout;
        let (engine, shared) = Engine::start(self.handle_signals, shutdown, |workers| {
            Arc::new(Shared {
                policy: self.policy,
                registry: self.registry,
                journal,
                clock: self.clock,
                settings: self.settings,
                locks,
                process,
                workers,
                danger_allow_unrecovered: self.danger_allow_unrecovered,
                recovered: OnceCell::new(),
                switches: Default::default(),
            })
        })
        .map_err(RunError::Thread)?;
        Ok(Runner::from_parts(engine, shared))
    }
}
