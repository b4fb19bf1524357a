//! Bytes that move between caches: for each cache, the loops of which everything fits into it run without missing; what
//! they touch is loaded once for each iteration of the loops outside, unless the loop just outside does not change it.

use std::collections::BTreeMap;

use super::view::{Moved, View};
use crate::expr::AxisId;
use crate::schedule::nest::Layout;

/// Bytes of a line of a cache.
const LINE: i64 = 64;
/// For each cache, the bytes that could come from beyond it until the first line of a run does.
const START: [f64; 2] = [20.0, 500.0];

/// Whether a nest has run just before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    First,
    /// On another box: what a cache holds of it all is there still, but for what moves with the box.
    Again,
}

/// Cycles to move everything between the caches.
pub(super) fn cycles(view: &View<'_>, run: Run) -> f64 {
    let machine = view.machine;
    let caches = machine.caches.iter().zip(machine.bandwidth).zip(START);
    caches.map(|((&bytes, rate), start)| beyond(view, bytes, start, run) / rate).sum()
}

/// Bytes that come from beyond a cache of so many bytes, with those that could have come while runs were found.
fn beyond(view: &View<'_>, cache: i64, start: f64, run: Run) -> f64 {
    let fits =
        |level: usize| view.loads.iter().chain([&view.store]).map(|a| footprint(view, a, level)).sum::<i64>() <= cache;
    let level = (0..=view.loops.len()).find(|&level| fits(level)).unwrap_or(view.loops.len());
    let stays = |access: &Moved| match run {
        // A box that was computed just before, and fits.
        Run::First => access.is_box && 2 * footprint(view, access, 0) <= cache,
        Run::Again => level == 0 && !access.moves,
    };
    let accesses = view.loads.iter().chain([&view.store]).filter(|access| !stays(access));
    accesses.map(|access| traffic(view, access, level, start) + source(view, access, cache)).sum()
}

/// Bytes that a copy is made from and that come from beyond a cache. Where the cache does not hold the copy, making it
/// counts them.
fn source(view: &View<'_>, access: &Moved, cache: i64) -> f64 {
    let Some(copy) = access.copy.map(|copy| &view.copies()[copy]) else { return 0.0 };
    let level = view.nest.level(copy.at);
    let is_ahead = copy.at.is_none() && view.ahead.contains(&access.access.tensor);
    if is_ahead || footprint(view, access, level) > cache {
        return 0.0;
    }
    let whole = in_place(view, access, 0);
    if whole <= cache { whole as f64 } else { in_place(view, access, level) as f64 * view.trips_outside(level) }
}

/// Bytes of an access that loops outside of `level` bring in.
fn traffic(view: &View<'_>, access: &Moved, level: usize, start: f64) -> f64 {
    // What the loops just outside do not change stays.
    let mut outer = level;
    while outer > 0 && !access.uses(outer - 1) {
        outer -= 1;
    }
    let bytes = footprint(view, access, level) as f64;
    let runs = runs(view, access, level);
    (bytes + runs * start) * view.trips_outside(outer)
}

/// What the loops from a level on read of a tensor.
struct Reach {
    /// Elements, those too that lie in lines between them.
    elements: i64,
    /// Elements next to each other.
    run: i64,
}

fn reach(view: &View<'_>, moved: &Moved, level: usize) -> Reach {
    let access = &moved.access;
    let covered = |steps: &BTreeMap<AxisId, i64>, extent: i64| {
        let reach = steps.iter().map(|(&axis, step)| step.abs() * (view.trips_inside(axis, level) - 1)).sum::<i64>();
        (1 + reach).min(extent.max(1))
    };
    let mut outer: i64 =
        access.steps.iter().zip(&access.shape).map(|(steps, &extent)| covered(steps, extent)).product();
    let mut all = Reach { elements: 1, run: 1 };
    let (mut is_run, mut bytes) = (true, access.bytes);
    for (steps, &extent) in access.steps.iter().zip(&access.shape).rev() {
        let own = covered(steps, extent);
        outer /= own;
        bytes = bytes.saturating_mul(extent.max(1));
        // Gaps within a line are read, too.
        let own = if outer > 1 && bytes <= LINE { extent.max(1) } else { own };
        all.elements = all.elements.saturating_mul(own);
        if is_run {
            all.run = all.run.saturating_mul(own);
            is_run = own >= extent;
        }
    }
    let irregular = access.irregular.iter().map(|&axis| view.trips_inside(axis, level)).fold(1, i64::saturating_mul);
    all.elements = all.elements.saturating_mul(irregular).min(access.shape.iter().product::<i64>().max(1));
    all
}

/// Bytes of an access while the loops from `level` on run, in whole lines.
fn footprint(view: &View<'_>, moved: &Moved, level: usize) -> i64 {
    let bytes = moved.access.bytes;
    if let Some(copy) = moved.copy {
        let elements = match &view.copies()[copy].layout {
            // An element that several iterations read is there once for each of them.
            Layout::Loops(layout) => layout.iter().map(|&var| view.var_trips(var, level)).fold(1, i64::saturating_mul),
            Layout::Window(..) => moved.access.footprint(&|axis| view.trips_inside(axis, level)),
        };
        return elements.saturating_mul(bytes);
    }
    in_place(view, moved, level)
}

/// The same where the tensor itself is read.
fn in_place(view: &View<'_>, moved: &Moved, level: usize) -> i64 {
    let bytes = moved.access.bytes;
    let Reach { elements, run } = reach(view, moved, level);
    let whole = moved.access.shape.iter().product::<i64>() * bytes;
    let runs = (elements / run).max(1);
    runs.saturating_mul((run * bytes).max(LINE)).min(whole.max(elements * bytes))
}

/// Runs of elements next to each other, each of which has to be found.
fn runs(view: &View<'_>, moved: &Moved, level: usize) -> f64 {
    if moved.copy.is_some() {
        return 1.0;
    }
    let Reach { elements, run } = reach(view, moved, level);
    (elements as f64 / run as f64).max(1.0)
}
