//! E04: element types, and tensors where scalars are wanted or the other way round.

use super::did_you_mean;
use crate::diag::{Code, Diagnostic};
use crate::scalar::op::Class;
use crate::scalar::{DType, Op, ReduceOp};
use crate::source::Span;
use crate::syntax::ast::{Ident, Type};

pub(in super::super) fn operands_differ(op: &str, a: Span, b: Span, types: (DType, DType)) -> Diagnostic {
    Diagnostic::error(Code("E0401"), format!("the operands of `{op}` differ in type"))
        .primary(b, format!("is `{}`", types.1))
        .secondary(a, format!("is `{}`", types.0))
        .help(format!("convert one: `{}(…)` or `{}(…)`", types.0, types.1))
}

pub(in super::super) fn not_defined(op: Op, dtype: DType, span: Span) -> Diagnostic {
    let name = op.info().name;
    let help = match op.info().class {
        Class::Float => "it is for floats: convert with `f32(…)`",
        Class::Logic => "it is for `bool`: compare first, as in `x > 0`",
        Class::Arithmetic | Class::Compare => "it is for numbers: convert with `i32(…)` or `f32(…)`",
    };
    Diagnostic::error(Code("E0402"), format!("`{name}` is not defined on `{dtype}`"))
        .primary(span, format!("of type `{dtype}`"))
        .help(help)
}

pub(in super::super) fn not_reducible(op: ReduceOp, dtype: DType, span: Span) -> Diagnostic {
    let help = if dtype == DType::Bool {
        format!("count with `{}[…](i32(…))`, or use `any` or `all`", op.name())
    } else {
        "compare first, as in `any[i](x[i] > 0)`".to_owned()
    };
    Diagnostic::error(Code("E0402"), format!("`{}` is not defined on `{dtype}`", op.name()))
        .primary(span, format!("reduces values of type `{dtype}`"))
        .help(help)
}

pub(in super::super) fn not_a_condition(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code("E0403"), "a condition must be a `bool`")
        .primary(span, format!("this is {what}"))
        .help("compare it with something: `… != 0`")
}

pub(in super::super) fn branches_differ(a: Span, b: Span, types: (DType, DType)) -> Diagnostic {
    Diagnostic::error(Code("E0404"), "the branches of this `if` differ in type")
        .primary(b, format!("is `{}`", types.1))
        .secondary(a, format!("is `{}`", types.0))
        .help(format!("convert one: `{}(…)`", types.0))
}

pub(in super::super) fn else_differs(a: Span, b: Span, types: (DType, DType)) -> Diagnostic {
    Diagnostic::error(Code("E0411"), "the value after `else` is of another type than the tensor's elements")
        .primary(b, format!("is `{}`", types.1))
        .secondary(a, format!("has elements of type `{}`", types.0))
        .help(format!("convert it: `{}(…)`", types.0))
}

pub(in super::super) fn clamp_differs(a: Span, b: Span, types: (DType, DType)) -> Diagnostic {
    Diagnostic::error(Code("E0411"), "a bound of `clamp` is of another type than its value")
        .primary(b, format!("is `{}`", types.1))
        .secondary(a, format!("is `{}`", types.0))
        .help(format!("convert it: `{}(…)`", types.0))
}

pub(in super::super) fn index_as_value(span: Span, dtype: &str) -> Diagnostic {
    Diagnostic::error(Code("E0405"), "an index is used as a value without a cast")
        .primary(span, format!("is an index, of type `i64`; a `{dtype}` is needed"))
        .help(format!("convert it: `{dtype}(…)`"))
}

pub(in super::super) fn unknown_type(name: &Ident, near: Option<String>) -> Diagnostic {
    let near = near.or_else(|| foreign_type(&name.name).map(str::to_owned));
    let known: Vec<_> = DType::ALL.iter().map(|dtype| dtype.name()).collect();
    let diagnostic = Diagnostic::error(Code("E0406"), format!("there is no type `{}`", name.name))
        .primary(name.span, "not an element type or a type parameter");
    match near {
        Some(_) => did_you_mean(diagnostic, near),
        None => diagnostic.help(format!(
            "use one of {}, or declare a type parameter: `fn f<{}: float>(…)`",
            known.join(", "),
            name.name
        )),
    }
}

/// The element type that goes by another name elsewhere.
fn foreign_type(name: &str) -> Option<&'static str> {
    Some(match name {
        "float32" | "float" | "single" => "f32",
        "float64" | "double" => "f64",
        "float16" | "half" => "f16",
        "bfloat16" => "bf16",
        "int8" => "i8",
        "uint8" | "byte" => "u8",
        "int32" => "i32",
        "int64" | "long" => "i64",
        "boolean" => "bool",
        _ => return None,
    })
}

pub(in super::super) fn unknown_bound(name: &Ident, near: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0406"), format!("there is no class of types `{}`", name.name))
        .primary(name.span, "not a bound");
    did_you_mean(diagnostic, near).help("the bounds are `float`, `int`, `number` and `any`")
}

pub(in super::super) fn type_differs(span: Span, found: DType, wanted: DType) -> Diagnostic {
    Diagnostic::error(Code("E0407"), format!("expected `{wanted}`, found `{found}`"))
        .primary(span, format!("of type `{found}`"))
        .help(format!("convert it: `{wanted}(…)`"))
}

