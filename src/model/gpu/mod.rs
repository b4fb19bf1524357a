//! The time of a nest on a GPU, in cycles of one of its processors.
//!
//! A block goes through *phases*: it waits for what it loads, then computes with it. A processor holds several blocks, as
//! far as threads, registers and shared memory allow, and what one waits another one computes:
//!
//! ```text
//! a wave of c blocks on a processor   phases * max(latency + one block's work, c * one block's work)
//! ```
//!
//! The work of a block is that of the unit that has most to do: multiply-adds, instructions of any kind, shared memory and
//! the first cache, bytes from the second cache. Blocks run in waves; main memory, and starting a launch, are added for the
//! whole. Only the order that schedules are put in matters.
//!
//! - `view`: the nest as loops, accesses and sizes of its launch;
//! - `work`: what a block does in all its phases;
//! - `tensor`: what it does where matrix units multiply tiles.

mod tensor;
mod view;
mod work;

use crate::schedule::nest::{Nest, Program, Role, Tensor};
use crate::target::Chip;
use crate::target::gpus::{MOST_REGISTERS, WARP};

use super::Portion;
use tensor::Stages;
use view::View;
use work::Work;

/// Cycles to start a launch in a row of them.
const LAUNCH: f64 = 2600.0;
/// Cycles of a block before its first phase and after its last.
const BLOCK: f64 = 900.0;
/// Cycles of an operation where one thread does everything.
const ALONE: f64 = 40.0;

/// The cycles of a nest.
pub(super) fn portion(program: &Program, nest: &Nest, chip: &Chip) -> Portion {
    let view = View::of(program, nest);
    if view.bound == 0 {
        return Portion { launches: LAUNCH, alone: ALONE * view.trips(0..view.loops.len()), fill: 1.0 };
    }
    if let Some(tile) = &nest.tensor {
        return tiles(&view, tile, chip);
    }
    let work = Work::of(&view, chip);
    let held = held(&view, &work, chip);
    let blocks = view.blocks();
    let busiest = (blocks / chip.processors as f64).ceil();
    let (full, last) = ((busiest / held).floor(), busiest % held);
    let wave = |count: f64| if count > 0.0 { BLOCK + work.phases * work.latency(count) } else { 0.0 };
    let waves = full * wave(held) + wave(last);
    let bytes = view.unique_bytes();
    let beyond = if bytes > chip.cache as f64 { bytes / (chip.memory / chip.clock) } else { 0.0 };
    let (launches, joining) = joining(&view, chip);
    let fill = (blocks / (chip.processors as f64 * held)).min(1.0);
    Portion { launches: LAUNCH + launches, alone: waves.max(beyond) + joining, fill }
}

/// The cycles of a nest on matrix units.
fn tiles(view: &View<'_>, tile: &Tensor, chip: &Chip) -> Portion {
    let stages = Stages::of(view, tile, chip);
    let blocks = view.blocks();
    let busiest = (blocks / chip.processors as f64).ceil();
    let (full, last) = ((busiest / stages.held).floor(), busiest % stages.held);
    // Blocks that share sums store them as they are.
    let bytes = if view.shares() > 1.0 { view.bytes } else { view.store.access.bytes };
    let stored = view.results() * view.shares() / blocks * bytes as f64 / work::NEAR;
    let wave = |count: f64| if count > 0.0 { BLOCK + stages.cycles(count) + count * stored } else { 0.0 };
    let waves = full * wave(stages.held) + wave(last);
    let bytes = view.unique_bytes();
    let beyond = if bytes > chip.cache as f64 { bytes / (chip.memory / chip.clock) } else { 0.0 };
    let (launches, joining) = joining(view, chip);
    let fill = (blocks / (chip.processors as f64 * stages.held)).min(1.0);
    Portion { launches: LAUNCH + launches, alone: waves.max(beyond) + joining, fill }
}

/// Blocks that a processor holds at a time.
fn held(view: &View<'_>, work: &Work, chip: &Chip) -> f64 {
    let warps = (view.threads() + WARP - 1) / WARP;
    let threads = warps * WARP;
    // Registers are handed out in eights.
    let registers = ((work.registers as i64 + 7) / 8 * 8).min(MOST_REGISTERS + 1);
    let by_threads = chip.threads / threads;
    let by_registers = chip.registers / (registers * threads);
    let by_shared = if work.shared > 0 { chip.shared / (work.shared + 1024) } else { chip.blocks };
    by_threads.min(by_registers).min(by_shared).min(chip.blocks).max(1) as f64
}

/// Joining the sums that blocks share: they are written, and read again by another launch. The cycles of that launch,
/// and of what it does.
fn joining(view: &View<'_>, chip: &Chip) -> (f64, f64) {
    let shares = view.shares();
    if shares <= 1.0 {
        return (0.0, 0.0);
    }
    let bytes = view.results() * shares * view.bytes as f64;
    (LAUNCH, BLOCK + 2.0 * bytes / (work::NEAR * chip.processors as f64))
}

/// Whether values of a loop are joined.
const fn is_joined(role: Role) -> bool {
    !matches!(role, Role::Spatial)
}
