//! Facts of a proof: conditions taken apart into conjuncts, those into linear inequalities, and those into bounds of
//! axes. Not here: what follows from them (`combine`, `search`).

use std::collections::{BTreeSet, HashMap};

use super::affine::{Linear, bounds, is_exact, linear};
use super::divide::as_divided;
use super::interval::floor_div;
use super::range::{Domain, Interval, Ranges};
use super::simplify::Simplifier;
use super::{Expr, ExprId, Pool};
use crate::scalar::{DType, Op};

/// More conjuncts than this are dropped: fewer facts prove less, never something wrong.
pub(super) const MAX_CONJUNCTS: usize = 200;

/// Atoms whose meaning a proof looks into.
const MAX_ATOMS: usize = 24;

/// Alternatives nested deeper than this narrow nothing; it bounds the work.
const DEPTH: usize = 6;

/// How often bounds of axes are carried from one fact to the next.
const ROUNDS: usize = 4;

/// The negation, pushed inwards as far as it stays one of equal meaning.
pub(super) fn negate(pool: &mut Pool, cond: ExprId) -> ExprId {
    negate_memo(pool, cond, &mut HashMap::new())
}

fn negate_memo(pool: &mut Pool, cond: ExprId, known: &mut HashMap<ExprId, ExprId>) -> ExprId {
    if let Some(&known) = known.get(&cond) {
        return known;
    }
    let negated = match *pool.get(cond) {
        Expr::Binary(op @ (Op::And | Op::Or), a, b) => {
            let (a, b) = (negate_memo(pool, a, known), negate_memo(pool, b, known));
            pool.binary(if op == Op::And { Op::Or } else { Op::And }, a, b)
        }
        Expr::Binary(op, a, b) => match opposite(op) {
            // `!(a < b)` is not `a >= b` where one of them is NaN.
            Some(opposite) if !pool.dtype(a).is_float() => pool.binary(opposite, a, b),
            _ => pool.unary(Op::Not, cond),
        },
        _ => pool.unary(Op::Not, cond),
    };
    known.insert(cond, negated);
    negated
}

/// The comparison that holds exactly where this one does not.
pub(super) const fn opposite(op: Op) -> Option<Op> {
    Some(match op {
        Op::Eq => Op::Ne,
        Op::Ne => Op::Eq,
        Op::Lt => Op::Ge,
        Op::Le => Op::Gt,
        Op::Gt => Op::Le,
        Op::Ge => Op::Lt,
        _ => return None,
    })
}

/// The conditions that together say the same as all of `conds`, each once, in order.
pub(super) fn conjuncts(pool: &mut Pool, conds: &[ExprId]) -> Vec<ExprId> {
    let mut parts = Vec::new();
    let mut seen = BTreeSet::new();
    let mut work: Vec<ExprId> = conds.iter().rev().copied().collect();
    while let Some(cond) = work.pop() {
        if !seen.insert(cond) || parts.len() >= MAX_CONJUNCTS {
            continue;
        }
        match *pool.get(cond) {
            Expr::Binary(Op::And, a, b) => work.extend([b, a]),
            Expr::Unary(Op::Not, inner) => {
                let pushed = negate(pool, inner);
                if pushed == cond { parts.push(cond) } else { work.push(pushed) }
            }
            _ => parts.push(cond),
        }
    }
    parts
}

/// The linear views that are all at least 0 exactly where a comparison of indices holds, as mathematical integers;
/// none where it is something else or may wrap. `!=` is one only where an operand lies at the end of the other's range.
pub(super) fn inequalities(pool: &Pool, cond: ExprId, ranges: &mut Ranges<'_>) -> Option<Vec<Linear>> {
    let Expr::Binary(op, a, b) = *pool.get(cond) else { return None };
    opposite(op)?;
    if pool.dtype(a) != DType::I64 {
        return None;
    }
    let (a, b) = (linear(pool, a), linear(pool, b));
    if !is_exact(pool, &a, ranges) || !is_exact(pool, &b, ranges) {
        return None;
    }
    let (up, down) = (b.sub(&a)?, a.sub(&b)?);
    Some(match op {
        Op::Lt => vec![up.add_constant(-1)?],
        Op::Le => vec![up],
        Op::Gt => vec![down.add_constant(-1)?],
        Op::Ge => vec![down],
        Op::Eq => vec![up, down],
        _ => {
            let difference = bounds(pool, &up, ranges)?;
            match (difference.lo, difference.hi) {
                (0, _) => vec![up.add_constant(-1)?],
                (_, 0) => vec![down.add_constant(-1)?],
                _ => return None,
            }
        }
    })
}

/// Whether an expression depends on axes alone and computes with integers and truth values only.
pub(super) fn is_transparent(pool: &Pool, id: ExprId) -> bool {
    let mut transparent = true;
    pool.visit(id, &mut |id, expr| {
        transparent &= !matches!(expr, Expr::Load { .. }) && !pool.dtype(id).is_float();
    });
    transparent
}

