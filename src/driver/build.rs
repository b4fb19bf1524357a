//! `ftc build`: every export through the pipeline, and the forms that were asked for written out.
//!
//! Nothing is written before everything is there, so an error leaves no half of a result.

use std::path::{Path, PathBuf};

use crate::artifact::{self, CudaForm, Interface, Nvcc};
use crate::codegen::Form;
use crate::diag::Diagnostic;
use crate::graph::Graph;
use crate::loops::{self, Kernel};
use crate::syntax::ast;
use crate::target::{Gpu, Target};

use super::emit::Emit;
use super::output::{self, Folder, Mode, Output};
use super::schedules::Block;
use super::select::{self, Selected, Selection};
use super::session::{self, Outcome, Session};
use super::variants::{self, Body, Wanted};
use super::{Lowered, error, files, generate, generate_cuda, lock, lower, machine, pack, parse, schedules};

/// What `ftc build` was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to compile.
    pub what: Selection,
    /// The name of the target.
    pub target: String,
    /// Kinds of output.
    pub emit: Vec<String>,
    /// Where it goes.
    pub to: Destination,
    /// The name of the library, if it is to be another one than the file's.
    pub name: Option<String>,
}

/// Where outputs go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Files in a folder.
    Folder(PathBuf),
    /// One text form to standard output.
    Stdout,
}

/// What a build came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Built {
    /// These files were written, each of its kind.
    Files(Vec<(Emit, PathBuf)>),
    /// This is for standard output.
    Text(Vec<u8>),
}

/// One export on its way.
struct Unit {
    graph: Graph,
    /// As source.
    schedule: String,
    kernel: Kernel,
    interface: Interface,
    /// Every form of its code that an output needs.
    code: Vec<(Form, Vec<u8>)>,
    /// CUDA C, for a GPU.
    cuda: Option<String>,
}

/// Compiles and writes.
pub fn build(session: &mut Session, request: &Request) -> Outcome<Built> {
    let kinds = Emit::parse(session, &request.emit)?;
    check_request(request, &kinds).map_err(|wrong| session.user(wrong))?;
    let forms = forms(&kinds);
    let target = match request.target.as_str() {
        // It may not be known what this machine is; without code to write it does not matter.
        "native" if forms.is_empty() => Target::parse("native", machine::host().as_ref()).unwrap_or(Target::Interp),
        name => machine::target(session, name)?,
    };
    if let Some(kind) = kinds.iter().find(|kind| !kind.is_for(&target)).filter(|_| target != Target::Interp) {
        let known: Vec<_> = Emit::ALL.into_iter().filter(|kind| kind.is_for(&target)).map(Emit::name).collect();
        return Err(session.user(error::not_for_target(kind.name(), target.name(), &known)));
    }
    if let (&[Emit::Ast], Some(path)) = (kinds.as_slice(), &request.what.file) {
        // The tree is there even where the program means nothing yet.
        let file = files::read_source(session, path)?;
        let tree = parse(session, file)?;
        return finish(session, &request.to, vec![(Emit::Ast, ast_output(&stem(path), &tree))]);
    }
    // A benchmark has its own, with what it has just found.
    if session.pinned.is_none() {
        lock::open_for(session, &request.what, &target, machine::model(&target).as_ref())?;
    }
    let selected = select::select(session, &request.what)?;
    let is_code = !forms.is_empty() || kinds.iter().any(|kind| matches!(kind, Emit::Cuda | Emit::Ptx));
    if request.to == Destination::Stdout && selected.exports.len() > 1 && is_code {
        let names: Vec<_> = selected.exports.iter().map(|export| select::symbol(export).to_owned()).collect();
        return Err(session.user(error::several_for_stdout(kinds[0].name(), &names)));
    }
    let units = compile_all(session, &selected, &forms, &target)?;
    let name = library_name(request, &selected);
    let mut outputs = Vec::new();
    for kind in kinds {
        let files = emit(session, kind, &name, &units, &selected, &target)?;
        outputs.extend(files.into_iter().map(|file| (kind, file)));
    }
    finish(session, &request.to, outputs)
}

