//! Statements as control flow.
//!
//! A loop counts up and tests at its end, for every extent is at least 1:
//!
//! ```text
//! for i in 64 { body }        i:     %i = phi i64 [ 0, … ], [ %i.next, … ]
//!                                    body
//!                                    %i.next = add nuw nsw i64 %i, 1
//!                                    br i1 (%i.next == 64), label %i.end, label %i, !llvm.loop
//!                             i.end:
//! ```

use inkwell::basic_block::BasicBlock;

use super::access::Spot;
use super::body::Body;
use super::hints;
use super::ir::{IntPredicate, Value};
use super::ops::{self, Known};
use crate::expr::{ExprId, TensorId};
use crate::loops::{For, LoopKind, Stmt, visit};
use crate::scalar::ReduceOp;

/// What a reduction joins to an element.
#[derive(Clone, Copy)]
pub(super) enum Term<'ctx> {
    /// A value.
    Plain(Value<'ctx>),
    /// A product of floats, to be added.
    Product(Value<'ctx>, Value<'ctx>),
}

impl<'ctx> Body<'ctx, '_> {
    /// Statements, one after another.
    pub(super) fn block(&mut self, block: &[Stmt]) {
        let (mut at, mut prepared) = (0, 0);
        while let Some(stmt) = block.get(at) {
            self.mark(stmt);
            if at >= prepared {
                prepared = at + self.load_columns(&block[at..]);
            }
            let columns = self.store_columns(&block[at..]);
            if columns > 0 {
                at += columns;
                continue;
            }
            let terms = self.dots(&block[at..]);
            if terms > 0 {
                at += terms;
                self.memo.forget_varying();
                continue;
            }
            at += 1;
            match stmt {
                Stmt::For(nest) => self.nest(nest),
                Stmt::If { cond, then, otherwise } => self.condition(*cond, then, otherwise),
                Stmt::Store { buffer, at, value } => self.assign(*buffer, at, *value),
                Stmt::Reduce { buffer, at, op, value } => self.reduce(*buffer, at, *op, *value),
                // Temporaries were made at the entry; what they hold before the first store is nobody's concern.
                Stmt::Alloc { body, .. } => self.block(body),
                Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {
                    unreachable!("a kernel with barriers was refused")
                }
            }
            self.memo.forget_varying();
        }
    }

    /// What is emitted from here on comes from what a statement writes, if it writes.
    fn mark(&self, stmt: &Stmt) {
        let place = visit::written(stmt).and_then(|(buffer, _)| self.marks.stored.get(buffer));
        self.cx.mark(self.function, place);
    }

    /// The head of a function comes from its first statement.
    pub(super) fn mark_first(&self, block: &[Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::For(For { body, .. }) | Stmt::Alloc { body, .. } => self.mark_first(body),
                Stmt::If { then, .. } => self.mark_first(then),
                _ => self.mark(stmt),
            }
            if self.cx.location().is_some() {
                break;
            }
        }
    }

    fn nest(&mut self, nest: &For) {
        match nest.kind {
            LoopKind::Parallel => self.parallel(nest),
            LoopKind::Vector => self.vector(nest),
            // What was to be unrolled is already, if it was not too much.
            LoopKind::Serial | LoopKind::Unroll | LoopKind::Tensor => self.count(nest),
            LoopKind::Grid(_) | LoopKind::Block(_) => unreachable!("a kernel for a GPU was refused"),
        }
    }

    /// One iteration after another.
    pub(super) fn count(&mut self, nest: &For) {
        let kernel = self.kernel;
        let name = &kernel.axes[nest.axis].name;
        self.memo.push();
        if nest.extent == 1 {
            self.axes.insert(nest.axis, self.index(0));
            self.block(&nest.body);
        } else {
            let (before, start) = (self.cx.ir.block(), self.new_block(name));
            self.cx.ir.jump(start);
            self.cx.ir.enter(start);
            let axis = self.cx.ir.phi(&[(self.index(0), before)], name);
            self.axes.insert(nest.axis, axis);
            self.block(&nest.body);
            let next = self.cx.ir.nuw_add(axis, self.index(1));
            let done = self.cx.ir.icmp(IntPredicate::LLVMIntEQ, next, self.index(nest.extent));
            self.cx.ir.add_incoming(axis, &[(next, self.cx.ir.block())]);
            let end = self.new_block(&format!("{name}.end"));
            let branch = self.cx.ir.branch(done, end, start);
            if joins_vectors(&nest.body) {
                hints::keep_rolled(&self.cx.ir, branch);
            } else {
                hints::mark_loop(&self.cx.ir, branch, self.vectors);
            }
            self.cx.ir.enter(end);
        }
        self.axes.remove(nest.axis);
        self.memo.pop();
    }

    fn condition(&mut self, cond: ExprId, then: &[Stmt], otherwise: &[Stmt]) {
        let chosen = self.value(cond);
        self.memo.forget_varying();
        if chosen.lanes().is_some() {
            return self.masked_condition(chosen, then, otherwise);
        }
        // Blocks are made where they stand in the text; the branch, and the ways out, follow when all of them exist.
        let before = self.cx.ir.block();
        let (yes, yes_end) = self.side("then", |body| body.block(then));
        let no = (!otherwise.is_empty()).then(|| self.side("else", |body| body.block(otherwise)));
        let join = self.new_block("join");
        self.cx.ir.enter(before);
        self.cx.ir.branch(chosen, yes, no.map_or(join, |(start, _)| start));
        for end in [Some(yes_end), no.map(|(_, end)| end)].into_iter().flatten() {
            self.cx.ir.enter(end);
            self.cx.ir.jump(join);
        }
        self.cx.ir.enter(join);
    }

    /// What `inner` does, only where `cond` holds.
    pub(super) fn when(&mut self, cond: Value<'ctx>, inner: impl FnOnce(&mut Self)) {
        let before = self.cx.ir.block();
        let (start, end) = self.side("then", inner);
        let join = self.new_block("join");
        self.cx.ir.enter(before);
        self.cx.ir.branch(cond, start, join);
        self.cx.ir.enter(end);
        self.cx.ir.jump(join);
        self.cx.ir.enter(join);
    }

    /// Statements in blocks of their own: the first one, and the one in which they end.
    fn side(&mut self, name: &str, inner: impl FnOnce(&mut Self)) -> (BasicBlock<'ctx>, BasicBlock<'ctx>) {
        let start = self.new_block(name);
        self.cx.ir.enter(start);
        self.memo.push();
        inner(self);
        self.memo.pop();
        (start, self.cx.ir.block())
    }

    fn assign(&mut self, buffer: TensorId, at: &[ExprId], value: ExprId) {
        let value = self.value(value);
        if self.lanes.is_some() {
            return self.assign_lanes(buffer, at, value);
        }
        let address = self.address(buffer, at);
        self.store(buffer, value, Spot::One(address), None);
    }

    fn reduce(&mut self, buffer: TensorId, at: &[ExprId], op: ReduceOp, value: ExprId) {
        if self.lanes.is_some() {
            return self.reduce_lanes(buffer, at, op, value);
        }
        let term = self.term(op, value);
        let spot = Spot::One(self.address(buffer, at));
        let old = self.read(buffer, spot, None);
        let new = self.join(buffer, op, old, term);
        self.store(buffer, new, spot, None);
    }

    /// What a reduction joins; a product that is summed stays one, to be fused with the sum.
    pub(super) fn term(&mut self, op: ReduceOp, value: ExprId) -> Term<'ctx> {
        match self.float_product(value) {
            Some((a, b)) if op == ReduceOp::Sum => {
                let (a, b) = (self.value(a), self.value(b));
                Term::Product(a, b)
            }
            _ => Term::Plain(self.value(value)),
        }
    }

    /// The old value of an element of `buffer` and a new term.
    pub(super) fn join(&self, buffer: TensorId, op: ReduceOp, old: Value<'ctx>, term: Term<'ctx>) -> Value<'ctx> {
        match term {
            Term::Product(a, b) => ops::multiply_add(self.cx, a, b, old),
            Term::Plain(value) => {
                let dtype = self.kernel.buffers[buffer].dtype;
                let operands = self.cx.ir.alike(old, value);
                ops::binary(self.cx, op.combine(), dtype, operands, Known::default())
            }
        }
    }
}

/// Whether vectors of sums grow in a block. How many terms are written out there is the schedule's to say: LLVM would
/// write out short loops whole, and keep in registers what several terms read, more than there are registers.
fn joins_vectors(block: &[Stmt]) -> bool {
    block.iter().any(|stmt| match stmt {
        Stmt::For(inner) if inner.kind == LoopKind::Vector => has_reduce(&inner.body),
        Stmt::For(inner) => joins_vectors(&inner.body),
        Stmt::Alloc { body, .. } => joins_vectors(body),
        Stmt::If { then, otherwise, .. } => joins_vectors(then) || joins_vectors(otherwise),
        Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => false,
    })
}

fn has_reduce(block: &[Stmt]) -> bool {
    block.iter().any(|stmt| match stmt {
        Stmt::Reduce { .. } => true,
        Stmt::If { then, otherwise, .. } => has_reduce(then) || has_reduce(otherwise),
        Stmt::For(For { body, .. }) | Stmt::Alloc { body, .. } => has_reduce(body),
        Stmt::Store { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => false,
    })
}
