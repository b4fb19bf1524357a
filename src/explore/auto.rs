//! The default: the analytic model corrected by what was measured, and the neighbours of what is best.
//!
//! Each round breeds points by a score and tries the best of them. The score is the logarithm of the predicted cost plus a
//! correction that was learned from how far the predictions of measured points were off (`correction`). Of each batch some
//! trials go to neighbours of the best points, and a few to points at random, so that nothing stays unseen. Towards the
//! expected end all trials are for neighbours of the best, until none are left.
//!
//! Two searches are to agree, whatever their seeds:
//!
//! - Which points are the best is asked of the correction, which averages over points that are alike, not of single times.
//! - The first rounds are the same for all seeds: the starts, then what the model ranks best, then what it ranks best
//!   once corrected. A seed counts only after that.
//!
//! Before anything is measured, the score is the model's own: the first trials are those of `model`.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::correction::{Case, Correction, Scale};
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
    /// Trials before the seed counts.
    common: usize,
    /// The part of the expected trials after which only neighbours of the best are tried.
    local: f64,
    /// By how much of its doubt a point is thought better than it seems.
    curiosity: f64,
}

impl Default for Auto {
    fn default() -> Self {
        Self {
            breeding: Breeding { size: 160, generations: 4 },
            neighbours: 3,
            chance: 16,
            enough: 16,
            common: 48,
            local: 0.85,
            curiosity: 1.0,
        }
    }
}

/// Points that are climbed to by predictions before the first trial, and the predictions for it.
const CLIMBS: usize = 12;
const PREDICTIONS: usize = 2000;
/// Ranked points that are asked how far their scores may be off.
const ASKED: usize = 48;
/// The best points that have children, and those whose neighbours are tried.
const PARENTS: usize = 16;
const CENTRES: usize = 4;
/// The seed of what all searches share.
const COMMON: u64 = 0;

impl Explore for Auto {
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done> {
        let mut parents = guesses(search);
        let own = std::mem::replace(&mut search.rng, StdRng::seed_from_u64(COMMON));
        let (mut own, mut scale) = (Some(own), None);
        loop {
            if search.tried() >= self.common
                && let Some(own) = own.take()
            {
                search.rng = own;
            }
            let correction = self.learn(search, scale);
            scale = correction.as_ref().map(Correction::scale);
            let best = best(search, correction.as_ref());
            parents.extend(best.iter().take(PARENTS).cloned());
            let ranked = pool::breed(search, parents, self.breeding, &mut |search, points| {
                points.iter().map(|point| score(search, correction.as_ref(), point)).collect()
            });
            let batch = self.batch(search, correction.as_ref(), &best, &ranked)?;
            search.try_all(&batch)?;
            parents = ranked.into_iter().take(32).map(|(point, _)| point).collect();
        }
    }
}

impl Auto {
    /// Points to try: by score, near the best, at random.
    fn batch(
        &self,
        search: &mut Search<'_>,
        correction: Option<&Correction>,
        best: &[Point],
        ranked: &[(Point, f64)],
    ) -> Result<Vec<Point>, Done> {
        let is_local = search.tried() as f64 >= self.local * search.expected() as f64;
        let mut near = neighbours(search, correction, best).into_iter();
        let mut ranked = self.promising(search, correction, ranked).into_iter();
        let mut batch: Vec<Point> = Vec::new();
        for _ in 0..search.batch {
            let slot = search.rng.random_range(0..self.chance * self.neighbours);
            let by_chance = slot == 0 && !is_local;
            let next = match slot % self.neighbours {
                _ if by_chance => None,
                at if at == 0 || is_local => near.find(|point| !batch.contains(point)),
                _ => ranked.find(|point| !batch.contains(point)),
            };
            let next = next.or_else(|| if by_chance { None } else { ranked.find(|point| !batch.contains(point)) });
            let next = next.or_else(|| if by_chance { None } else { near.find(|point| !batch.contains(point)) });
            batch.push(next.map_or_else(|| search.fresh_point(), Ok)?);
        }
        Ok(batch)
    }

