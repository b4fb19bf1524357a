//! Expressions of elements and of sizes.
//!
//! `hint` is the type that the place asks for; only literals in the branches of an `if` need it.

use crate::scalar::op::Class;
use crate::scalar::{DType, Op};
use crate::source::Span;
use crate::syntax::ast::{self, Arg, Expr, ExprKind, Ident, LocalLet};

use super::elab::Elab;
use super::value::{Binding, Size, Value};
use super::{error, suggest};

impl<'p> Elab<'p> {
    pub(super) fn expr(&mut self, expr: &'p Expr, hint: Option<DType>) -> Value {
        if !self.step(expr.span) {
            return Value::Error;
        }
        match &expr.kind {
            ExprKind::Int(value) => Value::Size(Size::literal(*value)),
            ExprKind::Float(value) => Value::Float(*value),
            ExprKind::Bool(value) => Value::Scalar(self.graph.pool.bool(*value), DType::Bool),
            ExprKind::Name(name) => self.name(name, expr.span),
            ExprKind::Unary(op, a) => self.unary(*op, a, expr.span, hint),
            ExprKind::Binary(op, a, b) => self.binary(*op, a, b, expr.span, hint),
            ExprKind::If { cond, then, otherwise } => self.choose(cond, then, otherwise, hint),
            ExprKind::Block { lets, result } => self.block(lets, result, hint),
            ExprKind::Read { tensor, at, otherwise } => self.read(tensor, at, otherwise.as_deref(), expr.span),
            ExprKind::Reduce { op, indices, body } => self.reduce(op, indices, body, expr.span, hint),
            ExprKind::Call { callee, args } => self.intrinsic_call(callee, args, expr.span, hint),
            ExprKind::Lambda { .. } => self.fail(error::types::misplaced(expr.span, "a helper", "let f = (k) => …")),
            ExprKind::Array(_) => self.fail(error::types::misplaced(expr.span, "a table", "let G = [[1, 0], [0, 1]]")),
            ExprKind::Range(..) => self.fail(error::types::misplaced(expr.span, "a range", "#[workload(i = 0..N)]")),
            ExprKind::Error => Value::Error,
        }
    }

    fn name(&mut self, name: &str, span: Span) -> Value {
        if let Some((_, entry)) = self.lookup(name) {
            return match &entry.binding {
                Binding::Value(value) => value.clone(),
                Binding::Error => Value::Error,
                other => {
                    let (kind, declared) = (other.kind(), entry.span);
                    self.fail(error::types::not_a_scalar(name, kind, span, declared))
                }
            };
        }
        match name {
            "inf" => return Value::Float(f64::INFINITY),
            "nan" => return Value::Float(f64::NAN),
            "pi" => return Value::Float(std::f64::consts::PI),
            _ => {}
        }
        match self.program.global(self.frame.module, name) {
            Some((global, ast::Item::Const(constant))) => self.constant(global.module, constant, span),
            Some((global, _)) => self.fail(error::types::not_a_scalar(name, "a function", span, global.span)),
            None if self.frame.types.iter().any(|(known, _)| known == name) || DType::from_name(name).is_some() => {
                self.fail(error::types::type_as_value(name, span))
            }
            None => self.unknown_name(name, span),
        }
    }

    /// Reports a name that stands for nothing.
    pub(super) fn unknown_name(&mut self, name: &str, span: Span) -> Value {
        if let Some(later) = self.defined_later(name) {
            let name = Ident { name: name.to_owned(), span };
            return self.fail(error::name::used_before(&name, later));
        }
        let visible = self.visible();
        let near = suggest::nearest(name, visible.iter().map(String::as_str));
        self.fail(error::name::unknown(name, span, near))
    }

    /// Where a later statement of this body defines a name.
    pub(super) fn defined_later(&self, name: &str) -> Option<Span> {
        self.frame.lets.iter().find(|later| later.name == name).map(|later| later.span)
    }

    /// `const N = 4`, evaluated where it stands.
    pub(super) fn constant(&mut self, module: usize, constant: &'p ast::ConstItem, span: Span) -> Value {
        let name = &constant.name.name;
        if let Some(known) = self.program.constants[module].get(name).filter(|known| !known.is_truth) {
            return Value::Size(Size::named(name, known.value));
        }
        if let Some(known) = self.constants.get(&(module, name.as_str())) {
            return known.clone();
        }
        if self.frame.constants.contains(name) {
            return self.fail(error::size::circular(name, span, span));
        }
        if !self.enter_constant(span) {
            return Value::Error;
        }
        let value = self.evaluated_constant(module, constant);
        self.constants.insert((module, name), value.clone());
        value
    }

    fn evaluated_constant(&mut self, module: usize, constant: &'p ast::ConstItem) -> Value {
        let name = &constant.name.name;
        let scope = std::mem::take(&mut self.frame.scope);
        let home = std::mem::replace(&mut self.frame.module, module);
        self.frame.constants.push(name.clone());
        let value = self.expr(&constant.value, None);
        self.frame.constants.pop();
        self.frame.module = home;
        self.frame.scope = scope;
        match value {
            Value::Size(size) => Value::Size(Size::named(name, size.value)),
            Value::Float(_) | Value::Error => value,
            Value::Scalar(id, _) if self.graph.pool.as_const(id).is_some() => value,
            _ => self.fail(error::types::not_compile_time(constant.value.span, "a `const`")),
        }
    }

