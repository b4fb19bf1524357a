//! E05: calls, arguments, exports, variants.

use super::super::value::Size;
use super::{count, did_you_mean, show_shape, show_values};
use crate::diag::{Code, Diagnostic};
use crate::scalar::DType;
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Function, Generic, Ident, Param, Variant};
use crate::syntax::print::print_expr;

/// `conv2d(x, w, stride, pad)`
fn signature(function: &Function) -> String {
    let names: Vec<_> = function.params.iter().map(|param| param.name.name.as_str()).collect();
    format!("{}({})", function.name.name, names.join(", "))
}

pub(in super::super) fn missing(function: &Function, params: &[&Param], span: Span) -> Diagnostic {
    let names: Vec<_> = params.iter().map(|param| format!("`{}`", param.name.name)).collect();
    let first = params[0];
    let example = if first.ty.dims.is_some() {
        format!("pass a tensor for `{}`", first.name.name)
    } else {
        format!("write `{} = …`", first.name.name)
    };
    Diagnostic::error(Code("E0501"), format!("{} of `{}` is missing", names.join(", "), function.name.name))
        .primary(span, format!("{} to give", count(params.len(), "more argument")))
        .secondary(first.name.span, "declared here")
        .note(format!("the arguments are {}", signature(function)))
        .help(example)
}

pub(in super::super) fn unknown_argument(
    callee: &Ident,
    name: &Ident,
    function: &Function,
    near: Option<String>,
) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0502"), format!("`{}` has no argument `{}`", callee.name, name.name))
        .primary(name.span, "no such argument")
        .secondary(function.name.span, "the function is declared here");
    match near {
        Some(_) => did_you_mean(diagnostic, near),
        None => diagnostic.help(format!("the arguments are {}", signature(function))),
    }
}

pub(in super::super) fn given_twice(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error(Code("E0503"), format!("`{name}` is given twice"))
        .primary(span, "given again here")
        .secondary(first, "first given here")
        .help("leave one out")
}

pub(in super::super) fn argument_count(callee: &Ident, wanted: usize, found: usize) -> Diagnostic {
    Diagnostic::error(Code("E0504"), format!("`{}` takes {}, not {found}", callee.name, count(wanted, "argument")))
        .primary(callee.span, format!("called with {found}"))
        .help(format!("give it {}", count(wanted, "argument")))
}

pub(in super::super) fn too_many(callee: &Ident, function: &Function, given: usize, span: Span) -> Diagnostic {
    Diagnostic::error(
        Code("E0504"),
        format!("`{}` takes {}, not {given}", callee.name, count(function.params.len(), "argument")),
    )
    .primary(span, "one too many")
    .secondary(function.name.span, "the function is declared here")
    .help(format!("the arguments are {}", signature(function)))
}

pub(in super::super) fn unnamed_only(callee: &Ident, name: &Ident) -> Diagnostic {
    Diagnostic::error(Code("E0504"), format!("the arguments of `{}` have no names", callee.name))
        .primary(name.span, "named")
        .help("write the value alone")
}

pub(in super::super) fn unnamed_after_named(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0504"), "an argument without a name follows one with a name")
        .primary(span, "which parameter is this?")
        .help("put it first, or name it: `name = …`")
}

pub(in super::super) fn type_conflict(
    name: &str,
    first: (DType, Span),
    other: (DType, Span),
    declared: Span,
) -> Diagnostic {
    Diagnostic::error(Code("E0505"), format!("`{name}` is both `{}` and `{}`", first.0, other.0))
        .primary(other.1, format!("has elements of type `{}`", other.0))
        .secondary(first.1, format!("has elements of type `{}`", first.0))
        .secondary(declared, format!("both must be the same `{name}`"))
        .help("convert one tensor element by element: `let t[i] = f32(x[i])`")
}

pub(in super::super) fn argument_type(param: &Param, found: DType, wanted: DType, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0505"), format!("`{}` has elements of type `{wanted}`, not `{found}`", param.name.name))
        .primary(span, format!("has elements of type `{found}`"))
        .secondary(param.ty.span, "declared here")
        .help(format!("convert it element by element: `let t[i] = {wanted}(x[i])`"))
}

pub(in super::super) fn size_conflict(
    name: &str,
    first: (&Size, Span),
    other: (&Size, Span),
    declared: Span,
) -> Diagnostic {
    Diagnostic::error(Code("E0506"), format!("`{name}` is both {} and {}", first.0.show_value(), other.0.show_value()))
        .primary(other.1, format!("makes it {}", other.0.show_value()))
        .secondary(first.1, format!("makes it {}", first.0.show_value()))
        .secondary(declared, format!("one name, so one size: `{name}`"))
        .help("pass tensors whose extents agree")
}