/// What is wrong with a request whatever the program is.
fn check_request(request: &Request, kinds: &[Emit]) -> Result<(), Diagnostic> {
    let plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    if let Some(name) = request.name.as_deref().filter(|name| !plain(name)) {
        return Err(error::malformed_option("--name", name, "NAME, the plain name of a file"));
    }
    if request.to == Destination::Stdout && (kinds.len() != 1 || !kinds[0].is_text()) {
        return Err(error::not_for_stdout(&request.emit.join(",")));
    }
    if request.what.file.is_none() && kinds.contains(&Emit::Ast) {
        return Err(error::no_tree());
    }
    Ok(())
}

/// Every export through the pipeline; errors of all of them are found.
fn compile_all(session: &mut Session, selected: &Selected, forms: &[Form], target: &Target) -> Outcome<Vec<Unit>> {
    let mut units = Vec::new();
    session::for_each(&selected.exports, |export| {
        units.push(compile(session, selected, export, forms, target)?);
        Ok(())
    })?;
    Ok(units)
}

fn compile(
    session: &mut Session,
    selected: &Selected,
    export: &ast::Export,
    forms: &[Form],
    target: &Target,
) -> Outcome<Unit> {
    let body = variants::of_export(session, &selected.program, export, &selected.request, target, Wanted::Built)?;
    let Body { graph, variant, block, .. } = body;
    let Lowered { kernel, schedule } = lower(session, &graph, block.as_ref(), &machine::chooser(target))?;
    let chosen = || schedules::chosen_text(&kernel.name, variant.as_deref(), target.name(), &schedule);
    let schedule = block.as_ref().map_or_else(chosen, |block| block.text(&schedule));
    let docs = select::docs(&selected.program, export);
    let packing = pack(session, &kernel)?;
    let interface = Interface::of(&kernel).with_doc(docs.clone()).with_packing(packing.as_ref());
    if let Target::Gpu(gpu) = target {
        let about = about(&graph, &docs, &schedule);
        let cuda = generate_cuda(session, &kernel, packing.as_ref(), gpu, &about);
        let cuda = Some(cuda.inspect_err(|_| blame(session, block.as_ref()))?);
        return Ok(Unit { graph, schedule, kernel, interface, code: Vec::new(), cuda });
    }
    let code = match target {
        _ if forms.is_empty() => Vec::new(),
        Target::Cpu(cpu) => {
            let made = generate(session, &kernel, packing.as_ref(), cpu, forms);
            made.inspect_err(|_| blame(session, block.as_ref()))?
        }
        Target::Interp | Target::Gpu(_) => return Err(session.user(error::interpreted_only())),
    };
    Ok(Unit { graph, schedule, kernel, interface, code: forms.iter().copied().zip(code).collect(), cuda: None })
}

/// Shows with the error of a backend the step that asks for what the machine does not have.
fn blame(session: &mut Session, block: Option<&Block<'_>>) {
    if let (Some(block), Some(found)) = (block, session.diagnostics.last_mut())
        && let Some(span) = block.culprit(&found.code)
    {
        *found = found.clone().primary(span, "this step asks for it");
    }
}

/// What a reader of generated code should know: what it computes, and in which order.
fn about(graph: &Graph, docs: &[String], schedule: &str) -> Vec<String> {
    let formula = graph.to_string();
    let mut about: Vec<_> = docs.to_vec();
    about.push(String::new());
    about.extend(formula.lines().map(str::to_owned));
    about.push(String::new());
    about.extend(schedule.lines().map(str::to_owned));
    about
}

