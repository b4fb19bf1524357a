//! The reference evaluator of graphs, against the interpreter and against a plain walk over the trees.

use ftc::graph::eval::{EvalError, Evaluator};
use ftc::loops::interp;
use ftc::lower::lower;
use ftc::scalar::values::Number;
use ftc::scalar::{DType, Op};
use proptest::prelude::*;

use crate::graph_gen::{self, Choices, same};
use crate::graphs::{self, Conv, Maker, samples};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn three_ways_to_the_same_result(numbers in prop::collection::vec(any::<u32>(), 0..160)) {
        let graph = graph_gen::graph(&mut Choices(numbers.iter()));
        let inputs = samples(&graph);
        let wanted = graph_gen::outputs(&graph, &inputs);
        let kernel = lower(&graph);
        let interpreted = interp::run(&kernel, &inputs).expect("the kernel runs");
        let mut evaluator = Evaluator::new(&graph, &inputs).expect("the graph is well formed");
        for (n, &output) in graph.outputs.iter().enumerate() {
            prop_assert!(same(&interpreted[n], &wanted[n]), "{:?}\n{:?}\n{:?}", kernel.body, interpreted[n], wanted[n]);
            let evaluated = evaluator.tensor(output).expect("it has a value");
            prop_assert!(same(&evaluated, &wanted[n]), "{evaluated:?}\n{:?}", wanted[n]);
        }
    }
}

#[test]
fn one_element_needs_only_what_it_depends_on() {
    let graph = Conv { channels: [64, 512], image: 64, kernel: 3 }.graph();
    let mut evaluator = Evaluator::new(&graph, &samples(&graph)).expect("the graph is well formed");
    for n in 0..64 {
        let value = evaluator.element(graph.outputs[0], &[n, n * 7 % 64, n * 31 % 64]).expect("inside");
        assert!(matches!(value, Number::Float(value) if value.is_finite()));
    }
}

#[test]
fn a_long_chain_of_stages_is_no_deep_recursion() {
    let mut g = Maker::new("chain");
    let mut last = g.input("x", DType::I64, &[2]);
    for n in 0..20_000 {
        let next = g.tensor(&format!("t{n}"), DType::I64, &[2], ftc::graph::Role::Intermediate);
        let i = g.axis("i", 2);
        let (value, one) = (g.read(last, &[i]), g.int(1));
        let value = g.op(Op::Add, value, one);
        g.map(next, &[i], value);
        last = next;
    }
    let mut evaluator = Evaluator::new(&g.graph, &samples(&g.graph)).expect("the graph is well formed");
    let first = evaluator.element(g.graph.inputs[0], &[1]).expect("inside").to_f64();
    assert_eq!(evaluator.element(last, &[1]).expect("inside"), Number::Int(first as i64 + 20_000));
}

#[test]
fn errors_name_the_element() {
    let graph = graphs::gemm(DType::F32, [2, 2, 2]);
    let mut evaluator = Evaluator::new(&graph, &samples(&graph)).expect("the graph is well formed");
    let error = evaluator.element(graph.outputs[0], &[0, 2]).expect_err("outside");
    assert_eq!(error.to_string(), "subscript 1 of `C` is 2, outside 0..2");
    assert!(matches!(Evaluator::new(&graph, &[]), Err(EvalError::Inputs { expected: 2, found: 0, .. })));

    let mut undefined = graph.clone();
    undefined.stages.clear();
    let mut evaluator = Evaluator::new(&undefined, &samples(&undefined)).expect("the graph is well formed");
    let error = evaluator.element(undefined.outputs[0], &[0, 1]).expect_err("no stage");
    assert_eq!(error.to_string(), "no stage defines `C[0, 1]` before it is needed");
}
