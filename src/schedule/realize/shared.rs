//! Copies in the shared memory of a GPU's block, which its threads make together.
//!
//! ```text
//! bind i.1 to block.y              alloc A.copy: f32[8, 68] shared {
//! bind j.1 to block.x                block.y for i.1 in 16 { block.x for j.1 in 16 {
//! stage A at k.0 as [k.1, i.1]         for k.0 in 32 {
//!   in shared                            barrier
//!                                        for A.step in 2 {
//!                                          A.copy[…] = A[…]    (element (A.step * 16 + i.1) * 16 + j.1)
//!                                        }
//!                                        barrier
//!                                        … A.copy[k.1, i.1 * 4 + i.2] …
//! ```
//!
//! Neighbouring threads copy neighbours in memory, several elements at once where these are known to lie together.
//! Where that is not the order of the copy, its rows are padded, so that the threads of a warp store to different banks.
//!
//! The barrier before keeps threads from what others still read; there is none where the copy is made once. All copies
//! at one level have theirs in common.

use std::collections::{BTreeMap, BTreeSet};

use crate::expr::{Expr, ExprId, TensorId, affine};
use crate::loops::{Axis, Block, BufferKind, For, LoopKind, Scope, Stmt};
use crate::scalar::Op;
use crate::schedule::nest::{Form, Layout, Var, VarId};
use crate::target::gpus::WARP;

use super::{Emit, Env, Staged, fresh};

/// Bytes that a thread copies at once, at most.
const WIDE: i64 = 16;
/// Bytes after which banks repeat.
const BANKS: i64 = 128;
/// Threads next to each other that copy neighbours in memory where these are a row apart in the copy: as many as their
/// reads and their stores take about as long with.
const ALONG: i64 = 4;
/// Steps that are written out, at most.
const WRITTEN_OUT: i64 = 16;

/// Which half of making a copy is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// Both.
    Whole,
    /// Elements are read into this buffer of each thread.
    Fetch(TensorId),
    /// They are stored from there.
    Put(TensorId),
}

/// Elements in the order in which threads copy them, the fastest dimension last.
struct Share {
    /// The extent of each dimension.
    extents: Vec<i64>,
    /// Elements that a thread copies at once.
    lanes: i64,
    fill: Fill,
}

/// How threads go along the loops of a copy.
struct Order {
    /// The loops, the fastest last.
    vars: Vec<VarId>,
    /// Their extents.
    extents: Vec<i64>,
    /// Elements that a thread copies at once.
    lanes: i64,
    /// Whether these are neighbours along the first loop: its extent is divided, and they are one more.
    turned: bool,
}

/// Says where an element of a copy goes, and what it is.
type Element<'b, 'a> = &'b mut dyn FnMut(&mut Emit<'a>, &[ExprId]) -> (Vec<ExprId>, ExprId);

impl<'a> Emit<'a> {
    /// Makes a copy that all threads of a block use, before what `inner` gives.
    pub(super) fn with_shared_copy(
        &mut self,
        number: usize,
        env: &Env,
        inner: &mut dyn FnMut(&mut Self, &Env) -> Block,
    ) -> Block {
        let level = self.plan.copies[number].reach.level;
        let is_beside = |other: &usize| self.plan.copies[*other].reach == self.plan.copies[number].reach;
        let is_first = !env.copies.iter().any(is_beside);
        let is_last = !(number + 1..self.plan.copies.len()).any(|other| is_beside(&other));
        let mut block = Block::new();
        if is_first && level > self.nest.bound() {
            block.push(Stmt::Barrier);
        }
        block.extend(self.fill_copy(number, Fill::Whole, env));
        if is_last {
            let is_async =
                |copy: &super::Staged| self.kernel.buffers[copy.buffer].kind == BufferKind::Temp(Scope::Async);
            if self.plan.copies.iter().any(|copy| copy.reach.level == level && is_async(copy)) {
                block.push(Stmt::Wait { pending: 0 });
            }
            block.push(Stmt::Barrier);
        }
        let mut inside = env.clone();
        inside.copies.push(number);
        block.extend(inner(self, &inside));
        block
    }

