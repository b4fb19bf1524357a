//! Reductions of operands that go along different axes of the result: a tile of rows and columns for each block, a smaller
//! one for each of its threads, operands in shared memory.
//!
//! ```text
//! rest, blocks of rows, blocks of columns      the grid
//!   parts of the sum                           those joined by other blocks, those outside, then one stage after another
//!     [copies of the stage's tiles]
//!     terms of a stage, written out
//!       rows: apart, next to each other        of one thread, all in registers
//!         columns: the same
//! ```
//!
//! Threads that are next to each other have rows, or columns, next to each other; one thread has several such, some next
//! to each other so that they are read at once, some apart so that threads do not read the same banks.
//!
//! - this file: which axes are rows and columns, and the knobs;
//! - `choice`: what a point stands for, and those that stand for nothing that can run or that is new;
//! - `steps`: a choice as steps of a schedule.

mod choice;
mod steps;

use crate::schedule::Step;
use crate::space::Rejected;
use crate::space::facts::{Facts, Moved};
use crate::space::knobs::{Knob, Knobs, Point};
use crate::target::Chip;

use super::Family;
use choice::{Choice, Side};

/// Terms of a sum without which tiles are not worth their copies.
const TERMS: i64 = 16;
/// Rows, or columns, that are so few that nothing is read often.
const THIN: i64 = 8;
/// Threads along one side of a block's tile.
const THREADS: [i64; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Pieces of a thread that are apart.
const APART: [i64; 7] = [1, 2, 3, 4, 6, 7, 8];
/// Elements of a thread that are next to each other.
const NEXT: [i64; 3] = [1, 2, 4];
/// Terms of a stage.
const DEPTHS: [i64; 13] = [4, 8, 9, 12, 16, 18, 24, 27, 32, 36, 48, 54, 64];
/// Blocks that share a sum.
const SHARES: [i64; 13] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128];

/// The schedules of such a reduction.
#[derive(Clone, Debug)]
pub(in crate::space) struct Tiled {
    facts: Facts,
    chip: Chip,
    /// Axes that are neither rows nor columns, those of one value among them.
    rest: Vec<usize>,
    rows: Vec<usize>,
    columns: Vec<usize>,
    /// Ways to go along a sum.
    sums: Vec<Sum>,
    depths: Vec<i64>,
    shares: Vec<i64>,
    family: Family,
}

/// How a sum is cut into stages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sum {
    /// Axes that are outside of stages.
    outside: Vec<usize>,
    /// Axes that are cut, as if they were one.
    cut: Vec<usize>,
    /// The axis outside of which blocks have shares; none if they share stages.
    shared: Option<usize>,
}

impl Tiled {
    /// None for a nest that is not of that sort.
    pub(in crate::space) fn of(facts: Facts, chip: &Chip, family: Family) -> Option<Self> {
        let (rows, columns) = sides(&facts)?;
        if facts.length(&facts.reduced) < TERMS {
            return None;
        }
        let is_rest = |axis: &usize| !rows.contains(axis) && !columns.contains(axis) && !facts.axes[*axis].is_reduced;
        let rest = (0..facts.axes.len()).filter(is_rest).collect();
        let sums = sums(&facts, family);
        let lengths: Vec<_> = match family.longest {
            Some(longest) => vec![longest],
            None => sums.iter().map(|sum| facts.length(&sum.cut)).collect(),
        };
        let mut depths: Vec<_> = DEPTHS.into_iter().chain(lengths.iter().copied().filter(|&all| all < 64)).collect();
        depths.retain(|&depth| lengths.iter().any(|length| length % depth == 0));
        if depths.is_empty() {
            depths.push(16);
        }
        depths.sort_unstable();
        depths.dedup();
        let most = family.longest.unwrap_or_else(|| facts.length(&facts.reduced)) / 32;
        let shares = SHARES.into_iter().filter(|&share| share <= most.max(1)).collect();
        Some(Self { facts, chip: *chip, rest, rows, columns, sums, depths, shares, family })
    }

    /// Whether one side is so short that what is copied is hardly read again.
    pub(in crate::space) fn is_thin(&self) -> bool {
        self.facts.length(&self.rows).min(self.facts.length(&self.columns)) <= THIN
    }

