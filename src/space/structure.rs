//! Divisions that the structure of a nest decides: axes in whose remainders a condition asks, and axes that are
//! numbers of groups and places in a group.
//!
//! ```text
//! if (p + 1 - r) % 2 == 0 { … } else { 0 }        phases p by [2]         a transposed convolution
//! x[k / 12 * 8 + c]                               split k by [?, 12]      groups
//! ```
//!
//! `FlexTensor` would have the search find such splits; they are no choice, for without them no tile is regular.

use std::collections::BTreeMap;

use crate::expr::{AxisId, Expr, ExprId, Pool, affine};
use crate::scalar::{Const, DType, Op};
use crate::schedule::Step;
use crate::schedule::nest::{Nest, Program, Role};
use crate::schedule::reads::RUNS;
use crate::schedule::step::Tail;
use crate::target::Platform;

/// Nests that one may become.
const PHASES: i64 = 64;

/// Applies the steps that are no choice, those that remove intermediates before; gives them, in their order.
pub fn fixed(program: &mut Program, platform: &Platform) -> Vec<Step> {
    let mut steps = super::fusions(program);
    steps.extend(structure(program, platform));
    steps
}

/// Applies those steps to all nests; gives them, in their order.
pub fn structure(program: &mut Program, platform: &Platform) -> Vec<Step> {
    let mut steps = Vec::new();
    for number in 0..program.nests.len() {
        let phases = phases(program, &program.nests[number]);
        if let Some(step) = phases
            && program.apply(&step).is_ok()
        {
            steps.push(step);
        }
    }
    for number in 0..program.nests.len() {
        // Each split makes divisions by other numbers visible.
        while let Some(step) = groups(program, &program.nests[number], platform)
            && program.apply(&step).is_ok()
        {
            steps.push(step);
        }
    }
    steps
}

/// Remainders of spatial axes that decide, together with reduced ones, whether there is something to join.
fn phases(program: &Program, nest: &Nest) -> Option<Step> {
    let reduction = nest.reduction.as_ref()?;
    let pool = &program.kernel.pool;
    let mut counts: BTreeMap<usize, i64> = BTreeMap::new();
    pool.visit(reduction.value, &mut |_, expr| {
        let Expr::Select { cond, .. } = *expr else { return };
        pool.visit(cond, &mut |_, expr| {
            if let Expr::Binary(Op::Mod, e, by) = *expr
                && let Some(by) = divisor(pool, by)
            {
                asked(pool, nest, e, by, &mut counts);
            }
        });
    });
    counts.retain(|&at, count| *count > 1 && *count <= nest.vars[nest.order[at]].extent);
    let name = |&at: &usize| nest.vars[nest.order[at]].name.clone();
    let fits = !counts.is_empty() && counts.values().product::<i64>() <= PHASES;
    fits.then(|| Step::Phases { axes: counts.keys().map(name).collect(), counts: counts.values().copied().collect() })
}

/// Adds the spatial axes in `e % by`, if reduced ones are in it, too.
fn asked(pool: &Pool, nest: &Nest, e: ExprId, by: i64, counts: &mut BTreeMap<usize, i64>) {
    let terms = axes(pool, nest, e);
    let has = |role: Role| terms.iter().any(|&(at, step)| nest.vars[nest.order[at]].role == role && step % by != 0);
    if !has(Role::Spatial) || !has(Role::Reduced) {
        return;
    }
    for &(at, step) in terms.iter().filter(|&&(at, _)| nest.vars[nest.order[at]].role == Role::Spatial) {
        let period = by / gcd(by, step.abs());
        let count = counts.entry(at).or_insert(1);
        *count = *count / gcd(*count, period) * period;
    }
}

/// The axes of which an expression is a sum of multiples, by their places.
fn axes(pool: &Pool, nest: &Nest, e: ExprId) -> Vec<(usize, i64)> {
    let place = |axis: AxisId| nest.order.iter().position(|&var| nest.vars[var].axis == Some(axis));
    let view = affine::linear(pool, e);
    let term = |(&atom, &step): (&ExprId, &i64)| match pool.get(atom) {
        Expr::Axis(axis) => Some((place(*axis)?, step)),
        _ => None,
    };
    view.terms.iter().filter_map(term).collect()
}

/// A split of an axis that is divided, alone, by a number that divides its extent.
fn groups(program: &Program, nest: &Nest, platform: &Platform) -> Option<Step> {
    let pool = &program.kernel.pool;
    // What lies in short runs is put together in registers: a run would be a vector of its own.
    let is_turned = |at: usize, by: i64| {
        let is_copied = nest.reduction.is_none() && matches!(platform, Platform::Cpu(_));
        is_copied && RUNS.contains(&by) && is_in_runs(program, nest, at)
    };
    let mut found: Option<(usize, i64)> = None;
    pool.visit(nest.value(), &mut |_, expr| {
        if let Expr::Binary(Op::Div | Op::Mod, e, by) = *expr
            && let Some(by) = divisor(pool, by)
            && let [(at, 1)] = axes(pool, nest, e)[..]
            && pool.axes(e).len() == 1
            && nest.vars[nest.order[at]].extent % by == 0
            && nest.vars[nest.order[at]].extent > by
            && !is_turned(at, by)
        {
            // The largest first: what divides it is inside.
            found = found.max(Some((at, by)));
        }
    });
    let (at, by) = found?;
    let axis = nest.vars[nest.order[at]].name.clone();
    Some(Step::Split { axis, parts: vec![Some(by)], tail: Tail::Peel })
}

/// Whether results lie next to each other along an axis that is divided, and what is read for them lies in runs.
fn is_in_runs(program: &Program, nest: &Nest, at: usize) -> bool {
    let pool = &program.kernel.pool;
    let own = nest.vars[nest.order[at]].axis;
    let is_own = |expr: ExprId| matches!(*pool.get(expr), Expr::Axis(axis) if Some(axis) == own);
    let is_place = |expr: ExprId| matches!(*pool.get(expr), Expr::Binary(Op::Mod, e, _) if is_own(e));
    let mut in_runs = nest.at.last().is_some_and(|&along| is_own(along));
    pool.visit(nest.value(), &mut |_, expr| {
        let Expr::Load { tensor, at } = expr else { return };
        let mut size = 1;
        for (&subscript, extent) in at.iter().zip(program.shape(*tensor)).rev() {
            let view = affine::linear(pool, subscript);
            in_runs &= view.terms.iter().all(|(&atom, &step)| !is_place(atom) || step * size == 1);
            size *= extent;
        }
    });
    in_runs
}

/// By what an index is divided.
fn divisor(pool: &Pool, e: ExprId) -> Option<i64> {
    let is_index = pool.dtype(e) == DType::I64;
    pool.as_const(e).filter(|_| is_index).and_then(Const::as_int).filter(|&number| number > 1)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
