//! Graphs from source files, for tests of what comes after the front end.

use std::fs;
use std::path::Path;

use ftc::diag::Diagnostic;
use ftc::graph::Graph;
use ftc::sema::{self, Loader, Request};
use ftc::source::SourceMap;
use ftc::syntax::parser;

/// Finds `std::…` in `stdlib`, and other modules among those of the wrong programs.
pub(crate) struct Std;

impl Loader for Std {
    fn load(&mut self, _from: &str, path: &[&str]) -> Option<(String, String)> {
        let (&root, rest) = path.split_first()?;
        let file = match root {
            "std" => format!("stdlib/{}.ft", rest.join("/")),
            _ => format!("tests/ui/modules/{}.ft", path.join("/")),
        };
        Some((path.join("::"), fs::read_to_string(file).ok()?))
    }

    fn known(&self) -> Vec<String> {
        ftc::driver::modules::std_modules()
    }
}

/// A program, its sources, and everything that is found wrong with it or worth a warning.
pub(crate) fn program(name: &str, text: &str) -> (SourceMap, sema::Program, Vec<Diagnostic>) {
    let mut sources = SourceMap::new();
    let file = sources.add(name, text);
    let (tree, mut found) = parser::parse(file, text);
    let (program, more) = sema::load(&mut sources, file, tree, &mut Std);
    found.extend(more);
    let more = sema::check(&program, &found);
    found.extend(more);
    (sources, program, found)
}

/// The graphs of all exports of a program.
pub(crate) fn graphs(name: &str, text: &str) -> Vec<Graph> {
    let (_, program, mut found) = program(name, text);
    found.retain(Diagnostic::is_error);
    assert!(found.is_empty(), "{name}: {found:#?}");
    let graph = |export: &ftc::syntax::ast::Export| {
        let made = sema::instantiate(&program, export, &Request::default());
        made.unwrap_or_else(|found| panic!("{name}: {found:#?}"))
    };
    sema::exports(&program).iter().map(graph).collect()
}

/// Settings for a snapshot that stands beside its case, under the case's own name.
pub(crate) fn beside(case: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(case.parent().expect("a case is in a folder"));
    settings.set_prepend_module_to_snapshot(false);
    settings.remove_snapshot_suffix();
    settings.set_omit_expression(true);
    settings.remove_input_file();
    settings
}

/// The files of a folder that end in `.ft`, by name.
pub(crate) fn sources(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(Path::new(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|end| end == "ft"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("a text file")))
        .collect();
    files.sort();
    files
}
