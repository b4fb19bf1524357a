//! Parameters: element types and sizes from the arguments, `where` clauses, and the outputs that follow from them.

use crate::scalar::DType;
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Clause, Dim, Expr, ExprKind, Function, Ident, Param, Type};

use super::call::{Given, Slot};
use super::elab::{Elab, OutputState};
use super::solve::{self, Env, NoValue};
use super::value::{Binding, Entry, Size, TensorRef, Value};
use super::{error, walk};

/// Whether elements of `dtype` are what a type parameter's bound allows; none for an unknown bound.
pub(super) fn satisfies(bound: &str, dtype: DType) -> Option<bool> {
    match bound {
        "float" => Some(dtype.is_float()),
        "int" => Some(dtype.is_int()),
        "number" => Some(dtype.is_float() || dtype.is_int()),
        "any" => Some(true),
        _ => None,
    }
}

impl<'p> Elab<'p> {
    /// Brings everything that the signature declares into scope. False after an error.
    pub(super) fn bind_parameters(&mut self, function: &'p Function, slots: &[Slot], span: Span) -> bool {
        let missing = self.missing_arguments(function, slots, span);
        let has_errors = missing || slots.iter().flatten().any(|(given, _)| matches!(given, Given::Error));
        if has_errors || !self.bind_types(function, slots, span) || !self.check_kinds(function, slots) {
            return false;
        }
        let mut known: Vec<(String, Size, Span)> = Vec::new();
        let bound = self.bind_sizes(function, slots, &mut known) & self.bind_numbers(function, slots, &mut known);
        bound
            && self.bind_clauses(function, &known, span)
            && self.check_dims(function, slots)
            && self.bind_tensors(function, slots)
            && self.open_outputs(function)
    }

    fn missing_arguments(&mut self, function: &'p Function, slots: &[Slot], span: Span) -> bool {
        let missing: Vec<_> = function
            .params
            .iter()
            .zip(slots)
            .filter(|(param, slot)| slot.is_none() && param.default.is_none())
            .map(|(param, _)| param)
            .collect();
        if !missing.is_empty() {
            self.report(error::call::missing(function, &missing, span));
        }
        !missing.is_empty()
    }

    fn bind_types(&mut self, function: &'p Function, slots: &[Slot], span: Span) -> bool {
        let mut is_whole = true;
        let mut found: Vec<(String, DType, Span)> = Vec::new();
        for (param, slot) in function.params.iter().zip(slots) {
            let Some((Given::Tensor(tensor), at)) = slot else { continue };
            let elem = &param.ty.elem;
            if !function.generics.iter().any(|generic| generic.name.name == elem.name) {
                continue;
            }
            match found.iter().find(|(name, ..)| *name == elem.name) {
                Some((_, first, first_at)) if *first != tensor.elem => {
                    let diagnostic =
                        error::call::type_conflict(&elem.name, (*first, *first_at), (tensor.elem, *at), elem.span);
                    self.report(diagnostic);
                    is_whole = false;
                }
                Some(_) => {}
                None => found.push((elem.name.clone(), tensor.elem, *at)),
            }
        }
        for generic in &function.generics {
            let bound = self.frame.types.iter().find(|(name, _)| *name == generic.name.name).map(|(_, d)| (*d, span));
            let from_args = found.iter().find(|(name, ..)| *name == generic.name.name).map(|(_, d, at)| (*d, *at));
            match from_args.or(bound) {
                None => {
                    self.report(error::call::type_not_inferred(generic, span));
                    is_whole = false;
                }
                Some((dtype, at)) if satisfies(&generic.bound.name, dtype) == Some(false) => {
                    self.report(error::call::bound_not_satisfied(generic, dtype, at));
                    is_whole = false;
                }
                Some((dtype, _)) => self.frame.types.push((generic.name.name.clone(), dtype)),
            }
        }
        is_whole
    }

