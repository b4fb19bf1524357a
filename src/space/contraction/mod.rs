//! Reductions: a tile of accumulators of some rows by some vectors, fed by operands in the order in which they are read.
//!
//! Any spatial axis may be the vector and any other one the rows; which it is decides which operand is read as vectors
//! and which as broadcasts. A reduced axis may be the vector instead, with private accumulators. Around the tile:
//!
//! ```text
//! rest, i.0 on threads      blocks of rows (or of vectors: the same with the two exchanged)
//!   k.0                     parts of the sum: long sums are joined from shorter ones
//!     [copy of the block's rows]
//!     j.0                   panels
//!       [copy of the panel]
//!       i.1                 tiles
//!         k.1  h.1  i.2  j.1  j.2
//! ```
//!
//! where `h` is an axis of the rest of which a tile has a few values as well, as of few channels beside rows of an image.
//!
//! - this file: the knobs of a nest, from its axes and accesses;
//! - `choice`: a point as what it stands for, and which points stand for nothing that can run or that is new;
//! - `tile`: what of it is in registers;
//! - `steps`: a choice as steps of a schedule.

mod choice;
mod steps;
mod tile;

use super::knobs::{Knob, Knobs, Point};
use super::{Rejected, facts::Facts};
use crate::schedule::Step;
use crate::target::Machine;

use choice::{Choice, Copied, Cut, EVERY, Rest, SHORT, Side, UNROLL};
use tile::Plane;

/// Terms of a sum in one accumulator, about.
const PART: i64 = 256;
/// Longer sums are always joined from parts: rounding errors would grow with their length.
const LONG: i64 = 4096;
/// Rows of a tile that are worth considering; those that divide the axis come to them.
const ROWS: [i64; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 20, 28];

/// Planes of a tile that are worth considering, beside all where these are few.
const PLANES: [i64; 2] = [2, 4];

/// The schedules of a reduction.
#[derive(Clone, Debug)]
pub(super) struct Contraction {
    facts: Facts,
    lanes: i64,
    registers: i64,
    threads: i64,
    /// Axes that may be the vector, several as if they were one.
    vectors: Vec<Vector>,
    /// Axes that may be the rows.
    rows: Vec<Vec<usize>>,
    /// Rows of a tile.
    row_counts: Vec<i64>,
    /// What a tile may have of a third axis; the first is nothing.
    planes: Vec<Option<Plane>>,
    cuts: Vec<Cut>,
    /// Reduced axes that may be innermost.
    inner: Vec<usize>,
    /// How many terms may be written out.
    unrolls: Vec<i64>,
    /// Numbers of blocks; 0 stands for a block a tile.
    blocks: Vec<i64>,
    /// Numbers of tiles in a panel.
    panels: Vec<i64>,
    /// For each operand, how it may be read.
    copies: Vec<(usize, Vec<Copied>)>,
}

/// The ways in which starts read their operands.
const COPIED: [Copied; 3] = [Copied::No, Copied::Near, Copied::Whole];

/// What may be the lanes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Vector {
    /// Results.
    Spatial(Vec<usize>),
    /// Terms of sums.
    Reduced(usize),
}

impl Contraction {
    pub(super) fn of(facts: Facts, machine: &Machine) -> Self {
        let lanes = machine.vector_bytes / facts.bytes;
        let vectors = vectors(&facts, lanes);
        let rows = rows(&facts);
        let row_counts = row_counts(&facts, &rows);
        let planes = planes(&facts);
        let (cuts, copies) = (cuts(&facts), copies(&facts));
        let inner: Vec<_> = facts.reduced.iter().copied().rev().collect();
        let most = rows.iter().chain(vectors.iter().filter_map(Vector::spatial)).map(|axes| facts.length(axes)).max();
        let mut blocks: Vec<_> =
            (0..=9).map(|log| 1 << log).filter(|&count| count < most.unwrap_or(1)).chain([machine.threads]).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks.push(0);
        let panels = vec![1, 2, 4, 8];
        let (registers, threads) = (machine.registers, machine.threads);
        let unrolls = unrolls(&facts);
        Self {
            facts,
            lanes,
            registers,
            threads,
            vectors,
            rows,
            row_counts,
            planes,
            cuts,
            inner,
            unrolls,
            blocks,
            panels,
            copies,
        }
    }

