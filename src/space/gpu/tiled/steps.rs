//! A choice as steps of a schedule.
//!
//! ```text
//! reorder n k p q c r s; fuse p q as p_q; fuse c r s as c_r_s
//! split k by [?, 1, 16, 4] tail pad; split p_q by [?, 1, 16, 4] tail pad; split c_r_s by [?, 16]
//! reorder k.0 p_q.0 k.2 p_q.2 c_r_s.0 c_r_s.1 k.1 k.3 p_q.1 p_q.3
//! bind k.0 to grid.y; bind p_q.0 to grid.x; bind k.2 to block.y; bind p_q.2 to block.x
//! stage w at c_r_s.0 as [c_r_s.1, k.1, k.2, k.3] in shared; …
//! unroll c_r_s.1 k.1 k.3 p_q.1; vectorize p_q.3
//! ```

use super::Tiled;
use super::choice::Choice;
use crate::loops::{LoopKind, Scope};
use crate::schedule::step::Tail;
use crate::schedule::{Place, Step};
use crate::space::facts::Moved;
use crate::space::gpu::{bind, part, split};
use crate::space::{div_ceil, one_loop};

/// The loops that a choice makes.
struct Loops {
    row: String,
    column: String,
    /// Loops over the sum outside of stages, each with the axes that it goes along.
    outside: Vec<(String, Vec<usize>)>,
    /// The shares of blocks, if there are several.
    share: Option<String>,
    /// The terms of a stage.
    terms: String,
    /// The loop inside of which sums begin anew, so that they can leave out factors.
    around: Option<String>,
}

impl Tiled {
    pub(super) fn written(&self, choice: &Choice) -> Vec<Step> {
        let facts = &self.facts;
        let sum = &self.sums[choice.sum];
        let mut steps = Vec::new();
        let ones: Vec<_> = facts.ones.iter().copied().filter(|&axis| facts.axes[axis].is_reduced).collect();
        let order = [&self.rest[..], &self.rows, &self.columns, &ones, &sum.outside, &sum.cut].concat();
        if !order.is_sorted() {
            steps.push(Step::Reorder { axes: facts.names(&order) });
        }
        let rest = (!self.rest.is_empty()).then(|| one_loop(facts.names(&self.rest), &mut steps));
        let row = one_loop(facts.names(&self.rows), &mut steps);
        let column = one_loop(facts.names(&self.columns), &mut steps);
        let cut = one_loop(facts.names(&sum.cut), &mut steps);
        for (axis, side) in [(&row, &choice.rows), (&column, &choice.columns)] {
            steps.push(split(axis, &[side.apart, side.threads, side.next], Tail::Pad));
        }
        let mut outside: Vec<_> = sum.outside.iter().map(|&axis| (facts.axes[axis].name.clone(), vec![axis])).collect();
        let mut shared = None;
        if let Some((name, axes)) = outside.iter_mut().find(|(_, axes)| sum.shared == Some(axes[0])) {
            steps.push(split(name, &[facts.axes[axes[0]].extent / choice.shares], Tail::Peel));
            shared = Some(part(name, 0));
            *name = part(name, 1);
        }
        let around = outside.last().filter(|_| self.has_factors(sum)).map(|(name, _)| name.clone());
        let shares = if shared.is_some() { 1 } else { choice.shares };
        let (share, terms) = self.cut_sum(choice, shares, &cut, &mut outside, &mut steps);
        let loops = Loops { row, column, outside, share: share.or(shared), terms, around };
        let ones = facts.names(&ones);
        self.placed(choice, &loops, rest, ones, &mut steps);
        steps
    }

    /// Splits the sum into shares and stages.
    fn cut_sum(
        &self,
        choice: &Choice,
        shares: i64,
        cut: &str,
        outside: &mut Vec<(String, Vec<usize>)>,
        steps: &mut Vec<Step>,
    ) -> (Option<String>, String) {
        let axes = self.sums[choice.sum].cut.clone();
        let stages = self.stages(choice);
        let mut parts = Vec::new();
        if shares > 1 {
            parts.push(div_ceil(stages, shares));
        }
        if stages > 1 {
            parts.push(choice.depth);
        }
        if parts.is_empty() {
            return (None, cut.to_owned());
        }
        let is_even = self.facts.length(&axes) % parts.iter().product::<i64>() == 0;
        steps.push(split(cut, &parts, if is_even { Tail::Peel } else { Tail::Pad }));
        if shares > 1 {
            outside.push((part(cut, 1), axes));
            return (Some(part(cut, 0)), part(cut, 2));
        }
        outside.push((part(cut, 0), axes));
        (None, part(cut, 1))
    }

