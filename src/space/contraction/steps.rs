//! A choice as steps of a schedule.

use super::Contraction;
use super::choice::{Choice, Copied, Cut, EVERY, Rest, Side};
use super::tile::{Outer, Plane};
use crate::loops::Scope;
use crate::schedule::step::Tail;
use crate::schedule::{Place, Step};
use crate::space::{div_ceil, one_loop};

/// A loop, and the axes of which it is a part.
#[derive(Clone, Debug)]
struct Loop {
    name: String,
    axes: Vec<usize>,
}

/// The loops of a nest by what they do, each list from the outside in.
struct Loops {
    ones: Vec<Loop>,
    /// Those that may run on threads.
    outer: Vec<Loop>,
    /// Parts of the sum that are joined outside of tiles.
    outer_sums: Vec<Loop>,
    panels: Vec<Loop>,
    /// Tiles of a panel, then those of a block.
    tiles: Vec<Loop>,
    inner_sums: Vec<Loop>,
    /// What is written out, and the lanes last.
    body: Vec<Loop>,
    /// Terms of the sum inside of the lanes, which one instruction joins.
    dot: Vec<Loop>,
}

impl Contraction {
    /// Lanes are results.
    pub(super) fn spatial_steps(&self, vector: &[usize], choice: &Choice) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut loops = self.loops(vector, choice, &mut steps);
        let all = loops.all();
        steps.push(Step::Reorder { axes: all.into_iter().map(|l| l.name.clone()).collect() });
        if choice.threads {
            let names = loops.outer.iter().map(|l| l.name.clone()).collect();
            let axes = loops.outer.iter().flat_map(|l| l.axes.clone()).collect();
            let axis = one_loop(names, &mut steps);
            steps.push(Step::Parallel { axis: axis.clone() });
            loops.outer = vec![Loop { name: axis, axes }];
        }
        let (lane, written_out) = loops.body.split_last().expect("there are lanes");
        steps.push(Step::Vectorize { axis: lane.name.clone() });
        steps.push(Step::Unroll { axes: written_out.iter().chain(&loops.dot).map(|l| l.name.clone()).collect() });
        for ((operand, _), &copied) in self.copies.iter().zip(&choice.copies) {
            steps.extend(self.copy(*operand, copied, choice, &loops));
        }
        if !loops.outer_sums.is_empty() {
            steps.extend(loops.tiles.last().map(|tile| Step::Accumulate { at: tile.name.clone() }));
        }
        steps
    }

    /// Splits what the choice splits.
    fn loops(&self, vector: &[usize], choice: &Choice, steps: &mut Vec<Step>) -> Loops {
        let facts = &self.facts;
        let row = &self.rows[choice.row];
        let length = facts.length(vector);
        let lanes = self.lanes.min(length.unsigned_abs().next_power_of_two().cast_signed());
        let row_tiles = div_ceil(facts.length(row), choice.rows);
        let vector_tiles = div_ceil(length, lanes * choice.vectors);
        let (row_part, vector_part) = match choice.blocks_of {
            Side::Rows => (choice.tiles_in_block(row_tiles), choice.panel),
            Side::Vectors => (choice.panel, choice.tiles_in_block(vector_tiles)),
        };
        let vectors = parts(facts.names(vector), vector, &[vector_part, choice.vectors, lanes], steps);
        let rows = match &row[..] {
            [] => Vec::new(),
            row => parts(facts.names(row), row, &[row_part, choice.rows], steps),
        };
        let (outer_sums, inner_sums, mut written_out) = self.sums(choice, steps);
        let dot = if self.is_dot(choice) { std::mem::take(&mut written_out) } else { Vec::new() };
        let at = |part: usize| (rows.get(part).cloned(), vectors.get(part).cloned());
        let [(row_0, vector_0), (row_1, vector_1), (row_2, vector_2)] = [0, 1, 2].map(at);
        let (block, panel, panel_tile, block_tile) = match choice.blocks_of {
            Side::Rows => (row_0, vector_0, vector_1, row_1),
            Side::Vectors => (vector_0, row_0, row_1, vector_1),
        };
        let (rest, plane) = self.around(vector, row, choice, steps);
        let sides = match self.outer_side(choice).0 {
            Outer::Planes => [plane, row_2],
            Outer::Rows => [row_2, plane],
        };
        let block: Vec<_> = block.into_iter().collect();
        let (outer, within) = match choice.rest {
            Rest::Outside => ([rest, block].concat(), Vec::new()),
            Rest::Inside => ([block, rest].concat(), Vec::new()),
            Rest::Within => (block, rest),
        };
        Loops {
            ones: facts.ones.iter().map(|&axis| self.whole(axis)).collect(),
            outer,
            outer_sums,
            panels: within.into_iter().chain(panel).collect(),
            tiles: panel_tile.into_iter().chain(block_tile).collect(),
            inner_sums,
            dot,
            body: written_out
                .into_iter()
                .chain(sides.into_iter().flatten())
                .chain(vector_2)
                .chain(vectors.get(3).cloned())
                .collect(),
        }
    }

    /// The loops of axes that are neither vector nor row, and that of the planes.
    fn around(
        &self,
        vector: &[usize],
        row: &[usize],
        choice: &Choice,
        steps: &mut Vec<Step>,
    ) -> (Vec<Loop>, Option<Loop>) {
        let mut rest: Vec<_> = self.rest(vector, row).into_iter().map(|axis| self.whole(axis)).collect();
        let Some(Plane { axis, count }) = self.planes[choice.plane] else { return (rest, None) };
        let at = rest.iter().position(|l| l.axes == [axis]).expect("planes are of the rest");
        if count == self.facts.axes[axis].extent {
            let plane = rest.remove(at);
            return (rest, Some(plane));
        }
        let [outer, inner] = <[Loop; 2]>::try_from(parts(vec![rest[at].name.clone()], &[axis], &[count], steps))
            .expect("one size makes two parts");
        rest[at] = outer;
        (rest, Some(inner))
    }

    fn whole(&self, axis: usize) -> Loop {
        Loop { name: self.facts.axes[axis].name.clone(), axes: vec![axis] }
    }

    /// The parts of the sum that stay outside, those around the tile, and those that are written out.
    fn sums(&self, choice: &Choice, steps: &mut Vec<Step>) -> (Vec<Loop>, Vec<Loop>, Vec<Loop>) {
        let (inner, groups) = (self.inner[choice.inner], self.dots(choice));
        let (mut outside, mut around, mut written_out) = (Vec::new(), Vec::new(), Vec::new());
        let order = self.facts.reduced.iter().copied().filter(|&axis| axis != inner).chain([inner]);
        for axis in order {
            let name = self.facts.axes[axis].name.clone();
            let mut sizes = Vec::new();
            let cut = self.cuts[choice.cut];
            if let Cut::Split(cut, part) = cut
                && cut == axis
            {
                sizes.push(part);
            }
            let is_unrolled = choice.unroll == EVERY || axis == inner && choice.unroll != 1;
            if axis == inner && choice.unroll > 1 {
                let whole = sizes.pop();
                sizes.extend(whole.map(|whole| whole / choice.unroll / groups));
                sizes.extend((groups > 1).then_some(groups));
                sizes.push(choice.unroll);
            }
            let mut pieces =
                if sizes.is_empty() { vec![self.whole(axis)] } else { parts(vec![name], &[axis], &sizes, steps) };
            match cut {
                Cut::Axis(cut) if cut == axis => outside.append(&mut pieces),
                Cut::Split(cut, _) if cut == axis => outside.push(pieces.remove(0)),
                _ => {}
            }
            if is_unrolled {
                written_out.extend(pieces.split_off(pieces.len() - if groups > 1 { 2 } else { 1 }));
            }
            around.append(&mut pieces);
        }
        (outside, around, written_out)
    }

    /// The copy of an operand.
    fn copy(&self, operand: usize, copied: Copied, choice: &Choice, loops: &Loops) -> Option<Step> {
        if copied == Copied::No {
            return None;
        }
        let load = &self.facts.loads[operand];
        let at = copied.is_near().then(|| self.near(operand, choice, loops)).flatten();
        let all = loops.all();
        let level = at.and_then(|at| all.iter().position(|l| l.name == at.name)).map_or(0, |position| position + 1);
        let mut inside: Vec<_> =
            all[level..].iter().filter(|l| load.uses_any(&l.axes)).map(|l| l.name.clone()).collect();
        if let ([_, terms], Some(lane)) = (&loops.dot[..], loops.body.last())
            && let Some(at) = inside.iter().position(|name| *name == lane.name)
            && inside.last() == Some(&terms.name)
        {
            // The terms of one instruction are next to each other in each lane, the instructions in a row are not.
            let lane = inside.remove(at);
            inside.insert(inside.len() - 1, lane);
        }
        let layout = if copied.is_box() { None } else { Some(inside) };
        let place = match (at, all.first()) {
            (Some(at), _) => Some(Place::Inside(at.name.clone())),
            (None, Some(first)) if load.is_shared && copied.is_box() => Some(Place::Before(first.name.clone())),
            _ => None,
        };
        Some(Step::Stage { operand: load.name.clone(), place, layout, scope: Scope::Stack })
    }

    /// The loop inside of which a copy of an operand is small and yet used by several tiles.
    fn near<'a>(&self, operand: usize, choice: &Choice, loops: &'a Loops) -> Option<&'a Loop> {
        let block = loops.outer_sums.last().or(loops.outer.last());
        if self.is_of_block(operand, choice) { block } else { loops.panels.last().or(block) }
    }

    /// Lanes are terms of sums, with private accumulators.
    pub(super) fn reduced_steps(&self, axis: usize, choice: &Choice) -> Vec<Step> {
        let facts = &self.facts;
        let name = &facts.axes[axis].name;
        let mut steps = vec![split(name, &[choice.vectors, self.lanes])];
        let row = self.rows[choice.row].first().map(|&row| facts.axes[row].name.clone());
        steps.extend(row.iter().map(|row| split(row, &[choice.rows])));
        let rest = self.rest(&[], &self.rows[choice.row]);
        let mut outer = facts.names(&rest);
        outer.extend(row.iter().map(|row| format!("{row}.0")));
        let lanes = [1, 2].map(|part| format!("{name}.{part}"));
        let written_out = row.iter().map(|row| format!("{row}.1"));
        let sums = facts.reduced.iter().filter(|&&other| other != axis).map(|&other| facts.axes[other].name.clone());
        let order = facts.names(&facts.ones).into_iter().chain(outer.clone()).chain(sums);
        let order = order.chain([format!("{name}.0")]).chain(written_out.clone()).chain(lanes.clone());
        steps.push(Step::Reorder { axes: order.collect() });
        steps.extend(lanes.iter().map(|axis| Step::Rfactor { axis: axis.clone() }));
        if choice.threads {
            let axis = one_loop(outer, &mut steps);
            steps.push(Step::Parallel { axis });
        }
        steps.push(Step::Vectorize { axis: lanes[1].clone() });
        steps.push(Step::Unroll { axes: written_out.chain([lanes[0].clone()]).collect() });
        steps
    }
}

impl Loops {
    fn all(&self) -> Vec<&Loop> {
        let before = self.ones.iter().chain(&self.outer).chain(&self.outer_sums).chain(&self.panels);
        before.chain(&self.tiles).chain(&self.inner_sums).chain(&self.body).chain(&self.dot).collect()
    }
}

/// Axes as one, split.
fn parts(names: Vec<String>, axes: &[usize], sizes: &[i64], steps: &mut Vec<Step>) -> Vec<Loop> {
    let name = one_loop(names, steps);
    steps.push(split(&name, sizes));
    (0..=sizes.len()).map(|part| Loop { name: format!("{name}.{part}"), axes: axes.to_vec() }).collect()
}

fn split(axis: &str, parts: &[i64]) -> Step {
    Step::Split { axis: axis.to_owned(), parts: parts.iter().map(|&part| Some(part)).collect(), tail: Tail::Peel }
}
