//! One line a figure: what was measured, beside what, and the goal.

/// Collects the figures that miss their goals.
#[derive(Debug)]
pub(crate) struct Report {
    missed: Vec<String>,
}

impl Report {
    pub(crate) fn new() -> Self {
        println!("{:<52} {:>12} {:>26}  goal", "figure", "measured", "beside");
        Self { missed: Vec::new() }
    }

    /// A figure that should be at most `goal`.
    pub(crate) fn at_most(&mut self, name: &str, value: f64, unit: &str, beside: &str, goal: f64) {
        self.line(name, value, unit, beside, &format!("<= {goal}"), value <= goal);
    }

    /// A figure that should be at least `goal`.
    pub(crate) fn at_least(&mut self, name: &str, value: f64, unit: &str, beside: &str, goal: f64) {
        self.line(name, value, unit, beside, &format!(">= {goal}"), value >= goal);
    }

    /// A figure without a goal.
    pub(crate) fn note(&self, name: &str, value: f64, unit: &str, beside: &str) {
        println!("{name:<52} {:>12} {beside:>26}", format!("{} {unit}", digits(value)));
    }

    fn line(&mut self, name: &str, value: f64, unit: &str, beside: &str, goal: &str, reached: bool) {
        let word = if reached { "reached" } else { "MISSED" };
        println!("{name:<52} {:>12} {beside:>26}  {goal} {word}", format!("{} {unit}", digits(value)));
        if !reached {
            self.missed.push(name.to_owned());
        }
    }

    pub(crate) fn finish(self) {
        match self.missed.as_slice() {
            [] => println!("all goals reached"),
            missed => println!("{} missed: {}", missed.len(), missed.join(", ")),
        }
    }
}

/// Three significant digits, and no more than a reader needs.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// The middle of `values`.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value under which a share `q` lies.
pub(crate) fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