    /// A tensor where a tensor is declared, a number where a number is, and the declared element type.
    fn check_kinds(&mut self, function: &'p Function, slots: &[Slot]) -> bool {
        let mut is_whole = true;
        for (param, slot) in function.params.iter().zip(slots) {
            let Some((given, at)) = slot else { continue };
            let diagnostic = match (given, &param.ty.dims) {
                (Given::Tensor(_), None) => Some(error::call::tensor_for_number(param, *at)),
                (Given::Number(_), Some(_)) => Some(error::call::number_for_tensor(param, *at)),
                (Given::Tensor(tensor), Some(_)) => self
                    .dtype_named(&param.ty.elem.name)
                    .filter(|declared| *declared != tensor.elem)
                    .map(|declared| error::call::argument_type(param, tensor.elem, declared, *at)),
                _ => None,
            };
            if let Some(diagnostic) = diagnostic {
                self.report(diagnostic);
                is_whole = false;
            }
        }
        is_whole
    }

    /// Sizes that stand alone as an extent of an argument.
    fn bind_sizes(&mut self, function: &'p Function, slots: &[Slot], known: &mut Vec<(String, Size, Span)>) -> bool {
        let mut is_whole = true;
        for (param, slot) in function.params.iter().zip(slots) {
            let (Some((Given::Tensor(tensor), at)), Some(dims)) = (slot, &param.ty.dims) else { continue };
            let Some(extents) = self.match_rank(param, dims, tensor, *at) else {
                is_whole = false;
                continue;
            };
            for (dim, sizes) in dims.iter().zip(extents) {
                is_whole &= match dim {
                    Dim::Size(Expr { kind: ExprKind::Name(name), span }) => {
                        self.learn_size(name, *span, &sizes[0], *at, known)
                    }
                    Dim::Size(_) => true,
                    Dim::Spread(name) => self.learn_spread(name, &sizes, *at),
                };
            }
        }
        is_whole
    }

    /// The extents that belong to each declared dimension.
    fn match_rank(&mut self, param: &Param, dims: &[Dim], tensor: &TensorRef, at: Span) -> Option<Vec<Vec<Size>>> {
        let spreads = dims.iter().filter(|dim| matches!(dim, Dim::Spread(_))).count();
        let rank = tensor.shape.len();
        let width = match spreads {
            0 if dims.len() == rank => 0,
            1 if dims.len() <= rank + 1 => rank + 1 - dims.len(),
            _ => {
                self.report(error::call::wrong_rank(param, &tensor.shape, at));
                return None;
            }
        };
        let mut next = 0;
        Some(
            dims.iter()
                .map(|dim| {
                    let count = if matches!(dim, Dim::Spread(_)) { width } else { 1 };
                    let sizes = tensor.shape[next..next + count].to_vec();
                    next += count;
                    sizes
                })
                .collect(),
        )
    }

    fn learn_size(
        &mut self,
        name: &str,
        declared: Span,
        size: &Size,
        at: Span,
        known: &mut Vec<(String, Size, Span)>,
    ) -> bool {
        if let Some(Value::Size(constant)) = self.module_constant(name) {
            if constant.value == size.value {
                return true;
            }
            self.report(error::call::extent_differs(name, constant.value, size, at, declared));
            return false;
        }
        match known.iter().find(|(other, ..)| other == name) {
            Some((_, first, first_at)) if first.value != size.value => {
                let diagnostic = error::call::size_conflict(name, (first, *first_at), (size, at), declared);
                self.report(diagnostic);
                false
            }
            Some(_) => true,
            None => {
                known.push((name.to_owned(), size.clone(), at));
                let named = Value::Size(Size::named(name, size.value));
                self.push(name, declared, Binding::Value(named));
                true
            }
        }
    }

    fn learn_spread(&mut self, name: &Ident, sizes: &[Size], at: Span) -> bool {
        let Some((_, entry)) = self.lookup(&name.name) else {
            let named = sizes
                .iter()
                .enumerate()
                .map(|(position, size)| Size::named(&format!("{}{position}", name.name), size.value))
                .collect();
            self.bind(name, Binding::Sizes(named));
            return true;
        };
        let Binding::Sizes(first) = entry.binding.clone() else { return true };
        let values = |sizes: &[Size]| sizes.iter().map(|size| size.value).collect::<Vec<_>>();
        let same = values(&first) == values(sizes);
        if !same {
            self.report(error::call::spread_conflict(name, &first, sizes, at));
        }
        same
    }

