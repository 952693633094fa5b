use std::{sync::Arc, time::Duration};

use chaos_core::{
    clock::{Clock, SystemClock},
    journal::Journal,
    safety::{AllOf, SafetyPolicy},
    undo::{Reverter, ReverterRegistry},
};

use super::{Runner, Shared, engine::Engine};
use crate::{
    error::RunError,
    journal::{FileJournal, TargetLocks},
    settings::Settings,
    sys,
};

/// Where the journal is, and so how far the locks reach.
#[derive(Debug)]
enum Choice {
    Default,
    File(FileJournal),
    Other(Arc<dyn Journal>),
}

impl Choice {
    fn open(self) -> Result<(Arc<dyn Journal>, TargetLocks), RunError> {
        let journal = match self {
            Self::Default => FileJournal::open_default()?,
            Self::File(journal) => journal,
            Self::Other(journal) => return Ok((journal, TargetLocks::in_process())),
        };
        let locks = journal.target_locks()?;
        Ok((Arc::new(journal), locks))
    }
}

/// Builds a [`Runner`].
#[derive(Debug)]
#[must_use = "a runner is made by `build`"]
pub struct RunnerBuilder {
    policy: AllOf,
    registry: ReverterRegistry,
    journal: Choice,
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
            journal: Choice::Default,
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

    /// Sets the journal; the runs of this runner know each other's targets. The default is a [`FileJournal`] at its default place.
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.journal = Choice::Other(Arc::new(journal));
        self
    }

    /// Sets a journal in files; targets are locked against all processes that use the same place.
    pub fn file_journal(mut self, journal: FileJournal) -> Self {
        self.journal = Choice::File(journal);
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
    /// A library never takes signals over by itself: without this call they do what the program has arranged. With it they are
    /// taken over for the rest of the process: one that comes while no run is under way does nothing here, and the program
    /// listens for it beside, with `tokio::signal`.
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
        let (journal, locks) = self.journal.open()?;
        let process = sys::process_id();
        let shutdown = self.settings.shutdown_timeout;
        let (engine, shared) = Engine::start(self.handle_signals, shutdown, |workers, undoer| {
            Arc::new(Shared {
                policy: self.policy,
                registry: self.registry,
                journal,
                clock: self.clock,
                settings: self.settings,
                locks,
                process,
                workers,
                undoer: Some(undoer),
                loose: Default::default(),
                danger_allow_unrecovered: self.danger_allow_unrecovered,
                recovered: false.into(),
                switches: Default::default(),
            })
        })
        .map_err(RunError::Thread)?;
        Ok(Runner::from_parts(engine, shared))
    }
}
