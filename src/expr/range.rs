//! Bounds of expressions: an interval and a congruence for every integer or `bool` expression, given those of its axes.
//!
//! Sound for the wrapping arithmetic of [`crate::scalar::eval`]: an operation that may leave its type gets the whole
//! type. Loads get their type, floats everything. The bounds are those of the expression as it is written: `i - i`
//! over `0..8` gives `-7..=7`; simplify first for better ones.

use std::collections::{BTreeMap, HashMap};

pub use super::congruence::Congruence;
pub use super::interval::Interval;
use super::{AxisId, Expr, ExprId, Pool, congruence, interval};
use crate::scalar::{DType, Op};

/// The values that axes take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    axes: BTreeMap<AxisId, Interval>,
}

impl Domain {
    /// No axis is known: each may be any `i64`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the values of an axis.
    pub fn insert(&mut self, axis: AxisId, values: Interval) {
        self.axes.insert(axis, values);
    }

    /// The values of an axis; everything if it is unknown.
    pub fn get(&self, axis: AxisId) -> Interval {
        self.axes.get(&axis).copied().unwrap_or(Interval::FULL)
    }

    /// The known axes, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (AxisId, Interval)> {
        self.axes.iter().map(|(&axis, &values)| (axis, values))
    }
}

impl FromIterator<(AxisId, Interval)> for Domain {
    fn from_iter<I: IntoIterator<Item = (AxisId, Interval)>>(axes: I) -> Self {
        Self { axes: axes.into_iter().collect() }
    }
}

/// The integers in an interval that have a remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The bounds; themselves members.
    pub interval: Interval,
    /// The remainder.
    pub congruence: Congruence,
}

impl Range {
    /// Joins what is known; bounds move to the nearest members.
    pub fn new(interval: Interval, congruence: Congruence) -> Self {
        match (congruence.at_least(interval.lo), congruence.at_most(interval.hi)) {
            (Some(lo), Some(hi)) if lo == hi => {
                Self { interval: Interval::point(lo), congruence: Congruence::exact(lo) }
            }
            (Some(lo), Some(hi)) if lo < hi => Self { interval: Interval { lo, hi }, congruence },
            // Empty: nothing is evaluated here. Any answer is sound; the plain one is the least surprising.
            _ => Self { interval, congruence: Congruence::ANY },
        }
    }

    /// Nothing but the type.
    pub fn of(dtype: DType) -> Self {
        Self { interval: Interval::of(dtype), congruence: Congruence::ANY }
    }

    fn join(self, other: Self) -> Self {
        Self::new(self.interval.join(other.interval), self.congruence.join(other.congruence))
    }

    fn truth(value: Option<bool>) -> Self {
        match value {
            Some(value) => Self::new(Interval::point(i64::from(value)), Congruence::ANY),
            None => Self::of(DType::Bool),
        }
    }

    /// The value of a `bool`, if it is known.
    pub const fn as_truth(self) -> Option<bool> {
        match self.interval.as_point() {
            Some(value) => Some(value != 0),
            None => None,
        }
    }
}

/// The bounds of an expression.
pub fn interval(pool: &Pool, id: ExprId, domain: &Domain) -> Interval {
    Ranges::new(domain).of(pool, id).interval
}

/// The remainder of an expression.
pub fn congruence(pool: &Pool, id: ExprId, domain: &Domain) -> Congruence {
    Ranges::new(domain).of(pool, id).congruence
}

/// Bounds over one domain; remembers those of every subexpression. Always to be asked about the same pool.
#[derive(Debug)]
pub struct Ranges<'a> {
    domain: &'a Domain,
    known: HashMap<ExprId, Range>,
}

impl<'a> Ranges<'a> {
    /// Nothing computed yet.
    pub fn new(domain: &'a Domain) -> Self {
        Self { domain, known: HashMap::new() }
    }

