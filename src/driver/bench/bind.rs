//! What a workload's parameters mean to its operator: sizes, numbers, and what the `workload` attribute says.
//!
//! A parameter of a workload is a size of the function (`M`), one of its numbers (`stride`), the extents of a spread
//! (`"S": [8, 64]` for `x: T[..S]`), or a list that the function's attribute gives to several sizes:
//!
//! ```ft
//! #[workload(spatial = [H, W], R = [R, S], weights = [w], idx = 0..R * R, flops = 2 * N * K * P * Q * CG * R * S)]
//! ```
//!
//! binds `"spatial": [112, 112]` to `H` and `W`; inputs `idx` are drawn from 0..R·R; `flops` is the mathematical count;
//! `weights` are the inputs that are the same in every call where the operator is a layer of a network. Every other size has to follow from the `where` clauses.

use std::collections::BTreeMap;

use super::data::Range;
use super::error;
use super::suite::{Param, Value, Workload};
use crate::diag::Diagnostic;
use crate::driver::suggest::nearest;
use crate::graph::{Graph, Role};
use crate::scalar::DType;
use crate::sema::{self, Assignment};
use crate::source::Span;
use crate::syntax::ast::{Clause, Dim, Expr, ExprKind, Function, Ident, Param as Formal};

/// Sizes and numbers by name.
pub type Sizes = BTreeMap<String, i64>;

/// The `workload` attribute of a function, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Attribute<'p> {
    /// Parameters of the suite that are lists, and the sizes that they give.
    lists: Vec<(&'p Ident, Vec<&'p str>)>,
    /// Tensor inputs whose elements lie in a range.
    ranges: Vec<(&'p Ident, &'p Expr, &'p Expr)>,
    /// Tensor inputs that are the same in every call of a layer.
    weights: Vec<&'p str>,
    /// Operations by the mathematical definition.
    flops: Option<&'p Expr>,
}

impl<'p> Attribute<'p> {
    /// The attribute of a function; empty if it has none.
    pub fn of(function: &'p Function) -> Result<Self, Diagnostic> {
        let mut attribute = Self::default();
        let Some(attr) = function.attrs.iter().find(|attr| attr.name.name == "workload") else { return Ok(attribute) };
        for (key, value) in &attr.args {
            attribute.entry(function, key, value)?;
        }
        Ok(attribute)
    }

    fn entry(&mut self, function: &'p Function, key: &'p Ident, value: &'p Expr) -> Result<(), Diagnostic> {
        match &value.kind {
            _ if key.name == "flops" => self.flops = Some(value),
            ExprKind::Range(low, high) => {
                if !tensors(function).any(|(param, _)| param.name.name == key.name) {
                    return Err(error::attribute(format!("`{}` is no tensor argument", key.name), key.span));
                }
                self.ranges.push((key, low, high));
            }
            ExprKind::Array(items) if key.name == "weights" => {
                for item in items {
                    match &item.kind {
                        ExprKind::Name(name) if tensors(function).any(|(param, _)| param.name.name == *name) => {
                            self.weights.push(name);
                        }
                        _ => return Err(error::attribute("not a tensor argument of the function", item.span)),
                    }
                }
            }
            ExprKind::Array(items) => {
                let sizes = items.iter().map(|item| match &item.kind {
                    ExprKind::Name(name) if is_size(function, name) => Ok(name.as_str()),
                    _ => Err(error::attribute("not a size of the function", item.span)),
                });
                self.lists.push((key, sizes.collect::<Result<_, _>>()?));
            }
            _ => return Err(error::attribute("expected a list of sizes, a range, or `flops`", value.span)),
        }
        Ok(())
    }

    /// The range that the elements of an input are drawn from, if the attribute gives one.
    pub fn range(&self, input: &str, sizes: &Sizes) -> Result<Option<Range>, Diagnostic> {
        let Some((_, low, high)) = self.ranges.iter().find(|(name, ..)| name.name == input) else { return Ok(None) };
        let range = Range { low: number(low, sizes)?, high: number(high, sizes)? };
        if range.low < range.high { Ok(Some(range)) } else { Err(error::attribute("an empty range", high.span)) }
    }

    /// Whether an input is the same in every call of a layer.
    pub fn is_weight(&self, input: &str) -> bool {
        self.weights.contains(&input)
    }

