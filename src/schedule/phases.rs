//! `phases p by [2]`: a nest becomes several, one for each remainder of an axis.
//!
//! ```text
//! for p in 9 { y[p] = sum[r in 3](if (p + 1 - r) % 2 == 0 { x[(p + 1 - r) / 2] else 0 } else { 0 } * w[r]) }
//!     ==>      for p_0 in 5 { y[2 * p_0] = x[p_0] * w[1] }
//!              for p_1 in 4 { y[2 * p_1 + 1] = sum[r_1 in 2](x[p_1 + 1 - r_1] * w[2 * r_1]) }
//! ```
//!
//! Legal before any other step on the nest. In a phase, a reduced axis of which all values that count have the same
//! remainder keeps these values alone: a transposed convolution does only its real multiplications. Which count is
//! decided by simplifying what is summed: 0, or a product with 0, adds nothing, as in the mathematical sum. The loops of
//! phase 3 have `_3` behind their names; remainders of the last axis change fastest.

use super::axes::{new_axis, substitute, unused};
use super::nest::{Item, Nest, Program, Reduction, Role, Var, VarId};
use super::{Refusal, inline, refuse};
use crate::arena::{Arena, Id};
use crate::expr::{AxisId, Expr, ExprId, Pool};
use crate::scalar::{Op, ReduceOp};

/// Nests that one may become.
const MOST: i64 = 64;

pub(super) fn phases(program: &mut Program, number: usize, vars: &[VarId], counts: &[i64]) -> Result<(), Refusal> {
    let nest = program.nests[number].clone();
    if inline::is_scheduled(&nest) || program.is_computed(number) {
        return refuse("the loops of this nest are scheduled already", "`phases` comes first");
    }
    for (&var, &count) in vars.iter().zip(counts) {
        let Var { name, role, extent, .. } = &nest.vars[var];
        if *role != Role::Spatial {
            return refuse(
                format!("`{name}` is reduced"),
                "name an axis of the result; reduced axes follow their remainders",
            );
        }
        if count < 1 || count > *extent {
            return refuse(format!("{extent} values of `{name}` have no {count} phases"), "take a smaller number");
        }
    }
    let all = counts.iter().fold(1i64, |product, &count| product.saturating_mul(count));
    if all > MOST {
        return refuse(format!("{all} phases are too many"), format!("at most {MOST} nests are made of one"));
    }
    let made: Vec<_> = (0..all).map(|phase| of_phase(program, &nest, vars, counts, phase)).collect();
    let mut numbers = Vec::new();
    for (index, nest) in made.into_iter().enumerate() {
        if index == 0 {
            program.nests[number] = nest;
            numbers.push(number);
        } else {
            program.nests.push(nest);
            numbers.push(program.nests.len() - 1);
        }
    }
    replace(&mut program.items, number, &numbers);
    Ok(())
}

/// The nest of one phase.
fn of_phase(program: &mut Program, nest: &Nest, vars: &[VarId], counts: &[i64], phase: i64) -> Nest {
    let mut made = renamed(program, nest, phase);
    let mut left = phase;
    for (&var, &count) in vars.iter().zip(counts).rev() {
        thin(program, &mut made, var, count, left % count);
        left /= count;
    }
    for (var, _) in nest.vars.iter().filter(|(_, var)| var.role == Role::Reduced) {
        for &count in counts {
            reduce(program, &mut made, var, count);
        }
    }
    made
}

/// The same nest with axes of its own.
fn renamed(program: &mut Program, nest: &Nest, phase: i64) -> Nest {
    let mut made = nest.clone();
    let mut to = Vec::new();
    for (var, old) in nest.vars.iter() {
        let Some(from) = old.axis else { continue };
        let axis = new_axis(program, &format!("{}_{phase}", old.name));
        made.vars[var].name.clone_from(&program.kernel.axes[axis].name);
        made.vars[var].axis = Some(axis);
        to.push((from, program.kernel.pool.axis(axis)));
    }
    if let Some(reduction) = &nest.reduction {
        let mut buffer = program.kernel.buffers[reduction.acc].clone();
        buffer.name = unused(program, &format!("{}_{phase}", buffer.name));
        let dtype = buffer.dtype;
        let acc = program.kernel.buffers.push(buffer);
        let pool = &mut program.kernel.pool;
        let sum = pool.load(acc, Vec::new(), dtype);
        made.result = pool.map(nest.result, &mut |pool, e| match pool.get(e) {
            Expr::Load { tensor, .. } if *tensor == reduction.acc => Some(sum),
            _ => None,
        });
        made.reduction = Some(Reduction { acc, ..reduction.clone() });
    }
    substitute(program, &mut made, &|axis| to.iter().find(|(from, _)| *from == axis).map(|(_, to)| *to));
    made
}

