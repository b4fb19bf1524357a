//! A reduction with a row of accumulators.
//!
//! A naive nest keeps one accumulator and reduces innermost, so that a matrix product walks down a column of `B`.
//! Moving one spatial axis inside the reduction, with an accumulator for each of its values, makes the innermost loop
//! walk along rows, and lets the backend compute several of its iterations at once:
//!
//! ```text
//! for i in 64 {                              for i in 64 {
//!   for j in 64 {                              alloc acc: f32[64] stack {
//!     alloc acc: f32[] register {                for j.init in 64 { acc[j.init] = 0.0 }
//!       acc[] = 0.0                              for k in 64 {
//!       for k in 64 {                   ==>        for j in 64 { acc[j] += A[i, k] * B[k, j] }
//!         acc[] += A[i, k] * B[k, j]             }
//!       }                                        for j.out in 64 { C[i, j.out] = acc[j.out] }
//!       C[i, j] = acc[]                        }
//!     }                                      }
//!   }
//! }
//! ```
//!
//! Legality: spatial axes carry no dependence, so any of them may move inward; each accumulator still sees its values
//! in the same order, so results are the same to the bit. A long axis is split first, by its largest divisor that
//! keeps the row in the first-level cache; if it has none, the nest stays as it is. So does a nest in which no axis
//! runs along memory in more loads and stores than it jumps through.

use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId, affine};
use crate::loops::{Axis, Block, BufferKind, For, Kernel, LoopKind, Scope, Stmt};

/// Accumulators in a row, at most: 2 KiB of `f32`.
const MAX_ROW: i64 = 512;
/// Accumulators in a part of a longer axis, at least.
const MIN_PART: i64 = 16;
/// Elements from one iteration to the next that still count as going along memory.
const SHORT_STRIDE: i64 = 4;

/// Gives every reduction a row of accumulators where it helps.
pub fn rows(mut kernel: Kernel) -> Kernel {
    let body = std::mem::take(&mut kernel.body);
    kernel.body = in_block(&mut kernel, body);
    kernel
}

fn in_block(kernel: &mut Kernel, block: Block) -> Block {
    block.into_iter().map(|stmt| in_stmt(kernel, stmt)).collect()
}

fn in_stmt(kernel: &mut Kernel, stmt: Stmt) -> Stmt {
    match stmt {
        Stmt::For(outer) => match rewritten(kernel, &outer) {
            Some(nest) => nest,
            None => Stmt::For(For { body: in_block(kernel, outer.body), ..outer }),
        },
        Stmt::Alloc { buffer, body } => Stmt::Alloc { buffer, body: in_block(kernel, body) },
        Stmt::If { cond, then, otherwise } => {
            Stmt::If { cond, then: in_block(kernel, then), otherwise: in_block(kernel, otherwise) }
        }
        other @ (Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Barrier) => other,
    }
}

/// Axes of nested loops with their extents, the outermost first.
type Extents = Vec<(AxisId, i64)>;

/// A naive reduction: loops around an accumulator that is set, fed and stored.
struct Reduction<'a> {
    spatial: Extents,
    acc: TensorId,
    neutral: ExprId,
    reduced: Extents,
    /// The `Reduce` statement: its value, and how it joins.
    join: (&'a Stmt, ExprId),
    /// The final store: where, and what of the accumulator.
    buffer: TensorId,
    at: &'a [ExprId],
    result: ExprId,
}

fn rewritten(kernel: &mut Kernel, outer: &For) -> Option<Stmt> {
    let reduction = recognise(outer)?;
    let best =
        (0..reduction.spatial.len()).max_by_key(|&position| (score(&kernel.pool, &reduction, position), position))?;
    if score(&kernel.pool, &reduction, best) < 1 {
        return None;
    }
    let row = row_length(reduction.spatial[best].1)?;
    Some(with_row(kernel, &reduction, best, row))
}

fn recognise(outer: &For) -> Option<Reduction<'_>> {
    let (spatial, inner) = chain(outer)?;
    let [Stmt::Alloc { buffer: acc, body }] = inner else { return None };
    let [Stmt::Store { buffer: set, at: nowhere, value: neutral }, Stmt::For(first), Stmt::Store { buffer, at, value }] =
        &body[..]
    else {
        return None;
    };
    let (reduced, inner) = chain(first)?;
    let [stmt @ Stmt::Reduce { buffer: fed, value: fed_value, .. }] = inner else { return None };
    let is_scalar = set == acc && fed == acc && nowhere.is_empty();
    is_scalar.then_some(Reduction {
        spatial,
        acc: *acc,
        neutral: *neutral,
        reduced,
        join: (stmt, *fed_value),
        buffer: *buffer,
        at,
        result: *value,
    })
}

/// The serial loops that have nothing but each other in them, and what is inside.
fn chain(outer: &For) -> Option<(Extents, &[Stmt])> {
    let mut axes = Vec::new();
    let mut at = outer;
    loop {
        if at.kind != LoopKind::Serial {
            return None;
        }
        axes.push((at.axis, at.extent));
        match &at.body[..] {
            [Stmt::For(inner)] => at = inner,
            inner => return Some((axes, inner)),
        }
    }
}

