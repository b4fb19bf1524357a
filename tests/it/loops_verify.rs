//! The verifier of the loop IR: one kernel for each way to break the contract, and lowered graphs that keep it.

use ftc::loops::parse::parse;
use ftc::loops::verify::{Rule, VerifyError, verify};
use ftc::loops::{Buffer, BufferKind, Kernel};
use ftc::lower::lower;
use ftc::scalar::DType;
use proptest::prelude::*;

use crate::graph_gen::{self, Choices};
use crate::graphs::{self, Conv};

fn kernel(body: &str) -> Kernel {
    let text = format!("kernel f(x: f32[8], n: const i32[8]) -> (y: f32[8]) {{\n{body}\n}}");
    parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn errors(body: &str) -> Vec<VerifyError> {
    verify(&kernel(body)).err().unwrap_or_default()
}

/// The only error of a kernel that also stores its output properly.
fn error(body: &str) -> String {
    let found = errors(&format!("for done in 8 {{ y[done] = x[done] }}\n{body}"));
    let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

#[test]
fn what_lowering_makes_verifies() {
    let conv = Conv { channels: [4, 3], image: 9, kernel: 3 }.graph();
    for graph in [graphs::gemm(DType::F16, [5, 7, 3]), graphs::softmax([3, 8]), conv] {
        assert_eq!(verify(&lower(&graph)), Ok(()), "{}", lower(&graph));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn random_graphs_lower_to_kernels_that_verify(numbers in prop::collection::vec(any::<u32>(), 0..160)) {
        let kernel = lower(&graph_gen::graph(&mut Choices(numbers.iter())));
        prop_assert_eq!(verify(&kernel), Ok(()), "{}", kernel);
        let again = parse(&kernel.to_string()).unwrap_or_else(|e| panic!("{e}\n{kernel}"));
        prop_assert_eq!(again.to_string(), kernel.to_string());
    }
}

#[test]
fn subscripts_must_be_inside() {
    assert_eq!(
        error("for i in 9 { y[i] = 0.0 }"),
        "bounds: in `i`: subscript 0 of `y`, `i`, is, for i = 8, not inside 0..8"
    );
    assert_eq!(
        error("for i in 8 { y[i] = x[i - 1] }"),
        "bounds: in `i`: subscript 0 of `x`, `i - 1`, is, for i = 0, not inside 0..8"
    );
    assert_eq!(error("for i in 9 { if i < 8 { y[i] = 0.0 } }"), "");
    assert_eq!(error("for i in 9 { if i >= 8 {} else { y[i] = 0.0 } }"), "");
    assert_eq!(error("for i in 8 { y[i] = if i >= 1 { x[i - 1] } else { 0.0 } }"), "");
}

#[test]
fn subscripts_may_be_data_that_is_checked() {
    let guarded = "for i in 8 { y[i] = if i64(n[i]) >= 0 && i64(n[i]) < 8 { x[i64(n[i])] } else { 0.0 } }";
    assert_eq!(error(guarded), "");
    assert_eq!(error("for i in 8 { if i64(n[i]) >= 0 && i64(n[i]) < 8 { y[i64(n[i])] = 0.0 } }"), "");
    assert_eq!(error("for i in 8 { y[i] = x[max(min(i64(n[i]), 7), 0)] }"), "");
    assert!(error("for i in 8 { y[i] = x[i64(n[i])] }").starts_with("bounds: in `i`: subscript 0 of `x`"));
}

#[test]
fn a_condition_on_what_may_change_proves_nothing() {
    let body = "alloc t: i64[] register {
        t[] = 3
        if t[] >= 0 && t[] < 8 { t[] = 9 y[t[]] = 0.0 }
    }";
    assert!(error(body).contains("is not"), "{}", error(body));
}

#[test]
fn axes_and_temporaries_have_scopes() {
    assert_eq!(error("for i in 8 {} y[i] = 0.0"), "scopes: `i` is used outside its loop");
    assert_eq!(error("alloc t: f32[] register { t[] = 0.0 } y[0] = t[]"), "scopes: `t` is used outside its `alloc`");
}

#[test]
fn inputs_are_not_written_and_outputs_are() {
    assert_eq!(error("x[0] = 0.0"), "writes: `x` is written");
    let texts: Vec<_> = errors("").iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["writes: `y` is never stored"]);
    assert_eq!(error("alloc t: f32[] stack { y[0] = t[] }"), "writes: `t` is loaded, but never stored");
}

#[test]
fn iterations_that_run_at_once_store_apart() {
    assert_eq!(
        error("parallel for i in 8 { y[0] = 0.0 }"),
        "writes: in `i`: all iterations of `i` store to the same place in `y`"
    );
    assert_eq!(error("parallel for i in 8 { if i == 3 { y[0] = 0.0 } }"), "");
    assert_eq!(error("parallel for i in 8 { alloc t: f32[] register { t[] = 0.0 y[i] = t[] } }"), "");
}

#[test]
fn kinds_of_loops_nest() {
    let refused = [
        ("grid.x for a in 2 { grid.x for b in 2 { y[a + b] = 0.0 } }", "a loop around it has the same coordinate"),
        ("for a in 2 { grid.x for b in 2 { y[a + b] = 0.0 } }", "a grid loop is inside another loop"),
        ("block.x for a in 2 { y[a] = 0.0 }", "a block loop is outside a grid loop"),
        ("parallel for a in 2 { parallel for b in 2 { y[a + b] = 0.0 } }", "a parallel loop is inside a parallel loop"),
        ("vector for a in 2 { vector for b in 2 { y[a + b] = 0.0 } }", "it is inside a vector loop"),
        ("barrier", "a barrier outside a grid loop"),
        ("alloc t: f32[] shared {}", "shared memory outside a grid loop"),
    ];
    for (body, message) in refused {
        let text = error(body);
        assert!(text.starts_with("kinds: ") && text.ends_with(message), "{body}\n{text}");
    }
    assert_eq!(error("grid.x for a in 2 { block.x for b in 4 { y[a * 4 + b] = 0.0 barrier } }"), "");
}

#[test]
fn data_that_no_text_gives_is_checked() {
    let good = "for i in 8 { y[i] = x[i] }";
    let changes: [Change; 7] = [
        ("a type", |k| y(k).dtype = DType::F64, Rule::Types),
        ("a rank", |k| y(k).shape = vec![8, 1], Rule::Bounds),
        ("an extent", |k| y(k).shape = vec![0], Rule::Sizes),
        ("bytes", |k| y(k).shape = vec![1 << 40, 1 << 40], Rule::Sizes),
        ("a name", |k| y(k).name = "x".to_owned(), Rule::Names),
        ("parameters", |k| k.params.reverse(), Rule::Parameters),
        ("a kind", |k| y(k).kind = BufferKind::Constant(Vec::new()), Rule::Sizes),
    ];
    for (what, change, rule) in changes {
        let mut kernel = kernel(good);
        change(&mut kernel);
        let found = verify(&kernel).expect_err(what);
        assert_eq!(found[0].rule, rule, "{what}: {found:?}");
    }
}

/// What is changed, how, and the rule that it breaks.
type Change = (&'static str, fn(&mut Kernel), Rule);

fn y(kernel: &mut Kernel) -> &mut Buffer {
    let id = kernel.params[2];
    &mut kernel.buffers[id]
}

#[test]
fn launches_have_their_parts_in_place() {
    let refused = [
        ("if x[0] < 1.0 { grid.x for a in 8 { y[a] = 0.0 } }", "a grid loop is under a condition"),
        (
            "grid.x for a in 8 { y[a] = 0.0 grid.y for b in 1 { y[a] = 0.0 } }",
            "something is beside a grid loop, or around it",
        ),
        (
            "grid.x for a in 4 { for b in 2 { block.x for c in 1 { y[a + 4 * b] = 0.0 } } }",
            "something is beside a block loop, or around it",
        ),
        (
            "grid.x for a in 1 { block.x for b in 8 { alloc t: f32[8] shared { t[b] = 0.0 y[b] = t[b] } } }",
            "`t` is shared, but not allocated between grid loops and block loops",
        ),
        (
            "grid.x for a in 1 { alloc t: f32[] global { t[] = 0.0 y[a] = t[] } }",
            "`t` is allocated in main memory by each block",
        ),
        (
            "grid.x for a in 1 { block.x for b in 8 { if b < 4 { barrier } y[b] = 0.0 } }",
            "a barrier that not all threads of a block may reach",
        ),
        (
            "grid.x for a in 1 { block.x for b in 8 { y[b] = 0.0 if x[a] < 1.0 { barrier } } }",
            "a barrier that not all threads of a block may reach",
        ),
        (
            "grid.x for a in 1 { block.x for b in 8 { combine y[b] += over b } }",
            "`y` is combined, but is not each thread's own",
        ),
        (
            "grid.x for a in 8 { block.x for b in 1 { alloc r: f32[] register { r[] = x[a] combine r[] += over a y[a] = r[] } } }",
            "`a` is no coordinate of the block, and is combined over",
        ),
        (
            "grid.x for a in 1 { block.x for b in 8 { alloc r: f32[] register { r[] = x[b] if b < 4 { combine r[] += over b } y[b] = r[] } } }",
            "a combination that not all threads of a block may reach",
        ),
        (
            "grid.x for a in 8 { block.x for b in 8 { alloc r: f32[] register { r[] = x[b] combine r[] += over b y[a] = r[] } } }",
            "all iterations of `b` store to the same place in `y`",
        ),
        (
            "grid.x for a in 1 { block.x for b in 8 { alloc r: f32[] register { r[] = x[b] combine r[] ||= over b y[b] = r[] } } }",
            "`any` is not defined on f32",
        ),
        (
            "grid.x for a in 8 { block.x for b in 8 { y[a] += x[b] } }",
            "all iterations of `b` store to the same place in `y`",
        ),
    ];
    for (body, message) in refused {
        let text = error(body);
        assert!(text.ends_with(message), "{body}\n{text}");
    }
    let staged = "grid.x for a in 2 { alloc t: f32[4] shared { block.x for b in 4 {
        t[b] = x[a * 4 + b]
        if a > 0 { barrier }
        y[a * 4 + b] = t[b]
    } } }";
    assert_eq!(error(staged), "");
}
