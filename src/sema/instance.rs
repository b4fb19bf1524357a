//! Instances: a function with all its sizes known, made from an export, from named sizes, or from a sample.

use std::collections::BTreeMap;

use crate::diag::Diagnostic;
use crate::expr::TensorId;
use crate::graph::{Graph, Role};
use crate::scalar::DType;
use crate::source::Span;
use crate::syntax::ast::{Dim, Export, ExportArg, Expr, ExprKind, Function, Ident, Type};

use super::call::{Given, Slot};
use super::elab::Elab;
use super::program::Program;
use super::solve::{self, Env, NoValue};
use super::value::{Binding, Entry, Size, TensorRef, Value};
use super::{Request, error, signature, suggest};

/// Nodes of one value when written out as a tree, at most: shared parts count as often as they are used.
const MAX_TREE: u64 = 1 << 18;

/// Types and sizes by name.
#[derive(Clone, Debug, Default)]
pub struct Assignment {
    /// Element types of the type parameters.
    pub types: Vec<(String, DType)>,
    /// Sizes and compile-time integers.
    pub sizes: BTreeMap<String, i64>,
    /// The extents behind each `..S`.
    pub spreads: BTreeMap<String, Vec<i64>>,
}

/// A graph, and all sizes of the function that it is an instance of.
#[derive(Debug)]
pub struct Instance {
    /// What is computed.
    pub graph: Graph,
    /// Every size and compile-time integer of the function, those that were derived included.
    pub sizes: BTreeMap<String, i64>,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// The graph of an export.
pub(super) fn of_export(program: &Program, export: &Export, request: &Request) -> Result<Instance, Vec<Diagnostic>> {
    let symbol = export.name.as_ref().unwrap_or(&export.function);
    if let Some(why) = error::call::invalid_symbol(symbol) {
        return Err(vec![why]);
    }
    let Some((module, function)) = program.function_in(0, &export.function.name) else {
        let near = suggest::nearest(&export.function.name, program.function_names().into_iter());
        return Err(vec![error::name::unknown_function(
            &export.function,
            near,
            program.in_library(&export.function.name),
        )]);
    };
    let broken = signature::check(function);
    if broken.iter().any(Diagnostic::is_error) {
        return Err(broken);
    }
    let mut elab = Elab::new(program, request, &symbol.name, 0);
    for (name, value) in &request.set {
        let named = Binding::Value(Value::Size(Size::named(name, *value)));
        elab.frame.scope.push(Entry { name: name.clone(), span: export.span, binding: named });
    }
    let slots = export_slots(&mut elab, export, function);
    if elab.has_errors() {
        return Err(elab.found);
    }
    elab.frame.scope.clear();
    elab.frame.calls.push((function.name.name.clone(), export.span));
    run(elab, module, function, &slots, export.span)
}

/// The graph of a function for named sizes; those that the `where` clauses determine may be left out.
pub(super) fn of_assignment(
    program: &Program,
    module: usize,
    function: &Function,
    assignment: &Assignment,
    request: &Request,
) -> Result<Instance, Vec<Diagnostic>> {
    let mut elab = Elab::new(program, request, &function.name.name, module);
    elab.frame.types.clone_from(&assignment.types);
    let env = known_sizes(&elab, function, assignment);
    let span = function.name.span;
    let mut slots = Vec::new();
    for param in &function.params {
        let slot = match &param.ty.dims {
            Some(dims) => input(&mut elab, &param.name, param.is_const, &param.ty, dims, &env, assignment),
            None => assigned_number(&mut elab, &param.name.name, &param.ty, param.default.is_some(), assignment),
        };
        slots.push(slot.map(|given| (given, span)));
    }
    if elab.has_errors() {
        return Err(elab.found);
    }
    elab.frame.scope.clear();
    run(elab, module, function, &slots, span)
}

/// The sizes that an assignment gives, implies by defaults, or determines.
fn known_sizes(elab: &Elab<'_>, function: &Function, assignment: &Assignment) -> Env {
    let mut env = elab.env();
    env.extend(assignment.sizes.iter().map(|(name, value)| (name.clone(), *value)));
    for param in function.params.iter().filter(|param| param.ty.dims.is_none()) {
        if let Some(default) = &param.default
            && !env.contains_key(&param.name.name)
            && let Ok(value) = solve::eval(default, &env)
        {
            env.insert(param.name.name.clone(), value);
        }
    }
    solve::solve(&function.clauses, &mut env);
    env
}

fn assigned_number(
    elab: &mut Elab<'_>,
    name: &str,
    ty: &Type,
    has_default: bool,
    assignment: &Assignment,
) -> Option<Given> {
    match (assignment.sizes.get(name), ty.elem.name.as_str()) {
        (Some(&value), "bool") => {
            let truth = elab.graph.pool.bool(value != 0);
            Some(Given::Number(Value::Scalar(truth, DType::Bool)))
        }
        (Some(&value), _) => Some(Given::Number(Value::Size(Size::named(name, value)))),
        (None, "int" | "bool") => None,
        // Any number will do to look at a function; a caller that wants another one uses an export.
        (None, _) => (!has_default).then_some(Given::Number(Value::Size(Size::literal(1)))),
    }
}

fn input(
    elab: &mut Elab<'_>,
    name: &Ident,
    is_const: bool,
    ty: &Type,
    dims: &[Dim],
    env: &Env,
    assignment: &Assignment,
) -> Option<Given> {
    let mut shape = Vec::new();
    for dim in dims {
        match dim {
            Dim::Size(expr) => match solve::eval(expr, env) {
                Ok(value) => shape.push(Size { value, sym: None }),
                Err(NoValue::Unknown(size, _)) => {
                    elab.report(error::call::size_not_given(&size, &name.name, expr.span));
                    return None;
                }
                Err(why) => {
                    elab.no_value(&why);
                    return None;
                }
            },
            Dim::Spread(spread) => {
                let extents = assignment.spreads.get(&spread.name).cloned().unwrap_or_default();
                shape.extend(extents.into_iter().map(|value| Size { value, sym: None }));
            }
        }
    }
    let elem = elab.dtype_named(&ty.elem.name)?;
    new_input(elab, name, is_const, elem, shape, ty)
}

fn new_input(
    elab: &mut Elab<'_>,
    name: &Ident,
    is_const: bool,
    elem: DType,
    shape: Vec<Size>,
    ty: &Type,
) -> Option<Given> {
    if !elab.check_shape(name, &shape, ty, elem) {
        return None;
    }
    let extents = shape.iter().map(|size| size.value).collect();
    let id = elab.tensor(&name.name, elem, extents, Role::Input { is_const });
    elab.graph.inputs.push(id);
    Some(Given::Tensor(TensorRef { id, shape, elem }))
}

/// An export's arguments in the order of the parameters; makes the input tensors.
fn export_slots<'p>(elab: &mut Elab<'p>, export: &Export, function: &'p Function) -> Vec<Slot> {
    let mut given: Vec<Option<(&ExportArg, Span)>> = vec![None; function.params.len()];
    for arg in &export.args {
        let (ExportArg::Tensor { name, .. } | ExportArg::Value { name, .. }) = arg;
        let Some(position) = function.params.iter().position(|param| param.name.name == name.name) else {
            let near = suggest::nearest(&name.name, function.params.iter().map(|p| p.name.name.as_str()));
            elab.report(error::call::unknown_argument(&export.function, name, function, near));
            continue;
        };
        if let Some((_, first)) = given[position] {
            elab.report(error::call::given_twice(&name.name, name.span, first));
        } else {
            given[position] = Some((arg, name.span));
        }
    }
    let mut open: Vec<(String, Span)> = Vec::new();
    let mut slots = Vec::new();
    for (param, arg) in function.params.iter().zip(given) {
        slots.push(match arg {
            None => None,
            Some((ExportArg::Tensor { is_const, ty, .. }, at)) => {
                export_tensor(elab, &param.name, *is_const || param.is_const, ty, at, &mut open).map(|g| (g, ty.span))
            }
            Some((ExportArg::Value { value, .. }, _)) => Some((export_number(elab, value, &mut open), value.span)),
        });
    }
    if !open.is_empty() {
        elab.report(error::call::open_sizes(&open));
    }
    slots
}