    /// Makes a copy, or a half of that.
    pub(super) fn fill_copy(&mut self, number: usize, fill: Fill, env: &Env) -> Block {
        match self.plan.copies[number].layout.clone() {
            Layout::Loops(vars) => self.fill_loops(number, &vars, fill, env),
            Layout::Window(dims, default) => {
                let buffer = self.plan.copies[number].buffer;
                let shape = &self.kernel.buffers[buffer].shape;
                let extents = shape[shape.len() - dims.len()..].to_vec();
                let share = Share { extents, lanes: 1, fill };
                self.fill(number, &share, env, &mut |this, places| {
                    let value = this.boxed(number, &dims, default, places, env);
                    (places.to_vec(), value)
                })
            }
        }
    }

    /// A copy with a dimension for each loop.
    fn fill_loops(&mut self, number: usize, layout: &[VarId], fill: Fill, env: &Env) -> Block {
        let operand = self.plan.copies[number].operand;
        let making = self.whole_parts(layout, env);
        let Order { vars, extents, lanes, turned } = self.order(number, layout, &making);
        let share = Share { extents, lanes, fill };
        self.fill(number, &share, env, &mut |this, places| {
            let mut env = making.clone();
            let mut places = places.to_vec();
            if turned {
                let lane = places.pop().expect("a dimension is that of lanes");
                places[0] = this.mixed(places[0], lanes, lane);
            }
            for (&var, place) in vars.iter().zip(places) {
                env.value.insert(var, place);
            }
            let value = this.padded_operand(operand, &env);
            (this.copy_at(number, layout, &env), value)
        })
    }

    /// How threads go along the loops of a copy.
    fn order(&mut self, number: usize, layout: &[VarId], making: &Env) -> Order {
        if let Some(order) = self.turned(number, layout, making) {
            return order;
        }
        let operand = self.plan.copies[number].operand;
        let vars = self.fill_order(operand, layout);
        let extents: Vec<_> = vars.iter().map(|&var| self.trips(var, making)).collect();
        let lanes = self.lanes_of(operand, &vars, &extents, making);
        Order { vars, extents, lanes, turned: false }
    }

    /// Where lines lie across memory: neighbouring threads read neighbours, each of them some that are in one line, which
    /// it stores at once. Lines are in another order each, so such vectors are in different banks.
    fn turned(&self, number: usize, layout: &[VarId], making: &Env) -> Option<Order> {
        let Staged { operand, buffer, .. } = self.plan.copies[number];
        let is_held = self.kernel.buffers[buffer].kind == BufferKind::Temp(Scope::Shared);
        let (&last, others) = layout.split_last()?;
        self.line(operand, layout).filter(|_| is_held && !self.runs_along(operand, last))?;
        let &fastest = others.iter().rev().find(|&&var| self.runs_along(operand, var))?;
        let lanes = self.vector(operand);
        let vars: Vec<_> =
            [last].into_iter().chain(others.iter().copied().filter(|&var| var != fastest)).chain([fastest]).collect();
        let mut extents: Vec<_> = vars.iter().map(|&var| self.trips(var, making)).collect();
        let elements: i64 = extents.iter().product();
        if extents[0] % lanes != 0 || elements < self.nest.threads() * lanes {
            return None;
        }
        extents[0] /= lanes;
        extents.push(lanes);
        Some(Order { vars, extents, lanes, turned: true })
    }

    /// The loops of a copy as threads go along them: the one along which neighbours in memory lie is the fastest.
    fn fill_order(&self, operand: ExprId, layout: &[VarId]) -> Vec<VarId> {
        let mut order = layout.to_vec();
        if let Some(at) = order.iter().position(|&var| self.runs_along(operand, var)) {
            let contiguous = order.remove(at);
            order.push(contiguous);
        }
        order
    }

