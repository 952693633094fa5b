//! A day of samples is more than a screen has columns: of each column the least, the greatest and the unknown are enough.

use std::collections::BTreeMap;

use super::frame::Frame;
use crate::report::figures::{Point, Series};

/// Up to this many samples each is drawn with a point of its own.
const ALL: usize = 600;

/// What is drawn of a series.
#[derive(Debug)]
pub(super) struct Drawn<'a> {
    pub(super) line: Vec<&'a Point>,
    pub(super) marks: Vec<&'a Point>,
    pub(super) radius: &'static str,
}

impl<'a> Drawn<'a> {
    pub(super) fn of(frame: &Frame, series: &'a Series<'_>) -> Self {
        let points = &series.points;
        if points.len() <= ALL {
            let radius = if points.len() <= 60 { "3" } else { "1.8" };
            let all: Vec<&Point> = points.iter().collect();
            return Self { line: all.clone(), marks: all, radius };
        }
        let kept = thinned(frame, points);
        Self { line: kept.clone(), marks: kept, radius: "1.2" }
    }
}

fn thinned<'a>(frame: &Frame, points: &'a [Point]) -> Vec<&'a Point> {
    let mut columns: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (index, point) in points.iter().enumerate() {
        columns.entry(frame.place(point.at).round() as i64).or_default().push(index);
    }
    let kept = columns.values().flat_map(|column| extremes(points, column));
    kept.map(|index| &points[index]).collect()
}

/// The least and the greatest value of a column and its first unknown, in order of time.
fn extremes(points: &[Point], column: &[usize]) -> Vec<usize> {
    let valued = || column.iter().filter_map(|index| Some((points[*index].value()?, *index)));
    let least = valued().min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, index)| index);
    let greatest = valued().max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, index)| index);
    let unknown = column.iter().copied().find(|index| points[*index].value().is_none());
    let mut kept: Vec<usize> = [least, greatest, unknown].into_iter().flatten().collect();
    kept.sort_unstable();
    kept.dedup();
    kept
}