/// The forms of code that these outputs are made of.
fn forms(kinds: &[Emit]) -> Vec<Form> {
    let mut forms: Vec<_> = kinds
        .iter()
        .filter_map(|kind| match kind {
            Emit::Llvm => Some(Form::Ir),
            Emit::Asm => Some(Form::Asm),
            Emit::Obj | Emit::Archive | Emit::Lib => Some(Form::Object),
            Emit::Ast | Emit::Graph | Emit::Schedule | Emit::Loops | Emit::Header | Emit::Python
            // What nvcc makes is made of text.
            | Emit::Cuda | Emit::Ptx | Emit::Cubin => None,
        })
        .collect();
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// The files of one kind.
fn emit(
    session: &mut Session,
    kind: Emit,
    name: &str,
    units: &[Unit],
    selected: &Selected,
    target: &Target,
) -> Outcome<Vec<Output>> {
    let each = |extension: &str, text: &dyn Fn(&Unit) -> Vec<u8>| {
        let file = |unit: &Unit| Output::new(format!("{}.{extension}", unit.interface.name), text(unit));
        units.iter().map(file).collect::<Vec<_>>()
    };
    Ok(match kind {
        Emit::Ast => syntax_trees(session, selected)?,
        Emit::Graph => each("graph", &|unit| unit.graph.to_string().into_bytes()),
        Emit::Schedule => each("schedule.ft", &|unit| unit.schedule.clone().into_bytes()),
        Emit::Loops => each("loops", &|unit| loops::print::print(&unit.kernel).into_bytes()),
        Emit::Llvm => each("ll", &|unit| unit.form(Form::Ir)),
        Emit::Asm => each("s", &|unit| unit.form(Form::Asm)),
        Emit::Obj => each("o", &|unit| unit.form(Form::Object)),
        Emit::Archive => {
            let made = session.passes.run("archive", || artifact::archive(&objects(units)));
            let bytes = made.map_err(|cause| session.artifact(&cause))?;
            vec![Output::new(format!("lib{name}.a"), bytes)]
        }
        Emit::Lib => vec![match target {
            Target::Gpu(gpu) => cuda_library(session, name, units, gpu)?,
            _ => shared_library(session, name, units, target)?,
        }],
        Emit::Cuda => each("cu", &|unit| unit.cuda().into_bytes()),
        Emit::Ptx => nvcc_each(session, units, target, "ptx", CudaForm::Ptx)?,
        Emit::Cubin => nvcc_each(session, units, target, "cubin", CudaForm::Cubin)?,
        Emit::Header => {
            let header = if let Target::Gpu(_) = target { artifact::cuda_header } else { artifact::header };
            vec![Output::new(format!("{name}.h"), header(name, &interfaces(units)))]
        }
        Emit::Python => {
            let text = artifact::python(&shared_library_file(name), &interfaces(units));
            vec![Output::new(format!("{}.py", artifact::python_module(name)), text)]
        }
    })
}

impl Unit {
    fn form(&self, wanted: Form) -> Vec<u8> {
        let (_, bytes) = self.code.iter().find(|(form, _)| *form == wanted).expect("every form was asked for");
        bytes.clone()
    }

    fn cuda(&self) -> String {
        self.cuda.clone().expect("there is CUDA C for a GPU")
    }
}

/// What nvcc makes of each export.
fn nvcc_each(
    session: &mut Session,
    units: &[Unit],
    target: &Target,
    extension: &str,
    form: CudaForm,
) -> Outcome<Vec<Output>> {
    let Target::Gpu(gpu) = target else { unreachable!("the kind was checked against the target") };
    let nvcc = Nvcc::find().map_err(|cause| session.artifact(&cause))?;
    let mut outputs = Vec::new();
    for unit in units {
        let name = &unit.interface.name;
        let made = session.passes.run("nvcc", || nvcc.compile(name, &unit.cuda(), gpu, form));
        let bytes = made.map_err(|cause| session.artifact(&cause))?;
        outputs.push(Output::new(format!("{name}.{extension}"), bytes));
    }
    Ok(outputs)
}

fn cuda_library(session: &mut Session, name: &str, units: &[Unit], gpu: &Gpu) -> Outcome<Output> {
    let nvcc = Nvcc::find().map_err(|cause| session.artifact(&cause))?;
    let texts: Vec<_> = units.iter().map(|unit| (unit.interface.name.clone(), unit.cuda())).collect();
    let made = session.passes.run("nvcc", || nvcc.shared(&texts, gpu));
    let bytes = made.map_err(|cause| session.artifact(&cause))?;
    Ok(Output { path: shared_library_file(name).into(), bytes, mode: Mode::Program })
}

fn objects(units: &[Unit]) -> Vec<(String, Vec<u8>)> {
    units.iter().map(|unit| (format!("{}.o", unit.interface.name), unit.form(Form::Object))).collect()
}

fn interfaces(units: &[Unit]) -> Vec<Interface> {
    units.iter().map(|unit| unit.interface.clone()).collect()
}

fn shared_library_file(name: &str) -> String {
    format!("lib{name}.so")
}

/// Links in a temporary folder: the linker wants a file, and the place for it must stay empty until all is well.
fn shared_library(session: &mut Session, name: &str, units: &[Unit], target: &Target) -> Outcome<Output> {
    let Target::Cpu(cpu) = target else { unreachable!("an object was made, so the target is a CPU") };
    let file = shared_library_file(name);
    let unwritable = |cause| error::unwritable("a temporary file", &cause);
    let folder = tempfile::tempdir().map_err(|cause| session.environment(unwritable(cause)))?;
    let place = folder.path().join(&file);
    let linked = session.passes.run("link", || artifact::link_shared(&objects(units), &place, cpu));
    linked.map_err(|cause| session.artifact(&cause))?;
    let bytes = std::fs::read(&place).map_err(|cause| session.environment(unwritable(cause)))?;
    Ok(Output { path: file.into(), bytes, mode: Mode::Program })
}

fn syntax_trees(session: &mut Session, selected: &Selected) -> Outcome<Vec<Output>> {
    let Some(file) = selected.file else { return Ok(Vec::new()) };
    let tree = parse(session, file)?;
    let name = stem(Path::new(&session.sources.file(file).name));
    Ok(vec![ast_output(&name, &tree)])
}

fn ast_output(name: &str, tree: &ast::File) -> Output {
    Output::new(format!("{name}.ast"), format!("{tree:#?}\n"))
}

fn library_name(request: &Request, selected: &Selected) -> String {
    match (&request.name, &request.what.file) {
        (Some(name), _) => name.clone(),
        (None, Some(path)) => stem(path),
        (None, None) => select::symbol(&selected.exports[0]).to_owned(),
    }
}

/// The name of a file without folder and extension.
fn stem(path: &Path) -> String {
    match path.file_stem() {
        Some(stem) if !files::is_stdin(path) => stem.to_string_lossy().into_owned(),
        _ => "stdin".to_owned(),
    }
}

fn finish(session: &mut Session, to: &Destination, outputs: Vec<(Emit, Output)>) -> Outcome<Built> {
    let path = match to {
        Destination::Stdout => {
            let texts: Vec<_> = outputs.into_iter().map(|(_, output)| output.bytes).collect();
            return Ok(Built::Text(texts.join(&b'\n')));
        }
        Destination::Folder(path) => path,
    };
    let folder = Folder::open(session, path)?;
    let (kinds, outputs): (Vec<_>, Vec<_>) = outputs.into_iter().unzip();
    let placed = |output: Output| Output { path: folder.join(&output.path), ..output };
    let outputs: Vec<_> = outputs.into_iter().map(placed).collect();
    output::write_all(session, &outputs)?;
    Ok(Built::Files(kinds.into_iter().zip(outputs.into_iter().map(|output| output.path)).collect()))
}
