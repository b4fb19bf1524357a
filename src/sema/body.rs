//! A function's body: its statements in order, and at the end a look at what its outputs got.

use crate::scalar::DType;
use crate::syntax::ast::{Expr, ExprKind, Ident, Stmt, StmtKind};

use super::elab::Elab;
use super::value::{Binding, Size, Table, TableValue, TensorRef, Value};
use super::{error, walk};

impl<'p> Elab<'p> {
    /// Elaborates the statements; the outputs must be in the frame already.
    pub(super) fn statements(&mut self, body: &'p [Stmt]) {
        self.frame.lets = walk::defined_names(body);
        for stmt in body {
            if self.aborted {
                return;
            }
            let here = walk::defined_names(std::slice::from_ref(stmt)).len();
            self.frame.lets.drain(..here.min(self.frame.lets.len()));
            self.frame.statement = Some(stmt.span);
            match &stmt.kind {
                StmtKind::Element { is_let: true, target, indices, value } => self.let_element(target, indices, value),
                StmtKind::Element { is_let: false, target, indices, value } => {
                    self.output_element(target, indices, value, stmt.span);
                }
                StmtKind::Whole { is_let: true, targets, value } => self.let_whole(targets, value),
                StmtKind::Whole { is_let: false, targets, value } => self.assign_whole(targets, value),
                StmtKind::Error => self.frame.outputs.iter_mut().for_each(|output| output.is_broken = true),
            }
        }
    }

    /// The outputs as tensors; reports those that are not completely defined.
    pub(super) fn finish_outputs(&mut self) -> Vec<Option<TensorRef>> {
        (0..self.frame.outputs.len())
            .map(|position| {
                let output = &self.frame.outputs[position];
                if output.is_broken {
                    return None;
                }
                if output.tensor.is_none() {
                    let diagnostic = error::name::output_undefined(&output.name);
                    self.report(diagnostic);
                    return None;
                }
                self.check_cover(position);
                let output = &self.frame.outputs[position];
                output.tensor.map(|id| TensorRef { id, shape: output.shape.clone(), elem: output.elem })
            })
            .collect()
    }

    /// `let half = R / 2`, `let first = (k) => …`, `let G = [[…]]`, `let c = conv2d(x, w)`, `let (a, b) = f(x)`
    fn let_whole(&mut self, targets: &'p [Ident], value: &'p Expr) {
        let names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        for target in targets {
            self.check_fresh_let(target);
        }
        if let [target] = targets {
            let simple = match &value.kind {
                ExprKind::Lambda { params, body } => Some(Binding::Helper(params, body)),
                ExprKind::Array(items) => Some(self.table(target, items, value)),
                _ => None,
            };
            if let Some(binding) = simple {
                self.bind(target, binding);
                return;
            }
        }
        let bindings = self.whole(targets, &names, value);
        for (target, binding) in targets.iter().zip(bindings) {
            self.bind(target, binding);
        }
    }

    /// What a right-hand side without indices gives: as many bindings as there are targets. New tensors are called
    /// `names`.
    fn whole(&mut self, targets: &'p [Ident], names: &[&'p str], value: &'p Expr) -> Vec<Binding<'p>> {
        if let Some(&name) = names.first() {
            name.clone_into(&mut self.frame.target);
        }
        if let Some(results) = self.tensor_call(value, names) {
            if results.len() == targets.len() || results.is_empty() {
                let missing = targets.len() - results.len();
                return results.into_iter().chain(std::iter::repeat_n(Binding::Error, missing)).collect();
            }
            self.report(error::call::result_count(value.span, results.len(), targets));
            return vec![Binding::Error; targets.len()];
        }
        if targets.len() != 1 {
            self.report(error::call::result_count(value.span, 1, targets));
            return vec![Binding::Error; targets.len()];
        }
        if let ExprKind::Name(name) = &value.kind
            && let Some((_, entry)) = self.lookup(name)
            && matches!(entry.binding, Binding::Tensor(_) | Binding::Output(_) | Binding::Error)
        {
            let binding = entry.binding.clone();
            return vec![self.as_finished(binding, name, value)];
        }
        vec![self.compile_time(value)]
    }