    pub(in crate::space) fn knobs(&self) -> Knobs {
        let side = |name: &str| {
            [
                Knob::line(format!("{name} threads"), THREADS),
                Knob::line(format!("{name} apart"), APART),
                Knob::line(format!("{name} next"), NEXT),
            ]
        };
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let mut knobs: Vec<_> = side("row").into_iter().chain(side("column")).collect();
        knobs.push(Knob::any("sum", self.sums.iter().map(|sum| self.name(sum))));
        knobs.push(Knob::line("depth", self.depths.iter().copied()));
        knobs.push(Knob::line("shares", self.shares.iter().copied()));
        knobs.push(Knob::any("along grid", words(&["columns", "rows"])));
        knobs.push(Knob::any("ahead", words(&["no", "yes"])));
        for load in &self.facts.loads {
            // What each stage reads anew is always worth its copy.
            let values = match (load.is_copiable, load.uses_any(&self.facts.reduced)) {
                (false, _) => words(&["no"]),
                (true, true) if self.is_staged_always(load) => words(&["shared"]),
                (true, _) => words(&["shared", "no"]),
            };
            knobs.push(Knob::any(format!("copy {}", load.name), values));
        }
        Knobs { knobs }
    }

    pub(in crate::space) fn steps(&self, point: &Point) -> Result<Vec<Step>, Rejected> {
        Ok(self.written(&self.choice(point)?))
    }

    /// Tiles of several sizes, with as many shares of the sum as there are processors to fill.
    pub(in crate::space) fn starts(&self) -> Vec<Point> {
        let mut found = Vec::new();
        let large = [([16, 2, 4], [16, 4, 4]), ([16, 2, 4], [16, 2, 4]), ([16, 1, 4], [16, 2, 4])];
        let sizes = [([16, 1, 4], [16, 1, 4]), ([8, 1, 4], [16, 1, 4])];
        let small = [([8, 1, 2], [16, 1, 4]), ([8, 1, 4], [8, 1, 2]), ([4, 1, 4], [8, 1, 4]), ([4, 1, 1], [8, 1, 1])];
        let fitted = [(16, 16), (32, 8), (16, 8), (8, 16)]
            .map(|(rows, columns)| (self.fitting(&self.rows, rows), self.fitting(&self.columns, columns)));
        for (rows, columns) in large.into_iter().chain(fitted).chain(sizes).chain(small) {
            let of = |[threads, apart, next]: [i64; 3]| Side { threads, apart, next };
            for sum in 0..self.sums.len() {
                let start = self.start(of(rows), of(columns), sum);
                let ahead = start.clone().map(|choice| Choice { ahead: true, ..choice });
                let ahead = ahead.filter(|choice| self.check(choice).is_ok());
                found.extend(ahead.or(start).map(|choice| self.point(&choice)));
            }
        }
        found
    }

    /// The threads of a side, and what each has, so that as little of the last tile as possible is beyond the end.
    fn fitting(&self, axes: &[usize], threads: i64) -> [i64; 3] {
        let length = self.facts.length(axes);
        let own = NEXT.iter().rev().flat_map(|&next| APART.iter().rev().map(move |&apart| [threads, apart, next]));
        let beyond = |&[threads, apart, next]: &[i64; 3]| {
            let tile = threads * apart * next;
            (length + tile - 1) / tile * tile
        };
        // The first of equals.
        own.filter(|[_, apart, next]| (4..=8).contains(&(apart * next))).min_by_key(beyond).unwrap_or([threads, 1, 4])
    }

    /// What a way along the sum is called; nests of a family call their axes differently.
    fn name(&self, sum: &Sum) -> String {
        let cut = self.facts.names(&sum.cut).join(" ");
        match sum.shared {
            _ if self.family.longest.is_some() => "all".to_owned(),
            Some(axis) => format!("{cut}, shares of {}", self.facts.axes[axis].name),
            None => cut,
        }
    }

