//! Whether pieces of a tensor, each a box of arithmetic progressions, contain every element exactly once.
//!
//! ```text
//! shape [8], pieces {0, 2, 4, 6} and {1, 3, 5, 7}     Exact
//! shape [8], pieces {0, 2, 4, 6} and {3, 5, 7}        Missing [1]
//! shape [8], pieces 0..8 and {3}                      Twice [3]
//! ```
//!
//! Nothing is enumerated: pieces are disjoint if some dimension's progressions are (by the Chinese remainder theorem);
//! disjoint pieces inside the tensor cover it if their sizes add up; a missing element is found by bisection.

use crate::expr::affine::linear;
use crate::expr::{AxisId, Expr, ExprId, Pool};

/// The numbers `start + step * k` for `k` in `0..count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progression {
    /// The smallest.
    pub start: i64,
    /// At least 1.
    pub step: i64,
    /// At least 1.
    pub count: i64,
}

/// A part of a tensor: one progression for each dimension.
pub type Piece = Vec<Progression>;

/// How pieces cover a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Every element lies in exactly one piece.
    Exact,
    /// The smallest element that lies in no piece.
    Missing(Vec<i64>),
    /// An element that lies in two pieces, and their places in the list, the earlier one first.
    Twice(Vec<i64>, usize, usize),
    /// A piece, by its place in the list, that has elements outside the tensor, or another rank.
    Outside(usize),
}

impl Progression {
    /// The numbers `stride * k + offset` for `k` in `0..count`; none if they repeat or leave `i64`.
    pub fn new(stride: i64, offset: i64, count: i64) -> Option<Self> {
        let last = stride.checked_mul(count.checked_sub(1)?)?.checked_add(offset)?;
        if count < 1 || (stride == 0 && count > 1) {
            return None;
        }
        Some(Self { start: offset.min(last), step: stride.checked_abs()?.max(1), count })
    }

    /// One number.
    pub const fn point(value: i64) -> Self {
        Self { start: value, step: 1, count: 1 }
    }

    /// The largest.
    pub const fn last(self) -> i64 {
        self.start.saturating_add(self.step.saturating_mul(self.count - 1))
    }

    /// How many of them are below `end`.
    fn below(self, end: i64) -> i128 {
        let distance = i128::from(end) - i128::from(self.start);
        if distance <= 0 { 0 } else { ((distance - 1) / i128::from(self.step) + 1).min(i128::from(self.count)) }
    }

    /// Whether `value` is one of them.
    pub const fn contains(self, value: i64) -> bool {
        self.start <= value && value <= self.last() && (value - self.start) % self.step == 0
    }

    /// The smallest number in both.
    pub fn meet(self, other: Self) -> Option<i64> {
        let (a, m) = (i128::from(self.start), i128::from(self.step));
        let (b, n) = (i128::from(other.start), i128::from(other.step));
        let (common, inverse) = extended_gcd(m, n);
        if (b - a) % common != 0 {
            return None;
        }
        // x = a + m*k with m*k = b - a (mod n); x is determined modulo the least common multiple.
        let period = m / common * n;
        let k = ((b - a) / common % (n / common) * inverse).rem_euclid(n / common);
        let x = a + m * k;
        let x = x + ((b - x).max(0) + period - 1) / period * period;
        (x <= i128::from(self.last().min(other.last()))).then_some(x as i64)
    }
}

/// `(g, x)` with `g = gcd(a, b)` and `a * x = g (mod b)`, for positive `a` and `b`.
fn extended_gcd(a: i128, b: i128) -> (i128, i128) {
    let (mut r, mut next, mut x, mut next_x) = (a, b, 1, 0);
    while next != 0 {
        let q = r / next;
        (r, next) = (next, r - q * next);
        (x, next_x) = (next_x, x - q * next_x);
    }
    (r, x)
}

/// The values that a subscript on the left of a definition takes, and its axis, if it is `stride * axis + offset` or a
/// constant.
pub fn progression(
    pool: &Pool,
    subscript: ExprId,
    extent: &dyn Fn(AxisId) -> i64,
) -> Option<(Option<AxisId>, Progression)> {
    let view = linear(pool, subscript);
    let mut terms = view.terms.iter();
    match (terms.next(), terms.next()) {
        (None, _) => Some((None, Progression::point(view.constant))),
        (Some((&atom, &stride)), None) => {
            let &Expr::Axis(axis) = pool.get(atom) else { return None };
            Some((Some(axis), Progression::new(stride, view.constant, extent(axis))?))
        }
        _ => None,
    }
}

/// How `pieces` cover a tensor of that shape.
pub fn cover(shape: &[i64], pieces: &[Piece]) -> Cover {
    if let Some(index) = pieces.iter().position(|piece| leaves(shape, piece)) {
        return Cover::Outside(index);
    }
    for (second, piece) in pieces.iter().enumerate() {
        for (first, other) in pieces[..second].iter().enumerate() {
            let meet: Option<Vec<_>> = other.iter().zip(piece).map(|(a, b)| a.meet(*b)).collect();
            if let Some(element) = meet {
                return Cover::Twice(element, first, second);
            }
        }
    }
    let covered = pieces.iter().fold(0i128, |sum, piece| sum.saturating_add(volume(piece)));
    if covered == product(shape.iter().copied()) {
        return Cover::Exact;
    }
    Cover::Missing(missing(shape, pieces.iter().map(Vec::as_slice).collect()))
}

