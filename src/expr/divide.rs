//! Floor division and remainder of linear views by positive constants.
//!
//! ```text
//! (16*i + j) / 16  ->  i                  where 0 <= j < 16
//! (16*i + j) % 16  ->  j                  where 0 <= j < 16
//! (4*i + j) / 16   ->  i / 4              where 0 <= j < 4
//! (4*i + j) % 16   ->  4 * (i % 4) + j    where 0 <= j < 4
//! i / 4 / 3        ->  i / 12
//! i % 12 % 4       ->  i % 4
//! 4 * (i / 4) + i % 4  ->  i
//! ```
//!
//! Legal where the dividend does not wrap, which its bounds must show; the callers check it of what they give, these
//! functions of what they make.

use super::affine::{Linear, bounds, is_exact, linear, rebuild};
use super::range::{Interval, Ranges};
use super::{Expr, ExprId, Pool};
use crate::scalar::eval::{floor_div, floor_mod};
use crate::scalar::{DType, Op};

use super::congruence::gcd;

/// `e / c`, for a positive `c` and a view that is exact.
pub(super) fn quotient(pool: &mut Pool, e: &Linear, c: i64, ranges: &mut Ranges<'_>) -> Linear {
    let (whole, rest) = split(e, c, |k| k % c == 0);
    if !is_exact(pool, &rest, ranges) {
        return divided(pool, Op::Div, e, c);
    }
    let part = quotient_of_rest(pool, &rest, c, ranges);
    whole.add(&part).unwrap_or_else(|| divided(pool, Op::Div, e, c))
}

fn quotient_of_rest(pool: &mut Pool, rest: &Linear, c: i64, ranges: &mut Ranges<'_>) -> Linear {
    if let Some(known) = same_quotient(pool, rest, c, ranges) {
        return Linear::constant(known);
    }
    if let Some((unit, coarse, _)) = coarsen(pool, rest, c, ranges) {
        return quotient(pool, &coarse, c / unit, ranges);
    }
    match nested(pool, rest, c, ranges) {
        Some((inner, product)) => quotient(pool, &inner, product, ranges),
        None => divided(pool, Op::Div, rest, c),
    }
}

/// `e % c`, for a positive `c` and a view that is exact.
pub(super) fn remainder(pool: &mut Pool, e: &Linear, c: i64, ranges: &mut Ranges<'_>) -> Linear {
    let opened = open_remainders(pool, e, c, ranges);
    let rest = Linear {
        terms: opened.terms.iter().map(|(&atom, &k)| (atom, nearest(k, c))).filter(|&(_, k)| k != 0).collect(),
        constant: floor_mod(opened.constant, c),
    };
    if !is_exact(pool, &rest, ranges) {
        return divided(pool, Op::Mod, e, c);
    }
    if let Some(known) = same_quotient(pool, &rest, c, ranges)
        && let Some(less) = known.checked_mul(c).and_then(i64::checked_neg)
        && let Some(shifted) = rest.add_constant(less)
    {
        return shifted;
    }
    if let Some((unit, coarse, fine)) = coarsen(pool, &rest, c, ranges) {
        let inner = remainder(pool, &coarse, c / unit, ranges);
        if let Some(sum) = fine.add_scaled(unit, &inner) {
            return sum;
        }
    }
    let rest = above_zero(pool, rest, c, ranges);
    divided(pool, Op::Mod, &rest, c)
}

/// The same but for multiples of `c`, and without negative values where that is enough: of those, remainders are what C
/// and processors call so.
fn above_zero(pool: &Pool, rest: Linear, c: i64, ranges: &mut Ranges<'_>) -> Linear {
    let is_above = |pool: &Pool, view: &Linear, ranges: &mut Ranges<'_>| {
        bounds(pool, view, ranges).and_then(|wide| wide.fit(DType::I64)).is_some_and(|interval| interval.lo >= 0)
    };
    if is_above(pool, &rest, ranges) {
        return rest;
    }
    let terms = rest.terms.iter().map(|(&atom, &k)| (atom, floor_mod(k, c))).collect();
    let least = Linear { terms, constant: rest.constant };
    if is_above(pool, &least, ranges) && is_exact(pool, &least, ranges) { least } else { rest }
}

