//! Simplifies a kernel: the same stores of the same values, with less in the way.
//!
//! ```text
//! for i in 4 {                                        for i in 4 {
//!   for z in 1 {                                        for j in 8 {
//!     for j in 8 {                                        C[i, j] = A[i, j]
//!       if i * 8 + j < 32 {                               if i < j {
//!         C[i + z, j] = A[i, (i * 8 + j) % 8]               C[i, j] += x[j - i]
//!         C[i, j] += 0.0                                  }
//!       }                                               }
//!       if i < j && j < 8 {                           }
//!         C[i, j] += if i <= j { x[j - i] } else { 0.0 }
//!       }
//!     }
//!   }
//! }
//! ```
//!
//! - Expressions become simpler over the values of the axes in scope, and choices in them under the conditions around.
//! - An `if` that is always or never taken becomes its branch; of other conditions, the parts that always hold go.
//! - The axis of a loop that runs once is 0, and its body stands for it (but loops that are bound to a GPU stay).
//! - Joining what is neutral to a reduction goes, and with it loops, branches and temporaries that are left empty.
//!
//! What comes in verifies; what goes out verifies, and takes no more work. Not here: moving anything, or splitting
//! loops so that conditions become decided.

use std::collections::HashMap;

use super::visit::Context;
use super::{Block, For, Kernel, LoopKind, Stmt};
use crate::expr::range::Domain;
use crate::expr::{Expr, ExprId, Pool, prove, simplify as expr};
use crate::scalar::{Const, Op};

/// Choices under more different conditions than this, within one expression, stay as they are.
const MOST_VISITS: usize = 2_000;

/// The simpler kernel.
pub fn simplify(mut kernel: Kernel) -> Kernel {
    let body = std::mem::take(&mut kernel.body);
    kernel.body = block(&mut kernel.pool, body, &mut Context::default());
    kernel
}

fn block(pool: &mut Pool, body: Block, context: &mut Context) -> Block {
    let mut result = Block::new();
    for stmt in body {
        statement(pool, stmt, context, &mut result);
    }
    result
}

/// Appends what is left of a statement.
fn statement(pool: &mut Pool, stmt: Stmt, context: &mut Context, result: &mut Block) {
    match stmt {
        Stmt::For(l) => repetition(pool, l, context, result),
        Stmt::If { cond, then, otherwise } => branch(pool, cond, then, otherwise, context, result),
        Stmt::Store { buffer, at, value } => {
            let at = at.into_iter().map(|at| value_of(pool, at, context)).collect();
            result.push(Stmt::Store { buffer, at, value: value_of(pool, value, context) });
        }
        Stmt::Reduce { buffer, at, op, value } => {
            let value = value_of(pool, value, context);
            if pool.as_const(value) != Some(op.neutral(pool.dtype(value))) {
                let at = at.into_iter().map(|at| value_of(pool, at, context)).collect();
                result.push(Stmt::Reduce { buffer, at, op, value });
            }
        }
        Stmt::Alloc { buffer, body } => {
            let body = context.in_alloc(buffer, |context| block(pool, body, context));
            if !body.is_empty() {
                result.push(Stmt::Alloc { buffer, body });
            }
        }
        Stmt::Combine { buffer, at, op, over } => {
            let at = at.into_iter().map(|at| value_of(pool, at, context)).collect();
            result.push(Stmt::Combine { buffer, at, op, over });
        }
        Stmt::Barrier | Stmt::Wait { .. } => result.push(stmt),
    }
}

fn repetition(pool: &mut Pool, mut l: For, context: &mut Context, result: &mut Block) {
    let body = std::mem::take(&mut l.body);
    let body = context.in_loop(&l, |context| block(pool, body, context));
    let is_bound = matches!(l.kind, LoopKind::Grid(_) | LoopKind::Block(_));
    if l.extent == 1 && !is_bound {
        // Over `0..1` the axis has become 0 in every expression.
        result.extend(body);
    } else if !body.is_empty() {
        result.push(Stmt::For(For { body, ..l }));
    }
}

