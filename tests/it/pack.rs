//! What depends on `const` arguments alone, computed ahead: both kernels verify, and one after the other they give what
//! the whole kernel gives.

use ftc::driver::choose::choose;
use ftc::loops::pack::{ALIGN, Packing, pack};
use ftc::loops::parse::parse as parse_kernel;
use ftc::loops::{BufferKind, Kernel, interp, verify};
use ftc::lower::lower;
use ftc::scalar::Values;
use ftc::schedule;
use ftc::target::{Machine, Target};
use proptest::prelude::*;

use crate::graph_gen::{self, Choices};
use crate::graphs::samples;

use crate::schedule_gen;

/// The same kernel, whose inputs are `const` where the bit of their number is set.
pub(crate) fn with_consts(mut kernel: Kernel, bits: u64) -> Kernel {
    for (nth, &id) in kernel.params.iter().enumerate() {
        if let BufferKind::Input { is_const } = &mut kernel.buffers[id].kind {
            *is_const = bits >> nth.min(63) & 1 == 1;
        }
    }
    kernel
}

/// The outputs of a kernel by way of its packing.
pub(crate) fn run(kernel: &Kernel, inputs: &[Values]) -> Result<Vec<Values>, String> {
    let Some(packing) = pack(kernel) else { return interp::run(kernel, inputs).map_err(|e| e.to_string()) };
    let Packing { pack, packed, parts } = &packing;
    for kernel in [pack, packed] {
        verify::verify(kernel).map_err(|why| format!("{why:?}\n{kernel}"))?;
    }
    let mut end = 0;
    for part in parts {
        assert!(part.offset >= end && part.offset % ALIGN == 0, "{parts:?}");
        assert_eq!(pack.buffers[part.filled].shape, packed.buffers[part.read].shape);
        end = part.offset + pack.buffers[part.filled].bytes();
    }
    assert!(packing.bytes() >= end && packing.bytes() > 0);
    let is_const = |nth: usize| kernel.buffers[kernel.params[nth]].kind == BufferKind::Input { is_const: true };
    let some = |wanted| {
        let chosen = inputs.iter().enumerate().filter(move |&(nth, _)| is_const(nth) == wanted);
        chosen.map(|(_, values)| values.clone()).collect::<Vec<_>>()
    };
    let made = interp::run(pack, &some(true)).map_err(|e| format!("{e}\n{pack}"))?;
    let inputs: Vec<_> = some(false).into_iter().chain(made).collect();
    interp::run(packed, &inputs).map_err(|e| format!("{e}\n{packed}"))
}

fn parse(text: &str) -> Kernel {
    parse_kernel(text).expect("a kernel")
}

fn both(text: &str) -> String {
    let kernel = parse(text);
    assert_eq!(verify::verify(&kernel), Ok(()));
    let packing = pack(&kernel).expect("there is a const argument");
    for kernel in [&packing.pack, &packing.packed] {
        assert_eq!(verify::verify(kernel), Ok(()), "{kernel}");
    }
    let offsets: Vec<_> = packing.parts.iter().map(|part| part.offset).collect();
    format!("{}\n{}\n{offsets:?} of {}", packing.pack, packing.packed, packing.bytes())
}

#[test]
fn copies_before_all_loops_are_made_ahead() {
    insta::assert_snapshot!(both(
        "kernel f(x: f32[8], w: const f32[8, 4], b: const f32[4]) -> (y: f32[4]) {
           alloc w.copy: f32[4, 8] stack {
             for j.copy in 4 { for k.copy in 8 { w.copy[j.copy, k.copy] = w[k.copy, j.copy] } }
             for j in 4 { alloc acc: f32[] register { acc[] = b[j]
               for k in 8 { acc[] += x[k] * w.copy[j, k] }
               y[j] = acc[] } } } }"
    ));
}