pub(in super::super) fn extent_differs(
    name: &str,
    wanted: i64,
    found: &Size,
    span: Span,
    declared: Span,
) -> Diagnostic {
    let expected = if name == wanted.to_string() { name.to_owned() } else { format!("`{name}` = {wanted}") };
    Diagnostic::error(Code("E0506"), format!("an extent is {}, not {expected}", found.show_value()))
        .primary(span, format!("has an extent of {}", found.show_value()))
        .secondary(declared, format!("must be {wanted}"))
        .help("pass a tensor of that shape")
}

pub(in super::super) fn definition_conflict(name: &Ident, defined: i64, given: i64, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0506"), format!("`{}` is both {defined} and {given}", name.name))
        .primary(span, format!("makes it {given}"))
        .secondary(name.span, format!("defined to be {defined} here"))
        .help("pass tensors whose extents agree with the definition")
}

pub(in super::super) fn spread_conflict(name: &Ident, first: &[Size], other: &[Size], span: Span) -> Diagnostic {
    Diagnostic::error(
        Code("E0506"),
        format!("`..{}` is both {} and {}", name.name, show_shape(first), show_shape(other)),
    )
    .primary(span, format!("makes it {}", show_shape(other)))
    .secondary(name.span, "one name, so one list of sizes")
    .help("pass tensors of the same shape")
}

pub(in super::super) fn wrong_rank(param: &Param, shape: &[Size], span: Span) -> Diagnostic {
    let wanted = param.ty.dims.as_ref().map_or(0, Vec::len);
    Diagnostic::error(
        Code("E0201"),
        format!("`{}` takes {}, not {}", param.name.name, count(wanted, "dimension"), shape.len()),
    )
    .primary(span, format!("has the shape {}", show_shape(shape)))
    .secondary(param.ty.span, "declared here")
    .help("pass a tensor of that rank")
}

/// `sides` are the values that a comparison compares.
pub(in super::super) fn requirement(
    requirement: &Expr,
    sides: Option<(i64, i64)>,
    values: &[(String, i64)],
    span: Span,
) -> Diagnostic {
    let int = |value| Box::new(Expr { kind: ExprKind::Int(value), span });
    let says = match (&requirement.kind, sides) {
        (ExprKind::Binary(op, ..), Some((a, b))) => {
            let kind = ExprKind::Binary(*op, int(a), int(b));
            format!("with these arguments it says `{}`", print_expr(&Expr { kind, span }))
        }
        _ => "with these arguments".to_owned(),
    };
    Diagnostic::error(Code("E0507"), format!("the requirement `{}` does not hold", print_expr(requirement)))
        .primary(span, says)
        .secondary(requirement.span, "required here")
        .note(show_values(values))
        .help("change the arguments so that it holds")
}

pub(in super::super) fn bound_not_satisfied(generic: &Generic, dtype: DType, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0508"), format!("`{}` cannot be `{dtype}`", generic.name.name))
        .primary(span, format!("has elements of type `{dtype}`"))
        .secondary(generic.bound.span, format!("must be a `{}`", generic.bound.name))
        .help(match generic.bound.name.as_str() {
            "float" => "pass elements of type `f16`, `bf16`, `f32` or `f64`",
            "int" => "pass elements of type `i8`, `u8`, `i32` or `i64`",
            _ => "pass elements that are numbers",
        })
}

pub(in super::super) fn open_sizes(open: &[(String, Span)]) -> Diagnostic {
    let names: Vec<_> = open.iter().map(|(name, _)| format!("`{name}`")).collect();
    let flags: Vec<_> = open.iter().map(|(name, _)| format!("--set {name}=64")).collect();
    let diagnostic = Diagnostic::error(Code("E0509"), format!("this export leaves {} open", names.join(", ")));
    open.iter()
        .fold(diagnostic, |diagnostic, (_, span)| diagnostic.primary(*span, "has no value"))
        .help(format!("write a number, or give one on the command line: `{}`", flags.join(" ")))
}

pub(in super::super) fn size_not_given(size: &str, tensor: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0509"), format!("the size `{size}` of `{tensor}` is not given"))
        .primary(span, "has no value")
        .help(format!("give `{size}`"))
}

pub(in super::super) fn type_not_inferred(generic: &Generic, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0510"), format!("the element type `{}` cannot be inferred", generic.name.name))
        .primary(span, "no argument says it")
        .secondary(generic.name.span, "declared here")
        .help("let an argument have elements of that type, or write the type itself")
}

pub(in super::super) fn duplicate_symbol(name: &Ident, first: Span) -> Diagnostic {
    Diagnostic::error(Code("E0511"), format!("two exports are called `{}`", name.name))
        .primary(name.span, "the second")
        .secondary(first, "the first")
        .help("each export is a C symbol: rename one")
}

