//! Points worth considering, by evolution: parents have children, the cheapest of all by some score live on.
//!
//! A child takes each knob from one of two parents and then changes a few knobs at random. What is illegal is not born.
//! The score is that of whoever asks: the analytic model, or what was learned to correct it.

use rand::RngExt;

use super::Search;
use crate::space::knobs::Point;

/// How much to breed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Breeding {
    /// Points in a generation.
    pub(super) size: usize,
    /// Generations.
    pub(super) generations: usize,
}

/// Says what legal points cost, in the same order.
pub(super) type Score<'s> = dyn FnMut(&mut Search<'_>, &[Point]) -> Vec<f64> + 's;

/// The points of the last generation, cheapest first.
pub(super) fn breed(
    search: &mut Search<'_>,
    parents: Vec<Point>,
    breeding: Breeding,
    score: &mut Score<'_>,
) -> Vec<(Point, f64)> {
    let mut alive: Vec<(Point, f64)> = Vec::new();
    let mut born = parents;
    born.extend((0..breeding.size).map(|_| search.any_point()));
    for generation in 0..=breeding.generations {
        if generation > 0 {
            born = (0..breeding.size).filter_map(|_| child(search, &alive)).collect();
        }
        admit(search, &mut alive, born, score);
        alive.truncate(breeding.size);
        born = Vec::new();
    }
    alive
}

/// Adds what is legal and new, and puts all in order.
fn admit(search: &mut Search<'_>, alive: &mut Vec<(Point, f64)>, born: Vec<Point>, score: &mut Score<'_>) {
    let mut distinct: std::collections::BTreeSet<Point> = alive.iter().map(|(point, _)| point.clone()).collect();
    let fresh = born.into_iter().filter(|point| search.predict(point).is_some() && distinct.insert(point.clone()));
    let fresh: Vec<_> = fresh.collect();
    let scores = score(search, &fresh);
    alive.extend(fresh.into_iter().zip(scores));
    alive.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
}

/// A child of two of the living, the cheaper ones more often.
fn child(search: &mut Search<'_>, alive: &[(Point, f64)]) -> Option<Point> {
    if alive.is_empty() {
        return None;
    }
    let mut parent = || {
        let [a, b] = [(); 2].map(|()| search.rng.random_range(0..alive.len()));
        alive[a.min(b)].0.clone()
    };
    let (mut point, other) = (parent(), parent());
    for (value, theirs) in point.0.iter_mut().zip(other.0) {
        if search.rng.random_range(0..2) == 0 {
            *value = theirs;
        }
    }
    let changes = search.rng.random_range(0..3);
    for _ in 0..changes {
        if search.rng.random_range(0..3) == 0 {
            let knob = search.rng.random_range(0..search.knobs.knobs.len());
            point.0[knob] = search.rng.random_range(0..search.knobs.knobs[knob].values.len()) as u16;
        } else if let Some(next) = search.step_at_random(&point) {
            point = next;
        }
    }
    Some(search.knobs.canonical(point))
}
