//! A nest on a GPU as the model sees it: its loops from the grid to the innermost one, and how each moves each access.

use std::ops::Range;

use crate::expr::{AxisId, Expr, ExprId};
use crate::loops::LoopKind;
use crate::model::view::{Loop, Moved, moved, stride};
use crate::scalar::DType;
use crate::schedule;
use crate::schedule::nest::{Form, Nest, Program, Role, Var, VarId};
use crate::schedule::reads;
use crate::target::gpus::WARP;

/// Places of which it is counted which are the same, at most.
const PLACES: usize = 1 << 12;

/// A nest, its loops and its accesses.
pub(super) struct View<'a> {
    pub(super) nest: &'a Nest,
    pub(super) loops: Vec<Loop>,
    pub(super) loads: Vec<Moved>,
    pub(super) store: Moved,
    /// Instructions for each value, that which joins it among them.
    pub(super) operations: f64,
    /// Bytes of an accumulator, or of what is stored.
    pub(super) bytes: i64,
    /// The loops that are coordinates: so many, from the outside.
    pub(super) bound: usize,
    /// The first of the loops that are written out or lanes, with none but such inside.
    pub(super) body: usize,
    /// The first loop of a thread along which values are joined; the number of loops without one.
    pub(super) tile: usize,
    /// Loads that are not in the body: sums are multiplied by them.
    left_out: Vec<ExprId>,
}

impl<'a> View<'a> {
    pub(super) fn of(program: &Program, nest: &'a Nest) -> Self {
        let of = |&var: &VarId| {
            let v = &nest.vars[var];
            Loop { var, trips: v.extent, kind: v.kind, role: v.role }
        };
        let loops: Vec<_> = nest.order.iter().map(of).collect();
        let loads = reads::loads(program, nest).into_iter().map(|access| moved(nest, access)).collect();
        let store = moved(nest, reads::store(program, nest));
        let bound = nest.bound();
        let written_out = |l: &&Loop| matches!(l.kind, LoopKind::Unroll | LoopKind::Vector);
        let body = loops.len() - loops[bound..].iter().rev().take_while(written_out).count();
        let joined = loops[bound..].iter().position(|l| super::is_joined(l.role));
        let tile = joined.map_or(loops.len(), |at| bound + at);
        let bytes = program.kernel.pool.dtype(nest.value()).bytes() as i64;
        let mut left_out = Vec::new();
        for factor in schedule::factors(&program.kernel, nest) {
            program.kernel.pool.visit(factor, &mut |id, _| left_out.push(id));
        }
        Self { nest, loads, store, operations: operations(program, nest), bytes, bound, body, tile, left_out, loops }
    }

    /// Whether a load is of a factor that sums leave out.
    pub(super) fn is_left_out(&self, load: &Moved) -> bool {
        load.access.load.is_some_and(|load| self.left_out.contains(&load))
    }

    /// Iterations of some loops.
    pub(super) fn trips(&self, loops: Range<usize>) -> f64 {
        self.loops[loops].iter().map(|l| l.trips as f64).product()
    }

    /// Iterations of some loops of which something holds.
    pub(super) fn trips_of(&self, loops: Range<usize>, takes: impl Fn(usize, &Loop) -> bool) -> f64 {
        loops.filter(|&at| takes(at, &self.loops[at])).map(|at| self.loops[at].trips as f64).product()
    }

    pub(super) fn threads(&self) -> i64 {
        self.nest.threads()
    }

    pub(super) fn blocks(&self) -> f64 {
        self.trips_of(0..self.bound, |_, l| matches!(l.kind, LoopKind::Grid(_)))
    }

    /// Blocks that share a sum.
    pub(super) fn shares(&self) -> f64 {
        self.trips_of(0..self.bound, |_, l| matches!(l.kind, LoopKind::Grid(_)) && super::is_joined(l.role))
    }

    /// Results, those beyond the ends of axes among them.
    pub(super) fn results(&self) -> f64 {
        self.trips_of(0..self.loops.len(), |_, l| !super::is_joined(l.role))
    }

    /// Times that a thread runs what is in its loops before `level`.
    pub(super) fn runs(&self, level: usize) -> f64 {
        self.trips(self.bound..level.max(self.bound))
    }

