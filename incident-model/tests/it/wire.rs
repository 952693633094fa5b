//! The stored form of an incident.

use incident_model::Incident;

use crate::seed_incident;

/// A record as version 1 wrote it; it must be readable for ever.
const SCHEMA_1: &str = include_str!("golden/incident-v1.json");

#[test]
fn the_golden_record_reads_and_writes_back_alike() {
    let incident: Incident = serde_json::from_str(SCHEMA_1).unwrap();
    assert_eq!(incident, seed_incident());
    assert_eq!(serde_json::to_string_pretty(&incident).unwrap(), SCHEMA_1.trim_end());
}

#[test]
fn reading_checks_what_the_builder_checks() {
    let cases = [
        r#"{"schema":1,"id":"INC-1","title":"x"}"#,
        r#"{"schema":1,"id":"INC-1","title":"x","severity":"SEV9"}"#,
        r#"{"schema":1,"id":"INC 1","title":"","severity":"SEV1","impact":""}"#,
        r#"{"schema":2,"id":"INC-1","title":"x","severity":"SEV1","new":[]}"#,
        r#"{"schema":1,"id":"INC-1","title":"x","severity":"SEV1","severty":"SEV1"}"#,
        r#"{"schema":1,"id":"INC-1","title":"x","severity":"SEV1","origin":{"experiment":""}}"#,
        r#"{"schema":1,"id":"INC-1","title":"x","severity":"SEV1","timeline":[{"at":"2024-01-15T14:35:00","kind":"note"}]}"#,
        r#"{"schema":1,"id":"INC-1","title":"x","severity":"SEV1","timeline":[{"at":"2024-01-15T14:35:00Z","kind":{"milestone":"detcted"}}]}"#,
    ];
    let errors: String =
        cases.map(|json| format!("{}\n", serde_json::from_str::<Incident>(json).unwrap_err())).concat();
    insta::assert_snapshot!(errors);
}
