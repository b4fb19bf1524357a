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
//!         k.1  i.2  j.1  j.2
//! ```

use super::{joined, one_loop};
use crate::loops::Scope;
use crate::schedule::Step;
use crate::schedule::nest::{Nest, Program, VarId};
use crate::schedule::reads::{self, Access};
use crate::schedule::step::Tail;
use crate::target::Machine;

/// Terms of a sum in one accumulator, about.
const PART: i64 = 256;
/// Longer sums are always joined from parts: rounding errors would grow with their length.
const LONG: i64 = 4096;

/// What is common to all candidates of a nest.
struct Shape<'a> {
    nest: &'a Nest,
    machine: &'a Machine,
    loads: Vec<Access>,
    store: Access,
    /// Axes of one value.
    ones: Vec<VarId>,
    spatial: Vec<VarId>,
    reduced: Vec<VarId>,
    lanes: i64,
}

/// One point of the space.
#[derive(Clone, Debug)]
struct Choice {
    /// Axes that are the vector, fused if several.
    vector: Vec<VarId>,
    row: Option<VarId>,
    rows: i64,
    vectors: i64,
    part: Part,
    /// Whether blocks are of rows, and panels of vectors; else the other way.
    blocks_of_rows: bool,
    /// Blocks that the outer axis is divided into.
    blocks: i64,
    threads: bool,
    /// How the operands are copied that give rows, and those that give vectors.
    copies: [Place; 2],
}

/// Where an operand is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where it is.
    Itself,
    /// In a copy made for a block or a panel, in the order in which it is read.
    Packed,
    /// In a copy of all of it: in that order, or if its reads have a default, with what is around it.
    Whole,
}

/// The name of a loop, and the naive axes of which it is a part.
type Loop = (String, Vec<VarId>);

/// Ways to read the two operands of a contraction.
const PLACES: [[Place; 2]; 9] = {
    use Place::{Itself, Packed, Whole};
    [
        [Itself, Itself],
        [Packed, Packed],
        [Packed, Itself],
        [Itself, Packed],
        [Whole, Whole],
        [Whole, Itself],
        [Itself, Whole],
        [Packed, Whole],
        [Whole, Packed],
    ]
};

/// How a sum is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// The outermost reduced axis stays outside.
    Axis,
    /// This axis, by so many values.
    Split(VarId, i64),
}

pub(super) fn candidates(program: &Program, nest: &Nest, machine: &Machine, found: &mut Vec<Vec<Step>>) {
    let is_one = |&var: &VarId| nest.vars[var].extent == 1;
    let (ones, long): (Vec<_>, Vec<_>) = nest.order.iter().copied().partition(is_one);
    let (reduced, spatial): (Vec<_>, Vec<_>) = long.into_iter().partition(|&var| nest.vars[var].is_reduced());
    let bytes = program.kernel.pool.dtype(nest.value()).bytes() as i64;
    let (loads, store) = (reads::loads(program, nest), reads::store(program, nest));
    let shape = Shape { nest, machine, loads, store, ones, spatial, reduced, lanes: machine.vector_bytes / bytes };
    if shape.reduced.is_empty() {
        return;
    }
    for vector in shape.vectors() {
        shape.with_vector(&vector, found);
    }
    for &var in &shape.reduced {
        if shape.goes_along(var) && shape.extent(var) >= shape.lanes {
            shape.with_reduced_vector(var, found);
        }
    }
}

