//! The simplifier of the loop IR: before and after, and that the results stay the same.

use ftc::loops::interp;
use ftc::loops::parse::parse;
use ftc::loops::simplify::simplify;
use ftc::loops::verify::verify;
use ftc::lower::lower;
use proptest::prelude::*;

use crate::graph_gen::{self, Choices, same};
use crate::graphs::{Conv, samples};

/// The body of a kernel after simplification, each line without its indentation.
fn simplified(body: &str) -> String {
    let text = format!("kernel f(x: f32[8], A: f32[4, 8]) -> (y: f32[8], C: f32[4, 8]) {{\n{body}\n}}");
    let kernel = simplify(parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}")));
    let text = kernel.to_string();
    let lines: Vec<_> = text.lines().skip(1).map(str::trim).collect();
    lines[..lines.len() - 1].join("\n")
}

#[test]
fn the_example_of_the_documentation_holds() {
    let body = "for i in 4 { for z in 1 { for j in 8 {
        if i * 8 + j < 32 { C[i + z, j] = A[i, (i * 8 + j) % 8] C[i, j] += 0.0 }
        if i < j && j < 8 { C[i, j] += if i <= j { x[j - i] } else { 0.0 } }
    } } }";
    insta::assert_snapshot!(simplified(body), @r"
    for i in 4 {
    for j in 8 {
    C[i, j] = A[i, j]
    if i < j {
    C[i, j] += x[j - i]
    }
    }
    }
    ");
}

#[test]
fn loops_that_run_once_go() {
    let body = "for z in 1 { parallel for i in 4 { for u in 1 { C[i + z, u * 8 + i] = A[i, i] } } }";
    insta::assert_snapshot!(simplified(body), @r"
    parallel for i in 4 {
    C[i, i] = A[i, i]
    }
    ");
    let body = "grid.x for z in 1 { y[z] = x[z] }";
    insta::assert_snapshot!(simplified(body), @r"
    grid.x for z in 1 {
    y[0] = x[0]
    }
    ");
}

#[test]
fn decided_conditions_go() {
    let body = "for i in 4 { for j in 8 {
        if i * 8 + j < 32 { C[i, j] = A[i, (i * 8 + j) % 8] }
        if i > j + 3 { C[i, j] = 0.0 }
        if i == 9 { C[i, j] = 1.0 } else { C[i, j] = 2.0 }
    } }";
    insta::assert_snapshot!(simplified(body), @r"
    for i in 4 {
    for j in 8 {
    C[i, j] = A[i, j]
    C[i, j] = 2.0
    }
    }
    ");
}

#[test]
fn only_the_parts_that_matter_stay() {
    let body = "for i in 4 { for j in 8 {
        if i >= 0 && i < j && j < 8 { C[i, j] = if j > i && j < 4 { 1.0 } else { A[i, j] } }
        if i >= 2 { C[i, j] = if i > 1 { x[i] } else { x[j] } }
    } }";
    insta::assert_snapshot!(simplified(body), @r"
    for i in 4 {
    for j in 8 {
    if i < j {
    C[i, j] = if j < 4 { 1.0 } else { A[i, j] }
    }
    if i >= 2 {
    C[i, j] = x[i]
    }
    }
    }
    ");
}

#[test]
fn what_is_left_empty_goes() {
    let body = "for i in 8 {
        alloc t: f32[] register { for k in 4 { y[i] += if k > 9 { x[k] } else { 0.0 } } }
        if i < 4 { y[i] *= 1.0 } else { y[i] = 3.0 }
        if x[i] > 1.0 {}
    }";
    insta::assert_snapshot!(simplified(body), @r"
    for i in 8 {
    if i >= 4 {
    y[i] = 3.0
    }
    }
    ");
}

#[test]
fn a_condition_that_loads_stays_under_itself() {
    // The second load may give another value.
    let body = "y[0] = 1.0 if y[0] > 0.0 { y[0] = -1.0 if y[0] > 0.0 { y[1] = 1.0 } }";
    insta::assert_snapshot!(simplified(body), @r"
    y[0] = 1.0
    if y[0] > 0.0 {
    y[0] = -1.0
    if y[0] > 0.0 {
    y[1] = 1.0
    }
    }
    ");
}

#[test]
fn a_convolution_keeps_its_guards_only_where_it_needs_them() {
    let whole = Conv { channels: [1, 1], image: 8, kernel: 3 }.graph();
    insta::assert_snapshot!(simplify(lower(&whole)).to_string(), @r"
    kernel conv2d(x: f32[1, 8, 8], w: f32[1, 1, 3, 3]) -> (y: f32[1, 8, 8]) {
      for p in 8 {
        for q in 8 {
          alloc acc: f32[] register {
            acc[] = 0.0
            for r in 3 {
              for s in 3 {
                acc[] += (if p + r >= 1 && p + r < 9 && (q + s >= 1 && q + s < 9) { x[0, p + r - 1, q + s - 1] } else { 0.0 }) * w[0, 0, r, s]
              }
            }
            y[0, p, q] = acc[]
          }
        }
      }
    }
    ");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn results_stay_the_same(numbers in prop::collection::vec(any::<u32>(), 0..160)) {
        let graph = graph_gen::graph(&mut Choices(numbers.iter()));
        let inputs = samples(&graph);
        let before = lower(&graph);
        let after = simplify(before.clone());
        prop_assert_eq!(verify(&after), Ok(()), "{}\n{}", before, after);
        let wanted = interp::run(&before, &inputs).expect("the kernel runs");
        let found = interp::run(&after, &inputs).expect("the kernel runs");
        for (found, wanted) in found.iter().zip(&wanted) {
            prop_assert!(same(found, wanted), "{}\n{}", before, after);
        }
        let again = simplify(after.clone());
        prop_assert_eq!(again.to_string(), after.to_string());
    }
}
