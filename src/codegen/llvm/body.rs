//! The function that computes: all memory comes as arguments, and it returns nothing.
//!
//! ```text
//! define internal void @gemm.body(ptr noalias … %A, ptr noalias … %B, ptr noalias … %C, temporaries…)
//! ```
//!
//! Parameters are followed by the temporaries of the workspace. Each is a pointer of its own, so that `noalias` says
//! of every buffer that nothing else overlaps it. Null was excluded by the caller, `entry`.

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::basic_block::BasicBlock;
use inkwell::module::Linkage;
use inkwell::types::BasicType;
use inkwell::values::FunctionValue;

use super::expr::Memo;
use super::ir::Value;
use super::types::Cx;
use crate::arena::IdMap;
use crate::codegen::bounds::Bounds;
use crate::codegen::plan::{ALIGN, Place, Plan};
use crate::expr::{AxisId, TensorId};
use crate::loops::{Buffer, BufferKind, Kernel};
use crate::scalar::{Const, DType};

/// The state of emitting one kernel's computation.
pub(super) struct Body<'ctx, 'k> {
    pub(super) cx: &'k Cx<'ctx>,
    pub(super) kernel: &'k Kernel,
    pub(super) bounds: Bounds,
    pub(super) pointers: IdMap<TensorId, Value<'ctx>>,
    pub(super) axes: IdMap<AxisId, Value<'ctx>>,
    pub(super) memo: Memo<'ctx>,
    function: FunctionValue<'ctx>,
}

/// Emits the computation.
pub(super) fn emit<'ctx>(cx: &Cx<'ctx>, kernel: &Kernel, plan: &Plan) -> FunctionValue<'ctx> {
    let mut pointers = IdMap::new();
    let function = declare(cx, kernel, plan, &mut pointers);
    cx.ir.enter(cx.ir.context.append_basic_block(function, "entry"));
    for (id, buffer) in kernel.buffers.iter() {
        if let BufferKind::Constant(values) = &buffer.kind {
            pointers.insert(id, table(cx, buffer, values));
        }
    }
    for &temp in &plan.temps {
        if plan.places.get(temp) == Some(&Place::Stack) {
            pointers.insert(temp, on_stack(cx, &kernel.buffers[temp]));
        }
    }
    let bounds = Bounds::of(kernel);
    let mut body = Body { cx, kernel, bounds, pointers, axes: IdMap::new(), memo: Memo::default(), function };
    body.memo.push();
    body.block(&kernel.body);
    body.memo.pop();
    cx.ir.ret(None);
    function
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
    let ids: Vec<_> = kernel.params.iter().copied().chain(plan.in_workspace().map(|(temp, _)| temp)).collect();
    let kind = cx.ir.context.void_type().fn_type(&vec![cx.pointer().into(); ids.len()], false);
    let function = cx.module.add_function(&format!("{}.body", kernel.name), kind, Some(Linkage::Internal));
    super::entry::common_attributes(cx, function);
    // Inlined into its only caller it would lose what its parameters say about overlap.
    function.add_attribute(AttributeLoc::Function, attribute(cx, "noinline", 0));
    for (&id, (nth, param)) in ids.iter().zip(function.get_params().into_iter().enumerate()) {
        let buffer = &kernel.buffers[id];
        param.set_name(&buffer.name);
        let loc = AttributeLoc::Param(nth as u32);
        for attribute in param_attributes(cx, buffer) {
            function.add_attribute(loc, attribute);
        }
        pointers.insert(id, Value::of(&param));
    }
    function
}

fn param_attributes(cx: &Cx<'_>, buffer: &Buffer) -> Vec<Attribute> {
    let align = if let BufferKind::Temp(_) = buffer.kind { ALIGN } else { buffer.dtype.bytes() };
    let mut attributes = vec![
        attribute(cx, "noalias", 0),
        attribute(cx, "nofree", 0),
        attribute(cx, "noundef", 0),
        attribute(cx, "nonnull", 0),
        // Value 0 means that nothing of the pointer is kept.
        attribute(cx, "captures", 0),
        attribute(cx, "align", align as u64),
        attribute(cx, "dereferenceable", buffer.bytes() as u64),
    ];
    if let BufferKind::Input { .. } = buffer.kind {
        attributes.push(attribute(cx, "readonly", 0));
    }
    attributes
}

/// An attribute that LLVM knows by name.
pub(super) fn attribute(cx: &Cx<'_>, name: &str, value: u64) -> Attribute {
    cx.ir.context.create_enum_attribute(Attribute::get_named_enum_kind_id(name), value)
}

fn on_stack<'ctx>(cx: &Cx<'ctx>, buffer: &Buffer) -> Value<'ctx> {
    let scalar = cx.memory(buffer.dtype);
    let slot = if buffer.shape.is_empty() {
        cx.ir.builder.build_alloca(scalar, &buffer.name)
    } else {
        cx.ir.builder.build_alloca(scalar.array_type(buffer.len() as u32), &buffer.name)
    };
    let slot = slot.expect("the builder stands in the entry block");
    if buffer.bytes() >= ALIGN
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
