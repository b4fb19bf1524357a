//! A point of the space of a reduction as what it stands for, and the points that are left out.
//!
//! A point is rejected if it needs more than there is (registers, rows, tiles), with the numbers, or if it says what a
//! smaller point says: no two points that remain give the same steps.

use super::{Contraction, Vector};
use crate::space::facts::Facts;
use crate::space::knobs::Point;
use crate::space::{Rejected, div_ceil};

/// Multiply-adds that may be written out in the innermost loop.
const WRITTEN_OUT: i64 = 256;
/// Axes up to this extent may be written out whole.
pub(super) const SHORT: i64 = 8;

/// One point of the space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Which vector.
    pub(super) vector: usize,
    /// Which rows; 0 for none.
    pub(super) row: usize,
    /// Vectors in a tile.
    pub(super) vectors: i64,
    /// Rows in a tile.
    pub(super) rows: i64,
    /// Which planes; 0 for none.
    pub(super) plane: usize,
    /// Which cut of the sum.
    pub(super) cut: usize,
    /// Which of the reduced axes is innermost.
    pub(super) inner: usize,
    /// Terms of the sum that are written out; 0 for all of the innermost axis, [`EVERY`] for those of all axes.
    pub(super) unroll: i64,
    /// What blocks are made of; panels are of the other.
    pub(super) blocks_of: Side,
    /// Blocks that the outer axis is divided into; 0 for a block a tile.
    pub(super) blocks: i64,
    /// Tiles of a panel.
    pub(super) panel: i64,
    /// Where the axes that are neither vector nor row run.
    pub(super) rest: Rest,
    /// Whether the outer loops run on threads.
    pub(super) threads: bool,
    /// For each operand that may be copied, how it is read.
    pub(super) copies: Vec<Copied>,
}

/// One of the two axes of a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Rows,
    Vectors,
}

/// Where a loop of a whole axis runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Outside of blocks, on threads with them.
    Outside,
    /// Just inside of them, on threads with them.
    Inside,
    /// In each block, so that a copy made for the block serves all its iterations.
    Within,
}

impl Rest {
    pub(super) const ALL: [Self; 3] = [Self::Outside, Self::Inside, Self::Within];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Inside => "inside",
            Self::Within => "within",
        }
    }
}

/// How a sum is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Whole,
    /// This reduced axis stays outside.
    Axis(usize),
    /// This axis, by so many values.
    Split(usize, i64),
}

/// Where an operand is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// Where it is.
    No,
    /// In a copy of all of it, in the order in which it is read.
    Whole,
    /// In a copy of all of it with what is around it.
    WholeBox,
    /// In a copy made for a block or a panel, in the order in which it is read.
    Near,
    /// In a copy made for a block or a panel, with what is around it.
    NearBox,
}

impl Copied {
    pub(super) const ALL: [Self; 5] = [Self::No, Self::Whole, Self::WholeBox, Self::Near, Self::NearBox];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Whole => "whole",
            Self::WholeBox => "whole box",
            Self::Near => "near",
            Self::NearBox => "near box",
        }
    }

    pub(super) const fn is_near(self) -> bool {
        matches!(self, Self::Near | Self::NearBox)
    }

    pub(super) const fn is_box(self) -> bool {
        matches!(self, Self::WholeBox | Self::NearBox)
    }
}

impl Cut {
    pub(super) fn show(self, facts: &Facts) -> String {
        match self {
            Self::Whole => "whole".to_owned(),
            Self::Axis(axis) => format!("by {}", facts.axes[axis].name),
            Self::Split(axis, part) => format!("by {part} of {}", facts.axes[axis].name),
        }
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            vector: 0,
            row: 0,
            vectors: 1,
            rows: 1,
            plane: 0,
            cut: 0,
            inner: 0,
            unroll: 1,
            blocks_of: Side::Rows,
            blocks: 1,
            panel: 1,
            rest: Rest::Outside,
            threads: false,
            copies: Vec::new(),
        }
    }
}

/// The values of the knob `unroll`.
pub(super) const UNROLL: [i64; 4] = [1, 2, 4, 0];
/// Another one: the terms of all axes are written out.
pub(super) const EVERY: i64 = -1;

impl Contraction {
    /// What a point stands for.
    pub(super) fn choice(&self, point: &Point) -> Result<Choice, Rejected> {
        let at: Vec<_> = point.0.iter().map(|&value| usize::from(value)).collect();
        let places = self.copies.iter().zip(&at[13..]);
        let choice = Choice {
            vector: at[0],
            row: at[1],
            vectors: at[2] as i64 + 1,
            rows: self.row_counts[at[3]],
            plane: at[4],
            cut: at[5],
            inner: at[6],
            unroll: self.unrolls[at[7]],
            blocks_of: if at[8] == 0 { Side::Rows } else { Side::Vectors },
            blocks: self.blocks[at[9]],
            panel: self.panels[at[10]],
            rest: Rest::ALL[at[11]],
            threads: self.threads > 1 && at[12] == 0,
            copies: places.map(|((_, places), &place)| places[place]).collect(),
        };
        self.check(&choice).map(|()| choice)
    }

