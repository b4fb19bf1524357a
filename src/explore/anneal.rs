//! Simulated annealing: several walkers, each of which takes a neighbour that is faster, and sometimes one that is not.
//!
//! A neighbour that takes `r` times as long is accepted with probability `r^(-1/T)`: what counts is the ratio of times.
//! The temperature `T` falls from `hot` to `cold` as the trials are used up. There are as many walkers as points are
//! tried together; a walker that has been stuck for long starts again from the best point.

use rand::RngExt;

use super::{Done, Explore, Search};
use crate::space::knobs::Point;

/// Its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anneal {
    /// Temperature at the beginning: at 0.5, twice the time is accepted once in four.
    hot: f64,
    /// Temperature at the end.
    cold: f64,
    /// Refused neighbours in a row before a walker starts again.
    patience: usize,
}

impl Default for Anneal {
    fn default() -> Self {
        Self { hot: 0.5, cold: 0.02, patience: 24 }
    }
}

#[derive(Clone, Debug)]
struct Walker {
    point: Point,
    seconds: f64,
    stuck: usize,
}

impl Explore for Anneal {
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done> {
        let all = search.expected();
        let mut walkers = start(search)?;
        loop {
            let used = (search.tried() as f64 / all as f64).min(1.0);
            let temperature = self.hot * (self.cold / self.hot).powf(used);
            let proposals: Vec<_> = walkers.iter().map(|walker| propose(search, &walker.point)).collect();
            let costs = search.try_all(&proposals)?;
            for ((walker, point), cost) in walkers.iter_mut().zip(proposals).zip(costs) {
                let seconds = cost.unwrap_or(f64::INFINITY);
                let accepted = (seconds / walker.seconds).powf(-1.0 / temperature);
                if seconds <= walker.seconds || search.rng.random_range(0.0..1.0) < accepted {
                    *walker = Walker { point, seconds, stuck: 0 };
                } else {
                    walker.stuck += 1;
                }
                if let (true, Some((best, seconds))) = (walker.stuck > self.patience, search.best()) {
                    *walker = Walker { point: best.clone(), seconds: *seconds, stuck: 0 };
                }
            }
        }
    }
}

/// Walkers at the best known points, and at fresh ones.
fn start(search: &mut Search<'_>) -> Result<Vec<Walker>, Done> {
    let points = (0..search.batch).map(|_| search.fresh_point()).collect::<Result<Vec<_>, _>>()?;
    search.try_all(&points)?;
    let mut measured: Vec<_> = search.measured();
    measured.sort_by(|a, b| a.1.total_cmp(&b.1));
    let walker = |(point, seconds): &(&Point, f64)| Walker { point: (*point).clone(), seconds: *seconds, stuck: 0 };
    let mut walkers: Vec<_> = measured.iter().take(search.batch).map(walker).collect();
    while walkers.len() < search.batch {
        let point = search.fresh_point()?;
        walkers.push(Walker { point, seconds: f64::INFINITY, stuck: 0 });
    }
    Ok(walkers)
}

/// A legal neighbour; if there is none nearby, a point farther away.
fn propose(search: &mut Search<'_>, from: &Point) -> Point {
    let mut point = from.clone();
    for attempt in 0..256 {
        let base = if attempt % 16 == 15 { point.clone() } else { from.clone() };
        if let Some(next) = search.step_at_random(&base) {
            if search.predict(&next).is_some() {
                return next;
            }
            point = next;
        }
    }
    from.clone()
}
