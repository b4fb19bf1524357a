//! Scalar expressions over axes and tensors: the language that the tensor graph and the loop IR share.
//!
//! A [`Pool`] owns expressions and interns them: the same expression has the same [`ExprId`], so equality is id
//! equality. Each expression has one type. The rules, which the constructors assert:
//!
//! - an axis is an index, of type `i64`; subscripts are `i64`;
//! - operands of an operation have one compute type (see [`crate::scalar`]), that of its result unless that is `bool`;
//! - a load has the tensor's element type, and is cast before anything is computed with it;
//! - [`Expr::Select`] is lazy: only the chosen branch is evaluated, so a load in a branch need only be inside its
//!   tensor where the condition chooses it. `&&` and `||` evaluate both operands.
//!
//! What is *not* here: loops, reductions, statements. `range` bounds expressions (by `interval` and `congruence`),
//! `affine` sees their linear part, `simplify` rewrites them, `prove` decides claims about them (by `facts`, `combine`
//! and `search`), `guard` walks them with the conditions under which they are evaluated, `print` and `parse` are their
//! text form, `typing` the rules of their types.

pub mod affine;
mod combine;
mod congruence;
mod cursor;
mod divide;
mod facts;
pub mod guard;
mod interval;
pub mod opaque;
pub mod parse;
pub mod print;
pub mod program;
pub mod prove;
pub mod range;
mod search;
pub mod simplify;
pub mod typing;

use std::collections::HashMap;

use crate::arena::{Arena, Id};
use crate::scalar::op::Class;
use crate::scalar::{Const, DType, Op, eval};

crate::define_id!(
    /// An expression of a [`Pool`].
    ExprId, "e"
);
crate::define_id!(
    /// An axis: the index variable of one loop.
    AxisId, "i"
);
crate::define_id!(
    /// A tensor, or in the loop IR the buffer that holds one.
    TensorId, "t"
);

/// An expression; children are ids of the same pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// A constant of any type.
    Const(Const),
    /// The value of an axis.
    Axis(AxisId),
    /// An operation with one operand.
    Unary(Op, ExprId),
    /// An operation with two operands.
    Binary(Op, ExprId, ExprId),
    /// Conversion, as Rust's `as`: floats to nearest even, to integers truncating and saturating; integers wrap.
    Cast(DType, ExprId),
    /// `if cond { then } else { otherwise }`, lazily.
    Select {
        /// Of type `bool`.
        cond: ExprId,
        /// The value where `cond` holds.
        then: ExprId,
        /// The value elsewhere.
        otherwise: ExprId,
    },
    /// One element.
    Load {
        /// The tensor.
        tensor: TensorId,
        /// One `i64` subscript for each of its dimensions.
        at: Vec<ExprId>,
    },
}

/// Owns and interns expressions.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    exprs: Arena<ExprId, Expr>,
    dtypes: Vec<DType>,
    known: HashMap<Expr, ExprId>,
}

impl Pool {
    /// A pool without expressions.
    pub fn new() -> Self {
        Self::default()
    }

    /// The expression behind an id.
    pub fn get(&self, id: ExprId) -> &Expr {
        &self.exprs[id]
    }

    /// The type of an expression.
    pub fn dtype(&self, id: ExprId) -> DType {
        self.dtypes[id.index()]
    }

    /// The number of expressions.
    pub fn len(&self) -> usize {
        self.exprs.len()
    }

    /// Whether there is no expression.
    pub fn is_empty(&self) -> bool {
        self.exprs.is_empty()
    }

    /// The value, if the expression is a constant.
    pub fn as_const(&self, id: ExprId) -> Option<Const> {
        if let Expr::Const(value) = self.get(id) { Some(*value) } else { None }
    }

    /// The value, if the expression is an integer constant.
    pub fn as_int(&self, id: ExprId) -> Option<i64> {
        self.as_const(id)?.as_int()
    }

    fn intern(&mut self, expr: Expr, dtype: DType) -> ExprId {
        if let Some(&id) = self.known.get(&expr) {
            return id;
        }
        let id = self.exprs.push(expr.clone());
        self.dtypes.push(dtype);
        self.known.insert(expr, id);
        id
    }

    /// A constant.
    pub fn constant(&mut self, value: Const) -> ExprId {
        self.intern(Expr::Const(value), value.dtype())
    }

    /// An index constant.
    pub fn int(&mut self, value: i64) -> ExprId {
        self.constant(Const::index(value))
    }

    /// A truth constant.
    pub fn bool(&mut self, value: bool) -> ExprId {
        self.constant(Const::bool(value))
    }