/// How many more of the nest's loads and stores go along memory with an axis than jump.
fn score(pool: &Pool, reduction: &Reduction<'_>, position: usize) -> i64 {
    let axis = reduction.spatial[position].0;
    let mut total = stride_score(pool, reduction.at, axis);
    pool.visit(reduction.join.1, &mut |_, expr| {
        if let Expr::Load { at, .. } = expr {
            total += stride_score(pool, at, axis);
        }
    });
    total
}

/// 1 for an access that goes element by element with `axis`, 0 for one that hardly moves, -2 for one that jumps.
fn stride_score(pool: &Pool, at: &[ExprId], axis: AxisId) -> i64 {
    let uses = |&expr: &ExprId| pool.axes(expr).contains(&axis);
    let Some((last, others)) = at.split_last() else { return 0 };
    if others.iter().any(uses) {
        return -2;
    }
    if !uses(last) {
        return 0;
    }
    let linear = affine::linear(pool, *last);
    let stride = linear.terms.iter().find(|&(&atom, _)| matches!(pool.get(atom), Expr::Axis(a) if *a == axis));
    let elsewhere = linear.terms.keys().any(|&atom| !matches!(pool.get(atom), Expr::Axis(_)) && uses(&atom));
    match stride {
        Some((_, 1)) if !elsewhere => 1,
        Some((_, stride)) if !elsewhere && stride.abs() <= SHORT_STRIDE => 0,
        _ => -2,
    }
}

/// The number of accumulators for an axis: all of its values, or the largest fitting divisor.
fn row_length(extent: i64) -> Option<i64> {
    if extent <= MAX_ROW {
        return (extent > 1).then_some(extent);
    }
    (MIN_PART..=MAX_ROW).rev().find(|part| extent % part == 0)
}

fn with_row(kernel: &mut Kernel, reduction: &Reduction<'_>, position: usize, row: i64) -> Stmt {
    let (axis, extent) = reduction.spatial[position];
    let name = kernel.axes[axis].name.clone();
    let outer = (row < extent).then(|| new_axis(kernel, format!("{name}.0")));
    let [set, fed, stored] = match outer {
        Some(_) => ["1.init", "1", "1.out"].map(|part| new_axis(kernel, format!("{name}.{part}"))),
        None => [new_axis(kernel, format!("{name}.init")), axis, new_axis(kernel, format!("{name}.out"))],
    };
    let acc = reduction.acc;
    kernel.buffers[acc].shape = vec![row];
    kernel.buffers[acc].kind = BufferKind::Temp(Scope::Stack);
    let pool = &mut kernel.pool;
    let fed_at = placed(pool, outer, row, fed);
    let stored_at = placed(pool, outer, row, stored);
    let [set_index, fed_index, stored_index] = [set, fed, stored].map(|axis| pool.axis(axis));

    let init = Stmt::Store { buffer: acc, at: vec![set_index], value: reduction.neutral };
    let value = moved(pool, reduction.join.1, axis, fed_at);
    let join = match reduction.join.0 {
        Stmt::Reduce { op, .. } => Stmt::Reduce { buffer: acc, at: vec![fed_index], op: *op, value },
        other => other.clone(),
    };
    let result = of_row(pool, reduction.result, acc, stored_index);
    let result = moved(pool, result, axis, stored_at);
    let at = reduction.at.iter().map(|&subscript| moved(pool, subscript, axis, stored_at)).collect();
    let last = Stmt::Store { buffer: reduction.buffer, at, value: result };

    let body = vec![
        around(&[(set, row)], init),
        around(&reduction.reduced, around(&[(fed, row)], join)),
        around(&[(stored, row)], last),
    ];
    let mut spatial = reduction.spatial.clone();
    match outer {
        Some(outer) => spatial[position] = (outer, extent / row),
        None => {
            spatial.remove(position);
        }
    }
    around(&spatial, Stmt::Alloc { buffer: acc, body })
}

fn new_axis(kernel: &mut Kernel, name: String) -> AxisId {
    kernel.axes.push(Axis { name })
}

/// `outer * row + inner`
fn placed(pool: &mut Pool, outer: Option<AxisId>, row: i64, inner: AxisId) -> ExprId {
    let inner = pool.axis(inner);
    let Some(outer) = outer else { return inner };
    let (outer, row) = (pool.axis(outer), pool.int(row));
    let start = pool.mul(outer, row);
    pool.add(start, inner)
}

/// The expression with `axis` replaced.
fn moved(pool: &mut Pool, expr: ExprId, axis: AxisId, to: ExprId) -> ExprId {
    pool.substitute(expr, &|other| (other == axis).then_some(to))
}

/// The expression with loads of the one accumulator made loads of its place in the row.
fn of_row(pool: &mut Pool, expr: ExprId, acc: TensorId, at: ExprId) -> ExprId {
    pool.map(expr, &mut |pool, e| match pool.get(e) {
        Expr::Load { tensor, .. } if *tensor == acc => {
            let dtype = pool.dtype(e);
            Some(pool.load(acc, vec![at], dtype))
        }
        _ => None,
    })
}

/// Serial loops over `axes`, the first outermost.
fn around(axes: &[(AxisId, i64)], inner: Stmt) -> Stmt {
    axes.iter()
        .rev()
        .fold(inner, |body, &(axis, extent)| Stmt::For(For { axis, extent, kind: LoopKind::Serial, body: vec![body] }))
}
