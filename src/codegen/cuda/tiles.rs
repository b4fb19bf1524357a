//! Tensor loops: a warp brings tiles of two operands to its threads, and its matrix units multiply them.
//!
//! ```text
//! tensor for k in 16 { unroll for m in 4 { unroll for i in 2 { vector for j in 2 { acc[m, i, j] += f32(A[…]) * f32(B[…]) } } } }
//!     ==>   unsigned ftc_a[4][4], ftc_b[2];
//!           for (int m = 0; m < 4; ++m) { ftc_matrices(ftc_a[m][0], …, &A[…]); }
//!           ftc_matrices(ftc_b[0], ftc_b[1], &B[…]);
//!           for (int m = 0; m < 4; ++m) { ftc_multiply(acc[m][0][0], …, ftc_a[m], ftc_b); }
//! ```
//!
//! Thread `lane = 4 * g + t` has sums of rows `8 * i + g` and of columns `2 * t + j`. What the instruction wants of operands
//! are words of four bytes along the sum: of rows as of sums, but of column `g`, and each word `t` and `t + 4`. So where an
//! element of an operand is follows by putting other values in the place of `lane`, `i`, `j` and `k` in its subscripts.
//!
//! `ldmatrix` loads eight rows of 16 bytes at once, where rows lie along the sum, or turns them, where they lie across it. Where
//! neither is so, words are put together from elements. A loop that has another form than this, or that only some threads of
//! a warp may reach, is written as a loop: it means the same. Four warps with 16 rows each may multiply together: `groups`.

use crate::expr::simplify::simplify;
use crate::expr::{AxisId, Expr, ExprId, TensorId, affine};
use crate::loops::{BufferKind, For, LoopKind, Stmt};
use crate::scalar::{DType, Op, ReduceOp};

use super::flat::offset;
use super::write::{Writer, dims};

/// The first architecture with these instructions.
const SINCE: u32 = 80;
/// Threads of a warp.
const WARP: i64 = 32;
/// Bytes of a word, and of a row of a matrix.
const WORD: i64 = 4;
const ROW: i64 = 16;

/// What a tensor loop multiplies.
pub(super) struct Product<'k> {
    /// The terms.
    pub(super) terms: AxisId,
    /// The number of them, and of those of one instruction.
    pub(super) extent: i64,
    pub(super) depth: i64,
    /// The threads, and the number of their warps.
    pub(super) lane: AxisId,
    pub(super) warps: i64,
    /// The loops of several tiles.
    pub(super) tiles: Vec<&'k For>,
    /// The two rows and the two columns of a thread.
    pub(super) pair: [AxisId; 2],
    /// What sums are, and where.
    pub(super) sums: (TensorId, Vec<ExprId>),
    /// That with the rows, and that with the columns.
    pub(super) operands: [Operand; 2],
    pub(super) dtype: DType,
}

/// One operand.
#[derive(Clone)]
pub(super) struct Operand {
    pub(super) tensor: TensorId,
    pub(super) at: Vec<ExprId>,
    /// The loops of several tiles on which it depends: name and extent.
    pub(super) tiles: Vec<(AxisId, i64)>,
}

/// How words of an operand are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// Rows of matrices along the sum.
    Along,
    /// Across it.
    Across,
    /// Element by element.
    Elements,
}

/// An axis and what stands in its place.
pub(super) type Value = (AxisId, ExprId);

