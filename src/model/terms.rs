//! What the cycles of a nest are made of, for people: why the model prefers one schedule to another.

use super::{NONE, Run, around, body, memory, view};
use crate::schedule::nest::Program;
use crate::target::Machine;

/// Cycles of one thread, by what they are spent on. They overlap: their sum is more than the nest takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// Instructions of the innermost loops.
    pub body: f64,
    /// Accumulators, copies, loops and threads around them.
    pub around: f64,
    /// Bytes between caches.
    pub memory: f64,
}

/// The terms of a nest, with those that are computed inside of it.
pub fn terms(program: &Program, nest: usize, machine: &Machine) -> Terms {
    let mut view = view::View::of(program, &program.nests[nest], machine);
    let is_inside = program.reader_of(nest).is_some();
    if is_inside {
        view.ahead = &NONE;
    }
    let run = if is_inside { Run::Again } else { Run::First };
    let own = Terms { body: body::cycles(&view), around: around::cycles(&view), memory: memory::cycles(&view, run) };
    view.nest.computes.iter().fold(own, |sum, inner| {
        let trips = view.trips_outside(view.nest.level(Some(inner.at)));
        let Terms { body, around, memory } = terms(program, inner.nest, machine);
        Terms {
            body: sum.body + trips * body,
            around: sum.around + trips * around,
            memory: sum.memory + trips * memory,
        }
    })
}
