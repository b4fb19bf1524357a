//! Definitions element by element: `C[i, j] = …` and `let m[n] = …`.

use crate::expr::affine;
use crate::expr::{AxisId, ExprId};
use crate::graph::cover::{self, Cover, Progression};
use crate::graph::{Body, Role, Stage};
use crate::scalar::{DType, Op};
use crate::source::Span;
use crate::syntax::ast::{Expr, ExprKind, Ident, Index};

use super::elab::Elab;
use super::reduce::Whole;
use super::value::{Binding, Size, TensorRef, Value};
use super::{error, walk};

impl<'p> Elab<'p> {
    /// `let target[indices] = value`
    pub(super) fn let_element(&mut self, target: &'p Ident, indices: &'p [Index], value: &'p Expr) {
        self.check_fresh_let(target);
        let base = self.frame.scope.len();
        self.frame.target.clone_from(&target.name);
        let mut axes = Vec::new();
        let mut is_whole = true;
        for index in indices {
            is_whole &= match index {
                Index::At { expr: Expr { kind: ExprKind::Name(name), span }, range } => {
                    let name = Ident { name: name.clone(), span: *span };
                    self.open_index(&name, range.as_ref(), &[value], &mut axes)
                }
                Index::At { expr, .. } => {
                    self.report(error::index::let_subscript(expr.span));
                    false
                }
                Index::Spread(name) => self.open_spread(name, None, &[value], &mut axes),
            };
        }
        let body = self.body(value, None);
        self.frame.scope.truncate(base);
        let defined =
            if is_whole { body.and_then(|(body, elem)| self.finish_let(target, axes, body, elem)) } else { None };
        self.bind(target, defined.map_or(Binding::Error, Binding::Tensor));
    }

    fn finish_let(&mut self, target: &Ident, axes: Vec<AxisId>, body: Body, elem: DType) -> Option<TensorRef> {
        let shape: Vec<Size> = axes.iter().map(|&axis| self.extent_of(axis)).collect();
        self.check_bytes(&shape, elem.compute(), target, target.span)?;
        let extents = shape.iter().map(|size| size.value).collect();
        let id = self.tensor(&target.name, elem.compute(), extents, Role::Intermediate);
        self.stage(id, axes, body);
        Some(TensorRef { id, shape, elem })
    }

    fn extent_of(&self, axis: AxisId) -> Size {
        let value = self.graph.axes[axis].extent;
        Size { value, sym: self.axis_sizes.get(axis).and_then(|size| size.sym.clone()) }
    }

    /// Reports, at `span`, a tensor that no memory can hold.
    pub(super) fn check_bytes(&mut self, shape: &[Size], dtype: DType, name: &Ident, span: Span) -> Option<()> {
        let bytes = shape.iter().try_fold(dtype.bytes() as i64, |bytes, size| bytes.checked_mul(size.value));
        if bytes.is_some_and(|bytes| bytes <= super::elab::MAX_BYTES) {
            return Some(());
        }
        self.report(error::size::too_large(name, shape, span));
        None
    }

    /// The right-hand side as a stage's body, and its element type; `elem` is the type it must have, if it is known.
    fn body(&mut self, value: &'p Expr, elem: Option<DType>) -> Option<(Body, DType)> {
        match self.as_reduction(value, elem) {
            Whole::Reduction(reduction) => {
                if let Some(elem) = elem {
                    let result = Value::Scalar(reduction.value, reduction.dtype);
                    self.coerce(result, elem, value.span)?;
                }
                let body = Body::Reduce { op: reduction.op, axes: reduction.axes, value: reduction.value };
                Some((body, reduction.dtype))
            }
            Whole::Error => None,
            Whole::Other => {
                let result = self.expr(value, elem);
                match elem {
                    Some(elem) => Some((Body::Map(self.coerce(result, elem, value.span)?), elem)),
                    None => match self.settle(result, value.span) {
                        Value::Scalar(id, dtype) => Some((Body::Map(id), dtype)),
                        _ => None,
                    },
                }
            }
        }
    }

    /// `target[indices] = value` for an output.
    pub(super) fn output_element(&mut self, target: &'p Ident, indices: &'p [Index], value: &'p Expr, span: Span) {
        let Some(position) = self.output_position(target) else {
            self.expr_for_errors_of_names(value);
            return;
        };
        self.result_name(position).clone_into(&mut self.frame.target);
        let base = self.frame.scope.len();
        let mut axes = Vec::new();
        let opened = self.open_left(position, target, indices, value, &mut axes);
        let elem = self.frame.outputs[position].elem;
        let body = self.body(value, Some(elem));
        let at = opened.and_then(|()| self.left_subscripts(position, target, indices));
        self.frame.scope.truncate(base);
        match (at, body) {
            (Some((at, piece)), Some((body, _))) => self.add_piece(position, axes, at, piece, body, span),
            _ => self.frame.outputs[position].is_broken = true,
        }
    }

    /// Where the left side is hopeless, the right one is still looked at for unknown names.
    fn expr_for_errors_of_names(&mut self, value: &Expr) {
        for name in walk::names(value) {
            let _ = self.lookup(name);
        }
    }

