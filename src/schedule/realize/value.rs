//! What variables and expressions of a nest are at a place: in terms of the loops that are open there.

use crate::arena::IdMap;
use crate::expr::range::Domain;
use crate::expr::simplify::simplify;
use crate::expr::{Expr, ExprId, TensorId};
use crate::loops::{Block, LoopKind, Stmt};
use crate::scalar::{Const, Op};
use crate::schedule::factors::product;
use crate::schedule::nest::{Form, Layout, Reduction, VarId};
use crate::schedule::step::Tail;

use super::{Emit, Env};

impl Emit<'_> {
    /// The value of a variable.
    pub(super) fn value(&mut self, var: VarId, env: &Env) -> ExprId {
        if let Some(&known) = env.value.get(var) {
            return known;
        }
        let nest = self.nest;
        match &nest.vars[var].form {
            Form::Loop => unreachable!("the loop of `{}` is open where its value is used", nest.vars[var].name),
            Form::Split { parts, .. } => {
                let start = env.start.get(var).copied();
                self.sum(start, parts, parts.len(), env)
            }
            Form::Fused { into, inner } => {
                let (whole, inner, extent) = (self.value(*into, env), *inner, nest.vars[var].extent);
                let slowest = inner * extent == nest.vars[*into].extent;
                let pool = &mut self.kernel.pool;
                let by = pool.int(inner);
                let quotient = pool.binary(Op::Div, whole, by);
                let extent = pool.int(extent);
                if slowest { quotient } else { pool.binary(Op::Mod, quotient, extent) }
            }
        }
    }

    /// The sum of the first `count` parts, or of those after `start` to it.
    pub(super) fn sum(&mut self, start: Option<(usize, ExprId)>, parts: &[VarId], count: usize, env: &Env) -> ExprId {
        let (first, mut sum) = start.unwrap_or_else(|| (0, self.kernel.pool.int(0)));
        for part in first..count {
            let value = self.value(parts[part], env);
            let stride = self.nest.stride(parts, part);
            let pool = &mut self.kernel.pool;
            let stride = pool.int(stride);
            let term = pool.mul(value, stride);
            sum = pool.add(sum, term);
        }
        sum
    }

    /// An expression over the naive axes, at this place; what other nests have computed is read from their boxes.
    pub(super) fn place(&mut self, expr: ExprId, env: &Env) -> ExprId {
        let starts = std::mem::take(&mut self.starts);
        let placed = self.place_from(expr, &starts, env);
        self.starts = starts;
        self.read_boxes(placed, env)
    }

    /// As [`Emit::place`], for a subscript of the box that this nest computes.
    pub(super) fn place_in_box(&mut self, expr: ExprId, env: &Env) -> ExprId {
        self.place_from(expr, &IdMap::new(), env)
    }

    fn place_from(&mut self, expr: ExprId, starts: &IdMap<VarId, ExprId>, env: &Env) -> ExprId {
        let used = self.kernel.pool.axes(expr);
        let nest = self.nest;
        let mut values = Vec::new();
        for (root, var) in nest.vars.iter() {
            if let Some(axis) = var.axis.filter(|axis| used.contains(axis)) {
                let value = self.value(root, env);
                let start = starts.get(root).copied();
                values.push((axis, start.map_or(value, |start| self.kernel.pool.add(start, value))));
            }
        }
        self.kernel.pool.substitute(expr, &|axis| values.iter().find(|(from, _)| *from == axis).map(|(_, to)| *to))
    }

    /// As [`Emit::place`], with operands read from their copies.
    pub(super) fn operands(&mut self, expr: ExprId, env: &Env) -> ExprId {
        let read = self.open_reads(expr, env);
        let read = self.place(read, env);
        self.fill_reads(read, env)
    }

    /// What is reduced, at this place, without the factors that its tile leaves out. Where a variable may be outside,
    /// loads that depend on it give 0 there, and a reduced one gives what is neutral.
    pub(super) fn summand(&mut self, reduction: &Reduction, env: &Env) -> ExprId {
        let left_out = self.plan.factors.clone();
        let mut term = reduction.value;
        if !left_out.is_empty() {
            let kept = product(&self.kernel.pool, reduction.value).into_iter().filter(|e| !left_out.contains(e));
            let pool = &mut self.kernel.pool;
            term = kept.reduce(|a, b| pool.binary(Op::Mul, a, b)).expect("something is summed");
        }
        // Nothing branches around these.
        let padding: Vec<_> = env.guards.iter().copied().filter(|&var| !self.branches(var)).collect();
        // What decides about other reads has to be true, not 0: then the whole value waits for the condition.
        let whole = self.reads_to_choose(reduction.value);
        let mut value = self.padded(term, if whole { &[] } else { &padding }, env);
        for var in padding {
            if whole || (self.nest.vars[var].is_reduced() && !self.vanishes(reduction, term, var, env)) {
                let cond = self.inside(var, env);
                let pool = &mut self.kernel.pool;
                let neutral = pool.constant(reduction.op.neutral(pool.dtype(value)));
                value = pool.select(cond, value, neutral);
            }
        }
        value
    }

    /// Whether a term is neutral where its reads that depend on a variable give 0.
    fn vanishes(&mut self, reduction: &Reduction, term: ExprId, var: VarId, env: &Env) -> bool {
        // Boxes hold what is beside, not 0; copies of one thread may have nothing there.
        let is_padded = |&copy: &usize| {
            let copy = &self.plan.copies[copy];
            copy.reach.shared && matches!(copy.layout, Layout::Loops(_))
        };
        if !env.copies.iter().all(is_padded) {
            return false;
        }
        let axes = self.naive_axes(var);
        let neutral = reduction.op.neutral(self.kernel.pool.dtype(term));
        let mut depend = true;
        let pool = &mut self.kernel.pool;
        let zeros = pool.map(term, &mut |pool, e| {
            let Expr::Load { .. } = pool.get(e) else { return None };
            // What others read may be anything, and even 0 times that is not 0.
            depend &= pool.axes(e).iter().any(|axis| axes.contains(axis));
            let dtype = pool.dtype(e);
            Some(pool.constant(Const::int(dtype, 0)))
        });
        let zeros = simplify(pool, zeros, &Domain::new());
        depend && pool.as_const(zeros) == Some(neutral)
    }

    /// A part of what is reduced, at this place, with 0 for reads of it where variables are outside.
    pub(super) fn padded(&mut self, value: ExprId, guards: &[VarId], env: &Env) -> ExprId {
        let used = self.kernel.pool.axes(value);
        let guards = guards.iter().map(|&var| (var, self.naive_axes(var)));
        let guards: Vec<_> = guards.filter(|(_, axes)| axes.iter().any(|axis| used.contains(axis))).collect();
        let loads: Vec<_> = guards.into_iter().map(|(var, axes)| (axes, self.inside(var, env))).collect();
        let read = self.open_reads(value, env);
        let buffers: Vec<_> = self.plan.copies.iter().map(|copy| copy.buffer).collect();
        let read = self.kernel.pool.map(read, &mut |pool, e| {
            // Copies are padded.
            let Expr::Load { tensor, .. } = pool.get(e) else { return None };
            if buffers.contains(tensor) {
                return None;
            }
            let used = pool.axes(e);
            let zero = pool.constant(Const::int(pool.dtype(e), 0));
            let conds = loads.iter().filter(|(axes, _)| axes.iter().any(|axis| used.contains(axis)));
            Some(conds.fold(e, |value, &(_, cond)| pool.select(cond, value, zero)))
        });
        let placed = self.place(read, env);
        self.fill_reads(placed, env)
    }

    /// Whether subscripts or conditions depend on what is read.
    fn reads_to_choose(&self, value: ExprId) -> bool {
        let pool = &self.kernel.pool;
        let mut found = false;
        pool.visit(value, &mut |_, expr| match expr {
            Expr::Load { at, .. } => found |= at.iter().any(|&subscript| pool.has_load(subscript)),
            Expr::Select { cond, .. } => found |= pool.has_load(*cond),
            _ => {}
        });
        found
    }

    /// Puts stubs, without subscripts, in the place of operands that are copied: the rest is placed on its own.
    fn open_reads(&mut self, expr: ExprId, env: &Env) -> ExprId {
        let copies = &self.plan.copies;
        self.kernel.pool.map(expr, &mut |pool, e| {
            let copy = env.copies.iter().map(|&copy| &copies[copy]).find(|copy| copy.operand == e)?;
            let dtype = pool.dtype(e);
            Some(pool.load(copy.buffer, Vec::new(), dtype))
        })
    }

    /// Puts reads of copies in the place of their stubs.
    fn fill_reads(&mut self, expr: ExprId, env: &Env) -> ExprId {
        let mut stubs = Vec::new();
        self.kernel.pool.visit(expr, &mut |_, e| match e {
            Expr::Load { tensor, at } if at.is_empty() => stubs.push(*tensor),
            _ => {}
        });
        let mut reads = Vec::new();
        // Of other copies, not all loops need to be open here.
        for &copy in &env.copies {
            let buffer = self.plan.copies[copy].buffer;
            if !stubs.contains(&buffer) {
                continue;
            }
            let read = match self.plan.copies[copy].layout.clone() {
                Layout::Loops(vars) => {
                    let at = self.copy_at(copy, &vars, env);
                    self.read_copy(copy, at, env)
                }
                Layout::Window(dims, _) => {
                    let at = self.in_box(&dims, self.plan.copies[copy].reach, env);
                    self.read_copy(copy, at, env)
                }
            };
            reads.push((buffer, read));
        }
        self.kernel.pool.map(expr, &mut |pool, e| match pool.get(e) {
            Expr::Load { tensor, at } if at.is_empty() => {
                reads.iter().find(|(buffer, _)| buffer == tensor).map(|&(_, read)| read)
            }
            _ => None,
        })
    }

    fn read_copy(&mut self, copy: usize, at: Vec<ExprId>, env: &Env) -> ExprId {
        let buffer = self.plan.copies[copy].buffer;
        let (at, dtype) = (self.in_turn(copy, at, env), self.kernel.buffers[buffer].dtype);
        self.kernel.pool.load(buffer, at, dtype)
    }

    /// The element of a temporary whose dimensions are variables.
    pub(super) fn element(&mut self, buffer: TensorId, vars: &[VarId], env: &Env) -> ExprId {
        let at = self.values(vars, env);
        let dtype = self.kernel.buffers[buffer].dtype;
        self.kernel.pool.load(buffer, at, dtype)
    }

    /// The values of several variables.
    pub(super) fn values(&mut self, vars: &[VarId], env: &Env) -> Vec<ExprId> {
        vars.iter().map(|&var| self.value(var, env)).collect()
    }

    /// Whether a variable is inside its extent.
    pub(super) fn inside(&mut self, var: VarId, env: &Env) -> ExprId {
        let (value, extent) = (self.value(var, env), self.nest.vars[var].extent);
        let pool = &mut self.kernel.pool;
        let extent = pool.int(extent);
        pool.binary(Op::Lt, value, extent)
    }

    /// Statements under the condition that some variables are inside their extents.
    pub(super) fn guarded(&mut self, guards: &[VarId], env: &Env, block: Block) -> Block {
        let mut cond = self.kernel.pool.bool(true);
        for &var in guards {
            let inside = self.inside(var, env);
            cond = self.kernel.pool.and(cond, inside);
        }
        match self.kernel.pool.as_const(cond).and_then(Const::as_bool) {
            Some(true) => block,
            Some(false) => Block::new(),
            None => vec![Stmt::If { cond, then: block, otherwise: Block::new() }],
        }
    }

    /// Whether being outside is avoided by a branch around the innermost statement, not by padding.
    pub(super) fn branches(&self, var: VarId) -> bool {
        let is_vector = |leaf: &VarId| self.nest.vars[*leaf].kind == LoopKind::Vector;
        matches!(self.nest.vars[var].form, Form::Split { tail: Tail::Guard, .. })
            && !self.nest.leaves(var).iter().any(is_vector)
    }

    /// The naive axes whose values are computed from that of a variable.
    pub(super) fn naive_axes(&self, var: VarId) -> Vec<crate::expr::AxisId> {
        let roots = self.nest.vars.iter().filter(|&(root, _)| self.is_computed_from(root, var));
        roots.filter_map(|(_, root)| root.axis).collect()
    }

    fn is_computed_from(&self, var: VarId, source: VarId) -> bool {
        var == source
            || match &self.nest.vars[var].form {
                Form::Loop => false,
                Form::Split { parts, .. } => parts.iter().any(|&part| self.is_computed_from(part, source)),
                Form::Fused { into, .. } => self.is_computed_from(*into, source),
            }
    }
}
