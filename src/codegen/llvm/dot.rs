//! Dot products of narrow numbers: where each lane of a vector joins products of neighbours, one instruction joins all.
//!
//! ```text
//! vector for v in 16 { unroll for q in 4 { acc[v] += i32(a[4*k + q]) * i32(b[64*k + 4*v + q]) } }
//!
//! acc = vpdpbusd(acc, splat a[4*k .. 4*k + 4], b[64*k .. 64*k + 64])        a of u8, b of i8
//! ```
//!
//! The copies of the inner loop stand one after another in the block of the vector loop (`prepare` wrote them out). In
//! each of them a factor reads the next element: for all lanes the same, or in each lane its own group of neighbours.
//!
//! - Bytes, four at a time, into `i32`: exact, for their products fit 16 bits, and the sum wraps as `i32` does. The
//!   instruction of most processors takes one factor without and one with a sign. Where both have one, the first is moved
//!   up by 128 (its top bit turned over), and 128 · Σ b goes off again; where neither has one, the second moves down.
//! - `bf16`, two at a time, into `f32`: each product is exact and each sum rounded, as without the instruction, but numbers
//!   smaller than the smallest normal `f32` count as zero.
//!
//! Legality: as the verifier has it, all lanes are inside of the buffers of all the copies. A target without the instruction
//! runs the copies one by one.

use super::body::Body;
use super::ir::Value;
use super::ir_vector::Memory;
use crate::codegen::pattern;
use crate::expr::affine::linear;
use crate::expr::{Expr, ExprId, TensorId};
use crate::loops::Stmt;
use crate::scalar::{DType, Op, ReduceOp};

/// The sums of one vector, and what they are of.
struct Dot {
    buffer: TensorId,
    at: Vec<ExprId>,
    factors: [Factor; 2],
    /// Products that one instruction joins.
    terms: usize,
}

impl Dot {
    /// Whether it can follow another one in a row.
    fn joins(&self, first: &Self) -> bool {
        let tensors = |dot: &Self| dot.factors.map(|factor| factor.tensor);
        (self.buffer, &self.at, tensors(self)) == (first.buffer, &first.at, tensors(first))
    }
}

/// What a factor reads.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Factor {
    tensor: TensorId,
    dtype: DType,
    /// The offset of the element; where lanes differ, of that of the first lane.
    first: ExprId,
    /// Elements from one lane to the next; 0 where all lanes read the same.
    stride: i64,
}

/// How bytes are multiplied.
#[derive(Clone, Copy)]
enum Bytes {
    /// One instruction for these signs.
    Direct(&'static str),
    /// With the top bit of one factor turned over.
    Moved,
}

impl<'ctx> Body<'ctx, '_> {
    /// Emits the dot products into one place with which a block starts; gives their statements, 0 if there are none.
    pub(super) fn dots(&mut self, block: &[Stmt]) -> usize {
        let Some(first) = self.dot_of(block) else { return 0 };
        let (mut dots, mut end) = (vec![first], 0);
        loop {
            end += dots[0].terms;
            match self.dot_of(&block[end..]) {
                Some(next) if next.joins(&dots[0]) => dots.push(next),
                _ => break,
            }
        }
        let Dot { buffer, at, .. } = &dots[0];
        let spot = self.spot(*buffer, at);
        let old = self.read(*buffer, spot, None);
        let groups: Vec<_> = dots.iter().map(|dot| dot.factors.map(|factor| self.groups(factor))).collect();
        let new = match dots[0].factors.map(|factor| factor.dtype) {
            [DType::BF16, _] => self.chain("avx512bf16.dpbf16ps", old, groups),
            [x, y] => self.dots_of_bytes(old, [x, y], groups),
        };
        self.store(*buffer, new, spot, None);
        end
    }

