//! Operators: typing, literals, and compile-time arithmetic.

use crate::expr::ExprId;
use crate::scalar::op::Class;
use crate::scalar::{Const, DType, Op, eval};
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, UnaryOp};

use super::elab::Elab;
use super::error;
use super::poly::Poly;
use super::solve::{self, NoValue};
use super::value::{Size, SymRange, Value};

/// The operation behind an infix operator.
pub(super) const fn op_of(op: BinaryOp) -> Op {
    match op {
        BinaryOp::Add => Op::Add,
        BinaryOp::Sub => Op::Sub,
        BinaryOp::Mul => Op::Mul,
        BinaryOp::Div => Op::Div,
        BinaryOp::Mod => Op::Mod,
        BinaryOp::Eq => Op::Eq,
        BinaryOp::Ne => Op::Ne,
        BinaryOp::Lt => Op::Lt,
        BinaryOp::Le => Op::Le,
        BinaryOp::Gt => Op::Gt,
        BinaryOp::Ge => Op::Ge,
        BinaryOp::And => Op::And,
        BinaryOp::Or => Op::Or,
    }
}

/// The type of a value, if it has one.
pub(super) const fn type_of(value: &Value) -> Option<DType> {
    match value {
        Value::Scalar(_, dtype) => Some(*dtype),
        Value::Index(..) => Some(DType::I64),
        Value::Size(_) | Value::Float(_) | Value::TableRead(..) | Value::Error => None,
    }
}

impl<'p> Elab<'p> {
    pub(super) fn binary(&mut self, op: BinaryOp, a: &'p Expr, b: &'p Expr, span: Span, hint: Option<DType>) -> Value {
        let op = op_of(op);
        match op.info().class {
            Class::Logic => return self.logic(op, a, b),
            Class::Compare => {
                let left = self.expr(a, None);
                let right = self.expr(b, type_of(&left));
                return self.operate(op, (left, a.span), (right, b.span), span);
            }
            Class::Arithmetic | Class::Float => {}
        }
        let left = self.expr(a, hint);
        let right = self.expr(b, type_of(&left).or(hint));
        self.operate(op, (left, a.span), (right, b.span), span)
    }

    /// `&&` and `||`; the right operand is elaborated knowing the left, and evaluated lazily where it loads.
    fn logic(&mut self, op: Op, a: &'p Expr, b: &'p Expr) -> Value {
        let Some(left) = self.condition(a) else {
            self.condition(b);
            return Value::Error;
        };
        let fact = if op == Op::And { left } else { self.graph.pool.unary(Op::Not, left) };
        self.frame.facts.push(fact);
        let right = self.condition(b);
        self.frame.facts.pop();
        let Some(right) = right else { return Value::Error };
        let pool = &mut self.graph.pool;
        let value = if !pool.has_load(right) {
            pool.binary(op, left, right)
        } else if op == Op::And {
            let no = pool.bool(false);
            pool.select(left, right, no)
        } else {
            let yes = pool.bool(true);
            pool.select(left, yes, right)
        };
        Value::Scalar(value, DType::Bool)
    }

    /// A truth value, or an error.
    pub(super) fn condition(&mut self, expr: &'p Expr) -> Option<ExprId> {
        match self.expr(expr, None) {
            Value::Scalar(id, DType::Bool) => Some(id),
            Value::Error => None,
            other => {
                self.report(error::types::not_a_condition(expr.span, &Self::describe(&other)));
                None
            }
        }
    }

    /// `a op b` for arithmetic and comparisons.
    pub(super) fn operate(&mut self, op: Op, a: (Value, Span), b: (Value, Span), span: Span) -> Value {
        match (a.0, b.0) {
            (Value::Error, _) | (_, Value::Error) => Value::Error,
            (Value::Size(x), Value::Size(y)) => self.sizes(op, &x, &y, span, b.1),
            (Value::Float(x), Value::Float(y)) => self.floats(op, x, y),
            (Value::Float(x), Value::Size(y)) => self.floats(op, x, y.value as f64),
            (Value::Size(x), Value::Float(y)) => self.floats(op, x.value as f64, y),
            (x @ (Value::Index(..) | Value::Size(_)), y @ (Value::Index(..) | Value::Size(_))) => {
                self.indices(op, &x, &y, b.1)
            }
            (x, y) => self.scalars(op, (x, a.1), (y, b.1), span),
        }
    }

