//! The front end: the pages of its codes, exports on the command line, and inputs that no one writes.

use ftc::diag::render::{Style, render, render_json};
use ftc::diag::{Code, Diagnostic, codes};
use ftc::source::{SourceMap, Span};
use ftc::syntax::ast::{ExportArg, Item};
use ftc::syntax::{parser, print};
use proptest::prelude::*;

/// The codes of what is wrong with a text, one for each error.
fn codes_of(text: &str) -> Vec<&'static str> {
    let mut sources = SourceMap::new();
    let file = sources.add("test.ft", text);
    let (_tree, diagnostics) = parser::parse(file, text);
    diagnostics.iter().map(|diagnostic| diagnostic.code.0).collect()
}

#[test]
fn examples_of_pages_are_what_they_say() {
    for code in codes::all().into_iter().filter(|code| code.starts_with("E01")) {
        let page = codes::page(code).expect("a listed code has a page");
        let mut examples = page.split("```ft\n").skip(1).filter_map(|rest| rest.split("```").next());
        let wrong = examples.next().expect("a wrong example");
        // An example that is too deep would fill the page.
        if code != "E0111" {
            assert!(codes_of(wrong).contains(&code), "{code}: {:?}", codes_of(wrong));
        }
        for fixed in examples {
            assert!(codes_of(fixed).is_empty(), "{code}: {:?} in {fixed}", codes_of(fixed));
        }
    }
}

#[test]
fn exports_of_the_command_line() {
    let mut sources = SourceMap::new();
    let text = "gemm(A: f32[64, 64], w: const f32[2 * 3], pad = 1)";
    let file = sources.add("--export", text);
    let (export, diagnostics) = parser::parse_export(file, text);
    let export = export.expect("it parses");
    assert!(diagnostics.is_empty() && export.name.is_none() && export.function.name == "gemm");
    assert!(matches!(&export.args[1], ExportArg::Tensor { is_const: true, .. }));
    let (export, _) = parser::parse_export(file, "small = gemm(A: f32[4])");
    assert_eq!(export.and_then(|export| export.name).map(|name| name.name), Some("small".to_owned()));
    for wrong in ["", "gemm", "gemm(", "gemm(A: f32[64]", "gemm(A: f32[64]) x", "fn f", "(", "\u{feff}\0", "a = b = c"]
    {
        let (_, diagnostics) = parser::parse_export(file, wrong);
        assert!(!diagnostics.is_empty(), "{wrong}");
    }
}

#[test]
fn what_is_too_long_or_too_deep_ends_with_an_error() {
    let body = |inner: &str| format!("fn f(x: f32[N]) -> (y: f32[N]) {{ y[i] = {inner} }}");
    let (million, many) = (1_000_000, 200_000);
    let texts = [
        body(&"(".repeat(million)),
        body(&format!("{}1{}", "(".repeat(million), ")".repeat(million))),
        body(&format!("{}1", "-".repeat(million))),
        body(&format!("{}1", "!".repeat(many))),
        body(&format!("1{}", " + 1".repeat(many))),
        body(&format!("1{}", " < 1".repeat(1000))),
        body(&"if a { b } else ".repeat(many)),
        body(&"if ".repeat(many)),
        body(&"x[i] else ".repeat(many)),
        body(&"(a) => ".repeat(many)),
        body(&"{".repeat(many)),
        body(&"x[".repeat(many)),
        body(&"f(a, ".repeat(many)),
        body(&"$".repeat(many)),
        body(&"$ ".repeat(many)),
        body(&"a b ".repeat(many / 2)),
        body(&"(a b) ".repeat(many / 2)),
        body(&"\"".repeat(many)),
        body(&"1e".repeat(many)),
        body(&format!("1{}", "0".repeat(10 * million))),
        "fn ".repeat(many),
        ") ".repeat(many),
        "#[".repeat(many),
        "/// a\n".repeat(many / 2),
        "é".repeat(many),
        "fn f".repeat(many),
        "use a".repeat(many),
        format!("fn f() -> () {{{}}}", " y = 1 1;".repeat(10_000)),
    ];
    for text in texts {
        let mut sources = SourceMap::new();
        let file = sources.add("test.ft", text.as_str());
        let (tree, diagnostics) = parser::parse(file, &text);
        let start = &text[..text.floor_char_boundary(60)];
        assert!(!diagnostics.is_empty() || start.starts_with("/// a"), "{start}");
        let shown = render(&sources, &diagnostics, Style::Plain);
        assert!(shown.len() < 200_000, "{start}: {} bytes of messages", shown.len());
        drop(tree);
    }
}

#[test]
fn what_is_just_not_too_deep_is_handled() {
    let rows = [
        format!("{}1{}", "(".repeat(250), ")".repeat(250)),
        format!("1{}", " + 1".repeat(498)),
        format!("{}1", "-".repeat(498)),
        format!("{}1", "x[i] else ".repeat(498)),
        format!("{}1", "(a) => ".repeat(498)),
        format!("{}{{ 1 }}", "if a { b } else ".repeat(498)),
        format!("{}1{}", "f(".repeat(250), ")".repeat(250)),
        format!("{}1{}", "1 + (1 * (".repeat(125), "))".repeat(125)),
        format!("{}1{}", "{ let a = 1; 1 + ".repeat(240), " }".repeat(240)),
        format!("{}i{}", "x[".repeat(250), "]".repeat(250)),
    ];
    for row in rows {
        let text = format!("fn f(x: f32[N]) -> (y: f32[N]) {{ y[i] = {row} }}");
        let mut sources = SourceMap::new();
        let file = sources.add("test.ft", text.as_str());
        let (tree, diagnostics) = parser::parse(file, &text);
        assert!(diagnostics.is_empty(), "{}", render(&sources, &diagnostics, Style::Plain));
        let printed = print::print(&tree, &text);
        assert!(codes_of(&printed).is_empty());
        assert!(!format!("{:?}", tree.clone()).is_empty());
    }
}

