//! The default: the analytic model corrected by what was measured, and the neighbours of what is best.
//!
//! Each round breeds points by a score and tries the best of them. The score is the logarithm of the predicted cost plus a
//! correction: a network that was trained on how far the predictions of measured points were off. Of each batch some
//! trials go to neighbours of the best points whatever their score, because near the best the model's order means
//! least, and a few to points at random, so that nothing stays unseen.
//!
//! Before anything is measured, the score is the model's own: the first trials are those of `model`.

use rand::RngExt;

use super::network::{self, Lesson, Network, Rate};
use super::pool::{self, Breeding};
use super::{Done, Explore, Search, climb};
use crate::space::knobs::Point;

/// Its parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Auto {
    /// Of each round.
    breeding: Breeding,
    /// Of every so many trials one is for a neighbour of the best.
    neighbours: usize,
    /// Of every so many trials one is for a point at random.
    chance: usize,
    /// Measured points before corrections are believed.
    enough: usize,
    /// Width of the two hidden layers of the correction.
    width: usize,
    /// Of training.
    rate: Rate,
    /// Steps of each training.
    steps: usize,
}

impl Default for Auto {
    fn default() -> Self {
        Self {
            breeding: Breeding { size: 128, generations: 3 },
            neighbours: 3,
            chance: 16,
            enough: 16,
            width: 32,
            rate: Rate { rate: 1.0, decay: 0.9 },
            steps: 24,
        }
    }
}

/// Points that are climbed to by predictions before the first trial, and the predictions for it.
const CLIMBS: usize = 12;
const PREDICTIONS: usize = 2000;
/// Measured points in a training step.
const LESSON: usize = 128;

impl Explore for Auto {
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done> {
        let mut correction = self.correction(search);
        let mut parents = guesses(search);
        loop {
            self.train(search, &mut correction);
            let believed = search.measured().len() >= self.enough;
            parents.extend(best(search, 16));
            let ranked = pool::breed(search, parents, self.breeding, &mut |search, points| {
                let bases: Vec<_> = points.iter().map(|point| search.predict(point).map_or(0.0, f64::ln)).collect();
                if !believed {
                    return bases;
                }
                let rows: Vec<_> = points.iter().map(|point| network::encode(search.knobs, point)).collect();
                let rows: Vec<_> = rows.iter().map(Vec::as_slice).collect();
                let off = correction.outputs(&rows);
                bases.iter().zip(off).map(|(base, off)| base + f64::from(off[0])).collect()
            });
            let batch = self.batch(search, &ranked)?;
            search.try_all(&batch)?;
            parents = ranked.into_iter().take(32).map(|(point, _)| point).collect();
        }
    }
}

impl Auto {
    fn correction(&self, search: &mut Search<'_>) -> Network {
        let inputs = network::encode(search.knobs, &search.knobs.point(0)).len();
        Network::new(&[inputs, self.width, self.width, 1], &mut search.rng)
    }

    /// Points to try: by score, near the best, at random.
    fn batch(&self, search: &mut Search<'_>, ranked: &[(Point, f64)]) -> Result<Vec<Point>, Done> {
        let mut ranked = ranked.iter().map(|(point, _)| point);
        let mut near = neighbours(search).into_iter();
        let mut batch: Vec<Point> = Vec::new();
        for _ in 0..search.batch {
            let slot = search.rng.random_range(0..self.chance * self.neighbours);
            let by_chance = slot == 0;
            let next = match slot % self.neighbours {
                _ if by_chance => None,
                0 => near.find(|point| !batch.contains(point)),
                _ => ranked.find(|point| !search.is_known(point) && !batch.contains(point)).cloned(),
            };
            let next = next.or_else(|| if by_chance { None } else { near.find(|point| !batch.contains(point)) });
            batch.push(next.map_or_else(|| search.fresh_point(), Ok)?);
        }
        Ok(batch)
    }

    /// Trains on what the predictions of measured points were off by, the mean left out: only the order counts.
    fn train(&self, search: &mut Search<'_>, correction: &mut Network) {
        let measured: Vec<_> = search.measured().into_iter().map(|(point, cost)| (point.clone(), cost)).collect();
        if measured.len() < self.enough {
            return;
        }
        let mut data = Vec::new();
        for (point, seconds) in measured {
            let predicted = search.predict(&point).unwrap_or(1.0);
            data.push((network::encode(search.knobs, &point), (seconds.ln() - predicted.ln()) as f32));
        }
        let mean = data.iter().map(|(_, off)| off).sum::<f32>() / data.len() as f32;
        for _ in 0..self.steps {
            let count = LESSON.min(data.len());
            let lesson: Vec<_> = (0..count).map(|_| &data[search.rng.random_range(0..data.len())]).collect();
            let rows: Vec<_> = lesson.iter().map(|(row, _)| row.as_slice()).collect();
            let wanted: Vec<_> = lesson.iter().map(|(_, off)| (0, off - mean)).collect();
            correction.learn(&Lesson { rows: &rows, wanted: &wanted }, self.rate);
        }
    }
}

/// Points that predictions alone lead to.
fn guesses(search: &mut Search<'_>) -> Vec<Point> {
    let knobs = search.knobs;
    let starts = climb::spread(knobs, CLIMBS);
    let each = PREDICTIONS / CLIMBS;
    let climbed = starts.into_iter().filter_map(|start| climb::climb(knobs, &[start], each, |at| search.predict(at)));
    climbed.map(|climbed| climbed.point).collect()
}

/// The fastest points.
fn best(search: &Search<'_>, count: usize) -> Vec<Point> {
    let mut measured = search.measured();
    measured.sort_by(|a, b| a.1.total_cmp(&b.1));
    measured.into_iter().take(count).map(|(point, _)| point.clone()).collect()
}

/// New legal neighbours of the fastest points: those of the very fastest first, cheaper ones by the model before others.
fn neighbours(search: &mut Search<'_>) -> Vec<Point> {
    let mut found: Vec<Point> = Vec::new();
    for point in best(search, 4) {
        let all = search.knobs.neighbours(&point).into_iter().filter(|next| !search.is_known(next));
        let all: Vec<_> = all.collect();
        let mut legal: Vec<_> = all.into_iter().filter_map(|next| Some((search.predict(&next)?, next))).collect();
        legal.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.extend(legal.into_iter().map(|(_, next)| next));
    }
    found
}