    fn dots_of_bytes(&self, old: Value<'ctx>, [x, y]: [DType; 2], groups: Vec<[Value<'ctx>; 2]>) -> Value<'ctx> {
        let ir = &self.cx.ir;
        match self.bytes(x, y) {
            Some(Bytes::Direct(name)) if (x, y) == (DType::I8, DType::U8) => {
                self.chain(name, old, groups.into_iter().map(|[a, b]| [b, a]))
            }
            Some(Bytes::Direct(name)) => self.chain(name, old, groups),
            _ => {
                // In every byte 128 as a `u8`, -128 as an `i8`.
                let top = ir.int(old, i64::from(0x8080_8080_u32.cast_signed()));
                let (moved, rest): (Vec<_>, Vec<_>) = if x == DType::I8 {
                    groups.into_iter().map(|[a, b]| ([ir.xor(a, top), b], [top, b])).unzip()
                } else {
                    groups.into_iter().map(|[a, b]| ([a, ir.xor(b, top)], [a, top])).unzip()
                };
                let rest = self.chain(UNSIGNED_SIGNED, ir.int(old, 0), rest);
                ir.sub(self.chain(UNSIGNED_SIGNED, old, moved), rest)
            }
        }
    }

    /// One instruction after another, each joining to what the former gave.
    fn chain(&self, name: &str, start: Value<'ctx>, groups: impl IntoIterator<Item = [Value<'ctx>; 2]>) -> Value<'ctx> {
        let name = format!("llvm.x86.{name}.{}", self.lane_bits());
        let one = |sum, [a, b]: [Value<'ctx>; 2]| self.cx.ir.machine_intrinsic(&self.cx.module, &name, &[sum, a, b]);
        groups.into_iter().fold(start, one)
    }

    /// How bytes of these types are multiplied here, if that is worth it.
    fn bytes(&self, x: DType, y: DType) -> Option<Bytes> {
        let facts = &self.cx.facts;
        match (x, y) {
            (DType::U8, DType::I8) | (DType::I8, DType::U8) if facts.vnni => Some(Bytes::Direct(UNSIGNED_SIGNED)),
            (DType::I8, DType::I8) if facts.vnni_signs && self.lane_bits() <= 256 => {
                Some(Bytes::Direct("avx2.vpdpbssd"))
            }
            (DType::U8, DType::U8) if facts.vnni_signs && self.lane_bits() <= 256 => {
                Some(Bytes::Direct("avx2.vpdpbuud"))
            }
            (DType::I8, DType::I8) | (DType::U8, DType::U8) if facts.vnni => Some(Bytes::Moved),
            _ => None,
        }
    }

    /// Bits of the vector of sums.
    fn lane_bits(&self) -> u32 {
        self.lanes.map_or(0, |lanes| lanes.count * 32)
    }

    /// The elements of a factor, those of a lane together in 32 bits.
    fn groups(&mut self, factor: Factor) -> Value<'ctx> {
        let lanes = self.lanes.map_or(1, |lanes| lanes.count);
        let at = self.address(factor.tensor, &[factor.first]);
        let from = Memory { at, element: self.cx.register(DType::I32), align: factor.dtype.bytes() as u32 };
        let name = &self.kernel.buffers[factor.tensor].name;
        if factor.stride > 0 {
            return self.cx.ir.load_lanes(from, lanes, name);
        }
        let group = self.cx.ir.load_lanes(from, 1, name);
        self.cx.ir.splat(self.cx.ir.lane(group, 0), lanes)
    }

    fn dot_of(&self, block: &[Stmt]) -> Option<Dot> {
        let lanes = self.lanes.filter(|lanes| lanes.mask.is_none())?;
        let bits = self.lane_bits();
        if !matches!(bits, 128 | 256 | 512) || bits > self.cx.facts.vector_bits {
            return None;
        }
        let Stmt::Reduce { buffer, at, op: ReduceOp::Sum, value } = block.first()? else { return None };
        let [flat] = at[..] else { return None };
        let pattern = self.patterns.get(lanes.axis, flat)?;
        let factors = self.factors(*value)?;
        let terms = self.terms(factors, self.kernel.buffers[*buffer].dtype)?;
        let follows = |(nth, stmt): (usize, &Stmt)| match stmt {
            Stmt::Reduce { buffer: other, at: there, op: ReduceOp::Sum, value } if other == buffer && there == at => {
                self.factors(*value).is_some_and(|next| self.follow(factors, next, nth as i64))
            }
            _ => false,
        };
        let is_group = |factor: Factor| [0, terms as i64].contains(&factor.stride);
        let all = block.len() >= terms && block[..terms].iter().enumerate().all(follows);
        let fits = factors.iter().any(|factor| factor.stride > 0) && factors.into_iter().all(is_group);
        let is_dense = pattern::stride(&pattern.offsets) == Some(1);
        (all && fits && is_dense).then(|| Dot { buffer: *buffer, at: at.clone(), factors, terms })
    }

    /// How many products of these factors an instruction joins into a sum of this type.
    fn terms(&self, factors: [Factor; 2], sum: DType) -> Option<usize> {
        match (sum, factors.map(|factor| factor.dtype)) {
            (DType::I32, [x, y]) if self.bytes(x, y).is_some() => Some(4),
            (DType::F32, [DType::BF16, DType::BF16]) if self.cx.facts.bf16 && self.cx.facts.masks => Some(2),
            _ => None,
        }
    }

    /// The factors of a product of numbers that were converted for it.
    fn factors(&self, value: ExprId) -> Option<[Factor; 2]> {
        let Expr::Binary(Op::Mul, a, b) = *self.kernel.pool.get(value) else { return None };
        Some([self.factor(a)?, self.factor(b)?])
    }

    fn factor(&self, id: ExprId) -> Option<Factor> {
        let pool = &self.kernel.pool;
        let Expr::Cast(_, inner) = *pool.get(id) else { return None };
        let Expr::Load { tensor, at } = pool.get(inner) else { return None };
        let ([flat], axis) = (&at[..], self.lanes?.axis) else { return None };
        let dtype = pool.dtype(inner);
        let (first, stride) = match self.patterns.get(axis, *flat) {
            Some(pattern) => (pattern.base, pattern::stride(&pattern.offsets)?),
            None if !pool.axes(*flat).contains(&axis) => (*flat, 0),
            None => return None,
        };
        Some(Factor { tensor: *tensor, dtype, first, stride })
    }

    /// Whether factors read the elements so many places further on than the first ones.
    fn follow(&self, first: [Factor; 2], next: [Factor; 2], distance: i64) -> bool {
        let one = |a: Factor, b: Factor| {
            let there = linear(&self.kernel.pool, b.first).sub(&linear(&self.kernel.pool, a.first));
            (a.tensor, a.stride) == (b.tensor, b.stride)
                && there.and_then(|there| there.as_constant()) == Some(distance)
        };
        let [a, b] = first;
        let [x, y] = next;
        (one(a, x) && one(b, y)) || (one(a, y) && one(b, x))
    }
}

const UNSIGNED_SIGNED: &str = "avx512.vpdpbusd";
