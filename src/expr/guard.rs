//! Walks an expression with the conditions under which each part is evaluated. Not here: what follows from them
//! (`prove`).

use std::collections::HashSet;

use super::facts::negate;
use super::{Expr, ExprId, Pool};

/// Beyond so many visits the walk gives up telling paths apart.
const MAX_VISITS: usize = 20_000;

/// Calls `f(pool, e, facts)` for every expression `e` under `root`, parents first: `facts` are the conditions of the
/// selects around `e`, outermost first, the negated condition in an `else` branch. They hold wherever `e` is evaluated
/// on this path. A part that is reached under different conditions is visited once for each.
///
/// Where there are very many paths, the rest is visited once, with no facts: fewer facts are always sound.
pub fn visit_guarded(pool: &mut Pool, root: ExprId, f: &mut dyn FnMut(&mut Pool, ExprId, &[ExprId])) {
    visit_guarded_from(pool, root, &[], f);
}

/// As [`visit_guarded`], under conditions that hold outside `root` already.
pub fn visit_guarded_from(
    pool: &mut Pool,
    root: ExprId,
    outer: &[ExprId],
    f: &mut dyn FnMut(&mut Pool, ExprId, &[ExprId]),
) {
    let mut walk = Walk { f, seen: HashSet::new(), plain: HashSet::new(), outer };
    walk.go(pool, root, &mut outer.to_vec());
}

struct Walk<'a> {
    f: &'a mut dyn FnMut(&mut Pool, ExprId, &[ExprId]),
    seen: HashSet<(ExprId, Vec<ExprId>)>,
    plain: HashSet<ExprId>,
    outer: &'a [ExprId],
}

impl Walk<'_> {
    fn go(&mut self, pool: &mut Pool, id: ExprId, facts: &mut Vec<ExprId>) {
        if self.seen.len() >= MAX_VISITS {
            return self.rest(pool, id);
        }
        if !self.seen.insert((id, facts.clone())) {
            return;
        }
        (self.f)(pool, id, facts);
        if let Expr::Select { cond, then, otherwise } = *pool.get(id) {
            self.go(pool, cond, facts);
            self.under(pool, cond, then, facts);
            let negated = negate(pool, cond);
            self.under(pool, negated, otherwise, facts);
        } else {
            for child in pool.children(id) {
                self.go(pool, child, facts);
            }
        }
    }

    fn under(&mut self, pool: &mut Pool, cond: ExprId, id: ExprId, facts: &mut Vec<ExprId>) {
        if facts.contains(&cond) {
            return self.go(pool, id, facts);
        }
        facts.push(cond);
        self.go(pool, id, facts);
        facts.pop();
    }

    fn rest(&mut self, pool: &mut Pool, id: ExprId) {
        if self.plain.insert(id) {
            (self.f)(pool, id, self.outer);
            for child in pool.children(id) {
                self.rest(pool, child);
            }
        }
    }
}
