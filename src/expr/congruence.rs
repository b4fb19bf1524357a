//! Congruences: what is known of an integer's remainder, so that `4*i + 2` is seen to be even and never 4.
//!
//! All results hold for mathematical integers; a caller whose operation may wrap asks for [`Congruence::ANY`].

use crate::scalar::Op;
use crate::scalar::eval::{floor_div, floor_mod};

/// All integers `residue + k * modulus`. A modulus of 0 means the residue itself; of 1, every integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Congruence {
    /// At least 0.
    pub modulus: i64,
    /// In `0..modulus`, unless the modulus is 0.
    pub residue: i64,
}

impl Congruence {
    /// Every integer.
    pub const ANY: Self = Self { modulus: 1, residue: 0 };

    /// One integer.
    pub const fn exact(value: i64) -> Self {
        Self { modulus: 0, residue: value }
    }

    /// All integers with the remainder of `residue` by `modulus`.
    pub const fn new(modulus: i64, residue: i64) -> Self {
        match modulus {
            0 => Self::exact(residue),
            i64::MIN => Self::ANY,
            _ => Self { modulus: modulus.abs(), residue: floor_mod(residue, modulus.abs()) },
        }
    }

    fn wide(modulus: i128, residue: i128) -> Self {
        if modulus == 0 {
            return i64::try_from(residue).map_or(Self::ANY, Self::exact);
        }
        match i64::try_from(modulus) {
            Ok(m) => Self { modulus: m, residue: residue.rem_euclid(modulus) as i64 },
            Err(_) => Self::ANY,
        }
    }

    /// Whether `value` is one of them.
    pub const fn contains(self, value: i64) -> bool {
        if self.modulus == 0 { value == self.residue } else { floor_mod(value, self.modulus) == self.residue }
    }

    /// Whether no integer belongs to both.
    pub fn excludes(self, other: Self) -> bool {
        let common = gcd(i128::from(self.modulus), i128::from(other.modulus));
        let apart = i128::from(self.residue) - i128::from(other.residue);
        if common == 0 { apart != 0 } else { apart % common != 0 }
    }

    /// The smallest congruence around both.
    pub fn join(self, other: Self) -> Self {
        let apart = i128::from(self.residue) - i128::from(other.residue);
        let common = gcd(i128::from(self.modulus), i128::from(other.modulus));
        Self::wide(gcd(common, apart), i128::from(self.residue))
    }

    /// The smallest member that is at least `value`.
    pub fn at_least(self, value: i64) -> Option<i64> {
        match self.modulus {
            0 => (self.residue >= value).then_some(self.residue),
            m => value.checked_add(floor_mod(self.residue.wrapping_sub(floor_mod(value, m)), m)),
        }
    }

    /// The largest member that is at most `value`.
    pub fn at_most(self, value: i64) -> Option<i64> {
        match self.modulus {
            0 => (self.residue <= value).then_some(self.residue),
            m => value.checked_sub(floor_mod(floor_mod(value, m).wrapping_sub(self.residue), m)),
        }
    }
}

/// What an operation with one operand makes of it, if nothing wraps.
pub(super) fn unary(op: Op, a: Congruence) -> Congruence {
    match op {
        Op::Neg => Congruence::wide(i128::from(a.modulus), -i128::from(a.residue)),
        Op::Abs => a.join(unary(Op::Neg, a)),
        _ => Congruence::ANY,
    }
}

/// What an operation with two operands makes of them, if nothing wraps.
pub(super) fn binary(op: Op, a: Congruence, b: Congruence) -> Congruence {
    let (m, r) = (i128::from(a.modulus), i128::from(a.residue));
    let (n, s) = (i128::from(b.modulus), i128::from(b.residue));
    match op {
        Op::Add => Congruence::wide(gcd(m, n), r + s),
        Op::Sub => Congruence::wide(gcd(m, n), r - s),
        Op::Mul => Congruence::wide(gcd(gcd(m * n, m * s), n * r), r * s),
        Op::Min | Op::Max => a.join(b),
        Op::Div if b.modulus == 0 => quotient(a, b.residue),
        Op::Mod if b.modulus == 0 && s != 0 => Congruence::wide(gcd(m, s), r),
        _ => Congruence::ANY,
    }
}

fn quotient(a: Congruence, divisor: i64) -> Congruence {
    if divisor > 0 && a.modulus % divisor == 0 {
        Congruence::wide(i128::from(a.modulus / divisor), i128::from(floor_div(a.residue, divisor)))
    } else {
        Congruence::ANY
    }
}

/// The greatest common divisor, at least 0; that of 0 and `x` is `|x|`.
pub(crate) const fn gcd(a: i128, b: i128) -> i128 {
    let (mut x, mut y) = (a.unsigned_abs(), b.unsigned_abs());
    while y != 0 {
        (x, y) = (y, x % y);
    }
    x as i128
}
