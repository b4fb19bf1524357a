//! The verifier of graphs: each rule has a graph that breaks it.

use ftc::graph::verify::{Rule, verify};
use ftc::graph::{Role, Stage};
use ftc::scalar::{Const, DType};
use proptest::prelude::*;

use crate::draft::Draft;

const INPUT: Role = Role::Input { is_const: false };

/// `x: f32[8]`, `t: f32[10]`, `y: f32[8]`: a padded window sum.
fn window() -> Draft {
    let mut draft = Draft::new();
    draft.tensor("x", DType::F32, &[8], INPUT);
    let t = draft.tensor("t", DType::F32, &[10], Role::Intermediate);
    let y = draft.tensor("y", DType::F32, &[8], Role::Output);
    let i = draft.axis("i", 10);
    draft.map(t, &[i], &["i"], "if i >= 1 && i < 9 { x[i - 1] } else { 0.0 }");
    let (p, r) = (draft.axis("p", 8), draft.axis("r", 3));
    draft.sum(y, &[p], &["p"], &[r], "t[p + r]");
    draft
}

fn errors(draft: &Draft) -> Vec<(Rule, String)> {
    match verify(&draft.graph) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_iter().map(|e| (e.rule, e.to_string())).collect(),
    }
}

/// Changes the sound graph and gives the first error.
fn broken(change: impl FnOnce(&mut Draft)) -> (Rule, String) {
    let mut draft = window();
    change(&mut draft);
    errors(&draft).into_iter().next().unwrap_or_else(|| panic!("verifies:\n{}", draft.graph))
}

fn stage(draft: &mut Draft, index: usize) -> &mut Stage {
    &mut draft.graph.stages[index]
}

#[test]
fn a_sound_graph_verifies() {
    assert_eq!(errors(&window()), []);
}

#[test]
fn loads_outside_are_shown_where_they_leave() {
    let (rule, message) = broken(|draft| {
        let value = draft.expr("t[p + 2 * r]");
        let ftc::graph::Body::Reduce { value: old, .. } = &mut stage(draft, 1).body else { panic!("a sum") };
        *old = value;
    });
    assert_eq!(rule, Rule::Loads);
    insta::assert_snapshot!(message, @"stage 1: subscript 1 of `t`, `p + 2 * r`, is 10 at p = 6, r = 2, but the extent is 10 (Loads)");
    let (rule, message) = broken(|draft| {
        let value = draft.expr("if i >= 1 { x[i - 1] } else { 0.0 }");
        stage(draft, 0).body = ftc::graph::Body::Map(value);
    });
    assert_eq!(rule, Rule::Loads);
    insta::assert_snapshot!(message, @"stage 0: subscript 1 of `x`, `i - 1`, is 8 at i = 9, but the extent is 8 (Loads)");
    let (rule, message) = broken(|draft| {
        let value = draft.expr("x[i64(x[0])]");
        stage(draft, 0).body = ftc::graph::Body::Map(value);
    });
    assert_eq!(rule, Rule::Loads);
    insta::assert_snapshot!(message, @"stage 0: subscript 1 of `x`, `i64(x[0])`, is not known to stay in 0..8 (Loads)");
}

#[test]
fn data_may_be_a_subscript_where_it_is_checked() {
    let mut draft = window();
    let value = draft.expr("if i64(x[0]) >= 0 && i64(x[0]) < 8 { x[i64(x[0])] } else { 0.0 }");
    stage(&mut draft, 0).body = ftc::graph::Body::Map(value);
    assert_eq!(errors(&draft), []);
    let value = draft.expr("x[max(0, min(i64(x[0]), 7))]");
    stage(&mut draft, 0).body = ftc::graph::Body::Map(value);
    assert_eq!(errors(&draft), []);
}

#[test]
fn covers_are_exact() {
    let (rule, message) = broken(|draft| {
        let at = draft.expr("9 - i");
        stage(draft, 0).at = vec![at];
        let axis = draft.axis("j", 3);
        let t = draft.graph.stages[0].tensor;
        draft.map(t, &[axis], &["3 * j + 1"], "0.0");
        draft.graph.stages.swap(1, 2);
    });
    assert_eq!(rule, Rule::Cover);
    insta::assert_snapshot!(message, @"`t[1]` is written by stages 0 and 1 (Cover)");
    let (rule, message) = broken(|draft| draft.graph.axes.iter_mut().next().expect("i").1.extent = 9);
    assert_eq!((rule, message.as_str()), (Rule::Cover, "`t[9]` is never written (Cover)"));
    let (rule, message) = broken(|draft| draft.graph.axes.iter_mut().next().expect("i").1.extent = 11);
    assert_eq!(rule, Rule::Cover);
    insta::assert_snapshot!(message, @"stage 0 writes `t` outside its extents (Cover)");
}

fn assert_broken(cases: Vec<(Rule, &str, (Rule, String))>) {
    for (expected, words, (rule, message)) in cases {
        assert!(rule == expected && message.contains(words), "expected {expected:?} ({words}), found {message}");
    }
}

