//! Which point to go on from: the paper's first question, and its answer by simulated annealing.
//!
//! A point `p` of the history with performance `E(p)` is kept with probability `exp(-γ (E* - E(p)) / E*)`, where `E*` is
//! the best performance; else the best point is taken. Performance is the inverse of time, so with `γ` of 0.5 a point
//! of half the best speed is kept in 78 of 100 cases.

use rand::RngExt;

use super::{Done, Search};
use crate::space::knobs::Point;

/// The paper's γ.
pub(super) const GAMMA: f64 = 0.5;

/// A start; a fresh point where nothing was measured yet.
pub(super) fn start(search: &mut Search<'_>, gamma: f64) -> Result<Point, Done> {
    let Some((best, fastest)) = search.best().cloned() else { return search.fresh_point() };
    let count = search.measured().len();
    let pick = search.rng.random_range(0..count);
    let (point, seconds) = search.measured()[pick];
    let point = point.clone();
    let kept = (-gamma * (1.0 - fastest / seconds)).exp();
    Ok(if search.rng.random_range(0.0..1.0) < kept { point } else { best })
}
