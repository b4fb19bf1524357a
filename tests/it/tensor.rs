//! Tiles of matrix units, and copies that go on by themselves: random sizes, types and shapes of blocks against the
//! interpreter, as one instruction in CUDA C; and the races that a missing wait or barrier makes.

use ftc::codegen::cuda;
use ftc::loops::interp::InterpError;
use ftc::loops::simplify::simplify;
use ftc::loops::{BufferKind, Kernel, interp, parse, verify};
use ftc::scalar::Values;
use ftc::schedule::apply;
use ftc::target::Target;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::graph_gen::same;
use crate::graphs::sample;
use crate::schedule_gpu::steps;

/// A product of matrices with its schedule, as text.
#[derive(Clone, Debug)]
struct Case {
    kernel: String,
    steps: String,
}

/// The name of a type, that of its sums, and the terms of a tile.
const TYPES: [(&str, &str, i64); 5] =
    [("f16", "f32", 16), ("bf16", "f32", 16), ("i8", "i32", 32), ("u8", "i32", 32), ("f32", "f32", 8)];

fn case() -> impl Strategy<Value = Case> {
    let sizes = (1i64..50, 1i64..40, 1i64..70);
    let tiles = (1i64..3, 1i64..3, 1i64..3, 1i64..9, 1i64..3);
    (0..TYPES.len(), sizes, tiles, 0i64..5, [any::<bool>(); 4]).prop_map(|(at, sizes, tiles, stages, turned)| {
        let ((dtype, sums, depth), (m, n, k), (wm, wn, mi, ni, kk)) = (TYPES[at], sizes, tiles);
        let [a_turned, b_turned, other, is_group] = turned;
        // Lines of 128 bytes along the sum.
        let (rows_of, kk) = if is_group { (64, 4) } else { (16, kk) };
        let (wm, wn) = if is_group { (1, wn) } else { (wm, wn) };
        let of = |turned, a: &str, b: &str| if turned { format!("{b}, {a}") } else { format!("{a}, {b}") };
        let sizes = [m, n, k].map(|size| size.to_string());
        let (a_shape, b_shape) = (of(a_turned, &sizes[0], &sizes[2]), of(b_turned, &sizes[2], &sizes[1]));
        let (a_at, b_at) = (of(a_turned, "i", "k"), of(b_turned, "k", "j"));
        let wide = |e: String| if dtype == sums { e } else { format!("{sums}({e})") };
        let (a, b) = (wide(format!("A[{a_at}]")), wide(format!("B[{b_at}]")));
        let kernel = format!(
            "kernel f(A: {dtype}[{a_shape}], B: {dtype}[{b_shape}]) -> (C: {sums}[{m}, {n}]) {{
                for i in {m} {{ for j in {n} {{ alloc acc: {sums}[] register {{
                    acc[] = {} for k in {k} {{ acc[] += {a} * {b} }} C[i, j] = acc[]
                }} }} }}
            }}",
            if sums == "i32" { "0i32" } else { "0.0" },
        );
        // The copies lie as their tensors do, or the other way.
        let (rows, columns, terms) = ("i.1, i.2, i.3", "j.1, j.2, j.3", "k.1");
        let (a_copy, b_copy) = (of(a_turned != other, rows, terms), of(b_turned, terms, columns));
        let pipeline = match stages {
            0 => String::new(),
            1 => "pipeline k.0\n".to_owned(),
            stages => format!("pipeline k.0 by {stages}\n"),
        };
        let numbers = if dtype == "f32" { " as tf32" } else { "" };
        let steps = format!(
            "split i by [?, {wm}, {mi}, {rows_of}]\nsplit j by [?, {wn}, {ni}, 8]\nsplit k by [?, {}] tail pad
            reorder i.0 j.0 i.1 j.1 k.0 i.2 j.2\nbind i.0 to grid.y\nbind j.0 to grid.x\nbind i.1 to block.z
            bind j.1 to block.y\ntensorize i.3 j.3 k.1{numbers}\nstage A at k.0 as [{a_copy}] in shared
            stage B at k.0 as [{b_copy}] in shared\n{pipeline}unroll i.2 j.2",
            kk * depth,
        );
        Case { kernel, steps }
    })
}

