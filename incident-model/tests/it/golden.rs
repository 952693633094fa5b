//! The figures that the specification gives for the seed's incident.

use std::collections::BTreeSet;

use incident_model::metrics::Preset;
use incident_model::{Incident, Milestone, Severity};

use crate::{seed_incident, utc};

#[test]
fn incident_response_framework() {
    let incident = Incident::builder("INC-2024-001", "Database connection pool exhaustion")
        .severity(Severity::Sev2)
        .impact_started(utc("14:30"))
        .detected(utc("14:35"))
        .resolved(utc("15:10"))
        .root_cause("Connection leak in payment service")
        .impact("Payment processing delayed for 15% of users")
        .build()
        .unwrap();

    let durations = [incident.detection_time(), incident.mttr(), incident.total_duration()];
    let minutes = durations.map(|value| format!("{:.1}", value.unwrap().unwrap().minutes()));
    assert_eq!(minutes, ["5.0", "35.0", "40.0"]);
}

#[test]
fn every_preset_on_the_seed_s_incident() {
    let table = [
        (Preset::SeedDetectionTime, 5.0),
        (Preset::SeedMttr, 35.0),
        (Preset::SeedTotalDuration, 40.0),
        (Preset::TimeToDetect, 5.0),
        (Preset::TimeToAcknowledge, 1.0),
        (Preset::FireFighterTimeToAcknowledge, 10.0),
        (Preset::FireFighterTimeToRepair, 15.0),
        (Preset::FireFighterTimeToFix, 20.0),
        (Preset::FireFighterTimeToRecovery, 30.0),
        (Preset::DoraRecoveryTime, 30.0),
        (Preset::FireFighterTimeToRespond, 25.0),
        (Preset::FireFighterTimeToResolve, 40.0),
        (Preset::KeepMttr, 40.0),
        (Preset::DatadogTimeToRepairBefore2025, 20.0),
        (Preset::DatadogTimeToRepair, 25.0),
        (Preset::DatadogTimeToResolve, 30.0),
        (Preset::GitLabMttm, 25.0),
    ];
    assert_eq!(table.map(|(preset, _)| preset), Preset::ALL);

    let incident = seed_incident();
    for (preset, minutes) in table {
        let value = incident.measure(&preset.definition()).unwrap().unwrap();
        assert_eq!(value.minutes(), minutes, "{value}");
    }
}

#[test]
fn six_answers_to_the_mttr_of_one_incident() {
    let incident = seed_incident();
    let values = Preset::ALL.map(|preset| incident.measure(&preset.definition()).unwrap().unwrap());
    let ends =
        |value: &&_| *incident_model::metrics::Measured::definition(value).to() >= Milestone::Mitigated;
    let answers: BTreeSet<_> = values.iter().filter(ends).map(|value| value.value().as_secs() / 60).collect();
    assert_eq!(answers, BTreeSet::from([15, 20, 25, 30, 35, 40]));
}

#[test]
fn figures_are_printed_with_their_definition() {
    let incident = seed_incident();
    let lines: String = Preset::ALL
        .map(|preset| format!("{}\n", incident.measure(&preset.definition()).unwrap().unwrap()))
        .concat();
    insta::assert_snapshot!(lines);
}

#[test]
fn the_timeline_of_the_seed_s_postmortem() {
    let incident = seed_incident();
    assert_eq!(incident.timeline().diagnostics(), []);
    insta::assert_snapshot!(format!("{incident}\n{}", incident.timeline()));
}
