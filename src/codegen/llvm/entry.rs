//! The functions that C sees. They check and allocate; the computation is in `body`.
//!
//! ```text
//! int32_t NAME(const float *A, …)      0; 1 for a null pointer; 2 out of memory; 3 for a block that is not aligned
//! int32_t NAME_call(void *const *args) the same with the arguments in an array
//! size_t NAME_pack_bytes(void)         the size of the block of an export with `const` arguments
//! ```
//!
//! Parameters that lie in one block are one argument, in the place of the first of them.

use inkwell::attributes::AttributeLoc;
use inkwell::module::Linkage;
use inkwell::types::FunctionType;
use inkwell::values::FunctionValue;

use super::body::attribute;
use super::ir::{IntPredicate, Value};
use super::types::Cx;
use super::{parallel, workspace};
use crate::codegen::plan::{ALIGN, Plan};
use crate::expr::TensorId;
use crate::loops::Kernel;
use crate::scalar::DType;

/// What an exported function returns.
#[derive(Clone, Copy)]
enum Status {
    Fine,
    NullPointer,
    OutOfMemory,
    Misaligned,
}

/// An argument of an exported function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Arg {
    Tensor(TensorId),
    /// That in which parameters lie together.
    Block,
}

/// The arguments of the function that a kernel becomes.
fn arguments(kernel: &Kernel, plan: &Plan) -> Vec<Arg> {
    let is_packed = |id: TensorId| plan.block.iter().any(|&(part, _)| part == id);
    let params = kernel.params.iter().map(|&id| if is_packed(id) { Arg::Block } else { Arg::Tensor(id) });
    let mut args: Vec<_> = params.collect();
    args.dedup();
    args
}

/// Emits `NAME_pack_bytes`.
pub(super) fn pack_bytes(cx: &Cx<'_>, name: &str, bytes: usize) {
    let size = cx.ir.context.i64_type();
    let function = cx.module.add_function(&format!("{name}_pack_bytes"), size.fn_type(&[], false), None);
    common_attributes(cx, function);
    cx.ir.enter(cx.ir.context.append_basic_block(function, "entry"));
    cx.ir.ret(Some(cx.ir.int_of(size.into(), bytes as i64)));
}

/// Emits the exported functions around `body`.
pub(super) fn emit<'ctx>(cx: &Cx<'ctx>, kernel: &Kernel, plan: &Plan, body: FunctionValue<'ctx>) {
    let function = direct(cx, kernel, plan, body);
    by_array(cx, kernel, function, arguments(kernel, plan).len());
}

/// Attributes of every function that has a body.
pub(super) fn common_attributes<'ctx>(cx: &Cx<'ctx>, function: FunctionValue<'ctx>) {
    let context = cx.ir.context;
    function.add_attribute(AttributeLoc::Function, attribute(cx, "nounwind", 0));
    let mut texts = vec![("target-cpu", cx.cpu.cpu.as_str())];
    if !cx.cpu.features.is_empty() {
        texts.push(("target-features", &cx.cpu.features));
    }
    for (key, value) in texts {
        function.add_attribute(AttributeLoc::Function, context.create_string_attribute(key, value));
    }
}

fn direct<'ctx>(cx: &Cx<'ctx>, kernel: &Kernel, plan: &Plan, body: FunctionValue<'ctx>) -> FunctionValue<'ctx> {
    let args = arguments(kernel, plan);
    let function = exported(cx, &kernel.name, args.len());
    let given: Vec<_> = function.get_params().iter().map(Value::of).collect();
    for (arg, param) in args.iter().zip(function.get_params()) {
        param.set_name(match arg {
            Arg::Tensor(id) => &kernel.buffers[*id].name,
            Arg::Block => "packed",
        });
    }
    let nulls = given.iter().map(|&arg| is_null(cx, arg));
    if let Some(any_null) = nulls.reduce(|a, b| cx.ir.or(a, b)) {
        leave_if(cx, function, any_null, "null", Status::NullPointer);
    }
    let place = |wanted: Arg| args.iter().position(|&arg| arg == wanted).map(|at| given[at]);
    if let Some(block) = place(Arg::Block) {
        leave_if(cx, function, is_misaligned(cx, block), "misaligned", Status::Misaligned);
    }
    let param = |&id: &TensorId| match plan.block.iter().find(|(part, _)| *part == id) {
        Some(&(_, offset)) => place(Arg::Block).map(|block| at_offset(cx, block, offset)),
        None => place(Arg::Tensor(id)),
    };
    let args: Vec<_> = kernel.params.iter().filter_map(param).collect();
    let threads = plan.per_thread.map(|_| parallel::max_threads(cx));
    let full = |cond| leave_if(cx, function, cond, "full", Status::OutOfMemory);
    if let Some(workspace) = workspace::take(cx, function, plan, threads, &full) {
        let temps = plan.in_workspace(&plan.temps).map(|(_, offset)| at_offset(cx, workspace.address, offset));
        let slots = plan.per_thread.filter(|&bytes| bytes > 0);
        let slots = slots.map(|_| at_offset(cx, workspace.address, plan.workspace));
        let all: Vec<_> = args.iter().copied().chain(temps).chain(threads).chain(slots).collect();
        cx.ir.call(body, &all);
        workspace::leave(cx, &workspace);
    } else {
        let all: Vec<_> = args.into_iter().chain(threads).collect();
        cx.ir.call(body, &all);
    }
    leave(cx, Status::Fine);
    function
}

