//! Sums of windows whose results along one side are few: the box that a block's windows cover is in shared memory, with
//! zeros around it, and threads slide over it.
//!
//! ```text
//! other axes, blocks of rows, blocks of columns      the grid
//!   rows, columns                                    the threads
//!     parts of the outermost sum
//!       [the box of these]
//!       terms of a part
//!         windows, results of other axes, columns    written out
//! ```
//!
//! What neighbours read twice is loaded once, and asks no condition: those were asked when the box was made. Tiles, which
//! copy each element as often as it is in a window, need many results along both sides to be worth that.

use crate::loops::{LoopKind, Scope};
use crate::schedule::step::Tail;
use crate::schedule::{Place, Step};
use crate::space::facts::Facts;
use crate::space::knobs::{Knob, Knobs, Point};
use crate::space::{Rejected, one_loop};
use crate::target::Chip;

use super::{Need, bind, part, split};

/// Threads of a block along rows and columns.
const ROWS: [i64; 5] = [2, 4, 8, 16, 32];
const COLUMNS: [i64; 4] = [8, 16, 32, 64];
/// Columns of a thread, and its results along another axis.
const EACH: [i64; 4] = [1, 2, 4, 8];
const ACROSS: [i64; 6] = [1, 2, 3, 4, 6, 8];
/// Terms of the outermost sum for which a box is made.
const TERMS: [i64; 5] = [1, 2, 4, 8, 16];
/// Multiply-adds that may be written out.
const WRITTEN_OUT: i64 = 768;

/// The schedules of such a nest.
#[derive(Clone, Debug)]
pub(in crate::space) struct Boxed {
    facts: Facts,
    chip: Chip,
    /// The operand whose box is copied.
    load: usize,
    row: usize,
    column: usize,
    /// The longest axis of results that the box has no part in.
    across: usize,
    /// The outermost axis of the sum, and those inside of it.
    outer: usize,
    windows: Vec<usize>,
}

/// One point.
#[derive(Clone, Copy, Debug)]
struct Choice {
    rows: i64,
    columns: i64,
    each: i64,
    across: i64,
    terms: i64,
    /// Whether the other operands are copied, too.
    others: bool,
}

impl Boxed {
    /// None for a nest that is not of that sort.
    pub(in crate::space) fn of(facts: Facts, chip: &Chip) -> Option<Self> {
        let (&outer, windows) = facts.reduced.split_first()?;
        let [.., row, column] = facts.spatial[..] else { return None };
        let is_meant = |load: &crate::space::facts::Moved| {
            let slides = load.uses[row] && load.uses[column] && load.uses[outer];
            slides && load.is_copiable && load.uses_any(windows)
        };
        let load = facts.loads.iter().position(is_meant)?;
        let others = facts.spatial.iter().copied().filter(|&axis| !facts.loads[load].uses[axis]);
        let across = others.max_by_key(|&axis| facts.axes[axis].extent)?;
        let windows = windows.to_vec();
        Some(Self { chip: *chip, load, row, column, across, outer, windows, facts })
    }

    pub(in crate::space) fn knobs() -> Knobs {
        Knobs {
            knobs: vec![
                Knob::line("rows", ROWS),
                Knob::line("columns", COLUMNS),
                Knob::line("each", EACH),
                Knob::line("across", ACROSS),
                Knob::line("terms", TERMS),
                Knob::any("copy others", ["no", "shared"].map(str::to_owned)),
            ],
        }
    }

    pub(in crate::space) fn starts(&self) -> Vec<Point> {
        let extent = self.facts.axes[self.across].extent;
        let across = ACROSS.iter().rposition(|&across| extent % across == 0).unwrap_or(0) as u16;
        [
            vec![2, 1, 1, across, 2, 1],
            vec![2, 1, 2, across, 2, 1],
            vec![2, 1, 1, across, 1, 0],
            vec![1, 2, 1, across, 2, 0],
        ]
        .map(Point)
        .into()
    }

    pub(in crate::space) fn steps(&self, point: &Point) -> Result<Vec<Step>, Rejected> {
        let at: Vec<_> = point.0.iter().map(|&value| usize::from(value)).collect();
        let choice = Choice {
            rows: ROWS[at[0]],
            columns: COLUMNS[at[1]],
            each: EACH[at[2]],
            across: ACROSS[at[3]],
            terms: TERMS[at[4]],
            others: at[5] == 1,
        };
        self.check(choice)?;
        Ok(self.written(choice))
    }

