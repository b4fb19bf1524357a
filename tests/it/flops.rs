//! Counts of mathematical operations.

use ftc::graph::Graph;
use ftc::graph::flops::flops;
use ftc::scalar::{Const, DType, Op, ReduceOp};

use crate::graphs::{self, Conv, Maker, inside};

#[test]
fn gemm_counts_two_for_each_product() {
    assert_eq!(flops(&graphs::gemm(DType::F32, [5, 7, 3])), 2 * 5 * 7 * 3);
}

#[test]
fn padding_counts_as_if_it_were_computed() {
    let conv = Conv { channels: [4, 3], image: 8, kernel: 3 };
    assert_eq!(flops(&conv.graph()), 2 * 4 * 3 * 8 * 8 * 9);
}

#[test]
fn softmax_counts_each_stage() {
    // max, subtraction and exp, sum, division
    assert_eq!(flops(&graphs::softmax([3, 8])), 3 * 8 * (1 + 2 + 1 + 1));
}

/// y[p] = sum[r]({ if (p + 1 - r) % 2 == 0 { x[(p + 1 - r) / 2] else 0 } else { 0 } } * w[r])
fn transposed(image: i64, taps: i64) -> Graph {
    let mut g = Maker::new("transposed");
    let x = g.input("x", DType::F32, &[image]);
    let w = g.input("w", DType::F32, &[taps]);
    let out = (image - 1) * 2 + taps - 2;
    let y = g.output("y", DType::F32, &[out]);
    let (p, r) = (g.axis("p", out), g.axis("r", taps));
    let (index, tap, one, two, zero) = (g.at(p), g.at(r), g.int(1), g.int(2), g.int(0));
    let h = g.op(Op::Add, index, one);
    let h = g.op(Op::Sub, h, tap);
    let rest = g.op(Op::Mod, h, two);
    let hit = g.op(Op::Eq, rest, zero);
    let row = g.op(Op::Div, h, two);
    let none = g.graph.pool.constant(Const::float(DType::F32, 0.0));
    let pixel = g.load(x, &[row]);
    let bounds = inside(&mut g, row, image);
    let pixel = g.graph.pool.select(bounds, pixel, none);
    let pixel = g.graph.pool.select(hit, pixel, none);
    let weight = g.read(w, &[r]);
    let product = g.op(Op::Mul, pixel, weight);
    g.reduce(y, &[p], ReduceOp::Sum, &[r], product);
    g.graph
}

#[test]
fn the_zeros_of_a_transposed_convolution_do_not_count() {
    let graph = transposed(16, 4);
    let hits = (0..32).flat_map(|p| (0..4).map(move |r| (p + 1 - r) % 2)).filter(|rest| *rest == 0).count();
    assert_eq!(flops(&graph), 2 * hits as u64);
}

#[test]
fn a_triangle_counts_its_points() {
    let mut g = Maker::new("triangle");
    let x = g.input("x", DType::F32, &[9]);
    let y = g.output("y", DType::F32, &[9]);
    let (i, j) = (g.axis("i", 9), g.axis("j", 9));
    let (row, col) = (g.at(i), g.at(j));
    let cond = g.op(Op::Lt, col, row);
    let value = g.read(x, &[j]);
    let square = g.op(Op::Mul, value, value);
    let zero = g.graph.pool.constant(Const::float(DType::F32, 0.0));
    let value = g.graph.pool.select(cond, square, zero);
    g.reduce(y, &[i], ReduceOp::Sum, &[j], value);
    assert_eq!(flops(&g.graph), 2 * (9 * 8 / 2));
}

#[test]
fn index_arithmetic_does_not_count() {
    let mut g = Maker::new("shift");
    let x = g.input("x", DType::F32, &[8]);
    let y = g.output("y", DType::F32, &[4]);
    let i = g.axis("i", 4);
    let (index, two) = (g.at(i), g.int(2));
    let at = g.op(Op::Mul, index, two);
    let value = g.load(x, &[at]);
    let scale = g.graph.pool.cast(DType::F32, at);
    let value = g.op(Op::Mul, value, scale);
    g.map(y, &[i], value);
    assert_eq!(flops(&g.graph), 4);
}

#[test]
fn conditions_count_only_what_they_compute_on_floats() {
    let mut g = Maker::new("pick");
    let x = g.input("x", DType::F32, &[4]);
    let n = g.input("n", DType::I64, &[4]);
    let y = g.output("y", DType::F32, &[4]);
    let i = g.axis("i", 4);
    let (value, picked, two) = (g.read(x, &[i]), g.read(n, &[i]), g.int(2));
    let twice = g.op(Op::Mul, picked, two);
    let is_inside = inside(&mut g, twice, 4);
    let square = g.op(Op::Mul, value, value);
    let is_small = g.op(Op::Lt, square, value);
    let cond = g.op(Op::And, is_inside, is_small);
    let other = g.load(x, &[twice]);
    let value = g.graph.pool.select(cond, other, value);
    g.map(y, &[i], value);
    assert_eq!(flops(&g.graph), 4);
}

#[test]
fn more_operations_than_a_number_holds_saturate() {
    assert_eq!(flops(&graphs::gemm(DType::F32, [1 << 31, 1 << 31, 1 << 31])), u64::MAX);
}