fn holds(case: &Case) {
    let naive = parse::parse(&case.kernel).unwrap_or_else(|error| panic!("{error:?}\n{}", case.kernel));
    let kernel = apply(&naive, &steps(&case.steps)).unwrap_or_else(|refused| panic!("{refused}\n{}", case.steps));
    let inputs = numbers(&naive);
    let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
    for kernel in [kernel.clone(), simplify(kernel)] {
        assert_eq!(verify::verify(&kernel), Ok(()), "{kernel}");
        let found = interp::run(&kernel, &inputs).unwrap_or_else(|error| panic!("{error}\n{}\n{kernel}", case.steps));
        assert!(found.iter().zip(&wanted).all(|(a, b)| same(a, b)), "{}\n{kernel}", case.steps);
        let code = source(&kernel, "cuda");
        assert!(code.contains("ftc_multiply_") || code.contains("ftc_group_"), "{}\n{code}", case.steps);
    }
}

/// Values for the inputs of a kernel.
fn numbers(kernel: &Kernel) -> Vec<Values> {
    let inputs = kernel.params.iter().map(|&id| &kernel.buffers[id]);
    let inputs = inputs.filter(|buffer| matches!(buffer.kind, BufferKind::Input { .. }));
    inputs.zip(1..).map(|(buffer, seed)| sample(buffer.dtype, &buffer.shape, seed)).collect()
}

fn source(kernel: &Kernel, target: &str) -> String {
    let Ok(Target::Gpu(gpu)) = Target::parse(target, None) else { panic!("it is a GPU") };
    cuda::source(kernel, &gpu, &[]).expect("it is possible")
}

#[test]
fn tiles_mean_the_same_and_are_one_instruction() {
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    let result = runner.run(&case(), |case| {
        holds(&case);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn older_units_run_loops() {
    let case = Case {
        kernel: "kernel f(A: f16[16, 16], B: f16[16, 8]) -> (C: f32[16, 8]) { for i in 16 { for j in 8 {
            alloc acc: f32[] register { acc[] = 0.0 for k in 16 { acc[] += f32(A[i, k]) * f32(B[k, j]) } C[i, j] = acc[] }
        } } }"
            .to_owned(),
        steps: "split i by [?, 16]\nsplit k by [?, 16]\nbind i.0 to grid.x\ntensorize i.1 j k.1
            stage A at k.0 as [i.1, k.1] in shared\nstage B at k.0 as [k.1, j] in shared\npipeline k.0 by 2"
            .to_owned(),
    };
    let kernel = apply(&parse::parse(&case.kernel).expect("it parses"), &steps(&case.steps)).expect("it is legal");
    assert!(source(&kernel, "cuda:sm_80").contains("ftc_multiply_f16("));
    let old = source(&kernel, "cuda:sm_75");
    assert!(!old.contains("ftc_multiply") && !old.contains("ftc_wait"), "{old}");
}

/// One thread stores asynchronously what its neighbour reads.
fn late(between: &str) -> Result<(), InterpError> {
    let text = format!(
        "kernel f(x: f32[8]) -> (y: f32[8]) {{ grid.x for a in 1 {{ alloc s: f32[8] async {{ block.x for t in 8 {{
            s[t] = x[t] {between} y[t] = s[7 - t]
        }} }} }} }}"
    );
    let kernel = parse::parse(&text).expect("it parses");
    assert_eq!(verify::verify(&kernel), Ok(()), "{text}");
    assert_eq!(parse::parse(&kernel.to_string()).expect("it parses").to_string(), kernel.to_string());
    interp::run(&kernel, &numbers(&kernel)).map(drop)
}

#[test]
fn what_is_under_way_is_not_read() {
    assert_eq!(late("wait 0 barrier"), Ok(()));
    assert!(matches!(late("barrier"), Err(InterpError::Race { .. })), "nobody waits");
    assert!(matches!(late("wait 1 barrier"), Err(InterpError::Race { .. })), "it may be under way yet");
    assert!(matches!(late("barrier wait 0"), Err(InterpError::Race { .. })), "others have not waited");
    assert!(late("wait 0").is_err(), "nobody waits for others");
}
