//! Wrong programs and what is said about them: `tests/ui/*/*.ft`. The files in `modules` are for the cases to use.
//!
//! A mark `//~ E0104` stands on every line that an error points at; marks and errors must agree. The snapshot beside a
//! case holds the source and the errors as they are shown. A program without marks must be without errors.

use std::path::Path;

use ftc::diag::Diagnostic;
use ftc::diag::render::{Style, render};
use ftc::driver::schedules;
use ftc::sema::{self, Request};
use ftc::source::SourceMap;
use ftc::syntax::parser;

use crate::front::{self, Std};

#[test]
fn diagnostics() {
    let mut wrong = String::new();
    insta::glob!("../ui", "[!m]*/*.ft", |path| wrong.push_str(&check(path)));
    assert!(wrong.is_empty(), "marks and errors differ:\n{wrong}");
}

/// The examples of the language reference are whole programs without errors or warnings.
#[test]
fn examples_of_the_reference_are_right() {
    let page = std::fs::read_to_string("grammar/README.md").expect("the reference is there");
    let mut wrong = String::new();
    for example in page.split("```ft\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let mut sources = SourceMap::new();
        let found = errors(&mut sources, "README.md", example);
        wrong.push_str(&render(&sources, &found, Style::Plain));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Constants are evaluated once each, however they need each other.
#[test]
fn many_constants_are_no_work() {
    let use_of =
        |name: &str| format!("fn f(x: f32[N]) -> (y: f32[N]) {{ y[i] = x[i] * {name} }}\nexport e = f(x: f32[3])\n");
    let twice = |first: &str| {
        let rows = (1..60).map(|i| format!("const A{i} = A{0} + A{0}\n", i - 1));
        format!("const A0 = {first}\n{}{}", rows.collect::<String>(), use_of("A59"))
    };
    let rows = (0..5000).map(|i| format!("const A{i} = A{} + 1\n", i + 1));
    let backwards = format!("{}const A5000 = 1\n{}", rows.collect::<String>(), use_of("A0"));
    for text in [twice("1"), twice("0.5"), backwards] {
        let mut sources = SourceMap::new();
        let found = errors(&mut sources, "constants.ft", &text);
        assert!(found.is_empty(), "{}", render(&sources, &found, Style::Plain));
    }
}

/// Compares a case with its snapshot; gives what is wrong with its marks.
fn check(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a case is UTF-8");
    let name = path.file_name().expect("a case has a name").to_string_lossy().into_owned();
    let mut sources = SourceMap::new();
    let diagnostics = errors(&mut sources, &name, &text);
    let rendered = render(&sources, &diagnostics, Style::Plain);
    let (marks, places) = (marks(&text), places(&sources, &diagnostics));
    if marks != places {
        return format!("{name}: marked {marks:?}, reported {places:?}\n{rendered}\n");
    }
    let stem = path.file_stem().expect("a case has a name").to_string_lossy().into_owned();
    let settings = front::beside(path);
    settings.bind(|| insta::assert_snapshot!(stem, format!("{text}\n{rendered}")));
    String::new()
}

/// What is wrong with a program: as `ftc check` finds it, and where that finds no error, in the instances of its exports
/// and in its schedules.
fn errors(sources: &mut SourceMap, name: &str, text: &str) -> Vec<Diagnostic> {
    let file = sources.add(name, text);
    let (tree, mut found) = parser::parse(file, text);
    let (program, more) = sema::load(sources, file, tree, &mut Std);
    found.extend(more);
    let more = sema::check(&program, &found);
    found.extend(more);
    if !found.iter().any(Diagnostic::is_error) {
        for export in sema::exports(&program) {
            let made = sema::instantiate(&program, &export, &Request::default());
            found.extend(made.err().into_iter().flatten());
        }
        found.extend(schedules_of(&program));
    }
    found
}

/// What is wrong with the schedules of a program.
fn schedules_of(program: &sema::Program) -> Vec<Diagnostic> {
    let found = schedules::check(program, None);
    if found.is_empty() { schedules::try_all(program) } else { found }
}

/// The marks: line and code.
fn marks(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().filter_map(|(index, line)| Some((index + 1, line.split_once("//~")?.1)));
    let mut marks: Vec<(usize, String)> =
        lines.flat_map(|(line, codes)| codes.split_whitespace().map(move |code| (line, code.to_owned()))).collect();
    marks.sort();
    marks
}

/// The lines and codes of what was reported; what is wrong in another file counts for the first line.
fn places(sources: &SourceMap, diagnostics: &[Diagnostic]) -> Vec<(usize, String)> {
    let case = sources.files().map(|(file, _)| file).next();
    let mut places: Vec<(usize, String)> = diagnostics
        .iter()
        .map(|diagnostic| {
            let primary = diagnostic.labels.iter().find(|label| label.primary).expect("a primary label");
            let (line, _) = sources.line_column(primary.span.file, primary.span.start);
            let line = if Some(primary.span.file) == case { line } else { 1 };
            (line, diagnostic.code.0.to_owned())
        })
        .collect();
    places.sort();
    places
}
