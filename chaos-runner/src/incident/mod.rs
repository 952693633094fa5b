//! An aborted or failed run opens an incident whose timeline is the run's journal.
//!
//! [`from_journal`] needs no more than the events, so that a run whose runner was killed has its incident too.
//! [`RunReport::incident`] adds what only a living runner knows: the figures, and when the steady state was back.
//!
//! # Which runs, and how severe
//!
//! A successful run opens no incident, and neither does one that was refused or stopped before its first fault: nothing
//! may have landed. Every other run does:
//!
//! | severity | when |
//! |---|---|
//! | `SEV2` | a fault was left behind: its undo got stuck, its runner died while it was on, or it may still be on |
//! | `SEV3` | a limit was breached, the metrics went dark, something broke, or a criterion or the steady state did not hold |
//! | `SEV4` | somebody stopped the run, or it ended without having shown anything; the faults are gone |
//!
//! The severity steps up where an undo gets stuck, and never down again.
//!
//! # Milestones
//!
//! | milestone | instant |
//! |---|---|
//! | impact started | the first fault is applied; without that, its intent, from which on it may have landed |
//! | detected | the rollback begins for a reason; or an undo gets stuck, a recovery finds the run, the run is judged |
//! | mitigated | the last fault is gone |
//! | recovered | the steady state is seen again; only a report knows |
//! | resolved | the run is closed and nothing of it is left; a report whose steady state is not back leaves it out |

mod story;
mod timeline;

use chaos_core::{id::RunId, journal::Event};
use incident_model::{Error, Incident, Milestone, TimelineEvent};

use self::story::Story;
use crate::report::{RunReport, clean};

/// The incident that a run opened, from its journal alone; `None` for a run that opened none.
///
/// The events of a run that is still under way read like those of a crashed one, whose faults may be on. Ask about runs that are
/// over, or that [`Journal::outstanding`](chaos_core::journal::Journal::outstanding) handed over.
///
/// # Errors
/// None that is known: names from the journal are made to fit the rules of an incident.
pub fn from_journal(run: &RunId, events: &[Event]) -> Result<Option<Incident>, Error> {
    build(run, events, Told::default())
}

impl RunReport {
    /// The incident that this run opened; `None` for a run that opened none. The events are those of the run in its journal.
    ///
    /// # Errors
    /// As [`from_journal`].
    pub fn incident(&self, events: &[Event]) -> Result<Option<Incident>, Error> {
        build(&self.run, events, Told::by(self))
    }
}

/// What only a report tells.
#[derive(Debug, Default)]
struct Told {
    recovered: Option<TimelineEvent>,
    /// The steady state was looked for after the rollback and not found.
    not_back: bool,
    impact: Option<String>,
}

impl Told {
    fn by(report: &RunReport) -> Self {
        let impact = report.impact();
        Self {
            recovered: report.recovered_at().map(|at| {
                TimelineEvent::milestone(at, Milestone::Recovered).with_text("the steady state is back")
            }),
            not_back: report.steady_after.as_ref().is_some_and(|after| !after.held()),
            impact: (!impact.is_empty()).then_some(impact),
        }
    }
}

fn build(run: &RunId, events: &[Event], told: Told) -> Result<Option<Incident>, Error> {
    let story = Story::of(events);
    if !story.opens_incident() {
        return Ok(None);
    }
    let mut builder = Incident::builder(format!("chaos-{run}"), title(&story))
        .severity(story.opening_severity())
        .experiment(run.as_str())
        .events(timeline::of(&story, events, told.recovered, told.not_back));
    if let Some(impact) = told.impact {
        builder = builder.impact(impact);
    }
    builder.build().map(Some)
}

/// One line of at most 200 characters.
fn title(story: &Story) -> String {
    let name = clean(story.experiment()).replace('\n', " ");
    let cut: String = name.chars().take(160).collect();
    format!("Chaos experiment {}: {cut}", story.verdict())
}
