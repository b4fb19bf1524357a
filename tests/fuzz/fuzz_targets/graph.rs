//! Any text: semantic analysis ends without a panic, and every graph that it makes verifies.

#![no_main]

use ftc::diag::render::{Style, render};
use ftc::driver::modules::Modules;
use ftc::graph::verify;
use ftc::sema::{self, Request};
use ftc::source::SourceMap;
use ftc::syntax::parser;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut sources = SourceMap::new();
    let file = sources.add("/nowhere/fuzz.ft", text);
    let (tree, mut found) = parser::parse(file, text);
    let (program, more) = sema::load(&mut sources, file, tree, &mut Modules::beside("/nowhere/fuzz.ft"));
    found.extend(more);
    let more = sema::check(&program, &found);
    found.extend(more);
    render(&sources, &found, Style::Plain);
    for export in sema::exports(&program) {
        if let Ok(graph) = sema::instantiate(&program, &export, &Request::default()) {
            assert!(verify::verify(&graph).is_ok(), "{graph}");
        }
    }
});
