//! One error an operation, so that a caller knows what failed and what to do.

use std::{error::Error as StdError, fmt, time::Duration};

use crate::{id::FaultKind, id::RunId, scope::Target};

/// A private cause of a back end, kept for `source()`.
pub type Source = Box<dyn StdError + Send + Sync>;

/// One thing that is wrong with an input: where, what, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The field, as a path: `faults[0].spec.latency`. Empty for the whole input.
    pub path: String,
    /// What is wrong, with the offending value.
    pub message: String,
    /// What would be right, where the message does not say so.
    pub hint: Option<String>,
    /// Line and column, both from 1, where the input is a text.
    pub at: Option<(u64, u64)>,
}

impl Problem {
    /// A problem of the field at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), hint: None, at: None }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds line and column, both from 1.
    #[must_use]
    pub const fn at(mut self, line: u64, column: u64) -> Self {
        self.at = Some((line, column));
        self
    }

    /// Puts `prefix` before the path: `faults[0]` and `spec` become `faults[0].spec`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        let dot =
            if self.path.is_empty() || self.path.starts_with('[') || prefix.is_empty() { "" } else { "." };
        self.path = format!("{prefix}{dot}{}", self.path);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            write!(f, "{line}:{column}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// An experiment, a spec or a plan that cannot be run. Reports every problem, not the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    subject: String,
    problems: Vec<Problem>,
}

impl PlanError {
    /// The problems of `subject`: a file's name, or what was to be built.
    #[must_use]
    pub fn new(subject: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self { subject: subject.into(), problems }
    }

    /// An error if there are problems.
    ///
    /// # Errors
    /// All of `problems`, if there are any.
    pub fn check(subject: impl Into<String>, problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self::new(subject, problems)) }
    }

    /// Everything that is wrong.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Takes the problems out, to report them under another path.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "{}: {count} {noun}", self.subject)?;
        self.problems.iter().try_for_each(|problem| match problem.at {
            Some(_) => write!(f, "\n  {}:{problem}", self.subject),
            None => write!(f, "\n  {problem}"),
        })
    }
}

impl StdError for PlanError {}

/// Why a fault could not be prepared or injected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InjectError {
    /// The spec is wrong.
    #[error("invalid spec of {kind}")]
    Invalid {
        /// The fault's kind.
        kind: FaultKind,
        /// All problems.
        #[source]
        source: PlanError,
    },
    /// A capability, kernel module or permission is missing.
    #[error("{kind} needs {need}: {fix}")]
    Missing {
        /// The fault's kind.
        kind: FaultKind,
        /// What is missing.
        need: String,
        /// What to do, or which variant does without.
        fix: String,
    },
    /// There is nothing to act on.
    #[error("{kind} finds no target: {why}")]
    NoTargets {
        /// The fault's kind.
        kind: FaultKind,
        /// Why there is none.
        why: String,
    },
    /// The target belongs to somebody else, or our own fault is on it already; faults are never stacked.
    #[error("{kind} conflicts on {target}: {why}")]
    Conflict {
        /// The fault's kind.
        kind: FaultKind,
        /// The target that is taken.
        target: Target,
        /// By what.
        why: String,
    },
    /// The target is protected.
    #[error("{kind} refuses {target}: {why}")]
    Protected {
        /// The fault's kind.
        kind: FaultKind,
        /// The protected target.
        target: Target,
        /// Why it is protected, and what would allow it.
        why: String,
    },
    /// The operation itself failed.
    #[error("{kind} failed to {operation}")]
    Failed {
        /// The fault's kind.
        kind: FaultKind,
        /// What was being done: `inject`, `read the present state`.
        operation: String,
        /// The cause.
        #[source]
        source: Source,
    },
}

impl InjectError {
    /// Wraps a back end's error.
    pub fn failed(kind: FaultKind, operation: impl Into<String>, source: impl Into<Source>) -> Self {
        Self::Failed { kind, operation: operation.into(), source: source.into() }
    }
}

