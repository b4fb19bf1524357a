//! Sums of products of small numbers on the matrix units of a GPU: a tile of rows and columns for each block, one for each of
//! its warps, or for each four of them, and operands in shared memory, copied some stages ahead.
//!
//! ```text
//! [parts of the sum], rest, blocks of rows, blocks of columns      the grid
//!   warps of rows, warps of columns                                block.z and block.y; their threads are block.x
//!     one stage after another
//!       [copies of the stage's tiles]
//!       tiles of rows, tiles of columns                            of one warp, as `tensorize` multiplies them
//! ```
//!
//! For operands whose products are exact; for `f32`, where it is allowed to round them (`--tf32`).

use crate::loops::{LoopKind, Scope};
use crate::scalar::{DType, ReduceOp};
use crate::schedule::nest::{Nest, Program};
use crate::schedule::step::{Numbers, Tail};
use crate::schedule::{Place, Step, tensorize};
use crate::space::facts::{Facts, Moved};
use crate::space::knobs::{Knob, Knobs, Point};
use crate::space::{Rejected, div_ceil, one_loop};
use crate::target::Chip;
use crate::target::gpus::WARP;

use super::tiled::sides;
use super::{Need, bind, part, split};

/// The first architecture with these instructions, and that on which four warps multiply together.
const SINCE: u32 = 80;
const GROUPS: u32 = 90;
/// Warps, or groups of them, along one side of a block's tile.
const WARPS: [i64; 4] = [1, 2, 4, 8];
/// Tiles of a warp.
const ROWS: [i64; 3] = [1, 2, 4];
const COLUMNS: [i64; 6] = [2, 4, 8, 16, 24, 32];
/// Bytes of terms of a stage.
const DEPTHS: [i64; 4] = [32, 64, 128, 256];
/// Buffers of a copy; one of them is none that goes on by itself.
const STAGES: [i64; 4] = [1, 2, 3, 4];
/// Blocks that share a sum.
const SHARES: [i64; 5] = [1, 2, 4, 8, 16];
/// Bytes of a line of shared memory.
const LINE: i64 = 128;
/// Registers of a thread for its sums, at most.
const SUMS: i64 = 128;

/// The schedules of such a sum.
#[derive(Clone, Debug)]
pub(in crate::space) struct Tensor {
    pub(super) facts: Facts,
    chip: Chip,
    pub(super) rest: Vec<usize>,
    pub(super) rows: Vec<usize>,
    pub(super) columns: Vec<usize>,
    /// Bytes of an operand's element, and terms of an instruction.
    pub(super) bytes: i64,
    terms: i64,
    /// What becomes of operands.
    numbers: Numbers,
    /// Rows of a tile.
    unit: i64,
}

/// One point.
#[derive(Clone, Copy, Debug)]
struct Choice {
    /// Warps along rows and columns, and tiles of each.
    warps: [i64; 2],
    tiles: [i64; 2],
    /// Terms of a stage.
    depth: i64,
    stages: i64,
    shares: i64,
    rows_along: bool,
}

