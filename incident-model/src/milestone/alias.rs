//! The words that tools and documents use for a milestone.

use super::Milestone;

/// Each milestone's other names, in the folded form: lower case, words joined by `_`.
///
/// Two words need a choice. `stable` (Datadog's state) and `monitoring` (Statuspage's) both say that a fix is in
/// place and is being watched, which is mitigation; they do not yet claim that the service has recovered.
const ALIASES: [(Milestone, &[&str]); 10] = [
    (
        Milestone::ImpactStarted,
        &[
            "started",
            "start",
            "began",
            "impact_start",
            "impact_began",
            "incident_started",
            "outage_started",
            "fault_occurs",
            "fault_occurred",
        ],
    ),
    (Milestone::Detected, &["first_detected", "detection", "alerted", "alert_fired", "alert_fires"]),
    (Milestone::Acknowledged, &["ack", "acked", "acknowledge", "acknowledgement"]),
    (Milestone::Declared, &["incident_declared", "declaration", "opened"]),
    (Milestone::Identified, &["cause_identified", "root_cause_identified", "diagnosed"]),
    (Milestone::Mitigated, &["mitigation", "stable", "stabilised", "stabilized", "contained", "monitoring"]),
    (Milestone::Recovered, &["recovery", "repaired", "restored", "service_restored", "impact_ended"]),
    (Milestone::Resolved, &["resolution", "incident_resolved", "fixed"]),
    (Milestone::Closed, &["incident_closed"]),
    (Milestone::PostmortemPublished, &["postmortem", "post_mortem_published", "retrospective_published"]),
];

/// The milestone that a folded word is an alias of.
pub(super) fn lookup(word: &str) -> Option<Milestone> {
    let (milestone, _) = ALIASES.iter().find(|(_, aliases)| aliases.contains(&word))?;
    Some(milestone.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ALIASES;
    use crate::milestone::Milestone;

    #[test]
    fn every_built_in_milestone_has_aliases_and_none_is_ambiguous() {
        let covered: Vec<_> = ALIASES.iter().map(|(milestone, _)| milestone.clone()).collect();
        assert_eq!(covered, Milestone::BUILT_IN);
        let words: Vec<_> = ALIASES.iter().flat_map(|(_, aliases)| aliases.iter()).collect();
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
    }

    #[test]
    fn the_words_of_real_tools_parse() {
        let words = [
            ("fault occurs", Milestone::ImpactStarted),
            ("First detected", Milestone::Detected),
            ("ACK", Milestone::Acknowledged),
            ("stable", Milestone::Mitigated),
            ("Monitoring", Milestone::Mitigated),
            ("repaired", Milestone::Recovered),
            ("root-cause identified", Milestone::Identified),
        ];
        for (word, milestone) in words {
            assert_eq!(word.parse(), Ok(milestone), "{word}");
        }
    }
}
