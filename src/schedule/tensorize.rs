//! `tensorize i.3 j.3 k.2`: the warps of a GPU multiply tiles of 16 by 8 elements by its matrix units.
//!
//! ```text
//! for i.3 in 16 { for j.3 in 8 { for k.2 in 16 { acc += A[i.3, k.2] * B[k.2, j.3] } } }
//!     ==>      block.x for i.3.lane in 32 {
//!                tensor for k.2 in 16 { unroll for i.3.0 in 2 { vector for j.3.1 in 2 { acc[i.3.0, j.3.1] += … } } }
//!              }
//! ```
//!
//! The 32 threads of a warp share a tile: thread `8 * g + t` has the rows `8 * i.3.0 + g` and the columns `2 * t + j.3.1`,
//! which is what `mma.sync` wants of sums, in every element type. So these loops are those of an ordinary nest, whose threads
//! have private sums; the mark says that the terms of a tile are joined in one go, and codegen brings operands to the threads
//! that the instruction wants to have them.
//!
//! With 64 rows, four warps have 16 each, and the units of some GPUs take both operands from where they are shared. Of more
//! terms than an instruction takes, one after another is joined.
//!
//! Loops that are spatial and inside of the terms are other tiles of the same warp: each part of an operand is loaded once
//! for all of them.
//!
//! Legal for sums of products of two operands, of which one depends on the rows and the other on the columns; both are in
//! shared memory, and all threads of a warp reach the instruction: nothing is under a condition that they decide on their own.
//! Products of numbers of 16 bits or bytes are exact, as everywhere. Those of `f32` are so only `as tf32`, which is asked for
//! in the step: each operand is rounded to 10 bits behind the point first.

use super::nest::{Form, Layout, Nest, Program, Role, Tensor, Var, VarId};
use super::step::{Numbers, Tail};
use super::{Refusal, refuse};
use crate::expr::{Expr, ExprId, Pool};
use crate::loops::{LoopKind, Scope};
use crate::scalar::{DType, Op, ReduceOp};

/// Rows of the tile of a warp, and of a group of warps.
pub const ROWS: [i64; 2] = [16, 64];
/// Columns of a tile.
pub const COLUMNS: i64 = 8;
/// Threads of a warp along rows, and along columns.
const ALONG: [i64; 2] = [8, 4];
/// Rows, and columns, of one thread.
const PAIR: i64 = 2;
/// The kind of the loop of a warp's threads.
const LANES: LoopKind = LoopKind::Block(0);

/// Terms that are joined in one go, for operands of a type.
pub const fn terms(dtype: DType, numbers: Numbers) -> Option<i64> {
    match (dtype, numbers) {
        (DType::F16 | DType::BF16, Numbers::Exact) => Some(16),
        (DType::I8 | DType::U8, Numbers::Exact) => Some(32),
        (DType::F32, Numbers::Tf32) => Some(8),
        _ => None,
    }
}

/// The operands of a product, without the conversion to the type in which they are multiplied.
pub fn operands(pool: &Pool, value: ExprId) -> Option<[ExprId; 2]> {
    let Expr::Binary(Op::Mul, a, b) = *pool.get(value) else { return None };
    let narrow = |id: ExprId| match *pool.get(id) {
        Expr::Cast(_, inner) => inner,
        _ => id,
    };
    Some([narrow(a), narrow(b)])
}

