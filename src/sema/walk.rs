//! Walks over the syntax tree that need no meaning: which names occur where.

use crate::syntax::ast::{self, Expr, ExprKind, Ident, Index, StmtKind, Subscript};

/// Calls `visit` for every expression under `expr`, itself included.
pub(super) fn each<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    for child in children(expr) {
        each(child, visit);
    }
}

/// The direct children.
pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Int(_) | ExprKind::Float(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Error => Vec::new(),
        ExprKind::Unary(_, a) | ExprKind::Lambda { body: a, .. } => vec![a],
        ExprKind::Binary(_, a, b) | ExprKind::Range(a, b) => vec![a, b],
        ExprKind::If { cond, then, otherwise } => vec![cond, then, otherwise],
        ExprKind::Block { lets, result } => lets.iter().map(|local| &local.value).chain([&**result]).collect(),
        ExprKind::Read { at, otherwise, .. } => {
            let subscripts = at.iter().filter_map(|s| if let Subscript::At(e) = s { Some(e) } else { None });
            subscripts.chain(otherwise.as_deref()).collect()
        }
        ExprKind::Reduce { indices, body, .. } => {
            let ranges = indices.iter().filter_map(|index| match index {
                ast::ReduceIndex::One { range, .. } => range.as_ref(),
                ast::ReduceIndex::Spread(_) => None,
            });
            ranges.chain([&**body]).collect()
        }
        ExprKind::Call { args, .. } => args.iter().map(|arg| &arg.value).collect(),
        ExprKind::Array(items) => items.iter().collect(),
    }
}

/// The expressions of a statement.
pub(super) fn of_stmt(stmt: &ast::Stmt) -> Vec<&Expr> {
    match &stmt.kind {
        StmtKind::Element { indices, value, .. } => {
            let mut exprs = Vec::new();
            for index in indices {
                if let Index::At { expr, range } = index {
                    exprs.push(expr);
                    exprs.extend(range);
                }
            }
            exprs.push(value);
            exprs
        }
        StmtKind::Whole { value, .. } => vec![value],
        StmtKind::Error => Vec::new(),
    }
}

/// The names that a body calls, in order.
pub(super) fn called_names(body: &[ast::Stmt]) -> Vec<&Ident> {
    let mut names = Vec::new();
    for expr in body.iter().flat_map(of_stmt) {
        each(expr, &mut |e| {
            if let ExprKind::Call { callee, .. } = &e.kind {
                names.push(callee);
            }
        });
    }
    names
}

/// The names that statements introduce by `let`, in order.
pub(super) fn defined_names(body: &[ast::Stmt]) -> Vec<Ident> {
    let mut names = Vec::new();
    for stmt in body {
        match &stmt.kind {
            StmtKind::Element { is_let: true, target, .. } => names.push(target.clone()),
            StmtKind::Whole { is_let: true, targets, .. } => names.extend(targets.iter().cloned()),
            StmtKind::Element { .. } | StmtKind::Whole { .. } | StmtKind::Error => {}
        }
    }
    names
}

/// Whether `name` occurs in `expr` as an operand of a division or modulo, or in anything but plain arithmetic.
pub(super) fn is_divided(expr: &Expr, name: &str) -> bool {
    match &expr.kind {
        ExprKind::Binary(ast::BinaryOp::Div | ast::BinaryOp::Mod, ..) | ExprKind::If { .. } | ExprKind::Call { .. } => {
            names(expr).contains(&name)
        }
        _ => children(expr).into_iter().any(|child| is_divided(child, name)),
    }
}

/// Every name that an expression refers to: names, tensors, callees, spreads.
pub(super) fn names(expr: &Expr) -> Vec<&str> {
    let mut names = Vec::new();
    each(expr, &mut |e| match &e.kind {
        ExprKind::Name(name) => names.push(name.as_str()),
        ExprKind::Call { callee, .. } => names.push(&callee.name),
        ExprKind::Read { tensor, at, .. } => {
            names.push(&tensor.name);
            names.extend(
                at.iter().filter_map(|s| if let Subscript::Spread(i) = s { Some(i.name.as_str()) } else { None }),
            );
        }
        _ => {}
    });
    names
}
