//! What the model is off by, as a function of the point: learned from what was measured.
//!
//! A Gaussian process over the logarithms of measured over predicted times. Points are alike where few knobs differ, and
//! those by little; what was measured says most of the points that are like it, and the mean says what is left. It
//! averages noise away, learns from twenty trials, and knows how much it knows. Of some lengths over which points are
//! alike, and some sizes of noise, it takes those under which what was measured is most likely.
//!
//! ```text
//! off(x) = mean + Σ weight(i) · alike(x, x(i))        alike(x, y) = exp(-distance(x, y) / length)
//! ```
//!
//! Chance has no part in it. The work is cubic in the number of points: of many, the fastest and a part of the others count.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use crate::space::knobs::{Knobs, Order, Point};

/// Points that are learned from, at most, and how many of them are the fastest.
const MOST: usize = 320;
const FASTEST: usize = 200;
/// Lengths and noises to choose from.
const LENGTHS: [f64; 3] = [2.0, 4.0, 8.0];
const NOISES: [f64; 2] = [0.05, 0.12];
/// What counts as far off, in deviations: beyond it something else was measured.
const FAR: f64 = 3.0;
/// How far values on a line are apart, by the steps between them: half is that they differ, half how much.
const APART: [f64; 4] = [0.0, 2.0 / 3.0, 5.0 / 6.0, 1.0];

/// A measured point: its seconds, and what the model predicted.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The point.
    pub(super) point: Point,
    /// The logarithm of its seconds.
    pub(super) seconds: f64,
    /// The logarithm of what the model says.
    pub(super) predicted: f64,
}

/// What was learned.
#[derive(Clone, Debug)]
pub(super) struct Correction {
    is_line: Vec<bool>,
    points: Vec<Point>,
    weights: DVector<f64>,
    /// The lower triangle of the root of the matrix of likeness.
    root: DMatrix<f64>,
    mean: f64,
    deviation: f64,
    scale: Scale,
}

/// How much points have to do with each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// Over what distance they are alike.
    length: f64,
    /// How far times of the same point lie apart.
    noise: f64,
    /// The number of cases that said so.
    cases: usize,
}

/// A scale is good for so many times the cases that it was found with.
const GOOD_FOR: f64 = 1.5;

impl Correction {
    /// Learns from cases; there must be some. A scale from before is looked for again where there are many more.
    pub(super) fn learn(knobs: &Knobs, mut cases: Vec<Case>, before: Option<Scale>) -> Self {
        let count = cases.len();
        thin(&mut cases);
        let offs: Vec<f64> = cases.iter().map(|case| case.seconds - case.predicted).collect();
        let among = offs.len().max(1) as f64;
        let mean = offs.iter().sum::<f64>() / among;
        let deviation = (offs.iter().map(|off| (off - mean).powi(2)).sum::<f64>() / among).sqrt().max(0.01);
        let offs = offs.iter().map(|off| ((off - mean) / deviation).clamp(-FAR, FAR));
        let offs = DVector::from_iterator(offs.len(), offs);
        let is_line = knobs.knobs.iter().map(|knob| knob.order == Order::Line).collect();
        let points = cases.into_iter().map(|case| case.point).collect();
        let scales = match before {
            Some(scale) if (count as f64) < GOOD_FOR * scale.cases as f64 => vec![scale],
            _ => Scale::all(count),
        };
        let (weights, root, scale) = (DVector::zeros(0), DMatrix::zeros(0, 0), scales[0]);
        let mut own = Self { is_line, points, weights, root, mean, deviation, scale };
        own.settle(&offs, &scales);
        own
    }

    /// What was found to be so.
    pub(super) const fn scale(&self) -> Scale {
        self.scale
    }

