//! Searching a space for its cheapest point.
//!
//! # Words
//!
//! They are `FlexTensor`'s. A space has *knobs*, each a choice with a list of values; a *point* picks a value of each; a
//! *direction* leads from a point to a *neighbour* by changing one knob. What was tried is the *history*; a *start* is a
//! point of it that a method goes on from. A *trial* is one point that was measured, or that failed.
//!
//! # What is here
//!
//! This room knows nothing else of what it searches. It takes the knobs, something that says what points cost
//! ([`Evaluate`]), a limit on trials, and a seed; it gives the best point and everything that was tried, in order. It
//! reads no clock and no files: who has only so much time lets the evaluator stop. The same costs and seed give the same
//! search.
//!
//! Methods stand one in a file behind one trait, [`Explore`]: `random` and `exhaustive` as yardsticks, `anneal`, the
//! paper's own two, `p` and `q`, then `model`, which measures only what the analytic model ranks best, and `auto`, which
//! corrects that model by what it measured. [`climb`] needs predictions alone, and is what chooses a schedule where
//! nothing is measured.
//!
//! ```text
//!            proposals                     legal ones                  trials
//!  method ──────────────> Search ──────────────────────────> Evaluate ─────────> history, best
//!              counts rejected points by reason, skips known ones, holds the limit
//! ```
//!
//! Departures from the paper are in the headers of `q` and `start`; all rewards are differences of logarithms of times,
//! so that kernels of microseconds and of seconds are searched alike.

mod anneal;
mod auto;
mod climb;
mod correction;
mod exhaustive;
mod model;
mod network;
mod p;
mod pool;
mod q;
mod random;
mod search;
mod start;

pub use climb::{Climbed, climb, spread};
pub use search::{Done, Evaluate, Found, Limits, Reason, Rejections, Search, Trial};

use crate::space::knobs::{Knobs, Point};

/// A way to search.
pub trait Explore {
    /// Proposes points until the search is done; that is how it ends.
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done>;
}

/// The methods, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// The analytic model, corrected by what was measured, and the neighbours of what is best.
    Auto,
    /// The paper's: annealing picks the starts, a network for each knob the directions.
    Q,
    /// The paper's own yardstick: all neighbours of a start.
    P,
    /// Simulated annealing.
    Anneal,
    /// Points at random.
    Random,
    /// All points, in order.
    Exhaustive,
    /// Evolution on the analytic model; only what it ranks best is measured.
    Model,
}

impl Method {
    /// All of them, with the names by which they are asked for.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Auto, "auto"),
        (Self::Q, "q"),
        (Self::P, "p"),
        (Self::Anneal, "anneal"),
        (Self::Random, "random"),
        (Self::Exhaustive, "exhaustive"),
        (Self::Model, "model"),
    ];

    /// The method of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(method, _)| method)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// With its default parameters.
    fn strategy(self) -> Box<dyn Explore> {
        match self {
            Self::Auto => Box::new(auto::Auto::default()),
            Self::Q => Box::new(q::Q::default()),
            Self::P => Box::new(p::P::default()),
            Self::Anneal => Box::new(anneal::Anneal::default()),
            Self::Random => Box::new(random::Random),
            Self::Exhaustive => Box::new(exhaustive::Exhaustive),
            Self::Model => Box::new(model::Model::default()),
        }
    }
}

/// Searches from some points that are known to be good guesses; there may be none.
pub fn explore(
    method: Method,
    knobs: &Knobs,
    starts: &[Point],
    limits: Limits,
    seed: u64,
    evaluator: &mut dyn Evaluate,
) -> Found {
    let mut search = Search::new(knobs, limits, seed, evaluator);
    // Every method begins with the guesses: they cost little, and "nothing was found" cannot happen.
    let done = search.try_all(starts).and_then(|_| match knobs.size() {
        1 => search.try_all(&[knobs.point(0)]).map(drop),
        _ => method.strategy().explore(&mut search),
    });
    let done = done.err().unwrap_or(Done::Exhausted);
    search.found(done)
}
