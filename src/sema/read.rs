//! Reads of tensors: subscripts, the proof that they stay inside, and `else`.

use crate::expr::prove::{self, Verdict};
use crate::expr::simplify::simplify;
use crate::expr::{ExprId, TensorId};
use crate::graph::Role;
use crate::scalar::{DType, Op};
use crate::source::Span;
use crate::syntax::ast::{Dim, Expr, ExprKind, Ident, Subscript};
use crate::syntax::print::print_expr;

use super::elab::Elab;
use super::value::{Binding, Size, TensorRef, Value};
use super::{error, suggest};

/// A subscript: its value, its source, and its range as a reader would write it.
struct Sub {
    expr: ExprId,
    span: Span,
    value: Value,
}

/// A read and one of its subscripts as they are written; a subscript that a spread stands for is `…`.
fn quote(name: &Ident, at: &[Subscript], position: usize) -> (String, String) {
    let has_spread = at.iter().any(|subscript| matches!(subscript, Subscript::Spread(_)));
    let subscript = match at.get(position) {
        Some(Subscript::At(expr)) if !has_spread => print_expr(expr),
        _ => "…".to_owned(),
    };
    let kind = ExprKind::Read { tensor: name.clone(), at: at.to_vec(), otherwise: None };
    (print_expr(&Expr { kind, span: name.span }), subscript)
}

impl<'p> Elab<'p> {
    pub(super) fn read(
        &mut self,
        name: &'p Ident,
        at: &'p [Subscript],
        otherwise: Option<&'p Expr>,
        span: Span,
    ) -> Value {
        let target = self.readable(name);
        let subs = self.subscripts(at);
        let (Some(target), Some(subs)) = (target, subs) else {
            if let Some(otherwise) = otherwise {
                self.expr(otherwise, None);
            }
            return Value::Error;
        };
        let (shape, declared) = self.shape_of(&target, name);
        if subs.len() != shape.len() {
            return self.fail(error::index::wrong_rank(name, span, subs.len(), &shape, declared));
        }
        let reads = &mut self.graph.origins.read;
        if let Binding::Tensor(tensor) = &target
            && reads.get(tensor.id).is_none()
        {
            reads.insert(tensor.id, span);
        }
        let source = at;
        let at: Vec<_> = subs.iter().map(|sub| sub.expr).collect();
        let Some(otherwise) = otherwise else {
            let inside = subs.iter().zip(&shape).enumerate().fold(true, |all, (position, (sub, extent))| {
                self.prove_inside((name, source), position, sub, extent, declared) && all
            });
            return if inside { self.element(&target, at) } else { Value::Error };
        };
        self.guarded(&target, &subs, &shape, at, otherwise, span)
    }

