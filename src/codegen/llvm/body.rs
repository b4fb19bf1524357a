//! The function that computes: all memory comes as arguments, and it returns nothing.
//!
//! ```text
//! define internal void @gemm.body(ptr noalias … %A, ptr noalias … %B, ptr noalias … %C, temporaries…, threads…)
//! ```
//!
//! Parameters are followed by the temporaries of the workspace. Each is a pointer of its own, so that `noalias` says
//! of every buffer that nothing else overlaps it. Null was excluded by the caller, `entry`. Where loops are parallel,
//! the number of threads and the address of their part of the workspace come last.

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::basic_block::BasicBlock;
use inkwell::module::Linkage;
use inkwell::types::{BasicMetadataTypeEnum, BasicType};
use inkwell::values::FunctionValue;

use super::access::Lanes;
use super::expr::Memo;
use super::ir::Value;
use super::parallel::{self, Team, Used};
use super::types::Cx;
use crate::arena::IdMap;
use crate::codegen::bounds::Bounds;
use crate::codegen::pattern::Patterns;
use crate::codegen::places::Marks;
use crate::codegen::plan::{ALIGN, Plan};
use crate::codegen::prepare::{Prepared, Vectors};
use crate::expr::{AxisId, TensorId};
use crate::loops::{Buffer, BufferKind, Kernel};
use crate::scalar::{Const, DType};

/// The state of emitting one kernel's computation.
pub(super) struct Body<'ctx, 'k> {
    pub(super) cx: &'k Cx<'ctx>,
    pub(super) kernel: &'k Kernel,
    pub(super) plan: &'k Plan,
    pub(super) bounds: &'k Bounds,
    pub(super) pointers: IdMap<TensorId, Value<'ctx>>,
    pub(super) axes: IdMap<AxisId, Value<'ctx>>,
    pub(super) memo: Memo<'ctx>,
    pub(super) patterns: &'k Patterns,
    /// The vector loop that is emitted.
    pub(super) lanes: Option<Lanes<'ctx>>,
    pub(super) vectors: Vectors,
    /// None where a parallel loop is not a fork.
    pub(super) team: Option<Team<'ctx>>,
    pub(super) function: FunctionValue<'ctx>,
    pub(super) marks: &'k Marks,
}

/// Whether a pointer may be stored somewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    Never,
    /// Threads find it in memory.
    ToThreads,
}

/// Emits the computation.
pub(super) fn emit<'ctx>(cx: &Cx<'ctx>, prepared: &Prepared, plan: &Plan, marks: &Marks) -> FunctionValue<'ctx> {
    let kernel = &prepared.kernel;
    let mut pointers = IdMap::new();
    let function = declare(cx, kernel, plan, &mut pointers);
    cx.ir.enter(cx.ir.context.append_basic_block(function, "entry"));
    for (id, buffer) in kernel.buffers.iter() {
        if let BufferKind::Constant(values) = &buffer.kind {
            pointers.insert(id, table(cx, buffer, values));
        }
    }
    for temp in plan.on_stack(&plan.temps) {
        pointers.insert(temp, on_stack(cx, &kernel.buffers[temp], plan.alignment(kernel, temp)));
    }
    let (bounds, team) = (&Bounds::of(kernel), team(plan, function));
    let (axes, memo) = (IdMap::new(), Memo::default());
    let (patterns, lanes, vectors) = (&prepared.patterns, None, prepared.vectors);
    let mut body =
        Body { cx, kernel, plan, bounds, pointers, axes, memo, patterns, lanes, vectors, team, function, marks };
    body.memo.push();
    body.mark_first(&kernel.body);
    body.block(&kernel.body);
    body.memo.pop();
    cx.ir.ret(None);
    cx.restore(None);
    function
}

/// The last parameters of the body.
fn team<'ctx>(plan: &Plan, function: FunctionValue<'ctx>) -> Option<Team<'ctx>> {
    let bytes = plan.per_thread?;
    let mut params = function.get_params();
    let slots = (bytes > 0).then(|| params.pop()).flatten();
    let threads = params.pop().expect("a body with forks is told the number of threads");
    threads.set_name("threads");
    if let Some(slots) = slots {
        slots.set_name("slots");
    }
    Some(Team { threads: Value::of(&threads), slots: slots.map(|slots| Value::of(&slots)) })
}

impl<'ctx> Body<'ctx, '_> {
    pub(super) fn new_block(&self, name: &str) -> BasicBlock<'ctx> {
        self.cx.ir.context.append_basic_block(self.function, name)
    }

    pub(super) fn index(&self, value: i64) -> Value<'ctx> {
        self.cx.ir.int_of(self.cx.register(DType::I64), value)
    }
}

