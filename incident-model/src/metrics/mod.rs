//! Durations as data: what is measured from where to where, and what came out.
//!
//! "The MTTR" of one incident has at least six answers, because tools start and stop their clocks at different
//! [milestones](crate::Milestone). So a metric here is a [`MetricDef`], a value is a [`Measured`] that carries its
//! definition, and the definitions of well-known tools are [`Preset`]s.
//!
//! ```
//! use incident_model::metrics::{MetricDef, Preset};
//! use incident_model::{Incident, Milestone, Severity};
//!
//! let incident = Incident::builder("INC-1", "Slow checkout")
//!     .severity(Severity::Sev3)
//!     .impact_started("2024-01-15T14:30:00Z".parse()?)
//!     .mitigated("2024-01-15T14:55:00Z".parse()?)
//!     .build()?;
//!
//! let mttm = incident.measure(&Preset::GitLabMttm.definition())?.expect("both ends are reached");
//! assert_eq!(mttm.minutes(), 25.0);
//! assert_eq!(mttm.to_string(), "time to mitigate (GitLab MTTM) = 25.0 min [impact_started to mitigated, wall clock]");
//!
//! let own = MetricDef::new("time to close", Milestone::Detected, Milestone::Closed)?;
//! assert_eq!(incident.measure(&own)?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod definition;
mod measured;
mod preset;

pub use definition::{Calendar, MetricDef, Missing};
pub use measured::Measured;
pub use preset::Preset;