    pub(super) fn knobs(&self) -> Knobs {
        let facts = &self.facts;
        let vector = self.vectors.iter().map(|vector| match vector {
            Vector::Spatial(axes) => facts.names(axes).join(" "),
            Vector::Reduced(axis) => format!("sum {}", facts.axes[*axis].name),
        });
        let row = self.rows.iter().map(|axes| match &axes[..] {
            [] => "none".to_owned(),
            axes => facts.names(axes).join(" "),
        });
        let planes = self.planes.iter().map(|plane| match plane {
            None => "none".to_owned(),
            Some(plane) => format!("{} of {}", plane.count, facts.axes[plane.axis].name),
        });
        let cuts = self.cuts.iter().map(|cut| cut.show(facts));
        let inner = self.inner.iter().map(|&axis| facts.axes[axis].name.clone());
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut knobs = vec![
            Knob::any("vector", vector),
            Knob::any("row", row),
            Knob::line("vectors", 1..=4),
            Knob::line("rows", self.row_counts.iter().copied()),
            Knob::any("planes", planes),
            Knob::any("sum", cuts),
            Knob::any("innermost", inner),
            Knob::any("unroll", self.unrolls.iter().copied().map(unrolled)),
            Knob::any("blocks of", words(&["rows", "vectors"])),
            Knob::line("blocks", self.blocks.iter().copied()),
            Knob::line("panel", self.panels.iter().copied()),
            Knob::any("rest", Rest::ALL.map(|place| place.word().to_owned())),
            Knob::any("threads", words(if self.threads > 1 { &["yes", "no"] } else { &["no"] })),
        ];
        for (operand, places) in &self.copies {
            let places = places.iter().map(|place| place.word().to_owned());
            knobs.push(Knob::any(format!("copy {}", facts.loads[*operand].name), places));
        }
        Knobs { knobs }
    }

    pub(super) fn steps(&self, point: &Point) -> Result<Vec<Step>, Rejected> {
        let choice = self.choice(point)?;
        Ok(match &self.vectors[choice.vector] {
            Vector::Spatial(axes) => self.spatial_steps(axes, &choice),
            Vector::Reduced(axis) => self.reduced_steps(*axis, &choice),
        })
    }

    /// Whether there is nothing to choose.
    pub(super) fn is_empty(&self) -> bool {
        self.vectors.is_empty()
    }

    /// Points for each pair of vector and row, and each number of vectors: as large a tile as the registers hold, and
    /// all operands read in one way. Where an axis is short, also such whose planes are all of it.
    pub(super) fn starts(&self) -> Vec<Point> {
        let all_of =
            |plane: &Option<Plane>| plane.is_none_or(|plane| self.facts.axes[plane.axis].extent == plane.count);
        let planes: Vec<_> = (0..self.planes.len()).filter(|&plane| all_of(&self.planes[plane])).collect();
        let mut starts = Vec::new();
        for vector in 0..self.vectors.len() {
            for row in 0..self.rows.len() {
                let sizes = planes.iter().flat_map(|&plane| [2, 1, 4].map(|vectors| (plane, vectors)));
                let full: Vec<_> =
                    sizes.filter_map(|(plane, vectors)| self.fullest(vector, row, plane, vectors)).collect();
                let dot = full.first().and_then(|choice| self.with_dots(choice));
                let copied = full.iter().flat_map(|choice| COPIED.map(|way| self.with_copies(choice, way)));
                let written_out = full.iter().filter_map(|choice| self.written_out(choice));
                starts.extend(copied.chain(written_out).chain(dot).map(|choice| self.point(&choice)));
            }
        }
        starts
    }

    /// The same with all operands read in one way, where they can be.
    fn with_copies(&self, choice: &Choice, way: Copied) -> Choice {
        let of = |(_, places): &(usize, Vec<Copied>)| if places.contains(&way) { way } else { Copied::No };
        Choice { copies: self.copies.iter().map(of).collect(), ..choice.clone() }
    }

    /// The same with all terms of a short axis of the sum written out, as of a window.
    fn written_out(&self, choice: &Choice) -> Option<Choice> {
        let every = self.unrolls.contains(&EVERY).then(|| Choice { unroll: EVERY, ..choice.clone() });
        let all = (0..self.inner.len()).map(|inner| Choice { inner, unroll: 0, ..choice.clone() });
        let mut ways = every.into_iter().chain(all);
        ways.find(|choice| self.check(choice).is_ok())
    }

    /// The same with terms that one instruction joins, and operands in the order in which it reads them.
    fn with_dots(&self, choice: &Choice) -> Option<Choice> {
        let whole = |(_, places): &(usize, Vec<Copied>)| places.contains(&Copied::Whole);
        let copied = |copy: &(usize, Vec<Copied>)| if whole(copy) { Copied::Whole } else { Copied::No };
        let copies: Vec<_> = self.copies.iter().map(copied).collect();
        let ways = (0..self.inner.len()).flat_map(|inner| UNROLL.map(|unroll| (inner, unroll)));
        let mut choices =
            ways.map(|(inner, unroll)| Choice { inner, unroll, copies: copies.clone(), ..choice.clone() });
        choices.find(|choice| self.is_dot(choice) && self.check(choice).is_ok())
    }

    /// The largest tile of so many vectors, with a block a tile on threads if there can be.
    fn fullest(&self, vector: usize, row: usize, plane: usize, vectors: i64) -> Option<Choice> {
        let ways = [Side::Rows, Side::Vectors].into_iter().flat_map(|side| [(side, 0), (side, 1)]);
        let ways: Vec<_> =
            ways.flat_map(|(side, blocks)| [true, false].map(|threads| (side, blocks, threads))).collect();
        let mut choices = self.row_counts.iter().rev().flat_map(|&rows| {
            ways.iter().map(move |&(blocks_of, blocks, threads)| Choice {
                vector,
                row,
                vectors,
                rows,
                plane,
                blocks_of,
                blocks,
                threads: threads && self.threads > 1,
                copies: vec![Copied::No; self.copies.len()],
                ..Choice::default()
            })
        });
        choices.find(|choice| self.check(choice).is_ok())
    }
}

