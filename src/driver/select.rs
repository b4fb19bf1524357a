//! What to compile: a program, and the exports of it that were asked for.

use std::path::PathBuf;

use crate::artifact::Interface;
use crate::diag::Diagnostic;
use crate::sema::{self, Program, Request};
use crate::source::{FileId, Span};
use crate::syntax::{ast, parser};

use super::modules::Modules;
use super::session::{self, Outcome, Session, Stop};
use super::suggest::nearest;
use super::variants;
use super::{error, files, load, lock, machine, schedules};

/// The question, as the command line puts it.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The source file; without one, `exports` call the standard library.
    pub file: Option<PathBuf>,
    /// `gemm(A: f32[64, 64], B: f32[64, 64])`: instead of the exports of the file.
    pub exports: Vec<String>,
    /// `M=64`
    pub set: Vec<String>,
    /// `winograd`
    pub variants: Vec<String>,
    /// The lock that schedules come from; that beside the file if not given.
    pub lock: Option<PathBuf>,
}

impl Selection {
    /// The path of the lock, which may not exist.
    pub fn lock(&self) -> PathBuf {
        self.lock.clone().unwrap_or_else(|| lock::beside(self.file.as_deref()))
    }
}

/// The answer.
#[derive(Debug)]
pub struct Selected {
    /// The root file and its modules.
    pub program: Program,
    /// The root file, if there is one.
    pub file: Option<FileId>,
    /// What to compile; at least one.
    pub exports: Vec<ast::Export>,
    /// Open sizes and variants.
    pub request: Request,
}

/// Loads the program and finds the exports that were asked for.
pub fn select(session: &mut Session, what: &Selection) -> Outcome<Selected> {
    let mut set = Vec::new();
    for binding in &what.set {
        set.push(size(binding).map_err(|wrong| session.user(wrong))?);
    }
    let request = Request { set, variants: what.variants.clone(), ..Request::default() };
    let (program, file) = open(session, what)?;
    session.report(schedules::check(&program, machine::host().as_ref()))?;
    let exports = match file {
        Some(_) if what.exports.is_empty() => sema::exports(&program),
        _ => named_exports(session, &program, &what.exports)?,
    };
    if exports.is_empty() {
        return Err(session.user(nothing(session, &program, file)));
    }
    check_set(session, &program, &exports, &what.set, &request)?;
    variants::check(session, &program, &what.variants)?;
    let names: Vec<_> = exports.iter().map(symbol).collect();
    match names.iter().enumerate().find(|(index, name)| names[..*index].contains(name)) {
        Some((_, name)) => Err(session.user(error::duplicate_export(name))),
        None if let Some((name, of)) = clash(&names) => Err(session.user(error::clashing_export(name, of))),
        None => Ok(Selected { program, file, exports, request }),
    }
}

/// An export with the name of a function that comes with another one.
fn clash<'n>(names: &[&'n str]) -> Option<(&'n str, &'n str)> {
    let of = |name: &str| names.iter().find(|other| **other != name && Interface::symbols(other).any(|s| s == name));
    names.iter().find_map(|&name| Some((name, *of(name)?)))
}

/// Refuses names in `--set` that no export leaves open.
fn check_set(
    session: &mut Session,
    program: &Program,
    exports: &[ast::Export],
    texts: &[String],
    request: &Request,
) -> Outcome<()> {
    let mut found = Vec::new();
    for (text, binding) in texts.iter().zip(&request.set) {
        let file = session.sources.add("--set", text.as_str());
        let one = Request { set: vec![binding.clone()], ..request.clone() };
        found.extend(sema::check_set(program, exports, &one, Span::new(file, 0, text.len())));
    }
    session.report(found)
}

/// The C symbol of an export.
pub fn symbol(export: &ast::Export) -> &str {
    &export.name.as_ref().unwrap_or(&export.function).name
}