    /// Whether neighbouring values of a loop read neighbours in memory, but for where a fused axis starts over.
    fn runs_along(&self, operand: ExprId, var: VarId) -> bool {
        let nest = self.nest;
        let root = match nest.vars[var].part_of {
            None => var,
            Some((whole, index)) => match &nest.vars[whole].form {
                Form::Split { parts, .. } if index + 1 == parts.len() => whole,
                _ => return false,
            },
        };
        let fused = |(_, other): (VarId, &Var)| match other.form {
            Form::Fused { into, inner } if into == root => Some((other.axis?, inner)),
            _ => None,
        };
        let mut axes: Vec<_> = nest.vars.iter().filter_map(fused).collect();
        axes.extend(nest.vars[root].axis.map(|axis| (axis, 1)));
        let pool = &self.kernel.pool;
        let (mut strides, mut other) = (BTreeMap::new(), BTreeSet::new());
        pool.visit(operand, &mut |_, expr| {
            let Expr::Load { tensor, at } = expr else { return };
            let mut size = 1;
            for (&subscript, &extent) in at.iter().zip(&self.kernel.buffers[*tensor].shape).rev() {
                for (atom, step) in affine::linear(pool, subscript).terms {
                    match pool.get(atom) {
                        Expr::Axis(axis) => *strides.entry(*axis).or_insert(0i64) += step * size,
                        _ => other.extend(pool.axes(atom)),
                    }
                }
                size *= extent;
            }
        });
        !axes.is_empty() && axes.iter().all(|(axis, inner)| strides.get(axis) == Some(inner) && !other.contains(axis))
    }

    /// Where parts of a ragged variable are copied, and it is not known which of their values are left: those outside are
    /// padded.
    fn whole_parts(&self, layout: &[VarId], env: &Env) -> Env {
        let mut making = env.clone();
        for &var in layout {
            let Some((whole, _)) = self.nest.vars[var].part_of else { continue };
            let is_open = self.nest.fills(whole) || self.left_for(var, env).is_some();
            if !is_open && !making.guards.contains(&whole) {
                making.guards.push(whole);
            }
        }
        making
    }

    /// The number of values that are left for the last part of a variable, inside of all others.
    fn left_for(&self, var: VarId, env: &Env) -> Option<i64> {
        let (whole, index) = self.nest.vars[var].part_of?;
        let Form::Split { parts, .. } = &self.nest.vars[whole].form else { return None };
        let &(next, left) = env.left.get(whole)?;
        (next == index && index + 1 == parts.len() && left <= self.nest.vars[var].extent).then_some(left)
    }

    /// The number of values of a loop that are copied.
    fn trips(&self, var: VarId, env: &Env) -> i64 {
        let extent = self.nest.vars[var].extent;
        let is_padded = self.nest.vars[var].part_of.is_some_and(|(whole, _)| env.guards.contains(&whole));
        if is_padded { extent } else { self.left_for(var, env).unwrap_or(extent) }
    }

    /// How many elements a thread can read at once: they lie together in memory, and are read under the same conditions.
    /// Where they lie together in the copy, too, they are also stored at once.
    fn lanes_of(&mut self, operand: ExprId, order: &[VarId], extents: &[i64], env: &Env) -> i64 {
        let (Some(&fastest), Some(&extent)) = (order.last(), extents.last()) else { return 1 };
        let Expr::Load { tensor, .. } = *self.kernel.pool.get(operand) else { return 1 };
        let is_moved = self.nest.vars.ids().any(|var| env.start.get(var).is_some());
        if is_moved || !self.runs_along(operand, fastest) {
            return 1;
        }
        let bytes = self.kernel.buffers[tensor].dtype.bytes() as i64;
        let threads = self.nest.threads();
        let elements: i64 = extents.iter().product();
        let ragged: Vec<_> =
            env.guards.iter().copied().filter(|&whole| self.nest.leaves(whole).contains(&fastest)).collect();
        let fits = |lanes: i64| {
            let is_whole = |&whole: &VarId| self.nest.vars[whole].extent % lanes == 0;
            extent % lanes == 0
                && ragged.iter().all(is_whole)
                && elements >= threads * lanes
                && self.is_aligned(operand, fastest, lanes)
        };
        let widest = WIDE / bytes;
        std::iter::successors(Some(widest), |lanes| Some(lanes / 2))
            .find(|&lanes| lanes <= 1 || fits(lanes))
            .unwrap_or(1)
            .max(1)
    }

