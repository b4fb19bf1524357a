//! `ftc explain FILE`, and the analysis of graphs behind it.

use std::collections::BTreeSet;
use std::path::Path;

use ftc::driver::select::{self, Selection};
use ftc::driver::{self, Session};
use ftc::expr::{AxisId, Expr};
use ftc::graph::Graph;
use ftc::graph::analysis::{Access, Analysis, Class, Contraction, Inlining, StageAnalysis, analyse};

use crate::place::Place;

/// A convolution, its bias and activation, and a pooling.
const BLOCK: &str = "\
use std::activation::relu
use std::conv::conv2d
use std::nn::bias_add
use std::pool::max_pool2d

pub fn block(x: f32[N, C, H, W], w: f32[K, C, 3, 3], b: f32[K]) -> (y: f32[N, K, H / 2, W / 2]) {
    let c = conv2d(x, w, pad = 1)
    let r = relu(bias_add(c, b))
    y = max_pool2d(r, window = 2)
}

export block(x: f32[1, 16, 8, 8], w: f32[32, 16, 3, 3], b: f32[32])
";

const CONV: &str = "conv2d(x: f32[1, 64, 28, 28], w: f32[128, 64, 3, 3], stride = 2, pad = 1)";
const TRANSPOSED: &str = "conv_transpose2d(x: f32[1, 64, 14, 14], w: f32[64, 32, 4, 4], stride = 2, pad = 1)";

fn explained(call: &str) -> String {
    Place::new().ftc(&["explain", "--export", call]).succeeds().out
}

#[test]
fn explain_of_a_matrix_product() {
    insta::assert_snapshot!(explained("gemm(A: f32[64, 48], B: f32[48, 32])"));
}