impl Shape<'_> {
    fn extent(&self, var: VarId) -> i64 {
        self.nest.vars[var].extent
    }

    fn name(&self, var: VarId) -> String {
        self.nest.vars[var].name.clone()
    }

    fn stride(&self, access: &Access, var: VarId) -> Option<i64> {
        access.stride(self.nest.vars[var].axis?)
    }

    /// Whether some operand, or the result, has an axis as its fastest.
    fn goes_along(&self, var: VarId) -> bool {
        self.loads.iter().chain([&self.store]).any(|access| self.stride(access, var) == Some(1))
    }

    /// The axes that may be vectors: each spatial one, and neighbours that are one row of the result.
    fn vectors(&self) -> Vec<Vec<VarId>> {
        let single = self.spatial.iter().copied().filter(|&var| self.extent(var) >= 4);
        let mut found: Vec<_> = single.map(|var| vec![var]).collect();
        for pair in self.spatial.windows(2) {
            let [outer, inner] = [pair[0], pair[1]].map(|var| self.stride(&self.store, var));
            let is_row = inner == Some(1) && outer == Some(self.extent(pair[1]));
            if is_row && self.extent(pair[1]) % self.lanes != 0 {
                found.push(pair.to_vec());
            }
        }
        found
    }

    fn with_vector(&self, vector: &[VarId], found: &mut Vec<Vec<Step>>) {
        let length: i64 = vector.iter().map(|&var| self.extent(var)).product();
        let mut rows: Vec<_> = self.spatial.iter().copied().filter(|var| !vector.contains(var)).map(Some).collect();
        rows.push(None);
        for row in rows {
            for (vectors, rows) in self.tiles(length, row.map_or(1, |row| self.extent(row))) {
                if (row.is_none()) != (rows == 1) && rows == 1 {
                    continue;
                }
                for part in self.parts() {
                    let choice = Choice {
                        vector: vector.to_vec(),
                        row,
                        rows,
                        vectors,
                        part,
                        blocks_of_rows: true,
                        blocks: 1,
                        threads: false,
                        copies: [Place::Itself; 2],
                    };
                    self.around(&choice, found);
                }
            }
        }
    }

    /// What may be around a tile.
    fn around(&self, tile: &Choice, found: &mut Vec<Vec<Step>>) {
        let threads = self.machine.threads;
        for (blocks_of_rows, blocks) in
            [(true, 1), (true, threads), (false, 1), (false, threads), (true, 0), (false, 0)]
        {
            if tile.row.is_none() && blocks_of_rows {
                continue;
            }
            for copies in PLACES {
                if copies[0] != Place::Itself && tile.row.is_none() {
                    continue;
                }
                for on_threads in [false, true] {
                    let choice =
                        Choice { blocks_of_rows, blocks, threads: on_threads && threads > 1, copies, ..tile.clone() };
                    if on_threads == choice.threads {
                        found.push(self.steps(&choice));
                    }
                }
            }
        }
    }

    /// Vectors and rows of tiles that fill the registers.
    fn tiles(&self, length: i64, rows: i64) -> Vec<(i64, i64)> {
        let registers = self.machine.registers;
        let most = (length + self.lanes - 1) / self.lanes;
        let mut found = Vec::new();
        for vectors in [1, 2, 3, 4] {
            if vectors > most {
                continue;
            }
            let fit = ((registers - vectors - 2) / vectors).min(rows).max(1);
            let even = (1..=fit).rev().find(|tile| rows % tile == 0).unwrap_or(1);
            for tile in [fit, even] {
                if !found.contains(&(vectors, tile)) {
                    found.push((vectors, tile));
                }
            }
        }
        found
    }

    /// Ways to cut the sum.
    fn parts(&self) -> Vec<Part> {
        let length: i64 = self.reduced.iter().map(|&var| self.extent(var)).product();
        let mut found = Vec::new();
        if length <= LONG {
            found.push(Part::Whole);
        }
        let first = self.reduced[0];
        if self.reduced.len() > 1 && length / self.extent(first) >= 16 && length > PART {
            found.push(Part::Axis);
        }
        if length > 2 * PART {
            let widest = self.reduced.iter().copied().max_by_key(|&var| self.extent(var)).unwrap_or(first);
            let others = length / self.extent(widest);
            let part = (PART / others).max(4);
            if part < self.extent(widest) {
                found.push(Part::Split(widest, part));
            }
        }
        if found.is_empty() {
            found.push(Part::Whole);
        }
        found
    }

    /// The steps of a choice.
    fn steps(&self, choice: &Choice) -> Vec<Step> {
        let mut steps = Vec::new();
        let vector = one_loop(self.names(&choice.vector), &mut steps);
        let length: i64 = choice.vector.iter().map(|&var| self.extent(var)).product();
        let lanes = self.lanes.min(length.unsigned_abs().next_power_of_two().cast_signed());
        let panels = div_ceil(length, lanes * choice.vectors);
        let tiles = choice.row.map_or(1, |row| div_ceil(self.extent(row), choice.rows));
        // Blocks of the outer one of the two; 0 stands for a block a tile.
        let in_block = |count: i64| if choice.blocks == 0 { 1 } else { div_ceil(count, choice.blocks) };
        let (row_block, vector_block) =
            if choice.blocks_of_rows { (in_block(tiles), 1) } else { (1, in_block(panels)) };
        steps.push(split(&vector, &[vector_block, choice.vectors, lanes]));
        let row = choice.row.map(|row| self.name(row));
        if let Some(row) = &row {
            steps.push(split(row, &[row_block, choice.rows]));
        }
        let (outer_sums, inner_sums) = self.sums(choice.part, &mut steps);
        let rest = self.spatial.iter().filter(|var| !choice.vector.contains(var) && choice.row != Some(**var));
        let mut outer: Vec<_> = rest.map(|&var| self.name(var)).collect();
        let part = |name: &Option<String>, number: usize| {
            name.iter().map(|name| format!("{name}.{number}")).collect::<Vec<_>>()
        };
        let vector = Some(vector);
        let (blocks, panels, within) = if choice.blocks_of_rows {
            (part(&row, 0), part(&vector, 0), [part(&row, 1), part(&vector, 1)])
        } else {
            (part(&vector, 0), part(&row, 0), [part(&vector, 1), part(&row, 1)])
        };
        outer.extend(blocks);
        let ones = self.ones.iter().map(|&var| self.name(var));
        let order: Vec<String> = ones
            .chain(outer.clone())
            .chain(outer_sums.clone())
            .chain(panels.clone())
            .chain(within[1].clone())
            .chain(within[0].clone())
            .chain(inner_sums.clone())
            .chain(part(&row, 2))
            .chain(part(&vector, 2))
            .chain(part(&vector, 3))
            .collect();
        let tile_loop = within[0].first().cloned();
        let mut loops: Vec<_> = order.iter().map(|name| (name.clone(), self.roots(choice, name))).collect();
        steps.push(Step::Reorder { axes: order });
        let block_level = self.threads(choice, outer, &mut loops, &mut steps);
        let sum_level = outer_sums.last().cloned().or(block_level);
        steps.push(Step::Vectorize { axis: part(&vector, 3)[0].clone() });
        steps.push(Step::Unroll { axes: part(&row, 2).into_iter().chain(part(&vector, 2)).collect() });
        let panel_level = panels.last().cloned().or_else(|| sum_level.clone());
        let (row_level, vector_level) =
            if choice.blocks_of_rows { (sum_level, panel_level) } else { (panel_level, sum_level) };
        let rows: Vec<_> = choice.row.into_iter().collect();
        self.copies((&rows, &choice.vector), choice.copies[0], row_level.as_deref(), &loops, &mut steps);
        self.copies((&choice.vector, &rows), choice.copies[1], vector_level.as_deref(), &loops, &mut steps);
        if !outer_sums.is_empty() {
            steps.extend(tile_loop.map(|at| Step::Accumulate { at }));
        }
        steps
    }

    /// The naive axes of which a loop is a part.
    fn roots(&self, choice: &Choice, name: &str) -> Vec<VarId> {
        let is_part = |whole: &str| name == whole || name.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'));
        let vector = joined(&self.names(&choice.vector));
        let all = self.ones.iter().chain(&self.spatial).chain(&self.reduced);
        let single = all.map(|&var| (self.name(var), vec![var]));
        let wholes = single.chain([(vector, choice.vector.clone())]).filter(|(whole, _)| is_part(whole));
        wholes.max_by_key(|(whole, _)| whole.len()).map(|(_, roots)| roots).unwrap_or_default()
    }

    fn names(&self, axes: &[VarId]) -> Vec<String> {
        axes.iter().map(|&var| self.name(var)).collect()
    }

    /// The reduced loops that stay outside, and the others.
    fn sums(&self, part: Part, steps: &mut Vec<Step>) -> (Vec<String>, Vec<String>) {
        let names: Vec<_> = self.reduced.iter().map(|&var| self.name(var)).collect();
        match part {
            Part::Whole => (Vec::new(), names),
            Part::Axis => (names[..1].to_vec(), names[1..].to_vec()),
            Part::Split(var, size) => {
                let name = self.name(var);
                steps.push(split(&name, &[size]));
                let inner = names.into_iter().map(|other| if other == name { format!("{name}.1") } else { other });
                (vec![format!("{name}.0")], inner.collect())
            }
        }
    }

    /// Puts the outer loops on threads; gives the innermost of them.
    fn threads(
        &self,
        choice: &Choice,
        outer: Vec<String>,
        loops: &mut Vec<Loop>,
        steps: &mut Vec<Step>,
    ) -> Option<String> {
        if !choice.threads || outer.is_empty() {
            return outer.last().cloned();
        }
        let (threaded, others): (Vec<_>, Vec<_>) = loops.drain(..).partition(|(name, _)| outer.contains(name));
        let roots = threaded.into_iter().flat_map(|(_, roots)| roots).collect();
        let axis = one_loop(outer, steps);
        *loops = others;
        loops.insert(self.ones.len(), (axis.clone(), roots));
        steps.push(Step::Parallel { axis: axis.clone() });
        Some(axis)
    }

    /// Copies of the operands that depend on some axes and not on others.
    fn copies(
        &self,
        (on, not_on): (&[VarId], &[VarId]),
        place: Place,
        at: Option<&str>,
        loops: &[Loop],
        steps: &mut Vec<Step>,
    ) {
        let at = match place {
            Place::Itself => return,
            Place::Packed => at,
            Place::Whole => None,
        };
        let level = at.and_then(|at| loops.iter().position(|(name, _)| name == at)).map_or(0, |position| position + 1);
        let uses = |access: &Access, vars: &[VarId]| {
            vars.iter().any(|&var| self.nest.vars[var].axis.is_some_and(|axis| access.uses(axis)))
        };
        let mut seen = Vec::new();
        for load in &self.loads {
            if uses(load, on) && !uses(load, not_on) && !seen.contains(&load.tensor) {
                seen.push(load.tensor);
                let depends = |(_, roots): &&Loop| uses(load, roots);
                let inside = loops[level..].iter().filter(depends).map(|(name, _)| name.clone()).collect();
                let is_window = place == Place::Whole && !load.guards.is_empty();
                let layout = if is_window { None } else { Some(inside) };
                let (operand, at) = (load.name.clone(), at.map(str::to_owned));
                steps.push(Step::Stage { operand, at, layout, scope: Scope::Stack });
            }
        }
    }

    /// Lanes along a reduced axis, with private accumulators.
    fn with_reduced_vector(&self, var: VarId, found: &mut Vec<Vec<Step>>) {
        let name = self.name(var);
        let others = self.reduced.iter().copied().filter(|&other| other != var).map(|other| self.name(other));
        let others: Vec<_> = others.collect();
        let most = self.extent(var) / self.lanes;
        let mut rows: Vec<_> = self.spatial.iter().copied().map(Some).collect();
        rows.push(None);
        for row in rows {
            for tile in [1, 2, 4, 8] {
                for vectors in [1, 2, 4] {
                    let fits = vectors <= most && tile * vectors + tile + vectors < self.machine.registers;
                    let is_same = row.is_none_or(|row| self.extent(row) < tile) && tile > 1;
                    if !fits || is_same {
                        continue;
                    }
                    for threads in [false, self.machine.threads > 1] {
                        found.push(self.reduced_steps(&name, &others, row, (tile, vectors), threads));
                    }
                }
            }
        }
    }

    fn reduced_steps(
        &self,
        name: &str,
        others: &[String],
        row: Option<VarId>,
        (tile, vectors): (i64, i64),
        threads: bool,
    ) -> Vec<Step> {
        let mut steps = vec![split(name, &[vectors, self.lanes])];
        let row_name = row.map(|row| self.name(row));
        steps.extend(row_name.iter().map(|row| split(row, &[tile])));
        let lanes = [1, 2].map(|part| format!("{name}.{part}"));
        let mut outer: Vec<_> =
            self.spatial.iter().filter(|&&var| row != Some(var)).map(|&var| self.name(var)).collect();
        outer.extend(row_name.iter().map(|row| format!("{row}.0")));
        let unrolled = row_name.iter().map(|row| format!("{row}.1"));
        let order = self.ones.iter().map(|&var| self.name(var)).chain(outer.clone()).chain(others.iter().cloned());
        let order = order.chain([format!("{name}.0")]).chain(unrolled.clone()).chain(lanes.clone());
        steps.push(Step::Reorder { axes: order.collect() });
        steps.extend(lanes.iter().map(|axis| Step::Rfactor { axis: axis.clone() }));
        if threads && !outer.is_empty() {
            let axis = one_loop(outer, &mut steps);
            steps.push(Step::Parallel { axis });
        }
        steps.push(Step::Vectorize { axis: lanes[1].clone() });
        steps.push(Step::Unroll { axes: unrolled.chain([lanes[0].clone()]).collect() });
        steps
    }
}

fn split(axis: &str, parts: &[i64]) -> Step {
    Step::Split { axis: axis.to_owned(), parts: parts.iter().map(|&part| Some(part)).collect(), tail: Tail::Peel }
}

const fn div_ceil(a: i64, b: i64) -> i64 {
    (a + b - 1) / b
}