fn by_array<'ctx>(cx: &Cx<'ctx>, kernel: &Kernel, function: FunctionValue<'ctx>, count: usize) {
    let caller = exported(cx, &format!("{}_call", kernel.name), 1);
    caller.get_params()[0].set_name("args");
    let array = Value::of(&caller.get_params()[0]);
    leave_if(cx, caller, is_null(cx, array), "null", Status::NullPointer);
    let pointer = cx.pointer().into();
    let args: Vec<_> = (0..count)
        .map(|nth| {
            let nth = cx.ir.int_of(cx.register(DType::I64), nth as i64);
            cx.ir.load(pointer, cx.ir.element(pointer, array, nth), "")
        })
        .collect();
    let status = cx.ir.call(function, &args);
    cx.ir.ret(Some(status));
}

/// A function of so many pointers, with its entry block.
fn exported<'ctx>(cx: &Cx<'ctx>, name: &str, pointers: usize) -> FunctionValue<'ctx> {
    let kind = cx.ir.context.i32_type().fn_type(&vec![cx.pointer().into(); pointers], false);
    let function = cx.module.add_function(name, kind, Some(Linkage::External));
    common_attributes(cx, function);
    cx.ir.enter(cx.ir.context.append_basic_block(function, "entry"));
    function
}

fn is_null<'ctx>(cx: &Cx<'ctx>, pointer: Value<'ctx>) -> Value<'ctx> {
    cx.ir.icmp(IntPredicate::LLVMIntEQ, pointer, Value::of(&cx.pointer().const_null()))
}

fn is_misaligned<'ctx>(cx: &Cx<'ctx>, pointer: Value<'ctx>) -> Value<'ctx> {
    let index = cx.register(DType::I64);
    let low = cx.ir.and(cx.ir.address_of(pointer, index), cx.ir.int_of(index, ALIGN as i64 - 1));
    cx.ir.icmp(IntPredicate::LLVMIntNE, low, cx.ir.int_of(index, 0))
}

/// Returns `status` where `cond` holds, else goes on.
fn leave_if<'ctx>(cx: &Cx<'ctx>, function: FunctionValue<'ctx>, cond: Value<'ctx>, name: &str, status: Status) {
    let out = cx.ir.context.append_basic_block(function, name);
    let on = cx.ir.context.append_basic_block(function, "go");
    cx.ir.branch(cond, out, on);
    cx.ir.enter(out);
    leave(cx, status);
    cx.ir.enter(on);
}

fn leave(cx: &Cx<'_>, status: Status) {
    cx.ir.ret(Some(cx.ir.int_of(cx.register(DType::I32), status as i64)));
}

/// The address so many bytes after another.
pub(super) fn at_offset<'ctx>(cx: &Cx<'ctx>, base: Value<'ctx>, offset: usize) -> Value<'ctx> {
    cx.ir.element(cx.memory(DType::U8), base, cx.ir.int_of(cx.register(DType::I64), offset as i64))
}

/// A function of a library.
pub(super) fn external<'ctx>(cx: &Cx<'ctx>, name: &str, kind: FunctionType<'ctx>) -> FunctionValue<'ctx> {
    cx.module.get_function(name).unwrap_or_else(|| cx.module.add_function(name, kind, None))
}
