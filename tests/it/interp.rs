//! The reference interpreter on kernels whose results are known.

use ftc::loops::interp::{self, InterpError};
use ftc::loops::{Kernel, Stmt};
use ftc::lower::lower;
use ftc::scalar::values::Data;
use ftc::scalar::{DType, Op, Values};

use crate::graphs::{self, Conv, Maker, sample, samples};

fn floats(values: &Values) -> &[f64] {
    match values.data() {
        Data::F64(items) => items,
        Data::I64(_) => panic!("integers"),
    }
}

fn item(values: &Values, at: &[i64]) -> f64 {
    let flat = at.iter().zip(values.shape()).fold(0, |flat, (i, extent)| flat * extent + i);
    values.get_f64(flat as usize).expect("inside")
}

#[test]
fn gemm_is_a_matrix_product() {
    let graph = graphs::gemm(DType::F32, [5, 7, 3]);
    let inputs = samples(&graph);
    let outputs = interp::run(&lower(&graph), &inputs).expect("it runs");
    for (i, j) in (0..5).flat_map(|i| (0..7).map(move |j| (i, j))) {
        let wanted: f64 = (0..3).map(|k| item(&inputs[0], &[i, k]) * item(&inputs[1], &[k, j])).sum();
        assert!((item(&outputs[0], &[i, j]) - wanted).abs() < 1e-6);
    }
}

#[test]
fn a_padded_convolution_reads_zeros_outside() {
    let graph = Conv { channels: [2, 3], image: 6, kernel: 3 }.graph();
    let inputs = samples(&graph);
    let outputs = interp::run(&lower(&graph), &inputs).expect("it runs");
    let pixel = |c, h, w| if (0..6).contains(&h) && (0..6).contains(&w) { item(&inputs[0], &[c, h, w]) } else { 0.0 };
    for (k, p, q) in (0..2).flat_map(|k| (0..6).flat_map(move |p| (0..6).map(move |q| (k, p, q)))) {
        let mut wanted = 0.0;
        for (c, r, s) in (0..3).flat_map(|c| (0..3).flat_map(move |r| (0..3).map(move |s| (c, r, s)))) {
            wanted += pixel(c, p + r - 1, q + s - 1) * item(&inputs[1], &[k, c, r, s]);
        }
        assert!((item(&outputs[0], &[k, p, q]) - wanted).abs() < 1e-6);
    }
}

#[test]
fn stages_run_in_order() {
    let graph = graphs::softmax([3, 8]);
    let outputs = interp::run(&lower(&graph), &samples(&graph)).expect("it runs");
    for row in floats(&outputs[0]).chunks(8) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{row:?}");
    }
}

#[test]
fn sixteen_bit_outputs_are_rounded_once() {
    let graph = graphs::gemm(DType::F16, [1, 1, 3]);
    let inputs = [
        Values::floats(DType::F16, &[1, 3], vec![1.0, 0.000_976_562_5, 0.000_976_562_5]).expect("three"),
        Values::floats(DType::F16, &[3, 1], vec![1.0, 0.25, 0.25]).expect("three"),
    ];
    let outputs = interp::run(&lower(&graph), &inputs).expect("it runs");
    // 1 + 2^-11 lies half way between 1 and the next f16; ties go to even.
    assert_eq!(floats(&outputs[0]), [1.0]);
}

#[test]
fn narrow_integers_wrap_at_their_own_width() {
    let mut g = Maker::new("wrap");
    let x = g.input("x", DType::I32, &[2]);
    let y = g.output("y", DType::I32, &[2]);
    let i = g.axis("i", 2);
    let value = g.read(x, &[i]);
    let square = g.op(Op::Mul, value, value);
    g.map(y, &[i], square);
    let inputs = [Values::ints(DType::I32, &[2], vec![65536, -46341]).expect("two")];
    let outputs = interp::run(&lower(&g.graph), &inputs).expect("it runs");
    let wanted = [65536i32.wrapping_mul(65536), (-46341i32).wrapping_mul(-46341)].map(i64::from);
    assert_eq!(outputs[0].data(), &Data::I64(wanted.to_vec()));
}

