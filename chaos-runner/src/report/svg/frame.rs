//! What all charts of a run share: the time axis, the bands of the phases, the instant of an abort.

use chaos_core::experiment::Phase;
use chrono::{DateTime, Utc};

use super::scale::{Axis, nice_step};
use crate::report::{Ending, RunReport, words::number};

/// Where the plot begins and ends, in user units of the picture.
pub(super) const LEFT: f64 = 48.0;
pub(super) const RIGHT: f64 = 470.0;
pub(super) const TOP: f64 = 36.0;
pub(super) const BOTTOM: f64 = 196.0;

/// The width of a letter of a label, generously.
const LETTER: f64 = 6.6;

/// The stretch of time in which something held.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) struct Band {
    pub(in crate::report) label: &'static str,
    /// The name of its colour in the style sheet.
    pub(in crate::report) class: &'static str,
    pub(super) from: f64,
    pub(super) to: f64,
    /// Where its label stands, so that no two overlap.
    pub(super) label_at: f64,
}

/// The time axis of a run.
#[derive(Debug)]
pub(in crate::report) struct Frame {
    zero: DateTime<Utc>,
    axis: Axis,
    pub(in crate::report) bands: Vec<Band>,
    /// Where the run was stopped, and why.
    pub(in crate::report) stop: Option<(f64, String)>,
    unit: TimeUnit,
    after_injection: bool,
}

#[derive(Debug, Clone, Copy)]
struct TimeUnit {
    secs: f64,
    name: &'static str,
}

impl Frame {
    /// `None` where there is no time to show.
    pub(in crate::report) fn of(report: &RunReport) -> Option<Self> {
        let injection = report.phases.iter().find(|start| start.phase == Phase::Injection);
        let shown =
            report.phases.iter().filter(|start| start.phase != Phase::Preflight).map(|start| start.at);
        let seen = report.experiment.observations().iter().map(|observation| observation.at);
        let instants = || shown.clone().chain(seen.clone());
        let (first, last) = (instants().min()?, instants().max()?);
        let zero = injection.map_or(first, |start| start.at);
        let range = (secs(zero, first), secs(zero, last));
        let pad = (range.1 - range.0).max(1e-3) * 0.012;
        let axis = Axis::new((range.0 - pad, range.1 + pad), (LEFT, RIGHT));
        let unit = TimeUnit::of(range.1 - range.0);
        let mut frame =
            Self { zero, axis, bands: Vec::new(), stop: None, unit, after_injection: injection.is_some() };
        frame.bands = frame.find_bands(report, last);
        frame.stop = frame.find_stop(report);
        Some(frame)
    }

    pub(super) fn place(&self, at: DateTime<Utc>) -> f64 {
        self.axis.place(secs(self.zero, at))
    }

    /// The instant from which times are counted.
    pub(super) const fn zero(&self) -> DateTime<Utc> {
        self.zero
    }

    /// The place and the text of each tick.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let unit = self.unit.secs;
        let axis = Axis::new((self.seconds_at(LEFT) / unit, self.seconds_at(RIGHT) / unit), (LEFT, RIGHT));
        axis.ticks(6.0).into_iter().map(|tick| (axis.place(tick), number(tick))).collect()
    }

    pub(super) fn title(&self) -> String {
        let from = if self.after_injection { "since the injection" } else { "since the start" };
        format!("{} {from}", self.unit.name)
    }

    fn seconds_at(&self, place: f64) -> f64 {
        self.axis.value(place)
    }

    fn find_bands(&self, report: &RunReport, last: DateTime<Utc>) -> Vec<Band> {
        let mut bands: Vec<Band> = Vec::new();
        for (index, start) in report.phases.iter().enumerate() {
            let Some((label, class)) = look(start.phase) else { continue };
            let end = report.phases.get(index + 1).map_or(last, |next| next.at);
            let (from, to) = (self.place(start.at), self.place(end));
            match bands.last_mut().filter(|band| band.label == label) {
                Some(band) => band.to = to,
                None => bands.push(Band { label, class, from, to, label_at: 0.0 }),
            }
        }
        place_labels(&mut bands);
        bands
    }

    fn find_stop(&self, report: &RunReport) -> Option<(f64, String)> {
        let why = match &report.ending {
            Ending::Aborted(reason) => reason.to_string(),
            Ending::Failed(what) => what.clone(),
            _ => return None,
        };
        let rollback = report.phases.iter().find(|start| start.phase == Phase::Rollback)?;
        Some((self.place(rollback.at), why))
    }
}

impl TimeUnit {
    const fn of(span: f64) -> Self {
        match span {
            _ if span < 1.0 => Self { secs: 1e-3, name: "milliseconds" },
            _ if span < 300.0 => Self { secs: 1.0, name: "seconds" },
            _ if span < 3.0 * 3600.0 => Self { secs: 60.0, name: "minutes" },
            _ => Self { secs: 3600.0, name: "hours" },
        }
    }
}

/// The label and the colour of a phase that is shown.
const fn look(phase: Phase) -> Option<(&'static str, &'static str)> {
    match phase {
        Phase::Preflight | Phase::Closed => None,
        Phase::Baseline => Some(("baseline", "before")),
        Phase::Injection | Phase::Observation => Some(("fault on", "fault")),
        Phase::Rollback => Some(("rollback", "rollback")),
        Phase::Verification => Some(("verification", "after")),
    }
}

fn secs(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64()
}

/// Puts each label above the middle of its band, then pushes those apart that would overlap.
fn place_labels(bands: &mut [Band]) {
    let half = |band: &Band| band.label.len() as f64 * LETTER / 2.0;
    let mut edge = LEFT + 2.0;
    for band in bands.iter_mut() {
        let half = half(band);
        band.label_at = f64::midpoint(band.from, band.to).max(edge + half);
        edge = band.label_at + half + LETTER;
    }
    let mut edge = RIGHT + 4.0;
    for band in bands.iter_mut().rev() {
        let half = half(band);
        band.label_at = band.label_at.min(edge - half);
        edge = band.label_at - half - LETTER;
    }
}

/// The top of an axis that shows a value with some air above it.
pub(super) fn round_up(value: f64) -> f64 {
    let step = nice_step(value / 8.0);
    (value / step).ceil() * step
}
