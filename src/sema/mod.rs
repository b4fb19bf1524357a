//! Syntax tree to tensor graph: names, types, sizes, ranges, and proofs that no access leaves its tensor.
//!
//! [`load`] brings in the files that a program uses. [`check`] looks at every function for all the sizes it allows.
//! [`instantiate`] makes the graph of one export.

use crate::diag::Diagnostic;
use crate::graph::Graph;
use crate::source::{FileId, SourceMap};
use crate::syntax::ast;

/// Where files come from; the driver gives one that reads the disk and the embedded `std`.
pub trait Loader {
    /// The name to show and the text of module `path` (`std::nn`, `blocks`) as used in the file `from`; none if there
    /// is no such module.
    fn load(&mut self, from: &str, path: &[&str]) -> Option<(String, String)>;

    /// The module paths that exist, for suggestions.
    fn known(&self) -> Vec<String>;
}

/// A program: one root file and all that it uses.
#[derive(Debug)]
pub struct Program {}

/// What to build: an export of the program, and the values of sizes that it leaves open.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `--set M=64`
    pub set: Vec<(String, i64)>,
    /// `--variant winograd`: the bodies to use in place of the first ones.
    pub variants: Vec<String>,
}

/// Loads the modules that `root` uses, over and over; reports unknown modules and cycles.
pub fn load(
    _sources: &mut SourceMap,
    _root: FileId,
    _tree: ast::File,
    _loader: &mut dyn Loader,
) -> (Program, Vec<Diagnostic>) {
    (Program {}, Vec::new())
}

/// Every error and warning of the root file's own functions.
pub fn check(_program: &Program) -> Vec<Diagnostic> {
    Vec::new()
}

/// The exports that the root file declares, in order.
pub fn exports(_program: &Program) -> Vec<ast::Export> {
    Vec::new()
}

/// The graph of one export, which need not be declared in the file: its spans only have to be in the source map.
pub fn instantiate(_program: &Program, _export: &ast::Export, _request: &Request) -> Result<Graph, Vec<Diagnostic>> {
    Err(Vec::new())
}
