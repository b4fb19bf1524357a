//! Stands for the CPU backend where ftc was built without LLVM: the same functions, which say that.

use super::places::Places;
use super::{CodegenError, Form};
use crate::loops::Kernel;
use crate::loops::pack::Packing;
use crate::target::{Cpu, Host};

/// The processor that ftc runs on: unknown without LLVM.
pub fn host() -> Option<Host> {
    None
}

/// One form of a kernel: never, without LLVM.
pub fn compile(_kernel: &Kernel, cpu: &Cpu, _form: Form) -> Result<Vec<u8>, CodegenError> {
    Err(CodegenError::NoLlvm { target: cpu.name.clone() })
}

/// Several forms of a kernel: never, without LLVM.
pub fn compile_forms(_kernel: &Kernel, cpu: &Cpu, _forms: &[Form]) -> Result<Vec<Vec<u8>>, CodegenError> {
    Err(CodegenError::NoLlvm { target: cpu.name.clone() })
}

/// Several forms of an export: never, without LLVM.
pub fn compile_export(
    _kernel: &Kernel,
    _packing: Option<&Packing>,
    cpu: &Cpu,
    _forms: &[Form],
) -> Result<Vec<Vec<u8>>, CodegenError> {
    Err(CodegenError::NoLlvm { target: cpu.name.clone() })
}

/// Several forms of an export with line information: never, without LLVM.
pub fn compile_noted(
    _kernel: &Kernel,
    _packing: Option<&Packing>,
    cpu: &Cpu,
    _forms: &[Form],
    _places: Option<&Places>,
) -> Result<Vec<Vec<u8>>, CodegenError> {
    Err(CodegenError::NoLlvm { target: cpu.name.clone() })
}
