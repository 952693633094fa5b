//! Seeded choice of targets: the same seed and the same population give the same choice, for ever.

use std::{fmt, str::FromStr};

use rand::{Rng, RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::{
    text::{excerpt, text_serde},
    units::Percent,
};

/// How many of a population are chosen. The names are those of Chaos Mesh and kube-monkey.
///
/// ```
/// use chaos_core::{select::{Mode, choose}, units::Percent};
/// let pods = ["api-1", "api-2", "api-3"];
/// let chosen = choose(Mode::FixedPercent(Percent::whole(50)), &pods, 7)?;
/// assert_eq!(chosen.len(), 2);
/// assert_eq!(chosen, choose(Mode::FixedPercent(Percent::whole(50)), &pods, 7)?);
/// # Ok::<(), chaos_core::select::SelectError>(())
/// ```
///
/// Its text form is the name, followed by the value where there is one: `one`, `fixed 3`, `fixed-percent 50%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// One, at random.
    One,
    /// All.
    All,
    /// This many; a smaller population is an error.
    Fixed(usize),
    /// This share, rounded up: at least one of a population that is not empty.
    FixedPercent(Percent),
    /// A share chosen at random up to this one, rounded up: at least one.
    RandomMaxPercent(Percent),
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("one"),
            Self::All => f.write_str("all"),
            Self::Fixed(count) => write!(f, "fixed {count}"),
            Self::FixedPercent(share) => write!(f, "fixed-percent {share}"),
            Self::RandomMaxPercent(share) => write!(f, "random-max-percent {share}"),
        }
    }
}

/// The text is not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid mode `{0}`: write one, all, fixed 3, fixed-percent 50% or random-max-percent 50%")]
pub struct InvalidMode(String);

impl FromStr for Mode {
    type Err = InvalidMode;

    fn from_str(text: &str) -> Result<Self, InvalidMode> {
        let mut words = text.split_whitespace();
        let mode = match (words.next(), words.next()) {
            (Some("one"), None) => Some(Self::One),
            (Some("all"), None) => Some(Self::All),
            (Some("fixed"), Some(count)) => count.parse().ok().filter(|count| *count > 0).map(Self::Fixed),
            (Some("fixed-percent"), Some(share)) => share.parse().ok().map(Self::FixedPercent),
            (Some("random-max-percent"), Some(share)) => share.parse().ok().map(Self::RandomMaxPercent),
            _ => None,
        };
        mode.filter(|_| words.next().is_none()).ok_or_else(|| InvalidMode(excerpt(text)))
    }
}

text_serde!(Mode, "a mode such as \"one\" or \"fixed-percent 50%\"");

/// Why nothing was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// There is nothing to choose from. An empty selection is never "all".
    #[error("the population is empty")]
    Empty,
    /// `fixed` asks for more than there are, or for none.
    #[error("{asked} of {population} targets asked for")]
    OutOfRange {
        /// How many were asked for.
        asked: usize,
        /// How many there are.
        population: usize,
    },
}

/// The generator behind every random choice of a run; stable over releases, so that a seed in a report replays.
#[must_use]
pub fn rng(seed: u64) -> impl Rng + Send + Sync + 'static {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Chooses from `population`, in the population's order.
///
/// # Errors
/// [`SelectError::Empty`] for an empty population, [`SelectError::OutOfRange`] for a `fixed` count of 0 or above it.
pub fn choose<T: Clone>(mode: Mode, population: &[T], seed: u64) -> Result<Vec<T>, SelectError> {
    if population.is_empty() {
        return Err(SelectError::Empty);
    }
    let mut rng = rng(seed);
    let count = count(mode, population.len(), &mut rng)?;
    let mut indices: Vec<usize> = (0..population.len()).collect();
    indices.shuffle(&mut rng);
    indices.truncate(count);
    indices.sort_unstable();
    Ok(indices.into_iter().map(|index| population[index].clone()).collect())
}

fn count(mode: Mode, population: usize, rng: &mut impl Rng) -> Result<usize, SelectError> {
    match mode {
        Mode::One => Ok(1),
        Mode::All => Ok(population),
        Mode::Fixed(asked) if asked == 0 || asked > population => {
            Err(SelectError::OutOfRange { asked, population })
        }
        Mode::Fixed(asked) => Ok(asked),
        Mode::FixedPercent(share) => Ok(share_of(share.fraction(), population)),
        Mode::RandomMaxPercent(share) => Ok(share_of(rng.random_range(0.0..=share.fraction()), population)),
    }
}

