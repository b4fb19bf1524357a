//! A nest as the model sees it: loops with their trips, and how far each loop moves each access.

use std::collections::BTreeSet;

use crate::expr::{AxisId, Expr, ExprId, TensorId};
use crate::loops::{BufferKind, LoopKind};
use crate::scalar::{Const, DType, Op};
use crate::schedule;
use crate::schedule::dot;
use crate::schedule::nest::{Copy, Form, Layout, Nest, Program, Role, VarId};
use crate::schedule::reads::{self, Access};
use crate::target::Machine;

/// A loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    pub(super) var: VarId,
    pub(super) trips: i64,
    pub(super) kind: LoopKind,
    pub(super) role: Role,
}

/// An access with what each loop does to it.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub(super) access: Access,
    /// For each loop, elements from one iteration to the next; none if that is no one number.
    pub(super) strides: Vec<Option<i64>>,
    /// The copy from which it is read instead.
    pub(super) copy: Option<usize>,
    /// Whether each loop decides about the condition under which it is read.
    pub(super) guarded: Vec<bool>,
    /// Whether it is a box that is computed inside of this nest.
    pub(super) is_box: bool,
    /// Whether it is at another place for each box that this nest computes.
    pub(super) moves: bool,
}

impl Moved {
    /// Whether what is read depends on a loop.
    pub(super) fn uses(&self, at: usize) -> bool {
        self.strides[at] != Some(0)
    }
}

/// A nest, its loops and its accesses.
pub(super) struct View<'a> {
    /// Tensors that are known ahead of all calls.
    pub(super) ahead: &'a BTreeSet<TensorId>,
    pub(super) nest: &'a Nest,
    pub(super) machine: &'a Machine,
    pub(super) loops: Vec<Loop>,
    pub(super) loads: Vec<Moved>,
    pub(super) store: Moved,
    /// What an unrolled part of the sum inside of the lanes is, which is not among the loops: what one of its statements
    /// costs, and its variables, the innermost last.
    pub(super) dot: Option<(f64, Vec<VarId>)>,
    /// Operations other than the reduction itself, for each value.
    pub(super) operations: f64,
    /// The share of the copies of a statement that are left where constants are written out: not those that multiply by
    /// zero.
    pub(super) left: f64,
    /// Bytes of an accumulator, or of what is stored.
    pub(super) bytes: i64,
    /// The number of loops outside of the innermost accumulators.
    pub(super) tile: usize,
    /// The first of the loops that are written out or lanes, with none but such inside.
    pub(super) body: usize,
}

impl<'a> View<'a> {
    pub(super) fn of(program: &'a Program, nest: &'a Nest, machine: &'a Machine) -> Self {
        let mut loops: Vec<_> = nest
            .order
            .iter()
            .map(|&var| {
                let v = &nest.vars[var];
                Loop { var, trips: v.extent, kind: v.kind, role: v.role }
            })
            .collect();
        let mut loads: Vec<_> = reads::loads(program, nest).into_iter().map(|access| moved(nest, access)).collect();
        // What sums are multiplied by when they are done is no part of the innermost loop.
        let left_out = schedule::factors(&program.kernel, nest);
        loads.retain(|load| !load.access.load.is_some_and(|id| left_out.iter().any(|&e| holds(program, e, id))));
        let dot = dot(program, nest, machine, &loads, &mut loops);
        let pool = &program.kernel.pool;
        let value = nest.value();
        let mut operations = 0.0;
        pool.visit(value, &mut |id, expr| {
            // Conditions and subscripts are counted with the reads that they belong to.
            if !matches!(pool.dtype(id), DType::I64 | DType::Bool) {
                operations += match expr {
                    Expr::Unary(op, _) if op.info().flops > 4 => 12.0,
                    // Two halves, and no sum fused with it; one of a dot product is none of these.
                    Expr::Binary(Op::Mul, ..) if dot.is_none() && pool.dtype(id) == DType::I32 => 3.0,
                    Expr::Unary(..) | Expr::Binary(..) => 1.0,
                    _ => 0.0,
                };
            }
        });
        operations -= left_out.len() as f64;
        let written_out = |l: &Loop| matches!(l.kind, LoopKind::Unroll | LoopKind::Vector);
        let body = loops.len() - loops.iter().rev().take_while(|l| written_out(l)).count();
        let mut left = 1.0;
        loads.retain(|load| {
            let is_known =
                loops.iter().enumerate().all(|(at, l)| !load.uses(at) || at >= body && l.kind == LoopKind::Unroll);
            let share = nonzeros(program, load).filter(|_| is_known);
            if let Some(share) = share {
                left *= share;
                operations -= 1.0;
            }
            share.is_none()
        });
        let joined = loops.iter().position(|l| l.role != Role::Spatial && l.trips > 1).unwrap_or(loops.len());
        let levels = nest.accumulate.iter().map(|&at| nest.level(Some(at)));
        let tile = levels.max().unwrap_or(joined);
        let bytes = pool.dtype(value).bytes() as i64;
        let store = moved(nest, reads::store(program, nest));
        Self { ahead: &program.ahead, nest, machine, loops, loads, store, dot, operations, left, bytes, tile, body }
    }

