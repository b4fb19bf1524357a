//! A program: the root file and every module it uses, and what each name at the top level of a file stands for.

use std::collections::BTreeMap;

use crate::diag::Diagnostic;
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::{ast, parser};

use super::constants::{self, Constant};
use super::solve::Env;
use super::{Loader, error, signature, suggest};

/// One root file and all that it uses.
#[derive(Debug)]
pub struct Program {
    pub(super) modules: Vec<Module>,
    /// The whole-number constants in the scope of each module.
    pub(super) constants: Vec<BTreeMap<String, Constant>>,
    /// Public functions of `std` and the modules that define them, to say where a missing one is.
    pub(super) library: BTreeMap<String, String>,
}

/// One file.
#[derive(Debug)]
pub(super) struct Module {
    /// `std::nn`; the root's is empty.
    pub(super) path: String,
    pub(super) file: FileId,
    pub(super) tree: ast::File,
    /// What the top-level names stand for, imported ones included.
    pub(super) scope: BTreeMap<String, Global>,
    /// Whether its own syntax was in order; if not, missing names are no news.
    pub(super) is_whole: bool,
}

/// What a top-level name stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Global {
    /// The module that defines it, and the position among its items.
    pub(super) module: usize,
    pub(super) item: usize,
    /// Where the name came into this scope.
    pub(super) span: Span,
}

impl Program {
    /// The functions of a module, with their items' positions.
    pub(super) fn functions(&self, module: usize) -> impl Iterator<Item = (usize, &ast::Function)> {
        self.modules[module].tree.items.iter().enumerate().filter_map(|(index, item)| match item {
            ast::Item::Function(function) => Some((index, function)),
            _ => None,
        })
    }

    /// The item that `name` stands for in `module`.
    pub(super) fn global(&self, module: usize, name: &str) -> Option<(Global, &ast::Item)> {
        let global = *self.modules[module].scope.get(name)?;
        Some((global, &self.modules[global.module].tree.items[global.item]))
    }

    /// The values of the whole-number constants that a module sees.
    pub(super) fn numbers(&self, module: usize) -> Env {
        self.constants[module].iter().map(|(name, constant)| (name.clone(), constant.value)).collect()
    }

    /// The function that `name` stands for in `module`, and the module that defines it.
    pub(super) fn function_in(&self, module: usize, name: &str) -> Option<(usize, &ast::Function)> {
        match self.global(module, name)? {
            (global, ast::Item::Function(function)) => Some((global.module, function)),
            _ => None,
        }
    }

    /// The function of that name in the root file's scope.
    pub fn function(&self, name: &str) -> Option<&ast::Function> {
        self.function_in(0, name).map(|(_, function)| function)
    }

