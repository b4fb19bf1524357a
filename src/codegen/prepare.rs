//! The schedule made plain: a kernel with unrolled and vector loops, as instructions will be made from it.
//!
//! - An unrolled loop is written out: its axis is a constant in each copy, and what that decides is decided. A loop
//!   whose copies would be too many stays a loop.
//! - A vector loop stays one where lanes can stand for its iterations: for a power of two from 2 to 64. Others are
//!   unrolled. A temporary that is made in it gets an element for each lane.
//! - Each buffer has one dimension, and each subscript is one simplified offset: `x[q / 8, q % 8]` is `x[q]`. The
//!   offsets in vector loops have their `pattern`s.
//!
//! Legality: copies run in the order of the loop; elements keep their places in memory. A kernel without such loops is
//! left as it is. What goes out is for a backend alone: copies of a loop share its axis, which the verifier would refuse.

use std::collections::{HashMap, HashSet};

use super::pattern::Patterns;
use crate::expr::range::{Domain, Interval};
use crate::expr::simplify::simplify;
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId};
use crate::loops::{Block, BufferKind, For, Kernel, LoopKind, Scope, Stmt};
use crate::scalar::Const;

/// Statements that unrolling may make of one nest.
const MOST_COPIES: i64 = 4096;
/// Lanes of the longest vector loop.
const MOST_LANES: i64 = 64;
/// Bytes of a temporary that is made for each lane.
const MOST_PRIVATE: usize = 16 << 10;

/// Who chooses the vectors of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Vectors {
    /// The backend's compiler, wherever it likes to.
    ByCompiler,
    /// The kernel's schedule: its loops are what they are meant to be.
    ByKernel,
}

/// A kernel to make instructions from.
pub(super) struct Prepared {
    pub(super) kernel: Kernel,
    pub(super) patterns: Patterns,
    /// Who chooses its vectors.
    pub(super) vectors: Vectors,
}

/// Prepares a kernel that verifies.
pub(super) fn prepare(kernel: &Kernel) -> Prepared {
    let mut prepared = Prepared { kernel: kernel.clone(), patterns: Patterns::default(), vectors: Vectors::ByCompiler };
    if !has_schedule(&kernel.body) {
        return prepared;
    }
    let body = std::mem::take(&mut prepared.kernel.body);
    let mut work = Work {
        prepared,
        shapes: kernel.buffers.iter().map(|(_, buffer)| buffer.shape.clone()).collect(),
        constants: HashMap::new(),
        domain: Domain::new(),
        lanes: None,
        private: HashMap::new(),
        unrolls: false,
    };
    let body = work.block(&body);
    let mut prepared = work.prepared;
    for (id, buffer) in prepared.kernel.buffers.iter_mut() {
        let lanes = work.private.get(&id).map_or(1, |&(_, lanes)| lanes);
        buffer.shape = vec![buffer.len() * lanes];
    }
    prepared.kernel.body = body;
    prepared
}

fn has_schedule(block: &[Stmt]) -> bool {
    block.iter().any(|stmt| match stmt {
        Stmt::For(nest) => matches!(nest.kind, LoopKind::Unroll | LoopKind::Vector) || has_schedule(&nest.body),
        Stmt::If { then, otherwise, .. } => has_schedule(then) || has_schedule(otherwise),
        Stmt::Alloc { body, .. } => has_schedule(body),
        Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => false,
    })
}

struct Work {
    prepared: Prepared,
    /// The extents before buffers became flat.
    shapes: Vec<Vec<i64>>,
    /// The values of unrolled axes in the copy that is made.
    constants: HashMap<AxisId, i64>,
    domain: Domain,
    /// The vector loop around, and its extent.
    lanes: Option<(AxisId, i64)>,
    /// Temporaries with an element for each lane.
    private: HashMap<TensorId, (AxisId, i64)>,
    /// Whether a loop around was unrolled; what is in it was counted with it.
    unrolls: bool,
}