/// Keeps the values of a variable with one remainder: `count * var + remainder`.
fn thin(program: &mut Program, nest: &mut Nest, var: VarId, count: i64, remainder: i64) {
    let Some(axis) = nest.vars[var].axis else { return };
    let extent = nest.vars[var].extent;
    nest.vars[var].extent = (extent - remainder + count - 1) / count;
    let value = thinned(&mut program.kernel.pool, axis, count, remainder);
    substitute(program, nest, &|other| (other == axis).then_some(value));
}

fn thinned(pool: &mut Pool, axis: AxisId, count: i64, remainder: i64) -> ExprId {
    let (axis, count, remainder) = (pool.axis(axis), pool.int(count), pool.int(remainder));
    let product = pool.mul(axis, count);
    pool.add(product, remainder)
}

/// Keeps the values of a reduced variable that count, if all of these have one remainder; without any, the reduction is
/// what is neutral.
fn reduce(program: &mut Program, nest: &mut Nest, var: VarId, count: i64) {
    let Some(reduction) = nest.reduction.clone() else { return };
    let extent = nest.vars[var].extent;
    let mut kept = Vec::new();
    for remainder in 0..count.min(extent) {
        let mut tried = nest.clone();
        thin(program, &mut tried, var, count, remainder);
        let value = tried.value();
        if !adds_nothing(&program.kernel.pool, value, reduction.op) {
            kept.push(tried);
        }
    }
    if let [_] = kept[..] {
        *nest = kept.swap_remove(0);
    } else if kept.is_empty() {
        let pool = &mut program.kernel.pool;
        let neutral = pool.constant(reduction.op.neutral(pool.dtype(reduction.value)));
        nest.result = pool.map(nest.result, &mut |pool, e| match pool.get(e) {
            Expr::Load { tensor, .. } if *tensor == reduction.acc => Some(neutral),
            _ => None,
        });
        nest.reduction = None;
        let mut vars = Arena::new();
        for (_, var) in nest.vars.iter().filter(|(_, var)| var.role == Role::Spatial) {
            vars.push(var.clone());
        }
        nest.order = (0..vars.len()).map(VarId::new).collect();
        nest.vars = vars;
    }
}

/// Whether joining a value changes nothing.
fn adds_nothing(pool: &Pool, value: ExprId, op: ReduceOp) -> bool {
    let neutral = op.neutral(pool.dtype(value));
    pool.as_const(value) == Some(neutral) || (op == ReduceOp::Sum && is_zero(pool, value))
}

fn is_zero(pool: &Pool, value: ExprId) -> bool {
    match *pool.get(value) {
        Expr::Const(value) => value.to_f64() == 0.0,
        Expr::Binary(Op::Mul, a, b) => is_zero(pool, a) || is_zero(pool, b),
        Expr::Cast(_, inner) => is_zero(pool, inner),
        Expr::Select { then, otherwise, .. } => is_zero(pool, then) && is_zero(pool, otherwise),
        _ => false,
    }
}

/// Puts several nests in the place of one.
fn replace(items: &mut Vec<Item>, number: usize, by: &[usize]) {
    for item in std::mem::take(items) {
        match item {
            Item::Nest(found) if found == number => items.extend(by.iter().map(|&number| Item::Nest(number))),
            Item::Alloc { buffer, mut body } => {
                replace(&mut body, number, by);
                items.push(Item::Alloc { buffer, body });
            }
            other => items.push(other),
        }
    }
}