    /// Whether the place in memory is a multiple of `lanes` where `var`, the last part of its variable or all of it, is.
    fn is_aligned(&self, operand: ExprId, var: VarId, lanes: i64) -> bool {
        let Expr::Load { tensor, at } = self.kernel.pool.get(operand) else { return false };
        let (pool, nest) = (&self.kernel.pool, self.nest);
        let root = nest.vars[var].part_of.map_or(var, |(whole, _)| whole);
        let along: Vec<_> = nest
            .vars
            .iter()
            .filter(|&(id, other)| id == root || matches!(other.form, Form::Fused { into, .. } if into == root))
            .filter_map(|(_, other)| other.axis)
            .collect();
        let mut size = 1;
        let mut is_multiple = nest.vars[var].extent % lanes == 0;
        for (&subscript, &extent) in at.iter().zip(&self.kernel.buffers[*tensor].shape).rev() {
            let view = affine::linear(pool, subscript);
            is_multiple &= view.constant * size % lanes == 0;
            // What goes along memory adds up to the value of the variable.
            let others = view
                .terms
                .iter()
                .filter(|&(&atom, _)| !matches!(pool.get(atom), Expr::Axis(axis) if along.contains(axis)));
            is_multiple &= others.into_iter().all(|(_, &step)| step * size % lanes == 0);
            size *= extent;
        }
        is_multiple
    }

    /// The extents of a copy. Where it is filled across its own order, rows are what lies between neighbours in memory. For
    /// tiles of a warp, rows are what lies next to each other along the sum, or across it. They begin an odd number of
    /// vectors apart: so any eight of them that follow each other are in different banks. For tiles of four warps, rows are
    /// cut into lines as long as all banks.
    pub(super) fn shared_shape(&self, operand: ExprId, layout: &Layout, shape: Vec<i64>) -> Vec<i64> {
        let vector = self.vector(operand);
        let Layout::Loops(vars) = layout else { return shape };
        let Some(outer) = self.merged(operand, vars) else { return shape };
        let [rows, row] = [&shape[..outer], &shape[outer..]].map(|dims| dims.iter().product::<i64>());
        if let Some(line) = self.line(operand, vars) {
            return vec![row / line, rows, line];
        }
        vec![rows, row + if row % (2 * vector) == 0 { vector } else { 0 }]
    }

    /// Elements of a copy that are moved at once, at most.
    fn vector(&self, operand: ExprId) -> i64 {
        WIDE / self.kernel.buffers[self.loaded(operand)].dtype.bytes() as i64
    }

    /// Elements of a line, if a copy is for tiles of four warps and its rows are cut into such.
    fn line(&self, operand: ExprId, layout: &[VarId]) -> Option<i64> {
        let outer = self.merged(operand, layout)?;
        let row: i64 = layout[outer..].iter().map(|&var| self.nest.vars[var].extent).product();
        let line = BANKS / WIDE * self.vector(operand);
        (self.nest.tensor?.is_group(self.nest) && row % line == 0).then_some(line)
    }

    /// The number of a copy's slower dimensions, where these are one and all others, a row, are another.
    fn merged(&self, operand: ExprId, layout: &[VarId]) -> Option<usize> {
        let is_sum = |var: &VarId| self.nest.vars[*var].is_reduced();
        if self.nest.tensor.is_some() {
            let last = is_sum(layout.last()?);
            return layout.iter().rposition(|var| is_sum(var) != last).map(|last| last + 1);
        }
        self.is_across(operand, layout).then_some(1)
    }

    /// Whether neighbours in memory are a row apart in the copy.
    fn is_across(&self, operand: ExprId, layout: &[VarId]) -> bool {
        layout.len() > 1 && self.fill_order(operand, layout).last() == layout.first()
    }

