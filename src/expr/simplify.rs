//! Rewrites an expression to a simpler one that has the same value at every point of a domain.
//!
//! ```text
//! (16*i + j) / 16 + 0*k      ->  i            for j in 0..16
//! 2*i + 2 > 2*j              ->  j <= i
//! min(i, 7)                  ->  i            for i in 0..8
//! if i < 8 { a } else { b }  ->  a            for i in 0..8
//! ```
//!
//! Index sums become one linear form in a fixed order (`affine`), quotients and remainders by constants are taken apart
//! (`divide`), comparisons of indices get a normal form, and whatever bounds decide becomes a constant. Legality: a
//! rewrite that is wrong for wrapped values is made only where bounds show that nothing wraps; the floats' arithmetic is
//! left alone; loads may disappear, never appear where they were not evaluated.

use std::collections::HashMap;

use super::affine::{Linear, bounds, is_exact, linear, rebuild};
use super::combine::tighten;
use super::congruence::gcd;
use super::divide::{as_divided, quotient, recombine, remainder};
use super::facts::negate;
use super::range::{Domain, Interval, Ranges};
use super::{Expr, ExprId, Pool};
use crate::scalar::op::Class;
use crate::scalar::{Const, DType, Op};

/// The simpler expression; the same one if nothing was found.
pub fn simplify(pool: &mut Pool, id: ExprId, domain: &Domain) -> ExprId {
    Simplifier::new(domain).simplify(pool, id)
}

/// Simplifies many expressions over one domain, remembering what was done. Always to be given the same pool.
#[derive(Debug)]
pub struct Simplifier<'a> {
    ranges: Ranges<'a>,
    done: HashMap<ExprId, ExprId>,
    views: HashMap<ExprId, Linear>,
}

impl<'a> Simplifier<'a> {
    /// Nothing simplified yet.
    pub fn new(domain: &'a Domain) -> Self {
        Self { ranges: Ranges::new(domain), done: HashMap::new(), views: HashMap::new() }
    }

    /// The simpler expression.
    pub fn simplify(&mut self, pool: &mut Pool, id: ExprId) -> ExprId {
        if let Some(&done) = self.done.get(&id) {
            return done;
        }
        let simpler = if is_sum(pool, id) {
            let view = self.view(pool, id);
            let view = recombine(pool, view, &mut self.ranges);
            rebuild(pool, &view)
        } else {
            let children: Vec<_> = pool.children(id).into_iter().map(|child| self.simplify(pool, child)).collect();
            let rebuilt = pool.with_children(id, &children);
            self.node(pool, rebuilt)
        };
        let simpler = self.decided(pool, simpler).unwrap_or(simpler);
        self.done.insert(id, simpler);
        simpler
    }

    /// The linear view of an index expression, simplified.
    fn view(&mut self, pool: &mut Pool, id: ExprId) -> Linear {
        if !is_sum(pool, id) {
            let simpler = self.simplify(pool, id);
            return linear(pool, simpler);
        }
        if let Some(view) = self.views.get(&id) {
            return view.clone();
        }
        let children: Vec<_> = pool.children(id).into_iter().map(|child| self.view(pool, child)).collect();
        let view = match (pool.get(id), children.as_slice()) {
            (Expr::Unary(..), [a]) => a.scale(-1),
            (Expr::Binary(Op::Add, ..), [a, b]) => a.add(b),
            (Expr::Binary(Op::Sub, ..), [a, b]) => a.sub(b),
            (_, [a, b]) => match (a.as_constant(), b.as_constant()) {
                (Some(factor), _) => b.scale(factor),
                (_, Some(factor)) => a.scale(factor),
                _ => None,
            },
            _ => None,
        };
        let view = view.unwrap_or_else(|| {
            let children: Vec<_> = children.iter().map(|child| rebuild(pool, child)).collect();
            let rebuilt = pool.with_children(id, &children);
            linear(pool, rebuilt)
        });
        self.views.insert(id, view.clone());
        view
    }

    /// The constant that bounds leave as the only value.
    fn decided(&mut self, pool: &mut Pool, id: ExprId) -> Option<ExprId> {
        let dtype = pool.dtype(id);
        if dtype.is_float() {
            return None;
        }
        let value = self.ranges.of(pool, id).interval.as_point()?;
        Some(pool.constant(Const::int(dtype, value)))
    }

