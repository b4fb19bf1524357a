//! The text form of expressions; `parse` reads it back to the same expression, types included.
//!
//! - Operators and parentheses as in Rust, as few of the latter as its precedences allow; `/` and `%` round down.
//! - `exp(x)`, `min(a, b)`: intrinsics. `f32(x)`: a cast. `if c { a } else { b }`: a select. `A[i, k]`: a load.
//! - `3` is an `i64` and `0.5` an `f32`; other types show as a suffix: `3i32`, `0.5f64`. `inf` and `nan` are of type
//!   `f32`, of others they are cast: `f64(inf)`.
//! - A name that is not an identifier, or is a word of the notation, stands in backquotes.

use super::{AxisId, Expr, ExprId, Pool, TensorId};
use crate::scalar::op::Class;
use crate::scalar::{Const, DType, Op};

/// Names for the ids in an expression.
pub trait Names {
    /// The name of an axis, distinct from those of the other axes around.
    fn axis(&self, id: AxisId) -> &str;
    /// The name of a tensor, distinct from those of the other tensors.
    fn tensor(&self, id: TensorId) -> &str;
}

/// The text of an expression.
pub fn print(pool: &Pool, id: ExprId, names: &dyn Names) -> String {
    let mut out = String::new();
    Printer { pool, names, out: &mut out }.expr(id, 0);
    out
}

/// The text of expressions in a row, as in a subscript: `i, j + 1`.
pub fn print_list(pool: &Pool, ids: &[ExprId], names: &dyn Names) -> String {
    let mut out = String::new();
    Printer { pool, names, out: &mut out }.list(ids);
    out
}

/// The text of a constant, as [`print()`] writes it.
pub fn print_const(value: Const) -> String {
    let dtype = value.dtype();
    let number = value.to_f64();
    match dtype {
        DType::F32 if number.is_finite() => format!("{:?}", number as f32),
        DType::Bool | DType::I64 | DType::F32 => value.to_string(),
        _ if dtype.is_float() && !number.is_finite() => format!("{dtype}({value})"),
        _ => format!("{value}{dtype}"),
    }
}

/// A name as the notation writes it: in backquotes where it could be mistaken for something else.
pub fn print_name(name: &str) -> String {
    if super::cursor::is_name(name) && !is_reserved(name) { name.to_owned() } else { format!("`{name}`") }
}

/// Whether the notation itself, or that of the statements around it, uses the word.
pub(super) fn is_reserved(word: &str) -> bool {
    matches!(word, "if" | "else" | "true" | "false" | "inf" | "nan")
        || matches!(
            word,
            "for" | "in" | "alloc" | "barrier" | "combine" | "constant" | "parallel" | "unroll" | "vector"
        )
        || DType::from_name(word).is_some()
        || Op::intrinsic(word).is_some()
}

/// How tightly an operator binds; operands of an operator bind tighter, its left one at least as tightly.
pub(super) const fn precedence(op: Op) -> u8 {
    match (op.info().class, op) {
        (_, Op::Or) => 1,
        (_, Op::And) => 2,
        (Class::Compare, _) => 3,
        (_, Op::Add | Op::Sub) => 4,
        (_, Op::Mul | Op::Div | Op::Mod) => 5,
        _ => UNARY,
    }
}

pub(super) const UNARY: u8 = 6;

struct Printer<'a> {
    pool: &'a Pool,
    names: &'a dyn Names,
    out: &'a mut String,
}

impl Printer<'_> {
    /// Writes an expression whose surroundings bind as tightly as `outer`.
    fn expr(&mut self, id: ExprId, outer: u8) {
        match *self.pool.get(id) {
            Expr::Const(value) => *self.out += &print_const(value),
            Expr::Axis(axis) => *self.out += &print_name(self.names.axis(axis)),
            Expr::Unary(op, a) if op.info().is_intrinsic() => self.call(op.info().name, &[a]),
            Expr::Binary(op, a, b) if op.info().is_intrinsic() => self.call(op.info().name, &[a, b]),
            Expr::Cast(dtype, a) => self.call(dtype.name(), &[a]),
            Expr::Unary(op, a) => {
                *self.out += op.info().name;
                self.expr(a, UNARY);
            }
            Expr::Binary(op, a, b) => self.parenthesised(outer > precedence(op), |p| p.binary(op, a, b)),
            Expr::Select { .. } => self.parenthesised(outer > 0, |p| p.select(id)),
            Expr::Load { tensor, ref at } => {
                *self.out += &print_name(self.names.tensor(tensor));
                self.out.push('[');
                self.list(at);
                self.out.push(']');
            }
        }
    }

    fn parenthesised(&mut self, needed: bool, inner: impl FnOnce(&mut Self)) {
        if needed {
            self.out.push('(');
        }
        inner(self);
        if needed {
            self.out.push(')');
        }
    }

    fn binary(&mut self, op: Op, a: ExprId, b: ExprId) {
        let own = precedence(op);
        // Comparisons do not associate at all; the others do to the left.
        let left = if op.info().class == Class::Compare { own + 1 } else { own };
        self.expr(a, left);
        self.out.extend([" ", op.info().name, " "]);
        self.expr(b, own + 1);
    }

    fn select(&mut self, mut id: ExprId) {
        while let Expr::Select { cond, then, otherwise } = *self.pool.get(id) {
            *self.out += "if ";
            self.expr(cond, 0);
            *self.out += " { ";
            self.expr(then, 0);
            *self.out += " } else ";
            id = otherwise;
        }
        *self.out += "{ ";
        self.expr(id, 0);
        *self.out += " }";
    }

    fn call(&mut self, name: &str, args: &[ExprId]) {
        *self.out += name;
        self.out.push('(');
        self.list(args);
        self.out.push(')');
    }

    fn list(&mut self, ids: &[ExprId]) {
        for (index, &id) in ids.iter().enumerate() {
            if index > 0 {
                *self.out += ", ";
            }
            self.expr(id, 0);
        }
    }
}