/// The remainder of a coefficient that is nearest to 0.
const fn nearest(k: i64, c: i64) -> i64 {
    let least = floor_mod(k, c);
    if least > c / 2 { least - c } else { least }
}

fn divided(pool: &mut Pool, op: Op, e: &Linear, c: i64) -> Linear {
    let (e, c) = (rebuild(pool, e), pool.int(c));
    let id = pool.binary(op, e, c);
    linear(pool, id)
}

/// `e = c * whole + rest`: the chosen terms, divided by `c`, and the others; the constant is split by floor division.
fn split(e: &Linear, c: i64, chosen: impl Fn(i64) -> bool) -> (Linear, Linear) {
    let mut whole = Linear::constant(floor_div(e.constant, c));
    let mut rest = Linear::constant(floor_mod(e.constant, c));
    for (&atom, &k) in &e.terms {
        if chosen(k) {
            whole.terms.insert(atom, k / c);
        } else {
            rest.terms.insert(atom, k);
        }
    }
    (whole, rest)
}

/// `e / c` where it is the same for all values of `e`.
fn same_quotient(pool: &Pool, e: &Linear, c: i64, ranges: &mut Ranges<'_>) -> Option<i64> {
    let Interval { lo, hi } = bounds(pool, e, ranges)?.fit(DType::I64)?;
    (floor_div(lo, c) == floor_div(hi, c)).then(|| floor_div(lo, c))
}

/// `(unit, coarse, fine)` with `e = unit * coarse + fine`, where `unit > 1` divides `c` and `0 <= fine < unit`; the
/// largest such unit.
fn coarsen(pool: &Pool, e: &Linear, c: i64, ranges: &mut Ranges<'_>) -> Option<(i64, Linear, Linear)> {
    let mut units: Vec<_> =
        e.terms.values().filter_map(|&k| i64::try_from(gcd(i128::from(k), i128::from(c))).ok()).collect();
    units.sort_unstable();
    units.dedup();
    units.into_iter().rev().filter(|&unit| unit > 1).find_map(|unit| {
        let (coarse, fine) = split(e, unit, |k| k % unit == 0);
        let small = bounds(pool, &fine, ranges)?.fit(DType::I64)?.inside(Interval::extent(unit));
        (small && is_exact(pool, &coarse, ranges)).then_some((unit, coarse, fine))
    })
}

/// `(inner / a + k) / c` as `(inner + k * a) / (a * c)`.
fn nested(pool: &Pool, e: &Linear, c: i64, ranges: &mut Ranges<'_>) -> Option<(Linear, i64)> {
    let (&atom, &coefficient) = e.terms.first_key_value()?;
    if e.terms.len() != 1 || coefficient != 1 {
        return None;
    }
    let (inner, a) = as_divided(pool, Op::Div, atom)?;
    let inner = Some(linear(pool, inner)).filter(|inner| is_exact(pool, inner, ranges))?;
    let sum = inner.add_constant(e.constant.checked_mul(a)?)?;
    is_exact(pool, &sum, ranges).then_some((sum, a.checked_mul(c)?))
}

/// The dividend and the positive constant divisor of a quotient or remainder.
pub(super) fn as_divided(pool: &Pool, op: Op, id: ExprId) -> Option<(ExprId, i64)> {
    let &Expr::Binary(found, a, b) = pool.get(id) else { return None };
    let divisor = pool.as_int(b).filter(|&divisor| divisor > 0)?;
    (found == op && pool.dtype(id) == DType::I64).then_some((a, divisor))
}

/// Replaces `k * (x % a)` by `k * x` where `c` divides `k * a`: the remainder by `c` stays.
fn open_remainders(pool: &Pool, e: &Linear, c: i64, ranges: &mut Ranges<'_>) -> Linear {
    let mut opened = e.clone();
    for (&atom, &k) in &e.terms {
        let Some((x, a)) = as_divided(pool, Op::Mod, atom) else { continue };
        let x = linear(pool, x);
        if i128::from(k) * i128::from(a) % i128::from(c) != 0 || !is_exact(pool, &x, ranges) {
            continue;
        }
        let replaced = opened
            .add_scaled(1, &Linear { terms: [(atom, k.wrapping_neg())].into(), constant: 0 })
            .and_then(|without| without.add_scaled(k, &x))
            .filter(|sum| k != i64::MIN && is_exact(pool, sum, ranges));
        opened = replaced.unwrap_or(opened);
    }
    opened
}