    fn push(&mut self, name: &str, span: Span, binding: Binding<'p>) {
        self.frame.scope.push(Entry { name: name.to_owned(), span, binding });
    }

    /// The value of a file's `const`, if the name is one and nothing nearer has it.
    fn module_constant(&mut self, name: &str) -> Option<Value> {
        if self.lookup(name).is_some() {
            return None;
        }
        let constant = self.program.constants[self.frame.module].get(name)?;
        Some(Value::Size(Size::named(name, constant.value)))
    }

    /// Compile-time numbers: those that are given, then the defaults.
    fn bind_numbers(&mut self, function: &'p Function, slots: &[Slot], known: &mut Vec<(String, Size, Span)>) -> bool {
        let mut is_whole = true;
        for (param, slot) in function.params.iter().zip(slots) {
            if param.ty.dims.is_some() {
                continue;
            }
            let (value, at) = match (slot, &param.default) {
                (Some((Given::Number(value), at)), _) => (value.clone(), *at),
                (None, Some(default)) => (self.expr(default, self.dtype_named(&param.ty.elem.name)), default.span),
                _ => continue,
            };
            match self.parameter_value(param, value, at) {
                Some(Value::Size(size)) => {
                    known.push((param.name.name.clone(), size.clone(), at));
                    let named = Size::named(&param.name.name, size.value);
                    self.bind(&param.name, Binding::Value(Value::Size(named)));
                }
                Some(value) => self.bind(&param.name, Binding::Value(value)),
                None => {
                    self.bind(&param.name, Binding::Error);
                    is_whole = false;
                }
            }
        }
        is_whole
    }

    /// The value that a scalar parameter takes, of its declared type.
    fn parameter_value(&mut self, param: &Param, value: Value, at: Span) -> Option<Value> {
        let name = param.ty.elem.name.as_str();
        match (name, value) {
            (_, Value::Error) => None,
            ("int", Value::Size(size)) => Some(Value::Size(size)),
            ("bool", Value::Scalar(id, DType::Bool)) => Some(Value::Scalar(id, DType::Bool)),
            ("int" | "bool", other) => {
                let what = Self::describe(&other);
                self.report(error::call::number_kind(param, &what, at));
                None
            }
            (_, value) => {
                let dtype = self.dtype_named(name)?;
                self.coerce(value, dtype, at).map(|id| Value::Scalar(id, dtype))
            }
        }
    }

    /// `where`: definitions first, as far as they can be, then requirements.
    fn bind_clauses(&mut self, function: &'p Function, known: &[(String, Size, Span)], span: Span) -> bool {
        let mut env = self.env();
        solve::solve(&function.clauses, &mut env);
        let mut is_whole = true;
        let mut unsolved: Vec<(&Ident, &Expr)> = Vec::new();
        for clause in &function.clauses {
            let Clause::Define { name, value } = clause else { continue };
            if let Some((_, _, at)) = known.iter().find(|(other, ..)| *other == name.name) {
                is_whole &= self.check_redefinition(name, value, &env, *at);
                continue;
            }
            if let Some(&number) = env.get(&name.name) {
                self.bind(name, Binding::Value(Value::Size(Size::named(&name.name, number))));
            } else {
                unsolved.push((name, value));
            }
        }
        is_whole &= unsolved.is_empty();
        self.report_unsolved_definitions(&unsolved, &env);
        for clause in &function.clauses {
            let Clause::Require(requirement) = clause else { continue };
            for name in walk::names(requirement) {
                if let (None, Some(&number)) = (self.lookup(name), env.get(name)) {
                    self.push(name, requirement.span, Binding::Value(Value::Size(Size::named(name, number))));
                }
            }
            is_whole &= self.check_requirement(requirement, &env, span);
        }
        is_whole
    }