/// What holds of atoms by their meaning: `c*q <= x < c*q + c` of `q = x / c`, that `x % c` is `x - c * (x / c)`, and
/// that `min` and `max` are not above or below their operands.
pub(super) fn definitions(pool: &mut Pool, atoms: Vec<ExprId>, ranges: &mut Ranges<'_>) -> Vec<Linear> {
    let mut views = Vec::new();
    let mut seen = BTreeSet::new();
    let mut work = atoms;
    while let Some(atom) = work.pop() {
        if !seen.insert(atom) || seen.len() > MAX_ATOMS {
            continue;
        }
        let mut meaning = |pool: &Pool, id: ExprId| {
            let view = linear(pool, id);
            work.extend(view.terms.keys());
            Some(view).filter(|view| is_exact(pool, view, ranges))
        };
        let own = Linear::atom(atom);
        if let Some((x, c)) = as_divided(pool, Op::Div, atom) {
            let rest = meaning(pool, x).and_then(|x| x.add_scaled(-c, &own));
            views.extend(rest.iter().filter_map(|rest| rest.scale(-1)?.add_constant(c - 1)));
            views.extend(rest);
        } else if let Some((x, c)) = as_divided(pool, Op::Mod, atom) {
            let divisor = pool.int(c);
            let quotient = pool.binary(Op::Div, x, divisor);
            let view = meaning(pool, x).and_then(|x| x.sub(&own)?.add_scaled(-c, &Linear::atom(quotient)));
            views.extend(view.iter().filter_map(|view| view.scale(-1)));
            views.extend(view);
        } else if let Expr::Binary(op @ (Op::Min | Op::Max), a, b) = *pool.get(atom) {
            for operand in [a, b] {
                let above = meaning(pool, operand).and_then(|view| view.sub(&own));
                views.extend(above.and_then(|view| if op == Op::Min { Some(view) } else { view.scale(-1) }));
            }
        }
    }
    views
}

/// What a proof may use.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Values of the axes, narrowed by the facts.
    pub(super) domain: Domain,
    /// All conjuncts.
    pub(super) conjuncts: Vec<ExprId>,
    /// Views that are at least 0.
    pub(super) linear: Vec<Linear>,
}

impl Known {
    /// Takes facts apart; none if they contradict each other or the domain, so that every claim holds.
    pub(super) fn new(pool: &mut Pool, domain: &Domain, facts: &[ExprId]) -> Option<Self> {
        let parts = conjuncts(pool, facts);
        // Only over the domain as it was given: narrowed by the facts, it would make them look superfluous.
        let mut simplifier = Simplifier::new(domain);
        let simpler: Vec<_> = parts.into_iter().map(|fact| simplifier.simplify(pool, fact)).collect();
        let parts = conjuncts(pool, &simpler);
        let mut domain = domain.clone();
        for _ in 0..ROUNDS {
            let before = domain.clone();
            for &fact in &parts {
                domain = narrow(pool, fact, &domain, DEPTH)?;
            }
            if domain == before {
                break;
            }
        }
        let mut ranges = Ranges::new(&domain);
        if parts.iter().any(|&fact| ranges.of(pool, fact).as_truth() == Some(false)) {
            return None;
        }
        let linear = parts.iter().filter_map(|&fact| inequalities(pool, fact, &mut ranges)).flatten().collect();
        Some(Self { domain, conjuncts: parts, linear })
    }
}

/// The part of a domain outside which a fact fails; none if it fails everywhere.
fn narrow(pool: &Pool, fact: ExprId, domain: &Domain, depth: usize) -> Option<Domain> {
    if depth == 0 {
        return Some(domain.clone());
    }
    if let Expr::Binary(Op::Or, a, b) = *pool.get(fact) {
        return match (narrow(pool, a, domain, depth - 1), narrow(pool, b, domain, depth - 1)) {
            (Some(a), Some(b)) => Some(union(domain, &a, &b)),
            (a, b) => a.or(b),
        };
    }
    if let Expr::Binary(Op::And, a, b) = *pool.get(fact) {
        return narrow(pool, b, &narrow(pool, a, domain, depth - 1)?, depth - 1);
    }
    let mut ranges = Ranges::new(domain);
    if ranges.of(pool, fact).as_truth() == Some(false) {
        return None;
    }
    let views = inequalities(pool, fact, &mut ranges).unwrap_or_default();
    let mut narrowed = domain.clone();
    for view in &views {
        narrow_by(pool, view, domain, &mut narrowed)?;
    }
    Some(narrowed)
}

fn union(domain: &Domain, a: &Domain, b: &Domain) -> Domain {
    let mut joined = domain.clone();
    for (axis, values) in a.iter() {
        joined.insert(axis, values.join(b.get(axis)));
    }
    joined
}

/// From `view >= 0`: what is left for each axis that stands in it alone.
fn narrow_by(pool: &Pool, view: &Linear, domain: &Domain, narrowed: &mut Domain) -> Option<()> {
    let mut ranges = Ranges::new(domain);
    let Some(all) = bounds(pool, view, &mut ranges) else { return Some(()) };
    if all.hi < 0 {
        return None;
    }
    for (&atom, &coefficient) in &view.terms {
        let &Expr::Axis(axis) = pool.get(atom) else { continue };
        let values = domain.get(axis);
        let most = if coefficient > 0 { values.hi } else { values.lo };
        // coefficient * axis >= -rest, where the rest of the sum is at most `all.hi - coefficient * most`.
        let least = i128::from(coefficient) * i128::from(most) - all.hi;
        let bound = if coefficient > 0 {
            Interval { lo: saturate(-floor_div(-least, i128::from(coefficient))), hi: i64::MAX }
        } else {
            Interval { lo: i64::MIN, hi: saturate(floor_div(least, i128::from(coefficient))) }
        };
        narrowed.insert(axis, narrowed.get(axis).intersect(bound)?);
    }
    Some(())
}

fn saturate(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}
