//! The workspace of a call: allocated, and where it is large, kept for the next call.
//!
//! A large block that is freed goes back to the system, and the next call faults on each of its pages: for layers with
//! many weights that costs as much as their arithmetic. So a call takes the block that an earlier one left, and leaves
//! its own; two calls at once have one each, and the second to end frees one.
//!
//! ```text
//! block = swap(kept, null)                              a call begins
//! if !block || size(block) < bytes { free(block); block = allocate(bytes) }
//! free(swap(kept, block))                               a call ends
//! free(swap(kept, null))                                the library is unloaded
//! ```
//!
//! A block that is kept begins with its size, in [`ALIGN`] bytes of its own.

use inkwell::attributes::AttributeLoc;
use inkwell::module::Linkage;
use inkwell::values::{FunctionValue, GlobalValue};

use super::body::attribute;
use super::entry::{at_offset, external};
use super::ir::{IntPredicate, Value};
use super::types::Cx;
use crate::codegen::plan::{ALIGN, Plan};
use crate::scalar::DType;

/// What the name of a global ends with that keeps a workspace. No export has a dot in its name.
const KEPT: &str = ".kept";
/// The priority of functions that run when a library goes: with the others that asked for none.
const LAST: u64 = 65535;

/// The workspace of the function that is being built.
pub(super) struct Workspace<'ctx> {
    /// Where the temporaries begin.
    pub(super) address: Value<'ctx>,
    /// What was allocated.
    block: Value<'ctx>,
    /// Where it is left for the next call.
    kept: Option<GlobalValue<'ctx>>,
}

/// Takes the workspace that a plan wants; none if it wants none. `name` is that of the function; where there is no
/// memory, `leave` is called with a condition that holds.
pub(super) fn take<'ctx>(
    cx: &Cx<'ctx>,
    function: FunctionValue<'ctx>,
    plan: &Plan,
    threads: Option<Value<'ctx>>,
    leave: &dyn Fn(Value<'ctx>),
) -> Option<Workspace<'ctx>> {
    let bytes = bytes(cx, plan, threads)?;
    let name = function.get_name().to_string_lossy();
    let kept = plan.memory().is_kept().then(|| global(cx, &name));
    let block = match kept {
        Some(kept) => kept_or_new(cx, function, kept, bytes),
        None => allocate(cx, bytes),
    };
    leave(cx.ir.icmp(IntPredicate::LLVMIntEQ, block, Value::of(&cx.pointer().const_null())));
    let address = if kept.is_some() { at_offset(cx, block, ALIGN) } else { block };
    Some(Workspace { address, block, kept })
}

/// Leaves a workspace for the next call, or frees it.
pub(super) fn leave<'ctx>(cx: &Cx<'ctx>, workspace: &Workspace<'ctx>) {
    let unused = match workspace.kept {
        Some(kept) => cx.ir.swap(Value::of(&kept.as_pointer_value()), workspace.block),
        None => workspace.block,
    };
    free(cx, unused);
}

/// How much a call needs; none if nothing.
fn bytes<'ctx>(cx: &Cx<'ctx>, plan: &Plan, threads: Option<Value<'ctx>>) -> Option<Value<'ctx>> {
    let index = cx.register(DType::I64);
    let constant = |value: usize| cx.ir.int_of(index, value as i64);
    let shared = constant(plan.workspace);
    let (Some(threads), Some(each @ 1..)) = (threads, plan.per_thread) else {
        return (plan.workspace > 0).then_some(shared);
    };
    let threads = cx.ir.zext(threads, index);
    let bytes = cx.ir.add(shared, cx.ir.mul(threads, constant(each)));
    let limit = (isize::MAX as usize - ALIGN) / ALIGN * ALIGN;
    let most = limit.saturating_sub(plan.workspace) / each;
    if most >= i32::MAX as usize {
        return Some(bytes);
    }
    // More than memory has: the allocation fails as it should.
    let fits = cx.ir.icmp(IntPredicate::LLVMIntULE, threads, constant(most));
    Some(cx.ir.select(fits, bytes, constant(limit)))
}