    fn check_redefinition(&mut self, name: &Ident, value: &'p Expr, env: &Env, at: Span) -> bool {
        match (solve::eval(value, env), env.get(&name.name)) {
            (Ok(defined), Some(&given)) if defined != given => {
                self.report(error::call::definition_conflict(name, defined, given, at));
                false
            }
            _ => true,
        }
    }

    /// Definitions without a value; those that only wait for another one are not reported, unless all do.
    fn report_unsolved_definitions(&mut self, unsolved: &[(&Ident, &Expr)], env: &Env) {
        let waits = |value: &Expr| match solve::eval(value, env) {
            Err(NoValue::Unknown(name, span)) => unsolved.iter().any(|(other, _)| other.name == name).then_some(span),
            _ => None,
        };
        let direct: Vec<_> = unsolved.iter().filter(|(_, value)| waits(value).is_none()).collect();
        match unsolved.first() {
            Some((name, value)) if direct.is_empty() => {
                let span = waits(value).unwrap_or(name.span);
                self.report(error::size::circular(&name.name, name.span, span));
            }
            _ => direct.into_iter().for_each(|(_, value)| self.report_unsolved(value, env)),
        }
    }

    fn report_unsolved(&mut self, value: &Expr, env: &Env) {
        match solve::eval(value, env) {
            Err(NoValue::Unknown(name, span)) => {
                let visible = self.visible();
                let near = super::suggest::nearest(&name, visible.iter().map(String::as_str));
                self.report(error::size::never_bound(&name, span, near));
            }
            Err(why) => {
                self.no_value(&why);
            }
            Ok(_) => {}
        }
    }

    fn check_requirement(&mut self, requirement: &'p Expr, env: &Env, span: Span) -> bool {
        match solve::eval(requirement, env) {
            Ok(0) => {
                let names = walk::names(requirement);
                let values: Vec<_> = env
                    .iter()
                    .filter(|(name, _)| names.contains(&name.as_str()))
                    .map(|(n, v)| (n.clone(), *v))
                    .collect();
                let sides = match &requirement.kind {
                    ExprKind::Binary(op, a, b) if !matches!(op, BinaryOp::And | BinaryOp::Or) => {
                        solve::eval(a, env).ok().zip(solve::eval(b, env).ok())
                    }
                    _ => None,
                };
                self.report(error::call::requirement(requirement, sides, &values, span));
                false
            }
            Ok(_) => true,
            Err(_) => {
                self.report_unsolved(requirement, env);
                false
            }
        }
    }

    /// The compile-time integers in scope.
    pub(super) fn env(&self) -> Env {
        let mut env = self.program.numbers(self.frame.module);
        for entry in &self.frame.scope {
            match &entry.binding {
                Binding::Value(Value::Size(size)) => {
                    env.insert(entry.name.clone(), size.value);
                }
                Binding::Value(Value::Scalar(id, DType::Bool)) => {
                    if let Some(truth) = self.graph.pool.as_int(*id) {
                        env.insert(entry.name.clone(), truth);
                    }
                }
                _ => {}
            }
        }
        env
    }

    /// Extents that are written as expressions: `T[2 * N, 3]`.
    fn check_dims(&mut self, function: &'p Function, slots: &[Slot]) -> bool {
        let mut is_whole = true;
        for (param, slot) in function.params.iter().zip(slots) {
            let (Some((Given::Tensor(tensor), at)), Some(dims)) = (slot, &param.ty.dims) else { continue };
            let Some(extents) = self.match_rank(param, dims, tensor, *at) else { return false };
            for (dim, sizes) in dims.iter().zip(extents) {
                let Dim::Size(expr) = dim else { continue };
                if matches!(expr.kind, ExprKind::Name(_)) {
                    continue;
                }
                let Some(wanted) = self.size(expr, "an extent") else {
                    is_whole = false;
                    continue;
                };
                if wanted.value != sizes[0].value {
                    self.report(error::call::extent_differs(&wanted.show(), wanted.value, &sizes[0], *at, expr.span));
                    is_whole = false;
                }
            }
        }
        is_whole
    }