/// What the source says about an export: its own lines, or those of its function.
pub fn docs(program: &Program, export: &ast::Export) -> Vec<String> {
    let function = || program.function(&export.function.name).map(|function| function.docs.clone());
    if export.docs.is_empty() { function().unwrap_or_default() } else { export.docs.clone() }
}

fn open(session: &mut Session, what: &Selection) -> Outcome<(Program, Option<FileId>)> {
    if let Some(path) = &what.file {
        let file = files::read_source(session, path)?;
        return Ok((load(session, file)?, Some(file)));
    }
    if what.exports.is_empty() {
        return Err(session.user(error::nothing_given()));
    }
    let Session { sources, passes, .. } = session;
    let (program, found) = passes.run("load", || sema::load_std(sources, &mut Modules::beside("")));
    session.report(found)?;
    Ok((program, None))
}

/// What `--export` asks for: calls, and names of exports that the file declares.
fn named_exports(session: &mut Session, program: &Program, texts: &[String]) -> Outcome<Vec<ast::Export>> {
    let declared = sema::exports(program);
    let mut exports = Vec::new();
    session::for_each(texts, |text| {
        let is_name = text.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !is_name || declared.is_empty() {
            exports.push(parse_export(session, text)?);
            return Ok(());
        }
        let found = declared.iter().find(|export| symbol(export) == text);
        exports.push(found.ok_or_else(|| session.user(unknown(text, &declared)))?.clone());
        Ok(())
    })?;
    Ok(exports)
}

fn parse_export(session: &mut Session, text: &str) -> Outcome<ast::Export> {
    let file = session.sources.add("--export", text);
    let (export, found) = parser::parse_export(file, text);
    session.report(found)?;
    export.ok_or_else(|| Stop::Internal(format!("`--export '{text}'` was dropped without an error")))
}

/// The error of a name that is none of the declared exports.
pub fn unknown(name: &str, declared: &[ast::Export]) -> Diagnostic {
    let names: Vec<_> = declared.iter().map(|export| symbol(export).to_owned()).collect();
    error::unknown_export(name, &names, nearest(name, names.iter().map(String::as_str)))
}

fn size(binding: &str) -> Result<(String, i64), Diagnostic> {
    let malformed = || error::malformed_option("--set", binding, "NAME=INTEGER");
    let (name, value) = binding.split_once('=').ok_or_else(malformed)?;
    let value = value.trim().replace('_', "").parse().map_err(|_| malformed())?;
    Ok((name.trim().to_owned(), value))
}

/// The error of a file without exports: shows one that could be added.
fn nothing(session: &Session, program: &Program, file: Option<FileId>) -> Diagnostic {
    let name = file.map_or("--export", |file| session.sources.file(file).name.as_str());
    let functions = program.function_names();
    let functions = functions.iter().filter_map(|name| program.function(name));
    let mut own: Vec<_> = functions.filter(|function| Some(function.span.file) == file).collect();
    own.sort_by_key(|function| (!function.is_pub, function.span));
    error::no_exports(name, own.first().map(|function| example_call(function)))
}

/// `gemm(A: f32[64, 64], B: f32[64, 64])`
fn example_call(function: &ast::Function) -> String {
    let tensor = |param: &ast::Param| {
        let dims = param.ty.dims.as_ref()?;
        let elem = if function.generics.iter().any(|generic| generic.name.name == param.ty.elem.name) {
            "f32"
        } else {
            &param.ty.elem.name
        };
        let extents: Vec<_> = dims.iter().map(extent).collect();
        Some(format!("{}: {elem}[{}]", param.name.name, extents.join(", ")))
    };
    let args: Vec<_> = function.params.iter().filter_map(tensor).collect();
    format!("{}({})", function.name.name, args.join(", "))
}

fn extent(dim: &ast::Dim) -> String {
    match dim {
        ast::Dim::Size(ast::Expr { kind: ast::ExprKind::Int(size), .. }) => size.to_string(),
        ast::Dim::Size(_) | ast::Dim::Spread(_) => "64".to_owned(),
    }
}
