//! The tool of `benches/flextensor`: schedules of FlexTensor's in our text are legal, and compute what the formula says.

use ftc::driver::schedules::steps_of;
use ftc::graph::Graph;
use ftc::loops::simplify::simplify;
use ftc::loops::{Kernel, interp, verify};
use ftc::lower::lower;
use ftc::schedule::{Schedule, apply};
use ftc::source::SourceMap;
use ftc::syntax::ast::Item;
use ftc::syntax::parser;

use crate::front;
use crate::graph_gen::same;
use crate::graphs::samples;

#[expect(dead_code, reason = "the tool uses the rest")]
#[path = "../../benches/flextensor/translate.rs"]
mod translate;

use translate::Record;

/// Small ones of every kind: padding inline, as a stage, and not at all; groups; virtual threads; batches.
const SMALL: &str = r#"[
    {"kind": "1", "shape": {"n": 1, "c": 4, "image": [9], "k": 4, "window": 3, "stride": 1, "pad": 1, "dilation": 1,
        "groups": 1}, "main": {"spatial": [[1, 1, 1, 1], [1, 2, 1, 2], [1, 1, 3, 3]], "reduce": [[2, 1, 2], [1, 1, 3]],
        "fuse": [1, 2, 3], "reorder": 2, "unroll": [1500, 0]},
        "pad": {"spatial": [[1, 1, 1, 1], [2, 1, 1, 2], [1, 1, 11, 1]], "fuse": [1, 2, 3], "unroll": [1, 1]},
        "inline_pad": false},
    {"kind": "2", "shape": {"n": 2, "c": 2, "image": [6, 6], "k": 4, "window": 3, "stride": 2, "pad": 1, "dilation": 1,
        "groups": 1}, "main": {"spatial": [[1, 2, 1, 1], [2, 1, 2, 1], [1, 1, 3, 1], [3, 1, 1, 1]],
        "reduce": [[1, 2, 1], [1, 3, 1], [1, 1, 3]], "fuse": [1, 3, 4], "reorder": 0, "unroll": [1, 1]},
        "pad": {"spatial": [[1, 1, 1, 1], [1, 1, 1, 2], [8, 1, 1, 1], [1, 1, 8, 1]], "fuse": [2, 3, 4],
        "unroll": [0, 0]}, "inline_pad": true},
    {"kind": "dilated", "shape": {"n": 1, "c": 2, "image": [7, 7], "k": 4, "window": 3, "stride": 1, "pad": 1,
        "dilation": 2, "groups": 1}, "main": {"spatial": [[1, 1, 1, 1], [1, 2, 2, 1], [1, 1, 5, 1], [5, 1, 1, 1]],
        "reduce": [[2, 1, 1], [1, 3, 1], [1, 1, 3]], "fuse": [2, 3, 4], "reorder": 1, "unroll": [512, 1]},
        "pad": {"spatial": [[1, 1, 1, 1], [1, 2, 1, 1], [3, 1, 3, 1], [1, 1, 9, 1]], "fuse": [1, 2, 4],
        "unroll": [512, 1]}, "inline_pad": false},
    {"kind": "grouped", "shape": {"n": 1, "c": 4, "image": [4, 4], "k": 8, "window": 1, "stride": 1, "pad": 0,
        "dilation": 1, "groups": 2}, "main": {"spatial": [[1, 1, 1, 1], [4, 1, 2, 1], [2, 1, 2, 1], [1, 2, 2, 1]],
        "reduce": [[1, 1, 2], [1, 1, 1], [1, 1, 1]], "fuse": [1, 2, 4], "reorder": 2, "unroll": [512, 1]},
        "pad": {"spatial": [], "fuse": [2, 3, 4], "unroll": [512, 1]}, "inline_pad": true},
    {"kind": "3", "shape": {"n": 1, "c": 2, "image": [4, 4, 4], "k": 2, "window": 3, "stride": 1, "pad": 1, "dilation": 1,
        "groups": 1}, "main": {"spatial": [[1, 1, 1, 1], [1, 1, 2, 1], [2, 1, 1, 2], [4, 1, 1, 1], [1, 1, 4, 1]],
        "reduce": [[1, 1, 2], [1, 1, 3], [1, 3, 1], [3, 1, 1]], "fuse": [2, 4, 5], "reorder": 1, "unroll": [1500, 1]},
        "pad": {"spatial": [], "fuse": [3, 4, 5], "unroll": [1, 0]}, "inline_pad": true}
]"#;

fn records(text: &str) -> Vec<Record> {
    serde_json::from_str(text).expect("records")
}

/// The block of a file.
fn steps(text: &str) -> Schedule {
    let file = SourceMap::new().add("theirs.ft", text);
    let (tree, found) = parser::parse(file, text);
    assert!(found.is_empty(), "{found:#?}\n{text}");
    let block = tree.items.iter().find_map(|item| if let Item::Schedule(block) = item { Some(block) } else { None });
    steps_of(block.expect("there is a block"))
}

/// Before and after the schedule.
fn kernels(record: &Record) -> (Graph, Kernel, Kernel) {
    let text = record.theirs();
    let graph = front::graphs("theirs.ft", &text).remove(0);
    let naive = lower(&graph);
    let kernel = apply(&naive, &steps(&text)).unwrap_or_else(|refused| panic!("{refused}\n{text}"));
    let kernel = simplify(kernel);
    assert_eq!(verify::verify(&kernel), Ok(()), "{kernel}");
    (graph, naive, kernel)
}

#[test]
fn small_schedules_compute_what_the_formula_says() {
    for record in records(SMALL) {
        let (graph, naive, kernel) = kernels(&record);
        let inputs = samples(&graph);
        let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
        let found = interp::run(&kernel, &inputs).unwrap_or_else(|error| panic!("{error}\n{kernel}"));
        assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{kernel}");
    }
}

#[test]
fn a_schedule_as_text() {
    let records = records(SMALL);
    insta::assert_snapshot!([records[0].theirs(), records[3].theirs(), records[3].shape.ours()].join("\n"));
}

#[test]
fn all_published_schedules_are_legal() {
    let records = records(include_str!("../../benches/flextensor/v100.json"));
    assert_eq!(records.len(), 86);
    for record in &records {
        kernels(record);
    }
}
