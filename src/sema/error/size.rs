//! E06: sizes.

use super::super::value::Size;
use super::{did_you_mean, show_shape};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Ident;

pub(in super::super) fn not_positive(what: &str, size: &Size, span: Span, cause: Option<Span>) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0601"), format!("{what} is {}", size.value))
        .primary(span, format!("{} here", size.show_value()));
    let diagnostic = match cause {
        Some(cause) => diagnostic.secondary(cause, "from here"),
        None => diagnostic,
    };
    diagnostic.help(if size.value < 1 {
        "every extent and every range is at least 1: change the sizes that it comes from"
    } else {
        "no memory holds that many elements: change the sizes that it comes from"
    })
}

pub(in super::super) fn overflow(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0602"), "a size does not fit 64 bits").primary(span, "overflows").help("use smaller sizes")
}

pub(in super::super) fn too_large(name: &Ident, shape: &[Size], span: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0602"), format!("`{}` is larger than any memory", name.name))
        .primary(span, format!("gives it the shape {}", show_shape(shape)));
    let diagnostic = if span == name.span { diagnostic } else { diagnostic.secondary(name.span, "declared here") };
    diagnostic.help("use smaller sizes")
}

pub(in super::super) fn never_bound(name: &str, span: Span, near: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0603"), format!("the size `{name}` is never given a value"))
        .primary(span, "neither an extent of an argument nor defined by `where`");
    match near {
        Some(_) => did_you_mean(diagnostic, near),
        None => diagnostic.help(format!("define it: `where {name} = …`, or pass it: `{name}: int`")),
    }
}

pub(in super::super) fn unbound(name: &str, span: Span) -> Diagnostic {
    never_bound(name, span, None)
}

pub(in super::super) fn circular(name: &str, span: Span, needed: Span) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0603"), format!("`{name}` is defined by itself"))
        .primary(span, "its value is needed for itself");
    let diagnostic = if needed == span { diagnostic } else { diagnostic.secondary(needed, "depends on it") };
    diagnostic.help("give it a value that does not depend on it")
}

pub(in super::super) fn no_sample(span: Span) -> Diagnostic {
    Diagnostic::warning(Code("E0604"), "no small sizes were found that satisfy the conditions")
        .primary(span, "so its definition is checked only where it is used")
        .help("check that the `where` clauses do not contradict each other")
}

pub(in super::super) fn program_too_large(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0605"), "the program grows too large when its calls and named scalars are expanded")
        .primary(span, "gave up here")
        .help("calls and `let s = …` are expanded where they are used: give large shared values a tensor of their own, `let t[i] = …`")
}