    fn sizes(&mut self, op: Op, x: &Size, y: &Size, span: Span, divisor: Span) -> Value {
        let number = match op {
            Op::Min => Ok(x.value.min(y.value)),
            Op::Max => Ok(x.value.max(y.value)),
            Op::Pow => return self.floats(op, x.value as f64, y.value as f64),
            _ => solve::binary(ast_op(op), x.value, y.value, span, divisor),
        };
        match number {
            Err(why) => self.no_value(&why),
            Ok(truth) if op.gives_bool() => Value::Scalar(self.graph.pool.bool(truth != 0), DType::Bool),
            Ok(value) => Value::Size(Size { value, sym: combine(op, x.sym.as_ref(), y.sym.as_ref()) }),
        }
    }

    /// Reports why a size has no value.
    pub(super) fn no_value(&mut self, why: &NoValue) -> Value {
        let diagnostic = match why {
            NoValue::Overflow(span) => error::size::overflow(*span),
            NoValue::ZeroDivisor(span) => error::index::zero_divisor(*span),
            NoValue::NotASize(span) => error::types::not_compile_time(*span, "this"),
            NoValue::Unknown(name, span) => error::size::unbound(name, *span),
            NoValue::Broken => return Value::Error,
        };
        self.fail(diagnostic)
    }

    fn floats(&mut self, op: Op, x: f64, y: f64) -> Value {
        if op.gives_bool() {
            let truth = eval::compare(op, &x, &y);
            Value::Scalar(self.graph.pool.bool(truth), DType::Bool)
        } else {
            Value::Float(eval::float(op, x, y))
        }
    }

    fn indices(&mut self, op: Op, x: &Value, y: &Value, divisor: Span) -> Value {
        if op.info().class == Class::Float {
            return self.fail(error::types::index_as_value(divisor, "f32"));
        }
        if let (Op::Div | Op::Mod, Value::Size(Size { value: 0, .. })) = (op, y) {
            return self.fail(error::index::zero_divisor(divisor));
        }
        let (a, b) = (self.index_expr(x), self.index_expr(y));
        let value = self.graph.pool.binary(op, a, b);
        if op.gives_bool() {
            return Value::Scalar(value, DType::Bool);
        }
        Value::Index(value, combine_ranges(op, x, y))
    }

    /// The `i64` expression of an index or a size.
    fn index_expr(&mut self, value: &Value) -> ExprId {
        match value {
            Value::Index(id, _) => *id,
            Value::Size(size) => self.graph.pool.int(size.value),
            _ => unreachable!("the caller has an index or a size"),
        }
    }

    fn scalars(&mut self, op: Op, a: (Value, Span), b: (Value, Span), span: Span) -> Value {
        let Some((x, y, dtype)) =
            self.unify(a, b, &|left, right, types| error::types::operands_differ(op.info().name, left, right, types))
        else {
            return Value::Error;
        };
        let allowed = match op.info().class {
            Class::Arithmetic => dtype != DType::Bool,
            Class::Float => dtype.is_float(),
            Class::Compare => dtype != DType::Bool || matches!(op, Op::Eq | Op::Ne),
            Class::Logic => dtype == DType::Bool,
        };
        if !allowed {
            return self.fail(error::types::not_defined(op, dtype, span));
        }
        let value = self.graph.pool.binary(op, x, y);
        Value::Scalar(value, if op.gives_bool() { DType::Bool } else { dtype })
    }

