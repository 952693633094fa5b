use std::fmt;

use super::stage::{Outcome, Stop};

/// A test that could not say anything, and why. Skips are visible, so that a caller can insist on there being none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// The test.
    pub case: &'static str,
    /// Why it says nothing here.
    pub why: String,
}

/// A test that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The test.
    pub case: &'static str,
    /// What was expected, and what was found.
    pub why: String,
}

/// What became of each test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "a report says nothing until it is looked at: `assert_passed`"]
#[non_exhaustive]
pub struct Report {
    /// The tests that ran and passed.
    pub ran: Vec<&'static str>,
    /// The tests that could not say anything.
    pub skipped: Vec<Skip>,
    /// The tests that failed.
    pub failed: Vec<Failure>,
}

impl Report {
    /// Goes on if at least one test ran and none failed.
    ///
    /// # Panics
    /// With the whole report otherwise.
    pub fn assert_passed(&self) {
        assert!(self.failed.is_empty() && !self.ran.is_empty(), "{self}");
    }

    /// The names of the tests that were skipped.
    #[must_use]
    pub fn skipped_names(&self) -> Vec<&'static str> {
        self.skipped.iter().map(|skip| skip.case).collect()
    }

    /// The names of the tests that failed.
    #[must_use]
    pub fn failed_names(&self) -> Vec<&'static str> {
        self.failed.iter().map(|failure| failure.case).collect()
    }

    pub(super) fn note(&mut self, case: &'static str, outcome: Outcome) {
        match outcome {
            Ok(()) => self.ran.push(case),
            Err(Stop::Skip(why)) => self.skipped.push(Skip { case, why }),
            Err(Stop::Fail(why)) => self.failed.push(Failure { case, why }),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ran, skipped, failed) = (self.ran.len(), self.skipped.len(), self.failed.len());
        write!(f, "conformance: {ran} passed, {skipped} skipped, {failed} failed")?;
        self.failed.iter().try_for_each(|Failure { case, why }| write!(f, "\n  FAILED {case}: {why}"))?;
        self.skipped.iter().try_for_each(|Skip { case, why }| write!(f, "\n  skipped {case}: {why}"))
    }
}