impl Tensor {
    /// None for a nest that is not of that sort.
    pub(in crate::space) fn of(program: &Program, nest: &Nest, facts: &Facts, chip: &Chip) -> Option<Self> {
        if chip.sm < SINCE {
            return None;
        }
        let reduction = nest.reduction.as_ref().filter(|reduction| reduction.op == ReduceOp::Sum)?;
        let pool = &program.kernel.pool;
        let [a, b] = tensorize::operands(pool, reduction.value)?;
        let dtype = pool.dtype(a);
        let numbers = if dtype == DType::F32 { chip.numbers } else { Numbers::Exact };
        let terms = tensorize::terms(dtype, numbers).filter(|_| pool.dtype(b) == dtype)?;
        let wide = if dtype.is_float() { DType::F32 } else { DType::I32 };
        let (rows, columns) = sides(facts)?;
        let (length, width) = (facts.length(&rows), facts.length(&columns));
        let crosses = |load: &Moved| {
            let uses = (load.uses_any(&rows), load.uses_any(&columns));
            load.is_copiable && uses.0 != uses.1 && facts.reduced.iter().all(|&axis| load.uses[axis])
        };
        let is_made = pool.dtype(reduction.value) == wide
            && facts.loads.len() == 2
            && facts.loads.iter().all(crosses)
            && facts.loads[0].uses_any(&rows) != facts.loads[1].uses_any(&rows)
            && length >= 16
            && width >= tensorize::COLUMNS
            && facts.length(&facts.reduced) >= 2 * terms;
        if !is_made {
            return None;
        }
        let is_rest = |axis: &usize| !rows.contains(axis) && !columns.contains(axis) && !facts.axes[*axis].is_reduced;
        let rest = (0..facts.axes.len()).filter(is_rest).collect();
        let unit = if chip.sm == GROUPS && length > 32 { tensorize::ROWS[1] } else { tensorize::ROWS[0] };
        let bytes = dtype.bytes() as i64;
        Some(Self { facts: facts.clone(), chip: *chip, rest, rows, columns, bytes, terms, numbers, unit })
    }

    /// Whether units multiply numbers as they are.
    pub(in crate::space) fn is_exact(&self) -> bool {
        self.numbers == Numbers::Exact
    }

    pub(in crate::space) fn knobs(&self) -> Knobs {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let depths = DEPTHS.map(|bytes| bytes / self.bytes);
        let knobs = vec![
            Knob::line("row warps", WARPS),
            Knob::line("row tiles", ROWS),
            Knob::line("column warps", WARPS),
            Knob::line("column tiles", COLUMNS),
            Knob::line("depth", depths),
            Knob::line("stages", STAGES),
            Knob::line("shares", SHARES),
            Knob::any("along grid", words(&["columns", "rows"])),
        ];
        Knobs { knobs }
    }

    fn choice(&self, point: &Point) -> Result<Choice, Rejected> {
        let at: Vec<_> = point.0.iter().map(|&value| usize::from(value)).collect();
        let choice = Choice {
            warps: [WARPS[at[0]], WARPS[at[2]]],
            tiles: [ROWS[at[1]], COLUMNS[at[3]]],
            depth: DEPTHS[at[4]] / self.bytes,
            stages: STAGES[at[5]],
            shares: SHARES[at[6]],
            rows_along: at[7] == 1,
        };
        self.check(&choice).map(|()| choice)
    }

    pub(in crate::space) fn steps(&self, point: &Point) -> Result<Vec<Step>, Rejected> {
        Ok(self.written(&self.choice(point)?))
    }

    /// All that can be with one share and the usual order, or few of them.
    pub(in crate::space) fn starts(&self) -> Vec<Point> {
        let shapes = [
            [0, 1, 0, 3],
            [1, 0, 0, 3],
            [1, 0, 0, 5],
            [1, 0, 0, 2],
            [3, 0, 0, 2],
            [0, 0, 0, 2],
            [0, 0, 0, 1],
            [0, 0, 0, 0],
        ];
        let rest = [[2, 2], [1, 2], [2, 0], [1, 0], [0, 0]];
        let all = shapes.into_iter().flat_map(|shape| rest.map(|[depth, stages]| (shape, depth, stages)));
        let points = all.flat_map(|([a, b, c, d], depth, stages)| {
            [0, 1, 2, 3].map(|shares| Point(vec![a, b, c, d, depth, stages, shares, 0]))
        });
        points.filter(|point| self.choice(point).is_ok()).collect()
    }

    fn tile(&self, choice: &Choice) -> [i64; 2] {
        let [rows, columns] = [0, 1].map(|side| choice.warps[side] * choice.tiles[side]);
        [rows * self.unit, columns * tensorize::COLUMNS]
    }

