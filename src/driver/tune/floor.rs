//! The time that no kernel of an export can beat: a shorter one was not measured right.
//!
//! It counts the operations and the bytes that every schedule must at least do on each call, on a machine that is better
//! than any: a higher clock, no latency, all data in the first cache. What depends on `const` inputs alone is done ahead
//! of the calls and costs nothing.

use std::collections::BTreeSet;

use crate::expr::TensorId;
use crate::graph::analysis::{Access, Analysis, analyse};
use crate::graph::{Graph, Role};
use crate::target::{Chip, Machine, Platform};

/// Cycles in a second that no machine reaches.
const CLOCK: f64 = 6e9;
/// The share of the operations that is left when factors are taken out of sums and common parts are computed once.
const LEFT: f64 = 0.5;
/// Vectors that are loaded or stored in a cycle, at most.
const MOVES: f64 = 4.0;

/// Seconds that a call takes at least.
pub fn floor(graph: &Graph, platform: &Platform, threads: usize) -> f64 {
    let analysis = analyse(graph);
    let ahead = ahead(graph, &analysis);
    let machine = match platform {
        Platform::Cpu(machine) => machine,
        Platform::Gpu(chip) => return on_gpu(&analysis, &ahead, chip),
    };
    let cycles = (operations(graph, &analysis, &ahead, machine)).max(bytes(graph, &analysis, &ahead, machine));
    cycles / (CLOCK * threads.max(1) as f64)
}

/// The same on a GPU of twice the clock.
fn on_gpu(analysis: &Analysis, ahead: &BTreeSet<TensorId>, chip: &Chip) -> f64 {
    let stages = analysis.stages.iter().filter(|stage| !ahead.contains(&stage.store.tensor));
    let operations: f64 = stages.map(|stage| stage.work.flops as f64 * LEFT).sum();
    operations / (2.0 * chip.lanes * chip.processors as f64 * 2.0 * chip.clock * 1e9)
}

/// The tensors that are known before any call.
fn ahead(graph: &Graph, analysis: &Analysis) -> BTreeSet<TensorId> {
    let is_given = |role: &Role| matches!(role, Role::Input { is_const: true } | Role::Constant(_));
    let given = graph.tensors.iter().filter(|(_, tensor)| is_given(&tensor.role)).map(|(id, _)| id);
    let mut known: BTreeSet<_> = given.collect();
    // A tensor may be made by several stages, in parts.
    let is_made = |id: TensorId, known: &BTreeSet<TensorId>| {
        let mut makers = analysis.stages.iter().filter(|stage| stage.store.tensor == id);
        makers.all(|stage| stage.reads.iter().all(|read| known.contains(&read.tensor)))
    };
    for stage in &analysis.stages {
        let id = stage.store.tensor;
        if graph.tensors[id].role == Role::Intermediate && is_made(id, &known) {
            known.insert(id);
        }
    }
    known
}

/// Cycles of one thread for the operations.
fn operations(graph: &Graph, analysis: &Analysis, ahead: &BTreeSet<TensorId>, machine: &Machine) -> f64 {
    let stages = analysis.stages.iter().filter(|stage| !ahead.contains(&stage.store.tensor));
    let cycles = stages.map(|stage| {
        let read = stage.reads.iter().map(|read| graph.tensors[read.tensor].dtype.bytes());
        // Instructions that join products take as many factors as a vector holds of the smallest.
        let smallest = read.chain([graph.tensors[stage.store.tensor].dtype.bytes()]).min().unwrap_or(1);
        let lanes = machine.vector_bytes as f64 / smallest as f64;
        stage.work.flops as f64 * LEFT / (2.0 * machine.fmas * lanes)
    });
    cycles.sum()
}

/// Cycles of one thread to move what comes in and goes out.
fn bytes(graph: &Graph, analysis: &Analysis, ahead: &BTreeSet<TensorId>, machine: &Machine) -> f64 {
    let outputs: usize = graph.outputs.iter().map(|&id| graph.tensors[id].bytes()).sum();
    let reads = analysis.stages.iter().filter(|stage| !ahead.contains(&stage.store.tensor));
    let reads: Vec<_> = reads.flat_map(|stage| &stage.reads).collect();
    let inputs = graph.inputs.iter().filter(|id| !ahead.contains(id)).map(|&id| {
        let own = reads.iter().filter(|read| read.tensor == id && is_whole(read));
        own.map(|read| elements(graph, read)).max().unwrap_or(0) * graph.tensors[id].dtype.bytes()
    });
    (outputs + inputs.sum::<usize>()) as f64 / (MOVES * machine.vector_bytes as f64)
}

/// Whether it is known which elements are read, whatever the data.
fn is_whole(read: &Access) -> bool {
    read.guards.is_empty() && read.dims.iter().all(|dim| dim.irregular.is_empty())
}

fn elements(graph: &Graph, read: &Access) -> usize {
    let touched = read.footprint(graph, &|axis| graph.axes[axis].extent);
    touched.clamp(0, graph.tensors[read.tensor].len()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::modules::Modules;
    use crate::driver::{Session, instantiate, select};
    use crate::sema;
    use crate::target::{Target, machine::Machine};

    fn seconds(call: &str) -> f64 {
        let mut session = Session::default();
        let _ = sema::load_std(&mut session.sources, &mut Modules::beside(""));
        let what = select::Selection { exports: vec![call.to_owned()], ..select::Selection::default() };
        let selected = select::select(&mut session, &what).expect("the call is right");
        let graph = instantiate(&mut session, &selected.program, &selected.exports[0], &selected.request);
        let Ok(Target::Cpu(cpu)) = Target::parse("x86-64-v4", None) else { panic!("a known target") };
        floor(&graph.expect("the call is right"), &Machine::of(&cpu, 2).into(), 2)
    }

    #[test]
    fn operations_count_where_they_are_many_and_bytes_where_they_are_few() {
        // 2 · 512³ operations, 64 of them in a cycle and thread, and half of them for nothing.
        let gemm = seconds("gemm(A: f32[512, 512], B: f32[512, 512])");
        assert!((gemm / (0.5 * 2.0 * 512_f64.powi(3) / 64.0 / 2.0 / 6e9) - 1.0).abs() < 0.01, "{gemm}");
        let relu = seconds("relu(x: f32[1048576])");
        assert!((relu / (2.0 * 4_194_304.0 / 256.0 / 2.0 / 6e9) - 1.0).abs() < 0.01, "{relu}");
    }

    #[test]
    fn what_is_done_ahead_costs_nothing() {
        let [plain, ahead] = ["", "const "].map(|word| seconds(&format!("gemv(A: {word}f32[512, 512], x: f32[512])")));
        assert!(ahead <= plain && ahead > 0.0, "{ahead} {plain}");
    }
}
