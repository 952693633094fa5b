use std::time::Duration;

/// The times of a run. Every wait has a bound.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Between two observations; the first is taken at once. 1 s.
    pub interval: Duration,
    /// For one reading of the metrics. 5 s.
    pub sample_timeout: Duration,
    /// For how long the baseline may be unknown or deviate before the run is refused. Zero: it is read once.
    pub baseline_wait: Duration,
    /// For `prepare` of one fault. 10 s.
    pub prepare_timeout: Duration,
    /// For `inject` of one fault. 30 s.
    pub inject_timeout: Duration,
    /// For which an abort waits for a running inject before it is dropped. 5 s.
    pub join_timeout: Duration,
    /// Between two tries of an undo, and after an inject that could not be joined. 50 ms, doubled at each try up to 1 s.
    pub settle: Duration,
    /// For the whole undo of one fault, retries included. 30 s.
    pub rollback_timeout: Duration,
    /// For the steady state to come back after the rollback. 30 s.
    pub recovery_timeout: Duration,
    /// How many intervals of unknown metrics are borne while faults are on. 2.
    pub unknown_grace: u32,
    /// For the last rollbacks when the runner is dropped. 60 s.
    pub shutdown_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            sample_timeout: Duration::from_secs(5),
            baseline_wait: Duration::ZERO,
            prepare_timeout: Duration::from_secs(10),
            inject_timeout: Duration::from_secs(30),
            join_timeout: Duration::from_secs(5),
            settle: Duration::from_millis(50),
            rollback_timeout: Duration::from_secs(30),
            recovery_timeout: Duration::from_secs(30),
            unknown_grace: 2,
            shutdown_timeout: Duration::from_secs(60),
        }
    }
}