impl Work {
    fn block(&mut self, block: &[Stmt]) -> Block {
        let mut result = Block::new();
        for stmt in block {
            self.statement(stmt, &mut result);
        }
        result
    }

    fn statement(&mut self, stmt: &Stmt, result: &mut Block) {
        match stmt {
            Stmt::For(nest) => self.nest(nest, result),
            Stmt::If { cond, then, otherwise } => self.condition(*cond, then, otherwise, result),
            Stmt::Store { buffer, at, value } => {
                let (at, value) = (self.flat(*buffer, at), self.expr(*value));
                result.push(Stmt::Store { buffer: *buffer, at, value });
            }
            Stmt::Reduce { buffer, at, op, value } => {
                let (at, value) = (self.flat(*buffer, at), self.expr(*value));
                result.push(Stmt::Reduce { buffer: *buffer, at, op: *op, value });
            }
            Stmt::Alloc { buffer, body } => {
                if let Some(lanes) = self.lanes {
                    self.private.insert(*buffer, lanes);
                }
                let body = self.block(body);
                result.push(Stmt::Alloc { buffer: *buffer, body });
            }
            // A CPU has neither, and was not asked for them.
            Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => result.push(stmt.clone()),
        }
    }

    fn condition(&mut self, cond: ExprId, then: &[Stmt], otherwise: &[Stmt], result: &mut Block) {
        let cond = self.expr(cond);
        match self.prepared.kernel.pool.as_const(cond).and_then(Const::as_bool) {
            Some(true) => result.extend(self.block(then)),
            Some(false) => result.extend(self.block(otherwise)),
            None => {
                let (then, otherwise) = (self.block(then), self.block(otherwise));
                if !then.is_empty() || !otherwise.is_empty() {
                    result.push(Stmt::If { cond, then, otherwise });
                }
            }
        }
    }

    fn nest(&mut self, nest: &For, result: &mut Block) {
        match nest.kind {
            LoopKind::Vector if self.becomes_lanes(nest) => {
                self.lanes = Some((nest.axis, nest.extent));
                self.prepared.vectors = Vectors::ByKernel;
                self.keep(nest, nest.kind, result);
                self.lanes = None;
            }
            LoopKind::Unroll | LoopKind::Vector if self.unrolls || copies(nest) <= MOST_COPIES => {
                let is_outermost = !std::mem::replace(&mut self.unrolls, true);
                let mut copies = Block::new();
                for value in 0..nest.extent {
                    self.constants.insert(nest.axis, value);
                    copies.extend(self.block(&nest.body));
                }
                self.constants.remove(&nest.axis);
                if is_outermost {
                    self.unrolls = false;
                    // It runs once, but is an unrolled loop still for those who count loops.
                    let once = For { axis: nest.axis, extent: 1, kind: LoopKind::Unroll, body: copies };
                    result.extend((!once.body.is_empty()).then_some(Stmt::For(once)));
                } else {
                    result.extend(copies);
                }
            }
            LoopKind::Unroll | LoopKind::Vector => self.keep(nest, LoopKind::Unroll, result),
            kind => self.keep(nest, kind, result),
        }
    }

    fn becomes_lanes(&self, nest: &For) -> bool {
        let power = nest.extent.count_ones() == 1 && (2..=MOST_LANES).contains(&nest.extent);
        power && self.lanes.is_none() && self.may_be_private(&nest.body, nest.extent as usize)
    }

