use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a fault was really there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Injected {
    /// The effect was seen.
    Yes,
    /// The fault was on and had no effect: the run says "not injected", never "survived".
    No {
        /// What was looked at.
        why: String,
    },
    /// Nobody looked.
    NotMeasured {
        /// Why not.
        why: String,
    },
}

/// One figure: what was asked for beside what was observed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectFigure {
    /// What is measured: `latency p50`.
    pub name: String,
    /// The value that was asked for, where there is one.
    pub asked: Option<f64>,
    /// The value that was observed, where there is one.
    pub observed: Option<f64>,
    /// The unit of both: `ms`, `%`, `requests/s`.
    pub unit: String,
}

impl fmt::Display for EffectFigure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.name)?;
        if let Some(asked) = self.asked {
            write!(f, " asked {asked:.4} {}", self.unit)?;
        }
        match self.observed {
            Some(observed) => write!(f, " observed {observed:.4} {}", self.unit),
            None => f.write_str(" not observed"),
        }
    }
}

/// The measured effect of a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Whether the fault was really there.
    pub injected: Injected,
    /// Asked beside observed.
    pub figures: Vec<EffectFigure>,
}

impl Effect {
    /// The effect was seen.
    #[must_use]
    pub const fn seen() -> Self {
        Self { injected: Injected::Yes, figures: Vec::new() }
    }

    /// The fault was on and had no effect.
    #[must_use]
    pub fn absent(why: impl Into<String>) -> Self {
        Self { injected: Injected::No { why: why.into() }, figures: Vec::new() }
    }

    /// Nobody looked.
    #[must_use]
    pub fn not_measured(why: impl Into<String>) -> Self {
        Self { injected: Injected::NotMeasured { why: why.into() }, figures: Vec::new() }
    }

    /// Adds a figure.
    #[must_use]
    pub fn figure(
        mut self,
        name: impl Into<String>,
        asked: impl Into<Option<f64>>,
        observed: impl Into<Option<f64>>,
        unit: &str,
    ) -> Self {
        let (asked, observed) = (asked.into(), observed.into());
        self.figures.push(EffectFigure { name: name.into(), asked, observed, unit: unit.into() });
        self
    }
}