/// `u` is only read to make `v`; the sum of the weights is a single value; `x.copy` is made anew in each call.
#[test]
fn what_depends_on_weights_alone_is_computed_ahead() {
    insta::assert_snapshot!(both(
        "kernel f(x: f32[4], w: const f32[4]) -> (y: f32[4]) {
           alloc u: f32[4] global { for i in 4 { u[i] = w[i] * w[i] }
             alloc x.copy: f32[4] stack { for q in 4 { x.copy[q] = x[q] }
               alloc v: f32[4] stack { for j in 4 { v[j] = u[3 - j] }
                 alloc s: f32[] register { s[] = 0.0
                   for k in 4 { s[] += w[k] }
                   for o in 4 { y[o] = x.copy[o] * v[o] / s[] } } } } } }"
    ));
}

/// A temporary that is written again, and one that is read before it is complete, are left where they are.
#[test]
fn what_is_not_finished_stays() {
    let shown = both(
        "kernel f(x: f32[4], w: const f32[4]) -> (y: f32[4], z: f32[4]) {
           alloc t: f32[4] stack { for i in 4 { t[i] = w[i] }
             for j in 4 { y[j] = t[j] * x[j] }
             for k in 4 { t[k] = w[3 - k] }
             for l in 4 { z[l] = t[l] } } }",
    );
    assert!(shown.contains("kernel f_packed(x: f32[4], w: const f32[4])"), "{shown}");
}

#[test]
fn there_is_always_a_block() {
    let shown = both("kernel f(w: const f32[4]) -> (y: f32[4]) { for i in 4 { y[i] = 1.0 } }");
    assert!(
        shown.contains("kernel f_packed(w: const f32[4]) -> (y: f32[4])") && shown.ends_with("[0] of 64"),
        "{shown}"
    );
    assert!(pack(&parse("kernel f(w: f32[4]) -> (y: f32[4]) { for i in 4 { y[i] = w[i] } }")).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn packing_changes_no_result(
        numbers in prop::collection::vec(any::<u32>(), 0..160),
        consts in any::<u64>(),
        seed in any::<u64>(),
    ) {
        let graph = graph_gen::graph(&mut Choices(numbers.iter()));
        let inputs = samples(&graph);
        let naive = with_consts(lower(&graph), consts);
        let wanted = interp::run(&naive, &inputs).expect("the naive kernel runs");
        let chosen = schedule_gen::schedule(&naive, seed, 12);
        let kernel = schedule::apply(&naive, &chosen).expect("what is kept is legal");
        let found = run(&kernel, &inputs).unwrap_or_else(|why| panic!("{why}\n{naive}"));
        for (found, wanted) in found.iter().zip(&wanted) {
            for at in 0..wanted.len() {
                // What is packed is rounded to its type in memory.
                let (a, b) = (found.get_f64(at).expect("inside"), wanted.get_f64(at).expect("inside"));
                let close = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 * (1.0 + b.abs());
                prop_assert!(close, "{chosen}\n{naive}\n{found:?}\n{wanted:?}");
            }
        }
    }
}

/// Normalised weights are computed once, not in each call, though they are cheap.
#[test]
fn what_is_cheap_but_made_of_weights_is_not_computed_again() {
    let naive = parse(
        "kernel f(x: f32[8, 16], v: const f32[16, 32], g: const f32[32]) -> (y: f32[8, 32]) {
           alloc w: f32[16, 32] global { for k in 16 { for o in 32 { w[k, o] = v[k, o] * g[o] } }
             for i in 8 { for j in 32 { alloc acc: f32[] register { acc[] = 0.0
               for r in 16 { acc[] += x[i, r] * w[r, j] }
               y[i, j] = acc[] } } } } }",
    );
    let Ok(Target::Cpu(cpu)) = Target::parse("x86-64-v3", None) else { panic!("a CPU") };
    let chosen = choose(&naive, &Machine::of(&cpu, 1).into());
    let kernel = schedule::apply(&naive, &chosen).expect("what is chosen is legal");
    let packing = pack(&kernel).expect("there are weights");
    let inputs: Vec<_> = packing.packed.params.iter().map(|&id| packing.packed.buffers[id].name.as_str()).collect();
    assert!(inputs == ["x", "w", "y"] || inputs == ["x", "w.copy", "y"], "{inputs:?}\n{chosen}");
}