fn leaves(shape: &[i64], piece: &Piece) -> bool {
    piece.len() != shape.len()
        || piece.iter().zip(shape).any(|(values, &extent)| values.start < 0 || values.last() >= extent)
}

/// The number of elements, as far as `i128` goes: a tensor that large does not exist.
fn product(counts: impl Iterator<Item = i64>) -> i128 {
    counts.fold(1, |product, count| product.saturating_mul(i128::from(count)))
}

fn volume(piece: &[Progression]) -> i128 {
    product(piece.iter().map(|values| values.count))
}

/// The smallest element outside disjoint pieces that do not fill the tensor.
fn missing(shape: &[i64], mut pieces: Vec<&[Progression]>) -> Vec<i64> {
    let mut element = Vec::new();
    for (dim, &extent) in shape.iter().enumerate() {
        let row = product(shape[dim + 1..].iter().copied());
        let lacks = |end: i64| {
            let below = |piece: &&[Progression]| piece[dim].below(end).saturating_mul(volume(&piece[dim + 1..]));
            pieces.iter().map(below).fold(0, i128::saturating_add) < row.saturating_mul(i128::from(end))
        };
        // The pieces are disjoint, so what is lacking below `end` only grows with `end`.
        let (mut complete, mut lacking) = (0, extent);
        while lacking - complete > 1 {
            let middle = complete + (lacking - complete) / 2;
            if lacks(middle) { lacking = middle } else { complete = middle }
        }
        pieces.retain(|piece| piece[dim].contains(complete));
        element.push(complete);
    }
    element
}

#[cfg(test)]
mod tests {
    use super::{Cover, Piece, Progression, cover};

    /// All small boxes, against counting.
    #[test]
    fn covers_as_counting_says() {
        let mut state = 7u64;
        let mut draw = |n: i64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) as i64) % n
        };
        let mut exact = 0;
        for _ in 0..40_000 {
            let shape = [1 + draw(6), 1 + draw(4)];
            let mut pieces: Vec<Piece> = Vec::new();
            for _ in 0..=draw(3) {
                let one = |draw: &mut dyn FnMut(i64) -> i64, extent: i64| {
                    let (start, step) = (draw(extent), 1 + draw(3));
                    Progression { start, step, count: 1 + draw((extent - start - 1) / step + 1) }
                };
                pieces.push(vec![one(&mut draw, shape[0]), one(&mut draw, shape[1])]);
            }
            let holds = |element: &[i64]| {
                let inside = |piece: &Piece| piece.iter().zip(element).all(|(values, &v)| values.contains(v));
                pieces.iter().filter(|piece| inside(piece)).count()
            };
            let all: Vec<_> = (0..shape[0]).flat_map(|i| (0..shape[1]).map(move |j| [i, j])).collect();
            match cover(&shape, &pieces) {
                Cover::Exact => {
                    exact += 1;
                    assert!(all.iter().all(|element| holds(element) == 1));
                }
                Cover::Missing(element) => {
                    assert_eq!(all.iter().find(|element| holds(&element[..]) == 0).map(|e| e.to_vec()), Some(element));
                }
                Cover::Twice(element, first, second) => {
                    assert!(holds(&element) > 1);
                    assert!(
                        [first, second].iter().all(|&p| pieces[p].iter().zip(&element).all(|(v, &e)| v.contains(e)))
                    );
                }
                Cover::Outside(piece) => panic!("piece {piece} is inside"),
            }
        }
        assert!(exact > 100, "the cases are worth something");
    }

    #[test]
    fn huge_tensors_are_not_enumerated() {
        let n = 1 << 31;
        let even = vec![Progression { start: 0, step: 2, count: n / 2 }, Progression { start: 0, step: 1, count: n }];
        let odd =
            vec![Progression { start: 1, step: 2, count: n / 2 - 1 }, Progression { start: 0, step: 1, count: n }];
        assert_eq!(cover(&[n, n], &[even.clone(), odd]), Cover::Missing(vec![n - 1, 0]));
        let last = vec![Progression::point(n - 2), Progression::point(n - 1)];
        let element = vec![n - 2, n - 1];
        assert_eq!(cover(&[n, n], &[even, last]), Cover::Twice(element, 0, 1));
    }

    #[test]
    fn strides_may_be_negative() {
        assert_eq!(Progression::new(-1, 7, 8), Some(Progression { start: 0, step: 1, count: 8 }));
        assert_eq!(Progression::new(0, 7, 8), None);
        assert_eq!(Progression::new(i64::MAX, 7, 8), None);
        assert_eq!(cover(&[], &[vec![]]), Cover::Exact);
        assert_eq!(cover(&[], &[]), Cover::Missing(vec![]));
        assert_eq!(cover(&[8], &[vec![Progression { start: 1, step: 1, count: 8 }]]), Cover::Outside(0));
    }
}