    /// The subscripts of a copy.
    pub(super) fn copy_at(&mut self, number: usize, layout: &[VarId], env: &Env) -> Vec<ExprId> {
        let values = self.values(layout, env);
        let copy = &self.plan.copies[number];
        let outer = if copy.reach.shared { self.merged(copy.operand, layout) } else { None };
        let Some(outer) = outer else { return values };
        let operand = copy.operand;
        let digits: Vec<_> = layout.iter().map(|&var| self.nest.vars[var].extent).zip(values).collect();
        let [row, place] = [&digits[..outer], &digits[outer..]].map(|digits| self.number(digits));
        let Some(line) = self.line(operand, layout) else { return vec![row, place] };
        let pool = &mut self.kernel.pool;
        let line = pool.int(line);
        vec![pool.binary(Op::Div, place, line), row, pool.binary(Op::Mod, place, line)]
    }

    /// The extents of what one thread holds between the two halves of making a copy.
    pub(super) fn share_shape(&mut self, number: usize, env: &Env) -> Vec<i64> {
        let copy = &self.plan.copies[number];
        let layout = copy.layout.clone();
        let (extents, lanes) = match &layout {
            Layout::Loops(vars) => {
                let making = self.whole_parts(vars, env);
                let order = self.order(number, vars, &making);
                (order.extents, order.lanes)
            }
            Layout::Window(dims, _) => {
                let shape = &self.kernel.buffers[copy.buffer].shape;
                (shape[shape.len() - dims.len()..].to_vec(), 1)
            }
        };
        let at_once = self.nest.threads() * lanes;
        let elements: i64 = extents.iter().product();
        vec![(elements + at_once - 1) / at_once, lanes]
    }

    /// Gives each thread its share of the elements; `element` says for one, whose places along the dimensions it is told,
    /// where it goes and what it is.
    fn fill(&mut self, number: usize, share: &Share, env: &Env, element: Element<'_, 'a>) -> Block {
        let (threads, lanes) = (self.nest.threads(), share.lanes);
        let elements: i64 = share.extents.iter().product();
        let steps = (elements + threads * lanes - 1) / (threads * lanes);
        let name = self.kernel.buffers[self.plan.copies[number].buffer].name.clone();
        let step = (steps > 1).then(|| self.new_axis(&format!("{name}.step")));
        let lane = (lanes > 1).then(|| self.new_axis(&format!("{name}.lane")));
        let pool = &mut self.kernel.pool;
        let mut flat = if let Some(step) = step { pool.axis(step) } else { pool.int(0) };
        for var in self.nest.thread_loops().into_iter().rev() {
            let thread = self.value(var, env);
            flat = self.mixed(flat, self.nest.vars[var].extent, thread);
        }
        if let Some(lane) = lane {
            let value = self.kernel.pool.axis(lane);
            flat = self.mixed(flat, lanes, value);
        }
        let places = self.places(number, flat, share);
        let (at, value) = element(self, &places);
        let pool = &mut self.kernel.pool;
        let own = [step, lane].map(|axis| match axis {
            Some(axis) => pool.axis(axis),
            None => pool.int(0),
        });
        let mut body = vec![self.filled(number, share.fill, own, (at, value), env)];
        if let Some(axis) = lane {
            body = vec![Stmt::For(For { axis, extent: lanes, kind: LoopKind::Vector, body })];
        }
        if elements % (threads * lanes) != 0 {
            // Of several lanes all or none are inside.
            let first = lane.map_or(flat, |lane| {
                let zero = self.kernel.pool.int(0);
                self.kernel.pool.substitute(flat, &|axis| (axis == lane).then_some(zero))
            });
            let pool = &mut self.kernel.pool;
            let count = pool.int(elements);
            let cond = pool.binary(Op::Lt, first, count);
            body = vec![Stmt::If { cond, then: body, otherwise: Block::new() }];
        }
        match step {
            Some(axis) => {
                let kind =
                    if steps <= WRITTEN_OUT || share.fill != Fill::Whole { LoopKind::Unroll } else { LoopKind::Serial };
                vec![Stmt::For(For { axis, extent: steps, kind, body })]
            }
            None => body,
        }
    }

