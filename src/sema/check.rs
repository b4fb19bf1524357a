//! Looks at every function of the root file for several sizes that it allows, and at its variants and exports.
//!
//! A definition is judged by samples: small sizes, drawn with a fixed seed, for which every subscript is decided
//! exactly. What holds for all samples is proved again for the real sizes of every export, so nothing is taken on
//! trust; the samples are there so that a library's errors show up where they are made.

use std::collections::BTreeSet;

use crate::diag::Diagnostic;
use crate::source::Span;
use crate::syntax::ast::{self, Function, Item, StmtKind};

use super::instance::{self, Assignment};
use super::program::Program;
use super::solve::Env;
use super::{Request, error, sample, signature, suggest, variant, walk};

/// Every error and warning of the root file.
pub(super) fn check(program: &Program, earlier: &[Diagnostic]) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for item in &program.modules[0].tree.items {
        match item {
            Item::Function(function) => found.extend(check_function(program, function)),
            Item::Variant(variant) => found.extend(check_variant(program, variant)),
            Item::Export(export) => found.extend(check_export(program, export)),
            Item::Const(constant) => found.extend(check_constant(program, constant)),
            Item::Use(_) | Item::Schedule(_) | Item::Error(_) => {}
        }
    }
    found.extend(unused_imports(program));
    without_echoes(program, earlier, distinct(found))
}

/// Drops what earlier errors alone may have caused.
fn without_echoes(program: &Program, earlier: &[Diagnostic], found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    const MAY_BE_LOST: [&str; 6] = ["E0301", "E0302", "E0305", "E0310", "E0311", "E0514"];
    let module = &program.modules[0];
    let errors: Vec<_> = earlier.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    let broken: Vec<Span> = errors.iter().copied().filter_map(place).filter(|span| span.file == module.file).collect();
    if errors.is_empty() {
        return found;
    }
    let recursive = errors.iter().any(|diagnostic| diagnostic.code.0 == "E0308");
    let mut starts: Vec<u32> = module.tree.items.iter().map(|item| span_of(item).start).collect();
    starts.sort_unstable();
    // An item reaches to the next one: what did not parse may have cut it short.
    let item_at = |span: Span| starts.partition_point(|&start| start <= span.start);
    let is_broken = |span: Span| broken.iter().any(|&place| item_at(place) == item_at(span));
    found
        .into_iter()
        .filter(|diagnostic| !MAY_BE_LOST.contains(&diagnostic.code.0))
        .filter(|diagnostic| !(recursive && diagnostic.code.0 == "E0605"))
        .filter(|diagnostic| !place(diagnostic).is_some_and(|span| span.file == module.file && is_broken(span)))
        .collect()
}

const fn span_of(item: &Item) -> Span {
    match item {
        Item::Use(item) => item.span,
        Item::Const(item) => item.span,
        Item::Function(item) => item.span,
        Item::Variant(item) => item.span,
        Item::Export(item) => item.span,
        Item::Schedule(item) => item.span,
        Item::Error(span) => *span,
    }
}

fn place(diagnostic: &Diagnostic) -> Option<Span> {
    diagnostic.labels.iter().find(|label| label.primary).map(|label| label.span)
}

/// Drops unknown names that were named before.
fn names_once(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut is_news = |diagnostic: &Diagnostic| {
        !matches!(diagnostic.code.0, "E0301" | "E0302") || seen.insert(diagnostic.message.clone())
    };
    found.into_iter().filter(|diagnostic| is_news(diagnostic)).collect()
}

