//! `bind i.0 to grid.x`: the iterations of a loop run at once on a GPU, as a coordinate of its grid or of its blocks.
//!
//! ```text
//! for i.0 { for i.1 in 16 { for k { C[i.0 * 16 + i.1] += … } } }
//!     ==>      grid.x for i.0 { block.x for i.1 in 16 { for k { C[i.0 * 16 + i.1] += … } } }
//! ```
//!
//! Legal for loops whose iterations write different elements or have accumulators of their own (`rfactor`), in a nest that
//! has all its grid loops outermost, then its block loops. Each nest becomes one launch, or two where blocks have parts of
//! sums: the second one joins them. Where parts do not fill their axis, threads that are outside compute on
//! zeros (`tail pad`, and `peel`, for a launch has no rest) or nothing (`guard`), and write nothing.
//!
//! The limits are those of every GPU that CUDA supports; what a target has less of is for the backend to say.

use super::nest::{Form, Nest, Program, Role, VarId};
use super::step::Tail;
use super::{Refusal, refuse};
use crate::loops::{LoopKind, Scope};

/// Threads of a block, at most.
const MOST_THREADS: i64 = 1024;
/// The largest extents of a grid.
const LARGEST_GRID: [i64; 3] = [(1 << 31) - 1, 65_535, 65_535];
/// The largest extents of a block.
const LARGEST_BLOCK: [i64; 3] = [1024, 1024, 64];

/// Whether a nest stands for itself, not inside of another.
pub(super) fn is_outermost(program: &Program, number: usize) -> Result<(), Refusal> {
    if !program.is_computed(number) {
        return Ok(());
    }
    refuse("this nest is computed inside of another", "bind loops of that one")
}

pub(super) fn bind(nest: &mut Nest, var: VarId, to: LoopKind) -> Result<(), Refusal> {
    let (name, extent) = (nest.vars[var].name.clone(), nest.vars[var].extent);
    let (LoopKind::Grid(dim) | LoopKind::Block(dim)) = to else {
        return refuse(format!("`{name}` cannot be bound to that"), "the coordinates are `grid.x` to `block.z`");
    };
    if nest.vars[var].role == Role::Reduced {
        return refuse(
            format!("threads would join their values of `{name}` to one accumulator at the same time"),
            format!("`rfactor {name}` first: so each has an accumulator of its own"),
        );
    }
    if !nest.copies.is_empty() {
        return refuse(
            "the loops of this nest have copies placed in them already",
            "`bind` comes before `stage`, for threads make copies together",
        );
    }
    if let Some((_, other)) = nest.vars.iter().find(|(_, var)| var.kind == to) {
        return refuse(format!("`{}` is bound to this coordinate already", other.name), "`fuse` the two loops first");
    }
    let largest = match to {
        LoopKind::Grid(_) => LARGEST_GRID.get(usize::from(dim)),
        _ => LARGEST_BLOCK.get(usize::from(dim)),
    };
    if let Some(largest) = largest.filter(|&&largest| extent > largest) {
        return refuse(
            format!("`{name}` has {extent} values, and this coordinate at most {largest}"),
            format!("`split {name}` first"),
        );
    }
    super::set_kind(nest, var, to)
}

/// Once all steps are applied: what is bound makes a launch.
pub(super) fn check(nest: &Nest) -> Result<(), Refusal> {
    let kinds: Vec<_> = nest.order.iter().map(|&var| nest.vars[var].kind).collect();
    let Some(last) = kinds.iter().rposition(|kind| is_bound(*kind)) else { return Ok(()) };
    order(nest, &kinds, last)?;
    let threads = nest.threads();
    if threads > MOST_THREADS {
        return refuse(
            format!("a block has {threads} threads, and at most {MOST_THREADS} are possible"),
            "`split` a loop that is bound to the block into smaller parts, and bind the outer one to the grid",
        );
    }
    copies(nest)?;
    beside_parts(nest)?;
    overlap(nest)
}