    /// New points in the order in which they are worth trying: what may be better than it seems comes earlier.
    fn promising(&self, search: &Search<'_>, correction: Option<&Correction>, ranked: &[(Point, f64)]) -> Vec<Point> {
        let open: Vec<_> = ranked.iter().filter(|(point, _)| !search.is_known(point)).collect();
        let (asked, rest) = open.split_at(open.len().min(ASKED));
        let doubt = |point| correction.map_or(0.0, |correction| self.curiosity * correction.doubt(point));
        let mut asked: Vec<_> = asked.iter().map(|(point, score)| (score - doubt(point), point)).collect();
        asked.sort_by(|a, b| a.0.total_cmp(&b.0));
        asked.into_iter().map(|(_, point)| point).chain(rest.iter().map(|(point, _)| point)).cloned().collect()
    }

    /// What the model is off by, once enough was measured.
    fn learn(&self, search: &mut Search<'_>, scale: Option<Scale>) -> Option<Correction> {
        let measured: Vec<_> = search.measured().into_iter().map(|(point, cost)| (point.clone(), cost.ln())).collect();
        if measured.len() < self.enough {
            return None;
        }
        let case = |(point, seconds)| {
            let predicted = search.predict(&point)?.ln();
            Some(Case { point, seconds, predicted })
        };
        let cases: Vec<_> = measured.into_iter().filter_map(case).collect();
        Some(Correction::learn(search.knobs, cases, scale))
    }
}

/// The logarithm of what a point costs, by the model and what was learned.
fn score(search: &mut Search<'_>, correction: Option<&Correction>, point: &Point) -> f64 {
    let base = search.predict(point).map_or(f64::INFINITY, f64::ln);
    base + correction.map_or(0.0, |correction| correction.at(point))
}

/// Points that predictions alone lead to.
fn guesses(search: &mut Search<'_>) -> Vec<Point> {
    let knobs = search.knobs;
    let starts = climb::spread(knobs, CLIMBS);
    let each = PREDICTIONS / CLIMBS;
    let climbed = starts.into_iter().filter_map(|start| climb::climb(knobs, &[start], each, |at| search.predict(at)));
    climbed.map(|climbed| climbed.point).collect()
}

/// The fastest points, in the order of what they take when chance is left out.
fn best(search: &mut Search<'_>, correction: Option<&Correction>) -> Vec<Point> {
    let mut measured = search.measured();
    measured.sort_by(|a, b| a.1.total_cmp(&b.1));
    let fastest: Vec<_> = measured.into_iter().take(4 * PARENTS).map(|(point, cost)| (point.clone(), cost)).collect();
    let Some(correction) = correction else { return fastest.into_iter().map(|(point, _)| point).collect() };
    // Half of what is said of a point is its own time.
    let judged =
        |(point, cost): (Point, f64)| (f64::midpoint(score(search, Some(correction), &point), cost.ln()), point);
    let mut judged: Vec<_> = fastest.into_iter().map(judged).collect();
    judged.sort_by(|a, b| a.0.total_cmp(&b.0));
    judged.into_iter().map(|(_, point)| point).collect()
}

/// New legal neighbours of the fastest points: those of the very fastest first, cheaper ones by score before others.
fn neighbours(search: &mut Search<'_>, correction: Option<&Correction>, best: &[Point]) -> Vec<Point> {
    let mut found: Vec<Point> = Vec::new();
    for point in best.iter().take(CENTRES) {
        let fresh = search.knobs.neighbours(point).into_iter().filter(|next| !search.is_known(next));
        let fresh: Vec<_> = fresh.collect();
        let mut scored: Vec<_> = fresh.into_iter().map(|next| (score(search, correction, &next), next)).collect();
        scored.retain(|(score, _)| score.is_finite());
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        found.extend(scored.into_iter().map(|(_, next)| next));
    }
    found
}