    /// The mathematical number of operations, if the attribute gives it.
    pub fn flops(&self, sizes: &Sizes) -> Result<Option<i64>, Diagnostic> {
        self.flops.map(|flops| number(flops, sizes)).transpose()
    }
}

fn number(expr: &Expr, sizes: &Sizes) -> Result<i64, Diagnostic> {
    sema::evaluate(expr, sizes).ok_or_else(|| error::attribute("has no value for the sizes of the workload", expr.span))
}

/// The types and sizes that a workload gives to its function.
pub fn bind(function: &Function, attribute: &Attribute<'_>, workload: &Workload) -> Result<Assignment, Diagnostic> {
    check_dtype(function, workload)?;
    let mut binder = Binder { function, workload, assignment: Assignment::default(), places: BTreeMap::new() };
    binder.assignment.types =
        function.generics.iter().map(|generic| (generic.name.name.clone(), workload.dtype)).collect();
    for param in &workload.params {
        binder.param(attribute, param)?;
    }
    Ok(binder.assignment)
}

/// Whether the function takes elements of the workload's type.
fn check_dtype(function: &Function, workload: &Workload) -> Result<(), Diagnostic> {
    let dtype = workload.dtype;
    let refuse = |wanted: &str| Err(error::wrong_dtype(&workload.op, dtype, workload.dtype_span, wanted));
    if let Some(generic) = function.generics.first() {
        return match generic.bound.name.as_str() {
            "float" if !dtype.is_float() => refuse("a float type"),
            _ if dtype == DType::Bool => refuse("a type of numbers"),
            _ => Ok(()),
        };
    }
    match tensors(function).next() {
        Some((param, _)) if param.ty.elem.name != dtype.name() => refuse(&format!("`{}`", param.ty.elem.name)),
        _ => Ok(()),
    }
}

struct Binder<'a> {
    function: &'a Function,
    workload: &'a Workload,
    assignment: Assignment,
    /// Where the suite gives each size.
    places: BTreeMap<&'a str, Span>,
}

impl<'a> Binder<'a> {
    fn param(&mut self, attribute: &Attribute<'a>, param: &'a Param) -> Result<(), Diagnostic> {
        let name = param.name.as_str();
        let list = attribute.lists.iter().find(|(key, _)| key.name == name).map(|(_, sizes)| sizes.as_slice());
        match (&param.value, list) {
            (Value::List(values), Some(sizes)) if values.len() == sizes.len() => {
                sizes.iter().zip(values).try_for_each(|(size, value)| self.give(size, *value, param.span))
            }
            (_, Some(sizes)) => {
                let sizes: Vec<_> = sizes.iter().map(|size| (*size).to_owned()).collect();
                Err(error::param_shape(name, &sizes, param.span))
            }
            (Value::List(values), None) if is_spread(self.function, name) => {
                self.assignment.spreads.insert(name.to_owned(), values.clone());
                self.place(name, param.span)
            }
            (Value::Bool(truth), None) if is_switch(self.function, name) => {
                self.give(name, i64::from(*truth), param.span)
            }
            (Value::Int(value), None) if is_size(self.function, name) && !is_switch(self.function, name) => {
                self.give(name, *value, param.span)
            }
            _ if is_switch(self.function, name) => Err(error::param_kind(name, "`true` or `false`", param.span)),
            _ if is_spread(self.function, name) => Err(error::param_kind(name, "a list of sizes", param.span)),
            _ if is_size(self.function, name) => Err(error::param_kind(name, "one whole number", param.span)),
            _ => Err(self.unknown(attribute, param)),
        }
    }

    fn unknown(&self, attribute: &Attribute<'_>, param: &Param) -> Diagnostic {
        let known = parameters(self.function, attribute);
        let near = nearest(&param.name, known.iter().map(String::as_str));
        error::unknown_param(&self.workload.op, &param.name, param.span, &known, near)
    }

    fn give(&mut self, size: &'a str, value: i64, span: Span) -> Result<(), Diagnostic> {
        self.assignment.sizes.insert(size.to_owned(), value);
        self.place(size, span)
    }

    fn place(&mut self, name: &'a str, span: Span) -> Result<(), Diagnostic> {
        match self.places.insert(name, span) {
            Some(first) => Err(error::bound_twice(name, span, first)),
            None => Ok(()),
        }
    }
}

