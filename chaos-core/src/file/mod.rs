//! The experiment file, version 1: an experiment, its faults and its limits as YAML.
//!
//! ```yaml
//! version: 1
//! title: Slow database
//! hypothesis: Orders are still accepted, with <1% error rate
//! blast_radius: { text: "The connection to one database", max_targets: 1 }
//! rollback_plan: The proxy passes everything again
//! steady_state:
//!   strategy: default
//!   tolerances: [ error_rate < 1%, latency_p99 < 300ms ]
//! faults:
//!   - id: slow-db
//!     kind: proxy.latency
//!     spec: { latency: 200ms }
//! criteria:
//!   - error rate < 5%
//!   - No order is lost
//! limits: { max_error_rate: 10%, max_latency_p99: 2s, max_duration: 5m }
//! window: always
//! duration: 30s
//! interval: 500ms
//! seed: 7
//! ```
//!
//! `version`, `title`, `faults` and `limits` have to be there; a limit that `limits` leaves out has the default of
//! [`SafetyConstraints`]. `blast_radius` is a text or a map of [`BlastRadius`](crate::scope::BlastRadius), `criteria` a text or a
//! list, `window` is `always`, `only_during` or `never_during` with a [`Span`](crate::safety::Span). A file is UTF-8 of at most
//! 1 MiB without anchors, aliases, tags and directives, nested at most 32 deep, with 1 to 256 faults. Numbers are decimal:
//! `0777`, `1_000`, `0x1F` and `no` are texts.

mod read;
mod section;
mod yaml;

use std::time::Duration;

use crate::{
    error::PlanError,
    experiment::Experiment,
    id::{FaultId, FaultKind},
    injector::Injector,
    safety::SafetyConstraints,
    spec::{FaultFactory, SpecValue},
};

/// An experiment file that was read: every value is valid, and the faults are still specs.
///
/// ```
/// use chaos_core::file::ExperimentFile;
/// let text = "version: 1\ntitle: t\nlimits: { max_duration: 5 }\nfaults: [ { kind: proxy.latency, spek: {} } ]\n";
/// let error = ExperimentFile::parse("game.yaml", text).unwrap_err();
/// assert_eq!(error.to_string(), "game.yaml: 2 problems
///   game.yaml:3:25: limits.max_duration: expected a duration with its unit, such as \"200ms\" or \"1m30s\", found 5
///   game.yaml:4:34: faults[0].spek: unknown field `spek` (did you mean `spec`?)");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ExperimentFile {
    name: String,
    experiment: Experiment,
    constraints: SafetyConstraints,
    interval: Option<Duration>,
    faults: Vec<FaultEntry>,
}

/// One fault of a file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FaultEntry {
    /// Its id, where it has one.
    pub id: Option<FaultId>,
    /// Its kind.
    pub kind: FaultKind,
    /// What it is told.
    pub spec: SpecValue,
    whole: SpecValue,
}

/// A fault that was built from its spec; nothing is injected.
#[derive(Debug)]
pub struct BuiltFault {
    /// Its id within the run.
    pub id: FaultId,
    /// The fault.
    pub injector: Box<dyn Injector>,
}

impl ExperimentFile {
    /// The most faults of a file.
    pub const MAX_FAULTS: usize = 256;

    /// Reads a file's text; `name` is what the problems call it.
    ///
    /// # Errors
    /// [`PlanError`] with every problem at its line and column.
    pub fn parse(name: &str, text: &str) -> Result<Self, PlanError> {
        Self::parse_bytes(name, text.as_bytes())
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`PlanError`] with every problem at its line and column.
    pub fn parse_bytes(name: &str, bytes: &[u8]) -> Result<Self, PlanError> {
        read::file(name, bytes).map_err(|problems| PlanError::new(name, problems))
    }

    /// The experiment, planned.
    #[must_use]
    pub fn experiment(&self) -> Experiment {
        self.experiment.clone()
    }

    /// The limits and the window.
    #[must_use]
    pub fn constraints(&self) -> SafetyConstraints {
        self.constraints.clone()
    }

    /// How often the metrics are sampled, where the file says so.
    #[must_use]
    pub const fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// The faults, in the order of the file.
    #[must_use]
    pub fn faults(&self) -> &[FaultEntry] {
        &self.faults
    }

    /// Builds the faults, in the order of the file; one without an id is named by its place: `fault-1`.
    ///
    /// # Errors
    /// [`PlanError`] with the problems of all faults.
    pub fn build_faults(&self, factory: &FaultFactory) -> Result<Vec<BuiltFault>, PlanError> {
        let (mut built, mut problems) = (Vec::new(), Vec::new());
        for (index, entry) in self.faults.iter().enumerate() {
            match entry.build(factory) {
                Ok(injector) => built.push(BuiltFault { id: entry.id_at(index), injector }),
                Err(error) => problems.extend(error.into_problems()),
            }
        }
        problems.sort_by_key(|problem| problem.at);
        PlanError::check(self.name.as_str(), problems).map(|()| built)
    }
}

impl FaultEntry {
    fn id_at(&self, index: usize) -> FaultId {
        self.id.clone().unwrap_or_else(|| FaultId::numbered(index))
    }

    fn build(&self, factory: &FaultFactory) -> Result<Box<dyn Injector>, PlanError> {
        if factory.kinds().any(|kind| *kind == self.kind) {
            factory.build(&self.kind, &self.spec)
        } else {
            let unknown = PlanError::new(self.kind.as_str(), vec![factory.unknown(&self.kind)]);
            Err(self.whole.locate(unknown))
        }
    }
}
