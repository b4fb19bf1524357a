//! The work of a nest whose tiles matrix units multiply: they have the operands of a stage from shared memory, and what is
//! copied meanwhile comes from the second cache.

use crate::model::view::Moved;
use crate::schedule::nest::{Copy, Form, Layout, Nest, Tensor, Var, VarId};
use crate::target::Chip;
use crate::target::gpus::{MOST_REGISTERS, WARP};

use super::view::View;

/// Multiply-adds of 16 bits in a cycle, of four warps together and of single ones, as they are reached.
const TOGETHER: f64 = 1500.0;
const ALONE: f64 = 900.0;
/// Bytes from the second cache in a cycle.
const BYTES: f64 = 48.0;
/// Bytes that are moved at once.
const WIDE: i64 = 16;
/// Instructions for an element that goes on its own, and for one that goes with others that lie apart.
const EACH: f64 = 60.0;
const TURNED: f64 = 5.0;
/// Instructions in a cycle.
const ISSUED: f64 = 100.0;
/// Cycles from the second cache, and for threads to meet.
const FAR: f64 = 900.0;
const MEET: f64 = 160.0;
/// Cycles in which units of a block that is alone have nothing to do, since its threads meet.
const DRAIN: f64 = 280.0;
/// How much of what is copied while units multiply takes time of its own.
const HINDERED: f64 = 0.35;
/// Registers of a thread beside its sums.
const BESIDE: i64 = 48;

/// What the stages of a block take, and how many blocks a processor holds.
pub(super) struct Stages {
    pub(super) count: f64,
    /// Cycles of a stage for itself, and until it is there.
    own: f64,
    latency: f64,
    pub(super) held: f64,
}

impl Stages {
    pub(super) fn of(view: &View<'_>, tile: &Tensor, chip: &Chip) -> Self {
        let nest = view.nest;
        let inside = view.bound..view.loops.len();
        let terms = nest.vars[tile.terms].extent as f64;
        let count = view.trips_of(inside, |_, l| super::is_joined(l.role)) / terms;
        let results = view.results() / view.blocks() * view.shares();
        let bytes: Vec<_> = nest.copies.iter().map(|copy| bytes(view, copy)).collect();
        let narrow = view.loads.first().map_or(2, |load| load.access.bytes);
        let rate = if tile.is_group(nest) { TOGETHER } else { ALONE } * 2.0 / narrow as f64;
        let copying: f64 = bytes.iter().map(|&(bytes, each)| bytes / BYTES + each / ISSUED).sum();
        let stages = nest.stages.first().map_or(1, |&(_, stages)| stages);
        // What does not go by itself passes through registers, and there is one iteration to wait for it.
        let waits = if bytes.iter().any(|&(_, each)| each > 0.0) { 1 } else { (stages - 1).max(1) };
        let threads = nest.threads();
        let shared: f64 = bytes.iter().map(|(bytes, _)| bytes).sum::<f64>() * stages.max(2) as f64;
        let sums = results / threads as f64;
        let registers = (sums as i64 + BESIDE).min(MOST_REGISTERS);
        let held = (chip.registers / (registers * threads))
            .min(chip.threads / (threads + WARP - 1))
            .min(chip.shared / (shared as i64 + 2048));
        let passing = if stages == 1 { 1.25 } else { 1.0 };
        Self {
            count,
            own: both(results * terms / rate, copying * passing),
            latency: FAR / waits as f64 + MEET,
            held: held.max(1) as f64,
        }
    }

    /// Cycles of so many blocks at once on a processor.
    pub(super) fn cycles(&self, blocks: f64) -> f64 {
        self.count * f64::max(self.latency.max(self.own) + DRAIN, blocks * self.own)
    }
}

/// Two things at once: they hinder each other.
fn both(a: f64, b: f64) -> f64 {
    a.max(b) + HINDERED * a.min(b)
}

/// Bytes of a copy, and the instructions for those of its elements that go one by one.
fn bytes(view: &View<'_>, copy: &Copy) -> (f64, f64) {
    let Layout::Loops(vars) = &copy.layout else { return (0.0, 0.0) };
    let nest = view.nest;
    let elements: i64 = vars.iter().map(|&var| nest.vars[var].extent).product();
    let Some(load) = view.loads.iter().find(|load| load.access.name == copy.name) else { return (0.0, 0.0) };
    let width = load.access.bytes;
    let lies = |&var: &VarId| {
        let root = nest.vars[var].part_of.map_or(var, |(whole, _)| whole);
        nest.vars[root].axis.is_some_and(|axis| load.access.stride(axis) == Some(1))
            || view.step(load, var) == 1 && view.is_regular(load, var)
    };
    let is_free = load.access.guards.is_empty();
    let all = (elements * width) as f64;
    if let Some(&last) = vars.last().filter(|last| is_free && lies(last)) {
        let at_once = aligned(nest, load, last, WIDE / width);
        return (all, if at_once * width == WIDE { 0.0 } else { elements as f64 / at_once as f64 * EACH });
    }
    // What is turned is read by neighbours, and stored at once.
    let is_turned = is_free && vars.iter().any(lies);
    (all, elements as f64 * if is_turned { TURNED } else { EACH })
}

/// Elements along a variable that lie together wherever the others are, at most so many.
fn aligned(nest: &Nest, load: &Moved, along: VarId, most: i64) -> i64 {
    let root = nest.vars[along].part_of.map_or(along, |(whole, _)| whole);
    let is_other =
        |&(id, var): &(VarId, &Var)| id != root && !matches!(var.form, Form::Fused { into, .. } if into == root);
    let others = nest.vars.iter().filter(is_other);
    let strides: Vec<_> = others.filter_map(|(_, var)| load.access.stride(var.axis?)).collect();
    let fits = |lanes: i64| strides.iter().all(|stride| stride % lanes == 0);
    std::iter::successors(Some(most), |lanes| Some(lanes / 2))
        .find(|&lanes| lanes <= 1 || fits(lanes))
        .unwrap_or(1)
        .max(1)
}
