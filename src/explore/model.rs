//! The analytic model alone: evolution on its predictions, and only what it ranks best is measured.
//!
//! What was measured changes nothing: this is the order of the model, followed for as long as there are trials.

use super::pool::{self, Breeding};
use super::{Done, Explore, Search};
use crate::space::knobs::Point;

/// Its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    /// Of each round.
    breeding: Breeding,
}

impl Default for Model {
    fn default() -> Self {
        Self { breeding: Breeding { size: 192, generations: 4 } }
    }
}

/// Rounds without news before points at random are tried.
const PATIENCE: usize = 3;

impl Explore for Model {
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done> {
        let mut parents: Vec<Point> = search.measured().into_iter().map(|(point, _)| point.clone()).collect();
        let mut stale = 0;
        loop {
            let ranked = pool::breed(search, parents, self.breeding, &mut |search, points| {
                points.iter().map(|point| search.predict(point).unwrap_or(f64::INFINITY)).collect()
            });
            let mut news: Vec<Point> =
                ranked.iter().map(|(point, _)| point).filter(|point| !search.is_known(point)).cloned().collect();
            news.truncate(search.batch);
            stale = if news.is_empty() { stale + 1 } else { 0 };
            if stale >= PATIENCE {
                news.push(search.fresh_point()?);
            }
            search.try_all(&news)?;
            // Known points take no places from others in the next round.
            let open = ranked.into_iter().map(|(point, _)| point).filter(|point| !search.is_known(point));
            parents = open.collect();
        }
    }
}
