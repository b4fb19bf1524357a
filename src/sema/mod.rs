//! Syntax tree to tensor graph: names, types, sizes, ranges, and proofs that no access leaves its tensor.
//!
//! [`load`] brings in the files that a program uses. [`check`] looks at every function of the root file for several
//! sizes that it allows. [`instantiate`] makes the graph of one export.
//!
//! There is one elaborator (`elab`, with its `impl` blocks in `bind call body element infer expr arith read reduce`):
//! it works on known sizes and proves each access for them, exactly. Sizes carry their names along, for messages.
//! It collects errors and goes on; what was wrong once keeps quiet afterwards.

mod arith;
mod bind;
mod body;
mod call;
mod check;
mod constants;
mod elab;
mod element;
mod error;
mod expr;
mod infer;
mod instance;
mod origin;
mod poly;
mod program;
mod read;
mod reduce;
mod sample;
mod signature;
mod solve;
mod suggest;
mod value;
mod variant;
mod walk;

use std::collections::BTreeMap;

use crate::diag::Diagnostic;
use crate::graph::Graph;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast;

pub use instance::{Assignment, Instance};
pub use program::Program;

/// Where files come from; the driver gives one that reads the disk and the embedded `std`.
pub trait Loader {
    /// The name to show and the text of module `path` (`std::nn`, `blocks`) as used in the file `from`; none if there
    /// is no such module.
    fn load(&mut self, from: &str, path: &[&str]) -> Option<(String, String)>;

    /// The module paths that exist, for suggestions; those of `std` all.
    fn known(&self) -> Vec<String>;
}

/// What is asked of an instance beside its arguments.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `--set M=64`
    pub set: Vec<(String, i64)>,
    /// `--variant winograd`: the bodies to use in place of the first ones.
    pub variants: Vec<String>,
    /// What to do where the condition of such a variant does not hold.
    pub unfit: Unfit,
}

/// What to do with a call for which a variant that was asked for is not made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unfit {
    /// It is an error.
    #[default]
    Refuse,
    /// The call keeps its first body.
    Skip,
}

/// Loads the modules that `root` uses, over and over; reports unknown modules, cycles, and names defined twice.
/// `is_whole` says whether the root parsed without an error; if not, names that it lacks are no news.
pub fn load(
    sources: &mut SourceMap,
    root: FileId,
    tree: ast::File,
    loader: &mut dyn Loader,
) -> (Program, Vec<Diagnostic>) {
    let is_whole = !tree.items.iter().any(|item| matches!(item, ast::Item::Error(_)));
    program::load(sources, root, tree, is_whole, loader)
}

/// A program without a root file, in which every public item of `std` is in scope.
pub fn load_std(sources: &mut SourceMap, loader: &mut dyn Loader) -> (Program, Vec<Diagnostic>) {
    program::load_std(sources, loader)
}

/// Every error and warning of the root file's own items. `earlier` is what parsing and loading found: of items
/// with an error, and of names that may have been lost with them, nothing is said.
pub fn check(program: &Program, earlier: &[Diagnostic]) -> Vec<Diagnostic> {
    check::check(program, earlier)
}

/// The exports that the root file declares, in order.
pub fn exports(program: &Program) -> Vec<ast::Export> {
    let items = program.modules[0].tree.items.iter();
    items.filter_map(|item| if let ast::Item::Export(export) = item { Some(export.clone()) } else { None }).collect()
}

/// The graph of one export, which need not be declared in the file: its spans only have to be in the source map.
pub fn instantiate(program: &Program, export: &ast::Export, request: &Request) -> Result<Graph, Vec<Diagnostic>> {
    instance::of_export(program, export, request).map(|instance| instance.graph)
}

/// The graph of a function for sizes given by name; those that `where` clauses or defaults determine may be left out.
pub fn instantiate_with(
    program: &Program,
    function: &str,
    assignment: &Assignment,
    request: &Request,
) -> Option<Result<Instance, Vec<Diagnostic>>> {
    let (module, function) = program.function_in(0, function)?;
    let broken = signature::check(function);
    if broken.iter().any(Diagnostic::is_error) {
        return Some(Err(broken));
    }
    Some(instance::of_assignment(program, module, function, assignment, request))
}

/// The value of a size expression (truth is 1 and 0); none if a name in it is unknown or it has no value.
pub fn evaluate(expr: &ast::Expr, sizes: &BTreeMap<String, i64>) -> Option<i64> {
    solve::eval(expr, sizes).ok()
}

/// Names in `--set` that none of the exports leaves open.
pub fn check_set(program: &Program, exports: &[ast::Export], request: &Request, span: Span) -> Vec<Diagnostic> {
    let mut open: Vec<String> = Vec::new();
    for export in exports {
        let probe = Request { set: Vec::new(), ..request.clone() };
        open.extend(instance::open_names(program, export, &probe));
    }
    let unused = request.set.iter().filter(|(name, _)| !open.contains(name));
    unused
        .map(|(name, _)| error::call::set_unused(name, span, suggest::nearest(name, open.iter().map(String::as_str))))
        .collect()
}

/// The place in a function that introduces the index of a loop, and what is to be said there; none for the indices of
/// functions that it calls.
pub fn origin_of_axis(function: &ast::Function, axis: &str) -> Option<(Span, String)> {
    origin::of_axis(function, axis)
}

/// The place in a function that defines a tensor, and what is to be said there.
pub fn origin_of_tensor(function: &ast::Function, tensor: &str) -> Option<(Span, String)> {
    origin::of_tensor(function, tensor)
}

/// The nearest known name, for "did you mean".
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    suggest::nearest(name, candidates)
}
