//! What lies across in memory: stores and loads whose lanes are far apart, while the copies of an unrolled loop are
//! neighbours.
//!
//! ```text
//! unroll for q in 4 { vector for v in 4 { y[v, q] = acc[q, v] } }
//!
//! acc[0]: a0 a1 a2 a3        a0 b0 c0 d0  -> y[0, 0..4]
//! acc[1]: b0 b1 b2 b3   ->   a1 b1 c1 d1  -> y[1, 0..4]
//! acc[2]: c0 c1 c2 c3        a2 b2 c2 d2  -> y[2, 0..4]
//! acc[3]: d0 d1 d2 d3        a3 b3 c3 d3  -> y[3, 0..4]
//! ```
//!
//! The copies stand one after another in a block (`prepare` wrote them out), in whatever order. Columns become rows by
//! zipping vectors, first inside of 16 bytes, which the narrow shuffles of every processor do, then 16 bytes at a time.
//! Legality: no value that is stored loads from that buffer, and no two columns are one; loads are moved only where
//! they are inside their buffer whatever the conditions, and where nothing is stored.

use super::body::Body;
use super::ir::{Ir, Value};
use super::ir_vector::Lane;
use crate::codegen::pattern;
use crate::expr::affine::{Linear, linear};
use crate::expr::{AxisId, Expr, ExprId, TensorId};
use crate::loops::{For, LoopKind, Stmt, visit};
use crate::scalar::DType;

/// Bytes that a processor shuffles at no more than one instruction.
const UNIT: usize = 16;
/// Columns that are worth transposing on the way in: up to here, what lies between is loaded as well.
const LEAST_COLUMNS: usize = 4;

/// Statements that are looked at together.
const MOST_COLUMNS: usize = 256;

/// An access of one copy: a column of the matrix in memory.
struct Column {
    axis: AxisId,
    lanes: u32,
    buffer: TensorId,
    /// Elements between two lanes.
    stride: i64,
    /// The offset of lane 0, and its linear view.
    base: ExprId,
    view: Linear,
    /// What is stored, or the load itself.
    value: ExprId,
    /// Elements between the first column that was found and this one.
    distance: i64,
}

impl Column {
    /// Whether another column is of the same matrix; at which distance.
    fn distance(&self, other: &Self) -> Option<i64> {
        let same =
            (self.axis, self.lanes, self.buffer, self.stride) == (other.axis, other.lanes, other.buffer, other.stride);
        if same { other.view.sub(&self.view)?.as_constant() } else { None }
    }
}