    /// The point of a choice: the inverse of [`Contraction::choice`].
    pub(super) fn point(&self, choice: &Choice) -> Point {
        fn place<T: PartialEq>(values: &[T], value: &T) -> usize {
            values.iter().position(|other| other == value).unwrap_or(0)
        }
        let mut at = vec![
            choice.vector,
            choice.row,
            choice.vectors as usize - 1,
            place(&self.row_counts, &choice.rows),
            choice.plane,
            choice.cut,
            choice.inner,
            place(&self.unrolls, &choice.unroll),
            usize::from(choice.blocks_of == Side::Vectors),
            place(&self.blocks, &choice.blocks),
            place(&self.panels, &choice.panel),
            place(&Rest::ALL, &choice.rest),
            usize::from(self.threads > 1 && !choice.threads),
        ];
        at.extend(self.copies.iter().zip(&choice.copies).map(|((_, places), copied)| place(places, copied)));
        Point(at.into_iter().map(|value| value as u16).collect())
    }

    /// Why a choice is left out.
    pub(super) fn check(&self, choice: &Choice) -> Result<(), Rejected> {
        match &self.vectors[choice.vector] {
            Vector::Spatial(axes) => {
                self.check_tile(axes, choice)?;
                self.check_sums(choice)?;
                self.check_blocks(axes, choice)
            }
            Vector::Reduced(axis) => self.check_reduced(*axis, choice),
        }
    }

    fn check_sums(&self, choice: &Choice) -> Result<(), Rejected> {
        let inner = self.inner[choice.inner];
        let extent = match self.cuts[choice.cut] {
            Cut::Axis(axis) if axis == inner => {
                return Err(Rejected::same("the axis that is outside cannot be innermost"));
            }
            Cut::Split(axis, part) if axis == inner => part,
            _ => self.facts.axes[inner].extent,
        };
        if choice.unroll == EVERY && (self.cuts[choice.cut] != Cut::Whole || choice.inner != 0) {
            return Err(Rejected::same("all terms are written out, in the order of the formula"));
        }
        let unroll = match choice.unroll {
            0 => extent,
            EVERY => self.facts.length(&self.facts.reduced),
            terms => terms,
        };
        if choice.unroll == 0 && extent > SHORT {
            return Err(Rejected::new("unroll", format!("{extent} terms are too many to write out")));
        }
        if choice.unroll > 1 && (extent % unroll != 0 || unroll == extent) {
            return Err(Rejected::new("unroll", format!("{extent} terms are not several times {unroll}")));
        }
        let tile = self.planes_of(choice) * choice.rows * choice.vectors;
        let written = tile * if self.is_dot(choice) { self.dots(choice) } else { unroll };
        if written > WRITTEN_OUT {
            return Err(Rejected::new("unroll", format!("{written} multiply-adds would be written out")));
        }
        Ok(())
    }

    fn check_blocks(&self, vector: &[usize], choice: &Choice) -> Result<(), Rejected> {
        let row = &self.rows[choice.row];
        let row_tiles = div_ceil(self.facts.length(row), choice.rows);
        let vector_tiles = div_ceil(self.facts.length(vector), self.lanes * choice.vectors);
        let (outer, inner) = match choice.blocks_of {
            Side::Rows => (row_tiles, vector_tiles),
            Side::Vectors => (vector_tiles, row_tiles),
        };
        if row.is_empty() && choice.blocks_of == Side::Rows {
            return Err(Rejected::same("there are no rows to make blocks of"));
        }
        let in_block = choice.tiles_in_block(outer);
        if choice.blocks >= outer.max(2) || (choice.blocks == 0 && outer == 1) {
            return Err(Rejected::new("blocks", format!("{outer} tiles cannot be more blocks than that")));
        }
        if choice.blocks > 0 && div_ceil(outer, in_block) != choice.blocks {
            return Err(Rejected::same("fewer blocks are as large"));
        }
        if choice.panel > inner {
            return Err(Rejected::new("panel", format!("{inner} tiles, fewer than {} in a panel", choice.panel)));
        }
        let mut rest = self.rest(vector, row);
        rest.retain(|&axis| self.iterations(axis, choice) > 1);
        if choice.rest != Rest::Outside && (rest.is_empty() || choice.blocks == 1) {
            return Err(Rejected::same("no loop would change its place"));
        }
        let iterations = rest.iter().map(|&axis| self.iterations(axis, choice)).product();
        let on_threads = if choice.rest == Rest::Within { 1 } else { iterations };
        let trips = on_threads * div_ceil(outer, in_block);
        let moves_nothing = !choice.threads && self.cuts[choice.cut] == Cut::Whole && !self.has_copy_of_block(choice);
        if choice.rest == Rest::Within && moves_nothing {
            return Err(Rejected::same("one thread, and no copy that would serve all iterations"));
        }
        if choice.threads && trips == 1 {
            return Err(Rejected::same("there is one iteration for the threads"));
        }
        Ok(())
    }

