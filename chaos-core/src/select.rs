//! Seeded choice of targets: the same seed and the same population give the same choice, for ever.

use std::fmt;

use rand::{Rng, RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::units::Percent;

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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode", content = "value")]
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