/// What a workload can say about a function: its lists, and the sizes and numbers that no list gives.
pub fn parameters(function: &Function, attribute: &Attribute<'_>) -> Vec<String> {
    let in_lists: Vec<_> = attribute.lists.iter().flat_map(|(_, sizes)| sizes.iter().copied()).collect();
    let lists = attribute.lists.iter().map(|(key, _)| key.name.as_str());
    let spreads = tensors(function).flat_map(|(_, dims)| dims).filter_map(spread_name);
    let sizes = size_names(function).into_iter().filter(|name| !in_lists.contains(name));
    let mut known: Vec<String> = Vec::new();
    for name in lists.chain(spreads).chain(sizes) {
        if !known.iter().any(|other| other == name) {
            known.push(name.to_owned());
        }
    }
    known
}

/// The call that a workload is, as `ftc build --export` takes it: `C2D1 = conv2d(x: f32[1, 64, 56, 56], …, pad = 1)`.
pub fn export(function: &Function, assignment: &Assignment, graph: &Graph) -> String {
    let inputs = graph.inputs.iter().map(|&id| &graph.tensors[id]);
    let tensors = tensors(function).zip(inputs).map(|((param, _), tensor)| {
        let shape: Vec<_> = tensor.shape.iter().map(ToString::to_string).collect();
        let constant = if tensor.role == (Role::Input { is_const: true }) { "const " } else { "" };
        format!("{}: {constant}{}[{}]", param.name.name, tensor.dtype, shape.join(", "))
    });
    let given = numbers(function).filter_map(|param| {
        let value = *assignment.sizes.get(&param.name.name)?;
        let value = if param.ty.elem.name == "bool" { (value != 0).to_string() } else { value.to_string() };
        Some(format!("{} = {value}", param.name.name))
    });
    let args: Vec<_> = tensors.chain(given).collect();
    format!("{} = {}({})", graph.name, function.name.name, args.join(", "))
}

/// Whether a function has weights.
pub fn has_weights(function: &Function) -> bool {
    Attribute::of(function).is_ok_and(|attribute| !attribute.weights.is_empty())
}

/// A C symbol for a workload.
pub fn symbol(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("w{name}") } else { name }
}

/// The tensor arguments of a function and their extents.
fn tensors(function: &Function) -> impl Iterator<Item = (&Formal, &[Dim])> {
    function.params.iter().filter_map(|param| Some((param, param.ty.dims.as_deref()?)))
}

/// The integers and switches among the arguments of a function.
fn numbers(function: &Function) -> impl Iterator<Item = &Formal> {
    let is_number = |param: &&Formal| param.ty.dims.is_none() && ["int", "bool"].contains(&param.ty.elem.name.as_str());
    function.params.iter().filter(is_number)
}

fn is_switch(function: &Function, name: &str) -> bool {
    numbers(function).any(|param| param.name.name == name && param.ty.elem.name == "bool")
}

fn is_spread(function: &Function, name: &str) -> bool {
    tensors(function).flat_map(|(_, dims)| dims).any(|dim| spread_name(dim) == Some(name))
}

fn is_size(function: &Function, name: &str) -> bool {
    size_names(function).contains(&name)
}

/// Every name that a number can be given to: extents that no `where` clause defines, and the numbers.
fn size_names(function: &Function) -> Vec<&str> {
    let outputs = function.outputs.iter().flat_map(|output| output.ty.dims.iter().flatten());
    let dims = tensors(function).flat_map(|(_, dims)| dims).chain(outputs).filter_map(|dim| match dim {
        Dim::Size(Expr { kind: ExprKind::Name(name), .. }) => Some(name.as_str()),
        Dim::Size(_) | Dim::Spread(_) => None,
    });
    let is_defined = |size: &str| {
        function.clauses.iter().any(|clause| matches!(clause, Clause::Define { name, .. } if name.name == size))
    };
    dims.filter(|name| !is_defined(name)).chain(numbers(function).map(|param| param.name.name.as_str())).collect()
}

fn spread_name(dim: &Dim) -> Option<&str> {
    match dim {
        Dim::Spread(name) => Some(&name.name),
        Dim::Size(_) => None,
    }
}