/// Joins quotients and remainders of the same dividend: `m*c * (x / c) + m * (x % c)` is `m * x`, and
/// `m * x - m*c * (x / c)` is `m * (x % c)`. Also with `x % a / c` and `x % c`, where `c` divides `a`, and where dividends
/// differ by multiples of what they are divided by, as `remainder` makes them: `12 * (x / 4) + 3 * ((x + 8) % 4)` is
/// `3 * x`.
pub(super) fn recombine(pool: &mut Pool, view: Linear, ranges: &mut Ranges<'_>) -> Linear {
    let mut view = view;
    // Each round removes an atom or leaves fewer quotients, or fewer remainders.
    while let Some(joined) = join_once(pool, &view).or_else(|| join_alike(pool, &view, ranges)) {
        view = joined;
    }
    view
}

fn join_once(pool: &mut Pool, view: &Linear) -> Option<Linear> {
    let quotients: Vec<_> =
        view.terms.iter().filter_map(|(&atom, &k)| Some((atom, k, as_divided(pool, Op::Div, atom)?))).collect();
    for (atom, k, (x, c)) in quotients {
        if k % c != 0 {
            continue;
        }
        let m = k / c;
        let without = Linear {
            terms: view.terms.iter().filter(|&(&other, _)| other != atom).map(|(&a, &k)| (a, k)).collect(),
            constant: view.constant,
        };
        let base = as_divided(pool, Op::Mod, x).filter(|&(_, a)| a % c == 0).map_or(x, |(inner, _)| inner);
        for dividend in [x, base] {
            let divisor = pool.int(c);
            let rest = pool.binary(Op::Mod, dividend, divisor);
            if view.coefficient(rest) == m {
                let cleared = without.add_scaled(m.checked_neg()?, &Linear::atom(rest))?;
                return cleared.add_scaled(m, &linear(pool, x));
            }
        }
        let negated = m.checked_neg()?;
        if view.coefficient(x) == negated {
            let divisor = pool.int(c);
            let rest = pool.binary(Op::Mod, x, divisor);
            return without.add_scaled(m, &Linear::atom(x))?.add_scaled(negated, &Linear::atom(rest));
        }
    }
    None
}

/// Joins `m*d * (x / (d*q))` and `m * (v % d)` to `m * (x / q)`, where `v` and `x / q` have the same remainder by `d`.
fn join_alike(pool: &mut Pool, view: &Linear, ranges: &mut Ranges<'_>) -> Option<Linear> {
    let of = |op| {
        let parts = view.terms.iter().filter_map(|(&atom, &k)| Some((atom, k, as_divided(pool, op, atom)?)));
        parts.collect::<Vec<_>>()
    };
    let (quotients, remainders) = (of(Op::Div), of(Op::Mod));
    for &(high, k, (x, n)) in &quotients {
        for &(low, m, (v, d)) in &remainders {
            if n % d != 0 || m.checked_mul(d) != Some(k) {
                continue;
            }
            let whole = linear(pool, x);
            let base = as_divided(pool, Op::Mod, x).filter(|&(_, a)| a % n == 0).map(|(inner, _)| linear(pool, inner));
            let part = |pool: &mut Pool, e: &Linear, ranges: &mut Ranges<'_>| {
                if n == d { e.clone() } else { quotient(pool, e, n / d, ranges) }
            };
            let v = linear(pool, v);
            let is_alike = |e: &Linear| {
                e.sub(&v).is_some_and(|less| less.constant % d == 0 && less.terms.values().all(|&k| k % d == 0))
            };
            let joined = part(pool, &whole, ranges);
            let fits = is_alike(&joined) || base.is_some_and(|base| is_alike(&part(pool, &base, ranges)));
            // Where a dividend wraps around, its remainder is that of another number.
            if fits && is_exact(pool, &joined, ranges) && is_exact(pool, &v, ranges) {
                let without = view.add_scaled(k.checked_neg()?, &Linear::atom(high))?;
                return without.add_scaled(m.checked_neg()?, &Linear::atom(low))?.add_scaled(m, &joined);
            }
        }
    }
    None
}
