//! A point as what it stands for, and why some points are left out.

use super::{APART, NEXT, THREADS, Tiled};
use crate::space::gpu::Need;
use crate::space::knobs::Point;
use crate::space::{Rejected, div_ceil};
use crate::target::gpus::WARP;

/// Multiply-adds of a thread that are written out: more take long to compile, and no longer fit where instructions are
/// read from.
const WRITTEN_OUT: i64 = 2048;
/// Elements that are added to rows of a copy so that they begin in different banks.
const PADDING: i64 = 4;

/// One point of the space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) rows: Side,
    pub(super) columns: Side,
    /// Which way along the sum.
    pub(super) sum: usize,
    /// Terms of a stage.
    pub(super) depth: i64,
    /// Blocks that share a sum.
    pub(super) shares: i64,
    /// Whether blocks that follow each other have the same columns.
    pub(super) rows_along: bool,
    /// Whether copies are made one stage ahead.
    pub(super) ahead: bool,
    /// For each operand, whether it is copied to shared memory.
    pub(super) staged: Vec<bool>,
}

/// One side of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) threads: i64,
    /// Pieces that a thread has, and the elements of each.
    pub(super) apart: i64,
    pub(super) next: i64,
}

impl Side {
    /// Elements of a block.
    pub(super) const fn tile(&self) -> i64 {
        self.threads * self.own()
    }

    /// Elements of a thread.
    pub(super) const fn own(&self) -> i64 {
        self.apart * self.next
    }
}

impl Tiled {
    /// What a point stands for.
    pub(super) fn choice(&self, point: &Point) -> Result<Choice, Rejected> {
        let at: Vec<_> = point.0.iter().map(|&value| usize::from(value)).collect();
        let side =
            |first: usize| Side { threads: THREADS[at[first]], apart: APART[at[first + 1]], next: NEXT[at[first + 2]] };
        let staged = self.facts.loads.iter().zip(&at[11..]).map(|(load, &value)| load.is_copiable && value == 0);
        let choice = Choice {
            rows: side(0),
            columns: side(3),
            sum: at[6],
            depth: self.depths[at[7]],
            shares: self.shares[at[8]],
            rows_along: at[9] == 1,
            ahead: at[10] == 1,
            staged: staged.collect(),
        };
        let choice = self.own(choice);
        self.check(&choice).map(|()| choice)
    }

    /// What a choice for the longest sum of a family says for this one: about as many terms in a stage, and blocks that
    /// have as much to do.
    fn own(&self, choice: Choice) -> Choice {
        let length = self.facts.length(&self.sums[choice.sum].cut);
        let Some(longest) = self.family.longest.filter(|&longest| longest != length) else { return choice };
        let fits = |&depth: &i64| depth <= choice.depth && length % depth == 0;
        let depth = (1..=choice.depth).rev().find(fits).filter(|&depth| depth * 2 > choice.depth);
        let depth = depth.unwrap_or(choice.depth).min(length);
        let stages = div_ceil(length, depth);
        let most = div_ceil(choice.shares * length, longest).min(stages);
        let shares = (1..=most).rev().find(|share| stages % share == 0).unwrap_or(1);
        Choice { depth, shares, ahead: choice.ahead && stages / shares > 1, ..choice }
    }

    /// The point of a choice: the inverse of [`Tiled::choice`].
    pub(super) fn point(&self, choice: &Choice) -> Point {
        let place = |values: &[i64], value: i64| values.iter().position(|&other| other == value).unwrap_or(0);
        let side = |side: &Side| [place(&THREADS, side.threads), place(&APART, side.apart), place(&NEXT, side.next)];
        let mut at: Vec<_> = side(&choice.rows).into_iter().chain(side(&choice.columns)).collect();
        at.extend([choice.sum, place(&self.depths, choice.depth), place(&self.shares, choice.shares)]);
        at.extend([usize::from(choice.rows_along), usize::from(choice.ahead)]);
        let loads = self.facts.loads.iter().zip(&choice.staged);
        at.extend(loads.map(|(load, &staged)| usize::from(load.is_copiable && !staged)));
        Point(at.into_iter().map(|value| value as u16).collect())
    }