impl<'ctx> Body<'ctx, '_> {
    /// Emits the stores at the start of `block` that are columns of one matrix; says how many statements that were.
    pub(super) fn store_columns(&mut self, block: &[Stmt]) -> usize {
        let mut columns: Vec<Column> = Vec::new();
        for stmt in block.iter().take(MOST_COLUMNS) {
            let Some(mut column) = self.stored_column(stmt) else { break };
            if let Some(first) = columns.first() {
                let Some(distance) = first.distance(&column) else { break };
                column.distance = distance;
            }
            columns.push(column);
        }
        let count = columns.len();
        let runs = runs(columns, |_| usize::MAX);
        if count < 2 || runs.len() == count || has_twins(&runs) {
            return 0;
        }
        for run in &runs {
            for part in run.chunks(run[0].lanes as usize) {
                self.store_rows(part);
            }
        }
        count
    }

    /// The vector loop of a statement, if it is one and does one thing.
    fn single<'s>(&self, stmt: &'s Stmt) -> Option<(AxisId, u32, &'s Stmt)> {
        match stmt {
            Stmt::For(For { axis, extent, kind: LoopKind::Vector, body }) if self.lanes.is_none() => match &body[..] {
                [one] => Some((*axis, *extent as u32, one)),
                _ => None,
            },
            _ => None,
        }
    }

    fn stored_column(&self, stmt: &Stmt) -> Option<Column> {
        let (axis, lanes, Stmt::Store { buffer, at, value }) = self.single(stmt)? else { return None };
        let column = self.column((axis, lanes), *buffer, at, *value)?;
        let reads_back = visit::loads_from(&self.kernel.pool, *value, |tensor| tensor == *buffer);
        (!reads_back).then_some(column)
    }

    fn column(&self, (axis, lanes): (AxisId, u32), buffer: TensorId, at: &[ExprId], value: ExprId) -> Option<Column> {
        let pattern = self.patterns.get(axis, *at.first()?)?;
        let stride = pattern::stride(&pattern.offsets).filter(|stride| stride.abs() > 1)?;
        let (base, view) = (pattern.base, linear(&self.kernel.pool, pattern.base));
        (!self.is_on_stack(buffer)).then_some(Column { axis, lanes, buffer, stride, base, view, value, distance: 0 })
    }

    /// Stores neighbouring columns row by row.
    fn store_rows(&mut self, columns: &[Column]) {
        let first = &columns[0];
        let (buffer, lanes) = (first.buffer, first.lanes);
        let dtype = self.kernel.buffers[buffer].dtype;
        let values: Vec<_> = columns
            .iter()
            .map(|column| {
                let value = self.in_lanes(column.axis, lanes, |body| body.value(column.value));
                let value = self.cx.ir.splat(value, lanes);
                if dtype == DType::Bool { self.cx.ir.zext(value, self.cx.memory(DType::Bool)) } else { value }
            })
            .collect();
        let base = self.address(buffer, &[first.base]);
        for (lane, row) in (0..).zip(rows(&self.cx.ir, &values, dtype.bytes())) {
            let at = self.beside(dtype, base, lane * first.stride);
            self.store_first(dtype, row, columns.len() as u32, at);
        }
        self.memo.forget_varying();
    }

    /// Stores the first `count` lanes.
    fn store_first(&self, dtype: DType, row: Value<'ctx>, count: u32, at: Value<'ctx>) {
        let ir = &self.cx.ir;
        let lanes = row.lanes().expect("a row is a vector");
        if count < lanes && self.cx.facts.masks {
            return ir.store_masked(&self.cx.module, row, self.memory(dtype, at), self.first(count, lanes));
        }
        let mut done = 0;
        while done < count {
            let part = 1 << (count - done).ilog2();
            let at = self.beside(dtype, at, i64::from(done));
            ir.store_lanes(ir.part(row, done, part), self.memory(dtype, at));
            done += part;
        }
    }

    /// The mask of the first `count` lanes.
    fn first(&self, count: u32, lanes: u32) -> Value<'ctx> {
        let mask: Vec<_> = (0..lanes).map(|lane| i64::from(lane < count)).collect();
        self.cx.ir.ints(self.cx.register(DType::Bool), &mask)
    }

    /// Loads what the vector loops at the start of `block` take from columns of matrices, for them to find. Says how
    /// many statements that was done for.
    pub(super) fn load_columns(&mut self, block: &[Stmt]) -> usize {
        let mut columns: Vec<Column> = Vec::new();
        let mut seen = 0;
        for stmt in block.iter().take(MOST_COLUMNS) {
            let Some((axis, lanes, one)) = self.single(stmt) else { break };
            seen += 1;
            for id in visit::expressions(one) {
                self.loaded_columns((axis, lanes), id, &mut columns);
            }
        }
        let has_masks = self.cx.facts.masks;
        let most = |left: usize| if has_masks { left } else { 1 << left.ilog2() };
        for run in runs(columns, most) {
            for part in run.chunks(run[0].lanes as usize) {
                if part.len() >= LEAST_COLUMNS {
                    self.load_rows(part);
                }
            }
        }
        seen.max(1)
    }

    /// Adds the loads of an expression that are columns of the matrix of those before.
    fn loaded_columns(&self, lanes: (AxisId, u32), id: ExprId, columns: &mut Vec<Column>) {
        let kernel = self.kernel;
        kernel.pool.visit(id, &mut |id, expr| {
            let Expr::Load { tensor, at } = expr else { return };
            let may_move = !self.bounds.varies(id) && self.is_inside(*tensor, at) && !self.memo.has(id);
            if may_move
                && let Some(mut column) = self.column(lanes, *tensor, at, id)
                && column.stride.abs() > LEAST_COLUMNS as i64
                && columns.iter().all(|other| other.value != id)
                && let Some(distance) = columns.first().map_or(Some(0), |first| first.distance(&column))
            {
                column.distance = distance;
                columns.push(column);
            }
        });
    }

    /// Loads neighbouring columns row by row.
    fn load_rows(&mut self, columns: &[Column]) {
        let first = &columns[0];
        let (buffer, lanes, count) = (first.buffer, first.lanes, columns.len() as u32);
        let dtype = self.kernel.buffers[buffer].dtype;
        let base = self.address(buffer, &[first.base]);
        let width = count.next_power_of_two();
        let loaded: Vec<_> = (0..i64::from(lanes))
            .map(|lane| {
                let from = self.memory(dtype, self.beside(dtype, base, lane * first.stride));
                let row = if count == width {
                    self.cx.ir.load_lanes(from, width, &self.kernel.buffers[buffer].name)
                } else {
                    self.cx.ir.load_masked(&self.cx.module, from, self.first(count, width))
                };
                let wide: Vec<Lane> = (0..lanes).map(|lane| (lane < width).then_some(lane)).collect();
                if width == lanes { row } else { self.cx.ir.shuffle(row, self.cx.ir.poison(row), &wide) }
            })
            .collect();
        for (column, value) in columns.iter().zip(rows(&self.cx.ir, &loaded, dtype.bytes())) {
            let value = self.in_register(dtype, value);
            self.memo.insert(column.value, value, false);
        }
    }
}

