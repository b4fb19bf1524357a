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
pub mod bench;
pub mod build;
pub mod choose;
pub mod doctor;
pub mod emit;
pub mod error;
pub mod explain;
pub mod files;
pub mod format;
pub mod gpu;
pub mod loaded;
pub mod lock;
pub mod machine;
pub mod modules;
pub mod output;
pub mod passes;
pub mod preview;
pub mod run;
pub mod schedules;
pub mod select;
pub mod session;
pub mod space;
pub mod suggest;
pub mod tune;
pub mod variants;

pub use session::{Outcome, Session, Stop};

use std::path::Path;

use crate::codegen::cuda::module::Module;
use crate::codegen::places::Places;
use crate::codegen::{self, Form};
use crate::diag::Diagnostic;
use crate::graph::{self, Graph};
use crate::loops::pack::Packing;
use crate::loops::{self, Kernel};
use crate::lower;
use crate::schedule::{self, Schedule};
use crate::sema::{self, Program, Request};
use crate::source::FileId;
use crate::syntax::{ast, parser};
use crate::target::{Cpu, Gpu, Platform};

use machine::Chooser;

/// Finds every error and warning of a file. What does not parse does not keep the rest from being checked.
pub fn check(session: &mut Session, path: &Path) -> Outcome<()> {
    let file = files::read_source(session, path)?;
    let (program, mut found) = open(session, file);
    // Names may have been lost otherwise.
    let is_loaded = !found.iter().any(Diagnostic::is_error);
    let more = session.passes.run("check", || sema::check(&program, &found));
    found.extend(more);
    if is_loaded {
        found.extend(schedules::check(&program, machine::host().as_ref()));
    }
    if !found.iter().any(Diagnostic::is_error) {
        found.extend(session.passes.run("schedule", || schedules::try_all(&program)));
    }
    session.report(found)
}

/// Source to syntax tree.
pub fn parse(session: &mut Session, file: FileId) -> Outcome<ast::File> {
    let text = &session.sources.file(file).text;
    let (tree, found) = session.passes.run("parse", || parser::parse(file, text));
    session.report(found).map(|()| tree)
}

/// Source to program: the file's tree, and those of all modules that it uses.
pub fn load(session: &mut Session, file: FileId) -> Outcome<Program> {
    let (program, found) = open(session, file);
    session.report(found).map(|()| program)
}

fn open(session: &mut Session, file: FileId) -> (Program, Vec<Diagnostic>) {
    let Session { sources, passes, .. } = session;
    let source = sources.file(file);
    let mut modules = modules::Modules::beside(&source.name);
    let (tree, mut found) = passes.run("parse", || parser::parse(file, &source.text));
    let (program, unknown) = passes.run("load", || sema::load(sources, file, tree, &mut modules));
    found.extend(unknown);
    (program, found)
}

/// Program to graph: one export, with all its sizes.
pub fn instantiate(
    session: &mut Session,
    program: &Program,
    export: &ast::Export,
    request: &Request,
) -> Outcome<Graph> {
    let made = session.passes.run("instantiate", || sema::instantiate(program, export, request));
    let graph = made.or_else(|found| session.report(found).and(Err(Stop::User)))?;
    session.verify("instantiate", graph::verify::verify(&graph), || graph.to_string())?;
    Ok(graph)
}

/// Loop nests, and the schedule that made them.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The loops.
    pub kernel: Kernel,
    /// The steps from the plain loops to these.
    pub schedule: Schedule,
}

