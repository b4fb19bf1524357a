//! The schedules worth considering for a nest, from its structure and a machine alone.
//!
//! `FlexTensor` generates its space from what static analysis finds, never from the name of an operator; so does this.
//! [`fusions`] removes intermediates; [`candidates`] gives schedules of one nest, as steps that apply to the program
//! after those. `FlexTensor`'s three prunings are here: the depth of tiling is limited (two levels outside of registers),
//! parameters that the machine decides are not searched (lanes, registers), and some loops are placed by rule (what is
//! neither row nor vector stays outermost).
//!
//! - `contraction`: reductions, with a tile of accumulators of rows and vectors.
//! - `elementwise`: what is computed without a reduction;
//! - `knobs`: a space as a search sees it.

mod contraction;
mod elementwise;
pub mod knobs;

use crate::loops::BufferKind;
use crate::schedule::nest::Program;
use crate::schedule::{Step, reads};
use crate::target::Machine;

/// Operations of a value that may be computed again rather than stored and loaded.
const CHEAP: usize = 24;

/// Removes intermediates that are cheap to compute again, and reductions with one elementwise consumer; gives the steps
/// that did it, in their order.
pub fn fusions(program: &mut Program) -> Vec<Step> {
    let temps = program.kernel.buffers.iter().filter(|(_, buffer)| matches!(buffer.kind, BufferKind::Temp(_)));
    let names: Vec<_> = temps.map(|(id, buffer)| (id, buffer.name.clone())).collect();
    let mut steps = Vec::new();
    for (id, name) in names {
        let Some(producer) = program.nests.iter().find(|nest| nest.buffer == id) else { continue };
        let pool = &program.kernel.pool;
        let is_reduction = producer.reduction.is_some();
        let is_cheap =
            !is_reduction && pool.tree_size(producer.result) <= CHEAP as u64 && reads_once(program, producer);
        let step = Step::Inline { tensor: name };
        if (is_reduction || is_cheap) && program.apply(&step).is_ok() {
            steps.push(step);
        }
    }
    steps
}

/// One loop of several, fused if there is more than one; its name.
fn one_loop(axes: Vec<String>, steps: &mut Vec<Step>) -> String {
    let name = joined(&axes);
    if axes.len() > 1 {
        steps.push(Step::Fuse { axes, name: name.clone() });
    }
    name
}

/// The name of the loop that [`one_loop`] makes.
fn joined(axes: &[String]) -> String {
    if let [only] = axes { only.clone() } else { axes.join("_").replace('.', "_") }
}

/// Whether a value is made of so few elements that reading them again costs no more than reading the value.
fn reads_once(program: &Program, nest: &crate::schedule::nest::Nest) -> bool {
    reads::loads(program, nest).len() <= 2
}

/// Schedules of one nest, each a list of steps; the first is always empty.
pub fn candidates(program: &Program, nest: usize, machine: &Machine) -> Vec<Vec<Step>> {
    let mut found = vec![Vec::new()];
    if program.nests[nest].reduction.is_some() {
        contraction::candidates(program, &program.nests[nest], machine, &mut found);
    } else {
        elementwise::candidates(program, &program.nests[nest], machine, &mut found);
    }
    found
}
