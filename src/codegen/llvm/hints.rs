//! Metadata that tells LLVM's loop passes what a loop is meant to become.

#![expect(unsafe_code, reason = "inkwell has no nodes that refer to themselves, which is what loop metadata is")]

use inkwell::llvm_sys::LLVMDiagnosticInfo;
use inkwell::llvm_sys::core::{
    LLVMConstInt, LLVMContextSetDiagnosticHandler, LLVMGetMDKindIDInContext, LLVMInt1TypeInContext,
    LLVMMDNodeInContext2, LLVMMDStringInContext2, LLVMMetadataAsValue, LLVMSetMetadata, LLVMValueAsMetadata,
};
use inkwell::llvm_sys::debuginfo::{LLVMMetadataReplaceAllUsesWith, LLVMTemporaryMDNode};
use inkwell::llvm_sys::prelude::{LLVMContextRef, LLVMMetadataRef};

use super::ir::{Ir, Value};
use crate::codegen::prepare::Vectors;

/// Marks the loop that ends with `branch`.
pub(super) fn mark_loop(ir: &Ir<'_>, branch: Value<'_>, vectors: Vectors) {
    let context = ir.context.raw();
    if vectors == Vectors::ByCompiler {
        return;
    }
    // SAFETY: a constant of the context.
    let no = unsafe { LLVMValueAsMetadata(LLVMConstInt(LLVMInt1TypeInContext(context), 0, 0)) };
    let hint = node(context, &mut [string(context, "llvm.loop.vectorize.enable"), no]);
    mark(context, branch, &[hint]);
}

/// Keeps the iterations of the loop that ends with `branch` as they are: all of them run the same instructions.
pub(super) fn keep_rolled(ir: &Ir<'_>, branch: Value<'_>) {
    let context = ir.context.raw();
    // SAFETY: a constant of the context.
    let no = unsafe { LLVMValueAsMetadata(LLVMConstInt(LLVMInt1TypeInContext(context), 0, 0)) };
    let scalar = node(context, &mut [string(context, "llvm.loop.vectorize.enable"), no]);
    let rolled = node(context, &mut [string(context, "llvm.loop.unroll.disable")]);
    mark(context, branch, &[scalar, rolled]);
}

fn mark(context: LLVMContextRef, branch: Value<'_>, hints: &[LLVMMetadataRef]) {
    // SAFETY: the first operand of a loop's node is the node itself; a temporary stands there until it exists.
    unsafe {
        let itself = LLVMTemporaryMDNode(context, std::ptr::null_mut(), 0);
        let mut operands: Vec<_> = [itself].into_iter().chain(hints.iter().copied()).collect();
        let mark = node(context, &mut operands);
        LLVMMetadataReplaceAllUsesWith(itself, mark);
        let key = "llvm.loop";
        let kind = LLVMGetMDKindIDInContext(context, key.as_ptr().cast(), key.len() as u32);
        LLVMSetMetadata(branch.raw(), kind, LLVMMetadataAsValue(context, mark));
    }
}

fn string(context: LLVMContextRef, text: &str) -> LLVMMetadataRef {
    // SAFETY: the length goes with the text, which LLVM copies.
    unsafe { LLVMMDStringInContext2(context, text.as_ptr().cast(), text.len()) }
}

fn node(context: LLVMContextRef, operands: &mut [LLVMMetadataRef]) -> LLVMMetadataRef {
    // SAFETY: the list is as long as the count says.
    unsafe { LLVMMDNodeInContext2(context, operands.as_mut_ptr(), operands.len()) }
}

/// Keeps LLVM from writing to stderr that it did not follow a hint.
pub(super) fn silence(context: &inkwell::context::Context) {
    extern "C" fn ignore(_: *mut LLVMDiagnosticInfo, _: *mut std::ffi::c_void) {}
    // SAFETY: the handler takes what LLVM passes and touches none of it.
    unsafe { LLVMContextSetDiagnosticHandler(context.raw(), Some(ignore), std::ptr::null_mut()) };
}
