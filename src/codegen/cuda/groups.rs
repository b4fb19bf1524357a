//! Tiles of four warps: matrix units take both operands from shared memory, by themselves, and add to sums in registers.
//!
//! ```text
//! tensor for k in 64 { unroll for n in 16 { … acc[n, i, j] += f32(A[…]) * f32(B[…]) } }
//!     ==>   ftc_group_begin();
//!           for (int k = 0; k < 4; ++k) { ftc_group_f16_128<0, 1>(acc, ftc_operand(&A[…], 16), ftc_operand(&B[…], 8192)); }
//!           ftc_group_end();
//!           …
//!           ftc_group_wait_float_128(acc);
//! ```
//!
//! Until sums are used, or threads meet, these do something else: copy what is multiplied next.
//!
//! The units want operands in lines of 128 bytes, as long as all banks: along the sum, one for each row, or across it, one for
//! each term. Where eight lines follow each other, the 16 vectors of each are in another order (`ftc_line`), so that those
//! of one column are in different banks: all accesses to such a buffer do so. Whether copies lie so follows from their
//! subscripts. Neighbouring tiles of columns are one instruction.
//!
//! Only the units of `sm_90` do that. Others load words, as of the tiles of single warps.

use std::fmt::Write;

use crate::expr::{AxisId, TensorId};
use crate::loops::{Kernel, LoopKind, Stmt, visit};
use crate::scalar::DType;

use super::expr::local;
use super::tiles::{How, Operand, Product};
use super::write::Writer;

/// The architecture with these instructions.
const ONLY: u32 = 90;
/// Warps that multiply together.
const WARPS: i64 = 4;
/// Rows of a tile of one warp, half of them.
const ROWS: i64 = 8;
/// Bytes of a line, and of a vector in it.
const LINE: i64 = 128;
const VECTOR: i64 = 16;
/// Columns of an instruction, at most.
const COLUMNS: i64 = 256;
/// The furthest that cores can be apart, in bytes.
const APART: i64 = 1 << 18;

/// How the lines of an operand lie.
#[derive(Clone, Copy, Debug)]
struct Lines {
    how: How,
    /// Bytes from the first line to that which holds the next rows, where lines are across the sum.
    next: i64,
}

/// Sums to which units add by themselves.
pub(super) struct UnderWay {
    sums: TensorId,
    /// The loops of tiles, and how one waits for a tile.
    tiles: Vec<(AxisId, i64, i64)>,
    line: String,
}