fn export_tensor(
    elab: &mut Elab<'_>,
    name: &Ident,
    is_const: bool,
    ty: &Type,
    at: Span,
    open: &mut Vec<(String, Span)>,
) -> Option<Given> {
    let Some(elem) = DType::from_name(&ty.elem.name) else {
        let near = suggest::nearest(&ty.elem.name, DType::ALL.iter().map(|dtype| dtype.name()));
        elab.report(error::types::unknown_type(&ty.elem, near));
        return None;
    };
    let Some(dims) = &ty.dims else {
        elab.report(error::call::export_without_extents(name, elem, at));
        return None;
    };
    let env = elab.env();
    let mut shape = Vec::new();
    let mut is_whole = true;
    for dim in dims {
        let Dim::Size(expr) = dim else {
            elab.report(error::call::export_spread(ty.span));
            return None;
        };
        match solve::eval(expr, &env) {
            Ok(value) => {
                let sym =
                    if let ExprKind::Name(text) = &expr.kind { Size::named(text, value) } else { Size::literal(value) };
                shape.push(sym);
            }
            Err(why) => {
                note_open(elab, why, open);
                is_whole = false;
            }
        }
    }
    if is_whole { new_input(elab, name, is_const, elem, shape, ty) } else { None }
}

fn note_open(elab: &mut Elab<'_>, why: NoValue, open: &mut Vec<(String, Span)>) {
    match why {
        NoValue::Unknown(name, span) => {
            if !open.iter().any(|(known, _)| *known == name) {
                open.push((name, span));
            }
        }
        why => {
            elab.no_value(&why);
        }
    }
}