    /// Puts loops into their order and on the GPU, and operands into shared memory.
    fn placed(&self, choice: &Choice, loops: &Loops, rest: Option<String>, ones: Vec<String>, steps: &mut Vec<Step>) {
        let Loops { row, column, outside, share, terms, around } = loops;
        let own = [part(row, 1), part(row, 3), part(column, 1), part(column, 3)];
        let mut order: Vec<_> = share.iter().chain(&rest).cloned().collect();
        order.extend([part(row, 0), part(column, 0), part(row, 2), part(column, 2)]);
        order.extend(ones.into_iter().chain(outside.iter().map(|(name, _)| name.clone())));
        order.push(terms.clone());
        order.extend(own.clone());
        steps.push(Step::Reorder { axes: order });
        steps.extend(share.iter().map(|share| Step::Rfactor { axis: share.clone() }));
        let grid = Self::on_grid(choice, loops, rest, steps);
        for (axis, dim) in grid {
            steps.push(bind(axis, LoopKind::Grid(dim)));
        }
        steps.push(bind(part(row, 2), LoopKind::Block(1)));
        steps.push(bind(part(column, 2), LoopKind::Block(0)));
        if let Some(around) = around {
            // Those of all terms stay in registers, too.
            steps.push(Step::Accumulate { at: part(column, 2) });
            steps.push(Step::Accumulate { at: around.clone() });
        }
        for (load, _) in self.facts.loads.iter().zip(&choice.staged).filter(|(_, staged)| **staged) {
            steps.push(self.stage(load, choice, loops));
        }
        if let (true, Some((stages, _))) = (choice.ahead, outside.last()) {
            steps.push(Step::Pipeline { axis: stages.clone(), stages: None });
        }
        // Results that lie next to each other are stored at once.
        let [outer @ .., last] = &own;
        let along = self.columns.last().is_some_and(|&axis| self.facts.store.strides[axis] == Some(1));
        let is_vector = along && choice.columns.next > 1;
        let unrolled = if is_vector { outer } else { own.as_slice() };
        steps.push(Step::Unroll { axes: std::iter::once(terms).chain(unrolled).cloned().collect() });
        steps.extend(is_vector.then(|| Step::Vectorize { axis: last.clone() }));
    }

    /// The loops of the grid, with their coordinates. Where there are shares, what is neither row nor column goes with the
    /// rows.
    fn on_grid(choice: &Choice, loops: &Loops, rest: Option<String>, steps: &mut Vec<Step>) -> Vec<(String, u8)> {
        let [mut rows, columns] = [part(&loops.row, 0), part(&loops.column, 0)];
        let mut third = rest;
        if let (Some(share), Some(rest)) = (&loops.share, &third) {
            rows = one_loop(vec![rest.clone(), rows], steps);
            third = Some(share.clone());
        } else if third.is_none() {
            third.clone_from(&loops.share);
        }
        let (rows_at, columns_at) = if choice.rows_along { (0, 1) } else { (1, 0) };
        let mut grid: Vec<_> = third.into_iter().map(|third| (third, 2)).collect();
        grid.extend([(rows, rows_at), (columns, columns_at)]);
        grid
    }

    /// A tile of an operand in shared memory, made where what it depends on outside changes.
    fn stage(&self, load: &Moved, choice: &Choice, loops: &Loops) -> Step {
        let at = loops.outside.iter().rev().find(|(_, axes)| load.uses_any(axes)).map(|(name, _)| name.clone());
        let at = at.unwrap_or_else(|| part(&loops.column, 2));
        let side = |axis: &str, axes: &[usize]| {
            let parts = [1, 2, 3].map(|number| part(axis, number));
            parts.into_iter().filter(|_| load.uses_any(axes)).collect::<Vec<_>>()
        };
        let mut layout = Vec::new();
        if load.uses_any(&self.sums[choice.sum].cut) {
            layout.push(loops.terms.clone());
        }
        layout.extend(side(&loops.row, &self.rows));
        layout.extend(side(&loops.column, &self.columns));
        let place = Some(Place::Inside(at));
        Step::Stage { operand: load.name.clone(), place, layout: Some(layout), scope: Scope::Shared }
    }
}