    /// The output that a definition is for.
    pub(super) fn output_position(&mut self, target: &Ident) -> Option<usize> {
        let Some((_, entry)) = self.lookup(&target.name) else {
            let outputs: Vec<_> = self.frame.outputs.iter().map(|output| output.name.name.clone()).collect();
            self.report(error::name::assign_unknown(target, &outputs));
            return None;
        };
        match entry.binding {
            Binding::Output(position) => Some(position),
            Binding::Error => None,
            ref other => {
                let (kind, declared) = (other.kind(), entry.span);
                let first = self.frame.outputs.iter().any(|output| output.name.name == target.name);
                self.report(if first {
                    error::index::defined_again(target, declared)
                } else {
                    error::name::not_assignable(target, kind, declared)
                });
                None
            }
        }
    }

    /// Brings the indices of the left side into scope.
    fn open_left(
        &mut self,
        position: usize,
        target: &Ident,
        indices: &'p [Index],
        value: &'p Expr,
        axes: &mut Vec<AxisId>,
    ) -> Option<()> {
        let shape = self.frame.outputs[position].shape.clone();
        let spreads = indices.iter().filter(|index| matches!(index, Index::Spread(_))).count();
        let width = (shape.len() + 1).checked_sub(indices.len()).filter(|_| spreads == 1);
        if spreads > 1 || (spreads == 0 && indices.len() != shape.len()) || (spreads == 1 && width.is_none()) {
            let declared = self.frame.outputs[position].name.span;
            self.report(error::index::wrong_rank(target, target.span, indices.len(), &shape, declared));
        }
        let base = self.frame.scope.len();
        let mut dimension = 0;
        let mut is_whole = indices.len() == shape.len() || width.is_some();
        for index in indices {
            match index {
                Index::At { expr, range } => {
                    is_whole &= self.open_left_index(expr, range.as_ref(), shape.get(dimension), value, axes, base);
                    dimension += 1;
                }
                Index::Spread(name) => {
                    let count = width.unwrap_or(0).min(shape.len().saturating_sub(dimension));
                    let extents = shape[dimension.min(shape.len())..][..count].to_vec();
                    is_whole &= self.open_spread(name, Some(extents), &[value], axes);
                    dimension += count;
                }
            }
        }
        is_whole.then_some(())
    }

    /// Opens the new names of one left-hand subscript; one that stands alone runs over the whole dimension.
    fn open_left_index(
        &mut self,
        expr: &'p Expr,
        range: Option<&'p Expr>,
        extent: Option<&Size>,
        value: &'p Expr,
        axes: &mut Vec<AxisId>,
        base: usize,
    ) -> bool {
        if let (ExprKind::Name(name), None) = (&expr.kind, range) {
            let ident = Ident { name: name.clone(), span: expr.span };
            if let Some((position, entry)) = self.lookup(name) {
                match (&entry.binding, extent) {
                    // Twice on this left side: judged with the subscripts.
                    _ if position >= base => return true,
                    (Binding::Value(Value::Size(size)), Some(extent)) if size.value < extent.value => return true,
                    _ => self.check_fresh(&ident),
                }
            }
            let Some(extent) = extent else {
                self.bind(&ident, Binding::Error);
                return false;
            };
            let (axis, index) = self.axis(name, extent);
            axes.push(axis);
            self.bind(&ident, Binding::Value(index));
            return true;
        }
        let mut is_whole = true;
        let mut spans: Vec<Ident> = Vec::new();
        walk::each(expr, &mut |e| {
            if let ExprKind::Name(name) = &e.kind
                && self.lookup(name).is_none()
                && self.program.global(self.frame.module, name).is_none()
                && !spans.iter().any(|known| known.name == *name)
            {
                spans.push(Ident { name: name.clone(), span: e.span });
            }
        });
        for ident in spans {
            is_whole &= self.open_index(&ident, range, &[value], axes);
        }
        is_whole
    }

    /// The left-hand subscripts, and the elements that they write.
    fn left_subscripts(
        &mut self,
        position: usize,
        target: &Ident,
        indices: &'p [Index],
    ) -> Option<(Vec<ExprId>, Vec<Progression>)> {
        let shape = self.frame.outputs[position].shape.clone();
        let mut at: Vec<(ExprId, Span)> = Vec::new();
        for index in indices {
            match index {
                Index::At { expr, .. } => match self.expr(expr, None) {
                    Value::Index(id, _) => at.push((id, expr.span)),
                    Value::Size(size) => at.push((self.graph.pool.int(size.value), expr.span)),
                    Value::Error => return None,
                    _ => {
                        self.report(error::index::left_form(expr.span));
                        return None;
                    }
                },
                Index::Spread(name) => {
                    if let Some(Binding::Indices(values)) = self.lookup(&name.name).map(|(_, e)| e.binding.clone()) {
                        at.extend(values.into_iter().filter_map(|value| match value {
                            Value::Index(id, _) => Some((id, name.span)),
                            _ => None,
                        }));
                    }
                }
            }
        }
        let mut used = Vec::new();
        let mut piece = Vec::new();
        for (dimension, ((id, span), extent)) in at.iter().zip(&shape).enumerate() {
            let progression = self.progression(*id, *span, &mut used)?;
            let last = progression.start + progression.step * (progression.count - 1);
            if progression.start < 0 || last >= extent.value {
                let declared = self.frame.outputs[position].name.span;
                let declared = (declared, self.declared_extent(declared, dimension).map(|dim| (dim, dimension)));
                self.report(error::index::left_outside(target, *span, (progression.start, last), extent, declared));
                return None;
            }
            piece.push(progression);
        }
        Some((at.into_iter().map(|(id, _)| id).collect(), piece))
    }

