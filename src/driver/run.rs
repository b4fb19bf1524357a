//! `ftc run`: one export, compiled into a temporary library or interpreted, and called with arrays from files.

use std::path::PathBuf;

use crate::artifact::{Direction, Interface, Param};
use crate::diag::Diagnostic;
use crate::loops::interp::InterpError;
use crate::loops::{self, Kernel};
use crate::runtime::Array;
use crate::runtime::gpu::Device;
use crate::runtime::library::LibraryError;
use crate::scalar::Values;
use crate::target::{Cpu, Gpu, Target};

use super::output::{self, Output};
use super::preview::preview;
use super::select::{self, Selected, Selection};
use super::session::{Outcome, Session, Stop};
use super::suggest::nearest;
use super::variants::{self, Wanted};
use super::{arrays, error, gpu, loaded, lock, lower, machine};

/// What a kernel returns where there is no memory for its intermediate tensors; the header says so too.
const NO_MEMORY: i32 = 2;

/// What `ftc run` was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to compile.
    pub what: Selection,
    /// The export to call, if there are several.
    pub call: Option<String>,
    /// `A=a.npy`, one for each input.
    pub inputs: Vec<String>,
    /// `C=c.npy`, for the outputs to save.
    pub outputs: Vec<String>,
    /// The name of the target.
    pub target: String,
}

/// Compiles, calls, saves; gives the text that shows the other outputs.
pub fn run(session: &mut Session, request: &Request) -> Outcome<String> {
    let inputs = named_files(session, "--in", &request.inputs)?;
    let outputs = named_files(session, "--out", &request.outputs)?;
    let target = machine::target(session, &request.target)?;
    if let Target::Cpu(cpu) = &target
        && let Some(why) = machine::cannot_run(cpu)
    {
        return Err(session.user(error::not_this_machine(&cpu.name, &why)));
    }
    // Without a GPU nothing else need be looked at.
    let device = if let Target::Gpu(gpu) = &target { Some(gpu::open(session, gpu)?) } else { None };
    lock::open_for(session, &request.what, &target, machine::model(&target).as_ref())?;
    let mut selected = select::select(session, &request.what)?;
    let chosen = choose(session, &selected, request.call.as_deref())?;
    let export = selected.exports.swap_remove(chosen);
    let body = variants::of_export(session, &selected.program, &export, &selected.request, &target, Wanted::Built)?;
    let kernel = lower(session, &body.graph, body.block.as_ref(), &machine::chooser(&target))?.kernel;
    let interface = Interface::of(&kernel);
    check_outputs(session, &interface, &outputs)?;
    let arrays = read_inputs(session, &interface, &inputs)?;
    let results = match (&target, &device) {
        (Target::Cpu(cpu), _) => call(session, &kernel, &interface, cpu, &arrays)?,
        (Target::Gpu(gpu), Some(device)) => call_on_gpu(session, &kernel, &interface, (gpu, device), &arrays)?,
        _ => interpret(session, &kernel, &arrays)?,
    };
    save(session, &interface, &outputs, &results)
}

/// A file for a tensor.
type NamedFile = (String, PathBuf);

fn named_files(session: &mut Session, option: &str, given: &[String]) -> Outcome<Vec<NamedFile>> {
    let mut files: Vec<NamedFile> = Vec::new();
    for text in given {
        let Some((name, file)) = text.split_once('=').filter(|(name, file)| !name.is_empty() && !file.is_empty())
        else {
            return Err(session.user(error::malformed_option(option, text, "NAME=FILE.npy")));
        };
        if files.iter().any(|(known, _)| known == name) {
            return Err(session.user(error::repeated_option(option, name)));
        }
        files.push((name.to_owned(), file.into()));
    }
    Ok(files)
}

fn choose(session: &mut Session, selected: &Selected, call: Option<&str>) -> Outcome<usize> {
    let names: Vec<_> = selected.exports.iter().map(|export| select::symbol(export).to_owned()).collect();
    match call {
        Some(call) => {
            let found = names.iter().position(|name| name == call);
            found.ok_or_else(|| session.user(select::unknown(call, &selected.exports)))
        }
        None if names.len() == 1 => Ok(0),
        None => Err(session.user(error::which_export(&names))),
    }
}

fn inputs_of(interface: &Interface) -> Vec<&Param> {
    interface.params.iter().filter(|param| param.direction != Direction::Out).collect()
}

fn outputs_of(interface: &Interface) -> Vec<&Param> {
    interface.params.iter().filter(|param| param.direction == Direction::Out).collect()
}