#[test]
fn tensors_axes_and_order_are_sound() {
    assert_broken(vec![
        (Rule::Order, "read before", broken(|d| d.graph.stages.swap(0, 1))),
        (
            Rule::Tensors,
            "two tensors",
            broken(|d| {
                d.tensor("x", DType::F32, &[2], INPUT);
            }),
        ),
        (
            Rule::Tensors,
            "extent of 0",
            broken(|d| {
                d.tensor("z", DType::F32, &[0], INPUT);
            }),
        ),
        (
            Rule::Tensors,
            "too large",
            broken(|d| {
                d.tensor("z", DType::F32, &[i64::MAX / 2, 3], INPUT);
            }),
        ),
        (
            Rule::Tensors,
            "1 values",
            broken(|d| {
                d.tensor("z", DType::F32, &[2], Role::Constant(vec![Const::float(DType::F32, 1.0)]));
            }),
        ),
        (
            Rule::Tensors,
            "value of type i64",
            broken(|d| {
                d.tensor("z", DType::F32, &[], Role::Constant(vec![Const::index(1)]));
            }),
        ),
        (
            Rule::Tensors,
            "listed 2 times",
            broken(|d| {
                let x = d.graph.inputs[0];
                d.graph.inputs.push(x);
            }),
        ),
        (
            Rule::Axes,
            "a second time",
            broken(|d| {
                let p = d.graph.stages[1].axes[0];
                stage(d, 1).axes.push(p);
            }),
        ),
        (
            Rule::Axes,
            "extent 0",
            broken(|d| {
                d.graph.axes.iter_mut().next().expect("i").1.extent = 0;
            }),
        ),
        (
            Rule::Axes,
            "needs an axis",
            broken(|d| {
                let ftc::graph::Body::Reduce { axes, .. } = &mut stage(d, 1).body else { panic!("a sum") };
                axes.clear();
            }),
        ),
    ]);
}

#[test]
fn types_and_targets_are_sound() {
    assert_broken(vec![
        (
            Rule::Types,
            "does not belong here",
            broken(|d| {
                let at = d.expr("i");
                stage(d, 1).at = vec![at];
            }),
        ),
        (
            Rule::Types,
            "its value is f32, not i64",
            broken(|d| {
                let value = d.expr("i");
                stage(d, 0).body = ftc::graph::Body::Map(value);
            }),
        ),
        (
            Rule::Types,
            "1 dimensions, but 2 subscripts",
            broken(|d| {
                let value = d.expr("x[0, 0]");
                stage(d, 0).body = ftc::graph::Body::Map(value);
            }),
        ),
        (
            Rule::Types,
            "`any` does not reduce f32",
            broken(|d| {
                let ftc::graph::Body::Reduce { op, .. } = &mut stage(d, 1).body else { panic!("a sum") };
                *op = ftc::scalar::ReduceOp::Any;
            }),
        ),
        (
            Rule::Targets,
            "stands in no subscript",
            broken(|d| {
                let at = d.expr("3");
                stage(d, 0).at = vec![at];
            }),
        ),
        (
            Rule::Targets,
            "neither a constant nor",
            broken(|d| {
                let at = d.expr("i / 2");
                stage(d, 0).at = vec![at];
            }),
        ),
        (Rule::Targets, "neither an output", broken(|d| d.graph.stages[0].tensor = d.graph.inputs[0])),
        (Rule::Targets, "1 dimensions, but 0 subscripts", broken(|d| stage(d, 0).at.clear())),
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_graphs_verify_and_their_kernels_read_back(choices in prop::collection::vec(any::<u32>(), 20..200)) {
        let graph = crate::graph_gen::graph(&mut crate::graph_gen::Choices(choices.iter()));
        prop_assert_eq!(verify(&graph), Ok(()), "{}", graph);
        let text = ftc::lower::lower(&graph).to_string();
        let read = ftc::loops::parse::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}\n{e}")))?;
        prop_assert_eq!(read.to_string(), text);
    }
}

/// Choices that share their branches have exponentially many paths; the walk must not follow all of them.
#[test]
fn nested_choices_take_bounded_time() {
    let mut draft = Draft::new();
    draft.tensor("x", DType::F32, &[64], INPUT);
    let y = draft.tensor("y", DType::F32, &[64], Role::Output);
    let i = draft.axis("i", 64);
    let mut value = draft.expr("x[i]");
    for step in 0..60 {
        let cond = draft.expr(&format!("i % {} == 1", step + 2));
        let one = draft.expr("1.0");
        let other = draft.graph.pool.add(value, one);
        value = draft.graph.pool.select(cond, value, other);
    }
    let at = vec![draft.expr("i")];
    draft.graph.stages.push(Stage { tensor: y, axes: vec![i], at, body: ftc::graph::Body::Map(value) });
    let start = std::time::Instant::now();
    assert_eq!(errors(&draft), []);
    assert!(start.elapsed().as_secs() < 20, "took {:?}", start.elapsed());
}
