//! E03: names and modules; E0212 and E0302 to E0313.

use super::did_you_mean;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Ident;

pub(in super::super) fn unknown(name: &str, span: Span, near: Option<String>) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(Code("E0301"), format!("`{name}` is not known here")).primary(span, "no such name");
    match near {
        Some(_) => did_you_mean(diagnostic, near),
        None => diagnostic.help(
            "an index is introduced on the left (`y[i] = …`) or by a reduction (`sum[k](…)`), a size by a shape (`T[N]`) or by `where`",
        ),
    }
}

pub(in super::super) fn unknown_tensor(name: &Ident, near: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0301"), format!("there is no tensor `{}` here", name.name))
        .primary(name.span, "no such name");
    match near {
        Some(_) => did_you_mean(diagnostic, near),
        None => diagnostic.help(format!("declare it as an argument, or define it before: `let {}[…] = …`", name.name)),
    }
}

pub(in super::super) fn unknown_function(
    name: &Ident,
    near: Option<String>,
    library: Option<(&str, &str)>,
) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0302"), format!("there is no function `{}`", name.name))
        .primary(name.span, "not defined or imported");
    match (near, library) {
        (_, Some((known, path))) if known == name.name => diagnostic.help(format!("import it: `use {path}::{known}`")),
        (Some(near), _) => did_you_mean(diagnostic, Some(near)),
        (None, Some((known, path))) => {
            diagnostic.help(format!("did you mean `{known}`? import it: `use {path}::{known}`"))
        }
        (None, None) => diagnostic.help("define it in this file, or import it: `use module::name`"),
    }
}

pub(in super::super) fn unknown_reduction(name: &Ident) -> Diagnostic {
    let known = ["sum", "prod", "min", "max", "any", "all", "argmax", "argmin"];
    let near = super::super::suggest::nearest(&name.name, known.into_iter());
    let diagnostic = Diagnostic::error(Code("E0302"), format!("there is no reduction `{}`", name.name))
        .primary(name.span, "not a reduction");
    match near {
        Some(_) => did_you_mean(diagnostic, near),
        None => diagnostic.help(format!("the reductions are {}", known.join(", "))),
    }
}

pub(in super::super) fn reduction_without_index(name: &Ident) -> Diagnostic {
    let op = &name.name;
    Diagnostic::error(Code("E0302"), format!("`{op}` needs the indices that it runs over"))
        .primary(name.span, "written like a function")
        .help(format!("write `{op}[k](…)`, with the index `k` in the expression"))
}

pub(in super::super) fn defined_twice(name: &Ident, first: Span) -> Diagnostic {
    Diagnostic::error(Code("E0303"), format!("`{}` is defined twice", name.name))
        .primary(name.span, "defined again here")
        .secondary(first, "first defined here")
        .help("rename one of them")
}

pub(in super::super) fn shadows(name: &Ident, kind: &str, first: Span) -> Diagnostic {
    Diagnostic::error(Code("E0212"), format!("`{}` is {kind} already", name.name))
        .primary(name.span, "this would hide it")
        .secondary(first, "introduced here")
        .help("choose another name")
}

pub(in super::super) fn unknown_module(path: &str, span: Span, near: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0304"), format!("there is no module `{path}`"))
        .primary(span, "neither in `std` nor a file beside this one");
    did_you_mean(diagnostic, near).note(format!("looked for `{}.ft` beside this file", path.replace("::", "/")))
}

pub(in super::super) fn not_in_module(name: &Ident, module: &str, near: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0305"), format!("`{module}` has no `{}`", name.name))
        .primary(name.span, "no such item");
    did_you_mean(diagnostic, near)
}

pub(in super::super) fn private(name: &Ident, module: &str, declared: Span) -> Diagnostic {
    Diagnostic::error(Code("E0306"), format!("`{}` is private to `{module}`", name.name))
        .primary(name.span, "cannot be imported")
        .secondary(declared, "declared here without `pub`")
        .help("make it `pub fn`")
}

pub(in super::super) fn import_cycle(path: &str, stack: &[String], span: Span) -> Diagnostic {
    let start = stack.iter().position(|known| known == path).unwrap_or(0);
    let chain: Vec<_> = stack[start..].iter().map(String::as_str).chain([path]).collect();
    let shown: Vec<_> = chain.iter().map(|path| if path.is_empty() { "this file" } else { path }).collect();
    Diagnostic::error(Code("E0307"), "modules import each other in a circle")
        .primary(span, "closes the circle")
        .note(shown.join(" -> "))
        .help("move what both need into a third module")
}

pub(in super::super) fn recursion(callee: &Ident, target: &str, chain: &[String]) -> Diagnostic {
    let chain: Vec<_> = chain.iter().map(String::as_str).chain([target]).collect();
    Diagnostic::error(Code("E0308"), format!("`{target}` calls itself"))
        .primary(callee.span, "this call closes the circle")
        .note(chain.join(" -> "))
        .help("functions are formulas and cannot recurse; write a reduction instead")
}

pub(in super::super) fn not_assignable(name: &Ident, kind: &str, declared: Span) -> Diagnostic {
    Diagnostic::error(Code("E0309"), format!("`{}` is {kind} and cannot be defined again", name.name))
        .primary(name.span, "only outputs are defined without `let`")
        .secondary(declared, "introduced here")
        .help("give the result a name of its own: `let t = …`")
}

pub(in super::super) fn assign_unknown(name: &Ident, outputs: &[String]) -> Diagnostic {
    let near = super::super::suggest::nearest(&name.name, outputs.iter().map(String::as_str));
    let diagnostic = Diagnostic::error(Code("E0301"), format!("there is no output `{}`", name.name))
        .primary(name.span, "not among the results of this function");
    match near {
        Some(_) => did_you_mean(diagnostic, near),
        None => diagnostic.help(format!("for an intermediate, write `let {}…`", name.name)),
    }
}

pub(in super::super) fn output_undefined(name: &Ident) -> Diagnostic {
    Diagnostic::error(Code("E0310"), format!("`{}` is never defined", name.name))
        .primary(name.span, "a result without an equation")
        .help(format!("add `{}[…] = …` to the body", name.name))
}

pub(in super::super) fn no_outputs(name: &Ident) -> Diagnostic {
    Diagnostic::error(Code("E0310"), format!("`{}` has no result", name.name))
        .primary(name.span, "computes nothing")
        .help("name what it computes: `-> (y: T[N])`")
}

pub(in super::super) fn unused(name: &Ident, how: &str) -> Diagnostic {
    Diagnostic::warning(Code("E0311"), format!("`{}` {how}", name.name)).primary(name.span, how).help(
        if how.contains("import") { "remove it".to_owned() } else { format!("remove it, or call it `_{}`", name.name) },
    )
}

pub(in super::super) fn used_before(name: &Ident, declared: Span) -> Diagnostic {
    Diagnostic::error(Code("E0312"), format!("`{}` is read before all of it is defined", name.name))
        .primary(name.span, "not completely defined yet")
        .secondary(declared, "declared here")
        .help("move its definition up; an output cannot depend on itself")
}

pub(in super::super) fn unknown_attribute(name: &Ident, near: Option<String>) -> Diagnostic {
    let diagnostic = Diagnostic::error(Code("E0313"), format!("there is no attribute `{}`", name.name))
        .primary(name.span, "not known");
    did_you_mean(diagnostic, near)
}