/// Sorts columns into runs of neighbours, none longer than `most` says of those that are left.
fn runs(mut columns: Vec<Column>, most: impl Fn(usize) -> usize) -> Vec<Vec<Column>> {
    columns.sort_by_key(|column| column.distance);
    let mut all: Vec<Vec<Column>> = Vec::new();
    for column in columns {
        match all.last_mut() {
            Some(run) if run.last().is_some_and(|last| last.distance.checked_add(1) == Some(column.distance)) => {
                run.push(column);
            }
            _ => all.push(vec![column]),
        }
    }
    let mut parts = Vec::new();
    for mut run in all {
        while !run.is_empty() {
            let rest = run.split_off(most(run.len()).min(run.len()));
            parts.push(std::mem::replace(&mut run, rest));
        }
    }
    parts
}

/// Whether two columns are the same.
fn has_twins(runs: &[Vec<Column>]) -> bool {
    let distances: Vec<_> = runs.iter().flatten().map(|column| column.distance).collect();
    distances.windows(2).any(|pair| pair[0] == pair[1])
}

/// The rows of a matrix of columns of one length, a power of two no smaller than their number. A row has lanes for as
/// many columns as the next power of two; those without a column hold anything.
fn rows<'ctx>(ir: &Ir<'ctx>, columns: &[Value<'ctx>], element_bytes: usize) -> Vec<Value<'ctx>> {
    let lanes = columns[0].lanes().expect("a column is a vector") as usize;
    let count = columns.len().next_power_of_two();
    let mut all = columns.to_vec();
    all.resize(count, ir.poison(columns[0]));
    // The narrow matrices inside of a unit, for all units at once.
    let unit = (UNIT / element_bytes).min(lanes);
    let narrow = count.min(unit);
    let groups: Vec<_> = all.chunks(narrow).map(|group| zip_all(ir, group, lanes, (1, unit))).collect();
    let wide: Vec<Vec<_>> = (0..narrow)
        .map(|nth| zip_all(ir, &groups.iter().map(|group| group[nth]).collect::<Vec<_>>(), lanes, (unit, lanes)))
        .collect();
    (0..lanes)
        .map(|row| {
            let (own, in_unit) = (row / unit, row % unit);
            // Where the row starts, counted in lanes through the vectors that hold it.
            let start = own * (count / narrow) * unit;
            let inside = in_unit * narrow;
            let vector = wide[inside / unit][start / lanes];
            ir.part(vector, (start % lanes + inside % unit) as u32, count as u32)
        })
        .collect()
}

/// Zips vectors: in each block of `block` lanes, pieces of `piece` lanes of each vector in turn, running on through the
/// same block of all vectors.
fn zip_all<'ctx>(
    ir: &Ir<'ctx>,
    vectors: &[Value<'ctx>],
    lanes: usize,
    (piece, block): (usize, usize),
) -> Vec<Value<'ctx>> {
    let mut all = vectors.to_vec();
    let mut left = vectors.len();
    while left > 1 {
        let half = all.len() / 2;
        all = (0..half)
            .flat_map(|nth| {
                let pair = (all[nth], all[nth + half]);
                [0, block / 2].map(|from| zip(ir, pair, lanes, (piece, block), from))
            })
            .collect();
        left /= 2;
    }
    all
}

/// Pieces of two vectors in turn, from lane `from` of each block on, as many as a block holds.
fn zip<'ctx>(
    ir: &Ir<'ctx>,
    (a, b): (Value<'ctx>, Value<'ctx>),
    lanes: usize,
    (piece, block): (usize, usize),
    from: usize,
) -> Value<'ctx> {
    let chosen: Vec<Lane> = (0..lanes)
        .map(|lane| {
            let (start, inside) = (lane / block * block, lane % block);
            let (nth, rest) = (inside / piece, inside % piece);
            let source = start + from + nth / 2 * piece + rest;
            Some((source + nth % 2 * lanes) as u32)
        })
        .collect();
    ir.shuffle(a, b, &chosen)
}
