//! Loop IR to machine code for CPUs, through LLVM; the only user of inkwell.
//!
//! One export is one module; a kernel is three functions of it: `entry` has the two that C sees, with `workspace` for
//! what they allocate; `body` has the third, which computes, with `stmt`, `vector`, `dot`, `transpose`, `access`, `expr`,
//! `ops`, `convert` and `math` below it. `parallel` adds two for each loop on several threads. An export with `const`
//! arguments has the two kernels of its packing beside its own. `ir` and `ir_vector` are LLVM's builder in short words;
//! `types` holds what all of them share, `debug` notes where instructions come from. `emit` turns the finished module into
//! text or bytes, `lone` is a pass on the way.
//!
//! The text before optimisation follows the kernel statement by statement, so it is what tests compare. Everything is
//! the same to the byte for the same kernel and target.

mod access;
mod body;
mod convert;
mod debug;
mod dot;
mod emit;
mod entry;
mod expr;
mod hints;
mod ir;
mod ir_vector;
mod lone;
mod math;
mod ops;
mod parallel;
mod stmt;
mod transpose;
mod types;
mod vector;
mod workspace;

use inkwell::context::Context;

use super::places::{Marks, Places};
use super::prepare::Vectors;
use super::{CodegenError, Form, forks, plan, prepare};
use crate::expr::TensorId;
use crate::loops::Kernel;
use crate::loops::pack::Packing;
use crate::target::{Cpu, Host};

/// The processor that ftc runs on, in LLVM's words.
pub fn host() -> Option<Host> {
    emit::host()
}

/// One form of a kernel.
pub fn compile(kernel: &Kernel, cpu: &Cpu, form: Form) -> Result<Vec<u8>, CodegenError> {
    let mut all = compile_forms(kernel, cpu, &[form])?;
    Ok(all.pop().expect("one form was asked for"))
}

/// Several forms of a kernel, in the order asked for, from one module.
pub fn compile_forms(kernel: &Kernel, cpu: &Cpu, forms: &[Form]) -> Result<Vec<Vec<u8>>, CodegenError> {
    compile_export(kernel, None, cpu, forms)
}

/// As [`compile_forms`], with the functions that pack `const` arguments and take them packed.
pub fn compile_export(
    kernel: &Kernel,
    packing: Option<&Packing>,
    cpu: &Cpu,
    forms: &[Form],
) -> Result<Vec<Vec<u8>>, CodegenError> {
    compile_noted(kernel, packing, cpu, forms, None)
}

/// As [`compile_export`], with line information where places are given.
pub fn compile_noted(
    kernel: &Kernel,
    packing: Option<&Packing>,
    cpu: &Cpu,
    forms: &[Form],
    places: Option<&Places>,
) -> Result<Vec<Vec<u8>>, CodegenError> {
    super::check::for_cpu(kernel)?;
    let context = Context::create();
    hints::silence(&context);
    let mut cx = types::Cx::new(&context, &kernel.name, cpu);
    if places.is_some() {
        cx = cx.with_lines(&kernel.name);
    }
    let fail = |(action, message)| CodegenError::Llvm { kernel: kernel.name.clone(), action, message };
    let machine = emit::machine(cpu).map_err(fail)?;
    emit::address(&cx.module, &machine);
    let mut vectors = functions(&cx, kernel, Vec::new(), places);
    if let Some(packing) = packing {
        entry::pack_bytes(&cx, &kernel.name, packing.bytes());
        let parts = packing.parts.iter();
        let filled = parts.clone().map(|part| (part.filled, part.offset)).collect();
        let filled = functions(&cx, &packing.pack, filled, places);
        let read = functions(&cx, &packing.packed, parts.map(|part| (part.read, part.offset)).collect(), places);
        vectors = vectors.min(filled).min(read);
    }
    cx.finish_lines();
    workspace::free_when_unloaded(&cx);
    math::keep_vector_forms(&cx);
    emit::forms(&cx.module, &machine, vectors, forms).map_err(fail)
}

/// The functions of a kernel; the parameters in `block` lie in one block. Gives who chooses their vectors.
fn functions(cx: &types::Cx<'_>, kernel: &Kernel, block: Vec<(TensorId, usize)>, places: Option<&Places>) -> Vectors {
    let prepared = prepare::prepare(kernel);
    let plan = plan::plan(&prepared.kernel, forks::forks(kernel)).with_block(block);
    let marks = places.map(|places| Marks::of(&prepared.kernel, places)).unwrap_or_default();
    let body = body::emit(cx, &prepared, &plan, &marks);
    entry::emit(cx, &prepared.kernel, &plan, body);
    prepared.vectors
}
