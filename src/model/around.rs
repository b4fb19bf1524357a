//! What is around the innermost loop: accumulators, copies, loops themselves, and threads. A copy before all loops of what
//! depends on `const` arguments alone costs nothing: it is packed ahead of the calls (`loops::pack`); but where it holds
//! elements several times, more has to be read.

use crate::loops::LoopKind;
use crate::schedule::nest::{Copy, Layout, Role};

use super::body::store_cost;
use super::view::{Moved, View};

/// What it costs to add to results that are in memory, against writing them: they have gone from the near caches, and
/// nothing else is left to do while they come.
const JOIN: f64 = 8.0;

/// Cycles of one thread doing everything.
pub(super) fn cycles(view: &View<'_>) -> f64 {
    // Counting and jumping of the innermost loop hide behind its body.
    let loops: f64 = (1..view.body).map(|level| view.trips_outside(level)).sum();
    loops + tiles(view) + view.copies().iter().map(|copy| copying(view, copy)).sum::<f64>()
}

/// Setting accumulators and writing them.
fn tiles(view: &View<'_>) -> f64 {
    if view.nest.reduction.is_none() {
        return 0.0;
    }
    let inside = &view.loops[view.tile..];
    let results: f64 = inside.iter().filter(|l| l.role != Role::Reduced).map(|l| l.trips as f64).product();
    let lanes = view.vector().map_or(1, |(_, lanes)| lanes);
    let again = if view.loops[..view.tile].iter().any(|l| l.role == Role::Reduced && l.trips > 1) { JOIN } else { 1.0 };
    let private: f64 = inside.iter().filter(|l| l.role == Role::Private).map(|l| l.trips as f64).product();
    let join = if private > 1.0 { results * 0.5 + 10.0 } else { 0.0 };
    view.trips_outside(view.tile) * (results / lanes as f64 * store_cost(view, &view.store) * again + join + 4.0)
}

fn copying(view: &View<'_>, copy: &Copy) -> f64 {
    let level = view.nest.level(copy.at);
    let Some(load) = view.loads.iter().find(|load| load.access.load == Some(copy.load)) else { return 0.0 };
    let lanes = view.machine.vector_bytes as f64 / view.bytes as f64;
    let is_ahead = copy.at.is_none() && view.ahead.contains(&load.access.tensor);
    let layout = match &copy.layout {
        Layout::Window(..) if is_ahead => return 0.0,
        Layout::Loops(layout) => layout,
        Layout::Window(..) => {
            // Short rows are copied element by element.
            let each = if row(view, load, level) < 8 { 2.0 } else { 5.0 / lanes };
            let elements = load.access.footprint(&|axis| view.trips_inside(axis, level));
            return view.trips_outside(level) * (elements as f64 * (each + moving(view, load, elements)) + 50.0);
        }
    };
    let elements: f64 = layout.iter().map(|&var| view.nest.vars[var].extent as f64).product();
    if is_ahead {
        let again = (elements - load.access.shape.iter().product::<i64>() as f64).max(0.0);
        return again * load.access.bytes as f64 / view.machine.bandwidth[1];
    }
    let stride = |var| view.nest.position(var).and_then(|at| load.strides[at]);
    let guarded = |var| view.nest.position(var).is_some_and(|at| load.guarded[at]);
    let last = layout.last().copied();
    let each = match last {
        None => 2.0,
        Some(var) if stride(var) == Some(1) => {
            let in_vectors = view.nest.vars[var].kind == LoopKind::Vector || view.nest.vars[var].extent % 16 == 0;
            let vectors = if in_vectors { 3.0 / lanes } else { 1.5 };
            if guarded(var) { vectors * 2.5 } else { vectors }
        }
        Some(_) if layout.iter().any(|&var| stride(var) == Some(1) && view.nest.vars[var].extent % 16 == 0) => 0.7,
        Some(var) if stride(var).is_some() => 2.0,
        Some(_) => 8.0,
    };
    view.trips_outside(level) * elements * (each + moving(view, load, elements as i64))
}

/// Elements next to each other that the loops from `level` on read.
fn row(view: &View<'_>, load: &Moved, level: usize) -> i64 {
    let Some(steps) = load.access.steps.last() else { return 1 };
    1 + steps.iter().map(|(&axis, step)| step.abs() * (view.trips_inside(axis, level) - 1)).sum::<i64>()
}

/// Cycles for an element of a copy on its way to the cache that holds the copy: read once, and written.
fn moving(view: &View<'_>, load: &Moved, elements: i64) -> f64 {
    let bytes = load.access.bytes;
    let caches = view.machine.caches.iter().zip(view.machine.bandwidth);
    let beyond = caches.filter(|&(&cache, _)| elements * bytes > cache);
    // A line that is written is read first, and written back later.
    beyond.map(|(_, rate)| 4.5 * bytes as f64 / rate).sum()
}

/// The time of a nest when one of its loops is on threads.
pub(super) fn on_threads(view: &View<'_>, cycles: f64) -> f64 {
    let Some(at) = view.loops.iter().position(|l| l.kind == LoopKind::Parallel) else { return cycles };
    let (trips, threads) = (view.loops[at].trips, view.machine.threads);
    let longest = (trips + threads - 1) / threads;
    cycles * longest as f64 / trips as f64 + view.machine.fork * view.trips_outside(at)
}
