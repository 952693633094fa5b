//! An incident as it is stored.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Incident, Origin};
use crate::error::Error;
use crate::severity::Severity;
use crate::timeline::Timeline;

/// The version of the stored form; a change that old readers cannot take raises it.
const SCHEMA: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    #[serde(deserialize_with = "supported")]
    schema: u32,
    id: String,
    title: String,
    severity: Severity,
    #[serde(default)]
    origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    impact: Option<String>,
    #[serde(default)]
    timeline: Timeline,
}

impl From<Incident> for Record {
    fn from(incident: Incident) -> Self {
        Self {
            schema: SCHEMA,
            id: incident.id.to_string(),
            title: incident.title,
            severity: incident.opened_as,
            origin: incident.origin,
            root_cause: incident.root_cause,
            impact: incident.impact,
            timeline: incident.timeline,
        }
    }
}

impl TryFrom<Record> for Incident {
    type Error = Error;

    fn try_from(record: Record) -> Result<Self, Error> {
        let mut builder =
            Self::builder(record.id, record.title).severity(record.severity).origin(record.origin);
        builder.root_cause = record.root_cause;
        builder.impact = record.impact;
        builder.timeline = record.timeline;
        builder.build()
    }
}

/// Stops at the number, before the fields of a later version are taken for mistakes.
fn supported<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        SCHEMA => Ok(SCHEMA),
        given => Err(D::Error::custom(Error::UnsupportedSchema { given, supported: SCHEMA })),
    }
}