fn branch(pool: &mut Pool, cond: ExprId, then: Block, otherwise: Block, context: &mut Context, result: &mut Block) {
    let cond = value_of(pool, cond, context);
    let cond = needed(pool, cond, &context.domain(), &steady(pool, context));
    match pool.as_const(cond).and_then(Const::as_bool) {
        Some(true) => return result.extend(block(pool, then, context)),
        Some(false) => return result.extend(block(pool, otherwise, context)),
        None => {}
    }
    let refused = pool.unary(Op::Not, cond);
    let refused = expr::simplify(pool, refused, &context.domain());
    let then = context.under(cond, |context| block(pool, then, context));
    let otherwise = context.under(refused, |context| block(pool, otherwise, context));
    match (then.is_empty(), otherwise.is_empty()) {
        (true, true) => {}
        (true, false) => result.push(Stmt::If { cond: refused, then: otherwise, otherwise: then }),
        (false, _) => result.push(Stmt::If { cond, then, otherwise }),
    }
}

/// The simpler expression under the conditions of `context`.
fn value_of(pool: &mut Pool, id: ExprId, context: &Context) -> ExprId {
    let domain = context.domain();
    let simpler = expr::simplify(pool, id, &domain);
    let mut choices = Choices { domain: &domain, known: HashMap::new() };
    let chosen = choices.decide(pool, simpler, &steady(pool, context));
    if chosen == simpler { simpler } else { expr::simplify(pool, chosen, &domain) }
}

/// The conditions around a statement that no store can have changed since: those that load nothing.
fn steady(pool: &Pool, context: &Context) -> Vec<ExprId> {
    context.facts.iter().copied().filter(|&fact| !pool.has_load(fact)).collect()
}

/// Decides the selects in an expression by the conditions around them.
struct Choices<'a> {
    domain: &'a Domain,
    known: HashMap<(ExprId, Vec<ExprId>), ExprId>,
}

impl Choices<'_> {
    fn decide(&mut self, pool: &mut Pool, id: ExprId, facts: &[ExprId]) -> ExprId {
        let children = pool.children(id);
        if children.is_empty() || self.known.len() >= MOST_VISITS {
            return id;
        }
        let key = (id, facts.to_vec());
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let result = if let Expr::Select { cond, then, otherwise } = *pool.get(id) {
            self.select(pool, [cond, then, otherwise], facts)
        } else {
            let children: Vec<_> = children.into_iter().map(|child| self.decide(pool, child, facts)).collect();
            pool.with_children(id, &children)
        };
        self.known.insert(key, result);
        result
    }

    fn select(&mut self, pool: &mut Pool, [cond, then, otherwise]: [ExprId; 3], facts: &[ExprId]) -> ExprId {
        let cond = self.decide(pool, cond, facts);
        let cond = needed(pool, cond, self.domain, facts);
        match pool.as_const(cond).and_then(Const::as_bool) {
            Some(true) => return self.decide(pool, then, facts),
            Some(false) => return self.decide(pool, otherwise, facts),
            None => {}
        }
        let refused = pool.unary(Op::Not, cond);
        let then = self.decide(pool, then, &[facts, &[cond]].concat());
        let otherwise = self.decide(pool, otherwise, &[facts, &[refused]].concat());
        pool.select(cond, then, otherwise)
    }
}

/// What is left of a condition where `facts` hold: its parts that do not follow from them; `false` if one contradicts
/// them.
fn needed(pool: &mut Pool, cond: ExprId, domain: &Domain, facts: &[ExprId]) -> ExprId {
    if let Expr::Binary(Op::And, a, b) = *pool.get(cond) {
        let (a, b) = (needed(pool, a, domain, facts), needed(pool, b, domain, facts));
        return pool.and(a, b);
    }
    if prove::always(pool, cond, domain, facts).is_proved() {
        return pool.bool(true);
    }
    let refused = pool.unary(Op::Not, cond);
    if prove::always(pool, refused, domain, facts).is_proved() { pool.bool(false) } else { cond }
}
