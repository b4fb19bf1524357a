//! What a block does in all its phases, by the unit that does it.

use crate::loops::{LoopKind, Scope};
use crate::model::view::Moved;
use crate::schedule::nest::{Copy, Layout, VarId};
use crate::target::Chip;
use crate::target::gpus::WARP;

use super::view::View;

/// Bytes in a cycle that one processor gets from the second cache while all do.
pub(super) const NEAR: f64 = 36.0;
/// Bytes that memory is read by.
const SECTOR: f64 = 32.0;
/// Bytes in a cycle of shared memory, and of the first cache.
const BANKS: f64 = 128.0;
/// Schedulers of a processor; each starts an instruction of a warp in a cycle.
const SCHEDULERS: f64 = 4.0;
/// Cycles until what is loaded is there: from the second cache, and from the first.
const FAR: f64 = 620.0;
const CLOSE: f64 = 45.0;
/// Cycles of a phase for its barriers and for writing copies.
const BARRIERS: f64 = 260.0;
/// Bytes of the first cache that loads may count on.
const FIRST_CACHE: f64 = 96.0 * 1024.0;
/// Registers beside sums and what they are made of.
const ADDRESSES: f64 = 28.0;
/// Values of a thread beyond which there is little room for others.
const CROWDED: f64 = 170.0;
/// Instructions of an element that is copied: its address, load and store; its condition; and taking an index apart.
const COPIED: f64 = 5.0;
const CONDITION: f64 = 9.0;
const DIVISION: f64 = 14.0;
/// Elements that a thread copies with all its loads under way; more are a loop.
const WRITTEN_OUT: f64 = 16.0;
/// Loads that a thread has under way where it computes with what it loads.
const UNDER_WAY: f64 = 8.0;
/// Instructions of a read of one word from shared memory, beside those of several words that have as many: what waits for
/// it is written in more parts.
const SINGLE: f64 = 3.0;
/// Instructions for each result where a sum of stages is multiplied by a factor, added to another one, and set to zero.
const MULTIPLIED: f64 = 4.0;
/// Cycles of a step in which the threads of a warp join their values.
const SHUFFLE: f64 = 28.0;

/// All that a block does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Registers of a thread.
    pub(super) registers: f64,
    /// Bytes of shared memory.
    pub(super) shared: i64,
    /// Times that the block waits for memory.
    pub(super) phases: f64,
    /// Cycles of a processor for a phase of the block, if it never waited.
    busy: f64,
    /// Cycles that a phase takes at least, however little else there is to do.
    chain: f64,
}

/// Instructions and cycles of one thread, or of one warp, in all phases.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    multiplies: f64,
    instructions: f64,
    /// Cycles of a warp at shared memory and the first cache.
    banks: f64,
    /// Bytes of a block from the second cache.
    bytes: f64,
    /// Values in registers.
    values: f64,
    /// Bytes of loads that ask memory each time, and how often a thread waits for such.
    asked: f64,
    waits: f64,
}

impl Work {
    pub(super) fn of(view: &View<'_>, chip: &Chip) -> Self {
        let mut sum = Sum::default();
        body(view, &mut sum);
        for load in view.loads.iter().filter(|load| !view.is_left_out(load)) {
            match load.copy.map(|copy| &view.nest.copies[copy]) {
                Some(copy) if copy.scope == Scope::Shared => from_shared(view, load, copy, &mut sum),
                _ => from_memory(view, load, &mut sum),
            }
        }
        let (mut shared, mut phases) = (0, 0.0_f64);
        for copy in view.nest.copies.iter().filter(|copy| copy.scope == Scope::Shared) {
            shared += copying(view, copy, &mut sum);
            phases = phases.max(view.runs(view.nest.level(copy.at)));
        }
        storing(view, &mut sum);
        let is_staged = phases > 0.0;
        let phases = if is_staged { phases } else { view.runs(view.body).max(1.0) };
        let warps = ((view.threads() + WARP - 1) / WARP) as f64;
        let units = [
            warps * WARP as f64 * sum.multiplies / chip.lanes * wide(view),
            warps * sum.instructions / SCHEDULERS,
            warps * sum.banks,
            sum.bytes / NEAR,
        ];
        let most = units.iter().copied().fold(0.0, f64::max);
        // Where a thread keeps much, its loads cannot be started early.
        let crowded = 1.0 + (sum.values - CROWDED).max(0.0) / 200.0;
        let busy = crowded * (most + 0.15 * (units.iter().sum::<f64>() - most)) / phases;
        // Loads that the first cache answers are not waited for as long.
        let missed = if sum.asked > 0.0 { (sum.bytes / sum.asked).min(1.0) } else { 0.0 };
        let direct = sum.waits / phases * (CLOSE + (FAR - CLOSE) * missed);
        let spilled = (sum.values + ADDRESSES - 255.0).max(0.0) * 40.0;
        let computing = direct + spilled + 1.4 * sum.instructions / phases + joining(view) / phases;
        let copies = view.nest.copies.iter().filter(|copy| copy.scope == Scope::Shared);
        let copied = copies.clone().map(|copy| waiting(view, copy)).fold(0.0, f64::max);
        let is_ahead = is_staged && copies.clone().all(|copy| copy.at.is_some_and(|at| view.is_ahead(at)));
        let chain = if is_ahead { computing.max(copied) + 0.4 * computing.min(copied) } else { computing + copied };
        Self { registers: sum.values + ADDRESSES, shared, phases, busy, chain }
    }