    /// Whether the temporaries made in a block may be made for each lane.
    fn may_be_private(&self, block: &[Stmt], lanes: usize) -> bool {
        block.iter().all(|stmt| match stmt {
            Stmt::For(nest) => self.may_be_private(&nest.body, lanes),
            Stmt::If { then, otherwise, .. } => {
                self.may_be_private(then, lanes) && self.may_be_private(otherwise, lanes)
            }
            Stmt::Alloc { buffer, body } => {
                let buffer = &self.prepared.kernel.buffers[*buffer];
                let small = buffer.bytes() * lanes <= MOST_PRIVATE;
                buffer.kind != BufferKind::Temp(Scope::Global) && small && self.may_be_private(body, lanes)
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => true,
        })
    }

    fn keep(&mut self, nest: &For, kind: LoopKind, result: &mut Block) {
        self.domain.insert(nest.axis, Interval::extent(nest.extent));
        let body = self.block(&nest.body);
        if !body.is_empty() {
            result.push(Stmt::For(For { axis: nest.axis, extent: nest.extent, kind, body }));
        }
    }

    /// The subscripts of a store as one offset.
    fn flat(&mut self, buffer: TensorId, at: &[ExprId]) -> Vec<ExprId> {
        let at: Vec<_> = at.iter().map(|&at| self.expr(at)).collect();
        let pool = &mut self.prepared.kernel.pool;
        let flat = offset(pool, &self.shapes[crate::arena::Id::index(buffer)], &at, self.private.get(&buffer));
        let flat = simplify(pool, flat, &self.domain);
        self.note(flat);
        vec![flat]
    }

    /// An expression in this copy.
    fn expr(&mut self, id: ExprId) -> ExprId {
        let Self { prepared, shapes, constants, private, domain, .. } = self;
        let pool = &mut prepared.kernel.pool;
        let plain = pool.map(id, &mut |pool, e| match pool.get(e) {
            Expr::Axis(axis) => constants.get(axis).map(|&value| pool.int(value)),
            Expr::Load { tensor, at } => {
                let (tensor, at, dtype) = (*tensor, at.clone(), pool.dtype(e));
                let flat = offset(pool, &shapes[crate::arena::Id::index(tensor)], &at, private.get(&tensor));
                Some(pool.load(tensor, vec![flat], dtype))
            }
            _ => None,
        });
        let plain = simplify(pool, plain, domain);
        if self.lanes.is_some() {
            let mut offsets = HashSet::new();
            let mut ordered = Vec::new();
            self.prepared.kernel.pool.visit(plain, &mut |_, expr| {
                if let Expr::Load { at, .. } = expr
                    && offsets.insert(at[0])
                {
                    ordered.push(at[0]);
                }
            });
            for flat in ordered {
                self.note(flat);
            }
        }
        plain
    }

    fn note(&mut self, flat: ExprId) {
        if let Some(lanes) = self.lanes {
            self.prepared.patterns.add(&mut self.prepared.kernel.pool, lanes, flat, &self.domain);
        }
    }
}

/// The offset of an element: row-major, and the lanes last.
fn offset(pool: &mut Pool, shape: &[i64], at: &[ExprId], private: Option<&(AxisId, i64)>) -> ExprId {
    let mut flat = pool.int(0);
    let lanes = private.map(|&(axis, lanes)| (pool.axis(axis), lanes));
    let all = at.iter().copied().zip(shape.iter().copied()).chain(lanes);
    for (subscript, extent) in all {
        let extent = pool.int(extent);
        let row = pool.mul(flat, extent);
        flat = pool.add(row, subscript);
    }
    flat
}

/// Statements when all unrolled loops of the nest are written out.
fn copies(nest: &For) -> i64 {
    fn block(statements: &[Stmt]) -> i64 {
        let each = |stmt: &Stmt| match stmt {
            Stmt::For(nest) if nest.kind == LoopKind::Unroll => copies(nest),
            Stmt::For(nest) => block(&nest.body),
            Stmt::If { then, otherwise, .. } => block(then).saturating_add(block(otherwise)),
            Stmt::Alloc { body, .. } => block(body),
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => 1,
        };
        statements.iter().map(each).fold(1, i64::saturating_add)
    }
    nest.extent.saturating_mul(block(&nest.body))
}