    /// Why a choice is left out.
    pub(super) fn check(&self, choice: &Choice) -> Result<(), Rejected> {
        let Choice { rows, columns, .. } = choice;
        for (name, side, axes) in [("rows", rows, &self.rows), ("columns", columns, &self.columns)] {
            let length = self.facts.length(axes);
            if side.tile() >= 2 * length && side.tile() > 1 {
                return Err(Rejected::new("tile", format!("a tile of {} {name}; there are {length}", side.tile())));
            }
        }
        self.check_sum(choice)?;
        let own = rows.own() * columns.own();
        let need = Need {
            threads: rows.threads * columns.threads,
            values: own * if self.has_factors(&self.sums[choice.sum]) { 2 } else { 1 } + rows.own() + columns.own(),
            bytes: self.facts.bytes,
            shared: self.shared(choice),
        };
        // Of fewer results there are no more threads.
        if need.threads < WARP.min(self.facts.length(&self.rows) * self.facts.length(&self.columns)) {
            return Err(Rejected::new("warps", format!("{} threads are less than a warp", need.threads)));
        }
        need.check(&self.chip)?;
        if own * choice.depth > WRITTEN_OUT {
            return Err(Rejected::new("unroll", format!("{} multiply-adds would be written out", own * choice.depth)));
        }
        if choice.rows_along && (self.tiles(&self.rows, rows) == 1 || self.tiles(&self.columns, columns) == 1) {
            return Err(Rejected::same("there is one order of the blocks"));
        }
        Ok(())
    }

    fn check_sum(&self, choice: &Choice) -> Result<(), Rejected> {
        let sum = &self.sums[choice.sum];
        let length = self.facts.length(&sum.cut);
        let depth = choice.depth;
        let is_padded = self.depths.len() == 1 || self.family.longest.is_some_and(|longest| longest != length);
        if length % depth != 0 && !is_padded {
            return Err(Rejected::new("depth", format!("{length} terms are no stages of {depth}")));
        }
        let stages = self.stages(choice);
        let (all, shares) = sum.shared.map_or((stages, choice.shares), |axis| (self.facts.axes[axis].extent, 1));
        let own = div_ceil(stages, shares);
        let staged = || self.facts.loads.iter().zip(&choice.staged).filter(|(_, staged)| **staged);
        if choice.ahead && (own < 2 || !staged().any(|(load, _)| load.uses_any(&sum.cut))) {
            return Err(Rejected::same("there is no next stage to copy for"));
        }
        if staged().any(|(load, _)| Self::is_factor(sum, load)) {
            return Err(Rejected::same("what the sums leave out is not copied"));
        }
        if sum.shared.is_some() && choice.shares == 1 {
            return Err(Rejected::same("nothing is shared"));
        }
        if depth > length {
            return Err(Rejected::new("depth", format!("{depth} terms in a stage; there are {length}")));
        }
        if choice.shares > all {
            return Err(Rejected::new("shares", format!("{all} stages for {} blocks", choice.shares)));
        }
        if choice.shares > 1 && all % choice.shares != 0 && (sum.shared.is_some() || !is_padded) {
            return Err(Rejected::new("shares", format!("{all} stages are no {} shares", choice.shares)));
        }
        if choice.shares > 1 && div_ceil(all, div_ceil(all, choice.shares)) != choice.shares {
            return Err(Rejected::same("fewer blocks share as much"));
        }
        Ok(())
    }

    /// Stages of the part of the sum that is cut.
    pub(super) fn stages(&self, choice: &Choice) -> i64 {
        div_ceil(self.facts.length(&self.sums[choice.sum].cut), choice.depth)
    }

    fn tiles(&self, axes: &[usize], side: &Side) -> i64 {
        div_ceil(self.facts.length(axes), side.tile())
    }

    /// Blocks of the grid, without shares of sums.
    pub(super) fn blocks(&self, rows: &Side, columns: &Side) -> i64 {
        self.facts.length(&self.rest) * self.tiles(&self.rows, rows) * self.tiles(&self.columns, columns)
    }

    /// Bytes of all copies.
    fn shared(&self, choice: &Choice) -> i64 {
        let copies = self.facts.loads.iter().zip(&choice.staged).filter(|(_, staged)| **staged);
        let bytes = copies.map(|(load, _)| {
            let side = |axes: &[usize], side: &Side| if load.uses_any(axes) { side.tile() } else { 1 };
            let row = side(&self.rows, &choice.rows) * side(&self.columns, &choice.columns) + PADDING;
            let terms = if load.uses_any(&self.sums[choice.sum].cut) { choice.depth } else { 1 };
            let buffers = if choice.ahead && load.uses_any(&self.sums[choice.sum].cut) { 2 } else { 1 };
            row * terms * buffers * load.bytes
        });
        bytes.sum()
    }
}
