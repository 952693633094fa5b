//! One metric over the phases of a run, drawn as inline SVG.
//!
//! All text goes through maud, which escapes it, and all places through [`scale`], which keeps them finite. Colours are those of the page's
//! style sheet, by class.

mod frame;
mod scale;
mod thin;

use maud::{Markup, html};

pub(super) use self::frame::Frame;
use self::{
    frame::{BOTTOM, LEFT, RIGHT, TOP, round_up},
    scale::{Axis, bounded},
    thin::Drawn,
};
use super::{
    figures::{Bound, Point, Series, Unit},
    words::{clean, number, offset, one_line},
};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 236.0;

/// A bound is drawn to scale as long as the values fill at least this share of the plot.
const LEAST_FILL: f64 = 0.2;

/// The chart of one metric. `describes` is the id of the element that says the same in words.
pub(super) fn chart(frame: &Frame, series: &Series<'_>, describes: &str) -> Markup {
    let chart = Chart::of(frame, series);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby=(describes) {
            (chart.bands())
            (chart.grid())
            (chart.bounds())
            (chart.stop())
            (chart.line())
            (chart.marks())
            (chart.bound_labels())
        }
    }
}

struct Chart<'a> {
    frame: &'a Frame,
    series: &'a Series<'a>,
    drawn: Drawn<'a>,
    values: Axis,
}

impl<'a> Chart<'a> {
    fn of(frame: &'a Frame, series: &'a Series<'a>) -> Self {
        Self { frame, series, drawn: Drawn::of(frame, series), values: value_axis(series) }
    }

    fn place(&self, value: f64) -> f64 {
        self.values.place(self.series.unit.scaled(value))
    }

    fn bands(&self) -> Markup {
        html! {
            @for band in &self.frame.bands {
                @let width = (band.to - band.from).max(2.0);
                rect class={ "band " (band.class) } x=(px(band.from)) y=(px(TOP)) width=(px(width)) height=(px(BOTTOM - TOP)) {
                    title { (band.label) }
                }
                path class={ "leader " (band.class) } d=(format!("M{} {}L{} {}", px(band.label_at), px(TOP - 9.0), px(band.from + width / 2.0), px(TOP))) {}
                text class="phase" x=(px(band.label_at)) y=(px(TOP - 12.0)) text-anchor="middle" { (band.label) }
            }
        }
    }

    fn grid(&self) -> Markup {
        html! {
            @for tick in self.values.ticks(4.0) {
                @let y = self.values.place(tick);
                path class=(if tick == 0.0 { "grid zero" } else { "grid" }) d=(format!("M{} {y}H{}", px(LEFT), px(RIGHT), y = px(y))) {}
                text class="tick" x=(px(LEFT - 6.0)) y=(px(y + 4.0)) text-anchor="end" { (number(tick)) }
            }
            @for (x, label) in self.frame.ticks() {
                path class="grid" d=(format!("M{} {}v4", px(x), px(BOTTOM))) {}
                text class="tick" x=(px(x)) y=(px(BOTTOM + 17.0)) text-anchor="middle" { (label) }
            }
            path class="axis" d=(format!("M{} {}H{}", px(LEFT), px(BOTTOM), px(RIGHT))) {}
            text class="unit" x=(px(LEFT - 6.0)) y=(px(TOP - 12.0)) text-anchor="end" { (self.series.unit.symbol()) }
            text class="unit" x=(px(f64::midpoint(LEFT, RIGHT))) y=(px(BOTTOM + 34.0)) text-anchor="middle" { (self.frame.title()) }
        }
    }

    /// Dashed lines, where they are near enough to be drawn to scale.
    fn bounds(&self) -> Markup {
        html! {
            @for (bound, scaled) in self.scaled_bounds().filter(|(_, scaled)| self.values.holds(*scaled)) {
                path class="limit" d=(format!("M{} {y}H{}", px(LEFT), px(RIGHT), y = px(self.values.place(scaled)))) {
                    title { (bound_text(bound)) }
                }
            }
        }
    }

    /// Above an upper bound and below a lower one, out of the way of what keeps it; a bound that is far away is named at the edge.
    fn bound_labels(&self) -> Markup {
        let mut taken: Vec<f64> = Vec::new();
        let mut bounds: Vec<_> = self.scaled_bounds().collect();
        bounds.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        html! {
            @for (bound, scaled) in bounds {
                @let line = self.values.place(scaled);
                @let wanted = if bound.is_upper() { line - 4.0 } else { line + 12.0 };
                @let y = free_place(&mut taken, wanted.clamp(TOP + 11.0, BOTTOM - 4.0));
                text class="limit" x=(px(RIGHT - 4.0)) y=(px(y)) text-anchor="end" {
                    @if !self.values.holds(scaled) { (if scaled > 0.0 { "↑ " } else { "↓ " }) }
                    (bound_text(bound))
                }
            }
        }
    }

