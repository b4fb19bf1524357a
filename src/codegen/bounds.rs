//! What every backend asks about the expressions of a kernel before it computes them.
//!
//! - Does it vary: load what the kernel also writes? Then its value may change between two statements.
//! - Is it *total*: may it be computed where a lazy `select` would not have chosen it? Arithmetic never traps, so the
//!   question is about loads alone: each subscript has to be inside its extent for *all* values of the axes,
//!   whatever the conditions around it.
//! - Which integers can it be? Then an addition may be known not to wrap.
//!
//! Takes a kernel that verifies; gives a side table. Nothing here knows a target.

use crate::arena::Id;
use crate::expr::range::{Domain, Interval, Ranges};
use crate::expr::{Expr, ExprId};
use crate::loops::{BufferKind, Kernel, Stmt};
use crate::scalar::Op;

/// Facts about all expressions of a kernel.
#[derive(Clone, Debug)]
pub struct Bounds {
    facts: Vec<Fact>,
}

#[derive(Clone, Copy, Debug)]
struct Fact {
    varies: bool,
    total: bool,
    interval: Interval,
}

impl Bounds {
    /// The facts of `kernel`.
    pub fn of(kernel: &Kernel) -> Self {
        let domain = domain(kernel);
        let mut ranges = Ranges::new(&domain);
        let mut bounds = Self { facts: Vec::with_capacity(kernel.pool.len()) };
        // Children come before their parents in a pool.
        for id in (0..kernel.pool.len()).map(ExprId::new) {
            let interval = ranges.of(&kernel.pool, id).interval;
            let children = kernel.pool.children(id);
            let mut fact = Fact {
                varies: children.iter().any(|&child| bounds.varies(child)),
                total: children.iter().all(|&child| bounds.is_total(child)),
                interval,
            };
            if let Expr::Load { tensor, at } = kernel.pool.get(id) {
                let buffer = &kernel.buffers[*tensor];
                fact.varies |= matches!(buffer.kind, BufferKind::Output | BufferKind::Temp(_));
                fact.total &= at
                    .iter()
                    .zip(&buffer.shape)
                    .all(|(&subscript, &extent)| bounds.interval(subscript).inside(Interval::extent(extent)));
            }
            bounds.facts.push(fact);
        }
        bounds
    }

    /// Whether a store may change the value of the expression.
    pub fn varies(&self, id: ExprId) -> bool {
        self.facts[id.index()].varies
    }

    /// Whether the expression may be computed for any values of the axes.
    pub fn is_total(&self, id: ExprId) -> bool {
        self.facts[id.index()].total
    }

    /// The values of an integer expression.
    pub fn interval(&self, id: ExprId) -> Interval {
        self.facts[id.index()].interval
    }

    /// Whether an integer expression is never negative.
    pub fn is_natural(&self, id: ExprId) -> bool {
        self.interval(id).lo >= 0
    }

    /// Whether `a op b` on integers of this type stays inside it, so that it does not wrap as signed numbers.
    pub fn fits(&self, op: Op, a: ExprId, b: ExprId, whole: Interval) -> bool {
        let (a, b) = (self.interval(a), self.interval(b));
        let corners = [(a.lo, b.lo), (a.lo, b.hi), (a.hi, b.lo), (a.hi, b.hi)];
        corners.into_iter().all(|(x, y)| {
            let (x, y) = (i128::from(x), i128::from(y));
            let value = match op {
                Op::Add => x + y,
                Op::Sub => x - y,
                Op::Mul => x * y,
                _ => return false,
            };
            i128::from(whole.lo) <= value && value <= i128::from(whole.hi)
        })
    }
}

/// The values of the axes of all loops.
pub(super) fn domain(kernel: &Kernel) -> Domain {
    fn go(block: &[Stmt], domain: &mut Domain) {
        for stmt in block {
            match stmt {
                Stmt::For(nest) => {
                    domain.insert(nest.axis, Interval::extent(nest.extent));
                    go(&nest.body, domain);
                }
                Stmt::If { then, otherwise, .. } => {
                    go(then, domain);
                    go(otherwise, domain);
                }
                Stmt::Alloc { body, .. } => go(body, domain),
                Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {
                }
            }
        }
    }
    let mut domain = Domain::new();
    go(&kernel.body, &mut domain);
    domain
}