    /// The variants of a function, each with the module it stands in.
    pub(super) fn variants<'p>(
        &'p self,
        function: &'p ast::Function,
    ) -> impl Iterator<Item = (usize, &'p ast::Variant)> {
        self.modules.iter().enumerate().flat_map(move |(index, module)| {
            module.tree.items.iter().filter_map(move |item| match item {
                ast::Item::Variant(variant) => {
                    let (_, target) = self.function_in(index, &variant.function.name)?;
                    std::ptr::eq(target, function).then_some((index, variant))
                }
                _ => None,
            })
        })
    }

    /// A function of `std` that `name` most likely means, with its module.
    pub(super) fn in_library(&self, name: &str) -> Option<(&str, &str)> {
        let near = suggest::nearest(name, self.library.keys().map(String::as_str));
        let known = if self.library.contains_key(name) { Some(name) } else { near.as_deref() };
        self.library.get_key_value(known?).map(|(name, path)| (name.as_str(), path.as_str()))
    }

    /// The names of all variants of all modules, in order.
    pub fn variant_names(&self) -> Vec<&str> {
        self.variants_with(|_| true)
    }

    /// The names of the variants that may be used without being asked for.
    pub fn exact_variants(&self) -> Vec<&str> {
        self.variants_with(|variant| variant.attrs.iter().all(|attr| attr.name.name != signature::INEXACT))
    }

    fn variants_with(&self, is_wanted: impl Fn(&ast::Variant) -> bool) -> Vec<&str> {
        let items = self.modules.iter().flat_map(|module| &module.tree.items);
        let variants =
            items.filter_map(|item| if let ast::Item::Variant(variant) = item { Some(variant) } else { None });
        let mut names: Vec<_> =
            variants.filter(|variant| is_wanted(variant)).map(|variant| variant.name.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The schedules in a module.
    fn schedules_in(&self, module: usize) -> impl Iterator<Item = &ast::Schedule> {
        self.modules[module].tree.items.iter().filter_map(|item| match item {
            ast::Item::Schedule(schedule) => Some(schedule),
            _ => None,
        })
    }

    /// The schedules in the root file.
    pub fn own_schedules(&self) -> Vec<&ast::Schedule> {
        self.schedules_in(0).collect()
    }

    /// The schedules that may be for an export with that symbol, of a function in the root file's scope, in groups: what
    /// the root file has for the symbol, and for the function, and what stands beside the function's definition.
    pub fn schedules(&self, symbol: &str, function: &str) -> Vec<Vec<&ast::Schedule>> {
        let (of_symbol, others): (Vec<_>, Vec<_>) =
            self.schedules_in(0).partition(|schedule| schedule.function.name == symbol);
        let Some((home, wanted)) = self.function_in(0, function) else { return vec![of_symbol] };
        let is_for = |module: usize, schedule: &ast::Schedule| {
            let named = self.function_in(module, &schedule.function.name);
            named.is_some_and(|(_, named)| std::ptr::eq(named, wanted))
        };
        let of_function = others.into_iter().filter(|schedule| is_for(0, schedule)).collect();
        let beside = self.schedules_in(home).filter(|schedule| home != 0 && is_for(home, schedule)).collect();
        vec![of_symbol, of_function, beside]
    }

    /// The names of all functions in the root file's scope.
    pub fn function_names(&self) -> Vec<&str> {
        let is_function = |name: &&str| self.function(name).is_some();
        self.modules[0].scope.keys().map(String::as_str).filter(is_function).collect()
    }
}

/// Loads what `root` uses, over and over.
pub(super) fn load(
    sources: &mut SourceMap,
    root: FileId,
    tree: ast::File,
    is_whole: bool,
    loader: &mut dyn Loader,
) -> (Program, Vec<Diagnostic>) {
    let library = library(loader);
    let program = Program { modules: Vec::new(), constants: Vec::new(), library };
    let mut loading = Loading { sources, loader, program, found: Vec::new() };
    loading.module(String::new(), root, tree, is_whole, &mut Vec::new());
    loading.find_recursion();
    loading.program.constants = constants::constants(&loading.program);
    (loading.program, loading.found)
}

/// A program whose root file is empty and sees every public item of every module that the loader knows under `std`.
pub(super) fn load_std(sources: &mut SourceMap, loader: &mut dyn Loader) -> (Program, Vec<Diagnostic>) {
    let root = sources.add("command line", "");
    let (mut program, mut found) = load(sources, root, ast::File::default(), true, loader);
    let mut loading = Loading { sources, loader, program, found: Vec::new() };
    for path in loading.loader.known() {
        let segments: Vec<_> = path.split("::").collect();
        if segments[0] == "std"
            && let Some(module) = loading.open("", &segments, &mut vec![String::new()])
        {
            loading.import_all(module);
        }
    }
    program = loading.program;
    program.constants = constants::constants(&program);
    found.append(&mut loading.found);
    (program, found)
}

/// Where each public function of `std` is defined; read from the text alone, because it only serves suggestions.
fn library(loader: &mut dyn Loader) -> BTreeMap<String, String> {
    let mut library = BTreeMap::new();
    for path in loader.known().into_iter().filter(|path| path.starts_with("std::")) {
        let segments: Vec<_> = path.split("::").collect();
        let Some((_, text)) = loader.load("", &segments) else { continue };
        for line in text.lines().filter_map(|line| line.strip_prefix("pub fn ")) {
            let end = line.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(line.len());
            library.insert(line[..end].to_owned(), path.clone());
        }
    }
    library
}

struct Loading<'a> {
    sources: &'a mut SourceMap,
    loader: &'a mut dyn Loader,
    program: Program,
    found: Vec<Diagnostic>,
}

