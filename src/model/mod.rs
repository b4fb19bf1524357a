//! An analytic model of the time that a scheduled nest takes on a CPU.
//!
//! It takes a nest whose loops are decided, and a machine; it gives cycles. It runs nothing and writes no loops, so
//! that thousands of schedules can be ranked in the time that one takes to compile. What it counts:
//!
//! - `body`: instructions of the innermost loop by the units that run them (multiply-adds, loads, everything), the
//!   latency of accumulators, and registers that do not suffice;
//! - `around`: setting and writing accumulators, making copies, loop overhead, starting threads and their imbalance;
//! - `memory`: bytes that move between caches, from the footprints of operands at each loop.
//!
//! Only the order that it puts schedules in matters; the unit is cycles so that its terms can be compared.

mod around;
mod body;
mod memory;
mod view;

use crate::schedule::nest::Program;
use crate::target::Machine;

/// The cycles that a nest takes.
pub fn cycles(program: &Program, nest: usize, machine: &Machine) -> f64 {
    let view = view::View::of(program, &program.nests[nest], machine);
    let compute = body::cycles(&view) + around::cycles(&view);
    let memory = memory::cycles(&view);
    // Loads that miss overlap with computing, but not fully.
    let one_thread = compute.max(memory) + 0.5 * compute.min(memory);
    around::on_threads(&view, one_thread)
}