    /// Stages of the sum.
    fn all_stages(&self, choice: &Choice) -> i64 {
        div_ceil(self.facts.length(&self.facts.reduced), choice.depth)
    }

    fn check(&self, choice: &Choice) -> Result<(), Rejected> {
        let tile = self.tile(choice);
        for (name, tile, axes) in [("rows", tile[0], &self.rows), ("columns", tile[1], &self.columns)] {
            let length = self.facts.length(axes);
            if tile >= 2 * length.max(32) {
                return Err(Rejected::new("tile", format!("a tile of {tile} {name}; there are {length}")));
            }
        }
        if choice.depth % self.terms != 0 {
            return Err(Rejected::new("depth", format!("{} terms are no tiles of {}", choice.depth, self.terms)));
        }
        let warps = self.unit / 16;
        let sums = choice.tiles[0] * choice.tiles[1] * 4;
        if sums > SUMS {
            return Err(Rejected::new("registers", format!("{sums} sums of a thread; {SUMS} are possible")));
        }
        let words = if self.unit == 16 { choice.tiles[0] * 4 + choice.tiles[1] * 2 } else { 0 };
        let shared = choice.stages.max(2) * (tile[0] + tile[1] + 8) * (choice.depth + 16 / self.bytes) * self.bytes;
        let threads = WARP * warps * choice.warps[0] * choice.warps[1];
        Need { threads, values: sums + words, bytes: 4, shared }.check(&self.chip)?;
        if self.unit == 64 {
            let is_line = |load: &Moved| {
                let side = if load.uses_any(&self.rows) { tile[0] } else { tile[1] };
                let row = if self.is_along(load) { choice.depth } else { side };
                row * self.bytes % LINE == 0
            };
            if !self.facts.loads.iter().all(is_line) {
                return Err(Rejected::new("lines", "rows of copies are no lines of 128 bytes".to_owned()));
            }
        }
        self.check_stages(choice)
    }

    fn check_stages(&self, choice: &Choice) -> Result<(), Rejected> {
        if choice.stages > 1 && self.facts.loads.iter().any(|load| self.is_turned(load)) {
            return Err(Rejected::new("stages", "what is turned on the way goes through registers".to_owned()));
        }
        let stages = self.all_stages(choice);
        let own = div_ceil(stages, choice.shares);
        if own < choice.stages || (stages > 1 && own < 2) {
            return Err(Rejected::new("stages", format!("{own} stages of the sum for {} buffers", choice.stages)));
        }
        if choice.shares > 1 && (self.facts.length(&self.rest) > 1 || div_ceil(stages, own) != choice.shares) {
            return Err(Rejected::same("fewer blocks share as much"));
        }
        let blocks = [(&self.rows, 0), (&self.columns, 1)]
            .map(|(axes, side)| div_ceil(self.facts.length(axes), self.tile(choice)[side]));
        if choice.rows_along && blocks.contains(&1) {
            return Err(Rejected::same("there is one order of the blocks"));
        }
        Ok(())
    }

    /// Whether an operand lies along the sum in its copy: as it does in memory, and all but numbers of 16 bits
    /// always. Windows lie along both.
    fn is_along(&self, load: &Moved) -> bool {
        let lies = |axes: &[usize]| axes.last().is_some_and(|&axis| load.strides[axis] == Some(1));
        let side = if load.uses_any(&self.rows) { &self.rows } else { &self.columns };
        self.bytes != 2 || (lies(&self.facts.reduced) && !lies(side))
    }

    /// Whether an operand that lies across the sum in memory lies along it in its copy.
    fn is_turned(&self, load: &Moved) -> bool {
        self.is_along(load) && self.facts.reduced.last().is_some_and(|&axis| load.strides[axis] != Some(1))
    }