    /// Elements from one value of a loop to the next; of a loop that goes along several axes, those along the fastest.
    pub(super) fn step(&self, access: &Moved, var: VarId) -> i64 {
        if let Some(exact) = stride(self.nest, &access.access, var) {
            return exact;
        }
        let (whole, scale) = match self.nest.vars[var].part_of {
            Some((whole, index)) => match &self.nest.vars[whole].form {
                Form::Split { parts, .. } => (whole, self.nest.stride(parts, index)),
                _ => (whole, 1),
            },
            None => (var, 1),
        };
        let is_part = |v: &Var| v.extent > 1 && matches!(v.form, Form::Fused { into, .. } if into == whole);
        let fastest = self.nest.vars.iter().rfind(|(_, v)| is_part(v));
        let along = fastest.and_then(|(fused, _)| stride(self.nest, &access.access, fused));
        // Columns of nothing in particular.
        along.map_or(WARP, |along| along * scale)
    }

    /// Whether neighbours along a loop are one number of elements apart.
    pub(super) fn is_regular(&self, access: &Moved, var: VarId) -> bool {
        stride(self.nest, &access.access, var).is_some()
    }

    /// Whether the shared copies inside of a loop are made one iteration ahead.
    pub(super) fn is_ahead(&self, at: VarId) -> bool {
        self.nest.pipelined.contains(&at)
    }

    /// Different elements that the innermost loops of a thread read in one run of them.
    pub(super) fn distinct(&self, load: &Moved) -> f64 {
        let body = (self.body..self.loops.len()).filter(|&at| load.uses(at));
        let mut places = vec![0];
        let mut times = 1.0;
        for at in body {
            let trips = self.loops[at].trips;
            times *= trips as f64;
            let Some(stride) = load.strides[at].filter(|_| places.len() * trips as usize <= PLACES) else {
                places.clear();
                continue;
            };
            places = places.iter().flat_map(|place| (0..trips).map(move |trip| place + trip * stride)).collect();
            places.sort_unstable();
            places.dedup();
        }
        if places.is_empty() { times } else { places.len() as f64 }
    }

    /// The threads of a warp along the coordinates of a block, `x` first, with their loops.
    pub(super) fn warp(&self) -> Vec<(usize, i64)> {
        let mut left = WARP;
        let mut found = Vec::new();
        for var in self.nest.thread_loops() {
            let Some(at) = self.nest.position(var) else { continue };
            let lanes = self.loops[at].trips.min(left);
            found.push((at, lanes));
            left = (left / lanes).max(1);
        }
        found
    }

    /// Elements of an access that a block touches.
    pub(super) fn footprint(&self, access: &Moved) -> f64 {
        access.access.footprint(&|axis| self.values(axis)) as f64
    }

    /// Bytes of all tensors, each element once.
    pub(super) fn unique_bytes(&self) -> f64 {
        let all = self.loads.iter().chain([&self.store]);
        all.map(|access| access.access.shape.iter().product::<i64>() as f64 * access.access.bytes as f64).sum()
    }

    /// Values that a naive axis takes in a block.
    fn values(&self, axis: AxisId) -> i64 {
        let Some(root) = self.nest.root(axis) else { return 1 };
        self.var_values(root).min(self.nest.vars[root].extent)
    }

    fn var_values(&self, var: VarId) -> i64 {
        match &self.nest.vars[var].form {
            Form::Loop => {
                let is_in_block = !matches!(self.nest.vars[var].kind, LoopKind::Grid(_));
                if is_in_block && self.nest.position(var).is_some() { self.nest.vars[var].extent } else { 1 }
            }
            Form::Split { parts, .. } => parts.iter().map(|&part| self.var_values(part)).product(),
            Form::Fused { into, inner } => {
                let run = self.var_values(*into);
                (run / inner + i64::from(run % inner != 0)).min(self.nest.vars[var].extent)
            }
        }
    }
}

/// Instructions that compute a value: a product that is joined by addition is one.
fn operations(program: &Program, nest: &Nest) -> f64 {
    let pool = &program.kernel.pool;
    let mut count = 0.0;
    pool.visit(nest.value(), &mut |id, expr| {
        if !matches!(pool.dtype(id), DType::I64 | DType::Bool) {
            count += match expr {
                Expr::Unary(op, _) if op.info().flops > 4 => 12.0,
                Expr::Unary(..) | Expr::Binary(..) => 1.0,
                _ => 0.0,
            };
        }
    });
    let left_out = schedule::factors(&program.kernel, nest).len() as f64;
    let least = if nest.vars.iter().any(|(_, var)| var.role == Role::Reduced) { 1.0 } else { 0.5 };
    f64::max(count - left_out, least)
}