    /// Cycles of a phase where a processor has so many blocks.
    pub(super) fn latency(&self, blocks: f64) -> f64 {
        (self.chain + 0.3 * self.busy).max(blocks * self.busy)
    }
}

/// Cycles until a copy is there: the first elements are asked for together.
fn waiting(view: &View<'_>, copy: &Copy) -> f64 {
    let Layout::Loops(layout) = &copy.layout else { return 2.0 * FAR };
    let Some(load) = view.loads.iter().find(|load| load.access.load == Some(copy.load)) else { return FAR };
    let own = own(view, load, layout);
    if own <= WRITTEN_OUT {
        return FAR + BARRIERS;
    }
    // A loop waits for each of its elements, as far as the compiler does not reorder it.
    let each = if is_odd(view, load, layout) { 1.0 } else { 0.1 };
    FAR * (1.0 + each * own) + BARRIERS
}

/// Cycles for the threads of a block to join their sums, once.
fn joining(view: &View<'_>) -> f64 {
    let block =
        |_: usize, l: &crate::model::view::Loop| matches!(l.kind, LoopKind::Block(_)) && super::is_joined(l.role);
    let joined = view.trips_of(0..view.bound, block);
    if joined <= 1.0 {
        return 0.0;
    }
    let results = view.trips_of(view.bound..view.loops.len(), |_, l| !super::is_joined(l.role));
    let beyond = if joined > WARP as f64 { 2.0 * BARRIERS } else { 0.0 };
    results * SHUFFLE * joined.min(WARP as f64).log2() + beyond
}

/// How many times as long a multiply-add of wide values takes.
fn wide(view: &View<'_>) -> f64 {
    if view.bytes > 4 { 2.0 } else { 1.0 }
}

/// Computing, and counting.
fn body(view: &View<'_>, sum: &mut Sum) {
    let all = view.trips(view.bound..view.loops.len());
    sum.multiplies = all * view.operations;
    let loops: f64 = (view.bound..view.body).map(|level| view.runs(level + 1)).sum();
    sum.instructions = sum.multiplies + 4.0 * loops;
    let results = view.trips_of(view.tile..view.loops.len(), |_, l| !super::is_joined(l.role));
    let levels = view.nest.accumulate.len().max(1) as f64;
    if levels > 1.0 {
        let inner = view.nest.accumulate.iter().map(|&at| view.nest.level(Some(at))).max().unwrap_or(view.bound);
        sum.instructions += view.runs(inner) * results * MULTIPLIED;
        sum.waits += view.runs(inner);
    }
    sum.values = if view.nest.reduction.is_some() { results * levels } else { 1.0 };
    let is_loop = |l: &super::view::View<'_>, at: usize| {
        let l = &l.loops[at];
        !super::is_joined(l.role) && l.trips > 1 && !matches!(l.kind, LoopKind::Unroll | LoopKind::Vector)
    };
    if (view.tile..view.loops.len()).any(|at| is_loop(view, at)) {
        // Sums whose place is not known when the code is made are in memory.
        sum.instructions += 3.0 * all;
        sum.banks += 4.0 * all;
    }
}

