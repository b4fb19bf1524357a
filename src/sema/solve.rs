//! Sizes as plain numbers: evaluates size expressions and solves `where` clauses.
//!
//! `P = H - R + 1` defines a size; `C == CG * groups` gives the one size in it that is not known yet, if it is linear
//! in it; every other clause is a requirement.

use std::collections::BTreeMap;

use crate::scalar::eval;
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Clause, Expr, ExprKind, UnaryOp};

use super::poly::Poly;
use super::walk;

/// Known sizes by name.
pub(super) type Env = BTreeMap<String, i64>;

/// Why a size expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoValue {
    /// A name in it is not known (yet).
    Unknown(String, Span),
    /// It does not fit 64 bits.
    Overflow(Span),
    /// A divisor is zero.
    ZeroDivisor(Span),
    /// It is not made of sizes.
    NotASize(Span),
    /// It did not parse, which was reported.
    Broken,
}

/// The value of a size expression; truth is 1 and 0.
pub(super) fn eval(expr: &Expr, env: &Env) -> Result<i64, NoValue> {
    match &expr.kind {
        ExprKind::Int(value) => Ok(*value),
        ExprKind::Bool(value) => Ok(i64::from(*value)),
        ExprKind::Name(name) => env.get(name).copied().ok_or_else(|| NoValue::Unknown(name.clone(), expr.span)),
        ExprKind::Unary(UnaryOp::Neg, a) => eval(a, env)?.checked_neg().ok_or(NoValue::Overflow(expr.span)),
        ExprKind::Unary(UnaryOp::Not, a) => Ok(i64::from(eval(a, env)? == 0)),
        ExprKind::Binary(op, a, b) => binary(*op, eval(a, env)?, eval(b, env)?, expr.span, b.span),
        ExprKind::If { cond, then, otherwise } => eval(if eval(cond, env)? != 0 { then } else { otherwise }, env),
        ExprKind::Block { lets, result } if lets.is_empty() => eval(result, env),
        ExprKind::Call { callee, args } => {
            let values = args.iter().map(|arg| eval(&arg.value, env)).collect::<Result<Vec<_>, _>>()?;
            match (callee.name.as_str(), values.as_slice()) {
                ("min", [a, b]) => Ok(*a.min(b)),
                ("max", [a, b]) => Ok(*a.max(b)),
                ("abs", [a]) => a.checked_abs().ok_or(NoValue::Overflow(expr.span)),
                _ => Err(NoValue::NotASize(expr.span)),
            }
        }
        ExprKind::Error => Err(NoValue::Broken),
        _ => Err(NoValue::NotASize(expr.span)),
    }
}

/// `a op b` on sizes, checked.
pub(super) fn binary(op: BinaryOp, a: i64, b: i64, span: Span, divisor: Span) -> Result<i64, NoValue> {
    let checked = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div | BinaryOp::Mod if b == 0 => return Err(NoValue::ZeroDivisor(divisor)),
        BinaryOp::Div => a.checked_div(b).map(|_| eval::floor_div(a, b)),
        BinaryOp::Mod => a.checked_rem(b).map(|_| eval::floor_mod(a, b)),
        BinaryOp::Eq => Some(i64::from(a == b)),
        BinaryOp::Ne => Some(i64::from(a != b)),
        BinaryOp::Lt => Some(i64::from(a < b)),
        BinaryOp::Le => Some(i64::from(a <= b)),
        BinaryOp::Gt => Some(i64::from(a > b)),
        BinaryOp::Ge => Some(i64::from(a >= b)),
        BinaryOp::And => Some(i64::from(a != 0 && b != 0)),
        BinaryOp::Or => Some(i64::from(a != 0 || b != 0)),
    };
    checked.ok_or(NoValue::Overflow(span))
}

/// Adds to `env` every size that the clauses define or determine.
pub(super) fn solve(clauses: &[Clause], env: &mut Env) {
    loop {
        let before = env.len();
        for clause in clauses {
            match clause {
                Clause::Define { name, value } => {
                    if !env.contains_key(&name.name)
                        && let Ok(value) = eval(value, env)
                    {
                        env.insert(name.name.clone(), value);
                    }
                }
                Clause::Require(expr) => require(expr, env),
            }
        }
        if env.len() == before {
            return;
        }
    }
}

/// Learns what must hold for `expr` to be true.
pub(super) fn require(expr: &Expr, env: &mut Env) {
    if let ExprKind::Binary(BinaryOp::And, left, right) = &expr.kind {
        require(left, env);
        require(right, env);
    } else if let Some((name, value)) = determined(expr, env) {
        env.insert(name, value);
    }
}

/// The one unknown of an equation that is linear in it, and its value.
fn determined(expr: &Expr, env: &Env) -> Option<(String, i64)> {
    let ExprKind::Binary(BinaryOp::Eq, left, right) = &expr.kind else { return None };
    let mut unknown: Vec<_> = walk::names(expr).into_iter().filter(|name| !env.contains_key(*name)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    let [name] = unknown[..] else { return None };
    if walk::is_divided(expr, name) {
        return None;
    }
    let residual = |value: i64| -> Option<i64> {
        let mut trial = env.clone();
        trial.insert(name.to_owned(), value);
        eval(left, &trial).ok()?.checked_sub(eval(right, &trial).ok()?)
    };
    let (at_one, at_two) = (residual(1)?, residual(2)?);
    let slope = at_two.checked_sub(at_one)?;
    let offset = at_one.checked_sub(slope)?;
    if slope == 0 || offset.checked_neg()? % slope != 0 {
        return None;
    }
    let value = -offset / slope;
    (residual(value)? == 0).then(|| (name.to_owned(), value))
}

/// A size expression as a polynomial in names, for messages; none where it is none.
pub(super) fn poly(expr: &Expr, name: &dyn Fn(&str) -> Option<Poly>) -> Option<Poly> {
    match &expr.kind {
        ExprKind::Int(value) => Some(Poly::constant(*value)),
        ExprKind::Name(text) => name(text),
        ExprKind::Unary(UnaryOp::Neg, a) => Some(Poly::constant(0).sub(&poly(a, name)?)),
        ExprKind::Binary(op, a, b) => {
            let (a, b) = (poly(a, name)?, poly(b, name)?);
            match op {
                BinaryOp::Add => Some(a.add(&b)),
                BinaryOp::Sub => Some(a.sub(&b)),
                BinaryOp::Mul => Some(a.mul(&b)),
                BinaryOp::Div if b == Poly::constant(1) => Some(a),
                _ => None,
            }
        }
        _ => None,
    }
}