impl Vector {
    fn spatial(&self) -> Option<&Vec<usize>> {
        match self {
            Self::Spatial(axes) => Some(axes),
            Self::Reduced(_) => None,
        }
    }
}

/// The axes that may be vectors: each spatial one, neighbours that are one row of the result, and reduced ones along
/// memory.
fn vectors(facts: &Facts, lanes: i64) -> Vec<Vector> {
    let single = facts.spatial.iter().copied().filter(|&axis| facts.axes[axis].extent >= 4);
    let mut found: Vec<_> = single.map(|axis| vec![axis]).collect();
    found.extend(pairs(facts).into_iter().filter(|pair| facts.axes[pair[1]].extent % lanes != 0));
    let along = |axis: &usize| facts.loads.iter().any(|load| load.strides[*axis] == Some(1));
    let reduced = facts.reduced.iter().copied().filter(|axis| facts.axes[*axis].extent >= lanes && along(axis));
    found.into_iter().map(Vector::Spatial).chain(reduced.map(Vector::Reduced)).collect()
}

/// Neighbouring axes that are one row of the result.
fn pairs(facts: &Facts) -> Vec<Vec<usize>> {
    let is_row = |pair: &&[usize]| {
        let [outer, inner] = [pair[0], pair[1]].map(|axis| facts.store.strides[axis]);
        inner == Some(1) && outer == Some(facts.axes[pair[1]].extent)
    };
    facts.spatial.windows(2).filter(is_row).map(<[usize]>::to_vec).collect()
}

/// The axes that may be rows.
fn rows(facts: &Facts) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new()];
    found.extend(facts.spatial.iter().map(|&axis| vec![axis]));
    found.extend(pairs(facts).into_iter().filter(|pair| facts.axes[pair[1]].extent < 14));
    found
}

/// The numbers of rows in a tile.
fn row_counts(facts: &Facts, rows: &[Vec<usize>]) -> Vec<i64> {
    let divisors = |axes: &Vec<usize>| {
        let length = facts.length(axes);
        (2..=28).filter(move |count| length % count == 0).collect::<Vec<_>>()
    };
    let most = rows.iter().map(|axes| facts.length(axes)).max().unwrap_or(1);
    let mut counts: Vec<_> = ROWS.into_iter().chain(rows.iter().flat_map(divisors)).filter(|&c| c <= most).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

/// What a tile may have of an axis beside its rows: a few values, or all where these are few.
fn planes(facts: &Facts) -> Vec<Option<Plane>> {
    let of = |&axis: &usize| {
        let extent = facts.axes[axis].extent;
        let counts = PLANES.into_iter().filter(move |&count| count < extent).chain((extent <= SHORT).then_some(extent));
        counts.map(move |count| Some(Plane { axis, count }))
    };
    // Vector and rows take two.
    let third = if facts.spatial.len() > 2 { &facts.spatial[..] } else { &[] };
    [None].into_iter().chain(third.iter().flat_map(of)).collect()
}

/// Ways to cut the sum.
fn cuts(facts: &Facts) -> Vec<Cut> {
    let length = facts.length(&facts.reduced);
    let mut found = Vec::new();
    if length <= LONG {
        found.push(Cut::Whole);
    }
    for &axis in &facts.reduced {
        let extent = facts.axes[axis].extent;
        if facts.reduced.len() > 1 && length / extent >= 16 && length > PART {
            found.push(Cut::Axis(axis));
        }
        for part in [PART / 2, PART, 2 * PART] {
            let part = (part / (length / extent)).max(4);
            let cut = Cut::Split(axis, part);
            if part * 2 <= extent && length > 2 * PART && !found.contains(&cut) {
                found.push(cut);
            }
        }
    }
    if found.is_empty() {
        found.push(Cut::Whole);
    }
    found
}

/// How operands may be read; those of which nothing is read again stay where they are.
fn copies(facts: &Facts) -> Vec<(usize, Vec<Copied>)> {
    let mut found = Vec::new();
    for (number, load) in facts.loads.iter().enumerate() {
        if load.is_copiable {
            found.push((number, Copied::ALL.to_vec()));
        }
    }
    found
}

/// How many terms of a sum may be written out. Where they are multiplied by constants, those of all axes may be: what is
/// multiplied by zero is gone then.
fn unrolls(facts: &Facts) -> Vec<i64> {
    let has_constants = facts.loads.iter().any(|load| load.is_constant && load.uses_any(&facts.reduced));
    let every = has_constants && facts.reduced.len() > 1 && facts.length(&facts.reduced) <= SHORT * SHORT;
    UNROLL.into_iter().chain(every.then_some(EVERY)).collect()
}

/// The word for a value of the knob `unroll`.
fn unrolled(terms: i64) -> String {
    match terms {
        0 => "all".to_owned(),
        EVERY => "every".to_owned(),
        terms => terms.to_string(),
    }
}