/// Reading a copy.
fn from_shared(view: &View<'_>, load: &Moved, copy: &Copy, sum: &mut Sum) {
    let distinct = view.distinct(load);
    let bytes = load.access.bytes as f64;
    let next = match &copy.layout {
        Layout::Loops(vars) => vars.last().and_then(|&last| written_out(view, last)).unwrap_or(1),
        Layout::Window(..) => 1,
    };
    let together = [4, 2].into_iter().find(|width| next % width == 0 && width * load.access.bytes <= 16).unwrap_or(1);
    // Wide reads take as many turns as they have words, also where threads read the same.
    let read = (together as f64 * bytes / 4.0).max(1.0);
    let reads = view.runs(view.body) * distinct / together as f64;
    sum.instructions += reads * if together == 1 { SINGLE } else { 1.0 };
    sum.banks += reads * read;
    let of_term = view.trips_of(view.body..view.loops.len(), |at, l| load.uses(at) && !super::is_joined(l.role));
    sum.values += of_term;
}

/// The trips of a loop if it is written out.
fn written_out(view: &View<'_>, var: VarId) -> Option<i64> {
    let at = view.nest.position(var)?;
    matches!(view.loops[at].kind, LoopKind::Unroll | LoopKind::Vector).then_some(view.loops[at].trips)
}

/// Reading where it is.
fn from_memory(view: &View<'_>, load: &Moved, sum: &mut Sum) {
    let bytes = load.access.bytes as f64;
    let lanes = view.loops.last().filter(|l| matches!(l.kind, LoopKind::Vector | LoopKind::Unroll));
    let last = view.loops.len() - 1;
    let is_row = lanes.is_some() && load.strides[last] == Some(1) && !load.guarded.contains(&true);
    let width = view.loops[last].trips;
    let together = [4, 2].into_iter().find(|by| is_row && width % by == 0 && by * load.access.bytes <= 16).unwrap_or(1);
    // What is read under conditions is read again by each window.
    let is_guarded = load.guarded.contains(&true);
    let all = view.trips_of(view.body..view.loops.len(), |at, _| load.uses(at));
    let distinct = if is_guarded { all } else { view.distinct(load) };
    let reads = view.runs(view.body) * distinct / together as f64;
    let sectors = sectors(view, load, together as f64 * bytes);
    let guards = if is_guarded { CONDITION } else { 2.0 };
    sum.instructions += reads * (1.0 + guards);
    sum.banks += reads * (sectors / (BANKS / SECTOR)).max(1.0);
    let warps = (view.threads() as f64 / WARP as f64).ceil();
    let asked = warps * reads * sectors * SECTOR;
    let footprint = view.footprint(load) * bytes;
    sum.bytes += if footprint < FIRST_CACHE { footprint.min(asked) } else { asked };
    sum.asked += asked;
    sum.waits += view.runs(view.body) * (view.distinct(load) / together as f64 / UNDER_WAY).ceil();
    sum.values += view.distinct(load).min(64.0);
}

/// Sectors that the threads of a warp touch with one instruction, each with so many bytes.
fn sectors(view: &View<'_>, access: &Moved, bytes: f64) -> f64 {
    let mut touched = 1.0;
    for (number, (at, lanes)) in view.warp().into_iter().enumerate() {
        if !access.uses(at) {
            continue;
        }
        let apart = view.step(access, view.loops[at].var).unsigned_abs() as f64 * access.access.bytes as f64;
        let lanes = lanes as f64;
        let own = (lanes * apart.max(bytes) / SECTOR).ceil().clamp(1.0, lanes.max(1.0) * (bytes / SECTOR).ceil());
        touched *= if number == 0 { own } else { own.max(if apart >= SECTOR { lanes } else { 1.0 }) };
    }
    f64::max(touched, 1.0)
}

