//! Parallel loops on OpenMP's threads.
//!
//! A fork (see `codegen::forks`) becomes a call of `GOMP_parallel`, which GCC's libgomp and LLVM's libomp both have, and
//! two functions:
//!
//! ```text
//! gemm.i.thread(args)                  each thread runs it once: which part is mine? Calls, if there is any:
//! gemm.i(from, to, A, B, C, …)         iterations from, from + 1, … to - 1
//! ```
//!
//! `args` points to what the loop uses from outside: buffers, axes, and the workspace. The second function has the
//! buffers as parameters, so that `noalias` says of them what it says in the body of the kernel; temporaries of an
//! iteration are on its stack, or in the thread's part of the workspace.
//!
//! The parts are contiguous and differ by one unit at most (an iteration, or a grain of small ones). No result depends
//! on their number: the loop over units is neither vectorised nor unrolled, so all of them run the same instructions.

use std::collections::BTreeSet;

use inkwell::attributes::AttributeLoc;
use inkwell::module::Linkage;
use inkwell::types::{BasicTypeEnum, StructType};
use inkwell::values::FunctionValue;

use super::body::{self, Body, attribute};
use super::entry::{at_offset, external};
use super::expr::Memo;
use super::hints;
use super::ir::{IntPredicate, Value};
use super::types::Cx;
use crate::arena::IdMap;
use crate::codegen::plan;
use crate::expr::{AxisId, Expr, TensorId};
use crate::loops::{BufferKind, For, Kernel, Stmt, visit};
use crate::scalar::DType;

/// What the body of a kernel knows about its threads.
#[derive(Clone, Copy)]
pub(super) struct Team<'ctx> {
    /// How many there are at most, an `i32`.
    pub(super) threads: Value<'ctx>,
    /// The workspace of the first; those of the others follow.
    pub(super) slots: Option<Value<'ctx>>,
}

/// What a block uses, from inside and outside of it.
#[derive(Default)]
pub(super) struct Used {
    pub(super) tensors: BTreeSet<TensorId>,
    axes: BTreeSet<AxisId>,
}

/// What a fork takes from outside.
struct Captured<'ctx> {
    tensors: Vec<TensorId>,
    axes: Vec<AxisId>,
    /// The temporaries of an iteration that are in the workspace, with their offsets.
    temps: Vec<(TensorId, usize)>,
    /// The workspace of the first thread, if any is needed.
    slots: Option<Value<'ctx>>,
}

/// How many threads the next fork may have.
pub(super) fn max_threads<'ctx>(cx: &Cx<'ctx>) -> Value<'ctx> {
    ask(cx, "omp_get_max_threads")
}

/// Calls a function that gives an `int`.
fn ask<'ctx>(cx: &Cx<'ctx>, name: &str) -> Value<'ctx> {
    let kind = cx.ir.context.i32_type().fn_type(&[], false);
    cx.ir.call(external(cx, name, kind), &[])
}

