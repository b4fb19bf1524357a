//! The innermost loop: what its units do in one iteration.

use crate::loops::LoopKind;
use crate::schedule::nest::{Layout, Role};
use crate::schedule::reads::RUNS;

use super::view::{Moved, View};

/// Bytes after which addresses fall into the same sets of the first cache again.
const WAY: i64 = 4096;
/// Lines of a set that rows may take: the others hold what tiles read again.
const WAYS: i64 = 3;
/// Bytes from one iteration to the next that are as bad as any more.
const COLUMN: i64 = 1024;

/// Statements, as vectors, that a body can have without harm.
const LONG: f64 = 48.0;

/// Cycles of all iterations of the innermost body.
pub(super) fn cycles(view: &View<'_>) -> f64 {
    view.trips_outside(view.body) * iteration(view)
}

/// Cycles of one.
fn iteration(view: &View<'_>) -> f64 {
    let machine = view.machine;
    let copies = unrolled(view, |_| true);
    let registers = view.vector().map_or(1.0, |(_, lanes)| view.registers_of(lanes));
    let statements = copies * registers;
    // A product that is joined by addition is one instruction.
    let arithmetic =
        view.left * statements * if view.nest.reduction.is_some() { view.operations.max(1.0) } else { view.operations };
    let arithmetic = arithmetic * view.dot.as_ref().map_or(1.0, |(cost, _)| *cost);
    let loads: f64 = view.loads.iter().map(|load| load_cost(view, load)).sum();
    let (mut traffic, mut held) = (loads, 0.0);
    if view.nest.reduction.is_some() {
        let accumulators = unrolled(view, |role| role != Role::Reduced) * registers;
        if in_registers(view) {
            held = accumulators;
        } else {
            // Each sum is loaded and stored again.
            traffic += 2.5 * accumulators;
        }
    } else {
        traffic += store_cost(view, &view.store) * copies;
    }
    let chain = if held > 0.0 { machine.latency * unrolled(view, |role| role == Role::Reduced).max(1.0) } else { 0.0 };
    // What several copies of a statement read is loaded once, and waits in registers until the last of them.
    held += view.loads.iter().map(|load| shared(view, load)).sum::<f64>();
    let spilled = (held + registers + 1.0 - machine.registers as f64).max(0.0);
    let wide = arithmetic / machine.fmas;
    let issued = (arithmetic + traffic + 2.0) / machine.issue;
    let stalls: f64 = view.loads.iter().map(|load| stall(view, load) + conflicts(view, load)).sum();
    // Long bodies are scheduled worse, and registers wait longer.
    let long = if statements > LONG { 1.1 } else { 1.0 };
    let loading = traffic / machine.loads;
    // What loads hides behind what computes, but not fully.
    long * (wide.max(loading).max(issued).max(chain) + 0.2 * loading) + stalls + 3.0 * spilled + 0.3
}

/// Whether the accumulators stay in registers while the loop around the body runs.
fn in_registers(view: &View<'_>) -> bool {
    let between = &view.loops[view.tile.min(view.body)..view.body];
    view.tile <= view.body && between.iter().all(|l| l.role == Role::Reduced)
}

/// Copies of a statement that unrolled loops of some roles make.
fn unrolled(view: &View<'_>, takes: impl Fn(Role) -> bool) -> f64 {
    let body = &view.loops[view.body..];
    let written_out = body.iter().filter(|l| l.kind == LoopKind::Unroll && takes(l.role));
    written_out.map(|l| l.trips as f64).product()
}

/// Whether an access reads from a copy that has nothing else in it than what a part of the loops reads.
fn is_compact(view: &View<'_>, load: &Moved) -> bool {
    load.copy
        .map(|copy| &view.copies()[copy])
        .is_some_and(|copy| copy.at.is_some() || matches!(copy.layout, Layout::Loops(_)))
}

/// Cycles lost to lines that take each other's place: rows that are far apart by a power of two fall into one set of the
/// first cache, which holds few lines.
fn conflicts(view: &View<'_>, load: &Moved) -> f64 {
    if is_compact(view, load) {
        return 0.0;
    }
    let rows = (view.body..view.loops.len()).filter(|&at| view.loops[at].kind == LoopKind::Unroll);
    let of = |at: usize| {
        let trips = view.loops[at].trips;
        let apart = load.strides[at].unwrap_or(0).abs() * load.access.bytes;
        // The sets that the rows are spread over.
        let sets = (1..=64).find(|sets| apart * sets % WAY == 0).unwrap_or(64);
        if apart >= COLUMN && trips > WAYS * sets { 0.5 * trips as f64 } else { 0.0 }
    };
    rows.map(of).sum()
}