/// Making a copy; gives its bytes.
fn copying(view: &View<'_>, copy: &Copy, sum: &mut Sum) -> i64 {
    let Some(load) = view.loads.iter().find(|load| load.access.load == Some(copy.load)) else { return 0 };
    let bytes = load.access.bytes;
    let Layout::Loops(layout) = &copy.layout else {
        let elements = view.footprint(load);
        sum.bytes += elements * bytes as f64;
        // Its extents are no powers of two.
        sum.instructions += elements / view.threads() as f64 * (COPIED + CONDITION + 2.0 * DIVISION);
        return (elements / view.runs(view.nest.level(copy.at)).max(1.0)) as i64 * bytes;
    };
    let elements: i64 = layout.iter().map(|&var| view.nest.vars[var].extent).product();
    let runs = view.runs(view.nest.level(copy.at));
    let row = row(view, load, layout);
    let is_guarded = load.guarded.contains(&true);
    let own = own(view, load, layout);
    let together = together(view, load, layout);
    let along = layout.last().is_some_and(|&last| view.step(load, last) == 1);
    let is_apart = |&&var: &&VarId| view.nest.vars[var].extent > 1 && !view.is_regular(load, var);
    let divisions = layout.iter().filter(is_apart).count() as f64;
    let each = COPIED + if is_guarded { CONDITION } else { 0.0 } + divisions * DIVISION;
    sum.instructions += runs * own * each;
    // Each element is written, across rows with some conflicts.
    sum.banks += runs * own * if along { together / 4.0 + 1.0 } else { 2.0 };
    let waste = (SECTOR / (row as f64 * bytes as f64)).max(1.0);
    sum.bytes += runs * elements as f64 * bytes as f64 * waste;
    sum.values += own.min(8.0) * together;
    let buffers = if copy.at.is_some_and(|at| view.is_ahead(at)) { 2 } else { 1 };
    (elements + 4) * bytes * buffers
}

/// Elements that a thread copies, several that it moves at once as one.
fn own(view: &View<'_>, load: &Moved, layout: &[VarId]) -> f64 {
    let elements: f64 = layout.iter().map(|&var| view.nest.vars[var].extent as f64).product();
    (elements / view.threads() as f64 / together(view, load, layout)).ceil()
}

/// Whether threads divide by what is no power of two to find their elements: by all extents of a copy but the slowest, as
/// it is filled.
fn is_odd(view: &View<'_>, load: &Moved, layout: &[VarId]) -> bool {
    let mut order = layout.to_vec();
    if let Some(at) = order.iter().position(|&var| view.step(load, var) == 1) {
        let along = order.remove(at);
        order.push(along);
    }
    order.iter().skip(1).any(|&var| !view.nest.vars[var].extent.unsigned_abs().is_power_of_two())
}

/// Elements that one instruction copies.
fn together(view: &View<'_>, load: &Moved, layout: &[VarId]) -> f64 {
    let is_row = |&last: &VarId| view.step(load, last) == 1 && view.nest.vars[last].extent % 4 == 0;
    let can = layout.last().is_some_and(is_row) && !load.guarded.contains(&true) && load.access.bytes <= 4;
    if can { 4.0 } else { 1.0 }
}

/// Elements of a copy that lie next to each other in memory.
fn row(view: &View<'_>, load: &Moved, layout: &[VarId]) -> i64 {
    let step = |&var: &VarId| (view.step(load, var).abs(), view.nest.vars[var].extent);
    let mut steps: Vec<_> = layout.iter().map(step).filter(|&(step, extent)| step > 0 && extent > 1).collect();
    steps.sort_unstable();
    steps.into_iter().fold(1, |row, (step, extent)| if step == row { row * extent } else { row })
}

/// Writing results.
fn storing(view: &View<'_>, sum: &mut Sum) {
    let own = view.trips_of(view.bound..view.loops.len(), |_, l| !super::is_joined(l.role));
    let last = view.loops.len() - 1;
    let is_row = view.loops[last].kind == LoopKind::Vector && view.store.strides[last] == Some(1);
    let together = if is_row { view.loops[last].trips.min(16 / view.store.access.bytes).max(1) as f64 } else { 1.0 };
    let stores = own / together;
    let sectors = sectors(view, &view.store, together * view.store.access.bytes as f64);
    sum.instructions += stores * 3.0;
    sum.banks += stores * (sectors / (BANKS / SECTOR)).max(1.0);
    sum.bytes += (view.threads() as f64 / WARP as f64).ceil() * stores * sectors * SECTOR;
}