impl Writer<'_> {
    /// Whether a launch has tiles of four warps: what threads store is then also for matrix units.
    pub(super) fn has_groups(&mut self, body: &[Stmt]) -> bool {
        self.sm == ONLY
            && body.iter().any(|stmt| match stmt {
                Stmt::For(l) if l.kind == LoopKind::Tensor => {
                    self.product(l).is_some_and(|product| self.lines_of(&product).is_some())
                }
                Stmt::For(l) => self.has_groups(&l.body),
                Stmt::Alloc { body, .. } => self.has_groups(body),
                Stmt::If { then, otherwise, .. } => self.has_groups(then) || self.has_groups(otherwise),
                _ => false,
            })
    }

    /// Writes a product of four warps, if it can be one.
    pub(super) fn group(&mut self, product: &Product<'_>) -> bool {
        let Some(lines) = self.lines_of(product) else { return false };
        let columns = 8 * product.operands[1].tiles.first().map_or(1, |&(_, extent)| extent);
        let name = format!("ftc_group_{}_{columns}", product.dtype.name());
        self.helpers.entry(name.clone()).or_insert_with(|| helper(&name, product.dtype, columns));
        let from: Vec<_> = [0, 1].into_iter().map(|side| self.operand_of(product, side, lines[side])).collect();
        let turned = lines.map(|lines| u8::from(lines.how == How::Across));
        let (buffer, at) = &product.sums;
        let outer = at.len() - 2 - usize::from(columns > 8);
        let place = self.place(*buffer, &at[..outer]);
        let cast = format!("reinterpret_cast<{} (&)[{}][2][2]>({place})", sums_of(product.dtype), columns / 8);
        let sums = if columns > 8 { place } else { cast };
        let line = format!("{name}<{}, {}>({sums}, {});", turned[0], turned[1], from.join(", "));
        let steps = product.extent / product.depth;
        let mut loops: Vec<_> = (steps > 1).then_some((product.terms, steps, 1)).into_iter().collect();
        loops.extend(product.operands[0].tiles.iter().map(|&(axis, extent)| (axis, extent, 1)));
        self.line("ftc_group_begin();");
        self.over(&loops, &mut |this| this.line(&line));
        self.line("ftc_group_end();");
        let wait = format!("ftc_group_wait_{}_{columns}", sums_of(product.dtype));
        self.helpers.entry(wait.clone()).or_insert_with(|| wait_for(&wait, product.dtype, columns));
        let tiles = product.operands[0].tiles.iter().map(|&(axis, extent)| (axis, extent, 1)).collect();
        self.under_way = Some(UnderWay { sums: product.sums.0, tiles, line: format!("{wait}({sums});") });
        true
    }

    /// Waits for what units do by themselves, where a statement must not come before its end: all but what threads do meanwhile
    /// that has nothing to do with these sums.
    pub(super) fn before(&mut self, stmt: &Stmt) {
        if self.under_way.as_ref().is_some_and(|busy| is_of(self.kernel, stmt, busy.sums)) {
            self.catch_up();
        }
    }

    /// Waits for what units do by themselves.
    pub(super) fn catch_up(&mut self) {
        if let Some(UnderWay { tiles, line, .. }) = self.under_way.take() {
            self.over(&tiles, &mut |this| this.line(&line));
        }
    }

    /// How the lines of both operands lie, if that is as an instruction wants it.
    fn lines_of(&mut self, product: &Product<'_>) -> Option<[Lines; 2]> {
        let columns = &product.operands[1].tiles;
        let count = 8 * columns.first().map_or(1, |&(_, extent)| extent);
        // Sums of neighbouring columns are neighbours.
        let (sums, at) = &product.sums;
        let own: Vec<_> = columns.iter().map(|&(axis, _)| axis).chain(product.pair).collect();
        let last: Vec<_> = own.iter().map(|&axis| self.pool.axis(axis)).collect();
        let shape = &self.kernel.buffers[*sums].shape;
        let extents: Vec<_> = columns.iter().map(|&(_, extent)| extent).chain([2, 2]).collect();
        let is_byte = matches!(product.dtype, DType::I8 | DType::U8);
        let is_legal = self.sm == ONLY
            && product.warps == WARPS
            && columns.len() <= 1
            && count <= COLUMNS
            && (!is_byte || count % 16 == 0)
            && at.ends_with(&last)
            && shape.ends_with(&extents);
        if !is_legal {
            return None;
        }
        Some([self.lines_of_side(product, 0)?, self.lines_of_side(product, 1)?])
    }

    fn lines_of_side(&mut self, product: &Product<'_>, side: usize) -> Option<Lines> {
        let operand = product.operands[side].clone();
        if !self.is_in_lines(&operand) {
            return None;
        }
        let bytes = product.dtype.bytes() as i64;
        let line = LINE / bytes;
        let how = self.how(product, side);
        let rows = if side == 0 { 4 * 2 } else { operand.tiles.first().map_or(1, |&(_, extent)| extent) };
        // Rows and terms of the tile, from its first.
        let place = |this: &mut Self, row: i64, term: i64| {
            let (tile, low) = (row / ROWS, this.pool.int(row % ROWS));
            let high = this.pool.int(if side == 0 { tile % 2 } else { 0 });
            let mut values = this.place_of(product, side, high, low).to_vec();
            if side == 0 {
                let thread = this.pool.int(tile / 2 * 32 + row % ROWS * 4);
                values[0].1 = thread;
            } else if let Some(&(axis, _)) = operand.tiles.first() {
                values.push((axis, this.pool.int(tile)));
            }
            values.push((product.terms, this.pool.int(term)));
            this.flat(&operand, &values)
        };
        let first = place(self, 0, 0);
        let apart = |this: &mut Self, row, term| {
            let other = place(this, row, term);
            this.between(other, first)
        };
        let block = apart(self, line, 0).filter(|_| rows * ROWS > line);
        let next = if how == How::Across { block.unwrap_or(0) } else { 0 };
        let (all, steps) = (rows * ROWS, product.extent / product.depth);
        let fits = match how {
            How::Along => {
                (0..all).all(|row| apart(self, row, 0) == Some(row * line))
                    && (0..steps).all(|step| {
                        let start = step * product.depth;
                        let ends = apart(self, 0, start).zip(apart(self, 0, start + product.depth - 1));
                        ends.is_some_and(|(a, b)| b - a == product.depth - 1)
                    })
            }
            How::Across => {
                (0..all).all(|row| apart(self, row, 0) == Some(row / line * next + row % line))
                    && (0..product.extent).all(|term| apart(self, 0, term) == Some(term * line))
            }
            How::Elements => false,
        };
        let next = next * bytes;
        (fits && (0..APART).contains(&next)).then_some(Lines { how, next })
    }

    /// Whether a buffer is made of lines; their vectors then are in another order.
    pub(super) fn is_in_lines(&self, operand: &Operand) -> bool {
        let buffer = &self.kernel.buffers[operand.tensor];
        matches!(buffer.shape.as_slice(), [.., rows, line]
            if rows % ROWS == 0 && line * buffer.dtype.bytes() as i64 == LINE)
    }

    /// Notes the buffers of tiles that are made of lines.
    pub(super) fn find_lines(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::For(l) if l.kind == LoopKind::Tensor => {
                    if let Some(product) = self.product(l) {
                        let in_lines = product.operands.iter().filter(|operand| self.is_in_lines(operand));
                        let found: Vec<_> = in_lines.map(|operand| operand.tensor).collect();
                        self.in_lines.extend(found);
                    }
                }
                Stmt::For(l) => self.find_lines(&l.body),
                Stmt::Alloc { body, .. } => self.find_lines(body),
                Stmt::If { then, otherwise, .. } => {
                    self.find_lines(then);
                    self.find_lines(otherwise);
                }
                _ => {}
            }
        }
    }

    /// Where an operand of all four warps begins, and how far its lines are apart.
    fn operand_of(&mut self, product: &Product<'_>, side: usize, lines: Lines) -> String {
        let zero = self.pool.int(0);
        let first = self.first_term(product);
        let mut values = vec![(product.lane, zero), (product.pair[side], zero), (product.terms, first)];
        if side == 1 {
            values.extend(product.operands[1].tiles.iter().map(|&(axis, _)| (axis, zero)));
        }
        let from = self.element(&product.operands[side], &values);
        format!("ftc_operand(&{from}, {})", lines.next.max(VECTOR))
    }
}

