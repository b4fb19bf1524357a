//! Spaces of schedules: no two points say the same, what is not rejected applies, and every nest has something to choose.

use std::collections::{BTreeMap, VecDeque};

use ftc::explore::spread;
use ftc::loops::simplify::simplify;
use ftc::loops::{Stmt, interp};
use ftc::lower::lower;
use ftc::measure::candidates::Candidates;
use ftc::schedule::nest::Program;
use ftc::schedule::{self, Schedule, Step};
use ftc::space::knobs::Point;
use ftc::space::{NestSpace, fusions, structure};
use ftc::target::{Machine, Platform, Target};

use crate::front;
use crate::graph_gen::same;
use crate::graphs::samples;
use crate::place::Place;

/// Schedules of a space that are looked at, at most.
const POINTS: usize = 3000;

fn platform(target: &str) -> Platform {
    match Target::parse(target, None) {
        Ok(Target::Cpu(cpu)) => Machine::of(&cpu, 4).into(),
        Ok(Target::Gpu(gpu)) => gpu.chip().into(),
        other => panic!("{target}: {other:?}"),
    }
}

/// Points that stand for schedules, around those that a search starts from.
fn around(space: &NestSpace) -> BTreeMap<Point, Vec<Step>> {
    let mut found = BTreeMap::new();
    let mut open: VecDeque<_> = space.starts().into();
    while let Some(point) = open.pop_front() {
        if found.len() == POINTS {
            break;
        }
        if let Ok(steps) = space.steps(&point)
            && found.insert(point.clone(), steps).is_none()
        {
            open.extend(space.knobs.neighbours(&point));
        }
    }
    found
}

#[test]
fn points_differ() {
    points_differ_on(&platform("x86-64-v3"));
}

#[test]
fn points_differ_on_a_gpu() {
    points_differ_on(&platform("cuda"));
}

fn points_differ_on(platform: &Platform) {
    for (path, text) in front::sources("tests/schedule/chosen") {
        for graph in front::graphs(&path, &text) {
            let mut program = Program::of(&lower(&graph));
            fusions(&mut program);
            let nests = (0..program.nests.len()).filter(|&nest| !program.nests[nest].order.is_empty());
            for nest in nests.collect::<Vec<_>>() {
                let space = NestSpace::of(&program, nest, platform);
                let points = around(&space);
                assert!(!points.is_empty(), "{path}: {}: nothing to choose for nest {nest}", graph.name);
                let mut texts = BTreeMap::new();
                for (point, steps) in &points {
                    let text = Schedule { steps: steps.clone() }.to_string();
                    if let Some(first) = texts.insert(text, point) {
                        panic!("{path}: the same steps\n{}\n{}", space.knobs.show(first), space.knobs.show(point));
                    }
                }
            }
        }
    }
}

#[test]
fn the_command_line_shows_a_space() {
    let place = Place::new();
    let product = "gemm(A: f32[64, 48], B: f32[48, 80])";
    let shown = place.ftc(&["space", "--export", product, "--target", "x86"]).succeeds().out;
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../schedule/space");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("product", shown));
    place.ftc(&["space", "--export", product, "--target", "interp"]).fails(
        1,
        "E0714",
        &["`interp`", "--target native"],
    );
}

