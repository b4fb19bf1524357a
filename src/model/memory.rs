//! Bytes that move between caches: for each cache, the loops of which everything fits into it run without missing; what
//! they touch is loaded once for each iteration of the loops outside, unless the loop just outside does not change it.

use super::view::{Moved, View};

/// Bytes of a line of a cache.
const LINE: i64 = 64;

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
    machine.caches.iter().zip(machine.bandwidth).map(|(&bytes, rate)| beyond(view, bytes, run) / rate).sum()
}

/// Bytes that come from beyond a cache of so many bytes.
fn beyond(view: &View<'_>, cache: i64, run: Run) -> f64 {
    let fits =
        |level: usize| view.loads.iter().chain([&view.store]).map(|a| footprint(view, a, level)).sum::<i64>() <= cache;
    let level = (0..=view.loops.len()).find(|&level| fits(level)).unwrap_or(view.loops.len());
    let stays = |access: &Moved| match run {
        // A box that was computed just before, and fits.
        Run::First => access.is_box && 2 * footprint(view, access, 0) <= cache,
        Run::Again => level == 0 && !access.moves,
    };
    let accesses = view.loads.iter().chain([&view.store]).filter(|access| !stays(access));
    accesses.map(|access| traffic(view, access, level)).sum()
}

/// Bytes of an access that loops outside of `level` bring in.
fn traffic(view: &View<'_>, access: &Moved, level: usize) -> f64 {
    // What the loops just outside do not change stays.
    let mut outer = level;
    while outer > 0 && !access.uses(outer - 1) {
        outer -= 1;
    }
    footprint(view, access, level) as f64 * view.trips_outside(outer)
}

/// Bytes of an access while the loops from `level` on run, in whole lines.
fn footprint(view: &View<'_>, moved: &Moved, level: usize) -> i64 {
    let access = &moved.access;
    let elements = access.footprint(&|axis| view.trips_inside(axis, level));
    let row = match access.steps.last() {
        Some(steps) => {
            1 + steps.iter().map(|(&axis, step)| step.abs() * (view.trips_inside(axis, level) - 1)).sum::<i64>()
        }
        None => 1,
    };
    let per_line = (LINE / access.bytes).max(1);
    let packed = moved.copy.is_some();
    let waste = if packed || row >= per_line { 1 } else { (per_line / row.max(1)).max(1) };
    let whole = access.shape.iter().product::<i64>() * access.bytes;
    (elements * access.bytes).saturating_mul(waste).min(whole.max(elements * access.bytes))
}
