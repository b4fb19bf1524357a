//! The text forms of both IRs.

use ftc::graph::Role;
use ftc::loops;
use ftc::scalar::{Const, DType};

use crate::draft::Draft;

const KERNEL: &str = "\
kernel gemm(A: f32[64, 64], B: const f16[64, 64], `for`: bool[]) -> (C: f32[64, 64], d: f64[]) {
  constant T: f32[2] = [0.5, -inf]
  constant n: i8[2, 1] = [1i8, -128i8]
  constant flags: bool[1] = [true]
  parallel for i in 64 {
    grid.x for bx in 2 {
      block.z for tz in 4 {
        vector for j.1 in 8 {
          alloc acc: f32[] register {
            acc[] = 0.0
            unroll for k in 64 {
              acc[] += A[i, k] * f32(B[k, bx * 32 + tz * 8 + j.1])
              acc[] min= 1.0
              acc[] max= -0.0
              acc[] *= nan
            }
            barrier
            combine acc[] += over tz
            combine acc[] max= over tz, bx
            if i < 63 && `for`[] {
              C[i, j.1] = acc[] * T[0]
            } else if flags[0] {
              C[i, j.1] = f32(n[0, 0])
            } else {
              C[i, j.1] = acc[]
            }
            if i == 0 {
              alloc s: bool[3] shared {
                s[0] ||= i > 4
                s[0] &&= i > 4
              }
            }
          }
        }
      }
    }
  }
  d[] = 0.1f64
}
";

#[test]
fn kernels_read_back_as_they_print() {
    let kernel = loops::parse::parse(KERNEL).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(kernel.to_string(), KERNEL);
    assert_eq!(kernel.params.len(), 5);
}

#[test]
fn errors_in_kernels_have_a_place() {
    let wrong = [
        ("kernel f() -> () {\n  for i in 3 {\n  for i in 2 {}}}", "3:7: there is an axis `i` already"),
        ("kernel f(A: f32[2], A: f32[]) -> () {}", "1:21: there is a buffer `A` already"),
        ("kernel f(A: f31[2]) -> () {}", "1:13: expected an element type, found `f31`"),
        ("kernel f() -> (A: f32[]) { A[] -= 1.0 }", "1:32: expected `=` or a reduction such as `+=`, found `-`"),
        ("kernel f() -> (A: f32[]) { B[] = 1.0 }", "1:28: no buffer is called `B` here"),
        (
            "kernel f() -> () { alloc A: f32[] heap {} }",
            "1:35: expected `global`, `stack`, `register`, `shared` or `async`, found `heap`",
        ),
        ("kernel f() -> () { grid.w for i in 2 {} }", "1:20: no buffer is called `grid.w` here"),
        ("kernel f() -> () { for i in 2.5 {} }", "1:29: expected an integer, found `2`"),
        ("kernel f() -> () {} x", "1:21: expected the end, found `x`"),
        ("kernel f() -> () { if 1 {} }", "1:23: a condition is a bool"),
    ];
    for (text, expected) in wrong {
        assert_eq!(loops::parse::parse(text).expect_err(text).to_string(), expected, "{text}");
    }
    let deep = format!("kernel f() -> () {{ {}", "if true {} else ".repeat(10_000));
    assert!(loops::parse::parse(&deep).is_err());
}

#[test]
fn graphs_print() {
    let mut draft = Draft::new();
    draft.tensor("x", DType::F32, &[8], Role::Input { is_const: true });
    let table: Vec<_> = (0..20).map(|i| Const::float(DType::F32, f64::from(i) / 2.0)).collect();
    draft.tensor("G", DType::F32, &[20], Role::Constant(table));
    let y = draft.tensor("y", DType::F32, &[4, 2], Role::Output);
    let t = draft.tensor("t", DType::F32, &[], Role::Intermediate);
    let (k, k2, p) = (draft.axis("k", 8), draft.axis("k", 1), draft.axis("p", 4));
    draft.sum(t, &[], &[], &[k, k2], "x[k]");
    draft.map(y, &[p], &["p", "0"], "t[]");
    draft.map(y, &[p], &["p", "1"], "t[]");
    draft.map(y, &[p, k], &["2 * p", "p"], "t[]");
    insta::assert_snapshot!(draft.graph.to_string(), @"
    graph draft {
      input x: const f32[8]
      constant G: f32[20] = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0, 7.5, … 20 in all]
      let t: f32[]
      output y: f32[4, 2]

      stage t[] = sum[k: 8, k': 1](x[k'])
      stage y[p, 0] for p: 4 = t[]
      stage y[p, 1] for p: 4 = t[]
      stage y[2 * p, p] for p: 4, k: 8 = t[]
    }
    ");
}
