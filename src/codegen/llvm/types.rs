//! Element types as LLVM types, and the context that all emission shares.
//!
//! A value has two faces. In memory it is what the C interface says: a `bool` is a byte, `f16` and `bf16` are their
//! 16 bits. In a register a `bool` is an `i1`; the 16-bit floats stay bits, since all arithmetic is done in the
//! compute types and `convert` is the only one to look inside.

use inkwell::AddressSpace;
use inkwell::context::Context;
use inkwell::module::Module;
use inkwell::types::PointerType;

use super::debug::Debug;
use super::ir::{Ir, Scalar};
use crate::scalar::DType;
use crate::target::{Cpu, Facts};

/// What emission needs to know whatever the kernel.
pub(super) struct Cx<'ctx> {
    pub(super) ir: Ir<'ctx>,
    pub(super) module: Module<'ctx>,
    pub(super) cpu: Cpu,
    pub(super) facts: Facts,
    /// Where line information is asked for.
    pub(super) debug: Option<Debug<'ctx>>,
}

impl<'ctx> Cx<'ctx> {
    /// An empty module for one kernel.
    pub(super) fn new(context: &'ctx Context, name: &str, cpu: &Cpu) -> Self {
        let module = context.create_module(name);
        Self { ir: Ir::new(context), module, cpu: cpu.clone(), facts: cpu.facts(), debug: None }
    }

    /// The type of an element in a register.
    pub(super) fn register(&self, dtype: DType) -> Scalar<'ctx> {
        match dtype {
            DType::Bool => self.ir.context.bool_type().into(),
            _ => self.memory(dtype),
        }
    }

    /// The type of an element in memory.
    pub(super) fn memory(&self, dtype: DType) -> Scalar<'ctx> {
        let context = self.ir.context;
        match dtype {
            DType::Bool | DType::I8 | DType::U8 => context.i8_type().into(),
            DType::F16 | DType::BF16 => context.i16_type().into(),
            DType::I32 => context.i32_type().into(),
            DType::I64 => context.i64_type().into(),
            DType::F32 => context.f32_type().into(),
            DType::F64 => context.f64_type().into(),
        }
    }

    /// `half`, which only conversions see.
    pub(super) fn half(&self) -> Scalar<'ctx> {
        self.ir.context.f16_type().into()
    }

    /// A pointer.
    pub(super) fn pointer(&self) -> PointerType<'ctx> {
        self.ir.context.ptr_type(AddressSpace::default())
    }
}