/// Graph to loop nests: in the order that a block says, else in the one that was measured or is chosen for the target,
/// else plain.
pub fn lower(
    session: &mut Session,
    graph: &Graph,
    block: Option<&schedules::Block<'_>>,
    chooser: &Chooser,
) -> Outcome<Lowered> {
    let naive = session.passes.run("lower", || lower::lower(graph));
    session.verify("lower", loops::verify::verify(&naive), || loops::print::print(&naive))?;
    let (schedule, scheduled) = match (block, chooser) {
        (Some(block), _) => {
            let filled = session.passes.run("choose", || block.fill(&naive, chooser.model()));
            let block = filled.or_else(|wrong| session.report(vec![wrong]).and(Err(Stop::User)))?;
            let applied = session.passes.run("schedule", || block.apply(&naive));
            let kernel = applied.or_else(|wrong| session.report(vec![wrong]).and(Err(Stop::User)))?;
            (block.schedule().clone(), kernel)
        }
        (None, Chooser::Model(platform)) => {
            let chosen = pinned_or_chosen(session, &naive, platform);
            let applied = session.passes.run("schedule", || schedule::apply(&naive, &chosen));
            (chosen, applied.map_err(|refused| Stop::Internal(format!("a chosen schedule is refused: {refused}")))?)
        }
        (None, Chooser::Nobody) => (Schedule::default(), naive),
    };
    session.verify("schedule", loops::verify::verify(&scheduled), || loops::print::print(&scheduled))?;
    let kernel = session.passes.run("simplify", || loops::simplify::simplify(scheduled));
    session.verify("simplify", loops::verify::verify(&kernel), || loops::print::print(&kernel))?;
    Ok(Lowered { kernel, schedule })
}

/// What of a kernel with `const` arguments can be computed ahead, and the rest.
pub fn pack(session: &mut Session, kernel: &Kernel) -> Outcome<Option<Packing>> {
    let packing = session.passes.run("pack", || loops::pack::pack(kernel));
    for part in packing.iter().flat_map(|packing| [&packing.pack, &packing.packed]) {
        session.verify("pack", loops::verify::verify(part), || loops::print::print(part))?;
    }
    Ok(packing)
}

/// The schedule that the lock has for a kernel, else that which the model chooses.
fn pinned_or_chosen(session: &mut Session, naive: &Kernel, platform: &Platform) -> Schedule {
    let Session { passes, pinned, chosen, .. } = session;
    // The choice among variants may have come to it.
    let known = chosen.take().filter(|(text, _)| *text == loops::print::print(naive));
    let choose = || known.map_or_else(|| choose::choose(naive, platform), |(_, schedule)| schedule);
    let Some(pinned) = pinned else { return passes.run("choose", choose) };
    let (schedule, finding) = passes.run("lock", || lock::decide(pinned, naive, platform, choose));
    // A warning: it stops nothing.
    let _ = session.report(finding.into_iter().collect());
    schedule
}

/// Loop nests to code for a CPU, in several forms.
pub fn generate(
    session: &mut Session,
    kernel: &Kernel,
    packing: Option<&Packing>,
    cpu: &Cpu,
    forms: &[Form],
) -> Outcome<Vec<Vec<u8>>> {
    let joined = codegen::forks::forks(kernel).joined;
    let names = joined.into_iter().map(|axis| kernel.axes[axis].name.as_str());
    session.report(names.map(|name| error::serial_loop(&kernel.name, name)).collect())?;
    let code = session.passes.run("generate", || codegen::llvm::compile_export(kernel, packing, cpu, forms));
    code.map_err(|cause| session.codegen(&cause))
}

/// Loop nests to assembly with line information.
pub fn generate_noted(
    session: &mut Session,
    kernel: &Kernel,
    packing: Option<&Packing>,
    cpu: &Cpu,
    places: &Places,
) -> Outcome<String> {
    let made = session
        .passes
        .run("generate", || codegen::llvm::compile_noted(kernel, packing, cpu, &[Form::Asm], Some(places)));
    let code = made.map_err(|cause| session.codegen(&cause))?;
    Ok(code.first().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default())
}

/// Loop nests to CUDA C for who starts the launches himself; what is `const` is packed ahead.
pub fn generate_module(session: &mut Session, kernel: &Kernel, gpu: &Gpu) -> Outcome<Module> {
    let packing = pack(session, kernel)?;
    let made = session.passes.run("generate", || codegen::cuda::module(kernel, packing.as_ref(), gpu));
    made.map_err(|cause| session.codegen(&cause))
}

/// Loop nests to CUDA C; `about` is what a reader should know of it.
pub fn generate_cuda(
    session: &mut Session,
    kernel: &Kernel,
    packing: Option<&Packing>,
    gpu: &Gpu,
    about: &[String],
) -> Outcome<String> {
    let text = session.passes.run("generate", || codegen::cuda::export(kernel, packing, gpu, about));
    text.map_err(|cause| session.codegen(&cause))
}
