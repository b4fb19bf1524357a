//! Intervals of integers: sets `lo..=hi`, and what the operations make of them.
//!
//! Bounds are computed in `i128`, where one operation on `i64` cannot overflow; [`Wide::wrap`] then says what is left
//! of them after the operation wraps to its type. Not here: residues (`congruence`) and expressions (`range`).

use crate::scalar::{DType, Op};

/// All integers from `lo` to `hi`, inclusive; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// The smallest.
    pub lo: i64,
    /// The largest.
    pub hi: i64,
}

impl Interval {
    /// Every `i64`.
    pub const FULL: Self = Self { lo: i64::MIN, hi: i64::MAX };

    /// `lo..=hi`; the bounds are exchanged where they are in the wrong order.
    pub const fn new(lo: i64, hi: i64) -> Self {
        if lo <= hi { Self { lo, hi } } else { Self { lo: hi, hi: lo } }
    }

    /// One integer.
    pub const fn point(value: i64) -> Self {
        Self { lo: value, hi: value }
    }

    /// `0..extent`, the values of an axis; just 0 where the extent is below 1.
    pub const fn extent(extent: i64) -> Self {
        Self { lo: 0, hi: if extent < 1 { 0 } else { extent - 1 } }
    }

    /// The values of a type; [`Interval::FULL`] for floats, of which nothing is known.
    pub const fn of(dtype: DType) -> Self {
        match dtype.int_range() {
            Some((lo, hi)) => Self { lo, hi },
            None => Self::FULL,
        }
    }

    /// Whether `value` is in it.
    pub const fn contains(self, value: i64) -> bool {
        self.lo <= value && value <= self.hi
    }

    /// Whether all of it lies in `outer`.
    pub const fn inside(self, outer: Self) -> bool {
        outer.lo <= self.lo && self.hi <= outer.hi
    }

    /// The only value, if there is only one.
    pub const fn as_point(self) -> Option<i64> {
        if self.lo == self.hi { Some(self.lo) } else { None }
    }

    /// What is in both, if anything.
    pub fn intersect(self, other: Self) -> Option<Self> {
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        (lo <= hi).then_some(Self { lo, hi })
    }

    /// The smallest interval around both.
    pub fn join(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// The number of values.
    pub const fn count(self) -> u128 {
        (self.hi as i128 - self.lo as i128) as u128 + 1
    }

    /// The same bounds, ready to compute with.
    pub const fn wide(self) -> Wide {
        Wide { lo: self.lo as i128, hi: self.hi as i128 }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..={}", self.lo, self.hi)
    }
}

/// An interval of mathematical integers: the bounds of a result before it wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide {
    /// The smallest.
    pub lo: i128,
    /// The largest.
    pub hi: i128,
}

impl Wide {
    /// The same bounds if every value is one of `dtype`: then nothing wraps.
    pub fn fit(self, dtype: DType) -> Option<Interval> {
        let (min, max) = dtype.int_range()?;
        (i128::from(min) <= self.lo && self.hi <= i128::from(max))
            .then_some(Interval { lo: self.lo as i64, hi: self.hi as i64 })
    }

    /// The bounds after wrapping to `dtype`.
    pub fn wrap(self, dtype: DType) -> Interval {
        self.fit(dtype).unwrap_or(Interval::of(dtype))
    }

    /// Bounds of `self + factor * other`; none where even `i128` is too small.
    pub fn add_scaled(self, factor: i64, other: Interval) -> Option<Self> {
        let (x, y) = (i128::from(factor) * i128::from(other.lo), i128::from(factor) * i128::from(other.hi));
        Some(Self { lo: self.lo.checked_add(x.min(y))?, hi: self.hi.checked_add(x.max(y))? })
    }
}

/// Bounds of an arithmetic operation with one operand, before wrapping.
pub(super) fn unary(op: Op, a: Interval) -> Wide {
    let Wide { lo, hi } = a.wide();
    match op {
        Op::Neg => Wide { lo: -hi, hi: -lo },
        Op::Abs if lo >= 0 => Wide { lo, hi },
        Op::Abs if hi <= 0 => Wide { lo: -hi, hi: -lo },
        Op::Abs => Wide { lo: 0, hi: hi.max(-lo) },
        _ => Interval::FULL.wide(),
    }
}

/// Bounds of an arithmetic operation with two operands, before wrapping.
pub(super) fn binary(op: Op, a: Interval, b: Interval) -> Wide {
    let (x, y) = (a.wide(), b.wide());
    match op {
        Op::Add => Wide { lo: x.lo + y.lo, hi: x.hi + y.hi },
        Op::Sub => Wide { lo: x.lo - y.hi, hi: x.hi - y.lo },
        Op::Mul => corners(x, y, |p, q| p * q),
        Op::Min => Wide { lo: x.lo.min(y.lo), hi: x.hi.min(y.hi) },
        Op::Max => Wide { lo: x.lo.max(y.lo), hi: x.hi.max(y.hi) },
        Op::Div => pieces(b, |part| corners(x, part, floor_div)),
        Op::Mod => pieces(b, |part| remainder(x, part)),
        _ => Interval::FULL.wide(),
    }
}

/// Joins what an operation gives for negative and for positive divisors, and the 0 that a zero divisor gives.
fn pieces(divisor: Interval, of: impl Fn(Wide) -> Wide) -> Wide {
    let negative = divisor.intersect(Interval::new(i64::MIN, -1)).map(|part| of(part.wide()));
    let positive = divisor.intersect(Interval::new(1, i64::MAX)).map(|part| of(part.wide()));
    let zero = divisor.contains(0).then_some(Wide { lo: 0, hi: 0 });
    [negative, zero, positive]
        .into_iter()
        .flatten()
        .reduce(|p, q| Wide { lo: p.lo.min(q.lo), hi: p.hi.max(q.hi) })
        .expect("an interval is not empty")
}

fn corners(a: Wide, b: Wide, of: impl Fn(i128, i128) -> i128) -> Wide {
    let values = [of(a.lo, b.lo), of(a.lo, b.hi), of(a.hi, b.lo), of(a.hi, b.hi)];
    values.into_iter().fold(Wide { lo: values[0], hi: values[0] }, |w, v| Wide { lo: w.lo.min(v), hi: w.hi.max(v) })
}

/// `a % b` for divisors of one sign.
fn remainder(a: Wide, b: Wide) -> Wide {
    if b.hi < 0 {
        let mirrored = remainder(Wide { lo: -a.hi, hi: -a.lo }, Wide { lo: -b.hi, hi: -b.lo });
        return Wide { lo: -mirrored.hi, hi: -mirrored.lo };
    }
    if b.lo == b.hi && floor_div(a.lo, b.lo) == floor_div(a.hi, b.lo) {
        return Wide { lo: a.lo.rem_euclid(b.lo), hi: a.hi.rem_euclid(b.lo) };
    }
    if a.lo >= 0 && a.hi < b.lo {
        return a;
    }
    Wide { lo: 0, hi: if a.lo >= 0 { a.hi.min(b.hi - 1) } else { b.hi - 1 } }
}

/// The quotient rounded down; the divisor is not 0.
pub(super) const fn floor_div(a: i128, b: i128) -> i128 {
    let quotient = a / b;
    if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}