fn export_number(elab: &mut Elab<'_>, value: &Expr, open: &mut Vec<(String, Span)>) -> Given {
    let env = elab.env();
    match literal(value) {
        Some(Literal::Float(number)) => return Given::Number(Value::Float(number)),
        Some(Literal::Bool(truth)) => {
            let truth = elab.graph.pool.bool(truth);
            return Given::Number(Value::Scalar(truth, DType::Bool));
        }
        None => {}
    }
    match solve::eval(value, &env) {
        Ok(number) => Given::Number(Value::Size(Size::literal(number))),
        Err(why) => {
            note_open(elab, why, open);
            Given::Error
        }
    }
}

enum Literal {
    Float(f64),
    Bool(bool),
}

/// A float or a truth value, with a sign or without.
fn literal(expr: &Expr) -> Option<Literal> {
    match &expr.kind {
        ExprKind::Float(number) => Some(Literal::Float(*number)),
        ExprKind::Bool(truth) => Some(Literal::Bool(*truth)),
        ExprKind::Unary(crate::syntax::ast::UnaryOp::Neg, inner) => match literal(inner)? {
            Literal::Float(number) => Some(Literal::Float(-number)),
            Literal::Bool(_) => None,
        },
        ExprKind::Name(name) if name == "inf" => Some(Literal::Float(f64::INFINITY)),
        _ => None,
    }
}

/// Elaborates the function on its inputs and closes the graph.
fn run<'p>(
    mut elab: Elab<'p>,
    module: usize,
    function: &'p Function,
    slots: &[Slot],
    span: Span,
) -> Result<Instance, Vec<Diagnostic>> {
    elab.frame.module = module;
    let outputs = elab.instance(function, slots, span);
    if elab.has_errors() {
        return Err(elab.found);
    }
    let Some(outputs) = outputs.into_iter().collect::<Option<Vec<_>>>() else {
        return Err(elab.found);
    };
    if elab.graph.stages.iter().any(|stage| elab.graph.pool.tree_size(stage.body.value()) > MAX_TREE) {
        return Err(vec![error::size::program_too_large(span)]);
    }
    let sizes = elab.env();
    for (tensor, output) in outputs.iter().zip(&function.outputs) {
        close_output(&mut elab, tensor, &output.name.name);
    }
    name_outputs(&mut elab.graph, function);
    Ok(Instance { graph: elab.graph, sizes, warnings: elab.found })
}

/// Whether any stage reads a tensor.
fn is_read(graph: &Graph, tensor: TensorId) -> bool {
    let mut found = false;
    for stage in &graph.stages {
        graph.pool.visit(stage.body.value(), &mut |_, expr| {
            found |= matches!(expr, crate::expr::Expr::Load { tensor: other, .. } if *other == tensor);
        });
    }
    found
}

/// Gives the outputs their names in the source; a tensor that has such a name takes the output's for it.
fn name_outputs(graph: &mut Graph, function: &Function) {
    for (position, output) in function.outputs.iter().enumerate() {
        let (id, name) = (graph.outputs[position], &output.name.name);
        let old = std::mem::replace(&mut graph.tensors[id].name, name.clone());
        let other = graph.tensors.iter().find(|(other, tensor)| *other != id && tensor.name == *name);
        if let Some(other) = other.map(|(other, _)| other) {
            graph.tensors[other].name = old;
        }
    }
}

/// Makes a tensor an output of the graph: itself where it can be, else a copy. An intermediate has its compute type;
/// one that nothing else reads takes the narrow type of the result, and its store converts.
fn close_output(elab: &mut Elab<'_>, tensor: &TensorRef, name: &str) {
    let own = &elab.graph.tensors[tensor.id];
    let is_free = own.role == Role::Intermediate && (own.dtype == tensor.elem || !is_read(&elab.graph, tensor.id));
    let id = if is_free {
        let taken = elab.graph.tensors.iter().any(|(_, other)| other.name == name);
        let own = &mut elab.graph.tensors[tensor.id];
        own.role = Role::Output;
        own.dtype = tensor.elem;
        if !taken {
            name.clone_into(&mut own.name);
        }
        tensor.id
    } else {
        if own.name == name {
            let inner = elab.unique(&format!("{name}_wide"));
            elab.graph.tensors[tensor.id].name = inner;
        }
        let id = elab.copy(tensor, name, Role::Output, tensor.elem);
        if !elab.graph.tensors.iter().any(|(other, t)| other != id && t.name == name) {
            name.clone_into(&mut elab.graph.tensors[id].name);
        }
        id
    };
    elab.graph.outputs.push(id);
}

/// The names of sizes that an export leaves open.
pub(super) fn open_names(program: &Program, export: &Export, request: &Request) -> Vec<String> {
    let elab = Elab::new(program, request, "", 0);
    let env = elab.env();
    let mut exprs: Vec<&Expr> = Vec::new();
    for arg in &export.args {
        match arg {
            ExportArg::Tensor { ty, .. } => exprs.extend(ty.dims.iter().flatten().filter_map(|dim| match dim {
                Dim::Size(expr) => Some(expr),
                Dim::Spread(_) => None,
            })),
            ExportArg::Value { value, .. } => exprs.push(value),
        }
    }
    let names = exprs.into_iter().flat_map(super::walk::names).filter(|name| !env.contains_key(*name));
    names.map(ToOwned::to_owned).collect()
}
