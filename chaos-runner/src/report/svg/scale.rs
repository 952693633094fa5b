//! From values to places in a picture; whatever the values are, the places are finite.

/// Beyond this nothing is drawn to scale.
const MOST: f64 = 1e200;

/// A linear axis: values from `from` to `to` fall on places from `start` to `end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Axis {
    pub(super) fn new((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        let (from, to) = (bounded(from), bounded(to));
        let to = if to > from { to } else { from + 1.0_f64.max(from.abs() * 1e-9) };
        Self { from, to, start, end }
    }

    /// The place of a value; one outside the axis is put at its end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = (bounded(value) - self.from) / (self.to - self.from);
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }

    /// The value at a place.
    pub(super) fn value(&self, place: f64) -> f64 {
        self.from + (place - self.start) / (self.end - self.start) * (self.to - self.from)
    }

    pub(super) fn holds(&self, value: f64) -> bool {
        (self.from..=self.to).contains(&value)
    }

    /// Round values, about `count` of them.
    pub(super) fn ticks(&self, count: f64) -> Vec<f64> {
        let step = nice_step((self.to - self.from) / count);
        let first = (self.from / step - 1e-9).ceil();
        let last = (self.to / step + 1e-9).floor();
        let many = (last - first).clamp(0.0, 50.0) as u32;
        (0..=many).map(|index| (first + f64::from(index)) * step).map(|tick| tick + 0.0).collect()
    }
}

/// The least of 1, 2 or 5 times a power of ten that is not below `raw`.
pub(super) fn nice_step(raw: f64) -> f64 {
    let raw = if raw.is_finite() && raw > 1e-200 { raw } else { 1.0 };
    let magnitude = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
    steps.into_iter().find(|step| *step >= raw * (1.0 - 1e-9)).unwrap_or(10.0 * magnitude)
}

/// The value, or the nearest that can be drawn.
pub(super) const fn bounded(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(-MOST, MOST) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Axis::new((0.0, 12.0), (0.0, 1.0)).ticks(4.0), [0.0, 5.0, 10.0]);
        assert_eq!(Axis::new((-1.05, 3.3), (0.0, 1.0)).ticks(6.0), [-1.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(Axis::new((0.0, 0.0), (0.0, 1.0)).ticks(4.0), [0.0, 0.5, 1.0]);
    }

    proptest! {
        #[test]
        fn every_place_lies_within_the_axis(from in any::<f64>(), to in any::<f64>(), value in any::<f64>()) {
            let axis = Axis::new((from, to), (10.0, 90.0));
            prop_assert!((10.0..=90.0).contains(&axis.place(value)));
            prop_assert!(axis.ticks(5.0).len() <= 51);
            prop_assert!(axis.ticks(5.0).into_iter().all(f64::is_finite));
        }
    }
}
