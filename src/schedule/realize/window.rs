//! Copies that keep the tensor's own axes: the box that the loops inside of a level read.
//!
//! A subscript is a sum of what loops outside give, what loops inside give, and a number. The box starts at the first
//! and the last of these; what loops inside give is the place in it. Around the tensor it holds the default, so that
//! reading from it needs no condition. Where a loop inside goes backwards, the box starts so much earlier. Its fastest axis is rounded up, so that it is made of whole vectors.

use crate::expr::{ExprId, TensorId};
use crate::loops::{Axis, Block, For, LoopKind, Stmt};
use crate::scalar::{Const, Op};
use crate::schedule::nest::{Form, Reach, VarId, Window};
use crate::schedule::window::{Side, largest};

use super::copy::LANES;
use super::{Emit, Env, fresh};

impl Emit<'_> {
    /// The extents of a box.
    pub(super) fn window_shape(&self, dims: &[Window], reach: Reach) -> Vec<i64> {
        let extent = |dim: &Window| {
            1 + dim
                .steps
                .iter()
                .map(|&(root, step)| step.abs() * largest(self.nest, root, reach, Side::Inside))
                .sum::<i64>()
        };
        let mut shape: Vec<_> = dims.iter().map(extent).collect();
        if let Some(last) = shape.last_mut().filter(|last| **last >= LANES / 2 && !reach.shared) {
            *last = last.unsigned_abs().next_multiple_of(LANES.unsigned_abs()).cast_signed();
        }
        shape
    }

    /// How far before its start loops inside go in one dimension of a box.
    fn backwards(&self, dim: &Window, reach: Reach) -> i64 {
        let back = dim.steps.iter().filter(|&&(_, step)| step < 0);
        back.map(|&(root, step)| -step * largest(self.nest, root, reach, Side::Inside)).sum()
    }

    /// What loops on one side give to a variable.
    fn given(&mut self, var: VarId, reach: Reach, side: Side, env: &Env) -> ExprId {
        let nest = self.nest;
        let start = self.starts.get(var).copied().filter(|_| side == Side::Outside);
        let mut sum = start.unwrap_or_else(|| self.kernel.pool.int(0));
        if nest.leaves(var).into_iter().all(|leaf| side.has(nest, leaf, reach)) {
            let value = self.value(var, env);
            return self.kernel.pool.add(sum, value);
        }
        if let Form::Split { parts, .. } = &nest.vars[var].form {
            let counts = |part| nest.leaves(part).into_iter().all(|leaf| side.has(nest, leaf, reach));
            for (place, &part) in parts.iter().enumerate().filter(|&(_, &part)| counts(part)) {
                let value = self.value(part, env);
                let pool = &mut self.kernel.pool;
                let stride = pool.int(nest.stride(parts, place));
                let term = pool.mul(value, stride);
                sum = pool.add(sum, term);
            }
        }
        sum
    }

    /// `number + Σ step · what one side gives`
    pub(super) fn offset(&mut self, number: i64, dim: &Window, reach: Reach, side: Side, env: &Env) -> ExprId {
        let mut sum = self.kernel.pool.int(number);
        for &(root, step) in &dim.steps {
            let value = self.given(root, reach, side, env);
            let pool = &mut self.kernel.pool;
            let step = pool.int(step);
            let term = pool.mul(value, step);
            sum = pool.add(sum, term);
        }
        sum
    }

    /// The place in a box that the statement reads.
    pub(super) fn in_box(&mut self, dims: &[Window], reach: Reach, env: &Env) -> Vec<ExprId> {
        let place = |dim| self.offset(self.backwards(dim, reach), dim, reach, Side::Inside, env);
        dims.iter().map(place).collect()
    }

    /// Fills a box.
    pub(super) fn in_window(&mut self, number: usize, dims: &[Window], default: Option<ExprId>, env: &Env) -> Block {
        let copy = &self.plan.copies[number];
        let (buffer, tensor) = (copy.buffer, self.loaded(copy.operand));
        let shape = self.kernel.buffers[buffer].shape.clone();
        let mut loops = Vec::new();
        let mut places = Vec::new();
        for (dim, &extent) in shape.iter().enumerate() {
            let in_lanes = dim + 1 == shape.len() && extent % LANES == 0;
            places.push(self.place_in(tensor, dim, extent, in_lanes, &mut loops));
        }
        let value = self.boxed(number, dims, default, &places, env);
        let store = Stmt::Store { buffer, at: places, value };
        loops
            .into_iter()
            .rev()
            .fold(vec![store], |body, (axis, extent, kind)| vec![Stmt::For(For { axis, extent, kind, body })])
    }

    /// What belongs at some place in a box.
    pub(super) fn boxed(
        &mut self,
        number: usize,
        dims: &[Window],
        default: Option<ExprId>,
        places: &[ExprId],
        env: &Env,
    ) -> ExprId {
        let copy = &self.plan.copies[number];
        let (reach, tensor) = (copy.reach, self.loaded(copy.operand));
        let mut inside = self.kernel.pool.bool(true);
        let mut at = Vec::new();
        for ((dim, &place), size) in dims.iter().zip(places).zip(self.kernel.buffers[tensor].shape.clone()) {
            let first = dim.constant - self.backwards(dim, reach);
            let start = self.offset(first, dim, reach, Side::Outside, env);
            let pool = &mut self.kernel.pool;
            let subscript = pool.add(start, place);
            let (zero, size) = (pool.int(0), pool.int(size));
            for cond in [pool.binary(Op::Ge, subscript, zero), pool.binary(Op::Lt, subscript, size)] {
                inside = pool.and(inside, cond);
            }
            at.push(subscript);
        }
        let pool = &mut self.kernel.pool;
        let dtype = self.kernel.buffers[tensor].dtype;
        let value = pool.load(tensor, at, dtype);
        let default = default.unwrap_or_else(|| pool.constant(Const::int(dtype, 0)));
        pool.select(inside, value, default)
    }

    /// The place along one dimension of a box, with the loops that run along it.
    fn place_in(
        &mut self,
        tensor: TensorId,
        dim: usize,
        extent: i64,
        in_lanes: bool,
        loops: &mut Vec<(crate::expr::AxisId, i64, LoopKind)>,
    ) -> ExprId {
        let mut axis = |this: &mut Self, extent, kind| {
            if extent == 1 {
                return this.kernel.pool.int(0);
            }
            let name = format!("{}.{dim}.copy", this.kernel.buffers[tensor].name);
            let name = fresh(&mut this.names.axes, &name);
            let axis = this.kernel.axes.push(Axis { name });
            loops.push((axis, extent, kind));
            this.kernel.pool.axis(axis)
        };
        if !in_lanes {
            return axis(self, extent, LoopKind::Serial);
        }
        let outer = axis(self, extent / LANES, LoopKind::Serial);
        let lane = axis(self, LANES, LoopKind::Vector);
        let pool = &mut self.kernel.pool;
        let lanes = pool.int(LANES);
        let start = pool.mul(outer, lanes);
        pool.add(start, lane)
    }
}