    /// The arguments under the parameters' names, with extents in the function's own words.
    fn bind_tensors(&mut self, function: &'p Function, slots: &[Slot]) -> bool {
        for (param, slot) in function.params.iter().zip(slots) {
            let Some((Given::Tensor(tensor), _)) = slot else { continue };
            let Some(shape) = self.shape(&param.ty) else { return false };
            self.check_fresh(&param.name);
            self.bind(&param.name, Binding::Tensor(TensorRef { shape, ..tensor.clone() }));
        }
        true
    }

    /// The extents of a declared type, all sizes being known.
    pub(super) fn shape(&mut self, ty: &'p Type) -> Option<Vec<Size>> {
        let mut shape = Vec::new();
        for dim in ty.dims.iter().flatten() {
            match dim {
                Dim::Size(expr) => {
                    self.check_bound(expr)?;
                    shape.push(self.size(expr, "an extent")?);
                }
                Dim::Spread(name) => match self.lookup(&name.name).map(|(_, entry)| entry.binding.clone()) {
                    Some(Binding::Sizes(sizes)) => shape.extend(sizes),
                    Some(Binding::Error) => return None,
                    _ => {
                        self.report(error::size::never_bound(&format!("..{}", name.name), name.span, None));
                        return None;
                    }
                },
            }
        }
        Some(shape)
    }

    /// Reports a name in an extent that no argument and no `where` clause gives a value.
    fn check_bound(&mut self, expr: &Expr) -> Option<()> {
        let mut unknown = None;
        walk::each(expr, &mut |e| {
            if let ExprKind::Name(name) = &e.kind
                && self.lookup(name).is_none()
                && self.program.global(self.frame.module, name).is_none()
            {
                unknown = Some((name.clone(), e.span));
            }
        });
        let Some((name, span)) = unknown else { return Some(()) };
        let visible = self.visible();
        let near = super::suggest::nearest(&name, visible.iter().map(String::as_str));
        self.report(error::size::never_bound(&name, span, near));
        None
    }

    fn open_outputs(&mut self, function: &'p Function) -> bool {
        let mut is_whole = true;
        for (position, output) in function.outputs.iter().enumerate() {
            let Some(elem) = self.dtype_named(&output.ty.elem.name) else {
                is_whole = false;
                continue;
            };
            let Some(shape) = self.shape(&output.ty) else {
                is_whole = false;
                continue;
            };
            is_whole &= self.check_shape(&output.name, &shape, &output.ty, elem);
            self.check_fresh(&output.name);
            self.frame.outputs.push(OutputState {
                name: output.name.clone(),
                shape,
                elem,
                tensor: None,
                pieces: Vec::new(),
                is_broken: false,
            });
            self.bind(&output.name, Binding::Output(position));
        }
        is_whole
    }

    /// Every extent at least 1, and all of it in reach of memory.
    pub(super) fn check_shape(&mut self, name: &Ident, shape: &[Size], ty: &Type, elem: DType) -> bool {
        let spans: Vec<_> = ty.dims.iter().flatten().map(dim_span).collect();
        // The sizes are the caller's.
        let call = self.frame.calls.first().map(|(_, span)| *span);
        for (position, size) in shape.iter().enumerate() {
            if size.value < 1 {
                let span = spans.get(position).copied().unwrap_or(ty.span);
                let what = format!("an extent of `{}`", name.name);
                let cause = call.map(|_| span);
                self.report(error::size::not_positive(&what, size, call.unwrap_or(span), cause));
                return false;
            }
        }
        self.check_bytes(shape, elem, name, call.unwrap_or(name.span)).is_some()
    }
}

fn dim_span(dim: &Dim) -> Span {
    match dim {
        Dim::Size(expr) => expr.span,
        Dim::Spread(name) => name.span,
    }
}
