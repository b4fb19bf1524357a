//! Climbing by predictions alone: coordinate descent from several starts, without chance.
//!
//! One *sweep* from a point tries every value of every knob in turn and keeps what is better. All starts get one; the
//! worse half of them is given up, and so on until one is left, which is followed until no change of one knob helps.
//! Then two knobs are changed at once, since sizes often have to grow against each other: what one part of a split
//! gains, another one gives. Points that were seen are not predicted again.
//!
//! It takes the knobs, starts, and a limit on predictions; it gives the cheapest point that it saw. A point without a
//! cost is illegal: it can be a start, but never the result.

use std::collections::HashMap;

use crate::space::knobs::{Knobs, Point};

/// The end of a climb.
#[derive(Clone, Debug, PartialEq)]
pub struct Climbed {
    /// The cheapest point seen.
    pub point: Point,
    /// What it costs.
    pub cost: f64,
    /// The number of points that were predicted, illegal ones among them.
    pub evaluations: usize,
}

/// The cheapest point that is found within so many evaluations, if any point seen was legal.
pub fn climb(
    knobs: &Knobs,
    starts: &[Point],
    evaluations: usize,
    cost: impl FnMut(&Point) -> Option<f64>,
) -> Option<Climbed> {
    let mut seen = Seen { cost, known: HashMap::new(), left: evaluations, made: 0 };
    let mut here: Vec<Place> = starts.iter().map_while(|start| seen.place(start.clone())).collect();
    order(&mut here);
    while !here.is_empty() && seen.left > 0 {
        let mut moved = false;
        for place in &mut here {
            moved |= sweep(knobs, &mut seen, place);
        }
        order(&mut here);
        if here.len() > 1 {
            here.truncate(here.len().div_ceil(2));
        } else if !moved && !pairs(knobs, &mut seen, &mut here[0]) {
            break;
        }
    }
    let best = here.into_iter().next()?;
    best.cost.is_finite().then_some(Climbed { point: best.point, cost: best.cost, evaluations: seen.made })
}

/// Points that cover a space evenly, the same at each call: the multiples of irrational numbers, knob by knob.
pub fn spread(knobs: &Knobs, count: usize) -> Vec<Point> {
    // The root of x^(n+1) = x + 1 gives the steps that fill n dimensions most evenly.
    let dimensions = knobs.knobs.len();
    let root = (0..64).fold(2.0_f64, |x, _| (1.0 + x).powf(1.0 / (dimensions as f64 + 1.0)));
    let point = |number: usize| {
        let value = |(at, knob): (usize, &crate::space::knobs::Knob)| {
            let step = root.powi(-(at as i32 + 1));
            let part = (0.5 + number as f64 * step).fract();
            (part * knob.values.len() as f64) as u16
        };
        knobs.canonical(Point(knobs.knobs.iter().enumerate().map(value).collect()))
    };
    (0..count).map(point).collect()
}

/// A point and what it costs, infinity if it is illegal.
#[derive(Clone, Debug)]
struct Place {
    point: Point,
    cost: f64,
}

/// Costs, each asked for once.
struct Seen<F> {
    cost: F,
    known: HashMap<Point, f64>,
    left: usize,
    made: usize,
}

impl<F: FnMut(&Point) -> Option<f64>> Seen<F> {
    /// The place of a point; none if it is not known and the limit is reached.
    fn place(&mut self, point: Point) -> Option<Place> {
        if let Some(&cost) = self.known.get(&point) {
            return Some(Place { point, cost });
        }
        self.left = self.left.checked_sub(1)?;
        self.made += 1;
        let cost = (self.cost)(&point).filter(|cost| !cost.is_nan()).unwrap_or(f64::INFINITY);
        self.known.insert(point.clone(), cost);
        Some(Place { point, cost })
    }
}

/// The cheapest first, the earlier of equal ones; each point once.
fn order(places: &mut Vec<Place>) {
    places.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let mut kept: Vec<Place> = Vec::new();
    for place in places.drain(..) {
        if kept.iter().all(|other| other.point != place.point) {
            kept.push(place);
        }
    }
    *places = kept;
}

