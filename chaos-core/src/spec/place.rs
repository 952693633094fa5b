use std::{collections::BTreeMap, fmt};

use serde_path_to_error::{Path, Segment};

use crate::text::excerpt;

/// One step of a path into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Where a value stands in its text: line and column of it and of its key, both from 1, and the same for all within.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) at: (u64, u64),
    pub(crate) key: Option<(u64, u64)>,
    pub(crate) within: BTreeMap<Step, Self>,
}

impl Place {
    /// The place at the end of `steps`, or the nearest one before it that is known.
    pub(crate) fn nearest(&self, steps: &[Step]) -> &Self {
        match steps.split_first().and_then(|(step, rest)| Some((self.within.get(step)?, rest))) {
            Some((place, rest)) => place.nearest(rest),
            None => self,
        }
    }
}

/// The steps of a path, as far as it is known.
pub(super) fn steps(path: &Path) -> Vec<Step> {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { variant } => Some(Step::Key(variant.clone())),
            Segment::Unknown => None,
        })
        .collect()
}

/// Reads `a.b[0].c` as it is written in a [`Problem`](crate::error::Problem).
pub(super) fn parse_steps(path: &str) -> Vec<Step> {
    path.split(['.', '['])
        .filter(|step| !step.is_empty())
        .map(|step| match step.strip_suffix(']').map(str::parse) {
            Some(Ok(index)) => Step::Index(index),
            _ => Step::Key(step.to_owned()),
        })
        .collect()
}

/// Writes steps as `a.b[0].c`.
pub(crate) fn write_steps(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) if path.is_empty() => path = excerpt(key),
            Step::Key(key) => path = format!("{path}.{}", excerpt(key)),
            Step::Index(index) => path = format!("{path}[{index}]"),
        }
    }
    path
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_as_they_are_written() {
        for path in ["", "faults[0].spec.latency", "a", "[3]", "a[1][2].b"] {
            assert_eq!(write_steps(&parse_steps(path)), path);
        }
    }

    #[test]
    fn the_nearest_place_answers_for_what_is_missing() {
        let leaf = Place { at: (3, 5), ..Place::default() };
        let root =
            Place { at: (1, 1), key: None, within: [(Step::Key("a".into()), leaf)].into_iter().collect() };
        assert_eq!(root.nearest(&parse_steps("a.b.c")).at, (3, 5));
        assert_eq!(root.nearest(&parse_steps("b")).at, (1, 1));
    }
}