    fn written(&self, choice: &Choice) -> Vec<Step> {
        let facts = &self.facts;
        let mut steps = Vec::new();
        let ones: Vec<_> = facts.ones.iter().copied().filter(|&axis| facts.axes[axis].is_reduced).collect();
        let order = [&self.rest[..], &self.rows, &self.columns, &ones, &facts.reduced].concat();
        if !order.is_sorted() {
            steps.push(Step::Reorder { axes: facts.names(&order) });
        }
        let rest = (!self.rest.is_empty()).then(|| one_loop(facts.names(&self.rest), &mut steps));
        let row = one_loop(facts.names(&self.rows), &mut steps);
        let column = one_loop(facts.names(&self.columns), &mut steps);
        let sum = one_loop(facts.names(&facts.reduced), &mut steps);
        steps.push(split(&row, &[choice.warps[0], choice.tiles[0], self.unit], Tail::Pad));
        steps.push(split(&column, &[choice.warps[1], choice.tiles[1], tensorize::COLUMNS], Tail::Pad));
        let own = div_ceil(self.all_stages(choice), choice.shares);
        let mut parts = vec![choice.depth];
        if choice.shares > 1 {
            parts.insert(0, own);
        }
        let is_even = facts.length(&facts.reduced) % parts.iter().product::<i64>() == 0;
        steps.push(split(&sum, &parts, if is_even { Tail::Peel } else { Tail::Pad }));
        let share = (choice.shares > 1).then(|| part(&sum, 0));
        let (stage, terms) = (part(&sum, parts.len() - 1), part(&sum, parts.len()));
        let mut axes: Vec<_> = share.iter().chain(&rest).cloned().collect();
        axes.extend([part(&row, 0), part(&column, 0), part(&row, 1), part(&column, 1)]);
        axes.extend(facts.names(&ones));
        axes.extend([stage.clone(), terms.clone(), part(&row, 2), part(&column, 2), part(&row, 3), part(&column, 3)]);
        steps.push(Step::Reorder { axes });
        steps.extend(share.iter().map(|share| Step::Rfactor { axis: share.clone() }));
        Self::placed(choice, (&row, &column), share.as_ref().or(rest.as_ref()), rest.as_ref(), &mut steps);
        let (rows, columns) = (part(&row, 3), part(&column, 3));
        steps.push(Step::Tensorize { rows, columns, terms: terms.clone(), numbers: self.numbers });
        for load in &facts.loads {
            let side = if load.uses_any(&self.rows) { &row } else { &column };
            let mut layout: Vec<_> = [1, 2, 3].map(|number| part(side, number)).to_vec();
            let at = if self.is_along(load) { layout.len() } else { 0 };
            layout.insert(at, terms.clone());
            let place = Some(Place::Inside(stage.clone()));
            steps.push(Step::Stage { operand: load.name.clone(), place, layout: Some(layout), scope: Scope::Shared });
        }
        if own > 1 {
            let stages = (choice.stages > 1).then_some(choice.stages);
            steps.push(Step::Pipeline { axis: stage, stages });
        }
        steps.push(Step::Unroll { axes: vec![part(&row, 2), part(&column, 2)] });
        steps
    }

    /// Puts loops on the grid and its blocks.
    fn placed(
        choice: &Choice,
        (row, column): (&String, &String),
        third: Option<&String>,
        rest: Option<&String>,
        steps: &mut Vec<Step>,
    ) {
        let (mut rows, columns) = (part(row, 0), part(column, 0));
        if let Some(rest) = rest.filter(|&rest| third != Some(rest)) {
            rows = one_loop(vec![rest.clone(), rows], steps);
        }
        let (rows_at, columns_at) = if choice.rows_along { (0, 1) } else { (1, 0) };
        steps.extend(third.map(|third| bind(third, LoopKind::Grid(2))));
        steps.push(bind(rows, LoopKind::Grid(rows_at)));
        steps.push(bind(columns, LoopKind::Grid(columns_at)));
        steps.push(bind(part(row, 1), LoopKind::Block(2)));
        steps.push(bind(part(column, 1), LoopKind::Block(1)));
    }
}