/// Tries every value of every knob in turn; whether one was better.
fn sweep<F: FnMut(&Point) -> Option<f64>>(knobs: &Knobs, seen: &mut Seen<F>, here: &mut Place) -> bool {
    let before = here.cost;
    for (number, knob) in knobs.knobs.iter().enumerate() {
        let from = here.point.clone();
        for value in 0..knob.values.len() as u16 {
            let mut point = from.clone();
            point.0[number] = value;
            let Some(next) = seen.place(knobs.canonical(point)) else { return here.cost < before };
            if next.cost < here.cost {
                *here = next;
            }
        }
    }
    here.cost < before
}

/// Changes two knobs at once, each by one step; goes on from the first change that is better.
fn pairs<F: FnMut(&Point) -> Option<f64>>(knobs: &Knobs, seen: &mut Seen<F>, here: &mut Place) -> bool {
    let directions = knobs.directions();
    for (at, &first) in directions.iter().enumerate() {
        let Some(half) = knobs.step(&here.point, first) else { continue };
        for &second in directions[at + 1..].iter().filter(|second| second.knob != first.knob) {
            let Some(point) = knobs.step(&half, second) else { continue };
            let Some(next) = seen.place(point) else { return false };
            if next.cost < here.cost {
                *here = next;
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::knobs::Knob;

    fn knobs(counts: &[i64]) -> Knobs {
        let knob = |(number, &count): (usize, &i64)| Knob::line(format!("k{number}"), 0..count);
        Knobs { knobs: counts.iter().enumerate().map(knob).collect() }
    }

    /// A bowl whose floor lies along a diagonal, so that single changes lead up.
    fn valley(point: &Point) -> f64 {
        let values: Vec<_> = point.0.iter().map(|&value| f64::from(value)).collect();
        let along: f64 = values.iter().map(|value| (value - 5.0).abs()).sum();
        let across: f64 = values.windows(2).map(|pair| (pair[0] - pair[1]).abs()).sum();
        along + 10.0 * across
    }

    #[test]
    fn the_floor_of_a_valley_is_found() {
        let knobs = knobs(&[9, 9, 1]);
        let flat = |point: &Point| Some(valley(&Point(point.0[..2].to_vec())));
        let end = climb(&knobs, &[Point(vec![0, 0, 0])], 1000, flat).expect("all points are legal");
        assert_eq!(end.point, Point(vec![5, 5, 0]));
    }

    #[test]
    fn illegal_starts_lead_to_legal_ends() {
        let knobs = knobs(&[8, 8]);
        let cost = |point: &Point| (point.0[0] > 2).then(|| f64::from(point.0[0] + point.0[1]));
        let end = climb(&knobs, &[Point(vec![0, 7])], 100, cost).expect("a legal point");
        assert_eq!(end.point, Point(vec![3, 0]));
        assert!(climb(&knobs, &[Point(vec![0, 0])], 100, |_| None).is_none());
    }

    #[test]
    fn the_limit_holds_and_no_point_is_asked_twice() {
        let knobs = knobs(&[7, 7, 7, 7]);
        let mut asked = Vec::new();
        let end = climb(&knobs, &spread(&knobs, 8), 100, |point| {
            asked.push(point.clone());
            Some(valley(point))
        });
        assert_eq!(end.expect("all points are legal").evaluations, asked.len());
        assert!(asked.len() <= 100);
        let distinct: std::collections::BTreeSet<_> = asked.iter().collect();
        assert_eq!(distinct.len(), asked.len());
    }

    #[test]
    fn spread_points_differ_and_stay_inside() {
        let knobs = knobs(&[5, 3, 8, 1]);
        let points = spread(&knobs, 40);
        let inside = |point: &Point| point.0.iter().zip(&knobs.knobs).all(|(&v, k)| usize::from(v) < k.values.len());
        assert!(points.iter().all(inside));
        let distinct: std::collections::BTreeSet<_> = points.iter().collect();
        assert!(distinct.len() > 30, "{}", distinct.len());
    }
}
