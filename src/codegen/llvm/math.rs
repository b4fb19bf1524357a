//! Functions of the mathematics library, and their vector forms.
//!
//! A scalar call goes to libm. On x86 with glibc, libmvec has the same functions for whole vectors: the lanes of vector
//! loops call them, and each declaration lists them, so that LLVM's loop vectoriser takes them by itself. They raise no
//! floating-point exceptions that anyone looks at and never set `errno`.
//!
//! Largest errors, in units in the last place of the result; `tests/it/codegen_math.rs` fails when one grows. `f64` is
//! compared with glibc's scalar functions, which are themselves within one unit of the true value. In brackets, what
//! glibc 2.36 showed on random arguments and the edges (infinities, NaN, subnormals, overflow):
//!
//! | | scalar f32 | vector f32 | scalar f64 | vector f64 |
//! |---|---|---|---|---|
//! | `exp` | 1 (0.5) | 4 (2.4) | 1 (0) | 4 (2) |
//! | `log` | 1 (0.5) | 4 (3.4) | 1 (0) | 4 (1) |
//! | `sin` `cos` | 1 (0.6) | 4 (1.6) | 1 (0) | 4 (3) |
//! | `pow` | 1 (0.5) | 4 (0.6) | 1 (0) | 4 (1) |
//! | `tanh` | 2 (1.7) | 4 (1.0) | 2 (0) | 4 (2) |
//! | `erf` | 2 (0.8) | 4 (1.7) | 2 (1) | 4 (2) |
//! | `sigmoid` | 2.5 (1.7) | 6 (3.1) | 2.5 (0) | 6 (2) |
//! | `rsqrt` | 1.5 (1.4) | 1.5 (1.4) | 1.5 | 1.5 |
//! | `sqrt` `floor` `ceil` `round` | 0.5 | 0.5 | 0.5 | 0.5 |
//!
//! The same argument may therefore give a different last bit in the vector part of a loop and in its rest.

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::types::BasicType;
use inkwell::values::FunctionValue;

use super::ir::Value;
use super::types::Cx;
use crate::scalar::{DType, Op};
use crate::target::Arch;

/// Calls the function of the mathematics library for `op`.
pub(super) fn call<'ctx>(cx: &Cx<'ctx>, op: Op, dtype: DType, args: &[Value<'ctx>]) -> Value<'ctx> {
    let name = symbol(op, dtype);
    let function = cx.module.get_function(&name).unwrap_or_else(|| declare(cx, &name, dtype, args.len()));
    match args[0].lanes() {
        None => cx.ir.call(function, args),
        Some(_) if cx.cpu.arch != Arch::X86 => in_turn(cx, function, args),
        Some(_) => {
            let forms: Vec<_> = vector_forms(cx, &name, dtype, args.len()).collect();
            by_vectors(cx, &forms, args)
        }
    }
}

/// Calls a function for one lane after another.
fn in_turn<'ctx>(cx: &Cx<'ctx>, function: FunctionValue<'ctx>, args: &[Value<'ctx>]) -> Value<'ctx> {
    let lanes = args[0].lanes().expect("arguments with lanes");
    let one = |lane| cx.ir.call(function, &args.iter().map(|&arg| cx.ir.lane(arg, lane)).collect::<Vec<_>>());
    cx.ir.gathered(&(0..lanes).map(one).collect::<Vec<_>>())
}

