//! `ftc explain FILE --html`: a page that needs nothing else, with a log and without.

use crate::place::Place;

const CALL: &str = "gemm(A: f32[24, 20], B: f32[20, 32])";

/// The page, without what machines and versions put into it.
fn page(place: &Place, more: &[&str]) -> String {
    place.ftc(&[&["explain", "gemm.ft", "--html", "out.html"], more].concat()).succeeds();
    String::from_utf8(place.read("out.html")).expect("text")
}

/// What makes a browser ask for more, or a page that is broken.
fn check_alone(text: &str) {
    for wrong in ["<script src", "<link", "@import", "url(", "http://", "https://", "{{", "{%", "NaN", "inf"] {
        assert!(!text.contains(wrong), "{wrong}");
    }
    for name in ["svg", "section", "pre", "details", "figure", "table"] {
        let [open, close] = [format!("<{name}"), format!("</{name}>")].map(|tag| text.matches(&tag).count());
        assert_eq!(open, close, "{name}");
    }
}

#[test]
fn a_page_without_a_log_says_how_to_get_one() {
    let place = Place::with_gemm();
    let text = page(&place, &["--target", "x86-64-v4", "--export", CALL]);
    check_alone(&text);
    let parts = ["schedule gemm for x86-64-v4 {", "ftc tune FILE --log", "Roofline", "vfmadd", "C = A · B", "15_360"];
    for part in parts {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_page_with_a_log_shows_the_search() {
    let place = Place::with_gemm();
    let tune = ["tune", "gemm.ft", "--export", CALL, "--threads", "1", "--budget", "12trials", "--log", "log.jsonl"];
    place.ftc(&tune).succeeds();
    let text = page(&place, &["--export", CALL, "--log", "log.jsonl"]);
    check_alone(&text);
    for part in
        ["12 of 12 trials were measured", "Rank correlation", "Why the winner beat the runner-up", "innermost loops"]
    {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("ftc tune FILE --log"));
    let other = "gemm(A: f32[24, 21], B: f32[21, 32])";
    let wrong = ["explain", "gemm.ft", "--html", "out.html", "--export", other, "--log", "log.jsonl"];
    place.ftc(&wrong).fails(1, "E1103", &["has changed since"]);
}

#[test]
fn several_exports_have_an_index_and_names_are_escaped() {
    let place = Place::with_gemm();
    let calls =
        ["--export", "a = gemm(A: f32[8, 8], B: f32[8, 8])", "--export", "b = gemm(A: f32[9, 8], B: f32[8, 8])"];
    let text = page(&place, &[&calls[..], &["--target", "x86"]].concat());
    check_alone(&text);
    assert!(text.contains("<a href=\"#a\">a</a>") && text.contains("id=\"b\""), "{text}");
    place.write("log.jsonl", "{}\n");
    let wrong = ["explain", "gemm.ft", "--html", "out.html", "--log", "log.jsonl"];
    place.ftc(&wrong).fails(1, "E1103", &["log.jsonl"]);
    place.ftc(&["explain", "gemm.ft", "--html", "nowhere/out.html"]).fails(2, "E0707", &["nowhere"]);
}

/// What the inner loop of a page comes from: the rows in which that changes.
fn quotes(page: &str) -> Vec<String> {
    let rows = page.split("<tr><td>").filter_map(|row| row.split_once("<td class=\"from\">"));
    let quote =
        |(_, rest): (&str, &str)| rest.lines().next().unwrap_or_default().replace("<span>", "").replace("</span>", ":");
    rows.map(quote).filter(|quote| !quote.is_empty()).collect()
}

#[test]
fn instructions_stand_beside_the_source() {
    let place = Place::new();
    place.write("net.ft", SCALED);
    let export = "block(x: f32[64, 64], w: f32[64, 64], b: f32[64])";
    place.ftc(&["explain", "net.ft", "--html", "out.html", "--target", "aarch64", "--export", export]).succeeds();
    let text = String::from_utf8(place.read("out.html")).expect("text");
    check_alone(&text);
    let mut quotes = quotes(&text);
    quotes.sort();
    quotes.dedup();
    insta::assert_snapshot!(quotes.join("\n"));
}

/// The product is computed inside of what uses it, and keeps its own lines.
const SCALED: &str = "\
fn product(A: f32[M, K], B: f32[K, N]) -> (C: f32[M, N]) {
    C[i, j] = sum[k](
        A[i, k]
        * B[k, j]
    )
}

fn block(x: f32[M, K], w: f32[K, N], b: f32[N]) -> (y: f32[M, N]) {
    let c = product(x, w)
    y[i, j] = max(c[i, j] + b[j], 0)
}
";
