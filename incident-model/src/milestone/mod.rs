//! The named points of an incident's life.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::text::{self, excerpt, folded, serde_as_text};

mod alias;

/// Names a point that an incident's life can reach; durations are measured between two of them.
///
/// The text form, also in serde, is the name in snake case (`impact_started`) and `custom:<name>` for a custom
/// one. Parsing ignores case and separators and knows the usual synonyms ("first detected", "stable"). Other
/// text is an error and never silently a custom milestone, so that a slip of the pen is found.
///
/// ```
/// use incident_model::Milestone;
///
/// assert_eq!("Fault occurs".parse::<Milestone>()?, Milestone::ImpactStarted);
/// assert_eq!(Milestone::custom("failover done")?.to_string(), "custom:failover done");
/// assert!("detcted".parse::<Milestone>().is_err());
/// # Ok::<(), incident_model::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Milestone {
    /// Users, or what stands for them, began to be affected.
    ImpactStarted,
    /// A person or a monitor first noticed.
    Detected,
    /// Someone took it on.
    Acknowledged,
    /// It was declared an incident.
    Declared,
    /// The cause became known.
    Identified,
    /// The impact was stopped or made tolerable; the cause may remain.
    Mitigated,
    /// The service was back to normal.
    Recovered,
    /// The response ended.
    Resolved,
    /// Nothing was left to do on the incident's record.
    Closed,
    /// The postmortem was published.
    PostmortemPublished,
    /// A point that an organisation defines for itself.
    Custom(CustomMilestone),
}

impl Milestone {
    /// The milestones without the custom ones, in the order in which an incident usually reaches them.
    pub const BUILT_IN: [Self; 10] = [
        Self::ImpactStarted,
        Self::Detected,
        Self::Acknowledged,
        Self::Declared,
        Self::Identified,
        Self::Mitigated,
        Self::Recovered,
        Self::Resolved,
        Self::Closed,
        Self::PostmortemPublished,
    ];

    /// A milestone of one's own.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidText`] where the name is not one line of 1 to 255 characters, or where it already means a
    /// built-in milestone.
    pub fn custom(name: &str) -> Result<Self, Error> {
        CustomMilestone::new(name).map(Self::Custom)
    }

    /// The name without a prefix: `detected`, or the custom name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::ImpactStarted => "impact_started",
            Self::Detected => "detected",
            Self::Acknowledged => "acknowledged",
            Self::Declared => "declared",
            Self::Identified => "identified",
            Self::Mitigated => "mitigated",
            Self::Recovered => "recovered",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
            Self::PostmortemPublished => "postmortem_published",
            Self::Custom(custom) => custom.name(),
        }
    }

    /// The names that an error lists as right.
    pub(crate) fn built_in_names() -> String {
        Self::BUILT_IN.each_ref().map(Self::name).join(", ")
    }

    fn built_in(given: &str) -> Option<Self> {
        let word = folded(given, "_");
        let exact = Self::BUILT_IN.into_iter().find(|milestone| milestone.name() == word);
        exact.or_else(|| alias::lookup(&word))
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(custom) => f.pad(&format!("custom:{}", custom.name())),
            built_in => f.pad(built_in.name()),
        }
    }
}

impl FromStr for Milestone {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        match given.split_once(':') {
            Some((prefix, name)) if folded(prefix, "") == "custom" => Self::custom(name),
            _ => Self::built_in(given).ok_or_else(|| Error::UnknownMilestone { given: excerpt(given) }),
        }
    }
}

serde_as_text!(Milestone);

/// The checked name of a custom milestone; made by [`Milestone::custom`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomMilestone(String);

impl CustomMilestone {
    fn new(given: &str) -> Result<Self, Error> {
        let name = text::name("custom milestone", given)?;
        if Milestone::built_in(&name).is_some() {
            let rule = "a built-in milestone has this name, use that one";
            return Err(Error::InvalidText { field: "custom milestone", given: excerpt(given), rule });
        }
        Ok(Self(name))
    }

    /// The name, without the `custom:` of the text form.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Milestone;

    #[test]
    fn text_forms_come_back() {
        let custom = Milestone::custom("failover: done").unwrap();
        for milestone in Milestone::BUILT_IN.into_iter().chain([custom]) {
            assert_eq!(milestone.to_string().parse(), Ok(milestone.clone()));
            let json = serde_json::to_string(&milestone).unwrap();
            assert_eq!(serde_json::from_str::<Milestone>(&json).unwrap(), milestone);
        }
    }

    #[test]
    fn an_unknown_milestone_lists_the_known_ones() {
        insta::assert_snapshot!("detcted".parse::<Milestone>().unwrap_err(), @"unknown milestone `detcted`: use impact_started, detected, acknowledged, declared, identified, mitigated, recovered, resolved, closed, postmortem_published, or custom:<name>");
    }

    #[test]
    fn a_custom_milestone_never_shadows_a_built_in_one() {
        insta::assert_snapshot!("custom: Resolved".parse::<Milestone>().unwrap_err(), @"invalid custom milestone ` Resolved`: a built-in milestone has this name, use that one");
        assert!("custom:".parse::<Milestone>().is_err());
    }
}
