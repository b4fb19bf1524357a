//! The schedule where nobody gave one: the best of the space by the model, nest by nest. Nothing is measured.

use crate::loops::Kernel;
use crate::model;
use crate::schedule::nest::Program;
use crate::schedule::{self, Schedule, Step};
use crate::space;
use crate::target::Machine;

/// The schedule that the model likes best.
pub fn choose(kernel: &Kernel, machine: &Machine) -> Schedule {
    let mut program = Program::of(kernel);
    let mut steps = space::fusions(&mut program);
    for nest in 0..program.nests.len() {
        if !program.nests[nest].order.is_empty() {
            steps.extend(best(&mut program, nest, machine));
        }
    }
    Schedule { steps }
}

/// The best candidate for a nest; the program is left as it was.
fn best(program: &mut Program, nest: usize, machine: &Machine) -> Vec<Step> {
    let plain = program.nests[nest].clone();
    let mut best = (f64::INFINITY, Vec::new());
    for steps in space::candidates(program, nest, machine) {
        program.nests[nest] = plain.clone();
        let legal =
            steps.iter().all(|step| program.apply(step).is_ok()) && schedule::check(&program.nests[nest]).is_ok();
        if legal {
            let cycles = model::cycles(program, nest, machine);
            if cycles < best.0 {
                best = (cycles, steps);
            }
        }
    }
    program.nests[nest] = plain;
    best.1
}