    fn check(&self, choice: Choice) -> Result<(), Rejected> {
        let Choice { rows, columns, each, across, terms, .. } = choice;
        let extent = |axis: usize| self.facts.axes[axis].extent;
        for (what, tile, axis) in
            [("rows", rows, self.row), ("columns", columns * each, self.column), ("results", across, self.across)]
        {
            if tile >= 2 * extent(axis) || (what == "results" && tile > extent(axis)) {
                return Err(Rejected::new("tile", format!("{tile} {what}; there are {}", extent(axis))));
            }
        }
        if extent(self.outer) % terms != 0 || extent(self.outer) == terms {
            return Err(Rejected::new("terms", format!("{} terms are no parts of {terms}", extent(self.outer))));
        }
        let windows = self.facts.length(&self.windows);
        if windows * each * across > WRITTEN_OUT {
            return Err(Rejected::new("unroll", format!("{} multiply-adds written out", windows * each * across)));
        }
        let load = &self.facts.loads[self.load];
        let step = load.strides[self.column].unwrap_or(1).abs();
        let border = self.windows.iter().map(|&axis| extent(axis)).max().unwrap_or(1);
        let shared = terms * (rows * step + border) * (columns * each * step + border) * load.bytes;
        let shared = if choice.others { shared + terms * across * windows * 4 * load.bytes } else { shared };
        let need = Need { threads: rows * columns, values: each * across * 2 + each, bytes: self.facts.bytes, shared };
        need.check(&self.chip)
    }

    fn written(&self, choice: Choice) -> Vec<Step> {
        let facts = &self.facts;
        let name = |axis: usize| facts.axes[axis].name.clone();
        let (row, column, across, outer) = (name(self.row), name(self.column), name(self.across), name(self.outer));
        let mut steps = vec![
            split(&row, &[choice.rows], Tail::Pad),
            split(&column, &[choice.columns, choice.each], Tail::Pad),
            split(&outer, &[choice.terms], Tail::Peel),
        ];
        let is_whole = choice.across == facts.axes[self.across].extent;
        if !is_whole {
            steps.push(split(&across, &[choice.across], Tail::Pad));
        }
        let is_other =
            |&axis: &usize| !facts.axes[axis].is_reduced && ![self.row, self.column, self.across].contains(&axis);
        let mut others: Vec<_> = (0..facts.axes.len()).filter(is_other).map(name).collect();
        if !is_whole {
            others.push(part(&across, 0));
        }
        let is_inner = |&axis: &usize| facts.axes[axis].is_reduced && axis != self.outer;
        let windows: Vec<_> = (0..facts.axes.len()).filter(is_inner).map(name).collect();
        let own = if is_whole { across } else { part(&across, 1) };
        let mut order = others.clone();
        order.extend([part(&row, 0), part(&column, 0), part(&row, 1), part(&column, 1)]);
        order.extend([part(&outer, 0), part(&outer, 1)]);
        order.extend(windows.iter().cloned());
        order.extend([own.clone(), part(&column, 2)]);
        steps.push(Step::Reorder { axes: order });
        if !others.is_empty() {
            let others = one_loop(others, &mut steps);
            steps.push(bind(others, LoopKind::Grid(2)));
        }
        steps.push(bind(part(&row, 0), LoopKind::Grid(1)));
        steps.push(bind(part(&column, 0), LoopKind::Grid(0)));
        steps.push(bind(part(&row, 1), LoopKind::Block(1)));
        steps.push(bind(part(&column, 1), LoopKind::Block(0)));
        let is_copied = |at: usize| {
            let load = &facts.loads[at];
            at == self.load || (choice.others && load.is_copiable && load.uses[self.outer])
        };
        steps.extend((0..facts.loads.len()).filter(|&at| is_copied(at)).map(|at| {
            let (operand, place) = (facts.loads[at].name.clone(), Some(Place::Inside(part(&outer, 0))));
            Step::Stage { operand, place, layout: None, scope: Scope::Shared }
        }));
        steps.push(Step::Unroll { axes: windows.into_iter().chain([own, part(&column, 2)]).collect() });
        steps
    }
}