    /// The domain.
    pub const fn domain(&self) -> &'a Domain {
        self.domain
    }

    /// Bounds and remainder of an expression.
    pub fn of(&mut self, pool: &Pool, id: ExprId) -> Range {
        if let Some(&known) = self.known.get(&id) {
            return known;
        }
        let range = self.compute(pool, id);
        self.known.insert(id, range);
        range
    }

    fn compute(&mut self, pool: &Pool, id: ExprId) -> Range {
        let dtype = pool.dtype(id);
        match *pool.get(id) {
            Expr::Const(value) => match value.as_int() {
                Some(value) => Range { interval: Interval::point(value), congruence: Congruence::exact(value) },
                None => Range::of(dtype),
            },
            Expr::Axis(axis) => Range::new(self.domain.get(axis), Congruence::ANY),
            Expr::Load { .. } => Range::of(dtype),
            Expr::Unary(Op::Not, a) => Range::truth(self.of(pool, a).as_truth().map(|truth| !truth)),
            Expr::Unary(op, a) => self.unary(pool, op, a),
            Expr::Binary(op, a, b) => self.binary(pool, op, a, b),
            Expr::Cast(_, a) => self.cast(pool, dtype, a),
            Expr::Select { cond, then, otherwise } => match self.of(pool, cond).as_truth() {
                Some(true) => self.of(pool, then),
                Some(false) => self.of(pool, otherwise),
                None => self.of(pool, then).join(self.of(pool, otherwise)),
            },
        }
    }

    fn unary(&mut self, pool: &Pool, op: Op, a: ExprId) -> Range {
        let dtype = pool.dtype(a);
        if dtype.is_float() {
            return Range::of(dtype);
        }
        let a = self.of(pool, a);
        match interval::unary(op, a.interval).fit(dtype) {
            Some(bounds) => Range::new(bounds, congruence::unary(op, a.congruence)),
            None => Range::of(dtype),
        }
    }

    fn binary(&mut self, pool: &Pool, op: Op, a: ExprId, b: ExprId) -> Range {
        let dtype = pool.dtype(a);
        if dtype.is_float() {
            return if op.gives_bool() { Range::of(DType::Bool) } else { Range::of(dtype) };
        }
        let same = a == b;
        let (a, b) = (self.of(pool, a), self.of(pool, b));
        if op.gives_bool() {
            return Range::truth(if same { reflexive(op) } else { None }.or_else(|| decide(op, a, b)));
        }
        match interval::binary(op, a.interval, b.interval).fit(dtype) {
            Some(bounds) => Range::new(bounds, congruence::binary(op, a.congruence, b.congruence)),
            None => Range::of(dtype),
        }
    }

    fn cast(&mut self, pool: &Pool, to: DType, a: ExprId) -> Range {
        let from = pool.dtype(a);
        if from.is_float() || to.is_float() {
            return Range::of(to);
        }
        let range = self.of(pool, a);
        if to == DType::Bool {
            let nonzero = !range.interval.contains(0) || !range.congruence.contains(0);
            let zero = range.interval == Interval::point(0);
            return Range::truth(if nonzero || zero { Some(nonzero) } else { None });
        }
        if range.interval.inside(Interval::of(to)) { range } else { Range::of(to) }
    }
}

/// `x op x`, for integers and truth values.
const fn reflexive(op: Op) -> Option<bool> {
    match op {
        Op::Eq | Op::Le | Op::Ge => Some(true),
        Op::Ne | Op::Lt | Op::Gt => Some(false),
        _ => None,
    }
}

/// The value of a comparison or of a logical operation, where the operands' bounds settle it.
pub(super) fn decide(op: Op, a: Range, b: Range) -> Option<bool> {
    let (x, y) = (a.interval, b.interval);
    let below = x.hi < y.lo;
    let above = x.lo > y.hi;
    let settle = |yes: bool, no: bool| {
        if yes {
            Some(true)
        } else if no {
            Some(false)
        } else {
            None
        }
    };
    let equal = x.as_point().is_some() && x == y;
    let apart = below || above || a.congruence.excludes(b.congruence);
    match op {
        Op::Lt => settle(below, x.lo >= y.hi),
        Op::Le => settle(x.hi <= y.lo, above),
        Op::Gt => settle(above, x.hi <= y.lo),
        Op::Ge => settle(x.lo >= y.hi, below),
        Op::Eq => settle(equal, apart),
        Op::Ne => settle(apart, equal),
        Op::And => settle(x.lo == 1 && y.lo == 1, x.hi == 0 || y.hi == 0),
        Op::Or => settle(x.lo == 1 || y.lo == 1, x.hi == 0 && y.hi == 0),
        _ => None,
    }
}
