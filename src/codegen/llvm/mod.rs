//! Loop IR to machine code for CPUs, through LLVM.

use super::{CodegenError, Form};
use crate::loops::Kernel;
use crate::target::{Cpu, Host};

/// The processor that ftc runs on, in LLVM's words.
pub fn host() -> Option<Host> {
    None
}

/// One form of a kernel.
pub fn compile(_kernel: &Kernel, cpu: &Cpu, _form: Form) -> Result<Vec<u8>, CodegenError> {
    Err(CodegenError::NoLlvm { target: cpu.name.clone() })
}

/// Several forms of a kernel, in the order asked for, from one module.
pub fn compile_forms(kernel: &Kernel, cpu: &Cpu, forms: &[Form]) -> Result<Vec<Vec<u8>>, CodegenError> {
    forms.iter().map(|&form| compile(kernel, cpu, form)).collect()
}