/// Calls the widest form that has no more lanes than the arguments, or the narrowest one with lanes to spare.
fn by_vectors<'ctx>(cx: &Cx<'ctx>, forms: &[VectorForm], args: &[Value<'ctx>]) -> Value<'ctx> {
    let lanes = args[0].lanes().expect("arguments with lanes");
    let form = forms.iter().rfind(|form| form.lanes <= lanes).unwrap_or(&forms[0]);
    let function = cx.module.get_function(&form.symbol).expect("declared with the scalar function");
    if lanes < form.lanes {
        // The lanes to spare repeat the first one, so that nothing unusual is computed in them.
        let chosen: Vec<_> = (0..form.lanes).map(|lane| Some(if lane < lanes { lane } else { 0 })).collect();
        let wide = args.iter().map(|&arg| cx.ir.shuffle(arg, cx.ir.poison(arg), &chosen));
        let wide = cx.ir.call(function, &wide.collect::<Vec<_>>());
        return cx.ir.part(wide, 0, lanes);
    }
    let parts = (0..lanes).step_by(form.lanes as usize).map(|first| {
        let own = args.iter().map(|&arg| cx.ir.part(arg, first, form.lanes));
        cx.ir.call(function, &own.collect::<Vec<_>>())
    });
    cx.ir.concat(&parts.collect::<Vec<_>>())
}

fn symbol(op: Op, dtype: DType) -> String {
    let name = op.info().name;
    if dtype == DType::F32 { format!("{name}f") } else { name.to_owned() }
}

fn declare<'ctx>(cx: &Cx<'ctx>, name: &str, dtype: DType, arity: usize) -> FunctionValue<'ctx> {
    let scalar = cx.register(dtype);
    let function = cx.module.add_function(name, scalar.fn_type(&vec![scalar.into(); arity], false), None);
    make_pure(cx, function);
    if cx.cpu.arch == Arch::X86 {
        let forms: Vec<_> = vector_forms(cx, name, dtype, arity).collect();
        let list = forms.iter().map(|form| form.mapping.as_str()).collect::<Vec<_>>().join(",");
        let attribute = cx.ir.context.create_string_attribute("vector-function-abi-variant", &list);
        function.add_attribute(AttributeLoc::Function, attribute);
        for form in &forms {
            declare_vector(cx, form, dtype, arity);
        }
    }
    function
}

/// One vector form of a function.
struct VectorForm {
    symbol: String,
    lanes: u32,
    /// As LLVM wants it in the attribute: the shape, the scalar's name, and the symbol.
    mapping: String,
}

/// The forms that the processor can call, narrow ones first.
fn vector_forms(cx: &Cx<'_>, name: &str, dtype: DType, arity: usize) -> impl Iterator<Item = VectorForm> {
    // The letter of the vector function ABI says which registers hold the arguments: SSE, AVX, AVX2, AVX-512.
    let by_bits = match (cx.facts.vector_bits, cx.facts.fma) {
        (512, _) => &[('b', 128), ('d', 256), ('e', 512)][..],
        (256, true) => &[('b', 128), ('d', 256)],
        (256, false) => &[('b', 128), ('c', 256)],
        _ => &[('b', 128)],
    };
    let name = name.to_owned();
    by_bits.iter().map(move |&(letter, bits)| {
        let lanes = bits / (8 * dtype.bytes() as u32);
        let shape = format!("N{lanes}{}", "v".repeat(arity));
        let symbol = format!("_ZGV{letter}{shape}_{name}");
        VectorForm { mapping: format!("_ZGV_LLVM_{shape}_{name}({symbol})"), symbol, lanes }
    })
}

fn declare_vector(cx: &Cx<'_>, form: &VectorForm, dtype: DType, arity: usize) {
    let scalar = cx.register(dtype).into_float_type();
    let vector = scalar.vec_type(form.lanes);
    let function = cx.module.add_function(&form.symbol, vector.fn_type(&vec![vector.into(); arity], false), None);
    make_pure(cx, function);
}

/// Declares that a function only computes.
fn make_pure(cx: &Cx<'_>, function: FunctionValue<'_>) {
    for name in ["memory", "nounwind", "willreturn", "nocallback", "nofree", "nosync", "speculatable"] {
        let kind = Attribute::get_named_enum_kind_id(name);
        // Value 0 of `memory` is "none"; the others have no value.
        function.add_attribute(AttributeLoc::Function, cx.ir.context.create_enum_attribute(kind, 0));
    }
}

/// Keeps the declarations of vector forms, which nothing calls before vectorisation, in the module until then.
pub(super) fn keep_vector_forms(cx: &Cx<'_>) {
    let forms: Vec<_> = cx
        .module
        .get_functions()
        .filter(|function| function.get_name().to_bytes().starts_with(b"_ZGV"))
        .map(|function| function.as_global_value().as_pointer_value())
        .collect();
    if forms.is_empty() {
        return;
    }
    let list = cx.pointer().const_array(&forms);
    let used = cx.module.add_global(list.get_type(), None, "llvm.compiler.used");
    used.set_linkage(inkwell::module::Linkage::Appending);
    used.set_section(Some("llvm.metadata"));
    used.set_initializer(&list);
}