/// Rounded up, and at least one; products such as 0.07 * 100 do not round up by floating noise.
fn share_of(fraction: f64, population: usize) -> usize {
    let exact = fraction * population as f64;
    let count = (exact - exact.abs() * 1e-12).ceil() as usize;
    count.clamp(1, population)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chosen(mode: &str, population: usize, seed: u64) -> Result<Vec<usize>, SelectError> {
        choose(mode.parse().unwrap(), &(0..population).collect::<Vec<_>>(), seed)
    }

    #[test]
    fn shares_are_rounded_up_and_never_to_nothing() {
        let count = |mode: &str, population| chosen(mode, population, 1).unwrap().len();
        let cases = [
            ("one", 3, 1),
            ("all", 3, 3),
            ("fixed 2", 3, 2),
            ("fixed-percent 50%", 3, 2),
            ("fixed-percent 1%", 3, 1),
            ("fixed-percent 50%", 2, 1),
            ("fixed-percent 7%", 100, 7),
            ("fixed-percent 29%", 100, 29),
            ("fixed-percent 100%", 7, 7),
            ("fixed-percent 33.34%", 3, 2),
            ("fixed-percent 0.0001%", 1, 1),
        ];
        for (mode, population, expected) in cases {
            assert_eq!(count(mode, population), expected, "{mode} of {population}");
        }
    }

    #[test]
    fn an_empty_population_and_an_impossible_count_are_errors() {
        for mode in ["one", "all", "fixed 1", "fixed-percent 50%", "random-max-percent 50%"] {
            assert_eq!(chosen(mode, 0, 1), Err(SelectError::Empty));
        }
        assert_eq!(chosen("fixed 4", 3, 1), Err(SelectError::OutOfRange { asked: 4, population: 3 }));
        assert!(choose(Mode::Fixed(0), &[1, 2], 1).is_err());
    }

    #[test]
    fn a_seed_replays_for_ever() {
        assert_eq!(chosen("fixed 5", 20, 7).unwrap(), [2, 9, 11, 12, 18]);
        assert_eq!(chosen("one", 1000, 42).unwrap(), [79]);
        assert_eq!(chosen("random-max-percent 50%", 40, 3).unwrap().len(), 13);
    }

    #[test]
    fn every_target_is_chosen_about_as_often_as_the_others() {
        let mut counts = [0_u32; 10];
        (0..2_000)
            .for_each(|seed| chosen("fixed 3", 10, seed).unwrap().into_iter().for_each(|at| counts[at] += 1));
        assert!(counts.iter().all(|count| (500..700).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_mode_has_one_text_form() {
        for text in ["one", "all", "fixed 3", "fixed-percent 50%", "random-max-percent 12.5%"] {
            let mode: Mode = serde_json::from_value(text.into()).unwrap();
            assert_eq!(mode.to_string(), text);
            assert_eq!(serde_json::to_value(mode).unwrap(), text);
        }
        for text in [
            "",
            "any",
            "fixed",
            "fixed 0",
            "fixed -1",
            "one 2",
            "fixed-percent 0%",
            "fixed-percent 50",
            "fixed 3 4",
        ] {
            assert!(text.parse::<Mode>().is_err(), "{text}");
        }
    }

    fn mode() -> impl Strategy<Value = Mode> {
        let share = || (0.0001..=100.0_f64).prop_map(|percent| Percent::new(percent).unwrap());
        prop_oneof![
            Just(Mode::One),
            Just(Mode::All),
            (1..60_usize).prop_map(Mode::Fixed),
            share().prop_map(Mode::FixedPercent),
            share().prop_map(Mode::RandomMaxPercent),
        ]
    }

    proptest! {
        #[test]
        fn a_choice_lies_within_its_population_and_replays(mode in mode(), size in 0..50_usize, seed in any::<u64>()) {
            let population: Vec<usize> = (100..100 + size).collect();
            let first = choose(mode, &population, seed);
            prop_assert_eq!(&first, &choose(mode, &population, seed));
            if let Ok(chosen) = first {
                prop_assert!(!chosen.is_empty() && chosen.iter().all(|target| population.contains(target)));
                prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "each once, in the population's order");
                if let Mode::FixedPercent(share) | Mode::RandomMaxPercent(share) = mode {
                    prop_assert!(chosen.len() as f64 <= (share.fraction() * size as f64).ceil().max(1.0));
                }
            }
        }
    }
}