/// Cycles that nothing hides, of one access in one iteration: going down a column, every line is another one, and soon
/// every page, so that what prefetches is of no help.
fn stall(view: &View<'_>, load: &Moved) -> f64 {
    let step = view.body.checked_sub(1).and_then(|around| load.strides[around]).unwrap_or(0);
    if is_compact(view, load) || step.abs() * load.access.bytes < COLUMN {
        return 0.0;
    }
    match view.vector() {
        Some((last, lanes)) if load.uses(last) => {
            let copies = (view.body..last).filter(|&at| load.uses(at)).map(|at| view.loops[at].trips as f64);
            2.0 * view.registers_of(lanes) * copies.product::<f64>()
        }
        _ => 2.0,
    }
}

/// Registers for what one access reads in several copies of a statement.
fn shared(view: &View<'_>, load: &Moved) -> f64 {
    let (times, distinct) = reads(view, load);
    if distinct == times {
        return 0.0;
    }
    let lanes = view.vector().filter(|&(last, _)| load.uses(last)).map_or(1.0, |(_, lanes)| view.registers_of(lanes));
    distinct as f64 * lanes
}

/// Reads of one access in one iteration, lanes aside, and how many of them are of different places.
fn reads(view: &View<'_>, load: &Moved) -> (usize, usize) {
    let body = view.body..view.loops.len();
    let unrolled = body.filter(|&at| view.loops[at].kind == LoopKind::Unroll && load.uses(at));
    let (mut times, mut places) = (1, vec![0]);
    for at in unrolled {
        let trips = view.loops[at].trips;
        times *= trips as usize;
        let Some(stride) = load.strides[at] else { return (times, times) };
        places = places.iter().flat_map(|place| (0..trips).map(move |trip| place + trip * stride)).collect();
        places.sort_unstable();
        places.dedup();
    }
    (times, places.len())
}

/// Load instructions, or as much work, of one access in one iteration.
fn load_cost(view: &View<'_>, load: &Moved) -> f64 {
    let times = reads(view, load).1 as f64;
    let Some((last, lanes)) = view.vector() else { return times * 1.2 };
    let registers = view.registers_of(lanes);
    let copy = load.copy.map(|copy| &view.copies()[copy].layout);
    if let Some(Layout::Loops(layout)) = copy {
        let (var, layout) = (view.loops[last].var, view.around_dot(layout));
        return times
            * match layout.iter().position(|&other| other == var) {
                None => 1.0,
                Some(place) if place + 1 == layout.len() => registers,
                Some(_) => lanes as f64 * 1.5,
            };
    }
    let guard = if copy.is_some() {
        0.0
    } else if load.guarded[last] {
        6.0 * registers
    } else {
        4.0 * f64::from(u8::from(load.guarded.contains(&true)))
    };
    let run = load.access.runs.filter(|(axis, by)| RUNS.contains(by) && view.is_along(last, *axis) && copy.is_none());
    // In a box, fused axes are rows of another length than in the tensor.
    // The same holds where conditions cut the rows.
    let cut = load.uses(last) && view.is_fused(last) && (copy.is_some() || load.guarded[last]);
    let stride = if cut { None } else { load.strides[last] };
    times
        * (guard
            + match stride {
                Some(0) => 1.0,
                Some(1) => 1.1 * registers,
                Some(2..=4) => 8.0 * registers,
                Some(_) => 1.5 * lanes as f64,
                None => run.map_or(3.0 * lanes as f64, |(_, by)| 2.0 * by as f64 * registers),
            })
}

/// Store instructions, or as much work, for the lanes of one result.
pub(super) fn store_cost(view: &View<'_>, store: &Moved) -> f64 {
    let Some((last, lanes)) = view.vector() else { return 1.5 };
    let registers = view.registers_of(lanes);
    // Columns next to each other are turned in registers.
    let turns = (view.body..last).any(|at| store.strides[at] == Some(1) && view.loops[at].trips >= 4);
    match store.strides[last] {
        Some(1) => 2.0 * registers,
        _ if turns => 0.4 * lanes as f64,
        _ => 2.0 * lanes as f64,
    }
}