    /// Operands that a sum of stages leaves out, to be multiplied by it: they do not change along what is cut.
    fn is_factor(sum: &Sum, load: &Moved) -> bool {
        !sum.outside.is_empty() && load.uses_any(&sum.outside) && !load.uses_any(&sum.cut)
    }

    /// Whether a sum leaves out any.
    fn has_factors(&self, sum: &Sum) -> bool {
        self.facts.loads.iter().any(|load| Self::is_factor(sum, load))
    }

    /// Whether every way along the sum goes along an operand.
    fn is_staged_always(&self, load: &Moved) -> bool {
        self.sums.iter().all(|sum| load.uses_any(&sum.cut))
    }

    /// The deepest stages that are possible with some tiles; those that are long only where no others are.
    fn start(&self, rows: Side, columns: Side, sum: usize) -> Option<Choice> {
        let blocks = self.blocks(&rows, &columns);
        let share = self.shares.iter().rev().copied().find(|share| blocks * share <= self.chip.processors);
        let is_staged = |load: &Moved| load.is_copiable && !Self::is_factor(&self.sums[sum], load);
        let staged = self.facts.loads.iter().map(is_staged).collect::<Vec<_>>();
        let (short, long): (Vec<i64>, Vec<i64>) = self.depths.iter().partition(|&&depth| depth <= 16);
        let choices = short.into_iter().rev().chain(long).flat_map(|depth| {
            let staged = staged.clone();
            let choice = Choice { rows, columns, sum, depth, shares: 1, rows_along: false, ahead: false, staged };
            [Choice { shares: share.unwrap_or(1), ..choice.clone() }, choice]
        });
        choices.into_iter().find(|choice| self.check(choice).is_ok())
    }
}

/// The rows and the columns: the two longest groups of axes that index some operands, and not all.
pub(super) fn sides(facts: &Facts) -> Option<(Vec<usize>, Vec<usize>)> {
    let uses = |axis: usize| facts.loads.iter().map(|load| load.uses[axis]).collect::<Vec<_>>();
    let mut groups: Vec<(Vec<bool>, Vec<usize>)> = Vec::new();
    for &axis in &facts.spatial {
        let uses = uses(axis);
        match groups.iter_mut().find(|(known, _)| *known == uses) {
            Some((_, axes)) => axes.push(axis),
            None => groups.push((uses, vec![axis])),
        }
    }
    groups.retain(|(uses, _)| uses.contains(&true) && uses.contains(&false));
    groups.sort_by_key(|(_, axes)| std::cmp::Reverse(facts.length(axes)));
    let (first, rest) = groups.split_first()?;
    // Each of them leaves out an operand that the other one has: that is what is read again.
    let crosses = |other: &&(Vec<bool>, Vec<usize>)| {
        let only = |a: &[bool], b: &[bool]| a.iter().zip(b).any(|(a, b)| *a && !b);
        only(&first.0, &other.0) && only(&other.0, &first.0)
    };
    let second = rest.iter().find(crosses)?;
    // The columns are those along which results lie next to each other.
    let last = |axes: &[usize]| axes.last().copied();
    let (rows, columns) = if last(&first.1) > last(&second.1) { (second, first) } else { (first, second) };
    Some((rows.1.clone(), columns.1.clone()))
}

/// All axes of a sum as one; or one of them, the others outside, of which blocks may have shares of the longest.
fn sums(facts: &Facts, family: Family) -> Vec<Sum> {
    let mut found = vec![Sum { outside: Vec::new(), cut: facts.reduced.clone(), shared: None }];
    if facts.reduced.len() > 1 && family.longest.is_none() {
        for &axis in facts.reduced.iter().filter(|&&axis| facts.axes[axis].extent >= 8) {
            let outside: Vec<_> = facts.reduced.iter().copied().filter(|&other| other != axis).collect();
            let longest = outside.iter().copied().max_by_key(|&axis| facts.axes[axis].extent);
            let longest = longest.filter(|&axis| facts.axes[axis].extent >= 16);
            found.push(Sum { outside: outside.clone(), cut: vec![axis], shared: None });
            found.extend(longest.map(|axis_outside| Sum { outside, cut: vec![axis], shared: Some(axis_outside) }));
        }
    }
    found
}