    fn choose(&mut self, cond: &'p Expr, then: &'p Expr, otherwise: &'p Expr, hint: Option<DType>) -> Value {
        let Some(condition) = self.condition(cond) else {
            self.expr(then, hint);
            self.expr(otherwise, hint);
            return Value::Error;
        };
        if let Some(truth) = self.graph.pool.as_const(condition) {
            return self.expr(if truth.as_bool() == Some(true) { then } else { otherwise }, hint);
        }
        let yes = self.under(condition, |elab| elab.expr(then, hint));
        let not = self.graph.pool.unary(Op::Not, condition);
        let no = self.under(not, |elab| elab.expr(otherwise, hint));
        if matches!((&yes, &no), (Value::Index(..) | Value::Size(_), Value::Index(..) | Value::Size(_)))
            && hint.is_none()
        {
            let (Some(a), Some(b)) =
                (self.coerce(yes, DType::I64, then.span), self.coerce(no, DType::I64, otherwise.span))
            else {
                return Value::Error;
            };
            return Value::Index(self.graph.pool.select(condition, a, b), None);
        }
        self.join(condition, (yes, then.span), (no, otherwise.span), hint, &error::types::branches_differ)
    }

    /// Evaluates under a further condition.
    pub(super) fn under<T>(&mut self, fact: crate::expr::ExprId, run: impl FnOnce(&mut Self) -> T) -> T {
        self.frame.facts.push(fact);
        let result = run(self);
        self.frame.facts.pop();
        result
    }

    /// `if condition { yes } else { no }` for values.
    pub(super) fn join(
        &mut self,
        condition: crate::expr::ExprId,
        yes: (Value, Span),
        no: (Value, Span),
        hint: Option<DType>,
        mismatch: &dyn Fn(Span, Span, (DType, DType)) -> crate::diag::Diagnostic,
    ) -> Value {
        let untyped = |value: &Value| matches!(value, Value::Size(_) | Value::Float(_) | Value::TableRead(..));
        let joined = if let (true, true, Some(dtype)) = (untyped(&yes.0), untyped(&no.0), hint) {
            let (a, b) = (self.coerce(yes.0, dtype, yes.1), self.coerce(no.0, dtype, no.1));
            a.zip(b).map(|(a, b)| (a, b, dtype))
        } else {
            self.unify(yes, no, mismatch)
        };
        match joined {
            Some((a, b, dtype)) => Value::Scalar(self.graph.pool.select(condition, a, b), dtype),
            None => Value::Error,
        }
    }

    fn block(&mut self, lets: &'p [LocalLet], result: &'p Expr, hint: Option<DType>) -> Value {
        let base = self.frame.scope.len();
        for local in lets {
            self.check_fresh(&local.name);
            let value = self.expr(&local.value, None);
            self.bind(&local.name, Binding::Value(value));
        }
        let value = self.expr(result, hint);
        self.frame.scope.truncate(base);
        value
    }

    /// Reports a name that is taken already.
    pub(super) fn check_fresh(&mut self, name: &Ident) {
        if let Some((_, entry)) = self.lookup(&name.name) {
            let (kind, first) = (entry.binding.kind(), entry.span);
            self.report(error::name::shadows(name, kind, first));
        }
    }

    /// Reports a `let` of a name that is taken already.
    pub(super) fn check_fresh_let(&mut self, name: &Ident) {
        if let Some((_, entry)) = self.lookup(&name.name) {
            let first = entry.span;
            self.report(error::name::defined_twice(name, first));
        }
    }

    /// A call inside an expression: a helper, a cast, `clamp`, or an intrinsic.
    fn intrinsic_call(&mut self, callee: &'p Ident, args: &'p [Arg], span: Span, hint: Option<DType>) -> Value {
        if let Some((position, entry)) = self.lookup(&callee.name) {
            return match entry.binding {
                Binding::Helper(params, body) => self.helper(callee, position, params, body, args, hint),
                Binding::Error => Value::Error,
                ref other => {
                    let (kind, declared) = (other.kind(), entry.span);
                    self.fail(error::types::not_callable(callee, kind, declared))
                }
            };
        }
        let named = self.frame.types.iter().find(|(name, _)| *name == callee.name).map(|(_, dtype)| *dtype);
        if let Some(dtype) = named.or_else(|| DType::from_name(&callee.name)) {
            return self.cast(dtype, callee, args, span);
        }
        match (callee.name.as_str(), Op::intrinsic(&callee.name)) {
            ("clamp", _) => self.clamp(callee, args, span),
            (_, Some(op)) if op.info().arity == 1 => {
                let Some([arg]) = self.arguments(callee, args, hint) else { return Value::Error };
                let value = if op.info().class == Class::Float && matches!(arg.0, Value::TableRead(..)) {
                    self.settle(arg.0, arg.1)
                } else {
                    arg.0
                };
                self.apply(op, value, span, arg.1)
            }
            (_, Some(op)) => {
                let Some([a, b]) = self.arguments(callee, args, hint) else { return Value::Error };
                self.operate(op, a, b, span)
            }
            (_, None) => self.unknown_call(callee),
        }
    }