impl Writer<'_> {
    /// Writes a tensor loop, if it is of that form.
    pub(super) fn tiles(&mut self, l: &For) -> bool {
        if self.apart > 0 || self.sm < SINCE {
            return false;
        }
        let Some(product) = self.product(l) else { return false };
        self.line("{");
        self.nested(|this| {
            if !this.group(&product) {
                this.in_steps(&product);
            }
        });
        self.line("}");
        true
    }

    pub(super) fn product<'k>(&mut self, l: &'k For) -> Option<Product<'k>> {
        let threads = *self.threads.iter().find(|at| at.dim == 0 && at.extent % WARP == 0)?;
        let (lane, warps) = (threads.axis, threads.extent / WARP);
        let mut loops = Vec::new();
        let mut body = l.body.as_slice();
        while let [Stmt::For(inner)] = body {
            if !matches!(inner.kind, LoopKind::Unroll | LoopKind::Vector) {
                return None;
            }
            loops.push(inner);
            body = &inner.body;
        }
        let [Stmt::Reduce { buffer, at, op: ReduceOp::Sum, value }] = body else { return None };
        let (second, first) = (loops.pop()?, loops.pop()?);
        if [first, second].iter().any(|pair| pair.extent != 2) {
            return None;
        }
        let Expr::Binary(Op::Mul, x, y) = *self.pool.get(*value) else { return None };
        let dtype = self.pool.dtype(self.narrow(x));
        let sums = self.pool.dtype(*value);
        let depth = terms(dtype, sums)?;
        if self.pool.dtype(self.narrow(y)) != dtype || l.extent % depth != 0 {
            return None;
        }
        let pair = [first.axis, second.axis];
        let [x, y] = [self.operand(x, &loops)?, self.operand(y, &loops)?];
        let operands = if self.is_along(&x, l.axis, pair) { [x, y] } else { [y, x] };
        let fits = self.is_along(&operands[0], l.axis, pair) && self.is_along(&operands[1], l.axis, [pair[1], pair[0]]);
        let is_alone = operands[0].tiles.iter().all(|tile| !operands[1].tiles.contains(tile));
        let sums = (*buffer, at.clone());
        let (terms, extent) = (l.axis, l.extent);
        let product = Product { terms, extent, depth, lane, warps, tiles: loops, pair, sums, operands, dtype };
        let is_by_lane = self.is_by_lane(&product, 0) && self.is_by_lane(&product, 1);
        (fits && is_alone && is_by_lane).then_some(product)
    }

    fn narrow(&self, id: ExprId) -> ExprId {
        if let Expr::Cast(_, inner) = *self.pool.get(id) { inner } else { id }
    }

    fn operand(&self, id: ExprId, tiles: &[&For]) -> Option<Operand> {
        let Expr::Load { tensor, at } = self.pool.get(self.narrow(id)).clone() else { return None };
        if !matches!(self.kernel.buffers[tensor].kind, BufferKind::Temp(scope) if scope.is_shared()) {
            return None;
        }
        let uses = |tile: &&&For| at.iter().any(|&subscript| self.pool.axes(subscript).contains(&tile.axis));
        let tiles = tiles.iter().filter(uses).map(|tile| (tile.axis, tile.extent)).collect();
        Some(Operand { tensor, at, tiles })
    }

    /// Whether an operand goes along the terms and one of the pairs.
    fn is_along(&self, operand: &Operand, terms: AxisId, [own, other]: [AxisId; 2]) -> bool {
        let uses = |axis| operand.at.iter().any(|&subscript| self.pool.axes(subscript).contains(&axis));
        uses(terms) && uses(own) && !uses(other)
    }

    /// Whether threads of the same row, or of the same columns, read the same of an operand.
    fn is_by_lane(&mut self, product: &Product<'_>, side: usize) -> bool {
        let operand = &product.operands[side];
        let threads = product.warps * WARP;
        let mut seen = vec![None; threads as usize];
        (0..threads).all(|lane| {
            let value = self.pool.int(lane);
            let place = self.flat(operand, &[(product.lane, value)]);
            let group = if side == 0 { lane / 4 } else { lane % 4 };
            *seen[group as usize].get_or_insert(place) == place
        })
    }

    /// Where an element of an operand is in its buffer.
    pub(super) fn flat(&mut self, operand: &Operand, values: &[Value]) -> ExprId {
        let at: Vec<_> = operand.at.iter().map(|&subscript| self.with(subscript, values)).collect();
        let shape = self.kernel.buffers[operand.tensor].shape.clone();
        offset(&mut self.pool, &shape, &at, self.domain)
    }

    pub(super) fn with(&mut self, id: ExprId, values: &[Value]) -> ExprId {
        let id = self.pool.substitute(id, &|axis| values.iter().find(|(known, _)| *known == axis).map(|&(_, v)| v));
        simplify(&mut self.pool, id, self.domain)
    }

    /// The values of `lane` and of a pair that stand for row, or column, `8 * high + low`.
    pub(super) fn place_of(&mut self, product: &Product<'_>, side: usize, high: ExprId, low: ExprId) -> [Value; 2] {
        let (lane, pair) = (product.lane, product.pair[side]);
        if side == 0 {
            let four = self.pool.int(4);
            let mut thread = self.pool.mul(low, four);
            if product.warps > 1 {
                // Rows of the warp that the thread belongs to.
                let (own, warp) = (self.pool.axis(lane), self.pool.int(WARP));
                let number = self.pool.binary(Op::Div, own, warp);
                let first = self.pool.mul(number, warp);
                thread = self.pool.add(first, thread);
            }
            return [(lane, thread), (pair, high)];
        }
        let two = self.pool.int(2);
        [(lane, self.pool.binary(Op::Div, low, two)), (pair, self.pool.binary(Op::Mod, low, two))]
    }

    /// `lane / by % count`
    fn digit(&mut self, lane: AxisId, by: i64, count: i64) -> ExprId {
        let (lane, by, count) = (self.pool.axis(lane), self.pool.int(by), self.pool.int(count));
        let high = self.pool.binary(Op::Div, lane, by);
        let digit = self.pool.binary(Op::Mod, high, count);
        simplify(&mut self.pool, digit, self.domain)
    }

    /// How an operand is loaded.
    pub(super) fn how(&mut self, product: &Product<'_>, side: usize) -> How {
        let bytes = product.dtype.bytes() as i64;
        let row = ROW / bytes;
        let operand = &product.operands[side].clone();
        let zero = self.pool.int(0);
        let starts: Vec<_> = (0..product.extent / row).map(|start| self.pool.int(start * row)).collect();
        let along = starts.into_iter().all(|start| {
            let first = self.flat(operand, &[(product.terms, start)]);
            self.is_multiple(first, row)
                && (1..row).all(|step| {
                    let step_here = self.pool.int(step);
                    let at = self.pool.add(start, step_here);
                    let place = self.flat(operand, &[(product.terms, at)]);
                    self.is_apart(place, first, step)
                })
        });
        if along {
            return How::Along;
        }
        let values = self.place_of(product, side, zero, zero);
        let first = self.flat(operand, &values);
        let across = bytes == 2
            && self.is_multiple(first, row)
            && (1..row).all(|step| {
                let low = self.pool.int(step);
                let values = self.place_of(product, side, zero, low);
                let place = self.flat(operand, &values);
                self.is_apart(place, first, step)
            });
        // The other half of the rows is as far from these.
        let high = self.pool.int(1);
        let values = self.place_of(product, side, high, zero);
        let second = self.flat(operand, &values);
        let is_even = side == 1 || self.is_multiple(second, row);
        if across && is_even { How::Across } else { How::Elements }
    }

    fn is_apart(&self, place: ExprId, first: ExprId, step: i64) -> bool {
        self.between(place, first) == Some(step)
    }

    /// How far apart two places are, if that is known.
    pub(super) fn between(&self, place: ExprId, first: ExprId) -> Option<i64> {
        let between = affine::linear(&self.pool, place).sub(&affine::linear(&self.pool, first))?;
        between.terms.is_empty().then_some(between.constant)
    }

    /// Multiplies as many terms at once as an instruction takes.
    fn in_steps(&mut self, product: &Product<'_>) {
        let steps = product.extent / product.depth;
        if steps == 1 {
            return self.multiplied(product);
        }
        self.over(&[(product.terms, steps, 1)], &mut |this| this.multiplied(product));
    }

    /// The number of the term that is the first of a step.
    pub(super) fn first_term(&mut self, product: &Product<'_>) -> ExprId {
        if product.extent == product.depth {
            return self.pool.int(0);
        }
        let (step, depth) = (self.pool.axis(product.terms), self.pool.int(product.depth));
        self.pool.mul(step, depth)
    }

    fn multiplied(&mut self, product: &Product<'_>) {
        let names = ["ftc_a", "ftc_b"];
        for (side, words) in [(0, 4), (1, 2)] {
            let extents: Vec<_> = product.operands[side].tiles.iter().map(|&(_, extent)| extent).collect();
            let dims = dims(&extents);
            self.line(&format!("unsigned {}{dims}[{words}];", names[side]));
        }
        for (side, name) in names.iter().enumerate() {
            self.loaded(product, side, name);
        }
        let index = |this: &Self, side: usize| {
            let axes = product.operands[side].tiles.iter().map(|&(axis, _)| format!("[{}]", this.names.axis(axis)));
            format!("{}{}", names[side], axes.collect::<Vec<_>>().concat())
        };
        let [a, b] = [index(self, 0), index(self, 1)];
        let (sums, at) = &product.sums;
        let places: Vec<_> = [(0, 0), (0, 1), (1, 0), (1, 1)]
            .into_iter()
            .map(|(i, j)| {
                let values = [(product.pair[0], self.pool.int(i)), (product.pair[1], self.pool.int(j))];
                let at: Vec<_> = at.iter().map(|&subscript| self.with(subscript, &values)).collect();
                self.place(*sums, &at)
            })
            .collect();
        let line = format!("ftc_multiply_{}({}, {a}, {b});", product.dtype.name(), places.join(", "));
        let tiles: Vec<_> = product.tiles.iter().map(|tile| (tile.axis, tile.extent, 1)).collect();
        self.over(&tiles, &mut |this| this.line(&line));
    }

    /// Loops that are written out.
    pub(super) fn over(&mut self, tiles: &[(AxisId, i64, i64)], inner: &mut dyn FnMut(&mut Self)) {
        let Some((&(axis, extent, step), rest)) = tiles.split_first() else { return inner(self) };
        let name = self.names.axis(axis).to_owned();
        self.line("#pragma unroll");
        let head = format!("for (int {name} = 0; {name} < {extent}; {name} += {step})");
        self.braces(&head, |this| this.over(rest, inner));
    }

    /// Loads all words of an operand.
    fn loaded(&mut self, product: &Product<'_>, side: usize, name: &str) {
        let operand = product.operands[side].clone();
        let how = self.how(product, side);
        let mut tiles: Vec<_> = operand.tiles.iter().map(|&(axis, extent)| (axis, extent, 1)).collect();
        let index: Vec<_> = operand.tiles.iter().map(|&(axis, _)| self.names.axis(axis).to_owned()).collect();
        // Two neighbouring columns of tiles fit into one instruction.
        let twice = side == 1 && how != How::Elements && tiles.last().is_some_and(|(_, extent, _)| extent % 2 == 0);
        if twice && let Some(last) = tiles.last_mut() {
            last.2 = 2;
        }
        let word = |tile: usize, number: usize| {
            let at = index.iter().enumerate().map(|(place, axis)| {
                if tile > 0 && place + 1 == index.len() { format!("[{axis} + {tile}]") } else { format!("[{axis}]") }
            });
            format!("{name}{}[{number}]", at.collect::<Vec<_>>().concat())
        };
        let words: Vec<_> = match (side, twice) {
            (0, _) => (0..4).map(|number| word(0, number)).collect(),
            (_, true) => [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().map(|(t, n)| word(t, n)).collect(),
            _ => (0..2).map(|number| word(0, number)).collect(),
        };
        let mut lines = Vec::new();
        if how == How::Elements {
            for (number, word) in words.iter().enumerate() {
                let elements = self.elements(product, side, number);
                lines.push(format!("{word} = ftc_word({});", elements.join(", ")));
            }
        } else {
            let turned = if how == How::Across { "ftc_turned_matrices" } else { "ftc_matrices" };
            let from = self.row(product, side, how, twice);
            lines.push(format!("{turned}({}, &{from});", words.join(", ")));
        }
        if product.dtype == DType::F32 {
            lines.extend(words.iter().map(|word| format!("{word} = ftc_tf32({word});")));
        }
        self.over(&tiles, &mut |this| lines.iter().for_each(|line| this.line(line)));
    }

    /// The row of a matrix that a thread names: the first eight threads name those of the first matrix, and so on.
    fn row(&mut self, product: &Product<'_>, side: usize, how: How, twice: bool) -> String {
        let lane = product.lane;
        let [low, second, third] = [(1, 8), (8, 2), (16, 2)].map(|(by, count)| self.digit(lane, by, count));
        // Words of rows: the upper half of the rows, then the terms; of columns: the terms, then the next tile.
        let (high, half) = if side == 0 { (second, third) } else { (self.pool.int(0), second) };
        let zero = self.pool.int(0);
        let row = self.pool.int(ROW / product.dtype.bytes() as i64);
        let mut term = self.pool.mul(half, row);
        let place = if how == How::Across {
            term = self.pool.add(term, low);
            self.place_of(product, side, high, zero)
        } else {
            self.place_of(product, side, high, low)
        };
        let first = self.first_term(product);
        let term = self.pool.add(first, term);
        let mut values = place.to_vec();
        values.push((product.terms, term));
        if twice && let Some(&(axis, _)) = product.operands[side].tiles.last() {
            let here = self.pool.axis(axis);
            values.push((axis, self.pool.add(here, third)));
        }
        self.element(&product.operands[side], &values)
    }

    /// The elements of a word.
    fn elements(&mut self, product: &Product<'_>, side: usize, number: usize) -> Vec<String> {
        let count = WORD / product.dtype.bytes() as i64;
        let (high, half) = if side == 0 { (number % 2, number / 2) } else { (0, number) };
        let group = self.digit(product.lane, 4, 8);
        let place = {
            let high = self.pool.int(high as i64);
            self.place_of(product, side, high, group)
        };
        let first = self.digit(product.lane, 1, 4);
        let elements = (0..count).map(|element| {
            let (words, per_word) = (self.pool.int(4 * half as i64), self.pool.int(count));
            let word = self.pool.add(first, words);
            let start = self.pool.mul(word, per_word);
            let element = self.pool.int(element);
            let term = self.pool.add(start, element);
            let base = self.first_term(product);
            let term = self.pool.add(base, term);
            let values = [place[0], place[1], (product.terms, term)];
            self.element(&product.operands[side], &values)
        });
        elements.collect()
    }

    pub(super) fn element(&mut self, operand: &Operand, values: &[Value]) -> String {
        let at: Vec<_> = operand.at.iter().map(|&subscript| self.with(subscript, values)).collect();
        self.place(operand.tensor, &at)
    }
}

/// Terms that one instruction joins.
const fn terms(dtype: DType, sums: DType) -> Option<i64> {
    match (dtype, sums) {
        (DType::F16 | DType::BF16, DType::F32) => Some(16),
        (DType::I8 | DType::U8, DType::I32) => Some(32),
        (DType::F32, DType::F32) => Some(8),
        _ => None,
    }
}