    /// The tensor, table or finished output behind a name.
    fn readable(&mut self, name: &Ident) -> Option<Binding<'p>> {
        let Some((_, entry)) = self.lookup(&name.name) else {
            if let Some(later) = self.defined_later(&name.name) {
                self.report(error::name::used_before(name, later));
                return None;
            }
            let near = {
                let tensors: Vec<_> = self.frame.scope.iter().map(|entry| entry.name.clone()).collect();
                suggest::nearest(&name.name, tensors.iter().map(String::as_str))
            };
            self.report(error::name::unknown_tensor(name, near));
            return None;
        };
        let (binding, declared) = (entry.binding.clone(), entry.span);
        match binding {
            Binding::Tensor(_) | Binding::Table(_) => Some(binding),
            Binding::Output(position) => self.finished_output(position, name, declared).map(Binding::Tensor),
            Binding::Error => None,
            other => {
                self.report(error::types::not_a_tensor(name, other.kind(), declared));
                None
            }
        }
    }

    fn finished_output(&mut self, position: usize, name: &Ident, declared: Span) -> Option<TensorRef> {
        let output = &self.frame.outputs[position];
        if output.is_broken {
            return None;
        }
        let complete = output.tensor.filter(|_| self.is_complete(position));
        if complete.is_none() {
            self.report(error::name::used_before(name, declared));
        }
        let output = &self.frame.outputs[position];
        complete.map(|id| TensorRef { id, shape: output.shape.clone(), elem: output.elem })
    }

    fn shape_of(&self, target: &Binding<'p>, name: &Ident) -> (Vec<Size>, Span) {
        let declared = self.lookup(&name.name).map_or(name.span, |(_, entry)| entry.span);
        let shape = match target {
            Binding::Tensor(tensor) => tensor.shape.clone(),
            Binding::Table(table) => self.tables[*table].shape.iter().map(|&n| Size::literal(n)).collect(),
            _ => Vec::new(),
        };
        (shape, declared)
    }

    fn subscripts(&mut self, at: &'p [Subscript]) -> Option<Vec<Sub>> {
        let mut subs = Vec::new();
        let mut is_whole = true;
        for subscript in at {
            match subscript {
                Subscript::At(expr) => {
                    let value = self.expr(expr, None);
                    match self.subscript(&value, expr.span) {
                        Some(id) => subs.push(Sub { expr: id, span: expr.span, value }),
                        None => is_whole = false,
                    }
                }
                Subscript::Spread(name) => match self.lookup(&name.name).map(|(_, entry)| entry.binding.clone()) {
                    Some(Binding::Indices(indices)) => {
                        for value in indices {
                            let Value::Index(id, _) = value else { continue };
                            subs.push(Sub { expr: id, span: name.span, value });
                        }
                    }
                    Some(Binding::Error) => is_whole = false,
                    _ => {
                        self.report(error::index::unknown_spread(name));
                        is_whole = false;
                    }
                },
            }
        }
        is_whole.then_some(subs)
    }

    /// The `i64` expression of a subscript in its simplest form, `p` for `0 * 2 + p - 0`: proofs, guards and readers
    /// all see this one.
    fn subscript(&mut self, value: &Value, span: Span) -> Option<ExprId> {
        let id = self.plain_subscript(value, span)?;
        let domain = self.domain_of(&[id]);
        Some(simplify(&mut self.graph.pool, id, &domain))
    }

    /// The `i64` expression of a subscript as it is written; integer data is widened.
    fn plain_subscript(&mut self, value: &Value, span: Span) -> Option<ExprId> {
        match value {
            Value::Index(id, _) => Some(*id),
            Value::Size(size) => Some(self.graph.pool.int(size.value)),
            Value::Scalar(id, dtype) if dtype.is_int() => Some(self.graph.pool.cast(DType::I64, *id)),
            Value::TableRead(table, at) => {
                let id = self.table_read(*table, at.clone(), DType::I64, span)?;
                Some(id)
            }
            Value::Error => None,
            other => {
                let what = Self::describe(other);
                self.report(error::index::not_an_integer(span, &what));
                None
            }
        }
    }

    fn prove_inside(
        &mut self,
        (name, source): (&Ident, &[Subscript]),
        position: usize,
        sub: &Sub,
        extent: &Size,
        declared: Span,
    ) -> bool {
        let facts = self.frame.facts.clone();
        let domain = self.domain_of(&[&facts[..], &[sub.expr]].concat());
        let verdict = prove::within(&mut self.graph.pool, sub.expr, 0, extent.value - 1, &domain, &facts);
        let range = match &sub.value {
            Value::Index(_, Some(range)) => Some((range.lo.to_string(), range.hi.to_string())),
            _ => None,
        };
        let verdict = match verdict {
            Verdict::Proved => return true,
            verdict => verdict,
        };
        let (read, subscript) = quote(name, source, position);
        let dim = self.declared_extent(declared, position);
        let place =
            error::index::Place { tensor: name, position, span: sub.span, extent, declared, dim, read, subscript };
        let diagnostic = match verdict {
            _ if self.graph.pool.has_load(sub.expr) => error::index::data_subscript(&place),
            Verdict::Refuted(witness) => {
                let value = self.evaluate_at(sub.expr, &witness);
                let point: Vec<_> =
                    witness.iter().map(|&(axis, value)| (self.graph.axes[axis].name.clone(), value)).collect();
                let sizes = self.sizes_behind(sub, extent);
                error::index::escapes(&place, range.as_ref(), &point, value, &sizes)
            }
            Verdict::Proved | Verdict::Unknown => error::index::not_proved(&place, range.as_ref()),
        };
        self.report(diagnostic);
        false
    }

    /// Where the extent at `position` is written, if the tensor is a parameter or a result, declared at `declared`.
    pub(super) fn declared_extent(&self, declared: Span, position: usize) -> Option<Span> {
        let function = self.frame.function?;
        let params = function.params.iter().map(|param| (param.name.span, &param.ty));
        let outputs = function.outputs.iter().map(|output| (output.name.span, &output.ty));
        let (_, ty) = params.chain(outputs).find(|(span, _)| *span == declared)?;
        let dims = ty.dims.as_ref()?;
        let before = dims.iter().position(|dim| matches!(dim, Dim::Spread(_))).unwrap_or(dims.len());
        match dims.get(position).filter(|_| position < before)? {
            Dim::Size(expr) => Some(expr.span),
            Dim::Spread(_) => None,
        }
    }

    /// The value of an index expression at a point.
    fn evaluate_at(&mut self, expr: ExprId, point: &[(crate::expr::AxisId, i64)]) -> Option<i64> {
        let values: Vec<_> = point.iter().map(|&(axis, value)| (axis, self.graph.pool.int(value))).collect();
        let fixed = self
            .graph
            .pool
            .substitute(expr, &|axis| values.iter().find(|(known, _)| *known == axis).map(|(_, value)| *value));
        self.graph.pool.as_int(fixed)
    }

    /// The sizes that the range of a subscript and an extent depend on; all where that is not known.
    fn sizes_behind(&self, sub: &Sub, extent: &Size) -> Vec<(String, i64)> {
        let mut sizes = self.known_sizes();
        if let (Value::Index(_, Some(range)), Some(sym)) = (&sub.value, &extent.sym) {
            sizes.retain(|(name, _)| [&range.lo, &range.hi, sym].iter().any(|poly| poly.mentions(name)));
        }
        sizes
    }

    /// The sizes of this instance with their values: `H = 6`.
    pub(super) fn known_sizes(&self) -> Vec<(String, i64)> {
        let mut sizes: Vec<(String, i64)> = Vec::new();
        for entry in &self.frame.scope {
            if let Binding::Value(Value::Size(size)) = &entry.binding
                && !sizes.iter().any(|(known, _)| *known == entry.name)
            {
                sizes.push((entry.name.clone(), size.value));
            }
        }
        sizes
    }

    /// `x[…] else v`: the load where every subscript is inside, `v` elsewhere.
    fn guarded(
        &mut self,
        target: &Binding<'p>,
        subs: &[Sub],
        shape: &[Size],
        at: Vec<ExprId>,
        otherwise: &'p Expr,
        span: Span,
    ) -> Value {
        let mut inside = self.graph.pool.bool(true);
        for (sub, extent) in subs.iter().zip(shape) {
            inside = self.guard(inside, sub.expr, extent.value);
        }
        let value = self.element(target, at);
        let hint = super::arith::type_of(&value);
        let not = self.graph.pool.unary(Op::Not, inside);
        let default = self.under(not, |elab| elab.expr(otherwise, hint));
        if self.graph.pool.as_const(inside).is_some_and(|c| c.as_bool() == Some(true)) {
            return value;
        }
        self.join(inside, (value, span), (default, otherwise.span), hint, &error::types::else_differs)
    }

    /// Adds `0 <= sub` and `sub < extent` to a condition, as far as they are not known already.
    fn guard(&mut self, inside: ExprId, sub: ExprId, extent: i64) -> ExprId {
        let facts = self.frame.facts.clone();
        let domain = self.domain_of(&[&facts[..], &[sub]].concat());
        let pool = &mut self.graph.pool;
        let (zero, end) = (pool.int(0), pool.int(extent));
        let low = pool.binary(Op::Ge, sub, zero);
        let high = pool.binary(Op::Lt, sub, end);
        [low, high].into_iter().fold(inside, |inside, bound| {
            let known = prove::always(&mut self.graph.pool, bound, &domain, &facts);
            if matches!(known, Verdict::Proved) { inside } else { self.graph.pool.and(inside, bound) }
        })
    }

    fn element(&mut self, target: &Binding<'p>, at: Vec<ExprId>) -> Value {
        match target {
            Binding::Tensor(tensor) => Value::Scalar(self.load(tensor.id, at), tensor.elem),
            Binding::Table(table) => Value::TableRead(*table, at),
            _ => Value::Error,
        }
    }

    /// A load from a literal table at type `dtype`.
    pub(super) fn table_read(&mut self, table: usize, at: Vec<ExprId>, dtype: DType, span: Span) -> Option<ExprId> {
        let id = self.table_tensor(table, dtype.compute());
        if id.is_none() {
            let name = self.tables[table].name.clone();
            self.report(error::types::table_does_not_fit(&name, dtype, span));
        }
        Some(self.load(id?, at))
    }

    /// The table as a constant tensor of type `dtype`.
    fn table_tensor(&mut self, table: usize, dtype: DType) -> Option<TensorId> {
        let known = &self.tables[table];
        if let Some((_, id)) = known.made.iter().find(|(made, _)| *made == dtype) {
            return Some(*id);
        }
        if dtype == DType::Bool {
            return None;
        }
        let values = known.values.iter().map(|value| value.to_const(dtype)).collect::<Option<Vec<_>>>()?;
        let (name, shape) = (known.name.clone(), known.shape.clone());
        let id = self.tensor(&name, dtype, shape, Role::Constant(values));
        self.tables[table].made.push((dtype, id));
        Some(id)
    }
}
