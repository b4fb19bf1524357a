//! The compiler from end to end. Commands are put together out of the functions on this page; each is one arrow:
//!
//! ```text
//! source ──parse──> AST ──load, check──> program ──instantiate──> graph ──lower, simplify──> kernel ──generate──> code
//!                                                     │ verify              │ verify    │ verify
//! ```
//!
//! The driver alone reads files, clocks and the environment; every room before it is a pure function of what it is
//! given. Here is also what commands need around the pipeline: `modules` finds what `use` names, `select` decides what
//! to compile, `output` writes, `emit` knows the forms, and one file stands for each command.

pub mod arrays;
pub mod doctor;
pub mod emit;
pub mod error;
pub mod files;
pub mod loaded;
pub mod machine;
pub mod modules;
pub mod output;
pub mod passes;
pub mod preview;
pub mod session;
pub mod suggest;

pub use session::{Outcome, Session, Stop};

use crate::codegen::{self, Form};
use crate::loops::Kernel;
use crate::source::FileId;
use crate::syntax::{ast, parser};
use crate::target::Cpu;

/// Source to syntax tree.
pub fn parse(session: &mut Session, file: FileId) -> Outcome<ast::File> {
    let text = &session.sources.file(file).text;
    let (tree, found) = session.passes.run("parse", || parser::parse(file, text));
    session.report(found).map(|()| tree)
}

/// Loop nests to code for a CPU, in several forms.
pub fn generate(session: &mut Session, kernel: &Kernel, cpu: &Cpu, forms: &[Form]) -> Outcome<Vec<Vec<u8>>> {
    let code = session.passes.run("generate", || codegen::llvm::compile_forms(kernel, cpu, forms));
    code.map_err(|cause| session.codegen(&cause))
}
