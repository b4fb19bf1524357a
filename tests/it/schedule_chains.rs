//! Random schedules of programs of several stages: whatever is not refused verifies, and gives what the naive nests give.

use ftc::graph::Graph;
use ftc::loops::simplify::simplify;
use ftc::loops::{interp, verify};
use ftc::lower::lower;
use ftc::schedule::{self, Step};
use proptest::prelude::*;

#[cfg(feature = "llvm")]
use crate::codegen_random::compare;
#[cfg(feature = "llvm")]
use crate::codegen_values::Compiled;
use crate::graph_gen::{self, Choices, same};
use crate::graphs::samples;
use crate::{front, schedule_gen};

/// Applies a random schedule; gives its steps.
fn check(graph: &Graph, seed: u64) -> Result<Vec<Step>, TestCaseError> {
    let naive = lower(graph);
    let schedule = schedule_gen::schedule(&naive, seed, 30);
    let changed = schedule::apply(&naive, &schedule).expect("it was applied before");
    let inputs = samples(graph);
    let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
    for kernel in [changed.clone(), simplify(changed)] {
        prop_assert_eq!(verify::verify(&kernel), Ok(()), "{}\n{}", schedule, kernel);
        let found = interp::run(&kernel, &inputs);
        let found = found.map_err(|error| TestCaseError::fail(format!("{error}\n{schedule}\n{kernel}")))?;
        for (found, wanted) in found.iter().zip(&wanted) {
            prop_assert!(same(found, wanted), "{}\n{}\n{:?}\n{:?}", schedule, kernel, found, wanted);
        }
    }
    Ok(schedule.steps)
}

/// A convolution, what is done to each of its elements, and a reader that looks at several of them at once. All values
/// are whole numbers, so that sums are exact in any order.
fn chain(sizes: &[i64], reader: usize) -> Graph {
    let [h, w, k, taps, window, stride, pad] = sizes[..] else { panic!("seven sizes") };
    let pad = pad.min(window / 2).min(taps - 1);
    let (p, q) = (h + 2 * pad - taps + 1, w + 2 * pad - taps + 1);
    let (u, v) = ((p + 2 * pad - window) / stride + 1, (q + 2 * pad - window) / stride + 1);
    let read = format!("t[k, p * {stride} + r - {pad}, q * {stride} + s - {pad}]");
    let last = match reader {
        0 => format!("y[k, p: {u}, q: {v}] = max[r: {window}, s: {window}]({read} else -inf)"),
        1 => format!("y[k, p: {u}, q: {v}] = sum[r: {window}, s: {window}]({read} else 0.0)"),
        2 => "y[k, p: P, q: Q] = t[k, p, q] + (t[k, p, q - 1] else 0.0) - (t[k, p + 1, q] else 1.0)".to_owned(),
        3 => "y[p: P, k, q: Q] = t[k, P - 1 - p, Q - 1 - q] * 2.0".to_owned(),
        _ => "y[k, p: P, q: Q] = sum[l: K](t[l, p, q] * w[k, l % C, 0, 0]) + t[k, p, q]".to_owned(),
    };
    let shape = match reader {
        0 | 1 => format!("K, {u}, {v}"),
        3 => "P, K, Q".to_owned(),
        _ => "K, P, Q".to_owned(),
    };
    let text = format!(
        "fn f(x: f32[C, H, W], w: f32[K, C, R, S], b: f32[K]) -> (y: f32[{shape}])\nwhere\n    P = {p},\n    Q = {q},\n{{\n\
         \x20   let c[k: K, p: P, q: Q] = sum[c, r, s]((x[c, p + r - {pad}, q + s - {pad}] else 0.0) * w[k, c, r, s])\n\
         \x20   let t[k: K, p: P, q: Q] = max(c[k, p, q] + b[k], 0.0)\n    {last}\n}}\n\
         export g = f(x: f32[2, {h}, {w}], w: f32[{k}, 2, {taps}, {taps}], b: f32[{k}])\n"
    );
    front::graphs("chain.ft", &text).remove(0)
}

/// How many cases; more by hand with `FTC_SCHEDULE_SEEDS`.
fn cases() -> u32 {
    std::env::var("FTC_SCHEDULE_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn chains_mean_the_same_under_any_schedule(
        sizes in (5i64..9, 5i64..9, 1i64..4, 1i64..4, 1i64..4, 1i64..4, 0i64..2),
        reader in 0usize..5,
        seed in any::<u64>(),
    ) {
        let (h, w, k, taps, window, stride, pad) = sizes;
        check(&chain(&[h, w, k, taps, window, stride, pad], reader), seed)?;
    }

    #[test]
    fn random_graphs_mean_the_same_under_any_schedule(
        numbers in prop::collection::vec(any::<u32>(), 0..160),
        seed in any::<u64>(),
    ) {
        check(&graph_gen::graph(&mut Choices(numbers.iter())), seed)?;
    }
}

/// The random schedules of chains do compute boxes.
#[test]
fn random_schedules_compute_inside() {
    let graph = chain(&[7, 6, 3, 3, 3, 2, 1], 0);
    let steps = (0..20).flat_map(|seed| check(&graph, seed).expect("it means the same"));
    let computed = steps.filter(|step| matches!(step, Step::ComputeAt { .. })).count();
    assert!(computed >= 5, "{computed}");
}

#[cfg(feature = "llvm")]
proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases() / 4) })]

    #[test]
    fn compiled_chains_agree_with_the_interpreter(
        sizes in (5i64..9, 5i64..9, 1i64..4, 1i64..4, 1i64..4, 1i64..4, 0i64..2),
        reader in 0usize..5,
        seed in any::<u64>(),
    ) {
        let (h, w, k, taps, window, stride, pad) = sizes;
        let graph = chain(&[h, w, k, taps, window, stride, pad], reader);
        let naive = lower(&graph);
        let schedule = schedule_gen::schedule(&naive, seed, 30);
        let text = simplify(schedule::apply(&naive, &schedule).expect("it was applied before")).to_string();
        let inputs = samples(&graph);
        let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
        compare(&Compiled::new(&text, "native").run(&inputs), &wanted, &text)?;
    }
}