    /// Both values in one type: a literal takes the other's; an index beside integer data makes both `i64`.
    pub(super) fn unify(
        &mut self,
        a: (Value, Span),
        b: (Value, Span),
        mismatch: &dyn Fn(Span, Span, (DType, DType)) -> crate::diag::Diagnostic,
    ) -> Option<(ExprId, ExprId, DType)> {
        let dtype = match (&a.0, &b.0) {
            (Value::Error, _) | (_, Value::Error) => return None,
            (Value::Index(..), Value::Scalar(_, other)) | (Value::Scalar(_, other), Value::Index(..))
                if other.is_int() =>
            {
                DType::I64
            }
            (Value::Index(..), Value::Scalar(_, other)) | (Value::Scalar(_, other), Value::Index(..)) => {
                let span = if matches!(a.0, Value::Index(..)) { a.1 } else { b.1 };
                self.report(error::types::index_as_value(span, other.name()));
                return None;
            }
            (x, y) => match (type_of(x), type_of(y)) {
                (Some(left), Some(right)) if left != right => {
                    self.report(mismatch(a.1, b.1, (left, right)));
                    return None;
                }
                (Some(dtype), _) | (_, Some(dtype)) => dtype,
                (None, None) => self.default_type(x, y),
            },
        };
        let (x, y) = (self.widen(a.0, dtype), self.widen(b.0, dtype));
        let x = self.coerce(x, dtype, a.1);
        let y = self.coerce(y, dtype, b.1);
        Some((x?, y?, dtype))
    }

    /// Integer data beside an index becomes `i64`.
    fn widen(&mut self, value: Value, dtype: DType) -> Value {
        match value {
            Value::Scalar(id, own) if own.is_int() && dtype == DType::I64 => {
                Value::Scalar(self.graph.pool.cast(DType::I64, id), DType::I64)
            }
            other => other,
        }
    }

    fn default_type(&self, x: &Value, y: &Value) -> DType {
        if matches!((x, y), (Value::Size(_), Value::Size(_))) { DType::I64 } else { self.default_float() }
    }

    /// The value as an expression of element type `dtype` (so of its compute type); reports where it is of another.
    pub(super) fn coerce(&mut self, value: Value, dtype: DType, span: Span) -> Option<ExprId> {
        match value {
            Value::Error => None,
            Value::Scalar(id, own) if own == dtype => Some(id),
            Value::Scalar(_, own) => {
                self.report(error::types::type_differs(span, own, dtype));
                None
            }
            Value::Index(id, _) if dtype == DType::I64 => Some(id),
            Value::Index(..) => {
                self.report(error::types::index_as_value(span, dtype.name()));
                None
            }
            Value::Size(size) => self.literal_int(size.value, dtype, span),
            Value::Float(number) => self.literal_float(number, dtype, span),
            Value::TableRead(table, at) => self.table_read(table, at, dtype, span),
        }
    }

    fn literal_int(&mut self, value: i64, dtype: DType, span: Span) -> Option<ExprId> {
        let fits = match dtype.int_range() {
            _ if dtype == DType::Bool => false,
            Some((lo, hi)) => (lo..=hi).contains(&value),
            None => true,
        };
        if !fits {
            self.report(error::types::literal_does_not_fit(&value.to_string(), dtype, span));
            return None;
        }
        Some(self.graph.pool.constant(Const::int(dtype.compute(), value)))
    }

    fn literal_float(&mut self, value: f64, dtype: DType, span: Span) -> Option<ExprId> {
        if dtype.is_float() {
            return Some(self.graph.pool.constant(Const::float(dtype.compute(), value)));
        }
        self.report(error::types::literal_does_not_fit(&value.to_string(), dtype, span));
        None
    }

    /// The value with a type of its own: what a literal is where nothing else says.
    pub(super) fn settle(&mut self, value: Value, span: Span) -> Value {
        let dtype = match &value {
            Value::Size(_) => DType::I64,
            Value::Float(_) | Value::TableRead(..) => self.default_float(),
            Value::Index(id, _) => return Value::Scalar(*id, DType::I64),
            Value::Scalar(..) | Value::Error => return value,
        };
        self.coerce(value, dtype, span).map_or(Value::Error, |id| Value::Scalar(id, dtype))
    }

    pub(super) fn unary(&mut self, op: UnaryOp, a: &'p Expr, span: Span, hint: Option<DType>) -> Value {
        match op {
            UnaryOp::Not => {
                let Some(cond) = self.condition(a) else { return Value::Error };
                Value::Scalar(self.graph.pool.unary(Op::Not, cond), DType::Bool)
            }
            UnaryOp::Neg => {
                let value = self.expr(a, hint);
                self.apply(Op::Neg, value, span, a.span)
            }
        }
    }

