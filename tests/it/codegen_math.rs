//! The LLVM backend: how exact the functions of the mathematics library are, one at a time and in vectors.
//!
//! The limits are those that `src/codegen/llvm/math.rs` documents. `f32` is measured against `f64`, `f64` against the
//! C library's own scalar functions, which are within one unit in the last place of the true value.
#![cfg(feature = "llvm")]

use ftc::scalar::{DType, Op, Values, eval};
use rand::{RngExt, SeedableRng};

use crate::codegen_values::{Compiled, targets};

/// An operation, the range of its interesting arguments, and the largest error: alone and in a vector.
struct Row {
    op: Op,
    range: (f64, f64),
    alone: f64,
    vector: f64,
}

const fn row(op: Op, range: (f64, f64), alone: f64, vector: f64) -> Row {
    Row { op, range, alone, vector }
}

const ROWS: &[Row] = &[
    row(Op::Exp, (-90.0, 90.0), 1.0, 4.0),
    row(Op::Log, (0.0, 1e4), 1.0, 4.0),
    row(Op::Sin, (-1000.0, 1000.0), 1.0, 4.0),
    row(Op::Cos, (-1000.0, 1000.0), 1.0, 4.0),
    row(Op::Tanh, (-10.0, 10.0), 2.0, 4.0),
    row(Op::Erf, (-4.0, 4.0), 2.0, 4.0),
    row(Op::Pow, (0.0, 20.0), 1.0, 4.0),
    row(Op::Sqrt, (0.0, 1e6), 0.5, 0.5),
    row(Op::Rsqrt, (0.0, 1e6), 1.5, 1.5),
    row(Op::Sigmoid, (-30.0, 30.0), 2.5, 6.0),
];

const COUNT: usize = 4096;

/// Arguments from the range, small and large ones of both signs, and the edges.
fn arguments(row: &Row, dtype: DType, seed: u64) -> Vec<f64> {
    let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
    let (low, high) = row.range;
    let mut items =
        vec![0.0, -0.0, 1.0, -1.0, 0.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 88.7, 89.0, 709.0, 710.0];
    items.extend([-87.0, -104.0, -745.0, -746.0, 1e-5, -1e-5, 1e-30, 1e30, -1e30, 3.4e38, 1e-40, 1e-300, 2.0, 3.0]);
    while items.len() < COUNT {
        items.push(match items.len() % 4 {
            0 => 2f64.powf(rng.random_range(-20.0..7.0)),
            _ => rng.random_range(low..high),
        });
    }
    items.into_iter().map(|x| ftc::scalar::values::round(dtype, x)).collect()
}

/// The distance of `found` from `exact`, in units in the last place of `exact` as a `dtype`.
#[expect(clippy::float_cmp, reason = "equal is not far")]
fn ulps(dtype: DType, found: f64, exact: f64) -> f64 {
    let rounded = ftc::scalar::values::round(dtype, exact);
    if (found.is_nan() && exact.is_nan()) || (found == rounded && found.is_infinite()) {
        return 0.0;
    }
    let (largest, beyond) =
        if dtype == DType::F32 { (f64::from(f32::MAX), 2f64.powi(128)) } else { (f64::MAX, f64::MAX) };
    // At the upper end infinity counts as the next number.
    let finite = |x: f64| if x.is_infinite() { beyond.copysign(x) } else { x };
    if found.is_nan() || exact.is_nan() {
        return f64::INFINITY;
    }
    (finite(found) - finite(exact)).abs() / unit(dtype, exact.clamp(-largest, largest))
}

/// The unit in the last place.
fn unit(dtype: DType, x: f64) -> f64 {
    let (digits, lowest) = if dtype == DType::F32 { (23, -126) } else { (52, -1022) };
    let exponent = if x == 0.0 { lowest } else { (x.abs().log2().floor() as i32).max(lowest) };
    f64::from(exponent - digits).exp2()
}

fn text(row: &Row, dtype: DType, count: &str, at: &str) -> String {
    let name = row.op.info().name;
    let call = if row.op.info().arity == 2 { format!("{name}(a[{at}], b[{at}])") } else { format!("{name}(a[{at}])") };
    let body = format!("c[{at}] = {call}");
    let body = if at.is_empty() { body } else { format!("for i in {count} {{ {body} }}") };
    format!("kernel k(a: {dtype}[{count}], b: {dtype}[{count}]) -> (c: {dtype}[{count}]) {{ {body} }}")
}

fn check(row: &Row, dtype: DType, args: &[Vec<f64>; 2], results: &[f64], limit: f64, what: &str) {
    for (nth, &found) in results.iter().enumerate() {
        let (a, b) = (args[0][nth], args[1][nth]);
        let wanted = eval::float(row.op, a, b);
        let error = ulps(dtype, found, wanted);
        assert!(error <= limit, "{what}: {:?}({a:e}, {b:e}) = {found:e}, not {wanted:e}: {error} ulp", row.op);
    }
}

fn results(output: &Values) -> Vec<f64> {
    (0..output.len()).map(|nth| output.get_f64(nth).expect("inside")).collect()
}

#[test]
fn vectors_are_within_their_limits() {
    for target in targets() {
        for (nth, row) in ROWS.iter().enumerate() {
            for dtype in [DType::F32, DType::F64] {
                let args = [0, 1].map(|k| arguments(row, dtype, 100 * nth as u64 + k));
                let inputs = [0, 1].map(|k| {
                    Values::floats(dtype, &[COUNT as i64], args[k].clone()).expect("as many as the shape has")
                });
                let output = Compiled::new(&text(row, dtype, &COUNT.to_string(), "i"), target).run(&inputs).remove(0);
                let what = format!("{target}, {dtype}");
                check(row, dtype, &args, &results(&output), row.vector, &what);
            }
        }
    }
}

#[test]
fn single_values_are_within_their_limits() {
    for (nth, row) in ROWS.iter().enumerate() {
        for dtype in [DType::F32, DType::F64] {
            let args = [0, 1].map(|k| arguments(row, dtype, 100 * nth as u64 + k));
            let compiled = Compiled::new(&text(row, dtype, "", ""), "native");
            let one = |nth: usize| {
                let inputs =
                    [0, 1].map(|k| Values::floats(dtype, &[], vec![args[k][nth]]).expect("as many as the shape has"));
                compiled.run(&inputs)[0].get_f64(0).expect("inside")
            };
            let found: Vec<_> = (0..COUNT).map(one).collect();
            check(row, dtype, &args, &found, row.alone, &format!("alone, {dtype}"));
        }
    }
}