    /// Rewrites one node whose children are simple.
    fn node(&mut self, pool: &mut Pool, id: ExprId) -> ExprId {
        let rewritten = match *pool.get(id) {
            Expr::Binary(op @ (Op::Div | Op::Mod), a, _) => self.divide(pool, op, id, a),
            Expr::Binary(op @ (Op::Min | Op::Max), a, b) => self.extremum(pool, op, a, b),
            Expr::Binary(op, a, b) if op.info().class == Class::Compare => self.compare(pool, op, a, b),
            Expr::Unary(Op::Not, a) => {
                let pushed = negate(pool, a);
                if pushed == id { None } else { Some(self.simplify(pool, pushed)) }
            }
            Expr::Select { cond, then, otherwise } => {
                match (pool.as_const(then).and_then(Const::as_bool), pool.as_const(otherwise).and_then(Const::as_bool))
                {
                    (Some(true), Some(false)) => Some(cond),
                    (Some(false), Some(true)) => Some(negate(pool, cond)),
                    _ => None,
                }
            }
            Expr::Cast(to, a) => self.cast(pool, to, a),
            _ => None,
        };
        rewritten.unwrap_or(id)
    }

    fn divide(&mut self, pool: &mut Pool, op: Op, id: ExprId, a: ExprId) -> Option<ExprId> {
        let (_, divisor) = as_divided(pool, op, id)?;
        let dividend = linear(pool, a);
        if !is_exact(pool, &dividend, &mut self.ranges) {
            return None;
        }
        let of = if op == Op::Div { quotient } else { remainder };
        let view = of(pool, &dividend, divisor, &mut self.ranges);
        let view = recombine(pool, view, &mut self.ranges);
        Some(rebuild(pool, &view))
    }

    /// `min` and `max` of which one operand is never the other's better.
    fn extremum(&mut self, pool: &mut Pool, op: Op, a: ExprId, b: ExprId) -> Option<ExprId> {
        if a == b && !pool.dtype(a).is_float() {
            return Some(a);
        }
        let difference = self.difference(pool, a, b)?;
        let (first, second) = if op == Op::Min { (a, b) } else { (b, a) };
        if difference.hi <= 0 {
            Some(first)
        } else if difference.lo >= 0 {
            Some(second)
        } else {
            None
        }
    }

    /// Bounds of `a - b` for integers, as mathematical ones.
    fn difference(&mut self, pool: &Pool, a: ExprId, b: ExprId) -> Option<super::interval::Wide> {
        let dtype = pool.dtype(a);
        if dtype == DType::I64 {
            let view = exact_difference(pool, a, b, &mut self.ranges)?;
            return bounds(pool, &view, &mut self.ranges);
        }
        dtype.int_range()?;
        let (x, y) = (self.ranges.of(pool, a).interval, self.ranges.of(pool, b).interval);
        Some(super::interval::binary(Op::Sub, x, y))
    }

    fn compare(&mut self, pool: &mut Pool, op: Op, a: ExprId, b: ExprId) -> Option<ExprId> {
        if pool.dtype(a) != DType::I64 {
            return None;
        }
        let up = exact_difference(pool, b, a, &mut self.ranges)?;
        let down = exact_difference(pool, a, b, &mut self.ranges)?;
        let at_least_zero = match op {
            Op::Lt => up.add_constant(-1)?,
            Op::Le => up,
            Op::Gt => down.add_constant(-1)?,
            Op::Ge => down,
            _ => return self.equality(pool, op, &down),
        };
        let view = self.undivide(pool, tighten(&at_least_zero));
        let sum = bounds(pool, &view, &mut self.ranges)?;
        if sum.lo >= 0 || sum.hi < 0 {
            return Some(pool.bool(sum.lo >= 0));
        }
        self.write_inequality(pool, &view)
    }

