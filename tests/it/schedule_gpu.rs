//! `bind`, and copies that the threads of a block share: what they make of kernels, and what is refused.

use ftc::driver::schedules::steps_of;
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

pub(crate) fn steps(text: &str) -> Schedule {
    let text = format!("schedule f {{\n{text}\n}}\n");
    let mut sources = SourceMap::new();
    let file = sources.add("test.ft", text.as_str());
    let (tree, found) = parser::parse(file, &text);
    assert!(found.is_empty(), "{found:#?}\n{text}");
    let [Item::Schedule(block)] = tree.items.as_slice() else { panic!("one block: {text}") };
    steps_of(block)
}

/// The kernel of an export under steps, checked against the naive one.
fn scheduled(export: &str, text: &str) -> Result<Kernel, String> {
    let source = format!("use std::conv::conv2d\nuse std::linalg::gemm\nexport f = {export}\n");
    let graph = front::graphs("test.ft", &source).remove(0);
    let naive = lower(&graph);
    let changed = apply(&naive, &steps(text)).map_err(|refused| refused.to_string())?;
    let inputs = samples(&graph);
    let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
    for kernel in [changed.clone(), simplify(changed.clone())] {
        assert_eq!(verify::verify(&kernel), Ok(()), "{kernel}");
        let found = interp::run(&kernel, &inputs).unwrap_or_else(|error| panic!("{error}\n{kernel}"));
        assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{kernel}");
    }
    Ok(simplify(changed))
}

const TILES: &str = "
    split i by [?, 4, 2]
    split j by [?, 4, 4]
    split k by [?, 8]
    reorder i.0 j.0 i.1 j.1 k.0 k.1 i.2 j.2
    bind i.0 to grid.y
    bind j.0 to grid.x
    bind i.1 to block.y
    bind j.1 to block.x
    stage A at k.0 as [k.1, i.1, i.2] in shared
    stage B at k.0 as [k.1, j.1, j.2] in shared
    unroll i.2 j.2";

#[test]
fn tiles_of_a_product() {
    let kernel = scheduled("gemm(A: f32[16, 32], B: f32[32, 64])", TILES).expect("it is legal");
    insta::assert_snapshot!(kernel.to_string());
}

#[test]
fn ragged_tiles_of_a_product() {
    let kernel = scheduled("gemm(A: f32[13, 21], B: f32[21, 37])", TILES).expect("it is legal");
    insta::assert_snapshot!(kernel.to_string());
}

#[test]
fn a_box_of_pixels_in_shared_memory() {
    let text = "
    split p by [?, 4]
    split q by [?, 8]
    split k by [?, 2]
    reorder n k.0 p.0 q.0 p.1 q.1 c r s k.1
    fuse n k.0 as nk
    bind nk to grid.z
    bind p.0 to grid.y
    bind q.0 to grid.x
    bind p.1 to block.y
    bind q.1 to block.x
    stage x at c in shared
    unroll k.1";
    let kernel = scheduled("conv2d(x: f32[1, 3, 9, 10], w: f32[4, 3, 3, 3], pad = 1)", text).expect("it is legal");
    insta::assert_snapshot!(kernel.to_string());
}

#[test]
fn what_makes_no_launch_is_refused() {
    let rows = [
        ("bind k to grid.x", "step 1: threads would join their values of `k` to one accumulator at the same time"),
        ("bind i to block.x", "step 1: `i` is a coordinate of blocks, and no loop is one of the grid"),
        ("bind j to grid.x", "step 1: `j` is bound, and the loop of `i` is around it"),
        (
            "bind i to block.x\nbind j to grid.x",
            "step 1: `i` is a coordinate of blocks, and not inside of all loops of the grid",
        ),
        ("bind i to grid.x\nbind j to grid.x", "step 2: `i` is bound to this coordinate already"),
        ("bind i to grid.x\nparallel j", "step 2: `j` runs on the threads of a CPU, and other loops on a GPU"),
        ("pipeline k", "step 1: threads share no copy right inside of `k`"),
        ("stage A in shared", "step 1: only threads of a GPU's block share memory, and no loop is bound to them"),
        ("stage A\nbind i to grid.x", "step 2: the loops of this nest have copies placed in them already"),
        (
            "bind i to grid.x\nstage A in global",
            "step 2: the copy of `A` would be in main memory, and made by every block",
        ),
        (
            "split i by [?, 3] tail overlap\nbind i.0 to grid.x",
            "step 2: parts of `i` overlap, and two threads would write one place",
        ),
        (
            "split j by [?, 1025]\nbind j.1 to block.x",
            "step 2: `j.1` has 1025 values, and this coordinate at most 1024",
        ),
    ];
    for (text, message) in rows {
        assert_eq!(scheduled("gemm(A: f32[16, 32], B: f32[32, 1000])", text).expect_err(text), message, "{text}");
    }
    let blocks = "split i by [?, 32]\nsplit j by [?, 64]\nreorder i.0 j.0 i.1 j.1
        bind i.0 to grid.y\nbind j.0 to grid.x\nbind i.1 to block.y\nbind j.1 to block.x";
    let error = scheduled("gemm(A: f32[64, 4], B: f32[4, 64])", blocks).expect_err("there are too many threads");
    assert_eq!(error, "step 7: a block has 2048 threads, and at most 1024 are possible");
}