    /// Whether an operand has a copy that is made for a block.
    fn has_copy_of_block(&self, choice: &Choice) -> bool {
        let copies = self.copies.iter().zip(&choice.copies);
        copies.into_iter().any(|((operand, _), copied)| copied.is_near() && self.is_of_block(*operand, choice))
    }

    /// Whether an operand depends on the blocks and not on what their tiles are cut from.
    pub(super) fn is_of_block(&self, operand: usize, choice: &Choice) -> bool {
        let (row, vector) = (&self.rows[choice.row][..], self.vectors[choice.vector].spatial().map_or(&[][..], |v| v));
        let (outer, inner) = match choice.blocks_of {
            Side::Rows => (row, vector),
            Side::Vectors => (vector, row),
        };
        let load = &self.facts.loads[operand];
        load.uses_any(outer) && !load.uses_any(inner)
    }

    fn check_reduced(&self, axis: usize, choice: &Choice) -> Result<(), Rejected> {
        let plain = Choice {
            vector: choice.vector,
            row: choice.row,
            rows: choice.rows,
            vectors: choice.vectors,
            threads: choice.threads,
            copies: vec![Copied::No; self.copies.len()],
            ..Choice::default()
        };
        if *choice != plain {
            return Err(Rejected::same("lanes along a sum leave no choice there"));
        }
        let (rows, vectors, row) = (choice.rows, choice.vectors, &self.rows[choice.row]);
        let needed = rows * vectors + rows + vectors + 1;
        if needed > self.registers {
            return Err(Rejected::new(
                "registers",
                format!("{rows} rows of {vectors} vectors need {needed} registers; there are {}", self.registers),
            ));
        }
        if vectors * self.lanes > self.facts.axes[axis].extent {
            return Err(Rejected::new("vectors", format!("the sum has fewer than {vectors} vectors")));
        }
        if row.is_empty() != (rows == 1) || row.len() > 1 || rows > self.facts.length(row) {
            return Err(Rejected::same("one row is no row"));
        }
        if choice.threads && self.facts.length(&self.facts.spatial) <= rows {
            return Err(Rejected::same("there is one iteration for the threads"));
        }
        Ok(())
    }

    /// Whether the terms that are written out are those that one instruction joins: then they are inside of the lanes.
    pub(super) fn is_dot(&self, choice: &Choice) -> bool {
        let written = if choice.unroll == 0 { self.inner_extent(choice) } else { choice.unroll };
        let terms = self.facts.terms.map(|(terms, _)| terms);
        matches!(self.vectors[choice.vector], Vector::Spatial(_)) && terms == Some(written)
    }

    /// How many instructions that join terms are in a row; 1 where there are none.
    pub(super) fn dots(&self, choice: &Choice) -> i64 {
        let Some((terms, groups)) = self.facts.terms.filter(|_| self.is_dot(choice)) else { return 1 };
        let extent = self.inner_extent(choice);
        if extent % (terms * groups) == 0 && extent > terms * groups { groups } else { 1 }
    }

    /// Terms of the innermost reduced axis inside of what is joined outside.
    fn inner_extent(&self, choice: &Choice) -> i64 {
        let inner = self.inner[choice.inner];
        match self.cuts[choice.cut] {
            Cut::Split(axis, part) if axis == inner => part,
            _ => self.facts.axes[inner].extent,
        }
    }

    /// Spatial axes that are neither vector nor row.
    pub(super) fn rest(&self, vector: &[usize], row: &[usize]) -> Vec<usize> {
        let is_rest = |axis: &usize| !vector.contains(axis) && !row.contains(axis);
        self.facts.spatial.iter().copied().filter(is_rest).collect()
    }
}

impl Choice {
    /// Tiles in a block, if there are so many in all.
    pub(super) fn tiles_in_block(&self, tiles: i64) -> i64 {
        if self.blocks == 0 { 1 } else { div_ceil(tiles, self.blocks) }
    }
}
