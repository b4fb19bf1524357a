//! Analytic models of the time that a scheduled nest takes, on a CPU and on a GPU.
//!
//! They take a nest whose loops are decided, and a machine; they give cycles. They run nothing and write no loops, so
//! that thousands of schedules can be ranked in the time that one takes to compile. `gpu` has its own page; on a CPU
//! what counts is:
//!
//! - `body`: instructions of the innermost loop by the units that run them (multiply-adds, loads, everything), the
//!   latency of accumulators, and registers that do not suffice;
//! - `around`: setting and writing accumulators, making copies, loop overhead, starting threads and their imbalance;
//! - `memory`: bytes that move between caches, from the footprints of operands at each loop.
//!
//! Only the order that it puts schedules in matters; the unit is cycles so that its terms can be compared.

mod around;
mod body;
mod gpu;
mod memory;
mod terms;
mod view;

use std::collections::BTreeSet;

use crate::expr::TensorId;
use crate::loops::LoopKind;
use crate::schedule::nest::{Program, Var, VarId};
use crate::target::{Machine, Platform};

use memory::Run;
pub use terms::{Terms, terms};

/// The part of the shorter of two times that the longer one does not hide: of computing, and of moving data.
const OVERLAP: f64 = 0.3;

static NONE: BTreeSet<TensorId> = BTreeSet::new();

/// The cycles that a nest takes, with those that are computed inside of it. For one that is itself computed inside of
/// another, those of one box: its data is still near from the box before, and threads may be busy already.
pub fn cycles(program: &Program, nest: usize, platform: &Platform) -> f64 {
    match platform {
        Platform::Cpu(machine) => on_cpu(program, nest, None, machine),
        Platform::Gpu(chip) => gpu::portion(program, &program.nests[nest], chip).cycles(),
    }
}

/// The cycles of a nest, as parts that some nests have in common where they run as one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Portion {
    /// Those of starting it.
    launches: f64,
    /// Those of running it alone.
    alone: f64,
    /// The share of the machine that it takes meanwhile.
    fill: f64,
}

impl Portion {
    /// The cycles of the nest alone.
    pub const fn cycles(&self) -> f64 {
        self.launches + self.alone
    }

    /// So many of it, one after the other.
    #[must_use]
    pub const fn times(self, count: f64) -> Self {
        Self { launches: self.launches * count, alone: self.alone * count, ..self }
    }
}

/// The portion of a nest; as [`cycles`], but for one that is computed inside of it, if that is counted elsewhere.
pub fn portion(program: &Program, nest: usize, but: Option<usize>, platform: &Platform) -> Portion {
    match platform {
        Platform::Cpu(machine) => Portion { launches: 0.0, alone: on_cpu(program, nest, but, machine), fill: 1.0 },
        Platform::Gpu(chip) => gpu::portion(program, &program.nests[nest], chip),
    }
}

/// How many boxes are computed one after the other inside of a nest, on each thread.
pub fn boxes(program: &Program, nest: usize, machine: &Machine) -> f64 {
    let nest = &program.nests[nest];
    let Some(inner) = nest.computes.first() else { return 0.0 };
    let around = nest.order[..nest.level(Some(inner.at))].iter().map(|&var| &nest.vars[var]);
    let turns = |var: &Var| match var.kind {
        LoopKind::Parallel => (var.extent + machine.threads - 1) / machine.threads,
        _ => var.extent,
    };
    around.map(|var| turns(var) as f64).product()
}

/// The cycles of nests that run as one: what one leaves of the machine another one takes.
pub fn together(portions: &[Portion]) -> f64 {
    let most = |of: fn(&Portion) -> f64| portions.iter().map(of).fold(0.0, f64::max);
    let all: f64 = portions.iter().map(|portion| portion.alone * portion.fill).sum();
    most(|portion| portion.launches) + most(|portion| portion.alone).max(all)
}

fn on_cpu(program: &Program, nest: usize, but: Option<usize>, machine: &Machine) -> f64 {
    let mut view = view::View::of(program, &program.nests[nest], machine);
    let reader = program.reader_of(nest);
    if reader.is_some() {
        // Its copies are made for each box.
        view.ahead = &NONE;
    }
    let compute = body::cycles(&view) + around::cycles(&view);
    let memory = memory::cycles(&view, if reader.is_some() { Run::Again } else { Run::First });
    // Loads that miss overlap with computing, but not fully.
    let mut one_thread = compute.max(memory) + OVERLAP * compute.min(memory);
    for inner in view.nest.computes.iter().filter(|inner| Some(inner.nest) != but) {
        let trips = view.trips_outside(view.nest.level(Some(inner.at)));
        one_thread += trips * on_cpu(program, inner.nest, but, machine);
    }
    match reader {
        // Loops on threads are plain ones then: no gain, and more to say.
        Some((reader, inner)) if is_on_threads(program, reader, inner.at) => {
            if view.loops.iter().any(|l| l.kind == LoopKind::Parallel) { 1.01 * one_thread } else { one_thread }
        }
        _ => around::on_threads(&view, one_thread),
    }
}

/// Whether a loop of a nest is inside of a loop on threads, or is one.
fn is_on_threads(program: &Program, nest: usize, at: VarId) -> bool {
    let outer = &program.nests[nest];
    let is_parallel = |&var: &VarId| outer.vars[var].kind == LoopKind::Parallel;
    outer.order[..outer.level(Some(at))].iter().any(is_parallel)
        || program.reader_of(nest).is_some_and(|(reader, inner)| is_on_threads(program, reader, inner.at))
}