    fn unknown_call(&mut self, callee: &Ident) -> Value {
        if let Some((global, _)) = self.program.global(self.frame.module, &callee.name) {
            return self.fail(error::types::tensor_call_in_element(callee, global.span));
        }
        let known = crate::scalar::op::TABLE.iter().filter(|row| row.is_intrinsic()).map(|row| row.name);
        let functions = self.program.modules[self.frame.module].scope.keys().map(String::as_str);
        let reductions = ["sum", "prod", "any", "all", "argmax", "argmin"];
        if reductions.contains(&callee.name.as_str()) {
            return self.fail(error::name::reduction_without_index(callee));
        }
        let near = suggest::nearest(&callee.name, known.chain(functions).chain(["clamp"]));
        self.fail(error::name::unknown_function(callee, near, self.program.in_library(&callee.name)))
    }

    /// Exactly `N` unnamed arguments, evaluated.
    fn arguments<const N: usize>(
        &mut self,
        callee: &Ident,
        args: &'p [Arg],
        hint: Option<DType>,
    ) -> Option<[(Value, Span); N]> {
        if let Some(name) = args.iter().find_map(|arg| arg.name.as_ref()) {
            self.report(error::call::unnamed_only(callee, name));
            return None;
        }
        let mut values: Vec<(Value, Span)> = Vec::new();
        for arg in args {
            let hint = values.first().and_then(|(first, _)| super::arith::type_of(first)).or(hint);
            values.push((self.expr(&arg.value, hint), arg.value.span));
        }
        let count = values.len();
        let values = values.try_into().ok();
        if values.is_none() {
            self.report(error::call::argument_count(callee, N, count));
        }
        values
    }

    /// `f32(e)`
    fn cast(&mut self, dtype: DType, callee: &Ident, args: &'p [Arg], span: Span) -> Value {
        let Some([(value, at)]) = self.arguments(callee, args, Some(dtype)) else { return Value::Error };
        let id = match value {
            Value::Scalar(id, _) | Value::Index(id, _) => id,
            Value::Error => return Value::Error,
            Value::Size(_) if dtype == DType::Bool => {
                return self.fail(error::types::literal_does_not_fit("a number", dtype, span));
            }
            Value::Float(number) if !dtype.is_float() => {
                let constant = crate::scalar::Const::float(dtype, number).cast(dtype.compute());
                return Value::Scalar(self.graph.pool.constant(constant), dtype);
            }
            literal => match self.coerce(literal, dtype, at) {
                Some(id) => id,
                None => return Value::Error,
            },
        };
        // Narrow types are left at once for their compute type, which keeps the rounding and the wrapping.
        let narrow = self.graph.pool.cast(dtype, id);
        Value::Scalar(self.graph.pool.cast(dtype.compute(), narrow), dtype)
    }

    /// `clamp(x, lo, hi)`: `min(max(x, lo), hi)`
    fn clamp(&mut self, callee: &Ident, args: &'p [Arg], span: Span) -> Value {
        let Some([x, lo, hi]) = self.arguments(callee, args, None) else { return Value::Error };
        if let Value::Scalar(_, dtype) = x.0 {
            for bound in [&lo, &hi] {
                if let Value::Scalar(_, other) = bound.0
                    && other != dtype
                {
                    return self.fail(error::types::clamp_differs(x.1, bound.1, (dtype, other)));
                }
            }
        }
        let raised = self.operate(Op::Max, x, lo, span);
        self.operate(Op::Min, (raised, span), hi, span)
    }

    /// A local helper, expanded in place. It sees what was in scope where it was defined.
    fn helper(
        &mut self,
        callee: &Ident,
        position: usize,
        params: &'p [Ident],
        body: &'p Expr,
        args: &'p [Arg],
        hint: Option<DType>,
    ) -> Value {
        if args.len() != params.len() {
            return self.fail(error::call::argument_count(callee, params.len(), args.len()));
        }
        let values: Vec<_> = args.iter().map(|arg| self.expr(&arg.value, None)).collect();
        let hidden = self.frame.scope.split_off(position);
        for (param, value) in params.iter().zip(values) {
            self.bind(param, Binding::Value(value));
        }
        let value = self.expr(body, hint);
        self.frame.scope.truncate(position);
        self.frame.scope.extend(hidden);
        value
    }

    /// A compile-time integer, or an error.
    pub(super) fn size(&mut self, expr: &'p Expr, what: &str) -> Option<Size> {
        match self.expr(expr, None) {
            Value::Size(size) => Some(size),
            Value::Error => None,
            _ => {
                self.report(error::types::not_compile_time(expr.span, what));
                None
            }
        }
    }
}