/// What the statements of a block use.
pub(super) fn used(kernel: &Kernel, block: &[Stmt], all: &mut Used) {
    for stmt in block {
        for root in visit::expressions(stmt) {
            all.axes.extend(kernel.pool.axes(root));
            kernel.pool.visit(root, &mut |_, expr| {
                if let Expr::Load { tensor, .. } = expr {
                    all.tensors.insert(*tensor);
                }
            });
        }
        all.tensors.extend(visit::written(stmt).map(|(buffer, _)| buffer));
        match stmt {
            Stmt::For(For { body, .. }) | Stmt::Alloc { body, .. } => used(kernel, body, all),
            Stmt::If { then, otherwise, .. } => {
                used(kernel, then, all);
                used(kernel, otherwise, all);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}

impl<'ctx> Body<'ctx, '_> {
    /// A parallel loop: a fork where the plan says so, outside of any other; else one iteration after another.
    pub(super) fn parallel(&mut self, nest: &For) {
        match self.team {
            Some(team) if self.plan.forks.has(nest) => self.fork(nest, team),
            _ => self.count(nest),
        }
    }

    fn fork(&mut self, nest: &For, team: Team<'ctx>) {
        let here = self.cx.ir.block();
        let location = self.cx.location();
        self.cx.restore(None);
        let captured = self.captured(nest, team);
        let part = self.part(nest, &captured);
        let args = self.arguments_type(&captured);
        let thread = self.thread(nest, &captured, part, args);
        self.cx.ir.enter(here);
        self.cx.restore(location);
        let tensors = captured.tensors.iter().map(|&id| self.pointers.get(id).copied());
        let axes = captured.axes.iter().map(|&axis| self.axes.get(axis).copied());
        let values: Vec<_> = tensors.chain(axes).flatten().chain(captured.slots).collect();
        let slot = self.alloca_at_entry(args);
        for (nth, value) in values.into_iter().enumerate() {
            self.cx.ir.store(value, self.cx.ir.field(args, slot, nth as u32));
        }
        let (pointer, int) = (self.cx.pointer().into(), self.cx.ir.context.i32_type().into());
        let kind = self.cx.ir.context.void_type().fn_type(&[pointer, pointer, int, int], false);
        let run = external(self.cx, "GOMP_parallel", kind);
        let thread = Value::of(&thread.as_global_value().as_pointer_value());
        let flags = self.cx.ir.int_of(self.cx.register(DType::I32), 0);
        self.cx.ir.call(run, &[thread, slot, team.threads, flags]);
    }

    fn captured(&self, nest: &For, team: Team<'ctx>) -> Captured<'ctx> {
        let mut all = Used::default();
        used(self.kernel, &nest.body, &mut all);
        let temps = plan::inside(&nest.body);
        let is_outside =
            |id: &TensorId| !temps.contains(id) && !matches!(self.kernel.buffers[*id].kind, BufferKind::Constant(_));
        Captured {
            tensors: all.tensors.into_iter().filter(is_outside).collect(),
            axes: all.axes.into_iter().filter(|&axis| self.axes.get(axis).is_some()).collect(),
            slots: team.slots.filter(|_| self.plan.in_workspace(&temps).next().is_some()),
            temps: self.plan.in_workspace(&temps).collect(),
        }
    }

    /// The function that runs some iterations.
    fn part(&self, nest: &For, captured: &Captured<'ctx>) -> FunctionValue<'ctx> {
        let cx = self.cx;
        let (pointer, index) = (cx.pointer().into(), cx.ir.context.i64_type().into());
        let tensors: Vec<_> =
            captured.tensors.iter().copied().chain(captured.temps.iter().map(|&(id, _)| id)).collect();
        let kinds =
            [index; 2].into_iter().chain(tensors.iter().map(|_| pointer)).chain(captured.axes.iter().map(|_| index));
        let function = internal(cx, &self.name_of(nest), &kinds.collect::<Vec<_>>());
        // Inlined into its only caller it would lose what its parameters say about overlap.
        function.add_attribute(AttributeLoc::Function, attribute(cx, "noinline", 0));
        let params = function.get_params();
        let (bounds, params) = params.split_at(2);
        let (buffers, outer) = params.split_at(tensors.len());
        let mut pointers = IdMap::new();
        for (id, buffer) in self.kernel.buffers.iter() {
            if let (BufferKind::Constant(_), Some(&table)) = (&buffer.kind, self.pointers.get(id)) {
                pointers.insert(id, table);
            }
        }
        for (nth, (&id, param)) in tensors.iter().zip(buffers).enumerate() {
            let described = (&self.kernel.buffers[id], self.plan.alignment(self.kernel, id));
            body::describe_param(cx, function, nth + bounds.len(), described, body::Escapes::Never);
            pointers.insert(id, Value::of(param));
        }
        let mut axes = IdMap::new();
        for (&axis, param) in captured.axes.iter().zip(outer) {
            param.set_name(&self.kernel.axes[axis].name);
            axes.insert(axis, Value::of(param));
        }
        bounds[0].set_name("from");
        bounds[1].set_name("to");
        let bounds = (Value::of(&bounds[0]), Value::of(&bounds[1]));
        self.emit_part(nest, function, pointers, axes, bounds);
        function
    }

    fn emit_part(
        &self,
        nest: &For,
        function: FunctionValue<'ctx>,
        mut pointers: IdMap<TensorId, Value<'ctx>>,
        axes: IdMap<AxisId, Value<'ctx>>,
        (from, to): (Value<'ctx>, Value<'ctx>),
    ) {
        let (cx, kernel, plan) = (self.cx, self.kernel, self.plan);
        cx.ir.enter(cx.ir.context.append_basic_block(function, "entry"));
        for temp in plan.on_stack(&plan::inside(&nest.body)) {
            pointers.insert(temp, body::on_stack(cx, &kernel.buffers[temp], plan.alignment(kernel, temp)));
        }
        let mut inner = Body { pointers, axes, function, team: None, memo: Memo::default(), ..*self };
        inner.memo.push();
        inner.mark_first(&nest.body);
        let branch = match plan.forks.grain(nest) {
            1 => inner.span(&kernel.axes[nest.axis].name, (from, to), |inner, axis| inner.iteration(nest, axis)),
            grain => inner.span("unit", (from, to), |inner, unit| inner.unit(nest, unit, grain)),
        };
        hints::keep_rolled(&cx.ir, branch);
        cx.ir.ret(None);
        cx.restore(None);
    }

    fn iteration(&mut self, nest: &For, axis: Value<'ctx>) {
        self.axes.insert(nest.axis, axis);
        self.block(&nest.body);
    }

    /// A grain of iterations; the last grain may be smaller.
    fn unit(&mut self, nest: &For, unit: Value<'ctx>, grain: i64) {
        let ir = &self.cx.ir;
        let first = ir.nuw_mul(unit, self.index(grain));
        let mut last = ir.nuw_add(first, self.index(grain));
        if nest.extent % grain != 0 {
            let extent = self.index(nest.extent);
            last = ir.select(ir.icmp(IntPredicate::LLVMIntULT, last, extent), last, extent);
        }
        let name = &self.kernel.axes[nest.axis].name;
        self.span(name, (first, last), |inner, axis| inner.iteration(nest, axis));
    }

    /// A loop from a value to a larger one, exclusive; gives the branch that ends it.
    fn span(
        &mut self,
        name: &str,
        (from, to): (Value<'ctx>, Value<'ctx>),
        body: impl FnOnce(&mut Self, Value<'ctx>),
    ) -> Value<'ctx> {
        let (before, start) = (self.cx.ir.block(), self.new_block(name));
        self.cx.ir.jump(start);
        self.cx.ir.enter(start);
        self.memo.push();
        let axis = self.cx.ir.phi(&[(from, before)], name);
        body(self, axis);
        let next = self.cx.ir.nuw_add(axis, self.index(1));
        let done = self.cx.ir.icmp(IntPredicate::LLVMIntEQ, next, to);
        self.cx.ir.add_incoming(axis, &[(next, self.cx.ir.block())]);
        let end = self.new_block(&format!("{name}.end"));
        let branch = self.cx.ir.branch(done, end, start);
        self.cx.ir.enter(end);
        self.memo.pop();
        branch
    }

    /// The struct through which the threads see what is outside.
    fn arguments_type(&self, captured: &Captured<'ctx>) -> StructType<'ctx> {
        let (pointer, index): (BasicTypeEnum<'_>, BasicTypeEnum<'_>) =
            (self.cx.pointer().into(), self.cx.ir.context.i64_type().into());
        let tensors = captured.tensors.iter().map(|_| pointer);
        let fields = tensors.chain(captured.axes.iter().map(|_| index)).chain(captured.slots.map(|_| pointer));
        self.cx.ir.context.struct_type(&fields.collect::<Vec<_>>(), false)
    }

    /// The function that each thread runs: finds its part, and calls `part` for it.
    fn thread(
        &self,
        nest: &For,
        captured: &Captured<'ctx>,
        part: FunctionValue<'ctx>,
        args: StructType<'ctx>,
    ) -> FunctionValue<'ctx> {
        let (cx, ir) = (self.cx, &self.cx.ir);
        let function = internal(cx, &format!("{}.thread", self.name_of(nest)), &[cx.pointer().into()]);
        function.get_params()[0].set_name("args");
        let outer = Value::of(&function.get_params()[0]);
        ir.enter(ir.context.append_basic_block(function, "entry"));
        let index = cx.register(DType::I64);
        let threads = ir.zext(ask(cx, "omp_get_num_threads"), index);
        let own = ir.zext(ask(cx, "omp_get_thread_num"), index);
        let units = self.index(self.plan.forks.units(nest));
        // The first `rest` threads have one unit more than the others.
        let (least, rest) = (ir.udiv(units, threads), ir.urem(units, threads));
        let is_longer = ir.icmp(IntPredicate::LLVMIntULT, own, rest);
        let from = ir.nuw_add(ir.nuw_mul(own, least), ir.select(is_longer, own, rest));
        let to = ir.nuw_add(from, ir.nuw_add(least, ir.zext(is_longer, index)));
        let (some, none) =
            (ir.context.append_basic_block(function, "some"), ir.context.append_basic_block(function, "none"));
        ir.branch(ir.icmp(IntPredicate::LLVMIntULT, from, to), some, none);
        ir.enter(some);
        let mut nth = 0..;
        let mut next = |kind| ir.load(kind, ir.field(args, outer, nth.next().expect("it has no end")), "");
        let mut values = vec![from, to];
        values.extend(captured.tensors.iter().map(|_| next(cx.pointer().into())));
        let axes: Vec<_> = captured.axes.iter().map(|_| next(index)).collect();
        if captured.slots.is_some() {
            let bytes = self.plan.per_thread.unwrap_or(0);
            let slots = next(cx.pointer().into());
            let slot = ir.element(cx.memory(DType::U8), slots, ir.nuw_mul(own, self.index(bytes as i64)));
            values.extend(captured.temps.iter().map(|&(_, offset)| at_offset(cx, slot, offset)));
        }
        values.extend(axes);
        ir.call(part, &values);
        ir.jump(none);
        ir.enter(none);
        ir.ret(None);
        function
    }

    fn name_of(&self, nest: &For) -> String {
        format!("{}.{}", self.kernel.name, self.kernel.axes[nest.axis].name)
    }

    /// Room for `args` on the stack of this function, however often the fork runs.
    fn alloca_at_entry(&self, kind: StructType<'ctx>) -> Value<'ctx> {
        let (here, location) = (self.cx.ir.block(), self.cx.location());
        let entry = self.function.get_first_basic_block().expect("a function that is being built has a block");
        match entry.get_first_instruction() {
            Some(first) => self.cx.ir.builder.position_before(&first),
            None => self.cx.ir.enter(entry),
        }
        let slot = self.cx.ir.builder.build_alloca(kind, "args").expect("the builder stands in the entry block");
        self.cx.ir.enter(here);
        self.cx.restore(location);
        Value::of(&slot)
    }
}

/// A function of this module alone that returns nothing.
fn internal<'ctx>(
    cx: &Cx<'ctx>,
    name: &str,
    params: &[inkwell::types::BasicMetadataTypeEnum<'ctx>],
) -> FunctionValue<'ctx> {
    let kind = cx.ir.context.void_type().fn_type(params, false);
    let function = cx.module.add_function(name, kind, Some(Linkage::Internal));
    super::entry::common_attributes(cx, function);
    function
}
