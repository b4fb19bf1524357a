//! Calls of functions: arguments to parameters, then the callee's body in a frame of its own.

use crate::scalar::DType;
use crate::source::Span;
use crate::syntax::ast::{Arg, Expr, ExprKind, Function, Ident};

use super::elab::{Elab, Frame};
use super::poly::Poly;
use super::value::{Binding, Size, TensorRef, Value};
use super::{Unfit, error, suggest};

/// An argument: what a parameter is to be.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// A tensor.
    Tensor(TensorRef),
    /// A compile-time number or truth value.
    Number(Value),
    /// Something that was reported.
    Error,
}

/// An argument with its place, for one parameter.
pub(super) type Slot = Option<(Given, Span)>;

impl<'p> Elab<'p> {
    /// The results, if the expression is a call of a function of tensors; none of them after an error. They are called
    /// `names`, or if there are none, as the function.
    pub(super) fn tensor_call(&mut self, expr: &'p Expr, names: &[&'p str]) -> Option<Vec<Binding<'p>>> {
        let ExprKind::Call { callee, args } = &expr.kind else { return None };
        if self.lookup(&callee.name).is_some() {
            return None;
        }
        let Some((module, function)) = self.program.function_in(self.frame.module, &callee.name) else {
            return self.maybe_misspelt(callee, args);
        };
        let slots = self.slots(callee, function, args);
        let Some(slots) = slots.filter(|_| self.enter_call(expr.span)) else { return Some(Vec::new()) };
        let names = if names.is_empty() { vec![callee.name.as_str()] } else { names.to_vec() };
        let results = self.expand(module, function, &slots, (expr.span, callee), names);
        Some(results.into_iter().map(|result| result.map_or(Binding::Error, Binding::Tensor)).collect())
    }

    /// A call of an unknown name with tensors for arguments is a misspelt function.
    fn maybe_misspelt(&mut self, callee: &Ident, args: &'p [Arg]) -> Option<Vec<Binding<'p>>> {
        let takes_tensor = args.iter().any(|arg| {
            matches!(&arg.value.kind, ExprKind::Name(name)
                if matches!(self.lookup(name), Some((_, entry)) if matches!(entry.binding, Binding::Tensor(_) | Binding::Error)))
        });
        let is_known = DType::from_name(&callee.name).is_some() || crate::scalar::Op::intrinsic(&callee.name).is_some();
        if !takes_tensor || is_known {
            return None;
        }
        let near = {
            let names = self.program.modules[self.frame.module].scope.keys().map(String::as_str);
            suggest::nearest(&callee.name, names)
        };
        self.report(error::name::unknown_function(callee, near, self.program.in_library(&callee.name)));
        Some(Vec::new())
    }

    /// The arguments in the order of the parameters.
    fn slots(&mut self, callee: &Ident, function: &'p Function, args: &'p [Arg]) -> Option<Vec<Slot>> {
        let mut slots: Vec<Slot> = vec![None; function.params.len()];
        let mut is_whole = true;
        let mut named = false;
        for (index, arg) in args.iter().enumerate() {
            let position = match &arg.name {
                Some(name) => {
                    named = true;
                    function.params.iter().position(|param| param.name.name == name.name)
                }
                None if named => {
                    self.report(error::call::unnamed_after_named(arg.value.span));
                    is_whole = false;
                    continue;
                }
                None => Some(index).filter(|&index| index < function.params.len()),
            };
            let value = self.argument(&arg.value);
            let Some(position) = position else {
                is_whole = false;
                self.report_surplus(callee, function, arg, args.len());
                continue;
            };
            if let Some((_, first)) = &slots[position] {
                self.report(error::call::given_twice(&function.params[position].name.name, arg.value.span, *first));
                is_whole = false;
                continue;
            }
            slots[position] = Some((value, arg.value.span));
        }
        is_whole.then_some(slots)
    }

    fn report_surplus(&mut self, callee: &Ident, function: &'p Function, arg: &'p Arg, count: usize) {
        match &arg.name {
            Some(name) => {
                let near = suggest::nearest(&name.name, function.params.iter().map(|p| p.name.name.as_str()));
                self.report(error::call::unknown_argument(callee, name, function, near));
            }
            None => self.report(error::call::too_many(callee, function, count, arg.value.span)),
        }
    }

    /// One argument: a tensor by name or by a further call, or a compile-time number.
    fn argument(&mut self, expr: &'p Expr) -> Given {
        if let ExprKind::Name(name) = &expr.kind
            && let Some((_, entry)) = self.lookup(name)
        {
            let (binding, declared) = (entry.binding.clone(), entry.span);
            match binding {
                Binding::Tensor(tensor) => return Given::Tensor(tensor),
                Binding::Error => return Given::Error,
                Binding::Output(position) => {
                    let output = &self.frame.outputs[position];
                    let (shape, elem) = (output.shape.clone(), output.elem);
                    if let Some(id) = output.tensor.filter(|_| self.is_complete(position)) {
                        return Given::Tensor(TensorRef { id, shape, elem });
                    }
                    let name = Ident { name: name.clone(), span: expr.span };
                    self.report(error::name::used_before(&name, declared));
                    return Given::Error;
                }
                _ => {}
            }
        }
        if let Some(results) = self.tensor_call(expr, &[]) {
            return match <[Binding<'p>; 1]>::try_from(results) {
                Ok([Binding::Tensor(tensor)]) => Given::Tensor(tensor),
                Ok(_) => Given::Error,
                Err(results) if results.is_empty() => Given::Error,
                Err(results) => {
                    self.report(error::call::several_results(expr.span, results.len()));
                    Given::Error
                }
            };
        }
        match self.expr(expr, None) {
            Value::Error => Given::Error,
            number @ (Value::Size(_) | Value::Float(_)) => Given::Number(number),
            Value::Scalar(id, dtype) if self.graph.pool.as_const(id).is_some() => {
                Given::Number(Value::Scalar(id, dtype))
            }
            _ => {
                self.report(error::types::not_whole(expr.span));
                Given::Error
            }
        }
    }

    /// Expands a call in place; gives the outputs, as the caller names them and sees their sizes.
    pub(super) fn expand(
        &mut self,
        module: usize,
        function: &'p Function,
        slots: &[Slot],
        (span, callee): (Span, &Ident),
        result_names: Vec<&'p str>,
    ) -> Vec<Option<TensorRef>> {
        let mut frame = Frame::new(module);
        frame.result_names = result_names;
        frame.depth = self.frame.depth + 1;
        frame.calls = vec![(callee.name.clone(), span)];
        frame.calls.extend(self.frame.calls.iter().cloned());
        let caller = std::mem::replace(&mut self.frame, frame);
        let outputs = self.instance(function, slots, span);
        let names = Self::caller_sizes(function, slots);
        self.frame = caller;
        outputs.into_iter().map(|output| output.map(|tensor| in_callers_words(tensor, &names))).collect()
    }

    /// Binds the parameters, elaborates the body, and gives the outputs.
    pub(super) fn instance(&mut self, function: &'p Function, slots: &[Slot], span: Span) -> Vec<Option<TensorRef>> {
        let failed = vec![None; function.outputs.len()];
        self.frame.function = Some(function);
        if !self.bind_parameters(function, slots, span) {
            return failed;
        }
        let body = self.chosen_body(function, span);
        if let Some((module, _)) = body {
            self.frame.module = module;
        }
        self.statements(body.map_or(function.body.as_slice(), |(_, body)| body));
        if self.aborted { failed } else { self.finish_outputs() }
    }

    /// The body of the variant that was asked for, where there is one.
    fn chosen_body(&mut self, function: &'p Function, span: Span) -> Option<(usize, &'p [crate::syntax::ast::Stmt])> {
        let program = self.program;
        let wanted = &self.request.variants;
        let (module, variant) = program.variants(function).find(|(_, variant)| wanted.contains(&variant.name.name))?;
        let holds = match &variant.when {
            None => true,
            Some(when) => self.condition(when).and_then(|id| self.graph.pool.as_const(id)?.as_bool())?,
        };
        if !holds && self.request.unfit == Unfit::Skip {
            return None;
        }
        if !holds {
            let sizes = self.known_sizes();
            self.report(error::call::variant_does_not_apply(variant, span, &sizes));
            return None;
        }
        Some((module, variant.body.as_slice()))
    }

    /// The callee's sizes in the caller's words.
    fn caller_sizes(function: &'p Function, slots: &[Slot]) -> Vec<(String, Poly)> {
        let mut names: Vec<(String, Poly)> = Vec::new();
        let mut learn = |name: &str, sym: Option<Poly>| {
            if let Some(sym) = sym
                && !names.iter().any(|(known, _)| known == name)
            {
                names.push((name.to_owned(), sym));
            }
        };
        for (param, slot) in function.params.iter().zip(slots) {
            match slot {
                Some((Given::Number(Value::Size(size)), _)) => learn(&param.name.name, size.sym.clone()),
                Some((Given::Tensor(tensor), _)) => {
                    for (dim, size) in param.ty.dims.iter().flatten().zip(&tensor.shape) {
                        let crate::syntax::ast::Dim::Size(Expr { kind: ExprKind::Name(name), .. }) = dim else {
                            break;
                        };
                        learn(name, size.sym.clone());
                    }
                }
                Some(_) => {}
                None => {
                    if let Some(Expr { kind: ExprKind::Int(value), .. }) = &param.default {
                        learn(&param.name.name, Some(Poly::constant(*value)));
                    }
                }
            }
        }
        for clause in &function.clauses {
            if let crate::syntax::ast::Clause::Define { name, value } = clause {
                let known = |text: &str| names.iter().find(|(n, _)| n == text).map(|(_, sym)| sym.clone());
                if let Some(sym) = super::solve::poly(value, &known) {
                    names.push((name.name.clone(), sym));
                }
            }
        }
        names
    }
}

fn in_callers_words(tensor: TensorRef, names: &[(String, Poly)]) -> TensorRef {
    let known = |text: &str| names.iter().find(|(name, _)| name == text).map(|(_, sym)| sym.clone());
    let shape = tensor
        .shape
        .into_iter()
        .map(|size| Size { value: size.value, sym: size.sym.and_then(|sym| sym.substitute(&known)) })
        .collect();
    TensorRef { shape, ..tensor }
}
