//! The LLVM backend against the interpreter, on random kernels.
#![cfg(feature = "llvm")]

use ftc::expr::{Expr, Pool};
use ftc::loops::interp;
use ftc::loops::simplify::simplify;
use ftc::lower::lower;
use ftc::scalar::{DType, Op, Values};
use proptest::prelude::*;

use crate::codegen_values::Compiled;
use crate::graph_gen::{self, Choices};
use crate::graphs::samples;

/// Whether floats are divided: then quotients are rounded differently in `f32` and in the interpreter's `f64`, and a
/// cast to integers makes a whole number of that.
fn divides_floats(pool: &Pool) -> bool {
    use ftc::arena::Id;
    (0..pool.len())
        .map(ftc::expr::ExprId::new)
        .any(|id| matches!(pool.get(id), &Expr::Binary(Op::Div, a, _) if pool.dtype(a).is_float()))
}

/// Whether two results are the same but for rounding.
#[expect(clippy::float_cmp, reason = "infinities are equal, not close")]
fn close(dtype: DType, a: f64, b: f64) -> bool {
    let slack = match dtype {
        DType::F16 => 1e-2,
        DType::F32 | DType::F64 => 1e-5,
        _ => 0.0,
    };
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= slack * a.abs().max(b.abs())
}

pub(crate) fn compare(found: &[Values], wanted: &[Values], text: &str) -> Result<(), TestCaseError> {
    for (found, wanted) in found.iter().zip(wanted) {
        for at in 0..wanted.len() {
            let [a, b] = [found, wanted].map(|values| values.get_f64(at).expect("inside"));
            prop_assert!(close(wanted.dtype(), a, b), "element {}: {}, not {}\n{}", at, a, b, text);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn compiled_kernels_agree_with_the_interpreter(numbers in prop::collection::vec(any::<u32>(), 0..160)) {
        let graph = graph_gen::graph(&mut Choices(numbers.iter()));
        prop_assume!(!divides_floats(&graph.pool));
        let inputs = samples(&graph);
        let plain = lower(&graph);
        let wanted = interp::run(&plain, &inputs).expect("the kernel runs");
        for kernel in [plain.clone(), simplify(plain)] {
            let text = kernel.to_string();
            compare(&Compiled::new(&text, "native").run(&inputs), &wanted, &text)?;
        }
    }
}
