//! The definitions of well-known tools.

use super::{Calendar, MetricDef, Missing};
use crate::milestone::Milestone::{
    self, Acknowledged, Declared, Detected, ImpactStarted, Mitigated, Recovered, Resolved,
};

/// Names a duration as a well-known tool defines it.
///
/// The variants with equal ends are kept apart, so that a report can carry the name that its readers know.
///
/// ```
/// use incident_model::metrics::Preset;
///
/// let definition = Preset::SeedMttr.definition();
/// assert_eq!(definition.to_string(), "MTTR (seed) [detected to resolved, wall clock]");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// The seed document's `detection_time`: impact to detected.
    SeedDetectionTime,
    /// The seed document's `mttr`: detected to resolved.
    SeedMttr,
    /// The seed document's `total_duration`: impact to resolved.
    SeedTotalDuration,
    /// Time to detect as in FireFighter and Datadog: impact to detected.
    TimeToDetect,
    /// Time to acknowledge as in GoAlert and PagerDuty: detected to acknowledged.
    TimeToAcknowledge,
    /// Time to acknowledge as in FireFighter: impact to declared.
    FireFighterTimeToAcknowledge,
    /// Time to repair as in FireFighter: declared to mitigated.
    FireFighterTimeToRepair,
    /// Time to fix as in FireFighter: declared to recovered.
    FireFighterTimeToFix,
    /// Time to recovery as in FireFighter: impact to recovered.
    FireFighterTimeToRecovery,
    /// DORA's failed deployment recovery time: impact to recovered.
    DoraRecoveryTime,
    /// Time to respond as in FireFighter: detected to recovered.
    FireFighterTimeToRespond,
    /// Time to resolve as in FireFighter: impact to resolved.
    FireFighterTimeToResolve,
    /// Keep's MTTR: impact to resolved.
    KeepMttr,
    /// Time to repair as in Datadog before February 2025: declared to recovered.
    DatadogTimeToRepairBefore2025,
    /// Time to repair as in Datadog since February 2025: detected to recovered.
    DatadogTimeToRepair,
    /// Time to resolve as in Datadog: declared to resolved.
    DatadogTimeToResolve,
    /// GitLab's MTTM, time to mitigate: impact to mitigated.
    GitLabMttm,
}

impl Preset {
    /// All presets.
    pub const ALL: [Self; 17] = [
        Self::SeedDetectionTime,
        Self::SeedMttr,
        Self::SeedTotalDuration,
        Self::TimeToDetect,
        Self::TimeToAcknowledge,
        Self::FireFighterTimeToAcknowledge,
        Self::FireFighterTimeToRepair,
        Self::FireFighterTimeToFix,
        Self::FireFighterTimeToRecovery,
        Self::DoraRecoveryTime,
        Self::FireFighterTimeToRespond,
        Self::FireFighterTimeToResolve,
        Self::KeepMttr,
        Self::DatadogTimeToRepairBefore2025,
        Self::DatadogTimeToRepair,
        Self::DatadogTimeToResolve,
        Self::GitLabMttm,
    ];

    /// The metric as data: on wall time, skipping incidents that have not reached the end.
    #[must_use]
    pub fn definition(self) -> MetricDef {
        let (name, from, to) = self.terms();
        MetricDef { name: name.to_owned(), from, to, calendar: Calendar::Wall, missing: Missing::Skip }
    }

    const fn terms(self) -> (&'static str, Milestone, Milestone) {
        match self {
            Self::SeedDetectionTime => ("detection time (seed)", ImpactStarted, Detected),
            Self::SeedMttr => ("MTTR (seed)", Detected, Resolved),
            Self::SeedTotalDuration => ("total duration (seed)", ImpactStarted, Resolved),
            Self::TimeToDetect => ("time to detect (FireFighter, Datadog)", ImpactStarted, Detected),
            Self::TimeToAcknowledge => ("time to acknowledge (GoAlert, PagerDuty)", Detected, Acknowledged),
            Self::FireFighterTimeToAcknowledge => {
                ("time to acknowledge (FireFighter)", ImpactStarted, Declared)
            }
            Self::FireFighterTimeToRepair => ("time to repair (FireFighter)", Declared, Mitigated),
            Self::FireFighterTimeToFix => ("time to fix (FireFighter)", Declared, Recovered),
            Self::FireFighterTimeToRecovery => ("time to recovery (FireFighter)", ImpactStarted, Recovered),
            Self::DoraRecoveryTime => ("recovery time (DORA)", ImpactStarted, Recovered),
            Self::FireFighterTimeToRespond => ("time to respond (FireFighter)", Detected, Recovered),
            Self::FireFighterTimeToResolve => ("time to resolve (FireFighter)", ImpactStarted, Resolved),
            Self::KeepMttr => ("MTTR (Keep)", ImpactStarted, Resolved),
            Self::DatadogTimeToRepairBefore2025 => {
                ("time to repair (Datadog, before 2025-02)", Declared, Recovered)
            }
            Self::DatadogTimeToRepair => ("time to repair (Datadog, since 2025-02)", Detected, Recovered),
            Self::DatadogTimeToResolve => ("time to resolve (Datadog)", Declared, Resolved),
            Self::GitLabMttm => ("time to mitigate (GitLab MTTM)", ImpactStarted, Mitigated),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Preset;
    use crate::metrics::MetricDef;

    #[test]
    fn every_preset_is_a_definition_that_a_caller_could_build() {
        for preset in Preset::ALL {
            let definition = preset.definition();
            let built = MetricDef::new(definition.name(), definition.from().clone(), definition.to().clone());
            assert_eq!(built, Ok(definition));
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> =
            Preset::ALL.iter().map(|preset| preset.definition().name().to_owned()).collect();
        assert_eq!(names.len(), Preset::ALL.len());
    }
}
