//! The P-method, the paper's own yardstick: all neighbours of a start are tried.
//!
//! Starts are picked as by the Q-method, after the same points at random. Where all neighbours of a start are known, the
//! next one is picked; where that happens again and again, a fresh point is tried.

use super::{Done, Explore, Search, random, start};

/// Its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct P {
    /// How far from the best a start may be; see `start`.
    gamma: f64,
    /// Trials at random before, at most; a tenth of all trials if that is less.
    warm_up: usize,
}

impl Default for P {
    fn default() -> Self {
        Self { gamma: start::GAMMA, warm_up: 20 }
    }
}

/// Starts without news before a fresh point is tried.
const PATIENCE: usize = 16;

impl Explore for P {
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done> {
        random::warm_up(search, self.warm_up)?;
        let mut stale = 0;
        loop {
            let from = if stale < PATIENCE { start::start(search, self.gamma)? } else { search.fresh_point()? };
            let before = search.tried();
            let mut points = search.knobs.neighbours(&from);
            points.push(from);
            search.try_all(&points)?;
            stale = if search.tried() > before { 0 } else { stale + 1 };
        }
    }
}