/// Drops what was said already at the same place.
fn distinct(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut seen: BTreeSet<(&'static str, Option<Span>)> = BTreeSet::new();
    found.into_iter().filter(|diagnostic| seen.insert((diagnostic.code.0, place(diagnostic)))).collect()
}

fn check_function(program: &Program, function: &Function) -> Vec<Diagnostic> {
    let mut found = signature::check(function);
    if found.iter().any(Diagnostic::is_error) {
        return found;
    }
    found.extend(names_once(over_samples(program, function, None, &Request::default())));
    // Where something is in error, what is unused may only seem so.
    if !found.iter().any(Diagnostic::is_error) {
        found.extend(unused_names(function));
    }
    found
}

/// The first sample's errors; a warning if there is no sample.
fn over_samples(
    program: &Program,
    function: &Function,
    when: Option<&ast::Expr>,
    request: &Request,
) -> Vec<Diagnostic> {
    let samples = sample::samples(function, when, &constants_for(program, function));
    if samples.is_empty() {
        // Names and types can be wrong all the same: look with any sizes, and keep what does not speak of them.
        let blind = blind_sample(function);
        let mut found = instance::of_assignment(program, 0, function, &blind, request).err().unwrap_or_default();
        found.retain(|diagnostic| diagnostic.is_error() && !error::depends_on_sizes(diagnostic));
        if found.is_empty() {
            found.push(error::size::no_sample(when.map_or(function.name.span, |when| when.span)));
        }
        return found;
    }
    for sample in &samples {
        if let Err(found) = instance::of_assignment(program, 0, function, sample, request) {
            return found;
        }
    }
    Vec::new()
}

fn blind_sample(function: &Function) -> Assignment {
    let mut assignment = Assignment::default();
    for generic in &function.generics {
        assignment.types.push((generic.name.name.clone(), crate::scalar::DType::F32));
    }
    for (turn, param) in function.params.iter().enumerate() {
        if param.ty.dims.is_none() {
            assignment.sizes.insert(param.name.name.clone(), 1);
        }
        for dim in param.ty.dims.iter().flatten() {
            match dim {
                ast::Dim::Size(ast::Expr { kind: ast::ExprKind::Name(name), .. }) => {
                    assignment.sizes.insert(name.clone(), 2 + turn as i64);
                }
                ast::Dim::Size(_) => {}
                ast::Dim::Spread(name) => {
                    assignment.spreads.insert(name.name.clone(), vec![2]);
                }
            }
        }
    }
    assignment
}

fn check_variant(program: &Program, item: &ast::Variant) -> Vec<Diagnostic> {
    let Some((_, function)) = program.function_in(0, &item.function.name) else {
        let near = suggest::nearest(&item.function.name, program.function_names().into_iter());
        return vec![error::call::variant_of_unknown(item, near)];
    };
    let unknown = signature::unknown_attributes(&item.attrs, &[signature::INEXACT]);
    if !unknown.is_empty() {
        return unknown;
    }
    if signature::check(function).iter().any(Diagnostic::is_error) {
        return Vec::new();
    }
    let request = Request { variants: vec![item.name.name.clone()], ..Request::default() };
    let found = over_samples(program, function, item.when.as_ref(), &request);
    if found.iter().any(Diagnostic::is_error) {
        return found;
    }
    let samples = sample::samples(function, item.when.as_ref(), &constants_for(program, function));
    found.into_iter().chain(variant::compare(program, function, item, &samples, &request)).collect()
}

fn check_export(program: &Program, export: &ast::Export) -> Vec<Diagnostic> {
    match instance::of_export(program, export, &Request::default()) {
        Ok(instance) => instance.warnings,
        // Sizes left open are for the command line to set.
        Err(found) => found.into_iter().filter(|diagnostic| diagnostic.code.0 != "E0509").collect(),
    }
}

/// The constants that a function of the root file sees: a parameter of that name hides one.
fn constants_for(program: &Program, function: &Function) -> Env {
    let mut constants = program.numbers(0);
    constants.retain(|name, _| function.params.iter().all(|param| param.name.name != *name));
    constants
}

fn check_constant(program: &Program, constant: &ast::ConstItem) -> Vec<Diagnostic> {
    let request = Request::default();
    let mut elab = super::elab::Elab::new(program, &request, "", 0);
    elab.constant(0, constant, constant.name.span);
    elab.found
}

/// Names that a function introduces and never uses.
fn unused_names(function: &Function) -> Vec<Diagnostic> {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for expr in function.body.iter().flat_map(walk::of_stmt) {
        used.extend(walk::names(expr));
    }
    for dim in function.params.iter().flat_map(|param| param.ty.dims.iter().flatten()) {
        if let ast::Dim::Size(expr) = dim {
            used.extend(walk::names(expr));
        }
    }
    for dim in function.outputs.iter().flat_map(|output| output.ty.dims.iter().flatten()) {
        if let ast::Dim::Size(expr) = dim {
            used.extend(walk::names(expr));
        }
    }
    for clause in &function.clauses {
        let (ast::Clause::Define { value: expr, .. } | ast::Clause::Require(expr)) = clause;
        used.extend(walk::names(expr));
    }
    used.extend(function.params.iter().filter_map(|param| param.default.as_ref()).flat_map(walk::names));
    for stmt in &function.body {
        if matches!(stmt.kind, StmtKind::Error) {
            return Vec::new();
        }
    }
    let mut found = Vec::new();
    for stmt in &function.body {
        let targets: Vec<&ast::Ident> = match &stmt.kind {
            StmtKind::Element { is_let: true, target, .. } => vec![target],
            StmtKind::Whole { is_let: true, targets, .. } if targets.len() == 1 => targets.iter().collect(),
            _ => Vec::new(),
        };
        for target in targets {
            if !used.contains(target.name.as_str()) && !target.name.starts_with('_') {
                found.push(error::name::unused(target, "is never used"));
            }
        }
    }
    for param in &function.params {
        let name = param.name.name.as_str();
        if !used.contains(name) && !name.starts_with('_') {
            found.push(error::name::unused(&param.name, "is never read"));
        }
    }
    found
}

fn unused_imports(program: &Program) -> Vec<Diagnostic> {
    let tree = &program.modules[0].tree;
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for item in &tree.items {
        match item {
            Item::Function(ast::Function { body, .. }) => {
                used.extend(body.iter().flat_map(walk::of_stmt).flat_map(walk::names));
            }
            Item::Variant(variant) => {
                used.insert(&variant.function.name);
                used.extend(variant.body.iter().flat_map(walk::of_stmt).flat_map(walk::names));
            }
            Item::Export(export) => {
                used.insert(&export.function.name);
            }
            Item::Schedule(schedule) => {
                used.insert(&schedule.function.name);
            }
            Item::Const(constant) => used.extend(walk::names(&constant.value)),
            Item::Error(_) => return Vec::new(),
            Item::Use(_) => {}
        }
    }
    let uses = tree.items.iter().filter_map(|item| if let Item::Use(item) = item { Some(item) } else { None });
    uses.flat_map(|item| &item.names)
        .map(|name| name.alias.as_ref().unwrap_or(&name.name))
        .filter(|name| !used.contains(name.name.as_str()) && program.modules[0].scope.contains_key(&name.name))
        .map(|name| error::name::unused(name, "is imported but never used"))
        .collect()
}