/// Why a symbol cannot be one of C.
pub(in super::super) fn invalid_symbol(name: &Ident) -> Option<Diagnostic> {
    const C_WORDS: [&str; 36] = [
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
        "float", "for", "goto", "if", "inline", "int", "long", "main", "register", "restrict", "return", "short",
        "signed", "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while",
        "bool",
    ];
    let is_plain = name.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (C_WORDS.contains(&name.name.as_str()) || !is_plain).then(|| {
        Diagnostic::error(Code("E0511"), format!("`{}` cannot be the name of a C function", name.name))
            .primary(name.span, "each export is a C symbol")
            .help(format!("call it `{}_kernel`, say", name.name))
    })
}

pub(in super::super) fn result_count(span: Span, found: usize, targets: &[Ident]) -> Diagnostic {
    Diagnostic::error(Code("E0513"), format!("{} for {}", count(found, "result"), count(targets.len(), "name")))
        .primary(span, format!("gives {}", count(found, "result")))
        .help("name each result once: `let (a, b) = f(x)`")
}

pub(in super::super) fn several_results(span: Span, found: usize) -> Diagnostic {
    Diagnostic::error(Code("E0513"), format!("this call gives {found} results, where one is needed"))
        .primary(span, "which one?")
        .help("name them first: `let (a, b) = f(x)`")
}

pub(in super::super) fn variant_of_unknown(variant: &Variant, near: Option<String>) -> Diagnostic {
    let name = &variant.function;
    let diagnostic =
        Diagnostic::error(Code("E0514"), format!("`{}` is a variant of an unknown function", variant.name.name))
            .primary(name.span, format!("there is no function `{}`", name.name));
    did_you_mean(diagnostic, near).help("a variant is another body for a function that is defined or imported here")
}

pub(in super::super) fn variant_does_not_apply(variant: &Variant, span: Span, sizes: &[(String, i64)]) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(Code("E0514"), format!("the variant `{}` cannot be used here", variant.name.name))
            .primary(span, "its condition does not hold for this call")
            .note(show_values(sizes))
            .help("leave the choice out, or change the arguments");
    match &variant.when {
        Some(when) => diagnostic.secondary(when.span, "the condition"),
        None => diagnostic,
    }
}

pub(in super::super) fn variant_differs(
    variant: &Variant,
    function: &Function,
    element: &str,
    values: (f64, f64),
    sizes: &[(String, i64)],
) -> Diagnostic {
    Diagnostic::error(Code("E0515"), format!("the variant `{}` computes something else", variant.name.name))
        .primary(variant.name.span, format!("{element} is {}", values.1))
        .secondary(function.name.span, format!("{element} is {} here", values.0))
        .note(format!("for random inputs with {}", show_values(sizes)))
        .help("a variant must give the same results as its function, up to rounding")
}

pub(in super::super) fn tensor_for_number(param: &Param, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0516"), format!("`{}` is a compile-time number, not a tensor", param.name.name))
        .primary(span, "a tensor")
        .secondary(param.ty.span, "declared here")
        .help("pass a number; a number that is known only at run time is declared `T[]`")
}

pub(in super::super) fn number_for_tensor(param: &Param, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0516"), format!("`{}` is a tensor, not a number", param.name.name))
        .primary(span, "a number")
        .secondary(param.ty.span, "declared here")
        .help("pass a tensor by its name")
}

pub(in super::super) fn number_kind(param: &Param, what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0516"), format!("`{}` is of type `{}`", param.name.name, param.ty.elem.name))
        .primary(span, format!("this is {what}"))
        .secondary(param.ty.span, "declared here")
        .help(if param.ty.elem.name == "bool" { "pass `true` or `false`" } else { "pass a whole number" })
}

pub(in super::super) fn export_without_extents(name: &Ident, elem: DType, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0516"), format!("`{}` needs its extents or a value", name.name))
        .primary(span, format!("`{elem}` alone has no shape"))
        .help(format!("write `{}: {elem}[64, 64]` for a tensor, or `{} = 0.5` for a number", name.name, name.name))
}

pub(in super::super) fn export_spread(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0509"), "an export gives every extent")
        .primary(span, "`..` leaves them open")
        .help("write the extents: `f32[8, 8]`")
}

pub(in super::super) fn set_unused(name: &str, span: Span, near: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0517"), format!("no export leaves a size `{name}` open"))
        .primary(span, "nothing to set here");
    match near {
        Some(_) => did_you_mean(diagnostic, near),
        None => diagnostic.help(format!("leave out `--set {name}=…`")),
    }
}