/// The block that an earlier call left, if it is large enough, or a new one; null where there is no memory.
fn kept_or_new<'ctx>(
    cx: &Cx<'ctx>,
    function: FunctionValue<'ctx>,
    kept: GlobalValue<'ctx>,
    bytes: Value<'ctx>,
) -> Value<'ctx> {
    let null = Value::of(&cx.pointer().const_null());
    let index = cx.register(DType::I64);
    let [found, stale, fresh, sized, ready] =
        ["found", "stale", "fresh", "sized", "ready"].map(|name| cx.ir.context.append_basic_block(function, name));
    let old = cx.ir.swap(Value::of(&kept.as_pointer_value()), null);
    cx.ir.branch(cx.ir.icmp(IntPredicate::LLVMIntEQ, old, null), fresh, found);
    cx.ir.enter(found);
    let size = cx.ir.load(index, old, "size");
    cx.ir.branch(cx.ir.icmp(IntPredicate::LLVMIntUGE, size, bytes), ready, stale);
    cx.ir.enter(stale);
    free(cx, old);
    cx.ir.jump(fresh);
    cx.ir.enter(fresh);
    let new = allocate(cx, cx.ir.add(bytes, cx.ir.int_of(index, ALIGN as i64)));
    cx.ir.branch(cx.ir.icmp(IntPredicate::LLVMIntEQ, new, null), ready, sized);
    cx.ir.enter(sized);
    cx.ir.store(bytes, new);
    cx.ir.jump(ready);
    cx.ir.enter(ready);
    cx.ir.phi(&[(old, found), (new, fresh), (new, sized)], "workspace")
}

/// Where the block of a function is kept.
fn global<'ctx>(cx: &Cx<'ctx>, name: &str) -> GlobalValue<'ctx> {
    let kept = cx.module.add_global(cx.pointer(), None, &format!("{name}{KEPT}"));
    kept.set_linkage(Linkage::Internal);
    kept.set_initializer(&cx.pointer().const_null());
    kept
}

/// Frees what the functions of a module keep, when the library goes or the program ends.
pub(super) fn free_when_unloaded(cx: &Cx<'_>) {
    let is_kept = |global: &GlobalValue<'_>| global.get_name().to_bytes().ends_with(KEPT.as_bytes());
    let kept: Vec<_> = cx.module.get_globals().filter(is_kept).collect();
    if kept.is_empty() {
        return;
    }
    let kind = cx.ir.context.void_type().fn_type(&[], false);
    let function = cx.module.add_function("unload", kind, Some(Linkage::Internal));
    super::entry::common_attributes(cx, function);
    cx.ir.enter(cx.ir.context.append_basic_block(function, "entry"));
    for kept in kept {
        let null = Value::of(&cx.pointer().const_null());
        free(cx, cx.ir.swap(Value::of(&kept.as_pointer_value()), null));
    }
    cx.ir.ret(None);
    let priority = cx.ir.context.i32_type().const_int(LAST, false);
    let address = function.as_global_value().as_pointer_value();
    let entry = cx.ir.context.const_struct(&[priority.into(), address.into(), cx.pointer().const_null().into()], false);
    let list = entry.get_type().const_array(&[entry]);
    let finish = cx.module.add_global(list.get_type(), None, "llvm.global_dtors");
    finish.set_linkage(Linkage::Appending);
    finish.set_initializer(&list);
}

fn free<'ctx>(cx: &Cx<'ctx>, block: Value<'ctx>) {
    let kind = cx.ir.context.void_type().fn_type(&[cx.pointer().into()], false);
    cx.ir.call(external(cx, "free", kind), &[block]);
}

/// `aligned_alloc` wants a multiple of the alignment, which a plan's workspace is.
fn allocate<'ctx>(cx: &Cx<'ctx>, bytes: Value<'ctx>) -> Value<'ctx> {
    let size = cx.ir.context.i64_type();
    let function = external(cx, "aligned_alloc", cx.pointer().fn_type(&[size.into(), size.into()], false));
    function.add_attribute(AttributeLoc::Return, attribute(cx, "noalias", 0));
    cx.ir.call(function, &[cx.ir.int_of(size.into(), ALIGN as i64), bytes])
}