/// Why a fault could not be undone, or its absence not be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevertError {
    /// The record cannot be read: another version, or damaged. It is kept and reported.
    #[error("cannot read the undo record of {kind}: {why}")]
    Record {
        /// The record's kind.
        kind: FaultKind,
        /// What is wrong with it.
        why: String,
    },
    /// No reverter of this kind is registered in this program.
    #[error("no reverter for {kind} in this program")]
    UnknownKind {
        /// The record's kind.
        kind: FaultKind,
    },
    /// The deadline passed.
    #[error("undo of {kind} took longer than {limit:?}")]
    TimedOut {
        /// The record's kind.
        kind: FaultKind,
        /// The bound.
        limit: Duration,
    },
    /// The reverter or the live fault panicked.
    #[error("undo of {kind} panicked: {message}")]
    Panicked {
        /// The record's kind.
        kind: FaultKind,
        /// The panic's text.
        message: String,
    },
    /// The operation failed.
    #[error("failed to {operation} while undoing {kind}")]
    Failed {
        /// The record's kind.
        kind: FaultKind,
        /// What was being done.
        operation: String,
        /// Whether another try may succeed.
        retryable: bool,
        /// The cause.
        #[source]
        source: Source,
    },
}

impl RevertError {
    /// Wraps a back end's error.
    pub fn failed(
        kind: FaultKind,
        operation: impl Into<String>,
        retryable: bool,
        source: impl Into<Source>,
    ) -> Self {
        Self::Failed { kind, operation: operation.into(), retryable, source: source.into() }
    }

    /// Whether another try may succeed.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Record { .. } | Self::UnknownKind { .. } => false,
            Self::TimedOut { .. } | Self::Panicked { .. } => true,
            Self::Failed { retryable, .. } => *retryable,
        }
    }
}

/// Why a source yields no metrics at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// No answer in time.
    #[error("metrics of {from} timed out after {limit:?}")]
    TimedOut {
        /// The source, without secrets.
        from: String,
        /// The bound.
        limit: Duration,
    },
    /// The source panicked.
    #[error("metrics of {from} panicked: {message}")]
    Panicked {
        /// The source.
        from: String,
        /// The panic's text.
        message: String,
    },
    /// The source failed.
    #[error("cannot read the metrics of {from}")]
    Failed {
        /// The source, without secrets.
        from: String,
        /// The cause.
        #[source]
        source: Source,
    },
}

/// Why the journal could not be written or read. Before an injection this is final: no journal, no fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// An operation on the store failed.
    #[error("cannot {operation} the journal {journal}")]
    Io {
        /// What was being done: `create`, `append to`, `sync`.
        operation: &'static str,
        /// The journal's place.
        journal: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The journal is not to be trusted, or not whole.
    #[error("refused the journal {journal}: {why}")]
    Refused {
        /// The journal's place.
        journal: String,
        /// Why.
        why: String,
    },
    /// An event was appended to a run that this journal does not hold.
    #[error("the journal holds no open run {run}")]
    NoSuchRun {
        /// The run.
        run: RunId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_its_place_its_path_and_what_would_be_right() {
        let problem = Problem::new("latency", "duration `5` has no unit").hint("write 5ms").at(3, 7);
        let problem = problem.under("faults[0].spec");
        assert_eq!(problem.to_string(), "3:7: faults[0].spec.latency: duration `5` has no unit (write 5ms)");
        assert_eq!(Problem::new("[1]", "m").under("faults").path, "faults[1]");
        assert_eq!(Problem::new("", "m").under("faults").path, "faults");
        assert_eq!(Problem::new("a", "m").under("").path, "a");
        let error = PlanError::new("game.yaml", vec![problem, Problem::new("", "no faults")]);
        insta::assert_snapshot!(error, @r"
        game.yaml: 2 problems
          game.yaml:3:7: faults[0].spec.latency: duration `5` has no unit (write 5ms)
          no faults
        ");
        assert!(PlanError::check("x", Vec::new()).is_ok());
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let kind = FaultKind::from_static("a.b");
        let failed = |retryable| RevertError::failed(kind.clone(), "delete", retryable, "busy");
        assert!(failed(true).retryable() && !failed(false).retryable());
        assert!(RevertError::TimedOut { kind: kind.clone(), limit: Duration::ZERO }.retryable());
        assert!(RevertError::Panicked { kind: kind.clone(), message: String::new() }.retryable());
        assert!(!RevertError::UnknownKind { kind: kind.clone() }.retryable());
        assert!(!RevertError::Record { kind: kind.clone(), why: String::new() }.retryable());
        assert_eq!(failed(true).to_string(), "failed to delete while undoing a.b");
        assert_eq!(failed(true).source().unwrap().to_string(), "busy");
    }
}
