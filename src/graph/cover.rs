//! Do several definitions write every element of a tensor exactly once?
//!
//! Each definition writes a box: the product of one [`Progression`] for each dimension. Two boxes meet exactly if their
//! progressions meet in every dimension, which the Chinese remainder theorem decides; boxes that do not meet cover the
//! tensor exactly if their sizes add up to its size. So elements are never enumerated, save to name a missing one.

use std::collections::BTreeSet;

/// The values `start, start + step, …`, `count` of them; `step` and `count` are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progression {
    /// The first value.
    pub start: i64,
    /// The distance from one value to the next.
    pub step: i64,
    /// How many.
    pub count: i64,
}

impl Progression {
    /// The last value.
    pub const fn last(self) -> i64 {
        self.start + self.step * (self.count - 1)
    }

    /// Whether `value` is one of the values.
    pub const fn contains(self, value: i64) -> bool {
        value >= self.start && value <= self.last() && (value - self.start) % self.step == 0
    }

    /// The smallest value that both have.
    pub fn meet(self, other: Self) -> Option<i64> {
        let (step, other_step) = (i128::from(self.step), i128::from(other.step));
        let (gcd, factor, _) = extended_gcd(step, other_step);
        let distance = i128::from(other.start) - i128::from(self.start);
        if distance % gcd != 0 {
            return None;
        }
        let modulus = step / gcd * other_step;
        let turns = (distance / gcd * factor).rem_euclid(other_step / gcd);
        let residue = i128::from(self.start) + turns * step;
        let low = i128::from(self.start.max(other.start));
        let first = low + (residue - low).rem_euclid(modulus);
        (first <= i128::from(self.last().min(other.last()))).then_some(first as i64)
    }
}

/// The greatest common divisor `g` of positive numbers, and `x`, `y` with `a x + b y = g`.
fn extended_gcd(a: i128, b: i128) -> (i128, i128, i128) {
    if b == 0 {
        return (a, 1, 0);
    }
    let (gcd, x, y) = extended_gcd(b, a % b);
    (gcd, y, x - a / b * y)
}

/// What some boxes make of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Every element is in exactly one box.
    Exact,
    /// An element that is in none.
    Missing(Vec<i64>),
    /// An element that is in two, and which.
    Twice(Vec<i64>, usize, usize),
    /// A box with values outside the tensor.
    Outside(usize),
}

/// Whether the boxes, each with a progression for each dimension, write every element of `shape` exactly once.
pub fn cover(shape: &[i64], boxes: &[Vec<Progression>]) -> Cover {
    for (index, piece) in boxes.iter().enumerate() {
        let is_inside = |(extent, p): (&i64, &Progression)| p.start >= 0 && p.last() < *extent;
        if piece.len() != shape.len() || !shape.iter().zip(piece).all(is_inside) {
            return Cover::Outside(index);
        }
    }
    for (index, piece) in boxes.iter().enumerate() {
        for (earlier, other) in boxes[..index].iter().enumerate() {
            let common: Option<Vec<_>> = piece.iter().zip(other).map(|(&a, &b)| a.meet(b)).collect();
            if let Some(element) = common {
                return Cover::Twice(element, earlier, index);
            }
        }
    }
    let volume = |counts: &mut dyn Iterator<Item = i64>| counts.map(i128::from).product::<i128>();
    let written: i128 = boxes.iter().map(|piece| volume(&mut piece.iter().map(|p| p.count))).sum();
    if written == volume(&mut shape.iter().copied()) {
        return Cover::Exact;
    }
    let all: Vec<usize> = (0..boxes.len()).collect();
    Cover::Missing(missing(shape, boxes, 0, &all).unwrap_or_default())
}

/// An element that none of the boxes `alive` has, looking from dimension `depth` on. Values that the same boxes have
/// are alike, so one of them is looked at.
fn missing(shape: &[i64], boxes: &[Vec<Progression>], depth: usize, alive: &[usize]) -> Option<Vec<i64>> {
    if alive.is_empty() {
        return Some(vec![0; shape.len() - depth]);
    }
    let &extent = shape.get(depth)?;
    let mut seen: BTreeSet<Vec<usize>> = BTreeSet::new();
    for value in candidates(extent, boxes, depth, alive) {
        let here: Vec<_> = alive.iter().copied().filter(|&index| boxes[index][depth].contains(value)).collect();
        if seen.insert(here.clone())
            && let Some(mut rest) = missing(shape, boxes, depth + 1, &here)
        {
            rest.insert(0, value);
            return Some(rest);
        }
    }
    None
}

/// Values at which membership can change: a period of every progression after each of its ends.
fn candidates(extent: i64, boxes: &[Vec<Progression>], depth: usize, alive: &[usize]) -> BTreeSet<i64> {
    const PERIOD: i64 = 64;
    let mut values: BTreeSet<i64> = (0..extent.min(PERIOD)).collect();
    for &index in alive {
        let progression = boxes[index][depth];
        for edge in [progression.start - PERIOD, progression.last() - PERIOD, progression.last()] {
            values.extend((edge..edge + PERIOD + 2).filter(|value| (0..extent).contains(value)));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::{Cover, Progression, cover};

    const fn values(start: i64, step: i64, count: i64) -> Progression {
        Progression { start, step, count }
    }

    #[test]
    fn even_and_odd_make_a_whole() {
        assert_eq!(cover(&[10], &[vec![values(0, 2, 5)], vec![values(1, 2, 5)]]), Cover::Exact);
        assert_eq!(cover(&[10], &[vec![values(0, 2, 5)]]), Cover::Missing(vec![1]));
        assert_eq!(cover(&[12], &[vec![values(0, 2, 6)], vec![values(3, 3, 3)]]), Cover::Twice(vec![6], 0, 1));
        assert_eq!(cover(&[10], &[vec![values(5, 1, 6)]]), Cover::Outside(0));
    }

    #[test]
    fn names_a_missing_element_of_a_plane() {
        let left = vec![values(0, 1, 3), values(0, 1, 1000)];
        let right = vec![values(3, 1, 4), values(0, 1, 999)];
        assert_eq!(cover(&[7, 1000], &[left, right]), Cover::Missing(vec![3, 999]));
        assert_eq!(cover(&[], &[vec![]]), Cover::Exact);
        assert_eq!(cover(&[], &[]), Cover::Missing(vec![]));
    }

    #[test]
    fn agrees_with_counting() {
        let all: Vec<Progression> = (0..4)
            .flat_map(|start| (1..4).flat_map(move |step| (1..4).map(move |count| values(start, step, count))))
            .collect();
        for &a in &all {
            for &b in &all {
                let both = (0..40).find(|&value| a.contains(value) && b.contains(value));
                assert_eq!(a.meet(b), both, "{a:?} {b:?}");
            }
        }
    }
}