    /// The value of an axis.
    pub fn axis(&mut self, axis: AxisId) -> ExprId {
        self.intern(Expr::Axis(axis), DType::I64)
    }

    /// One element of `tensor`, whose element type is `dtype`.
    pub fn load(&mut self, tensor: TensorId, at: Vec<ExprId>, dtype: DType) -> ExprId {
        debug_assert!(at.iter().all(|&s| self.dtype(s) == DType::I64), "subscripts are i64");
        self.intern(Expr::Load { tensor, at }, dtype)
    }

    /// A conversion; nothing where the type is right already, a constant where the operand is one.
    pub fn cast(&mut self, dtype: DType, value: ExprId) -> ExprId {
        if self.dtype(value) == dtype {
            return value;
        }
        match self.as_const(value) {
            Some(constant) => self.constant(constant.cast(dtype)),
            None => self.intern(Expr::Cast(dtype, value), dtype),
        }
    }

    /// An operation with one operand; folds constants.
    pub fn unary(&mut self, op: Op, a: ExprId) -> ExprId {
        assert_eq!(op.info().arity, 1, "`{}` takes two operands", op.info().name);
        if let Some(constant) = self.as_const(a) {
            return self.constant(eval::eval(op, &[constant]));
        }
        if let (Op::Neg | Op::Not, &Expr::Unary(inner, x)) = (op, self.get(a))
            && inner == op
        {
            return x;
        }
        let dtype = self.dtype(a);
        self.intern(Expr::Unary(op, a), dtype)
    }

    /// An operation with two operands; folds constants and drops neutral operands.
    pub fn binary(&mut self, op: Op, a: ExprId, b: ExprId) -> ExprId {
        let dtype = self.dtype(a);
        assert_eq!(dtype, self.dtype(b), "operands of `{}` differ in type", op.info().name);
        assert_eq!(op.info().arity, 2, "`{}` takes one operand", op.info().name);
        if let (Some(x), Some(y)) = (self.as_const(a), self.as_const(b)) {
            return self.constant(eval::eval(op, &[x, y]));
        }
        if let Some(folded) = self.fold_neutral(op, a, b) {
            return folded;
        }
        let result = if op.gives_bool() { DType::Bool } else { dtype };
        self.intern(Expr::Binary(op, a, b), result)
    }

    /// `x + 0`, `x * 1`, `x && true` and their like. Floats keep `x * 0` and `x + 0` (NaN, signed zero).
    fn fold_neutral(&mut self, op: Op, a: ExprId, b: ExprId) -> Option<ExprId> {
        let dtype = self.dtype(a);
        let (left, right) = (self.as_const(a), self.as_const(b));
        if let Class::Logic = op.info().class {
            let absorbing = op == Op::Or;
            return [(left, b, a), (right, a, b)]
                .into_iter()
                .find_map(|(constant, other, same)| {
                    let truth = constant?.as_bool()?;
                    Some(if truth == absorbing { same } else { other })
                })
                .or_else(|| (a == b).then_some(a));
        }
        if dtype.is_float() {
            let one = Const::float(dtype, 1.0);
            return match op {
                Op::Mul if left == Some(one) => Some(b),
                Op::Mul | Op::Div if right == Some(one) => Some(a),
                _ => None,
            };
        }
        let (x, y) = (left.and_then(Const::as_int), right.and_then(Const::as_int));
        match (op, x, y) {
            (Op::Add, Some(0), _) | (Op::Mul, Some(1), _) => Some(b),
            (Op::Add | Op::Sub, _, Some(0))
            | (Op::Mul | Op::Div, _, Some(1))
            | (Op::Mul | Op::Div | Op::Mod, Some(0), _) => Some(a),
            (Op::Mul, _, Some(0)) => Some(b),
            (Op::Mod, _, Some(1 | -1)) => Some(self.constant(Const::int(dtype, 0))),
            _ => None,
        }
    }

    /// A lazy choice; decided where the condition is a constant.
    pub fn select(&mut self, cond: ExprId, then: ExprId, otherwise: ExprId) -> ExprId {
        let dtype = self.dtype(then);
        assert_eq!(dtype, self.dtype(otherwise), "the branches of a select differ in type");
        match self.as_const(cond).and_then(Const::as_bool) {
            Some(true) => then,
            Some(false) => otherwise,
            None if then == otherwise => then,
            None => self.intern(Expr::Select { cond, then, otherwise }, dtype),
        }
    }

