//! The schedule of a kernel for a GPU where nobody gave one: one choice from structure, without a search.
//!
//! ```text
//! contractions: of the axes of the result, rows index one operand and columns the other; the rest is a batch
//!   fuse p q as p_q; fuse c r s as c_r_s
//!   split k by [?, 1, 16, 4] tail pad; split p_q by [?, 1, 16, 4] tail pad; split c_r_s by [?, 16]
//!   bind k.0 to grid.y; bind p_q.0 to grid.x; bind k.2 to block.y; bind p_q.2 to block.x
//!   stage w at c_r_s.0 as [c_r_s.1, k.1, k.2, k.3] in shared; …
//! everything else: each thread computes elements of the result on its own
//!   fuse n c as n_c; split n_c by [?, 256] tail guard; bind n_c.0 to grid.x; bind n_c.1 to block.x
//! ```
//!
//! Tiles get smaller until there are blocks enough for all processors of a large GPU. A step that is refused is left
//! out, and a contraction that comes to nothing is computed element by element: what comes out applies.

use crate::loops::{LoopKind, Scope};
use crate::schedule::nest::{Nest, Program, Role, VarId};
use crate::schedule::reads::{self, Access};
use crate::schedule::step::Tail;
use crate::schedule::{self, Place, Step};

use super::{div_ceil, one_loop};

/// Processors that want a block each.
const PROCESSORS: i64 = 132;
/// Threads of a block along each side of a tile.
const SIDE: i64 = 16;
/// The largest tile of a block, rows or columns.
const LARGEST_TILE: i64 = 128;
/// Elements of one result that a thread keeps next to each other, at most.
const NEXT: i64 = 4;
/// Values of the reduced axis that are staged at once.
const DEPTH: i64 = 16;
/// Threads of a block that compute elements on their own.
const FLAT: i64 = 256;

/// Steps for all nests of a program, which is left as they make it.
pub fn steps(program: &mut Program) -> Vec<Step> {
    let mut steps = super::fusions(program);
    for number in program.live() {
        let plain = program.nests[number].clone();
        let made = contraction(program, number).and_then(|wanted| apply(program, number, wanted)).or_else(|| {
            program.nests[number] = plain.clone();
            apply(program, number, flat(&plain))
        });
        match made {
            Some(made) => steps.extend(made),
            None => program.nests[number] = plain,
        }
    }
    steps
}

/// Applies all steps, or says that one is refused.
fn apply(program: &mut Program, number: usize, steps: Vec<Step>) -> Option<Vec<Step>> {
    for step in &steps {
        program.apply(step).ok()?;
    }
    schedule::check(&program.nests[number]).ok()?;
    Some(steps)
}

fn names(nest: &Nest, vars: &[VarId]) -> Vec<String> {
    vars.iter().map(|&var| nest.vars[var].name.clone()).collect()
}

fn extent(nest: &Nest, vars: &[VarId]) -> i64 {
    vars.iter().fold(1, |product: i64, &var| product.saturating_mul(nest.vars[var].extent))
}

fn split(axis: &str, parts: &[i64], tail: Tail) -> Step {
    Step::Split { axis: axis.to_owned(), parts: parts.iter().copied().map(Some).collect(), tail }
}

fn bind(axis: String, to: LoopKind) -> Step {
    Step::Bind { axis, to }
}

/// One element after another, each on a thread of its own.
fn flat(nest: &Nest) -> Vec<Step> {
    let spatial: Vec<_> = nest.order.iter().copied().filter(|&var| nest.vars[var].role == Role::Spatial).collect();
    if spatial.is_empty() {
        return Vec::new();
    }
    let mut steps = Vec::new();
    let axis = one_loop(names(nest, &spatial), &mut steps);
    let threads = FLAT.min(extent(nest, &spatial).unsigned_abs().next_power_of_two().cast_signed());
    steps.push(split(&axis, &[threads], Tail::Guard));
    steps.push(bind(format!("{axis}.0"), LoopKind::Grid(0)));
    steps.push(bind(format!("{axis}.1"), LoopKind::Block(0)));
    steps
}

/// The axes of a contraction of two operands.
struct Axes {
    rows: Vec<VarId>,
    columns: Vec<VarId>,
    reduced: Vec<VarId>,
    /// The operand that rows index, and the one that columns do.
    operands: [String; 2],
}