    /// A unary operation or intrinsic.
    pub(super) fn apply(&mut self, op: Op, value: Value, span: Span, operand: Span) -> Value {
        match value {
            Value::Error => Value::Error,
            Value::Size(_) | Value::Index(..) if op == Op::Neg => {
                self.operate(Op::Sub, (Value::Size(Size::literal(0)), span), (value, operand), span)
            }
            Value::Size(size) if op == Op::Abs => match size.value.checked_abs() {
                Some(value) => Value::Size(Size { value, sym: None }),
                None => self.fail(error::size::overflow(span)),
            },
            Value::Size(size) => self.floats(op, size.value as f64, 0.0),
            Value::Float(number) => self.floats(op, number, 0.0),
            Value::Index(id, _) if op == Op::Abs => Value::Index(self.graph.pool.unary(op, id), None),
            Value::Index(..) => self.fail(error::types::index_as_value(operand, "f32")),
            Value::TableRead(..) => {
                let settled = self.settle(value, operand);
                self.apply(op, settled, span, operand)
            }
            Value::Scalar(id, dtype) => {
                let allowed = dtype.is_float() || dtype.is_int() && op.info().class == Class::Arithmetic;
                if allowed {
                    Value::Scalar(self.graph.pool.unary(op, id), dtype)
                } else {
                    self.fail(error::types::not_defined(op, dtype, operand))
                }
            }
        }
    }

    /// What a value is, for messages.
    pub(super) fn describe(value: &Value) -> String {
        match value {
            Value::Size(size) => format!("the integer `{}`", size.show()),
            Value::Float(number) => format!("the number `{number:?}`"),
            Value::Index(..) => "an index".to_owned(),
            Value::Scalar(_, dtype) => format!("a value of type `{dtype}`"),
            Value::TableRead(..) => "an element of a table".to_owned(),
            Value::Error => "an error".to_owned(),
        }
    }
}

const fn ast_op(op: Op) -> BinaryOp {
    match op {
        Op::Add => BinaryOp::Add,
        Op::Sub => BinaryOp::Sub,
        Op::Mul => BinaryOp::Mul,
        Op::Div => BinaryOp::Div,
        Op::Mod => BinaryOp::Mod,
        Op::Eq => BinaryOp::Eq,
        Op::Ne => BinaryOp::Ne,
        Op::Lt => BinaryOp::Lt,
        Op::Le => BinaryOp::Le,
        Op::Gt => BinaryOp::Gt,
        Op::Ge => BinaryOp::Ge,
        _ => panic!("not an infix operator on sizes"),
    }
}

fn combine(op: Op, x: Option<&Poly>, y: Option<&Poly>) -> Option<Poly> {
    let (x, y) = (x?, y?);
    match op {
        Op::Add => Some(x.add(y)),
        Op::Sub => Some(x.sub(y)),
        Op::Mul => Some(x.mul(y)),
        Op::Div if *y == Poly::constant(1) => Some(x.clone()),
        _ => None,
    }
}

/// The range of `x op y` as a reader would write it, where there is a short way.
fn combine_ranges(op: Op, x: &Value, y: &Value) -> Option<SymRange> {
    let range = |value: &Value| match value {
        Value::Index(_, range) => range.clone(),
        Value::Size(size) => size.sym.clone().map(|sym| SymRange { lo: sym.clone(), hi: sym }),
        _ => None,
    };
    let (a, b) = (range(x)?, range(y)?);
    match op {
        Op::Add => Some(SymRange { lo: a.lo.add(&b.lo), hi: a.hi.add(&b.hi) }),
        Op::Sub => Some(SymRange { lo: a.lo.sub(&b.hi), hi: a.hi.sub(&b.lo) }),
        Op::Mul => match (x, y) {
            (_, Value::Size(factor)) if factor.value >= 0 => {
                Some(SymRange { lo: a.lo.mul(&b.lo), hi: a.hi.mul(&b.hi) })
            }
            (Value::Size(factor), _) if factor.value >= 0 => {
                Some(SymRange { lo: a.lo.mul(&b.lo), hi: a.hi.mul(&b.hi) })
            }
            _ => None,
        },
        Op::Mod => match y {
            Value::Size(Size { value: 1.., sym: Some(sym) }) => {
                Some(SymRange { lo: Poly::constant(0), hi: sym.sub(&Poly::constant(1)) })
            }
            _ => None,
        },
        _ => None,
    }
}