    /// `a + b`.
    pub fn add(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Op::Add, a, b)
    }

    /// `a - b`.
    pub fn sub(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Op::Sub, a, b)
    }

    /// `a * b`.
    pub fn mul(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Op::Mul, a, b)
    }

    /// `a && b`.
    pub fn and(&mut self, a: ExprId, b: ExprId) -> ExprId {
        self.binary(Op::And, a, b)
    }

    /// The direct children, in order.
    pub fn children(&self, id: ExprId) -> Vec<ExprId> {
        match self.get(id) {
            Expr::Const(_) | Expr::Axis(_) => Vec::new(),
            &Expr::Unary(_, a) | &Expr::Cast(_, a) => vec![a],
            &Expr::Binary(_, a, b) => vec![a, b],
            &Expr::Select { cond, then, otherwise } => vec![cond, then, otherwise],
            Expr::Load { at, .. } => at.clone(),
        }
    }

    /// The same expression with its direct children replaced, through the folding constructors.
    pub fn with_children(&mut self, id: ExprId, children: &[ExprId]) -> ExprId {
        match *self.get(id) {
            Expr::Const(_) | Expr::Axis(_) => id,
            Expr::Unary(op, _) => self.unary(op, children[0]),
            Expr::Binary(op, ..) => self.binary(op, children[0], children[1]),
            Expr::Cast(dtype, _) => self.cast(dtype, children[0]),
            Expr::Select { .. } => self.select(children[0], children[1], children[2]),
            Expr::Load { tensor, .. } => self.load(tensor, children.to_vec(), self.dtype(id)),
        }
    }

    /// Rebuilds an expression bottom-up; each rebuilt node is given to `rewrite`, whose answer, if any, replaces it.
    pub fn map(&mut self, id: ExprId, rewrite: &mut dyn FnMut(&mut Self, ExprId) -> Option<ExprId>) -> ExprId {
        self.map_memo(id, rewrite, &mut HashMap::new())
    }

    fn map_memo(
        &mut self,
        id: ExprId,
        rewrite: &mut dyn FnMut(&mut Self, ExprId) -> Option<ExprId>,
        memo: &mut HashMap<ExprId, ExprId>,
    ) -> ExprId {
        if let Some(&done) = memo.get(&id) {
            return done;
        }
        let children: Vec<_> = self.children(id).into_iter().map(|c| self.map_memo(c, rewrite, memo)).collect();
        let rebuilt = self.with_children(id, &children);
        let result = rewrite(self, rebuilt).unwrap_or(rebuilt);
        memo.insert(id, result);
        result
    }

    /// Replaces axes by expressions.
    pub fn substitute(&mut self, id: ExprId, replace: &dyn Fn(AxisId) -> Option<ExprId>) -> ExprId {
        self.map(id, &mut |pool, e| match pool.get(e) {
            &Expr::Axis(axis) => replace(axis),
            _ => None,
        })
    }

    /// Calls `visit` once for every distinct expression under `id`, children first.
    pub fn visit(&self, id: ExprId, visit: &mut dyn FnMut(ExprId, &Expr)) {
        fn go(
            pool: &Pool,
            id: ExprId,
            seen: &mut std::collections::HashSet<ExprId>,
            visit: &mut dyn FnMut(ExprId, &Expr),
        ) {
            if seen.insert(id) {
                for child in pool.children(id) {
                    go(pool, child, seen, visit);
                }
                visit(id, pool.get(id));
            }
        }
        go(self, id, &mut std::collections::HashSet::new(), visit);
    }

    /// The number of nodes of an expression written out as a tree: shared parts count as often as they are used.
    pub fn tree_size(&self, id: ExprId) -> u64 {
        let mut sizes: HashMap<ExprId, u64> = HashMap::new();
        self.visit(id, &mut |expr, _| {
            let below: u64 = self.children(expr).iter().fold(0, |sum, child| sum.saturating_add(sizes[child]));
            sizes.insert(expr, below.saturating_add(1));
        });
        sizes[&id]
    }

    /// The axes that an expression uses, in order of their ids.
    pub fn axes(&self, id: ExprId) -> Vec<AxisId> {
        let mut axes = std::collections::BTreeSet::new();
        self.visit(id, &mut |_, expr| {
            if let &Expr::Axis(axis) = expr {
                axes.insert(axis);
            }
        });
        axes.into_iter().collect()
    }

    /// Whether an expression loads from any tensor.
    pub fn has_load(&self, id: ExprId) -> bool {
        let mut found = false;
        self.visit(id, &mut |_, expr| found |= matches!(expr, Expr::Load { .. }));
        found
    }
}
