//! What may be touched, as data.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::Problem,
    text::{excerpt, present, text_serde},
    units::Percent,
};

/// One thing that a fault touches, as `class:name`: `tcp-proxy:db`, `netns:web`. Two experiments never hold the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    class: String,
    name: String,
}

/// The text is not `class:name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid target `{0}`: write class:name without control characters, such as tcp-proxy:db")]
pub struct InvalidTarget(String);

impl Target {
    /// A target of a class. Control characters become `?`, a colon in the class `-`, and nothing at all `unnamed`, so that a
    /// target is always one line and reads back as it was written.
    #[must_use]
    pub fn new(class: &str, name: &str) -> Self {
        Self { class: one_line(&class.replace(':', "-")), name: one_line(name) }
    }

    /// The class, such as `tcp-proxy`.
    #[must_use]
    pub fn class(&self) -> &str {
        &self.class
    }

    /// The name within the class.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn one_line(text: &str) -> String {
    if text.is_empty() {
        return "unnamed".into();
    }
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let invalid = || InvalidTarget(excerpt(text));
        let (class, name) = text.split_once(':').ok_or_else(invalid)?;
        let whole = !class.is_empty() && !name.is_empty() && !text.chars().any(char::is_control);
        whole.then(|| Self { class: class.into(), name: name.into() }).ok_or_else(invalid)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.class, self.name)
    }
}

text_serde!(Target, "a target such as \"tcp-proxy:db\"");

/// What one fault touches: its targets, and of how many they were chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The concrete targets.
    pub targets: Vec<Target>,
    /// How many there were to choose from, where that was counted.
    pub population: Option<usize>,
}

/// The scope of impact: the words of the experiment, and the limits that are checked.
///
/// Without limits every target that a fault names is admitted; the text alone limits nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlastRadius {
    /// The words of the experiment, verbatim.
    pub text: String,
    /// At most this many targets, over all faults.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub max_targets: Option<usize>,
    /// At most this share of a counted population, for each fault.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub max_share: Option<Percent>,
    /// If not empty, nothing else may be touched.
    pub only: Vec<Target>,
    /// Never touched.
    pub protected: Vec<Target>,
}

impl BlastRadius {
    /// A blast radius in words, without limits.
    #[must_use]
    pub fn described(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Admits at most `count` targets over all faults.
    #[must_use]
    pub const fn max_targets(mut self, count: usize) -> Self {
        self.max_targets = Some(count);
        self
    }

    /// Admits at most this share of a counted population.
    #[must_use]
    pub const fn max_share(mut self, share: Percent) -> Self {
        self.max_share = Some(share);
        self
    }

    /// Admits nothing but the targets named here.
    #[must_use]
    pub fn only(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.only.extend(targets);
        self
    }

    /// Never admits these targets.
    #[must_use]
    pub fn protect(mut self, targets: impl IntoIterator<Item = Target>) -> Self {
        self.protected.extend(targets);
        self
    }

    /// All that lies outside.
    #[must_use]
    pub fn problems(&self, scopes: &[Scope]) -> Vec<Problem> {
        let mut problems: Vec<Problem> = scopes.iter().flat_map(|scope| self.of_scope(scope)).collect();
        let planned: usize = scopes.iter().map(|scope| scope.targets.len()).sum();
        if let Some(max) = self.max_targets.filter(|max| planned > *max) {
            problems.push(exceeded(format!("{planned} targets are planned, at most {max} are allowed")));
        }
        problems
    }

    fn of_scope(&self, scope: &Scope) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            scope.targets.iter().filter_map(|target| self.of_target(target)).collect();
        if scope.targets.is_empty() {
            problems.push(Problem::new("blast_radius", "a fault names no target"));
        }
        if let (Some(share), Some(population)) = (self.max_share, scope.population) {
            let planned = scope.targets.len();
            if planned as f64 * 100.0 > share.get() * population as f64 {
                problems.push(exceeded(format!(
                    "{planned} of {population} targets are planned, at most {share} are allowed"
                )));
            }
        }
        problems
    }

    fn of_target(&self, target: &Target) -> Option<Problem> {
        if self.protected.contains(target) {
            Some(Problem::new("blast_radius.protected", format!("{target} is protected")))
        } else if !self.only.is_empty() && !self.only.contains(target) {
            Some(Problem::new("blast_radius.only", format!("{target} lies outside the blast radius")))
        } else {
            None
        }
    }
}

fn exceeded(message: String) -> Problem {
    Problem::new("blast_radius", message).hint("narrow the fault or widen the blast radius")
}

impl From<&str> for BlastRadius {
    fn from(text: &str) -> Self {
        Self::described(text)
    }
}