/// Which axis plays which part; those of the result that index both operands or none are left over, as a batch.
fn axes(program: &Program, nest: &Nest) -> Option<Axes> {
    nest.reduction.as_ref()?;
    let loads = reads::loads(program, nest);
    let [first, second] = loads.as_slice() else { return None };
    let uses = |access: &Access, var: VarId| nest.vars[var].axis.is_some_and(|axis| access.uses(axis));
    let of = |wanted: [bool; 2]| -> Vec<VarId> {
        let fits = |&var: &VarId| !nest.vars[var].is_reduced() && [uses(first, var), uses(second, var)] == wanted;
        nest.order.iter().copied().filter(fits).collect()
    };
    let (left, right) = (of([true, false]), of([false, true]));
    let reduced: Vec<_> = nest.order.iter().copied().filter(|&var| nest.vars[var].is_reduced()).collect();
    let joins = |&var: &VarId| nest.vars[var].extent == 1 || (uses(first, var) && uses(second, var));
    let is_one =
        |vars: &[VarId]| vars.windows(2).all(|pair| nest.position(pair[0]).map(|at| at + 1) == nest.position(pair[1]));
    if left.is_empty() || right.is_empty() || !reduced.iter().all(joins) {
        return None;
    }
    // The columns are those along which results lie next to each other.
    let (rows, columns, operands) = if right.last() > left.last() {
        (left, right, [first.name.clone(), second.name.clone()])
    } else {
        (right, left, [second.name.clone(), first.name.clone()])
    };
    Some(Axes { rows: suffix(&rows, &is_one), columns: suffix(&columns, &is_one), reduced, operands })
        .filter(|axes| is_one(&axes.reduced))
}

/// The longest end of some loops that are next to each other.
fn suffix(vars: &[VarId], is_one: &dyn Fn(&[VarId]) -> bool) -> Vec<VarId> {
    let start = (0..vars.len()).find(|&start| is_one(&vars[start..])).unwrap_or(0);
    vars[start..].to_vec()
}

/// A tile for each block, a tile of that for each thread, operands in shared memory.
fn contraction(program: &Program, number: usize) -> Option<Vec<Step>> {
    let nest = &program.nests[number];
    let axes = axes(program, nest)?;
    let (rows, columns) = (extent(nest, &axes.rows), extent(nest, &axes.columns));
    let tiled: Vec<_> = axes.rows.iter().chain(&axes.columns).chain(&axes.reduced).copied().collect();
    let outer: Vec<_> = nest.order.iter().copied().filter(|var| !tiled.contains(var)).collect();
    let (height, width) = tile(rows, columns, extent(nest, &outer));
    let mut steps = Vec::new();
    let reorder = [outer.clone(), tiled].concat();
    if reorder != nest.order {
        steps.push(Step::Reorder { axes: names(nest, &reorder) });
    }
    let batch = (!outer.is_empty()).then(|| one_loop(names(nest, &outer), &mut steps));
    let row = one_loop(names(nest, &axes.rows), &mut steps);
    let column = one_loop(names(nest, &axes.columns), &mut steps);
    let depth = one_loop(names(nest, &axes.reduced), &mut steps);
    let reduced = extent(nest, &axes.reduced);
    for (axis, size) in [(&row, height), (&column, width)] {
        let next = (size / SIDE).clamp(1, NEXT);
        steps.push(split(axis, &[size / SIDE / next, SIDE, next], Tail::Pad));
    }
    let is_deep = reduced > DEPTH;
    if is_deep {
        steps.push(split(&depth, &[DEPTH], Tail::Peel));
    }
    let part = |axis: &str, part: usize| format!("{axis}.{part}");
    let inner = if is_deep { part(&depth, 1) } else { depth.clone() };
    let mut order: Vec<_> = batch.iter().cloned().collect();
    order.extend([part(&row, 0), part(&column, 0), part(&row, 2), part(&column, 2)]);
    order.extend(is_deep.then(|| part(&depth, 0)));
    order.push(inner.clone());
    let own = [part(&row, 1), part(&row, 3), part(&column, 1), part(&column, 3)];
    order.extend(own.clone());
    steps.push(Step::Reorder { axes: order });
    steps.extend(batch.map(|batch| bind(batch, LoopKind::Grid(2))));
    steps.push(bind(part(&row, 0), LoopKind::Grid(1)));
    steps.push(bind(part(&column, 0), LoopKind::Grid(0)));
    steps.push(bind(part(&row, 2), LoopKind::Block(1)));
    steps.push(bind(part(&column, 2), LoopKind::Block(0)));
    for (operand, axis) in axes.operands.into_iter().zip([&row, &column]) {
        let place = Some(Place::Inside(if is_deep { part(&depth, 0) } else { part(&column, 2) }));
        let layout = Some(vec![inner.clone(), part(axis, 1), part(axis, 2), part(axis, 3)]);
        steps.push(Step::Stage { operand, place, layout, scope: Scope::Shared });
    }
    // Results that lie next to each other are stored at once.
    let [outer @ .., last] = &own;
    let is_vector = width >= 2 * SIDE;
    let unrolled = if is_vector { outer } else { own.as_slice() };
    steps.push(Step::Unroll { axes: std::iter::once(&inner).chain(unrolled).cloned().collect() });
    steps.extend(is_vector.then(|| Step::Vectorize { axis: last.clone() }));
    Some(steps)
}

/// The rows and the columns of a block's tile: as large as leaves work for all processors.
fn tile(rows: i64, columns: i64, batch: i64) -> (i64, i64) {
    let fit = |extent: i64| extent.unsigned_abs().next_power_of_two().cast_signed().clamp(SIDE, LARGEST_TILE);
    let (mut height, mut width) = (fit(rows), fit(columns));
    while div_ceil(rows, height) * div_ceil(columns, width) * batch < PROCESSORS && height.max(width) > SIDE {
        if height >= width { height /= 2 } else { width /= 2 }
    }
    (height, width)
}
