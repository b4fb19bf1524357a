//! Where a name of the loops comes from: the place in a formula that introduces an index or a tensor.
//!
//! Loops have the names of indices, with the name of their tensor before them where several stages use one (`y.n`), and
//! with numbers behind them where a schedule split them (`k.1`). Of those that a call brought in, the call's result is known.

use crate::source::Span;
use crate::syntax::ast::{ExprKind, Function, Ident, Index, ReduceIndex, Stmt, StmtKind};

use super::walk;

/// The place of the index that an axis is or was split from, and what is to be said there.
pub(super) fn of_axis(function: &Function, axis: &str) -> Option<(Span, String)> {
    let mut parts = axis.split('.');
    let (first, second) = (parts.next()?, parts.next());
    let of_owner = second.and_then(|index| {
        let own = |is_own: &dyn Fn(&str) -> bool| {
            let mut stmts = function.body.iter().filter(|stmt| target(stmt).is_some_and(|target| is_own(&target.name)));
            stmts.find_map(|stmt| in_stmt(stmt, index))
        };
        // A reduction in the middle of the formula of `C` is a stage `C_sum` of its own.
        let is_inner = |name: &str| first.strip_prefix(name).is_some_and(|rest| rest.starts_with('_'));
        own(&|name| name == first).or_else(|| own(&is_inner))
    });
    of_owner.or_else(|| function.body.iter().find_map(|stmt| in_stmt(stmt, first))).or_else(|| of_call(function, axis))
}

/// An axis `y.r` of `let y = f(x)`.
fn of_call(function: &Function, axis: &str) -> Option<(Span, String)> {
    let (owner, index) = axis.split_once('.')?;
    let mut whole = function.body.iter().filter_map(|stmt| match &stmt.kind {
        StmtKind::Whole { targets, .. } => targets.iter().find(|target| target.name == owner),
        StmtKind::Element { .. } | StmtKind::Error => None,
    });
    let target = whole.next()?;
    Some((target.span, format!("`{index}` is an index of what gives `{owner}` here")))
}

/// The place of a tensor's definition, and what is to be said there.
pub(super) fn of_tensor(function: &Function, tensor: &str) -> Option<(Span, String)> {
    let is_it = |name: &Ident| name.name == tensor;
    let said = |name: &Ident, what: &str| (name.span, format!("`{tensor}` is {what} here"));
    if let Some(param) = function.params.iter().find(|param| is_it(&param.name)) {
        return Some(said(&param.name, "an argument"));
    }
    let defined = function.body.iter().find_map(|stmt| match &stmt.kind {
        StmtKind::Element { target, .. } => Some(target).filter(|name| is_it(name)),
        StmtKind::Whole { targets, .. } => targets.iter().find(|name| is_it(name)),
        StmtKind::Error => None,
    });
    defined.map(|name| said(name, "defined"))
}

fn target(stmt: &Stmt) -> Option<&Ident> {
    if let StmtKind::Element { target, .. } = &stmt.kind { Some(target) } else { None }
}

fn in_stmt(stmt: &Stmt, index: &str) -> Option<(Span, String)> {
    let StmtKind::Element { target, indices, value, .. } = &stmt.kind else { return None };
    let mut found = None;
    for expr in indices.iter().filter_map(|at| if let Index::At { expr, .. } = at { Some(expr) } else { None }) {
        walk::each(expr, &mut |e| {
            if matches!(&e.kind, ExprKind::Name(name) if name == index) && found.is_none() {
                found = Some((e.span, format!("`{index}` runs over `{}` here", target.name)));
            }
        });
    }
    walk::each(value, &mut |e| {
        let ExprKind::Reduce { indices, .. } = &e.kind else { return };
        for reduced in indices {
            if let ReduceIndex::One { name, .. } = reduced
                && name.name == index
                && found.is_none()
            {
                found = Some((name.span, format!("`{index}` is reduced here")));
            }
        }
    });
    found
}