impl Loading<'_> {
    /// Adds a module and those it uses; `stack` holds the paths of those under way.
    fn module(
        &mut self,
        path: String,
        file: FileId,
        tree: ast::File,
        is_whole: bool,
        stack: &mut Vec<String>,
    ) -> usize {
        let index = self.program.modules.len();
        stack.push(path.clone());
        let uses: Vec<_> = tree
            .items
            .iter()
            .filter_map(|item| if let ast::Item::Use(item) = item { Some(item.clone()) } else { None })
            .collect();
        self.program.modules.push(Module { path, file, tree, scope: BTreeMap::new(), is_whole });
        self.declare(index);
        for item in uses {
            self.import(index, &item, stack);
        }
        stack.pop();
        index
    }

    /// Enters the module's own items into its scope.
    fn declare(&mut self, index: usize) {
        let module = &mut self.program.modules[index];
        let mut exports: BTreeMap<&str, Span> = BTreeMap::new();
        for (position, item) in module.tree.items.iter().enumerate() {
            let name = match item {
                ast::Item::Function(function) => &function.name,
                ast::Item::Const(constant) => &constant.name,
                ast::Item::Export(ast::Export { name: Some(name), .. }) => {
                    if let Some(first) = exports.insert(&name.name, name.span) {
                        self.found.push(error::call::duplicate_symbol(name, first));
                    }
                    continue;
                }
                _ => continue,
            };
            let global = Global { module: index, item: position, span: name.span };
            if let Some(first) = module.scope.get(&name.name) {
                self.found.push(error::name::defined_twice(name, first.span));
            } else {
                module.scope.insert(name.name.clone(), global);
            }
        }
    }

    fn import(&mut self, index: usize, item: &ast::Use, stack: &mut Vec<String>) {
        let path: Vec<_> = item.path.iter().map(|segment| segment.name.as_str()).collect();
        let joined = path.join("::");
        let span = item.path.first().map_or(item.span, |first| first.span.to(item.path[item.path.len() - 1].span));
        if stack.contains(&joined) {
            self.found.push(error::name::import_cycle(&joined, stack, span));
            return;
        }
        let from = self.sources.file(self.program.modules[index].file).name.clone();
        let Some(module) = self.open(&from, &path, stack) else {
            let near = suggest::nearest(&joined, self.loader.known().iter().map(String::as_str));
            self.found.push(error::name::unknown_module(&joined, span, near));
            return;
        };
        for name in &item.names {
            self.import_name(index, module, name);
        }
    }

    /// The module of that path, loaded if it is not there yet.
    fn open(&mut self, from: &str, path: &[&str], stack: &mut Vec<String>) -> Option<usize> {
        let joined = path.join("::");
        if let Some(known) = self.program.modules.iter().position(|module| module.path == joined) {
            return Some(known);
        }
        let (name, text) = self.loader.load(from, path)?;
        let file = self.sources.add(name, text.clone());
        let (tree, mut found) = parser::parse(file, &text);
        let is_whole = found.iter().all(|diagnostic| !diagnostic.is_error());
        self.found.append(&mut found);
        Some(self.module(joined, file, tree, is_whole, stack))
    }

    fn import_name(&mut self, index: usize, from: usize, name: &ast::UseName) {
        let source = &self.program.modules[from];
        let wanted = &name.name;
        let own = source.scope.get(&wanted.name).filter(|global| global.module == from);
        let Some(&global) = own else {
            if source.is_whole {
                let near = suggest::nearest(&wanted.name, public_names(source));
                self.found.push(error::name::not_in_module(wanted, &source.path, near));
            }
            return;
        };
        if !is_public(&source.tree.items[global.item]) {
            self.found.push(error::name::private(wanted, &source.path, global.span));
            return;
        }
        let local = name.alias.as_ref().unwrap_or(wanted);
        let scope = &mut self.program.modules[index].scope;
        if let Some(first) = scope.get(&local.name) {
            self.found.push(error::name::defined_twice(local, first.span));
        } else {
            scope.insert(local.name.clone(), Global { span: local.span, ..global });
        }
    }

    fn import_all(&mut self, from: usize) {
        let source = &self.program.modules[from];
        let public: Vec<_> = source
            .scope
            .iter()
            .filter(|(_, global)| global.module == from && is_public(&source.tree.items[global.item]))
            .map(|(name, global)| (name.clone(), *global))
            .collect();
        self.program.modules[0].scope.extend(public);
    }

    /// Reports every cycle of calls once.
    fn find_recursion(&mut self) {
        let mut state: BTreeMap<(usize, usize), bool> = BTreeMap::new();
        for module in 0..self.program.modules.len() {
            let items: Vec<_> = self.program.functions(module).map(|(item, _)| item).collect();
            for item in items {
                let mut found = Vec::new();
                visit_calls(&self.program, (module, item), &mut state, &mut Vec::new(), &mut found);
                self.found.append(&mut found);
            }
        }
    }
}

/// Depth first through calls; `state` is true for functions that are done.
fn visit_calls(
    program: &Program,
    at: (usize, usize),
    state: &mut BTreeMap<(usize, usize), bool>,
    path: &mut Vec<(usize, usize)>,
    found: &mut Vec<Diagnostic>,
) {
    if state.contains_key(&at) {
        return;
    }
    state.insert(at, false);
    path.push(at);
    let ast::Item::Function(function) = &program.modules[at.0].tree.items[at.1] else { return };
    for callee in super::walk::called_names(&function.body) {
        let Some((global, ast::Item::Function(target))) = program.global(at.0, &callee.name) else { continue };
        let next = (global.module, global.item);
        if state.get(&next) == Some(&false) {
            let start = path.iter().position(|&step| step == next).unwrap_or(0);
            let chain: Vec<_> = path[start..].iter().map(|&step| name_of(program, step)).collect();
            found.push(error::name::recursion(callee, &target.name.name, &chain));
        } else {
            visit_calls(program, next, state, path, found);
        }
    }
    path.pop();
    state.insert(at, true);
}

fn name_of(program: &Program, at: (usize, usize)) -> String {
    match &program.modules[at.0].tree.items[at.1] {
        ast::Item::Function(function) => function.name.name.clone(),
        _ => String::new(),
    }
}

fn is_public(item: &ast::Item) -> bool {
    match item {
        ast::Item::Function(function) => function.is_pub,
        ast::Item::Const(_) => true,
        _ => false,
    }
}

fn public_names(module: &Module) -> impl Iterator<Item = &str> {
    module.scope.iter().filter(|(_, global)| is_public(&module.tree.items[global.item])).map(|(name, _)| name.as_str())
}