    /// Takes the scale under which the cases are most likely.
    fn settle(&mut self, offs: &DVector<f64>, scales: &[Scale]) {
        let count = self.points.len();
        let distances = DMatrix::from_fn(count, count, |a, b| self.distance(&self.points[a], &self.points[b]));
        let mut best = f64::NEG_INFINITY;
        for &scale in scales {
            let relative = scale.noise / self.deviation;
            let Some(root) = root(&distances, scale.length, relative * relative) else { continue };
            let weights = root.solve(offs);
            let volume: f64 = root.l_dirty().diagonal().iter().map(|value| value.ln()).sum();
            let likelihood = -0.5 * offs.dot(&weights) - volume;
            if likelihood > best {
                best = likelihood;
                (self.weights, self.root, self.scale) = (weights, root.unpack(), scale);
            }
        }
    }

    fn distance(&self, a: &Point, b: &Point) -> f64 {
        let apart = |((&a, &b), &is_line): ((&u16, &u16), &bool)| match usize::from(a.abs_diff(b)) {
            0 => 0.0,
            steps if is_line => APART[steps.min(APART.len() - 1)],
            _ => 1.0,
        };
        a.0.iter().zip(&b.0).zip(&self.is_line).map(apart).sum()
    }

    fn likeness(&self, point: &Point) -> DVector<f64> {
        let alike = |at: usize, _| (-self.distance(point, &self.points[at]) / self.scale.length).exp();
        DVector::from_fn(self.weights.len(), alike)
    }

    /// The logarithm of measured over predicted seconds that is expected at a point.
    pub(super) fn at(&self, point: &Point) -> f64 {
        self.mean + self.deviation * self.likeness(point).dot(&self.weights)
    }

    /// How far that may be off.
    pub(super) fn doubt(&self, point: &Point) -> f64 {
        let solved = self.root.solve_lower_triangular(&self.likeness(point));
        let known = solved.map_or(0.0, |solved| solved.norm_squared());
        self.deviation * (1.0 - known).max(0.0).sqrt()
    }
}

impl Scale {
    /// Those to choose from.
    fn all(cases: usize) -> Vec<Self> {
        let of = |length| NOISES.map(|noise| Self { length, noise, cases });
        LENGTHS.into_iter().flat_map(of).collect()
    }
}

/// Leaves the fastest cases, and a part of the others that is spread over all of them.
fn thin(cases: &mut Vec<Case>) {
    if cases.len() <= MOST {
        return;
    }
    cases.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let others = cases.split_off(FASTEST);
    let room = MOST - FASTEST;
    cases.extend((0..room).map(|at| others[at * others.len() / room].clone()));
}

/// The root of a matrix of likeness with noise on its diagonal; none where rounding leaves none.
fn root(distances: &DMatrix<f64>, length: f64, noise: f64) -> Option<Cholesky<f64, Dyn>> {
    let mut alike = distances.map(|distance| (-distance / length).exp());
    for at in 0..alike.nrows() {
        alike[(at, at)] += noise;
    }
    Cholesky::new(alike)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::knobs::Knob;

    fn knobs() -> Knobs {
        let copy = Knob::any("copy", ["none", "both"].map(str::to_owned));
        Knobs { knobs: vec![Knob::line("rows", 0..8), Knob::line("parts", 0..8), copy] }
    }

    /// Copies are worse than the model says, and so are many rows.
    fn off(point: &Point) -> f64 {
        0.3 * f64::from(point.0[2]) + 0.05 * f64::from(point.0[0])
    }

    fn cases(every: u128) -> Vec<Case> {
        let knobs = knobs();
        let numbers = (0..knobs.size()).filter(|number| number % every == 0);
        let case = |number| {
            let point = knobs.point(number);
            Case { seconds: off(&point) - 7.0, predicted: 0.0, point }
        };
        numbers.map(case).collect()
    }

    #[test]
    fn what_was_not_measured_is_known_from_what_is_alike() {
        let learned = Correction::learn(&knobs(), cases(3), None);
        for number in 0..knobs().size() {
            let point = knobs().point(number);
            let found = learned.at(&point);
            assert!((found - off(&point) + 7.0).abs() < 0.08, "{point:?} {found}");
        }
    }

    #[test]
    fn doubt_is_least_where_something_was_measured() {
        let learned = Correction::learn(&knobs(), cases(31), None);
        let (seen, unseen) = (knobs().point(31), knobs().point(80));
        assert!(learned.doubt(&seen) < learned.doubt(&unseen));
    }
}