    /// Iterations of the loops outside of `level`.
    pub(super) fn trips_outside(&self, level: usize) -> f64 {
        self.loops[..level].iter().map(|l| l.trips as f64).product()
    }

    /// Lanes of the innermost loop, and its place.
    pub(super) fn vector(&self) -> Option<(usize, i64)> {
        let last = self.loops.len().checked_sub(1)?;
        (self.loops[last].kind == LoopKind::Vector).then(|| (last, self.loops[last].trips))
    }

    /// The dimensions of a copy without those inside of the lanes.
    pub(super) fn around_dot<'l>(&self, layout: &'l [VarId]) -> &'l [VarId] {
        let inside = self.dot.as_ref().map_or(&[][..], |(_, vars)| vars);
        &layout[..layout.len() - layout.iter().rev().take_while(|var| inside.contains(var)).count()]
    }

    /// Vector registers that so many lanes take.
    pub(super) fn registers_of(&self, lanes: i64) -> f64 {
        ((lanes * self.bytes) as f64 / self.machine.vector_bytes as f64).ceil().max(1.0)
    }

    /// Whether a loop is a part of fused axes.
    pub(super) fn is_fused(&self, at: usize) -> bool {
        let var = self.loops[at].var;
        let whole = self.nest.vars[var].part_of.map_or(var, |(whole, _)| whole);
        self.nest.vars[whole].axis.is_none()
    }

    /// Whether a loop is a part of a naive axis.
    pub(super) fn is_along(&self, at: usize, axis: AxisId) -> bool {
        self.nest.root(axis).is_some_and(|root| self.nest.leaves(root).contains(&self.loops[at].var))
    }

    /// The copies of the nest.
    pub(super) fn copies(&self) -> &[Copy] {
        &self.nest.copies
    }

    /// The number of values that a naive axis takes while the loops from `level` on run.
    pub(super) fn trips_inside(&self, axis: AxisId, level: usize) -> i64 {
        let Some(root) = self.nest.root(axis) else { return 1 };
        self.var_trips(root, level).min(self.nest.vars[root].extent)
    }

    /// The number of values that a variable takes while the loops from `level` on run.
    pub(super) fn var_trips(&self, var: VarId, level: usize) -> i64 {
        match &self.nest.vars[var].form {
            Form::Loop => {
                let inside = self.nest.position(var).is_some_and(|position| position >= level);
                if inside { self.nest.vars[var].extent } else { 1 }
            }
            Form::Split { parts, .. } => parts.iter().map(|&part| self.var_trips(part, level)).product(),
            Form::Fused { into, inner } => {
                let run = self.var_trips(*into, level);
                (run / inner + i64::from(run % inner != 0)).min(self.nest.vars[var].extent)
            }
        }
    }
}

/// The share of a constant's elements that are not zero; none if it is no constant.
fn nonzeros(program: &Program, load: &Moved) -> Option<f64> {
    let BufferKind::Constant(elements) = &program.kernel.buffers[load.access.tensor].kind else { return None };
    let zeros = elements.iter().filter(|element| **element == Const::int(element.dtype(), 0)).count();
    Some(1.0 - zeros as f64 / elements.len().max(1) as f64)
}