pub(super) fn tensorize(
    program: &mut Program,
    number: usize,
    [rows, columns, terms]: [VarId; 3],
    numbers: Numbers,
) -> Result<(), Refusal> {
    let nest = &program.nests[number];
    if nest.tensor.is_some() {
        return refuse("this nest is tensorized already", "say it once");
    }
    is_product(program, nest, [rows, columns], terms, numbers)?;
    has_place(nest, [rows, columns, terms])?;
    let nest = &mut program.nests[number];
    let warps = nest.vars[rows].extent / ROWS[0];
    let name = format!("{}.lane", nest.vars[rows].name);
    let lane =
        nest.vars.push(Var { kind: LANES, ..Var::new(name, Role::Spatial, warps * ALONG.iter().product::<i64>()) });
    let thread = |inner| Form::Fused { into: lane, inner };
    let of_warp = ALONG.iter().product();
    let mut own = vec![(PAIR, Form::Loop), (ALONG[0], thread(ALONG[1]))];
    if warps > 1 {
        own.insert(0, (warps, thread(of_warp)));
    }
    let across = parts(nest, rows, own);
    let along = parts(nest, columns, vec![(ALONG[1], thread(1)), (PAIR, Form::Loop)]);
    nest.vars[across].kind = LoopKind::Unroll;
    nest.vars[along].kind = LoopKind::Vector;
    nest.vars[terms].kind = LoopKind::Tensor;
    nest.order.retain(|var| ![rows, columns, terms].contains(var));
    let bound = nest.bound();
    let joined = nest.order.iter().rposition(|&var| nest.vars[var].is_reduced()).map_or(bound, |last| last + 1);
    nest.order.insert(joined.max(bound), terms);
    nest.order.insert(bound, lane);
    nest.order.extend([across, along]);
    nest.tensor = Some(Tensor { rows, columns, terms, lane, numbers });
    Ok(())
}

/// Splits a variable, itself a part or not, into some that fill it; gives the one that is a loop.
fn parts(nest: &mut Nest, whole: VarId, forms: Vec<(i64, Form)>) -> VarId {
    let Var { name, role, .. } = nest.vars[whole].clone();
    let mut parts = Vec::new();
    for (number, (extent, form)) in forms.into_iter().enumerate() {
        let part = Var::new(format!("{name}.{number}"), role, extent);
        parts.push(nest.vars.push(Var { part_of: Some((whole, number)), form, ..part }));
    }
    let own = parts.iter().copied().find(|&part| nest.vars[part].form == Form::Loop).expect("one is a loop");
    nest.vars[whole].form = Form::Split { parts, tail: Tail::Peel };
    own
}

/// Whether the nest is a sum of products as matrix units have them, and the loops are those of a tile.
fn is_product(
    program: &Program,
    nest: &Nest,
    sides: [VarId; 2],
    along: VarId,
    numbers: Numbers,
) -> Result<(), Refusal> {
    let pool = &program.kernel.pool;
    let found = nest.reduction.as_ref().filter(|reduction| reduction.op == ReduceOp::Sum);
    let Some((value, [a, b])) = found.and_then(|found| Some((found.value, operands(pool, found.value)?))) else {
        return refuse("this is no sum of products of two operands", "matrix units do nothing else");
    };
    let dtype = pool.dtype(a);
    let sums = pool.dtype(value);
    let wide = if dtype.is_float() { DType::F32 } else { DType::I32 };
    let Some(depth) = terms(dtype, numbers).filter(|_| pool.dtype(b) == dtype && sums == wide) else {
        return unknown_type(dtype, pool.dtype(b), numbers);
    };
    let [rows, columns] = sides;
    let terms = format!("{depth}, {} or {} terms of `{dtype}`", 2 * depth, 3 * depth);
    let is_sum = |extent: i64| extent > 0 && extent % depth == 0;
    let wanted = [
        (rows, ROWS.contains(&nest.vars[rows].extent), "16 rows, or 64 of four warps".to_owned()),
        (columns, nest.vars[columns].extent == COLUMNS, "8 columns".to_owned()),
        (along, is_sum(nest.vars[along].extent), terms),
    ];
    for (var, fits, what) in wanted {
        let Var { name, extent, .. } = &nest.vars[var];
        if !fits {
            return refuse(
                format!("a tile has {what}, and `{name}` has {extent} values"),
                "`split` so that the last part is that long",
            );
        }
    }
    let uses = |operand, var: VarId| nest.loops_of(&program.kernel, operand).contains(&var);
    let names = [rows, columns, along].map(|var| nest.vars[var].name.clone());
    let is_of = |operand, own, other| uses(operand, own) && uses(operand, along) && !uses(operand, other);
    if !(is_of(a, rows, columns) && is_of(b, columns, rows) || is_of(b, rows, columns) && is_of(a, columns, rows)) {
        let [rows, columns, along] = names;
        return refuse(
            format!("no operand depends on `{rows}` and `{along}` alone, and the other on `{columns}` and `{along}`"),
            "name rows, columns and terms, in this order",
        );
    }
    Ok(())
}