/// How often the statements that join a value run.
fn joins(body: &[Stmt]) -> i64 {
    let of = |stmt: &Stmt| match stmt {
        Stmt::For(inner) => inner.extent * joins(&inner.body),
        Stmt::If { then, otherwise, .. } => joins(then) + joins(otherwise),
        Stmt::Alloc { body, .. } => joins(body),
        Stmt::Reduce { .. } => 1,
        Stmt::Store { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => 0,
    };
    body.iter().map(of).sum()
}

#[test]
fn the_command_line_shows_a_space_of_a_gpu() {
    let place = Place::new();
    let product = "gemm(A: f32[256, 512], B: f32[512, 384])";
    let shown = place.ftc(&["space", "--export", product, "--target", "cuda"]).succeeds().out;
    for part in
        ["row threads", "column next     1 | 2 | 4", "depth           4 | 8 | 16", "copy A          shared", "ahead "]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let rowed = place.ftc(&["space", "--export", "relu(x: f32[64, 49])", "--target", "cuda"]).succeeds().out;
    assert!(rowed.contains("threads") && rowed.contains("along") && !rowed.contains("copy"), "{rowed}");
}

#[test]
fn floats_are_rounded_for_matrix_units_where_that_is_allowed() {
    let place = Place::new();
    let product = "gemm(A: f32[256, 256], B: f32[256, 256])";
    let schedule = |more: &[&str]| {
        let build = ["build", "--export", product, "--emit", "schedule", "-o", "-", "--target"];
        place.ftc(&[&build, more].concat()).succeeds().out
    };
    assert!(!schedule(&["cuda"]).contains("tensorize"));
    let rounded = schedule(&["cuda", "--tf32"]);
    assert!(rounded.contains("as tf32") && rounded == schedule(&["cuda+tf32"]), "{rounded}");
    // What is written is read back, and counts only where rounding is allowed.
    let block = rounded.replace("schedule gemm ", "schedule product ");
    place.write("product.ft", format!("use std::linalg::gemm\nexport product = {product}\n{block}"));
    let build = ["build", "product.ft", "--emit", "schedule", "-o", "-", "--target"];
    let written = |target: &str| place.ftc(&[&build[..], &[target]].concat()).succeeds().out;
    assert_eq!(written("cuda+tf32"), block);
    assert!(!written("cuda").contains("tf32"));
}

#[test]
fn windows_are_stored_first_where_that_is_better() {
    let place = Place::new();
    let layer = "conv2d(x: f16[1, 128, 56, 56], w: f16[256, 128, 3, 3], pad = 1)";
    let shown = place.ftc(&["space", "--export", layer, "--target", "cuda"]).succeeds().out;
    assert!(shown.contains("store"), "{shown}");
    let build = ["build", "--export", layer, "--emit", "schedule", "-o", "-", "--target", "cuda"];
    let chosen = place.ftc(&build).succeeds().out;
    assert!(chosen.contains("store x as [c, r, s, p, q]"), "{chosen}");
}

#[test]
fn transposed_convolutions_multiply_no_zeros() {
    for (stride, pad, taps, size) in [(2, 1, 3, 5), (2, 3, 7, 6), (3, 0, 4, 4), (2, 0, 2, 7), (4, 1, 3, 3)] {
        let export = format!(
            "use std::conv::conv_transpose2d\nexport t = conv_transpose2d(x: f32[1, 2, {size}, {size}], \
             w: f32[2, 3, {taps}, {taps}], stride = {stride}, pad = {pad})\n"
        );
        let graph = front::graphs("t.ft", &export).remove(0);
        let naive = lower(&graph);
        let mut program = Program::of(&naive);
        let steps = structure(&mut program, &platform("x86-64-v4"));
        let changed = schedule::apply(&naive, &Schedule { steps }).expect("they were applied before");
        let places = (size - 1) * stride - 2 * pad + taps;
        let is_tap = |place: i64, tap: i64| (place + pad - tap).rem_euclid(stride) == 0;
        let along: i64 = (0..places).map(|p| (0..taps).filter(|&tap| is_tap(p, tap)).count() as i64).sum();
        assert_eq!(joins(&changed.body), 2 * 3 * along * along, "stride {stride}, pad {pad}, {taps} taps");
    }
}

/// Sums of parts, factors left out of sums, and phases that share choices: a few candidates of each.
#[test]
fn candidates_for_a_gpu_keep_results() {
    let calls = [
        "mttkrp(A: f32[6, 32, 16], B: f32[32, 5], C: f32[16, 5])",
        "conv_transpose2d(x: f32[1, 16, 3, 4], w: f32[16, 10, 3, 3], stride = 2, pad = 1)",
        "conv_transpose2d(x: f32[1, 4, 5, 4], w: f32[4, 3, 5, 5], stride = 2, pad = 2)",
        "conv2d(x: f16[1, 4, 5, 8], w: f16[16, 4, 3, 3], pad = 1)",
    ];
    let mut left_out = 0;
    for call in calls {
        let text = format!("use std::linalg::mttkrp\nuse std::conv::{{conv2d, conv_transpose2d}}\nexport k = {call}\n");
        let graph = front::graphs("k.ft", &text).remove(0);
        let naive = lower(&graph);
        let inputs = samples(&graph);
        let wanted = interp::run(&naive, &inputs).expect("the plain loops run");
        let mut candidates = Candidates::of(&naive, &platform("cuda"));
        let mut points = candidates.starts(40);
        points.extend(spread(&candidates.knobs, 3000));
        points.retain(|point| candidates.predict(point).is_ok());
        let step = (points.len() / 8).max(1);
        for point in points.iter().step_by(step) {
            let schedule = candidates.schedule(point).expect("it was predicted");
            left_out += i32::from(schedule.to_string().contains("accumulate"));
            let kernel = simplify(schedule::apply(&naive, &schedule).expect("it was predicted"));
            let found = interp::run(&kernel, &inputs).unwrap_or_else(|error| panic!("{error}\n{schedule}"));
            assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{call}\n{schedule}");
        }
    }
    assert!(left_out > 0, "no candidate leaves factors out");
}