/// Loops of the grid are outermost, then come those of its blocks, then all others.
fn order(nest: &Nest, kinds: &[LoopKind], last: usize) -> Result<(), Refusal> {
    let name = |at: usize| &nest.vars[nest.order[at]].name;
    if let Some(at) = kinds[..last].iter().position(|kind| !is_bound(*kind)) {
        return refuse(
            format!("`{}` is bound, and the loop of `{}` is around it", name(last), name(at)),
            format!("`reorder {} {}`, or bind `{}` too", name(last), name(at), name(at)),
        );
    }
    let grids = kinds.iter().filter(|kind| matches!(kind, LoopKind::Grid(_))).count();
    if let Some(at) = kinds.iter().position(|kind| matches!(kind, LoopKind::Block(_))).filter(|&at| at < grids) {
        return refuse(
            format!("`{}` is a coordinate of blocks, and not inside of all loops of the grid", name(at)),
            format!("`reorder {} {}`", name(last), name(at)),
        );
    }
    if grids == 0 {
        let last = name(last);
        return refuse(
            format!("`{last}` is a coordinate of blocks, and no loop is one of the grid"),
            format!("bind a loop around it: `split {last} by [?, 32]`, then `bind {last}.0 to grid.x`"),
        );
    }
    match kinds.iter().position(|kind| *kind == LoopKind::Parallel) {
        Some(at) => refuse(
            format!("`{}` runs on the threads of a CPU, and other loops on a GPU", name(at)),
            "in place of `parallel`, `bind` it too",
        ),
        None => Ok(()),
    }
}

/// Copies live where the threads that read them can make them.
fn copies(nest: &Nest) -> Result<(), Refusal> {
    if let Some(copy) = nest.copies.iter().find(|copy| copy.scope == Scope::Global) {
        return refuse(
            format!("the copy of `{}` would be in main memory, and made by every block", copy.name),
            "write `in shared`, or `in register` for what one thread reads",
        );
    }
    let is_in_lanes = |at: Option<VarId>| at.is_some_and(|at| nest.vars[at].kind == LoopKind::Vector);
    match nest.copies.iter().find(|copy| copy.scope == Scope::Shared && is_in_lanes(copy.at)) {
        Some(copy) => refuse(
            format!("the shared copy of `{}` would be made by the lanes of a vector", copy.name),
            "`stage` it at a loop further outside",
        ),
        None => Ok(()),
    }
}

/// What is computed inside of blocks is not there any more when a second launch makes the result of their sums.
fn beside_parts(nest: &Nest) -> Result<(), Refusal> {
    let Some(&spread) = nest.spread(|kind| matches!(kind, LoopKind::Grid(_))).first() else { return Ok(()) };
    if nest.computes.iter().any(|inner| inner.beside_sum) {
        let spread = &nest.vars[spread].name;
        return refuse(
            format!("what the result needs beside the sum is computed inside of `{spread}`, which has parts of it"),
            format!("store it whole: without `compute`; or bind `{spread}` to the block"),
        );
    }
    Ok(())
}

/// Two threads must not compute one value.
fn overlap(nest: &Nest) -> Result<(), Refusal> {
    let overlaps = |var: VarId| {
        matches!(nest.vars[var].form, Form::Split { tail: Tail::Overlap, .. })
            && !nest.fills(var)
            && nest.is_bound(var)
            && nest.vars[var].role == Role::Spatial
    };
    match nest.vars.ids().find(|&var| overlaps(var)) {
        Some(var) => refuse(
            format!("parts of `{}` overlap, and two threads would write one place", nest.vars[var].name),
            "`tail guard` or `tail pad`",
        ),
        None => Ok(()),
    }
}

const fn is_bound(kind: LoopKind) -> bool {
    matches!(kind, LoopKind::Grid(_) | LoopKind::Block(_))
}

impl Nest {
    /// The number of outermost loops that make a launch.
    pub fn bound(&self) -> usize {
        self.order.iter().rposition(|&var| is_bound(self.vars[var].kind)).map_or(0, |last| last + 1)
    }

    /// Whether the value of a variable depends on a coordinate of a GPU.
    pub fn is_bound(&self, var: VarId) -> bool {
        self.leaves(var).into_iter().any(|leaf| is_bound(self.vars[leaf].kind))
    }

    /// The loops that are coordinates of a block, `x` first.
    pub fn thread_loops(&self) -> Vec<VarId> {
        let of = |dim| self.order.iter().copied().find(move |&var| self.vars[var].kind == LoopKind::Block(dim));
        (0..3).filter_map(of).collect()
    }

    /// The number of threads in a block.
    pub fn threads(&self) -> i64 {
        self.thread_loops().into_iter().fold(1, |product: i64, var| product.saturating_mul(self.vars[var].extent))
    }

    /// Whether parts fill their variable exactly.
    pub fn fills(&self, whole: VarId) -> bool {
        let Form::Split { parts, .. } = &self.vars[whole].form else { return true };
        parts.iter().map(|&part| self.vars[part].extent).product::<i64>() == self.vars[whole].extent
    }
}