#[test]
fn inputs_of_another_shape_are_refused() {
    let kernel = lower(&graphs::gemm(DType::F32, [2, 2, 2]));
    let wrong = [sample(DType::F32, &[2, 3], 0), sample(DType::F32, &[2, 2], 0)];
    let error = interp::run(&kernel, &wrong).expect_err("a wrong shape");
    assert_eq!(error.to_string(), "input `A` is f32[2, 2], not f32[2, 3]");
    assert!(matches!(interp::run(&kernel, &wrong[..1]), Err(InterpError::Inputs { .. })));
}

/// Runs a copy kernel of 4 elements after a change.
fn run_changed(change: impl FnOnce(&mut Kernel)) -> Result<Vec<Values>, InterpError> {
    let mut g = Maker::new("copy");
    let x = g.input("x", DType::I64, &[4]);
    let y = g.output("y", DType::I64, &[4]);
    let i = g.axis("i", 4);
    let value = g.read(x, &[i]);
    g.map(y, &[i], value);
    let mut kernel = lower(&g.graph);
    change(&mut kernel);
    interp::run(&kernel, &[sample(DType::I64, &[4], 0)])
}

fn the_loop(kernel: &mut Kernel) -> &mut ftc::loops::For {
    match &mut kernel.body[0] {
        Stmt::For(l) => l,
        other => panic!("{other:?} is not a loop"),
    }
}

#[test]
fn an_access_outside_is_an_error() {
    let error = run_changed(|kernel| the_loop(kernel).extent = 5).expect_err("one too many");
    assert_eq!(error.to_string(), "subscript 0 of `x` is 4, outside 0..4");
}

#[test]
fn an_element_that_is_never_stored_is_an_error() {
    let error = run_changed(|kernel| the_loop(kernel).extent = 3).expect_err("one too few");
    assert_eq!(error.to_string(), "`y[3]` is never stored");
}

#[test]
fn an_element_that_is_read_too_early_is_an_error() {
    let error = run_changed(|kernel| {
        let y = kernel.params[1];
        let axis = the_loop(kernel).axis;
        let at = vec![kernel.pool.axis(axis)];
        let value = kernel.pool.load(y, at.clone(), DType::I64);
        the_loop(kernel).body = vec![Stmt::Store { buffer: y, at, value }];
    });
    assert_eq!(error.expect_err("nothing stored").to_string(), "`y[0]` is read before it is stored");
}

#[test]
fn an_axis_outside_its_loop_is_an_error() {
    let error = run_changed(|kernel| {
        let body = std::mem::take(&mut the_loop(kernel).body);
        kernel.body = body;
    });
    assert!(matches!(error, Err(InterpError::Malformed(_))), "{error:?}");
}

#[test]
fn choices_that_share_their_parts_do_not_multiply() {
    let mut g = Maker::new("chain");
    let x = g.input("x", DType::F32, &[64]);
    let y = g.output("y", DType::F32, &[64]);
    let i = g.axis("i", 64);
    let mut value = g.read(x, &[i]);
    for n in 0..200 {
        let (index, limit) = (g.at(i), g.int(n % 64));
        let cond = g.op(Op::Lt, index, limit);
        let one = g.graph.pool.constant(ftc::scalar::Const::float(DType::F32, 1.0));
        let (up, down) = (g.op(Op::Add, value, one), g.op(Op::Sub, value, one));
        value = g.graph.pool.select(cond, up, down);
    }
    g.map(y, &[i], value);
    let inputs = samples(&g.graph);
    let outputs = interp::run(&lower(&g.graph), &inputs).expect("it runs");
    let wanted: i64 = (0..200).map(|n| if 5 < n % 64 { 1 } else { -1 }).sum();
    assert!((item(&outputs[0], &[5]) - item(&inputs[0], &[5]) - wanted as f64).abs() < 1e-9);
}