    fn as_finished(&mut self, binding: Binding<'p>, name: &str, value: &Expr) -> Binding<'p> {
        let Binding::Output(position) = binding else { return binding };
        let name = Ident { name: name.to_owned(), span: value.span };
        let output = &self.frame.outputs[position];
        let (declared, shape, elem) = (output.name.span, output.shape.clone(), output.elem);
        if let Some(id) = output.tensor.filter(|_| self.is_complete(position)) {
            return Binding::Tensor(TensorRef { id, shape, elem });
        }
        self.report(error::name::used_before(&name, declared));
        Binding::Error
    }

    /// A number that is known at compile time.
    fn compile_time(&mut self, value: &'p Expr) -> Binding<'p> {
        match self.expr(value, None) {
            Value::Error => Binding::Error,
            number @ (Value::Size(_) | Value::Float(_)) => Binding::Value(number),
            Value::Scalar(id, dtype) if self.graph.pool.as_const(id).is_some() => {
                Binding::Value(Value::Scalar(id, dtype))
            }
            _ => {
                self.report(error::types::not_whole(value.span));
                Binding::Error
            }
        }
    }

    /// `y = f(x)`, `y = x`
    fn assign_whole(&mut self, targets: &'p [Ident], value: &'p Expr) {
        let positions: Vec<_> = targets.iter().map(|target| self.output_position(target)).collect();
        let names: Vec<_> = targets
            .iter()
            .zip(&positions)
            .map(|(target, position)| position.map_or(target.name.as_str(), |position| self.result_name(position)))
            .collect();
        let bindings = self.whole(targets, &names, value);
        for ((target, position), binding) in targets.iter().zip(positions).zip(bindings) {
            let Some(position) = position else { continue };
            let tensor = match binding {
                Binding::Tensor(tensor) => self.fits_output(position, target, tensor, value),
                Binding::Error => None,
                other => {
                    self.report(error::types::needs_indices(target, other.kind(), value.span));
                    None
                }
            };
            match tensor {
                Some(tensor) => self.set_output(position, target, &tensor),
                None => self.frame.outputs[position].is_broken = true,
            }
        }
    }

    fn fits_output(&mut self, position: usize, target: &Ident, tensor: TensorRef, value: &Expr) -> Option<TensorRef> {
        let output = &self.frame.outputs[position];
        let values = |shape: &[Size]| shape.iter().map(|size| size.value).collect::<Vec<_>>();
        if values(&output.shape) != values(&tensor.shape) {
            let diagnostic =
                error::index::shapes_differ(target, &output.shape, &tensor.shape, value.span, output.name.span);
            self.report(diagnostic);
            return None;
        }
        if output.elem != tensor.elem {
            let diagnostic = error::types::type_differs(value.span, tensor.elem, output.elem);
            self.report(diagnostic);
            return None;
        }
        Some(tensor)
    }

    fn set_output(&mut self, position: usize, target: &Ident, tensor: &TensorRef) {
        let output = &mut self.frame.outputs[position];
        if let Some((_, first)) = output.pieces.first() {
            let diagnostic = error::index::defined_again(target, *first);
            self.report(diagnostic);
            return;
        }
        let whole = output
            .shape
            .iter()
            .map(|size| crate::graph::cover::Progression { start: 0, step: 1, count: size.value })
            .collect();
        output.tensor = Some(tensor.id);
        output.pieces.push((whole, target.span));
    }

    /// `[[1, 0], [0.5, 0.5]]`
    fn table(&mut self, name: &Ident, items: &'p [Expr], whole: &'p Expr) -> Binding<'p> {
        let mut shape = Vec::new();
        let mut values = Vec::new();
        if !self.table_level(items, 0, &mut shape, &mut values, whole) {
            return Binding::Error;
        }
        self.tables.push(Table { name: name.name.clone(), shape, values, made: Vec::new() });
        Binding::Table(self.tables.len() - 1)
    }

    fn table_level(
        &mut self,
        items: &'p [Expr],
        depth: usize,
        shape: &mut Vec<i64>,
        values: &mut Vec<TableValue>,
        whole: &'p Expr,
    ) -> bool {
        if shape.len() == depth {
            shape.push(items.len() as i64);
        }
        if items.is_empty() || shape[depth] != items.len() as i64 {
            self.report(error::types::ragged_table(whole.span, shape[depth], items.len()));
            return false;
        }
        items.iter().all(|item| match &item.kind {
            ExprKind::Array(inner) if depth + 1 < shape.len() || values.is_empty() => {
                self.table_level(inner, depth + 1, shape, values, item)
            }
            _ if depth + 1 != shape.len() => {
                self.report(error::types::ragged_table(item.span, shape[depth], 0));
                false
            }
            _ => match self.expr(item, None) {
                Value::Size(size) => {
                    values.push(TableValue::Int(size.value));
                    true
                }
                Value::Float(number) => {
                    values.push(TableValue::Float(number));
                    true
                }
                Value::Error => false,
                _ => {
                    self.report(error::types::table_entry(item.span));
                    false
                }
            },
        })
    }

    /// The element type that a name stands for in the current function.
    pub(super) fn dtype_named(&self, name: &str) -> Option<DType> {
        let own = self.frame.types.iter().find(|(known, _)| known == name).map(|(_, dtype)| *dtype);
        own.or_else(|| DType::from_name(name))
    }
}
