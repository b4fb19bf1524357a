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

use super::body::Body;
use super::hints;
use super::ir::IntPredicate;
use super::ops::{self, Known};
use crate::expr::{ExprId, TensorId};
use crate::loops::{For, LoopKind, Stmt};
use crate::scalar::ReduceOp;

impl<'ctx> Body<'ctx, '_> {
    /// Statements, one after another.
    pub(super) fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::For(nest) => self.nest(nest),
                Stmt::If { cond, then, otherwise } => self.condition(*cond, then, otherwise),
                Stmt::Store { buffer, at, value } => self.assign(*buffer, at, *value),
                Stmt::Reduce { buffer, at, op, value } => self.reduce(*buffer, at, *op, *value),
                // Temporaries were made at the entry; what they hold before the first store is nobody's concern.
                Stmt::Alloc { body, .. } => self.block(body),
                Stmt::Barrier => unreachable!("a kernel with barriers was refused"),
            }
            self.memo.forget_varying();
        }
    }

    fn nest(&mut self, nest: &For) {
        match nest.kind {
            LoopKind::Parallel => self.parallel(nest),
            LoopKind::Serial | LoopKind::Unroll | LoopKind::Vector => self.count(nest),
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
            hints::mark_loop(&self.cx.ir, branch, nest.kind);
            self.cx.ir.enter(end);
        }
        self.axes.remove(nest.axis);
        self.memo.pop();
    }

    fn condition(&mut self, cond: ExprId, then: &[Stmt], otherwise: &[Stmt]) {
        let chosen = self.value(cond);
        self.memo.forget_varying();
        // Blocks are made where they stand in the text; the branch, and the ways out, follow when all of them exist.
        let before = self.cx.ir.block();
        let (yes, yes_end) = self.side("then", then);
        let no = (!otherwise.is_empty()).then(|| self.side("else", otherwise));
        let join = self.new_block("join");
        self.cx.ir.enter(before);
        self.cx.ir.branch(chosen, yes, no.map_or(join, |(start, _)| start));
        for end in [Some(yes_end), no.map(|(_, end)| end)].into_iter().flatten() {
            self.cx.ir.enter(end);
            self.cx.ir.jump(join);
        }
        self.cx.ir.enter(join);
    }

    /// Statements in blocks of their own: the first one, and the one in which they end.
    fn side(&mut self, name: &str, block: &[Stmt]) -> (BasicBlock<'ctx>, BasicBlock<'ctx>) {
        let start = self.new_block(name);
        self.cx.ir.enter(start);
        self.memo.push();
        self.block(block);
        self.memo.pop();
        (start, self.cx.ir.block())
    }

    fn assign(&mut self, buffer: TensorId, at: &[ExprId], value: ExprId) {
        let value = self.value(value);
        let address = self.address(buffer, at);
        self.store(self.kernel.buffers[buffer].dtype, value, address);
    }

    fn reduce(&mut self, buffer: TensorId, at: &[ExprId], op: ReduceOp, value: ExprId) {
        let dtype = self.kernel.buffers[buffer].dtype;
        let value = self.value(value);
        let address = self.address(buffer, at);
        let old = self.read(buffer, address);
        let new = ops::binary(self.cx, op.combine(), dtype, (old, value), Known::default());
        self.store(dtype, new, address);
    }
}