/// Takes unrolled parts of the sum that are inside of a vector away from the loops; gives what a statement costs then. It
/// is much, unless an instruction joins all of them and finds them next to each other.
fn dot(
    program: &Program,
    nest: &Nest,
    machine: &Machine,
    loads: &[Moved],
    loops: &mut Vec<Loop>,
) -> Option<(f64, Vec<VarId>)> {
    let joins = |l: &&Loop| l.kind == LoopKind::Unroll && l.role == Role::Reduced;
    let lanes = loops.len() - loops.iter().rev().take_while(joins).count();
    let last = lanes.checked_sub(1).filter(|&last| lanes < loops.len() && loops[last].kind == LoopKind::Vector)?;
    let inside: Vec<_> = loops.drain(lanes..).collect();
    let (lane, width) = (loops[last].var, loops[last].trips);
    let terms: i64 = inside.iter().map(|l| l.trips).product();
    let vars: Vec<_> = inside.iter().map(|l| l.var).collect();
    let innermost = *inside.last()?;
    let place = lanes + inside.len() - 1;
    let near = |load: &Moved| {
        let own: Vec<_> = if load.uses(last) { vec![lane, innermost.var] } else { vec![innermost.var] };
        match load.copy.map(|copy| &nest.copies[copy].layout) {
            Some(Layout::Loops(layout)) => layout.ends_with(&own),
            _ => load.strides[place] == Some(1) && (own.len() == 1 || load.strides[last] == Some(innermost.trips)),
        }
    };
    let found = dot::dot(program, nest, machine).filter(|dot| {
        let bytes = width * 4;
        dot.terms == innermost.trips && bytes <= machine.vector_bytes && loads.iter().all(near)
    });
    let groups = (terms / innermost.trips) as f64;
    Some((found.map_or((terms * width) as f64, |dot| groups * dot.cost + dot.rest), vars))
}

/// What each loop of a nest does to an access.
pub(super) fn moved(nest: &Nest, access: Access) -> Moved {
    let strides = nest.order.iter().map(|&leaf| stride(nest, &access, leaf)).collect();
    let copy = access.load.and_then(|load| nest.copies.iter().position(|copy| copy.load == load));
    let guarded = nest
        .order
        .iter()
        .map(|leaf| {
            access.guards.iter().any(|&axis| nest.root(axis).is_some_and(|root| nest.leaves(root).contains(leaf)))
        })
        .collect();
    let is_box = nest.computes.iter().any(|inner| inner.tensor == access.tensor);
    let is_part = |axis: AxisId| nest.root(axis).is_some_and(|root| nest.vars[root].whole.is_some());
    let mut axes = access.steps.iter().flat_map(|steps| steps.keys()).chain(&access.irregular);
    let moves = access.load.is_some() && axes.any(|&axis| is_part(axis));
    Moved { access, strides, copy, guarded, is_box, moves }
}

/// Elements from one iteration of a loop to the next.
pub(super) fn stride(nest: &Nest, access: &Access, leaf: VarId) -> Option<i64> {
    let whole = match nest.vars[leaf].part_of {
        Some((whole, index)) => match &nest.vars[whole].form {
            Form::Split { parts, .. } => Some((whole, nest.stride(parts, index))),
            _ => None,
        },
        None => None,
    };
    let (var, step) = whole.unwrap_or((leaf, 1));
    Some(var_stride(nest, access, var)? * step)
}

fn var_stride(nest: &Nest, access: &Access, var: VarId) -> Option<i64> {
    if let Some(axis) = nest.vars[var].axis {
        return access.stride(axis);
    }
    // Fused from others: one step moves the fastest of them; those must follow each other in memory.
    let mut step = None;
    let mut length = 1;
    for (fused, part) in
        nest.vars.iter().filter(|(_, v)| matches!(v.form, Form::Fused { into, .. } if into == var)).rev()
    {
        let own = stride(nest, access, fused)?;
        match step {
            None => step = Some(own),
            Some(first) if own == first * length => {}
            Some(_) => return None,
        }
        length *= part.extent;
    }
    step
}

/// Whether an expression is, or has in it, another one.
fn holds(program: &Program, whole: ExprId, part: ExprId) -> bool {
    let mut found = false;
    program.kernel.pool.visit(whole, &mut |id, _| found |= id == part);
    found
}