#[test]
fn an_item_that_does_not_parse_is_kept_as_it_is() {
    let text = "fn f( {\n\nconst A = 1\n";
    let mut sources = SourceMap::new();
    let file = sources.add("test.ft", text);
    let (tree, diagnostics) = parser::parse(file, text);
    assert!(!diagnostics.is_empty());
    assert!(matches!(tree.items[..], [Item::Error(_), Item::Const(_)] | [Item::Error(_)]));
    assert!(print::print(&tree, text).contains("fn f("));
}

#[test]
fn json_has_every_part() {
    let mut sources = SourceMap::new();
    let file = sources.add("a.ft", "eins\nzwei é drei\n");
    let diagnostic = Diagnostic::error(Code("E0119"), "a message")
        .primary(Span::new(file, 13, 17), "here")
        .secondary(Span::new(file, 0, 4), "")
        .note("a fact")
        .help("do this");
    let json = render_json(&sources, &diagnostic);
    let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert!(!json.contains('\n'));
    assert_eq!(value["code"], "E0119");
    assert_eq!(value["severity"], "error");
    assert_eq!(value["labels"][0]["line"], 2);
    assert_eq!(value["labels"][0]["column"], 8);
    assert_eq!(value["labels"][0]["end_column"], 12);
    assert_eq!(value["labels"][1]["primary"], false);
    assert_eq!(value["help"][0], "do this");
    assert!(value["rendered"].as_str().is_some_and(|text| text.contains("a.ft:2:8")));
}

/// Pieces that the language is made of, and some that it is not.
fn soup() -> impl Strategy<Value = String> {
    let pieces = vec![
        "fn ",
        "pub ",
        "use ",
        "const ",
        "let ",
        "if ",
        "else ",
        "where ",
        "export ",
        "variant ",
        "schedule ",
        "schedule f for x86 {",
        "split i by [",
        "reorder i.0 ",
        "at ",
        "tail ",
        "of ",
        "when ",
        "true ",
        "as ",
        "x",
        "y ",
        "f",
        "T",
        "1",
        "2.5",
        "1e",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ";",
        ":",
        "::",
        ".",
        "..",
        "->",
        "=>",
        "#",
        "=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "==",
        "<",
        "<=",
        "&&",
        "||",
        "**",
        "&",
        "|",
        "+=",
        "?",
        "@",
        "$",
        "\n",
        "\n",
        "\n",
        " ",
        "// c\n",
        "/// d\n",
        "//! e\n",
        "/*",
        "*/",
        "\"",
        "é",
        "×",
        "\u{a0}",
        "\0",
        "\t",
        "\r\n",
        "x[i]",
        "sum[k](",
        "for ",
        "import ",
        "return ",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_stops_the_front_end(text in soup(), inside in any::<bool>()) {
        let text = if inside { format!("fn f(x: f32[N]) -> (y: f32[N]) {{\n{text}\n}}\nconst A = 1\n") } else { text };
        let mut sources = SourceMap::new();
        let file = sources.add("test.ft", text.as_str());
        let (tree, diagnostics) = parser::parse(file, &text);
        render(&sources, &diagnostics, Style::Color);
        for diagnostic in &diagnostics {
            prop_assert!(!diagnostic.help.is_empty(), "no help: {diagnostic:?}");
            prop_assert!(diagnostic.labels.iter().any(|label| label.primary));
        }
        let mut places: Vec<_> = diagnostics.iter().map(|d| (d.code, d.labels[0].span)).collect();
        places.dedup();
        prop_assert_eq!(places.len(), diagnostics.len());
        let printed = print::print(&tree, &text);
        if diagnostics.is_empty() {
            prop_assert_eq!(codes_of(&printed), Vec::<&str>::new(), "{}", printed);
        }
    }

    #[test]
    fn any_place_can_be_shown(
        text in "[a-c\n\r\té\u{202e}\u{0}中]{0,300}",
        places in prop::collection::vec((0usize..400, 0usize..400, any::<bool>()), 0..5),
    ) {
        let mut sources = SourceMap::new();
        let file = sources.add("test.ft", text.as_str());
        let other = sources.add("empty.ft", "");
        let mut diagnostic = Diagnostic::warning(Code("E0311"), "a message");
        for (index, (start, end, primary)) in places.into_iter().enumerate() {
            let span = Span::new(if index == 3 { other } else { file }, start, end);
            diagnostic =
                if primary { diagnostic.primary(span, "here") } else { diagnostic.secondary(span, "there\nand there") };
        }
        let shown = render(&sources, &[diagnostic.clone(), diagnostic.clone()], Style::Plain);
        prop_assert_eq!(shown.matches("a message").count(), 1);
        prop_assert!(!shown.contains(['\u{202e}', '\u{0}']), "invisible characters are shown");
        render(&sources, std::slice::from_ref(&diagnostic), Style::Color);
        render_json(&sources, &diagnostic);
        let elsewhere = Diagnostic::error(Code("E0101"), "lost").primary(Span::new(SourceMap::id(7), 3, 9), "");
        render(&sources, &[elsewhere], Style::Plain);
    }
}