    /// The bounds, with their values in the unit of the chart.
    fn scaled_bounds(&self) -> impl Iterator<Item = (&Bound, f64)> {
        let unit = self.series.unit;
        self.series.bounds.iter().map(move |bound| (bound, bounded(unit.scaled(bound.tolerance.bound()))))
    }

    fn stop(&self) -> Markup {
        html! {
            @if let Some((x, why)) = &self.frame.stop {
                path class="stop" d=(format!("M{} {}V{}", px(*x), px(TOP), px(BOTTOM))) { title { "stopped: " (clean(why)) } }
            }
        }
    }

    /// The line is broken wherever a value is unknown.
    fn line(&self) -> Markup {
        let mut path = String::new();
        let mut pen_down = false;
        for point in &self.drawn.line {
            match point.value() {
                Some(value) => {
                    let (x, y) = (px(self.frame.place(point.at)), px(self.place(value)));
                    path.push_str(&format!("{}{x} {y}", if pen_down { 'L' } else { 'M' }));
                    pen_down = true;
                }
                None => pen_down = false,
            }
        }
        html! { @if !path.is_empty() { path class="line" d=(path) {} } }
    }

    fn marks(&self) -> Markup {
        html! {
            @for (index, point) in self.drawn.marks.iter().enumerate() {
                @let goes_on = index > 0 && self.drawn.marks[index - 1].value().is_none();
                @let x = px(self.frame.place(point.at));
                @match point.value() {
                    Some(value) => {
                        @let outside = self.is_outside(point, value);
                        circle class=(if outside { "point outside" } else { "point" }) cx=(x) cy=(px(self.place(value))) r=(self.drawn.radius) {
                            title { (self.tooltip(point)) }
                        }
                    }
                    None => {
                        g class="unknown" {
                            title { (self.tooltip(point)) }
                            path d=(format!("M{x} {}V{}", px(TOP), px(BOTTOM))) {}
                            @if !goes_on {
                                text x=(x) y=(px(f64::midpoint(TOP, BOTTOM))) text-anchor="middle" { "?" }
                            }
                        }
                    }
                }
            }
        }
    }

    /// A bound holds for what is seen under the fault and after it; the baseline is not measured against a criterion of success.
    fn is_outside(&self, point: &Point, value: f64) -> bool {
        point.phase > chaos_core::experiment::Phase::Baseline && self.series.missed_by(value).is_some()
    }

    fn tooltip(&self, point: &Point) -> String {
        let value = match &point.sample {
            chaos_core::metrics::Sample::Value(value) => self.series.unit.show(*value),
            chaos_core::metrics::Sample::Unknown(why) => format!("unknown: {}", one_line(&why.to_string())),
            _ => "unknown".into(),
        };
        format!("{value} at {} ({})", offset(self.frame.zero(), point.at), point.phase)
    }
}

/// From zero, or the least value below it, to a round value above all that is seen and the bounds that are near.
fn value_axis(series: &Series<'_>) -> Axis {
    let scaled = |value: f64| bounded(series.unit.scaled(value));
    let values: Vec<f64> = series.points.iter().filter_map(Point::value).map(scaled).collect();
    let least = values.iter().copied().fold(0.0, f64::min);
    let greatest = values.iter().copied().fold(0.0, f64::max);
    let reach = greatest.max(-least) / LEAST_FILL;
    let bounds = || series.bounds.iter().map(|bound| scaled(bound.tolerance.bound()));
    let near = |bound: &f64| bound.abs() <= reach || reach == 0.0;
    let top = bounds().filter(near).fold(greatest, f64::max);
    let bottom = bounds().filter(near).fold(least, f64::min);
    let top = if top == 0.0 && bottom == 0.0 { 1.0 } else { round_up(top * 1.04) };
    let bottom = if bottom < 0.0 { -round_up(-bottom * 1.04) } else { 0.0 };
    Axis::new((bottom, top), (BOTTOM, TOP))
}

fn bound_text(bound: &Bound) -> String {
    let tolerance = &bound.tolerance;
    let value = Unit::of_tolerance(tolerance).show(tolerance.bound());
    format!("{} {value} {}", tolerance.comparison().sign(), bound.asked_by.join(", "))
}

/// The nearest place below `wanted` at which no label stands yet.
fn free_place(taken: &mut Vec<f64>, wanted: f64) -> f64 {
    let mut place = wanted;
    while taken.iter().any(|other| (other - place).abs() < 13.0) {
        place += 13.0;
    }
    taken.push(place);
    place
}

/// A place with one decimal, which is finer than a screen.
fn px(place: f64) -> String {
    let text = format!("{:.1}", bounded(place));
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// The same in words, for those who do not see the chart.
pub(super) fn in_words(series: &Series<'_>) -> String {
    let mut parts = vec![format!("{} before", series.show_baseline())];
    parts.push(format!("{} at worst under the fault", series.show_worst()));
    if let Some(after) = series.after() {
        parts.push(format!("{} after the rollback", series.unit.show(after)));
    }
    let unknown = series.unknown_count();
    if unknown > 0 {
        parts.push(format!("unknown at {unknown} of {} looks", series.points.len()));
    }
    parts.join(", ")
}
