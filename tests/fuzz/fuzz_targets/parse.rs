//! Any text: the front end ends without a panic, every error has a place and a remedy, and a text without errors is
//! printed to one that parses and prints the same.

#![no_main]

use ftc::diag::render::{Style, render, render_json};
use ftc::source::SourceMap;
use ftc::syntax::{parser, print};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut sources = SourceMap::new();
    let file = sources.add("fuzz.ft", text);
    let (tree, diagnostics) = parser::parse(file, text);
    render(&sources, &diagnostics, Style::Plain);
    for diagnostic in &diagnostics {
        render_json(&sources, diagnostic);
        assert!(!diagnostic.help.is_empty());
        let label = diagnostic.labels.iter().find(|label| label.primary).expect("a primary label");
        assert!(text.get(label.span.range()).is_some());
    }
    parser::parse_export(file, text);
    let printed = print::print(&tree, text);
    if diagnostics.is_empty() {
        let (again, diagnostics) = parser::parse(file, &printed);
        assert!(diagnostics.is_empty(), "{printed}");
        assert_eq!(printed, print::print(&again, &printed));
    }
});