pub(in super::super) fn literal_does_not_fit(number: &str, dtype: DType, span: Span) -> Diagnostic {
    let help = match dtype {
        DType::Bool => "write `true` or `false`, or compare".to_owned(),
        _ if dtype.is_int() => "use a number of that type, or convert the other operand: `f32(…)`".to_owned(),
        _ => "use a smaller number".to_owned(),
    };
    Diagnostic::error(Code("E0408"), format!("{number} is no `{dtype}`"))
        .primary(span, format!("must be `{dtype}` here"))
        .help(help)
}

pub(in super::super) fn not_compile_time(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code("E0409"), format!("{what} must be an integer that is known at compile time"))
        .primary(span, "is not")
        .help("use sizes, `int` parameters and literals only")
}

pub(in super::super) fn not_a_scalar(name: &str, kind: &str, span: Span, declared: Span) -> Diagnostic {
    let help = match kind {
        "a tensor" | "an output" | "a table" => format!("read an element: `{name}[…]`"),
        "a helper" | "a function" => format!("call it: `{name}(…)`"),
        "a list of indices" => format!("it stands for several: `x[..{name}]`"),
        _ => "use a scalar here".to_owned(),
    };
    Diagnostic::error(Code("E0410"), format!("`{name}` is {kind}, not a number"))
        .primary(span, "a number is needed here")
        .secondary(declared, "introduced here")
        .help(help)
}

pub(in super::super) fn not_a_tensor(name: &Ident, kind: &str, declared: Span) -> Diagnostic {
    Diagnostic::error(Code("E0410"), format!("`{}` is {kind}, not a tensor", name.name))
        .primary(name.span, "cannot be subscripted")
        .secondary(declared, "introduced here")
        .help("subscripts are for tensors; multiply with `*`")
}

pub(in super::super) fn not_callable(name: &Ident, kind: &str, declared: Span) -> Diagnostic {
    Diagnostic::error(Code("E0410"), format!("`{}` is {kind} and cannot be called", name.name))
        .primary(name.span, "called here")
        .secondary(declared, "introduced here")
        .help("read an element with brackets: `x[i]`; multiply with `*`")
}

pub(in super::super) fn type_as_value(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0410"), format!("`{name}` is a type, not a number"))
        .primary(span, "a number is needed here")
        .help(format!("convert a number to it: `{name}(…)`"))
}

pub(in super::super) fn misplaced(span: Span, what: &str, example: &str) -> Diagnostic {
    Diagnostic::error(Code("E0410"), format!("{what} cannot stand here"))
        .primary(span, "a number is needed here")
        .help(format!("its place is `{example}`"))
}

pub(in super::super) fn tensor_call_in_element(callee: &Ident, declared: Span) -> Diagnostic {
    let name = &callee.name;
    Diagnostic::error(Code("E0410"), format!("`{name}` gives whole tensors and cannot stand in an element's value"))
        .primary(callee.span, "called for each element")
        .secondary(declared, "a function of tensors")
        .help(format!("name its result first: `let t = {name}(…)`, then read `t[…]`"))
}

pub(in super::super) fn not_whole(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0410"), "this is neither a tensor nor a compile-time number")
        .primary(span, "computed element by element?")
        .help("define a tensor by its elements: `let t[i, j] = …`, and use `t`")
}

pub(in super::super) fn needs_indices(target: &Ident, kind: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0410"), format!("`{}` is a tensor, but its value is {kind}", target.name))
        .primary(span, "not a tensor")
        .help(format!("define it element by element: `{}[i, j] = …`", target.name))
}

pub(in super::super) fn output_without_extents(name: &Ident, ty: &Type) -> Diagnostic {
    Diagnostic::error(Code("E0410"), format!("the result `{}` must be a tensor", name.name))
        .primary(ty.span, "a type without extents is a compile-time number")
        .help(format!("for a single number, write `{}[]`", ty.elem.name))
}

pub(in super::super) fn tensor_default(name: &Ident, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0410"), format!("the tensor `{}` cannot have a default", name.name))
        .primary(span, "a default is for compile-time numbers")
        .help("remove it")
}

pub(in super::super) fn ragged_table(span: Span, wanted: i64, found: usize) -> Diagnostic {
    let says = if found == 0 {
        "of another depth than its neighbours".to_owned()
    } else {
        format!("has {}, not {wanted}", if found == 1 { "1 entry".to_owned() } else { format!("{found} entries") })
    };
    Diagnostic::error(Code("E0412"), "the rows of a table differ in length")
        .primary(span, says)
        .help("give every row the same number of entries, at least one")
}

pub(in super::super) fn table_entry(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0412"), "the entries of a table are numbers known at compile time")
        .primary(span, "is not")
        .help("define a tensor by its elements instead: `let t[i] = …`")
}

pub(in super::super) fn table_does_not_fit(name: &str, dtype: DType, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0412"), format!("the table `{name}` has entries that are no `{dtype}`"))
        .primary(span, format!("read as `{dtype}` here"))
        .help("use whole numbers, or convert the other operand: `f32(…)`")
}