    /// `x / c + k >= 0` as `x + k*c >= 0`, and `k - x / c >= 0` as `k*c + c - 1 - x >= 0`.
    fn undivide(&mut self, pool: &Pool, view: Linear) -> Linear {
        let mut opened = || {
            let (&atom, &coefficient) = view.terms.first_key_value()?;
            let (x, c) = as_divided(pool, Op::Div, atom)?;
            let constant = view.constant.checked_mul(c)?;
            let x = Some(linear(pool, x)).filter(|x| is_exact(pool, x, &mut self.ranges))?;
            match (view.terms.len(), coefficient) {
                (1, 1) => x.add_constant(constant),
                (1, -1) => Linear::constant(constant.checked_add(c - 1)?).sub(&x),
                _ => None,
            }
        };
        match opened() {
            Some(opened) if is_exact(pool, &opened, &mut self.ranges) => tighten(&opened),
            _ => view,
        }
    }

    /// `view >= 0` with positive coefficients on both sides.
    fn write_inequality(&mut self, pool: &mut Pool, view: &Linear) -> Option<ExprId> {
        let (mut more, mut less) = sides(view)?;
        let c = view.constant;
        let op = if less.terms.is_empty() {
            less.constant = c.checked_neg()?;
            return self.write(pool, Op::Ge, &more, &less);
        } else if more.terms.is_empty() {
            more.constant = c.checked_add(1)?;
            Op::Lt
        } else if c == 0 {
            Op::Le
        } else if c >= -1 {
            more.constant = c.checked_add(1)?;
            Op::Lt
        } else {
            less.constant = c.checked_neg()?.checked_sub(1)?;
            Op::Lt
        };
        self.write(pool, op, &less, &more)
    }

    fn equality(&mut self, pool: &mut Pool, op: Op, difference: &Linear) -> Option<ExprId> {
        let sum = bounds(pool, difference, &mut self.ranges)?;
        let common = difference.terms.values().fold(0, |common, &k| gcd(common, i128::from(k)));
        let constant = i128::from(difference.constant);
        let never = sum.lo > 0 || sum.hi < 0 || (common != 0 && constant % common != 0);
        if never || (sum.lo == 0 && sum.hi == 0) {
            return Some(pool.bool(never == (op == Op::Ne)));
        }
        let first_is_negative = difference.terms.first_key_value().is_some_and(|(_, &k)| k < 0);
        let view = tighten(&if first_is_negative { difference.scale(-1)? } else { difference.clone() });
        let (mut left, mut right) = sides(&view)?;
        if right.terms.is_empty() || view.constant < 0 {
            right.constant = view.constant.checked_neg()?;
        } else {
            left.constant = view.constant;
        }
        self.write(pool, op, &left, &right)
    }

    /// A comparison of two sums, if neither wraps.
    fn write(&mut self, pool: &mut Pool, op: Op, a: &Linear, b: &Linear) -> Option<ExprId> {
        if !is_exact(pool, a, &mut self.ranges) || !is_exact(pool, b, &mut self.ranges) {
            return None;
        }
        let (a, b) = (rebuild(pool, a), rebuild(pool, b));
        Some(pool.binary(op, a, b))
    }

    /// A conversion there and back.
    fn cast(&mut self, pool: &Pool, to: DType, a: ExprId) -> Option<ExprId> {
        let &Expr::Cast(middle, inner) = pool.get(a) else { return None };
        let fits = self.ranges.of(pool, inner).interval.inside(Interval::of(middle));
        let integers = !middle.is_float() && middle != DType::Bool && !to.is_float();
        (integers && pool.dtype(inner) == to && fits).then_some(inner)
    }
}

fn is_sum(pool: &Pool, id: ExprId) -> bool {
    pool.dtype(id) == DType::I64
        && matches!(pool.get(id), Expr::Unary(Op::Neg, _) | Expr::Binary(Op::Add | Op::Sub | Op::Mul, ..))
}

/// `a - b` where neither operand wraps.
fn exact_difference(pool: &Pool, a: ExprId, b: ExprId, ranges: &mut Ranges<'_>) -> Option<Linear> {
    let (a, b) = (linear(pool, a), linear(pool, b));
    if is_exact(pool, &a, ranges) && is_exact(pool, &b, ranges) { a.sub(&b) } else { None }
}

/// The terms with positive coefficients, and the others negated; without the constant.
fn sides(view: &Linear) -> Option<(Linear, Linear)> {
    let (mut positive, mut negative) = (Linear::default(), Linear::default());
    for (&atom, &k) in &view.terms {
        if k > 0 {
            positive.terms.insert(atom, k);
        } else {
            negative.terms.insert(atom, k.checked_neg()?);
        }
    }
    Some((positive, negative))
}
