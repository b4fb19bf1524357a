//! The typing rules of expressions, as checks that give reasons. The constructors of [`Pool`] assert the same; parsers
//! ask here first, verifiers ask here of what others built.

use super::{Expr, ExprId, Pool};
use crate::scalar::op::Class;
use crate::scalar::{DType, Op};

/// The type of `op` on operands of these types; the reason why there is none otherwise.
pub fn result(op: Op, operands: &[DType]) -> Result<DType, String> {
    let info = op.info();
    if operands.len() != info.arity {
        return Err(format!("`{}` takes {} operands, found {}", info.name, info.arity, operands.len()));
    }
    let dtype = operands[0];
    if let Some(other) = operands.iter().find(|&&other| other != dtype) {
        return Err(format!("operands of `{}` differ in type: {dtype} and {other}", info.name));
    }
    if dtype.compute() != dtype {
        return Err(format!("`{}` computes with {dtype}, which must be cast to {} first", info.name, dtype.compute()));
    }
    let fits = match info.class {
        Class::Arithmetic => dtype != DType::Bool,
        Class::Float => dtype.is_float(),
        Class::Compare => dtype != DType::Bool || matches!(op, Op::Eq | Op::Ne),
        Class::Logic => dtype == DType::Bool,
    };
    if !fits {
        return Err(format!("`{}` is not defined on {dtype}", info.name));
    }
    Ok(if op.gives_bool() { DType::Bool } else { dtype })
}

/// Why one node (not its children) breaks the rules, if it does.
pub fn check_node(pool: &Pool, id: ExprId) -> Result<(), String> {
    let found = pool.dtype(id);
    let expected = match *pool.get(id) {
        Expr::Const(value) => value.dtype(),
        Expr::Axis(_) => DType::I64,
        Expr::Unary(op, a) => result(op, &[pool.dtype(a)])?,
        Expr::Binary(op, a, b) => result(op, &[pool.dtype(a), pool.dtype(b)])?,
        Expr::Cast(to, _) => to,
        Expr::Select { cond, then, otherwise } => select(pool.dtype(cond), pool.dtype(then), pool.dtype(otherwise))?,
        Expr::Load { ref at, .. } => {
            at.iter().try_for_each(|&subscript| self::subscript(pool.dtype(subscript)))?;
            found
        }
    };
    if found == expected { Ok(()) } else { Err(format!("the type is recorded as {found}, but it is {expected}")) }
}

/// The type of a select.
pub fn select(cond: DType, then: DType, otherwise: DType) -> Result<DType, String> {
    if cond != DType::Bool {
        return Err(format!("a condition is a bool, found {cond}"));
    }
    if then != otherwise {
        return Err(format!("the branches of `if` differ in type: {then} and {otherwise}"));
    }
    Ok(then)
}

/// Whether a subscript of that type is one.
pub fn subscript(dtype: DType) -> Result<(), String> {
    if dtype == DType::I64 { Ok(()) } else { Err(format!("a subscript is an i64, found {dtype}")) }
}
