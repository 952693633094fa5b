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
///
/// ```
/// use chaos_core::{scope::{BlastRadius, Scope, Target}, units::Percent};
/// let radius = BlastRadius::described("half of the API pods").max_share(Percent::whole(50));
/// let chosen = Scope { targets: vec![Target::new("pod", "api-1"), Target::new("pod", "api-2")], population: Some(3) };
/// assert_eq!(radius.problems(&[chosen])[0].message, "2 of 3 targets are planned, at most 50% are allowed");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlastRadius {
    /// The words of the experiment, verbatim.
    pub text: String,
    /// At most this many targets, over all faults.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub max_targets: Option<usize>,
    /// At most this share of the population, for each fault; a fault that counts none is refused.
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

    /// Admits at most this share of the population that a fault counts; a fault that counts none is refused.
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
        problems.extend(self.max_share.and_then(|share| of_share(share, scope)));
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

/// A share that cannot be checked is not within its limit.
fn of_share(share: Percent, scope: &Scope) -> Option<Problem> {
    let planned = scope.targets.len();
    let Some(population) = scope.population else {
        let which = scope.targets.first().map_or_else(String::new, |target| format!(" on {target}"));
        let message = format!("max_share is set, and a fault{which} does not count what it chooses from");
        return Some(
            Problem::new("blast_radius.max_share", message).hint("limit it by max_targets or only instead"),
        );
    };
    (planned as f64 * 100.0 > share.get() * population as f64).then(|| {
        exceeded(format!("{planned} of {population} targets are planned, at most {share} are allowed"))
    })
}

fn exceeded(message: String) -> Problem {
    Problem::new("blast_radius", message).hint("narrow the fault or widen the blast radius")
}

impl From<&str> for BlastRadius {
    fn from(text: &str) -> Self {
        Self::described(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn targets(names: &[&str]) -> Vec<Target> {
        names.iter().map(|name| Target::new("host", name)).collect()
    }

    fn scope(names: &[&str], population: Option<usize>) -> Scope {
        Scope { targets: targets(names), population }
    }

    fn told(radius: &BlastRadius, scopes: &[Scope]) -> Vec<String> {
        radius.problems(scopes).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_radius_in_words_admits_every_target_that_is_named() {
        let radius = BlastRadius::from("50% of API pods");
        assert!(told(&radius, &[scope(&["a", "b"], Some(2))]).is_empty());
        assert_eq!(told(&radius, &[scope(&[], None)]), ["blast_radius: a fault names no target"]);
    }

    #[test]
    fn row_17_the_count_is_over_all_faults() {
        let radius = BlastRadius::default().max_targets(2);
        assert!(told(&radius, &[scope(&["a"], None), scope(&["b"], None)]).is_empty());
        assert_eq!(
            told(&radius, &[scope(&["a", "b"], None), scope(&["c"], None)]),
            [
                "blast_radius: 3 targets are planned, at most 2 are allowed (narrow the fault or widen the blast radius)"
            ]
        );
    }

    #[test]
    fn the_share_is_exact_and_refuses_what_was_not_counted() {
        let half = BlastRadius::default().max_share(Percent::whole(50));
        assert!(told(&half, &[scope(&["a", "b"], Some(4))]).is_empty());
        assert_eq!(
            told(&half, &[scope(&["a", "b"], None), scope(&["c"], Some(2))]),
            [
                "blast_radius.max_share: max_share is set, and a fault on host:a does not count what it chooses from (limit it by max_targets or only instead)"
            ]
        );
        assert_eq!(told(&half, &[scope(&["a", "b"], Some(3))]).len(), 1);
        for percent in 1..=100_u8 {
            let radius = BlastRadius::default().max_share(Percent::whole(percent));
            let names: Vec<String> = (0..percent).map(|number| number.to_string()).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            assert!(told(&radius, &[scope(&names, Some(100))]).is_empty(), "{percent}% of 100");
        }
    }

    #[test]
    fn what_is_protected_or_outside_is_named() {
        let radius = BlastRadius::default().only(targets(&["a", "b"])).protect(targets(&["b"]));
        assert_eq!(
            told(&radius, &[scope(&["a", "b", "c"], None)]),
            [
                "blast_radius.protected: host:b is protected",
                "blast_radius.only: host:c lies outside the blast radius",
            ]
        );
    }

    #[test]
    fn a_target_is_one_line_and_reads_back() {
        assert_eq!(Target::new("a:b\n", "x\ny").to_string(), "a-b?:x?y");
        assert_eq!(Target::new("", "").to_string(), "unnamed:unnamed");
        assert_eq!("netns:a:b".parse::<Target>().unwrap().name(), "a:b");
        for text in ["", ":", "a", "a:", ":b", "a:\u{1b}"] {
            assert!(text.parse::<Target>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_radius_reads_back_and_refuses_what_it_does_not_know() {
        let radius = BlastRadius::described("x").max_share(Percent::whole(5)).only(targets(&["a"]));
        let json = serde_json::to_string(&radius).unwrap();
        assert_eq!(serde_json::from_str::<BlastRadius>(&json).unwrap(), radius);
        for json in [r#"{"max_target":1}"#, r#"{"max_targets":null}"#, r#"{"only":["a"]}"#] {
            assert!(serde_json::from_str::<BlastRadius>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn every_target_reads_back(class in any::<String>(), name in any::<String>()) {
            let target = Target::new(&class, &name);
            prop_assert_eq!(target.to_string().parse::<Target>(), Ok(target));
        }

        #[test]
        fn a_problem_is_told_exactly_when_a_limit_is_passed(
            planned in 1..20_usize, more in 0..20_usize, max in 1..20_usize, percent in 1..=100_u8,
        ) {
            let (names, population) = (vec!["a"; planned], planned + more);
            let radius = BlastRadius::default().max_targets(max).max_share(Percent::whole(percent));
            let within = planned <= max && planned * 100 <= usize::from(percent) * population;
            prop_assert_eq!(told(&radius, &[scope(&names, Some(population))]).is_empty(), within);
        }
    }
}
