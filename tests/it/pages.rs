//! The pages of `ftc explain` are true: the wrong example of a page is wrong with its code, and the fixed ones are right.
//!
//! Checked are the examples marked `ft`, which are whole programs. The first of a page is the wrong one. Those marked
//! `ft,several-files` and `ft,command-line` are for reading; so are all pages of codes that no single program brings
//! about.

use ftc::diag::{Diagnostic, codes};
use ftc::sema::{self, Request};
use ftc::source::SourceMap;
use ftc::syntax::parser;

use crate::front::Std;

/// The codes and messages of what is wrong with a program and its exports.
fn said(text: &str) -> Vec<Diagnostic> {
    let mut sources = SourceMap::new();
    let file = sources.add("page", text);
    let (tree, mut found) = parser::parse(file, text);
    let (program, more) = sema::load(&mut sources, file, tree, &mut Std);
    found.extend(more);
    let more = sema::check(&program, &found);
    found.extend(more);
    if !found.iter().any(Diagnostic::is_error) {
        let made = sema::exports(&program);
        let made = made.iter().filter_map(|export| sema::instantiate(&program, export, &Request::default()).err());
        found.extend(made.flatten());
    }
    found
}

/// The programs of a page, in order.
fn examples(page: &str) -> impl Iterator<Item = &str> {
    page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("ft\n"))
}

#[test]
fn examples_are_wrong_and_right_as_they_say() {
    let mut wrong = Vec::new();
    for code in codes::all().into_iter().filter(|code| ("E02".."E07").contains(code)) {
        let page = codes::page(code).expect("a listed page");
        let has_wrong = page.contains("Wrong:\n\n```ft\n");
        for (number, example) in examples(page).enumerate() {
            let found = said(example);
            let right = if has_wrong && number == 0 {
                !found.is_empty() && found.iter().all(|diagnostic| diagnostic.code.0 == code)
            } else {
                found.is_empty()
            };
            if !right {
                let said: Vec<_> = found.iter().map(|found| (found.code.0, found.message.as_str())).collect();
                wrong.push(format!("{code}, example {number}: {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Codes that come from the command line: `tests/it/cli.rs` has their cases.
const OF_THE_COMMAND_LINE: [&str; 2] = ["E0512", "E0517"];

#[test]
fn every_code_of_the_checker_has_a_wrong_program() {
    let mut marked = String::new();
    for folder in ["index", "name", "type", "call", "size"] {
        for (_, text) in crate::front::sources(&format!("tests/ui/{folder}")) {
            text.lines().filter_map(|line| line.split_once("//~")).for_each(|(_, codes)| marked += codes);
        }
    }
    let of_checker = codes::all().into_iter().filter(|code| ("E02".."E07").contains(code));
    let missing: Vec<_> =
        of_checker.filter(|code| !marked.contains(code) && !OF_THE_COMMAND_LINE.contains(code)).collect();
    assert!(missing.is_empty(), "no case in tests/ui: {missing:?}");
}