fn check_outputs(session: &mut Session, interface: &Interface, files: &[NamedFile]) -> Outcome<()> {
    let known: Vec<_> = outputs_of(interface).iter().map(|param| param.name.clone()).collect();
    match files.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, _)) => Err(session.user(error::unknown_output(&interface.name, name, &known))),
        None => Ok(()),
    }
}

/// All inputs in order; the errors of all files are found.
fn read_inputs(session: &mut Session, interface: &Interface, files: &[NamedFile]) -> Outcome<Vec<Array>> {
    let inputs = inputs_of(interface);
    let given = |param: &&&Param| files.iter().any(|(name, _)| *name == param.name);
    let missing: Vec<_> = inputs
        .iter()
        .filter(|param| !given(param))
        .map(|param| format!("{}: {}", param.name, arrays::type_of(param.dtype, &param.shape)))
        .collect();
    let unknown: Vec<_> = files
        .iter()
        .filter(|(name, _)| inputs.iter().all(|param| param.name != *name))
        .map(|(name, _)| {
            let near = nearest(name, inputs.iter().map(|param| param.name.as_str()));
            (name.clone(), near.map(str::to_owned))
        })
        .collect();
    if !missing.is_empty() || !unknown.is_empty() {
        return Err(session.user(error::wrong_inputs(&interface.name, &missing, &unknown)));
    }
    let path = |param: &Param| &files.iter().find(|(name, _)| *name == param.name).expect("none is missing").1;
    let read: Vec<_> = inputs.iter().map(|param| arrays::read(param, path(param))).collect();
    let (good, bad): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
    let found: Vec<Diagnostic> = bad.into_iter().filter_map(Result::err).collect();
    session.report(found)?;
    Ok(good.into_iter().filter_map(Result::ok).collect())
}

fn interpret(session: &mut Session, kernel: &Kernel, inputs: &[Array]) -> Outcome<Vec<Array>> {
    let values: Vec<Values> = inputs.iter().map(Array::values).collect();
    let results = session.passes.run("interpret", || loops::interp::run(kernel, &values));
    let results = match results {
        Ok(results) => results.iter().map(Array::from_values).collect(),
        Err(InterpError::TooLarge) => None,
        Err(cause) => return Err(Stop::Internal(format!("the interpreter stopped in `{}`: {cause}", kernel.name))),
    };
    results.ok_or_else(|| session.environment(error::no_memory()))
}

/// Compiles, and calls once.
fn call(
    session: &mut Session,
    kernel: &Kernel,
    interface: &Interface,
    cpu: &Cpu,
    inputs: &[Array],
) -> Outcome<Vec<Array>> {
    let made = outputs_of(interface).into_iter().map(|param| Array::zeros(param.dtype, &param.shape));
    let mut outputs = made.collect::<Option<Vec<_>>>().ok_or_else(|| session.environment(error::no_memory()))?;
    let inputs: Vec<_> = inputs.iter().collect();
    let loaded = loaded::load(session, kernel, None, cpu)?;
    let called = session.passes.run("call", || loaded.library.call(&loaded.export, &inputs, &mut outputs));
    called.map_err(|cause| session.environment(failed(interface, &cause)))?;
    Ok(outputs)
}

/// Compiles, and calls once on the GPU of this machine.
fn call_on_gpu(
    session: &mut Session,
    kernel: &Kernel,
    interface: &Interface,
    (gpu, device): (&Gpu, &Device),
    inputs: &[Array],
) -> Outcome<Vec<Array>> {
    let made = outputs_of(interface).into_iter().map(|param| Array::zeros(param.dtype, &param.shape));
    let mut outputs = made.collect::<Option<Vec<_>>>().ok_or_else(|| session.environment(error::no_memory()))?;
    let inputs: Vec<_> = inputs.iter().collect();
    let image = gpu::image(session, kernel, gpu, &gpu::Images::new())?;
    gpu::call(session, device, &image, &inputs, &mut outputs)?;
    Ok(outputs)
}

fn failed(interface: &Interface, cause: &LibraryError) -> Diagnostic {
    match cause {
        LibraryError::Call { code: NO_MEMORY, .. } => error::no_workspace(interface),
        LibraryError::Call { .. } | LibraryError::Load(_) | LibraryError::Symbol { .. } => {
            error::call_failed(&cause.to_string())
        }
    }
}

fn save(session: &mut Session, interface: &Interface, files: &[NamedFile], results: &[Array]) -> Outcome<String> {
    let mut shown = String::new();
    let mut saved = Vec::new();
    for (param, array) in outputs_of(interface).iter().zip(results) {
        match files.iter().find(|(name, _)| *name == param.name) {
            Some((_, path)) => saved.push(Output::new(path, arrays::bytes(array))),
            None => shown += &preview(&param.name, &array.values()),
        }
    }
    output::write_all(session, &saved)?;
    Ok(shown)
}