    /// The places of an element along the dimensions of a copy. Where lanes that lie together in memory are a row apart in
    /// the copy, few threads next to each other go along them: all of their rows would begin in the same banks.
    fn places(&mut self, number: usize, flat: ExprId, share: &Share) -> Vec<ExprId> {
        let copy = &self.plan.copies[number];
        let is_across = match &copy.layout {
            Layout::Loops(layout) => self.nest.tensor.is_none() && self.is_across(copy.operand, layout),
            Layout::Window(..) => false,
        };
        let (near, across) = (ALONG * share.lanes, WARP / ALONG);
        let Some((&last, others)) = share.extents.split_last() else { return Vec::new() };
        let count = others.iter().product::<i64>();
        let fits = share.lanes > 1 && last > near && last % near == 0 && count % across == 0;
        if !is_across || !fits {
            return self.unmixed(flat, &share.extents);
        }
        let digits = self.unmixed(flat, &[count / across, last / near, across, near]);
        let other = self.mixed(digits[0], across, digits[2]);
        let mut places = self.unmixed(other, others);
        places.push(self.mixed(digits[1], near, digits[3]));
        places
    }

    /// The statement for one element of a copy.
    fn filled(
        &mut self,
        number: usize,
        fill: Fill,
        own: [ExprId; 2],
        (at, value): (Vec<ExprId>, ExprId),
        env: &Env,
    ) -> Stmt {
        let buffer = self.plan.copies[number].buffer;
        let value = match fill {
            Fill::Fetch(held) => return Stmt::Store { buffer: held, at: own.to_vec(), value },
            Fill::Whole => value,
            Fill::Put(held) => {
                let dtype = self.kernel.buffers[held].dtype;
                self.kernel.pool.load(held, own.to_vec(), dtype)
            }
        };
        Stmt::Store { buffer, at: self.in_turn(number, at, env), value }
    }

    /// The number that some digits make, the highest first; each is below the extent before it.
    fn number(&mut self, digits: &[(i64, ExprId)]) -> ExprId {
        let zero = self.kernel.pool.int(0);
        digits.iter().fold(zero, |high, &(extent, digit)| self.mixed(high, extent, digit))
    }

    /// `high * extent + low`
    pub(super) fn mixed(&mut self, high: ExprId, extent: i64, low: ExprId) -> ExprId {
        let pool = &mut self.kernel.pool;
        let extent = pool.int(extent);
        let high = pool.mul(high, extent);
        pool.add(high, low)
    }

    /// The digits of a number; each is inside its extent, whatever the number is.
    pub(super) fn unmixed(&mut self, mut flat: ExprId, extents: &[i64]) -> Vec<ExprId> {
        let pool = &mut self.kernel.pool;
        let mut digits = Vec::new();
        for &extent in extents.iter().rev() {
            let extent = pool.int(extent);
            digits.push(pool.binary(Op::Mod, flat, extent));
            flat = pool.binary(Op::Div, flat, extent);
        }
        digits.reverse();
        digits
    }

    fn new_axis(&mut self, name: &str) -> crate::expr::AxisId {
        let name = fresh(&mut self.names.axes, name);
        self.kernel.axes.push(Axis { name })
    }

    /// The memory that the threads of a block share, between the loops of the grid and those of the block.
    pub(super) fn with_shared(&self, mut block: Block) -> Block {
        let shared: Vec<_> = self.plan.copies.iter().filter(|copy| copy.reach.shared).map(|copy| copy.buffer).collect();
        if let [Stmt::For(outer)] = block.as_mut_slice()
            && matches!(outer.kind, LoopKind::Grid(_))
        {
            let body = std::mem::take(&mut outer.body);
            outer.body = self.with_shared(body);
            return block;
        }
        shared.into_iter().rev().fold(block, |body, buffer| vec![Stmt::Alloc { buffer, body }])
    }
}
