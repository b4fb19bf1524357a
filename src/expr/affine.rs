//! The linear view of an `i64` expression: `constant + sum of coefficient * atom`.
//!
//! Atoms are the subexpressions that are not sums or multiples: axes, quotients, remainders, loads, `min`, selects. The
//! view is exact even where the arithmetic wraps, since sums and products are those of a ring. What is *not* given is
//! that the sum stays inside `i64`; [`bounds`] tells.

use std::collections::{BTreeMap, HashMap};

use super::interval::Wide;
use super::range::Ranges;
use super::{Expr, ExprId, Pool};
use crate::scalar::{DType, Op};

/// `constant + Σ coefficient · atom`; no coefficient is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Linear {
    /// The coefficient of each atom.
    pub terms: BTreeMap<ExprId, i64>,
    /// What is left when all atoms are 0.
    pub constant: i64,
}

impl Linear {
    /// A number.
    pub const fn constant(value: i64) -> Self {
        Self { terms: BTreeMap::new(), constant: value }
    }

    /// One atom.
    pub fn atom(id: ExprId) -> Self {
        Self { terms: BTreeMap::from([(id, 1)]), constant: 0 }
    }

    /// The value, if there is no atom.
    pub fn as_constant(&self) -> Option<i64> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// The coefficient of an atom; 0 where it does not occur.
    pub fn coefficient(&self, atom: ExprId) -> i64 {
        self.terms.get(&atom).copied().unwrap_or(0)
    }

    /// `self + factor * other`; none where a coefficient leaves `i64`.
    #[must_use]
    pub fn add_scaled(&self, factor: i64, other: &Self) -> Option<Self> {
        let mut sum = self.clone();
        sum.constant = sum.constant.checked_add(other.constant.checked_mul(factor)?)?;
        for (&atom, &coefficient) in &other.terms {
            let total = sum.coefficient(atom).checked_add(coefficient.checked_mul(factor)?)?;
            if total == 0 {
                sum.terms.remove(&atom);
            } else {
                sum.terms.insert(atom, total);
            }
        }
        Some(sum)
    }

    /// `self + other`.
    #[must_use]
    pub fn add(&self, other: &Self) -> Option<Self> {
        self.add_scaled(1, other)
    }

    /// `self - other`.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Option<Self> {
        self.add_scaled(-1, other)
    }

    /// `factor * self`.
    #[must_use]
    pub fn scale(&self, factor: i64) -> Option<Self> {
        Self::default().add_scaled(factor, self)
    }

    /// `self + value`.
    #[must_use]
    pub fn add_constant(&self, value: i64) -> Option<Self> {
        Some(Self { terms: self.terms.clone(), constant: self.constant.checked_add(value)? })
    }
}

/// The linear view of an `i64` expression. What does not fit `i64` coefficients stays one atom.
pub fn linear(pool: &Pool, id: ExprId) -> Linear {
    collect(pool, id, &mut HashMap::new())
}

fn collect(pool: &Pool, id: ExprId, known: &mut HashMap<ExprId, Linear>) -> Linear {
    debug_assert_eq!(pool.dtype(id), DType::I64, "only indices have a linear view");
    if let Some(value) = pool.as_int(id) {
        return Linear::constant(value);
    }
    if !matches!(pool.get(id), Expr::Unary(Op::Neg, _) | Expr::Binary(Op::Add | Op::Sub | Op::Mul, ..)) {
        return Linear::atom(id);
    }
    if let Some(known) = known.get(&id) {
        return known.clone();
    }
    let view = combine(pool, id, known).unwrap_or_else(|| Linear::atom(id));
    known.insert(id, view.clone());
    view
}

fn combine(pool: &Pool, id: ExprId, known: &mut HashMap<ExprId, Linear>) -> Option<Linear> {
    match *pool.get(id) {
        Expr::Unary(Op::Neg, a) => collect(pool, a, known).scale(-1),
        Expr::Binary(Op::Add, a, b) => collect(pool, a, known).add(&collect(pool, b, known)),
        Expr::Binary(Op::Sub, a, b) => collect(pool, a, known).sub(&collect(pool, b, known)),
        Expr::Binary(Op::Mul, a, b) => {
            let (a, b) = (collect(pool, a, known), collect(pool, b, known));
            match (a.as_constant(), b.as_constant()) {
                (Some(factor), _) => b.scale(factor),
                (_, Some(factor)) => a.scale(factor),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The expression of a linear view, in one order for equal views: what is added before what is subtracted, both in
/// the order of their ids, the constant last (first where everything else is subtracted).
pub fn rebuild(pool: &mut Pool, view: &Linear) -> ExprId {
    let mut sum = None;
    for (&atom, &coefficient) in view.terms.iter().filter(|&(_, &c)| c > 0) {
        let term = multiple(pool, coefficient, atom);
        sum = Some(sum.map_or(term, |sum| pool.add(sum, term)));
    }
    let mut constant = view.constant;
    if sum.is_none() && (constant != 0 || view.terms.is_empty()) {
        sum = Some(pool.int(constant));
        constant = 0;
    }
    for (&atom, &coefficient) in view.terms.iter().filter(|&(_, &c)| c < 0) {
        sum = Some(match (sum, coefficient.checked_neg()) {
            (Some(sum), Some(positive)) => {
                let term = multiple(pool, positive, atom);
                pool.sub(sum, term)
            }
            (Some(sum), None) => {
                let term = multiple(pool, coefficient, atom);
                pool.add(sum, term)
            }
            (None, _) => multiple(pool, coefficient, atom),
        });
    }
    let sum = sum.expect("a view without terms gave its constant");
    match constant.checked_neg() {
        Some(positive) if positive > 0 => {
            let positive = pool.int(positive);
            pool.sub(sum, positive)
        }
        _ => {
            let constant = pool.int(constant);
            pool.add(sum, constant)
        }
    }
}

fn multiple(pool: &mut Pool, coefficient: i64, atom: ExprId) -> ExprId {
    match coefficient {
        1 => atom,
        -1 => pool.unary(Op::Neg, atom),
        _ => {
            let factor = pool.int(coefficient);
            pool.mul(factor, atom)
        }
    }
}

/// Bounds of a view as a mathematical integer. Where they fit `i64`, no value wraps: the view's value is its sum.
pub fn bounds(pool: &Pool, view: &Linear, ranges: &mut Ranges<'_>) -> Option<Wide> {
    let constant = i128::from(view.constant);
    view.terms.iter().try_fold(Wide { lo: constant, hi: constant }, |sum, (&atom, &coefficient)| {
        sum.add_scaled(coefficient, ranges.of(pool, atom).interval)
    })
}

/// Whether the view's value is its mathematical sum over the whole domain, without wrapping.
pub fn is_exact(pool: &Pool, view: &Linear, ranges: &mut Ranges<'_>) -> bool {
    bounds(pool, view, ranges).is_some_and(|wide| wide.fit(DType::I64).is_some())
}
