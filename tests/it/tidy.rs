//! Holds the sources themselves to the project's rules: who may import whom, sizes, pages of codes, third parties in
//! their rooms. Each rule collects all violations, so that one run shows everything.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms, and what each may import beside itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("arena", &[]),
    ("source", &["arena"]),
    ("diag", &["source"]),
    ("scalar", &[]),
    ("expr", &["arena", "scalar"]),
    ("syntax", &["arena", "source", "diag"]),
    ("graph", &["arena", "source", "scalar", "expr"]),
    ("sema", &["syntax", "graph", "diag", "scalar", "expr", "arena", "source"]),
    ("loops", &["arena", "source", "scalar", "expr"]),
    ("lower", &["graph", "loops", "expr", "scalar", "arena"]),
    ("target", &[]),
    ("schedule", &["loops", "target", "expr", "scalar", "arena"]),
    ("space", &["schedule", "loops", "target", "expr", "scalar", "arena"]),
    ("model", &["schedule", "loops", "target", "expr", "scalar", "arena"]),
    ("explore", &["space"]),
    ("codegen", &["loops", "target", "expr", "scalar", "arena"]),
    ("artifact", &["codegen", "loops", "target", "scalar", "diag"]),
    ("runtime", &["artifact", "codegen", "scalar", "diag"]),
    (
        "measure",
        &["explore", "space", "schedule", "model", "loops", "codegen", "artifact", "runtime", "target", "scalar"],
    ),
    ("cli", &["driver", "diag"]),
];

/// Crates that only one place may name.
const CONFINED: &[(&str, &str)] = &[
    ("logos", "src/syntax/lexer.rs src/syntax/token.rs"),
    ("lalrpop_util", "src/syntax/parser.rs"),
    ("codespan_reporting", "src/diag/render.rs src/diag/excerpt.rs"),
    ("inkwell", "src/codegen/llvm"),
    ("libloading", "src/runtime"),
    ("cudarc", "src/runtime/gpu"),
    ("candle_core", "src/explore/network.rs"),
    ("clap", "src/cli src/driver/bench"),
];

const LONGEST_FILE: usize = 700;
const LONGEST_FUNCTION: usize = 100;