    /// The values of a left-hand subscript: `stride * index + offset`, or a constant.
    fn progression(&mut self, id: ExprId, span: Span, used: &mut Vec<ExprId>) -> Option<Progression> {
        let linear = affine::linear(&self.graph.pool, id);
        let terms: Vec<_> = linear.terms.iter().map(|(&atom, &factor)| (atom, factor)).collect();
        let axis = |atom| match self.graph.pool.get(atom) {
            &crate::expr::Expr::Axis(axis) => Some(axis),
            _ => None,
        };
        let progression = match terms[..] {
            [] => Some(Progression { start: linear.constant, step: 1, count: 1 }),
            [(atom, step)] if step > 0 && !used.contains(&atom) => axis(atom).map(|axis| {
                used.push(atom);
                Progression { start: linear.constant, step, count: self.graph.axes[axis].extent }
            }),
            _ => None,
        };
        if progression.is_none() {
            self.report(error::index::left_form(span));
        }
        progression
    }

    fn add_piece(
        &mut self,
        position: usize,
        axes: Vec<AxisId>,
        at: Vec<ExprId>,
        piece: Vec<Progression>,
        body: Body,
        span: Span,
    ) {
        let in_subscripts: Vec<_> = at.iter().flat_map(|&id| self.graph.pool.axes(id)).collect();
        if let Some(&axis) = axes.iter().find(|axis| !in_subscripts.contains(axis)) {
            let name = self.graph.axes[axis].name.clone();
            self.report(error::index::left_unused(&name, span));
            return;
        }
        let output = &self.frame.outputs[position];
        let (name, dtype) = (self.result_name(position), output.elem.compute());
        let shape = output.shape.iter().map(|size| size.value).collect();
        let tensor = match output.tensor {
            Some(tensor) => tensor,
            None => self.tensor(name, dtype, shape, Role::Intermediate),
        };
        let output = &mut self.frame.outputs[position];
        output.tensor = Some(tensor);
        output.pieces.push((piece, span));
        self.add_stage(Stage { tensor, axes, at, body });
    }

    /// Whether the definitions so far write every element of an output.
    pub(super) fn is_complete(&self, position: usize) -> bool {
        let output = &self.frame.outputs[position];
        let shape: Vec<_> = output.shape.iter().map(|size| size.value).collect();
        let pieces: Vec<_> = output.pieces.iter().map(|(piece, _)| piece.clone()).collect();
        output.is_broken || matches!(cover::cover(&shape, &pieces), Cover::Exact)
    }

    /// Reports elements that are written never or twice.
    pub(super) fn check_cover(&mut self, position: usize) {
        let output = &self.frame.outputs[position];
        if output.is_broken {
            return;
        }
        let shape: Vec<_> = output.shape.iter().map(|size| size.value).collect();
        let pieces: Vec<_> = output.pieces.iter().map(|(piece, _)| piece.clone()).collect();
        let spans: Vec<_> = output.pieces.iter().map(|(_, span)| *span).collect();
        let name = output.name.clone();
        match cover::cover(&shape, &pieces) {
            Cover::Exact => {}
            Cover::Missing(element) => self.report(error::index::never_written(&name, &element, &spans)),
            Cover::Twice(element, a, b) => {
                self.report(error::index::written_twice(&name, &element, spans[a], spans[b]));
            }
            Cover::Outside(..) => self.report(error::index::never_written(&name, &[], &spans)),
        }
    }

    /// A copy of a tensor, for an output that is the same as another tensor.
    pub(super) fn copy(&mut self, source: &TensorRef, name: &str, role: Role, dtype: DType) -> crate::expr::TensorId {
        let extents: Vec<_> = source.shape.iter().map(|size| size.value).collect();
        let axes: Vec<_> =
            source.shape.iter().enumerate().map(|(i, size)| self.axis(&format!("i{i}"), size).0).collect();
        let at = axes.iter().map(|&axis| self.graph.pool.axis(axis)).collect();
        let value = self.load(source.id, at);
        let value = if dtype == DType::Bool && self.graph.pool.dtype(value) != DType::Bool {
            let zero = self.graph.pool.constant(crate::scalar::Const::int(self.graph.pool.dtype(value), 0));
            self.graph.pool.binary(Op::Ne, value, zero)
        } else {
            self.graph.pool.cast(dtype.compute(), value)
        };
        let id = self.tensor(name, dtype, extents, role);
        self.stage(id, axes, Body::Map(value));
        id
    }
}
