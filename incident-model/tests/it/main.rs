//! The crate as its callers see it.

mod golden;
mod properties;
mod wire;

use chrono::{DateTime, Utc};
use incident_model::{Incident, Milestone, Severity, TimelineEvent};

/// The seed's incident with the timeline of its postmortem.
pub(crate) fn seed_incident() -> Incident {
    let reached =
        |time, milestone, text: &str| TimelineEvent::milestone(utc(time), milestone).with_text(text);
    Incident::builder("INC-2024-001", "Database connection pool exhaustion")
        .severity(Severity::Sev2)
        .root_cause("Connection leak in payment service")
        .impact("Payment processing delayed for 15% of users")
        .events([
            reached("14:30", Milestone::ImpactStarted, "Deployment of payment-service v2.3.0 completed"),
            TimelineEvent::note(utc("14:32"), "Error rate begins increasing"),
            reached("14:35", Milestone::Detected, "Alert fires: HighErrorRate"),
            reached("14:36", Milestone::Acknowledged, "On-call engineer acknowledges"),
            reached("14:40", Milestone::Declared, "Incident declared SEV2"),
            TimelineEvent::severity(utc("14:40"), Severity::Sev2),
            reached("14:45", Milestone::Identified, "Root cause identified: connection leak"),
            TimelineEvent::note(utc("14:50"), "Rollback initiated"),
            reached("14:55", Milestone::Mitigated, "Rollback completed"),
            reached("15:00", Milestone::Recovered, "Error rate returns to normal"),
            reached("15:10", Milestone::Resolved, "Incident resolved, monitoring continued"),
        ])
        .build()
        .expect("the seed's incident is valid")
}

/// An instant on the day of the seed's incident, from `HH:MM`.
pub(crate) fn utc(time: &str) -> DateTime<Utc> {
    format!("2024-01-15T{time}:00Z").parse().expect("HH:MM")
}