#[test]
fn rooms_import_along_the_arrows_alone() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        let room = room(&path);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else { continue };
        for used in crate_paths(&text) {
            if used != room && !allowed.contains(&used.as_str()) && used != "define_id" {
                wrong.push(format!("{}: `{room}` may not import `{used}`", path.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_room_has_its_row() {
    let known: BTreeSet<_> = ARROWS.iter().map(|(name, _)| *name).chain(["driver", "lib", "main"]).collect();
    let rooms: BTreeSet<_> = sources("src").iter().map(|(path, _)| room(path)).collect();
    assert_eq!(rooms.iter().filter(|room| !known.contains(room.as_str())).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn third_parties_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src") {
        for (name, places) in CONFINED {
            let at_home = places.split(' ').any(|place| path.starts_with(place));
            if !at_home && code_lines(&text).any(|line| names_crate(line, name)) {
                wrong.push(format!("{}: `{name}` is used outside {places}", path.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn files_open_with_their_purpose_and_end_in_time() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")).chain(sources("build.rs")) {
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not open with `//!`", path.display()));
        }
        if text.starts_with("//! Stub") {
            wrong.push(format!("{}: is a stub", path.display()));
        }
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines, at most {LONGEST_FILE}", path.display()));
        }
        if text.contains(concat!("#[", "ignore")) {
            wrong.push(format!("{}: has an ignored test", path.display()));
        }
        if path.file_stem().is_some_and(|stem| stem == "utils" || stem == "util") {
            wrong.push(format!("{}: a file is named by what it is about", path.display()));
        }
    }
    assert_none(&wrong);
}

#[test]
fn functions_fit_on_a_screen() {
    let mut wrong = Vec::new();
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        for (line, name, length) in functions(&text) {
            if length > LONGEST_FUNCTION {
                wrong.push(format!("{}:{line}: `{name}` has {length} lines", path.display()));
            }
        }
    }
    assert_none(&wrong);
}

#[test]
fn every_code_has_a_page_a_use_and_a_test() {
    let pages: BTreeSet<String> = ftc::diag::codes::all().into_iter().map(str::to_owned).collect();
    let used: BTreeSet<String> = sources("src").iter().flat_map(|(_, text)| codes(text, '"')).collect();
    let corpus = files("tests", &["ft", "rs", "snap"]);
    let tested: BTreeSet<String> = corpus.iter().flat_map(|(_, text)| codes(text, ' ')).collect();
    let mut wrong = Vec::new();
    wrong.extend(used.difference(&pages).map(|code| format!("{code} is used but has no page")));
    wrong.extend(pages.difference(&used).map(|code| format!("{code} has a page but is not used")));
    wrong.extend(used.difference(&tested).map(|code| format!("{code} has no case in tests/")));
    assert_none(&wrong);
}

#[test]
fn pages_have_a_title_a_wrong_example_and_a_fixed_one() {
    let mut wrong = Vec::new();
    for code in ftc::diag::codes::all() {
        let page = ftc::diag::codes::page(code).expect("a listed code has a page");
        if !page.starts_with(&format!("# {code}: ")) {
            wrong.push(format!("{code}: the page does not open with `# {code}: …`"));
        }
        // What is ftc's own fault has no remedy of the user's.
        let has_remedy = page.contains("\nFixed") || page.contains("please report");
        if !page.contains("\nWrong") || !has_remedy || !page.contains("```") {
            wrong.push(format!("{code}: the page lacks a wrong or a fixed example"));
        }
    }
    assert_none(&wrong);
}

/// Every file under `root` with one of these extensions, in order, with its text; `root` may be one file.
fn files(root: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut open = vec![base.join(root)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known)) {
            let text = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned();
            found.push((path.strip_prefix(base).expect("under the base").to_owned(), text));
        }
    }
    found.sort();
    found
}

fn sources(root: &str) -> Vec<(PathBuf, String)> {
    files(root, &["rs"])
}

/// `src/graph/eval.rs` is in `graph`, `src/arena.rs` in `arena`.
fn room(path: &Path) -> String {
    let first = path.components().nth(1).expect("below src").as_os_str().to_string_lossy().into_owned();
    first.strip_suffix(".rs").map(str::to_owned).unwrap_or(first)
}

/// The first segments of all `crate::…` paths, in `use` trees too.
fn crate_paths(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let code: String = code_lines(text).collect::<Vec<_>>().join("\n");
    for (_, rest) in code.match_indices("crate::").map(|(at, word)| (at, &code[at + word.len()..])) {
        if let Some(list) = rest.strip_prefix('{') {
            let inside = list.split_once('}').map_or(list, |(inside, _)| inside);
            found.extend(inside.split(',').map(first_segment).filter(|name| !name.is_empty()));
        } else {
            found.insert(first_segment(rest));
        }
    }
    found
}

fn first_segment(path: &str) -> String {
    path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Lines that are not comments.
fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        line[at + name.len()..].starts_with("::") && before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    })
}

/// Line, name and length of every function; rustfmt's layout makes the closing brace easy to find.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some((_, after)) = line.split_once("fn ").filter(|(before, _)| is_function_head(before)) else { continue };
        let closing = format!("{}}}", " ".repeat(indent));
        let one_liner = line.ends_with('}') || line.ends_with(';');
        if let (false, Some(length)) = (one_liner, lines[index..].iter().position(|line| *line == closing)) {
            found.push((index + 1, first_segment(after), length + 1));
        }
    }
    found
}

fn is_function_head(before: &str) -> bool {
    let words = ["pub", "pub(crate)", "pub(super)", "const", "unsafe", "async", "extern", "\"C\""];
    before.split_whitespace().all(|word| words.contains(&word))
}

/// All codes `E0123` in a text; after the character `before`, or after any that is not part of a word where that is a
/// blank.
fn codes(text: &str, before: char) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices('E') {
        let previous = text[..at].chars().next_back().unwrap_or(' ');
        let digits: String = text[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        let stands_free = if before == ' ' { !previous.is_alphanumeric() } else { previous == before };
        if stands_free && digits.len() == 4 {
            found.push(format!("E{digits}"));
        }
    }
    found
}

fn assert_none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
}