fn unknown_type<T>(a: DType, b: DType, numbers: Numbers) -> Result<T, Refusal> {
    if a == DType::F32 && b == a && numbers == Numbers::Exact {
        return refuse(
            "matrix units round operands of `f32` to 10 bits behind the point",
            "`tensorize … as tf32` allows that",
        );
    }
    if numbers == Numbers::Tf32 {
        return refuse(format!("operands are `{a}` and `{b}`, and `tf32` is for `f32`"), "leave out `as tf32`");
    }
    refuse(
        format!("matrix units do not multiply `{a}` by `{b}` into such sums"),
        "they multiply `f16`, `bf16`, `i8` and `u8`, both operands alike, and `f32` as `tf32`",
    )
}

/// Whether the loops can become those of a warp.
fn has_place(nest: &Nest, [rows, columns, along]: [VarId; 3]) -> Result<(), Refusal> {
    for var in [rows, columns, along] {
        let Var { name, kind, role, .. } = &nest.vars[var];
        let wanted = if var == along { Role::Reduced } else { Role::Spatial };
        if *role != wanted {
            let what = if var == along { "the terms of one sum" } else { "different results" };
            return refuse(
                format!("the values of `{name}` are not {what}"),
                "name rows, columns and terms, in this order",
            );
        }
        if *kind != LoopKind::Serial {
            return refuse(format!("`{name}` has a kind already"), "a loop of a tile is nothing else");
        }
    }
    if nest.bound() == 0 {
        return refuse("no loop is bound to a GPU's grid", "`bind` loops of blocks, and of warps, before `tensorize`");
    }
    if let Some((_, taken)) = nest.vars.iter().find(|(_, var)| var.kind == LANES) {
        return refuse(
            format!("`{}` is `block.x`, along which the threads of a warp lie", taken.name),
            "bind warps to `block.y` and `block.z`",
        );
    }
    Ok(())
}

impl Tensor {
    /// Whether four warps multiply together.
    pub fn is_group(&self, nest: &Nest) -> bool {
        nest.vars[self.rows].extent == ROWS[1]
    }
}

/// Once all steps are applied: what is inside of the terms is written out, operands are shared, and nothing is decided by a
/// thread on its own.
pub(super) fn check(nest: &Nest) -> Result<(), Refusal> {
    let Some(tile) = nest.tensor else { return Ok(()) };
    let at = nest.position(tile.terms).expect("it is a loop");
    for &var in &nest.order[at + 1..] {
        let Var { name, kind, extent, .. } = &nest.vars[var];
        if *extent > 1 && !matches!(kind, LoopKind::Unroll | LoopKind::Vector) {
            return refuse(
                format!("`{name}` counts tiles of one warp, whose sums are in registers"),
                format!("`unroll {name}`"),
            );
        }
    }
    let is_ragged = |var: VarId| match &nest.vars[var].form {
        Form::Split { tail, .. } => (!nest.fills(var)).then_some(*tail),
        _ => None,
    };
    let roots = [tile.rows, tile.columns, tile.terms].map(|var| nest.vars[var].part_of.map_or(var, |(whole, _)| whole));
    for root in roots {
        let name = &nest.vars[root].name;
        let is_terms = nest.leaves(root).contains(&tile.terms);
        match is_ragged(root) {
            Some(Tail::Guard) => {
                return refuse(format!("parts of `{name}` end inside of a tile"), format!("`split {name} … tail pad`"));
            }
            Some(Tail::Peel | Tail::Overlap) if is_terms => {
                return refuse(format!("parts of `{name}` end inside of a tile"), format!("`split {name} … tail pad`"));
            }
            _ => {}
        }
    }
    shared(nest)
}

/// Both operands are in shared memory, one dimension for each loop.
fn shared(nest: &Nest) -> Result<(), Refusal> {
    let is_shared = |copy: &&super::nest::Copy| copy.scope == Scope::Shared && matches!(copy.layout, Layout::Loops(_));
    if nest.copies.iter().filter(is_shared).count() < 2 {
        return refuse(
            "the threads of a warp load tiles of both operands from shared memory",
            "`stage … at … as […] in shared` both",
        );
    }
    Ok(())
}