fn declare<'ctx>(
    cx: &Cx<'ctx>,
    kernel: &Kernel,
    plan: &Plan,
    pointers: &mut IdMap<TensorId, Value<'ctx>>,
) -> FunctionValue<'ctx> {
    let temps = plan.in_workspace(&plan.temps).map(|(temp, _)| temp);
    let ids: Vec<_> = kernel.params.iter().copied().chain(temps).collect();
    let pointer = BasicMetadataTypeEnum::from(cx.pointer());
    let threads = plan.per_thread.map(|_| cx.ir.context.i32_type().into());
    let slots = plan.per_thread.filter(|&bytes| bytes > 0).map(|_| pointer);
    let params: Vec<_> = ids.iter().map(|_| pointer).chain(threads).chain(slots).collect();
    let kind = cx.ir.context.void_type().fn_type(&params, false);
    let function = cx.module.add_function(&format!("{}.body", kernel.name), kind, Some(Linkage::Internal));
    super::entry::common_attributes(cx, function);
    // Inlined into its only caller it would lose what its parameters say about overlap.
    function.add_attribute(AttributeLoc::Function, attribute(cx, "noinline", 0));
    let mut shared = Used::default();
    for fork in plan.forked(kernel) {
        parallel::used(kernel, &fork.body, &mut shared);
    }
    for (&id, (nth, param)) in ids.iter().zip(function.get_params().into_iter().enumerate()) {
        let escapes = if shared.tensors.contains(&id) { Escapes::ToThreads } else { Escapes::Never };
        describe_param(cx, function, nth, (&kernel.buffers[id], plan.alignment(kernel, id)), escapes);
        pointers.insert(id, Value::of(&param));
    }
    function
}

/// Names a parameter after its buffer, and says what is known of it.
pub(super) fn describe_param(
    cx: &Cx<'_>,
    function: FunctionValue<'_>,
    nth: usize,
    (buffer, alignment): (&Buffer, usize),
    escapes: Escapes,
) {
    let param = function.get_nth_param(nth as u32).expect("the function was declared with this parameter");
    param.set_name(&buffer.name);
    for attribute in param_attributes(cx, buffer, alignment, escapes) {
        function.add_attribute(AttributeLoc::Param(nth as u32), attribute);
    }
}

fn param_attributes(cx: &Cx<'_>, buffer: &Buffer, alignment: usize, escapes: Escapes) -> Vec<Attribute> {
    let mut attributes = vec![
        attribute(cx, "noalias", 0),
        attribute(cx, "nofree", 0),
        attribute(cx, "noundef", 0),
        attribute(cx, "nonnull", 0),
    ];
    if escapes == Escapes::Never {
        // Value 0 means that nothing of the pointer is kept.
        attributes.push(attribute(cx, "captures", 0));
    }
    attributes.push(attribute(cx, "align", alignment as u64));
    attributes.push(attribute(cx, "dereferenceable", buffer.bytes() as u64));
    if let BufferKind::Input { .. } = buffer.kind {
        attributes.push(attribute(cx, "readonly", 0));
    }
    attributes
}

/// An attribute that LLVM knows by name.
pub(super) fn attribute(cx: &Cx<'_>, name: &str, value: u64) -> Attribute {
    cx.ir.context.create_enum_attribute(Attribute::get_named_enum_kind_id(name), value)
}

/// Room for a temporary on the stack.
pub(super) fn on_stack<'ctx>(cx: &Cx<'ctx>, buffer: &Buffer, alignment: usize) -> Value<'ctx> {
    let scalar = cx.memory(buffer.dtype);
    let slot = if buffer.shape.is_empty() {
        cx.ir.builder.build_alloca(scalar, &buffer.name)
    } else {
        cx.ir.builder.build_alloca(scalar.array_type(buffer.len() as u32), &buffer.name)
    };
    let slot = slot.expect("the builder stands in the entry block");
    if alignment == ALIGN
        && let Some(instruction) = slot.as_instruction()
    {
        instruction.set_alignment(ALIGN as u32).expect("an alloca has an alignment");
    }
    Value::of(&slot)
}

/// A table of known values, as private memory.
fn table<'ctx>(cx: &Cx<'ctx>, buffer: &Buffer, values: &[Const]) -> Value<'ctx> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| element_bytes(buffer.dtype, *value)).collect();
    let initial = cx.ir.data(cx.memory(buffer.dtype), &bytes);
    let global = cx.module.add_global(cx.memory(buffer.dtype).array_type(values.len() as u32), None, &buffer.name);
    global.set_initializer(&initial);
    global.set_constant(true);
    global.set_linkage(Linkage::Private);
    global.set_unnamed_address(inkwell::values::UnnamedAddress::Global);
    global.set_alignment(ALIGN as u32);
    Value::of(&global.as_pointer_value())
}

/// An element as it lies in memory, lowest byte first.
fn element_bytes(dtype: DType, value: Const) -> Vec<u8> {
    let integer = value.as_int().unwrap_or(0);
    match dtype {
        DType::Bool => vec![u8::from(integer != 0)],
        DType::I8 | DType::U8 => vec![integer as u8],
        DType::I32 => (integer as i32).to_le_bytes().to_vec(),
        DType::I64 => integer.to_le_bytes().to_vec(),
        DType::F16 => half::f16::from_f64(value.to_f64()).to_le_bytes().to_vec(),
        DType::BF16 => half::bf16::from_f64(value.to_f64()).to_le_bytes().to_vec(),
        DType::F32 => (value.to_f64() as f32).to_le_bytes().to_vec(),
        DType::F64 => value.to_f64().to_le_bytes().to_vec(),
    }
}