#[test]
fn explain_of_a_convolution_with_stride_and_padding() {
    let text = explained(CONV);
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("a file");
    assert!(readme.contains(&format!("```text\n{text}```\n")), "README.md does not show:\n{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn explain_of_a_depthwise_convolution() {
    insta::assert_snapshot!(explained("depthwise_conv2d(x: f32[1, 32, 28, 28], w: f32[32, 1, 3, 3], pad = 1)"));
}

#[test]
fn explain_of_a_transposed_convolution() {
    insta::assert_snapshot!(explained(TRANSPOSED));
}

#[test]
fn explain_of_softmax() {
    insta::assert_snapshot!(explained("softmax(x: f32[8, 1000])"));
}

#[test]
fn explain_of_a_block_of_layers() {
    let place = Place::new();
    place.write("block.ft", BLOCK);
    insta::assert_snapshot!(place.ftc(&["explain", "block.ft"]).succeeds().out);
}

#[test]
fn explain_needs_an_export() {
    let place = Place::new();
    place.write("open.ft", BLOCK.split("export").next().expect("a first part"));
    let told = |command: &str| {
        let ran = place.ftc(&[command, "open.ft"]);
        (ran.code, ran.out, ran.err)
    };
    assert_eq!(told("explain"), told("build"));
    assert_eq!(told("explain").0, 1);
}

/// The graph of a call of the standard library, or of a whole file's first export.
fn graph(what: &Selection) -> Graph {
    let mut session = Session::new();
    let selected = select::select(&mut session, what).expect("a right program");
    driver::instantiate(&mut session, &selected.program, &selected.exports[0], &selected.request).expect("a graph")
}

fn call(text: &str) -> (Graph, Analysis) {
    let graph = graph(&Selection { exports: vec![text.to_owned()], ..Selection::default() });
    let found = analyse(&graph);
    (graph, found)
}

fn file(text: &str) -> (Graph, Analysis) {
    let place = Place::new();
    place.write("file.ft", text);
    let graph = graph(&Selection { file: Some(place.path("file.ft")), ..Selection::default() });
    let found = analyse(&graph);
    (graph, found)
}

/// `i M, j N, k K`
fn classes(graph: &Graph, stage: &StageAnalysis) -> String {
    let named = stage.axes.iter().map(|used| format!("{} {}", graph.axes[used.axis].name, used.class.name()));
    named.collect::<Vec<_>>().join(", ")
}

/// The classes of the first stage of a call.
fn classes_of(text: &str) -> String {
    let (graph, found) = call(text);
    classes(&graph, &found.stages[0])
}

fn axis(graph: &Graph, stage: &StageAnalysis, name: &str) -> AxisId {
    let found = stage.axes.iter().map(|used| used.axis).find(|&axis| graph.axes[axis].name == name);
    found.unwrap_or_else(|| panic!("no axis {name}"))
}

#[test]
fn explain_classes_the_axes_of_contractions() {
    assert_eq!(classes_of("gemm(A: f32[4, 5], B: f32[5, 6])"), "i M, j N, k K");
    assert_eq!(classes_of("gemv(A: f32[4, 5], x: f32[5])"), "i M, k K");
    assert_eq!(classes_of("batched_gemm(A: f32[3, 4, 5], B: f32[3, 5, 6])"), "b0 batch, i M, j N, k K");
    assert_eq!(classes_of("gemm_i8(A: i8[4, 5], B: i8[5, 6])"), "i M, j N, k K");
    assert_eq!(classes_of(CONV), "n single, k N, p M, q M, c K, r K, s K");
    assert_eq!(classes_of(TRANSPOSED), "n single, k N, p M, q M, c K, r K, s K");
    let depthwise = "depthwise_conv2d(x: f32[2, 8, 9, 9], w: f32[8, 1, 3, 3])";
    assert_eq!(classes_of(depthwise), "n M, k batch, p M, q M, r K, s K");
    // Three factors stand on two sides.
    assert_eq!(classes_of("bilinear(a: f32[8, 32], W: f32[16, 32, 24], b: f32[8, 24])"), "n M, m N, k K, l K");
}

#[test]
fn explain_classes_what_is_no_contraction() {
    assert_eq!(
        classes_of("max_pool2d(x: f32[1, 2, 6, 6], window = 2)"),
        "n single, c other, p window, q window, r window, s window"
    );
    assert_eq!(classes_of("relu(x: f32[4])"), "i0 other");
    let (graph, found) =
        file("pub fn f(x: f32[N]) -> (y: f32[]) {\n    y[] = sum[i](x[i] * x[i])\n}\nexport f(x: f32[8])\n");
    assert!(found.stages[0].contraction.is_none(), "a square has one factor");
    assert_eq!(classes(&graph, &found.stages[0]), "i other");
}

#[test]
fn explain_knows_windows_and_sizes() {
    let (graph, found) = call(CONV);
    let stage = &found.stages[0];
    let (p, r) = (axis(&graph, stage, "p"), axis(&graph, stage, "r"));
    let shares = |axis| stage.axis(axis).expect("an axis of the stage").shares.clone();
    assert_eq!((shares(p), shares(r)), (BTreeSet::from([r]), BTreeSet::from([p])));
    let sizes = [Class::M, Class::N, Class::K].map(|class| Contraction::size(&graph, &stage.axes, class));
    assert_eq!(sizes, [14 * 14, 128, 64 * 9]);
}

#[test]
fn explain_counts_footprints_and_reuse() {
    let (graph, found) = call(CONV);
    let stage = &found.stages[0];
    let [x, w] = &stage.reads[..] else { panic!("two operands: {:?}", stage.reads) };
    let [p, q, r] = ["p", "q", "r"].map(|name| axis(&graph, stage, name));
    let row = |axis| if axis == q { 4 } else { 1 };
    let window = |axis| if [p, q].contains(&axis) { 4 } else { graph.axes[axis].extent.min(3) };
    // Four pixels at stride 2, then with their windows: 2 * 3 + 2 + 1 in both directions, of three channels.
    assert_eq!((x.footprint(&graph, &row), x.footprint(&graph, &window)), (4, 3 * 9 * 9));
    assert_eq!(w.footprint(&graph, &window), 3 * 3 * 3 * 3);
    assert_eq!((x.stride(&graph, p), x.stride(&graph, r)), (Some(56), Some(28)));
    assert_eq!(stage.reuse(&graph, w), 196.0);
    assert_eq!(stage.work.flops, 2 * stage.work.points);
}

#[test]
fn explain_joins_loads_that_differ_by_constants() {
    let (graph, found) =
        file("pub fn f(x: f32[N]) -> (y: f32[N - 2]) {\n    y[i] = x[i] + x[i + 2]\n}\nexport f(x: f32[16])\n");
    let [x] = &found.stages[0].reads[..] else { panic!("one access: {:?}", found.stages[0].reads) };
    assert_eq!((x.loads.len(), x.dims[0].spread), (2, 2));
    assert_eq!((x.footprint(&graph, &|_| 1), x.footprint(&graph, &|_| 14)), (2, 16));
}

#[test]
fn explain_finds_the_splits_that_decide_congruences() {
    let (graph, found) = call(TRANSPOSED);
    let stage = &found.stages[0];
    let splits: Vec<_> =
        stage.splits.iter().map(|split| (split.by, split.conditions.len(), split.factors.clone())).collect();
    let [p, q, r, s] = ["p", "q", "r", "s"].map(|name| axis(&graph, stage, name));
    assert_eq!(splits, [(2, 1, [(p, 2), (r, 2)].into()), (2, 1, [(q, 2), (s, 2)].into())]);
    assert!(stage.reads[0].dims[2].irregular.contains(&p));
    // Only the multiplications that matter: a quarter of the points.
    assert_eq!(stage.work.points, 64 * 32 * 28 * 28 * 16 / 4);

    let grouped = call("grouped_conv2d(x: f32[1, 64, 8, 8], w: f32[128, 16, 3, 3], groups = 4)");
    let [split] = &grouped.1.stages[0].splits[..] else { panic!("one split") };
    let k = axis(&grouped.0, &grouped.1.stages[0], "k");
    assert_eq!((split.by, split.conditions.is_empty(), &split.factors), (32, true, &[(k, 32)].into()));
}

#[test]
fn explain_says_where_intermediates_can_go() {
    let (graph, found) = file(BLOCK);
    let named = found.flows.iter().map(|flow| (graph.tensors[flow.tensor].name.as_str(), flow.inlining));
    assert_eq!(
        named.collect::<Vec<_>>(),
        [("c", Inlining::Epilogue), ("bias_add", Inlining::Map), ("r", Inlining::Map)]
    );
    let needs: Vec<_> = found.flows[2].levels.iter().map(|level| (level.dim, level.needs, level.step)).collect();
    assert_eq!(needs, [(1, 1, 1), (2, 2, 2), (3, 2, 2)]);

    let (graph, found) = call("softmax(x: f32[8, 100])");
    let named = found.flows.iter().map(|flow| (graph.tensors[flow.tensor].name.as_str(), flow.inlining));
    assert_eq!(
        named.collect::<Vec<_>>(),
        [("m", Inlining::Recomputed), ("e", Inlining::Map), ("z", Inlining::Recomputed)]
    );
    // Two stages read `e`, and can share the loop over rows, not the one over columns.
    assert_eq!(found.flows[1].consumers.len(), 2);
    assert_eq!(found.flows[1].levels.iter().map(|level| level.dim).collect::<Vec<_>>(), [0]);
}

#[test]
fn explain_stores_what_is_needed_whole() {
    let (_, found) = file(
        "pub fn f(x: f32[N, N]) -> (y: f32[N]) {\n    let s[i] = sum[j](x[i, j])\n    y[i] = sum[j](x[i, j] * s[j])\n}\n\
         export f(x: f32[8, 8])\n",
    );
    assert!(found.flows[0].must_be_stored(), "{:?}", found.flows);
}

/// The elements that an access touches while each axis takes its first values, by trying all.
fn touched(graph: &Graph, access: &Access, most: i64) -> usize {
    let mut pool = graph.pool.clone();
    let axes: Vec<_> = access.axes().into_iter().collect();
    let extents: Vec<_> = axes.iter().map(|&axis| graph.axes[axis].extent.min(most)).collect();
    let mut elements = BTreeSet::new();
    for point in 0..extents.iter().product::<i64>() {
        let mut rest = point;
        let mut values = Vec::new();
        for extent in &extents {
            values.push(pool.int(rest % extent));
            rest /= extent;
        }
        for &load in &access.loads {
            let Expr::Load { at, .. } = pool.get(load).clone() else { panic!("a load") };
            let place = |axis| axes.iter().position(|&known| known == axis).map(|index| values[index]);
            let at = at.iter().map(|&subscript| pool.substitute(subscript, &place));
            let at: Vec<_> = at.collect();
            let at: Option<Vec<_>> = at.into_iter().map(|subscript| pool.as_int(subscript)).collect();
            let shape = &graph.tensors[access.tensor].shape;
            elements.extend(at.filter(|at| at.iter().zip(shape).all(|(value, extent)| (0..*extent).contains(value))));
        }
    }
    elements.len()
}

#[test]
fn explain_never_counts_fewer_elements_than_are_touched() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "ft"));
    files.sort();
    let mut count = 0;
    for file in files {
        let mut session = Session::new();
        let what = Selection { file: Some(file.clone()), ..Selection::default() };
        let selected = select::select(&mut session, &what).expect("a right program");
        for export in &selected.exports {
            let made = driver::instantiate(&mut session, &selected.program, export, &selected.request);
            let graph = made.expect("a graph");
            let found = analyse(&graph);
            let accesses = found.stages.iter().flat_map(|stage| &stage.reads);
            let points =
                |access: &Access| access.axes().into_iter().map(|axis| graph.axes[axis].extent).product::<i64>();
            for access in accesses.filter(|access| points(access) <= 2_000) {
                for most in [1, 2, 3, i64::MAX] {
                    let said = access.footprint(&graph, &|axis| graph.axes[axis].extent.min(most));
                    let size = graph.tensors[access.tensor].len();
                    let true_count = touched(&graph, access, most) as i64;
                    assert!(
                        (true_count..=size).contains(&said),
                        "{}: {true_count}, not {said}: {access:?}",
                        file.display()
                    );
                    count += 1;
                }
            }
        }
    }
    assert!(count > 100, "only {count} footprints");
}