/// Whether a statement has to do with sums, or is one at which threads meet.
fn is_of(kernel: &Kernel, stmt: &Stmt, sums: TensorId) -> bool {
    let mut found = false;
    visit::visit(&mut kernel.pool.clone(), std::slice::from_ref(stmt), &mut |pool, stmt, _| {
        let is_meeting = matches!(stmt, Stmt::Barrier | Stmt::Wait { .. } | Stmt::Combine { .. });
        let is_tensor = matches!(stmt, Stmt::For(l) if l.kind == LoopKind::Tensor);
        let is_written = visit::written(stmt).is_some_and(|(buffer, _)| buffer == sums);
        found |= is_meeting || is_tensor || is_written;
        found |= visit::expressions(stmt).into_iter().any(|root| visit::loads_from(pool, root, |id| id == sums));
    });
    found
}

/// The type of sums.
const fn sums_of(dtype: DType) -> &'static str {
    if dtype.is_float() { local(DType::F32) } else { local(DType::I32) }
}

/// The sums of one instruction as operands of inline assembly.
fn operands(dtype: DType, columns: i64) -> String {
    let letter = if dtype.is_float() { 'f' } else { 'r' };
    let place = |number| format!("\"+{letter}\"(c[{}][{}][{}])", number / 4, number / 2 % 2, number % 2);
    (0..columns / 2).map(place).collect::<Vec<_>>().join(", ")
}

/// The function that waits for instructions; sums are known from then on.
fn wait_for(name: &str, dtype: DType, columns: i64) -> String {
    format!(
        "static __device__ __forceinline__ void {name}({} (&c)[{}][2][2]) {{
  asm volatile(\"wgmma.wait_group.sync.aligned 0;\" : {} :: \"memory\");
}}

",
        sums_of(dtype),
        columns / 8,
        operands(dtype, columns),
    )
}

/// The function for one instruction.
fn helper(name: &str, dtype: DType, columns: i64) -> String {
    let count = columns / 2;
    let (shape, types) = match dtype {
        DType::F16 => ("k16", "f32.f16.f16"),
        DType::BF16 => ("k16", "f32.bf16.bf16"),
        DType::I8 => ("k32", "s32.s8.s8"),
        DType::U8 => ("k32", "s32.u8.u8"),
        _ => ("k8", "f32.tf32.tf32"),
    };
    let registers: Vec<_> = (0..count).map(|number| format!("%{number}")).collect();
    let is_16 = matches!(dtype, DType::F16 | DType::BF16);
    let (a, b) = (count, count + 1);
    let scales = if dtype.is_float() { ", 1, 1" } else { "" };
    let turned = if is_16 { format!(", %{}, %{}", count + 2, count + 3) } else { String::new() };
    let choices = if is_16 { ", \"n\"(A), \"n\"(B)" } else { "" };
    let mut text = String::new();
    let _ = write!(
        text,
        "// 64 rows by {columns} columns; A and B are 1 where an operand lies across the sum.
template <int A, int B>
static __device__ __forceinline__ void {name}({} (&c)[{}][2][2], uint64_t a, uint64_t b) {{
  asm volatile(
      \"{{ .reg .pred p; setp.ne.b32 p, 1, 0;\\n\"
      \"wgmma.mma_async.sync.aligned.m64n{columns}{shape}.{types} {{{}}}, %{a}, %{b}, p{scales}{turned}; }}\"
      : {}
      : \"l\"(a), \"l\"(b){choices});
}}

",
        sums_of(dtype),
        columns / 8,
        registers.join(", "),
        operands(dtype, columns),
    );
    text
}
