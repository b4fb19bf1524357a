//! Checks a graph against its specification. What verifies is lowered and evaluated without further checks.
//!
//! Contract:
//!
//! - *Tensors*: names are unique; extents are at least 1, and all bytes together fit `i64`; inputs and outputs are listed
//!   once each, in keeping with their roles; a table has a value of the tensor's type for every element.
//! - *Axes*: extents are at least 1; an axis belongs to one stage, once; a reduction has at least one.
//! - *Types*: every expression is well typed; loads have their tensor's element type and one subscript for each
//!   dimension; the value has the compute type of what is defined; the reduction suits it.
//! - *Targets*: stages define outputs and intermediates only; each subscript on the left is a constant or
//!   `stride * axis + offset` with a stride other than 0; every spatial axis stands in exactly one.
//! - *Order*: a stage reads inputs, tables, and tensors all of whose stages came before.
//! - *Cover*: the stages of a tensor write every element exactly once.
//! - *Loads*: every subscript stays inside its tensor wherever the selects around it let it be evaluated.

use std::collections::{BTreeSet, HashMap};

use super::cover::{Cover, Piece, cover, progression};
use super::print::StageNames;
use super::{Body, Graph, Role, Stage, Tensor};
use crate::arena::Id;
use crate::expr::guard::visit_guarded;
use crate::expr::print::print;
use crate::expr::prove::{Verdict, Witness, value_at, within};
use crate::expr::range::{Domain, Interval};
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId, typing};
use crate::scalar::{DType, ReduceOp};

/// The part of the contract that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "named as in the contract")]
pub enum Rule {
    Tensors,
    Axes,
    Types,
    Targets,
    Order,
    Cover,
    Loads,
}

/// A breach of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// The stage, by its place in the graph; none for what concerns no single stage.
    pub stage: Option<usize>,
    /// The tensor that is defined, read, or wrong itself.
    pub tensor: Option<TensorId>,
    /// Which rule.
    pub rule: Rule,
    /// What is wrong, in words.
    pub message: String,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.stage {
            Some(stage) => write!(f, "stage {stage}: {} ({:?})", self.message, self.rule),
            None => write!(f, "{} ({:?})", self.message, self.rule),
        }
    }
}

impl std::error::Error for VerifyError {}

/// All breaches of the contract, in the order of the graph. Bounds and covers are looked at only where the rest is fine.
pub fn verify(graph: &Graph) -> Result<(), Vec<VerifyError>> {
    let mut verifier = Verifier { graph, stage: None, errors: Vec::new() };
    verifier.tensors();
    verifier.axes();
    for (index, stage) in graph.stages.iter().enumerate() {
        verifier.stage = Some(index);
        verifier.types(stage);
    }
    if verifier.errors.is_empty() {
        verifier.order();
        verifier.covers();
        verifier.loads();
    }
    if verifier.errors.is_empty() { Ok(()) } else { Err(verifier.errors) }
}

struct Verifier<'a> {
    graph: &'a Graph,
    stage: Option<usize>,
    errors: Vec<VerifyError>,
}

impl Verifier<'_> {
    fn report(&mut self, rule: Rule, tensor: Option<TensorId>, message: impl Into<String>) {
        self.errors.push(VerifyError { stage: self.stage, tensor, rule, message: message.into() });
    }

    fn tensors(&mut self) {
        let mut names = BTreeSet::new();
        for (id, tensor) in self.graph.tensors.iter() {
            if !names.insert(&tensor.name) {
                self.report(Rule::Tensors, Some(id), format!("there are two tensors `{}`", tensor.name));
            }
            if let Err(message) = tensor_is_sound(tensor) {
                self.report(Rule::Tensors, Some(id), message);
            }
            let listed = |list: &[TensorId]| list.iter().filter(|&&other| other == id).count();
            let (inputs, outputs) = (listed(&self.graph.inputs), listed(&self.graph.outputs));
            let expected = match tensor.role {
                Role::Input { .. } => (1, 0),
                Role::Output => (0, 1),
                Role::Intermediate | Role::Constant(_) => (0, 0),
            };
            if (inputs, outputs) != expected {
                let message = format!("`{}` is listed {inputs} times as an input, {outputs} as an output", tensor.name);
                self.report(Rule::Tensors, Some(id), message);
            }
        }
        let count = self.graph.tensors.len();
        if self.graph.inputs.iter().chain(&self.graph.outputs).any(|id| id.index() >= count) {
            self.report(Rule::Tensors, None, "a listed tensor does not exist");
        }
    }

    fn axes(&mut self) {
        let mut owner = BTreeSet::new();
        for (index, stage) in self.graph.stages.iter().enumerate() {
            self.stage = Some(index);
            if matches!(&stage.body, Body::Reduce { axes, .. } if axes.is_empty()) {
                self.report(Rule::Axes, Some(stage.tensor), "a reduction needs an axis");
            }
            for &axis in stage.axes.iter().chain(stage.body.reduce_axes()) {
                match self.graph.axes.get(axis) {
                    None => self.report(Rule::Axes, None, format!("axis {axis:?} does not exist")),
                    Some(found) if found.extent < 1 => {
                        self.report(Rule::Axes, None, format!("axis `{}` has extent {}", found.name, found.extent));
                    }
                    Some(found) if !owner.insert(axis) => {
                        self.report(Rule::Axes, None, format!("axis `{}` is used a second time", found.name));
                    }
                    Some(_) => {}
                }
            }
        }
        self.stage = None;
    }

    fn types(&mut self, stage: &Stage) {
        let Some(tensor) = self.graph.tensors.get(stage.tensor) else {
            return self.report(Rule::Targets, None, "the defined tensor does not exist");
        };
        if !matches!(tensor.role, Role::Output | Role::Intermediate) {
            let message = format!("`{}` is neither an output nor an intermediate", tensor.name);
            self.report(Rule::Targets, Some(stage.tensor), message);
        }
        if stage.at.len() != tensor.shape.len() {
            let (found, rank) = (stage.at.len(), tensor.shape.len());
            let message = format!("`{}` has {rank} dimensions, but {found} subscripts", tensor.name);
            self.report(Rule::Targets, Some(stage.tensor), message);
        }
        let value = stage.body.value();
        let mut sound = true;
        let all: BTreeSet<_> = stage.axes.iter().chain(stage.body.reduce_axes()).copied().collect();
        let spatial: BTreeSet<_> = stage.axes.iter().copied().collect();
        for &at in &stage.at {
            sound &= self.expr(at, &spatial);
        }
        sound &= self.expr(value, &all);
        if sound {
            self.value(stage, tensor);
            self.target(stage);
        }
    }

    /// Checks every node of an expression; false if it must not be looked at further.
    fn expr(&mut self, root: ExprId, axes: &BTreeSet<AxisId>) -> bool {
        let graph = self.graph;
        if root.index() >= graph.pool.len() {
            self.report(Rule::Types, None, format!("expression {root:?} does not exist"));
            return false;
        }
        let mut wrong = Vec::new();
        graph.pool.visit(root, &mut |id, expr| match node(graph, id, expr, axes) {
            Ok(()) => {}
            Err(message) => wrong.push(message),
        });
        let sound = wrong.is_empty();
        for message in wrong {
            self.report(Rule::Types, None, message);
        }
        sound
    }

    fn value(&mut self, stage: &Stage, tensor: &Tensor) {
        let found = self.graph.pool.dtype(stage.body.value());
        let expected = tensor.dtype.compute();
        if found != expected {
            let message = format!("`{}` holds {}: its value is {expected}, not {found}", tensor.name, tensor.dtype);
            self.report(Rule::Types, Some(stage.tensor), message);
        }
        if let Body::Reduce { op, .. } = stage.body
            && (found == DType::Bool) != matches!(op, ReduceOp::Any | ReduceOp::All)
        {
            self.report(Rule::Types, Some(stage.tensor), format!("`{}` does not reduce {found}", op.name()));
        }
    }

    fn target(&mut self, stage: &Stage) {
        let mut used = BTreeSet::new();
        for &at in &stage.at {
            match progression(&self.graph.pool, at, &|axis| self.graph.axes.get(axis).map_or(1, |a| a.extent)) {
                None => self.report(
                    Rule::Targets,
                    Some(stage.tensor),
                    "a subscript on the left is neither a constant nor `stride * axis + offset`",
                ),
                Some((Some(axis), _)) if !used.insert(axis) => {
                    let message = format!("axis `{}` stands in two subscripts on the left", self.graph.axes[axis].name);
                    self.report(Rule::Targets, Some(stage.tensor), message);
                }
                Some(_) => {}
            }
        }
        for axis in stage.axes.iter().filter(|&axis| !used.contains(axis)) {
            if let Some(found) = self.graph.axes.get(*axis) {
                let message = format!("axis `{}` stands in no subscript on the left", found.name);
                self.report(Rule::Targets, Some(stage.tensor), message);
            }
        }
    }

    fn order(&mut self) {
        let graph = self.graph;
        let mut left: HashMap<TensorId, usize> = HashMap::new();
        for stage in &graph.stages {
            *left.entry(stage.tensor).or_default() += 1;
        }
        for (index, stage) in graph.stages.iter().enumerate() {
            self.stage = Some(index);
            let mut unready = BTreeSet::new();
            graph.pool.visit(stage.body.value(), &mut |_, expr| {
                if let Expr::Load { tensor, .. } = expr
                    && left.get(tensor).is_some_and(|&left| left > 0)
                {
                    unready.insert(*tensor);
                }
            });
            for tensor in unready {
                let message = format!("`{}` is read before it is completely defined", graph.tensors[tensor].name);
                self.report(Rule::Order, Some(tensor), message);
            }
            left.entry(stage.tensor).and_modify(|left| *left -= 1);
        }
        self.stage = None;
    }

    fn covers(&mut self) {
        for (id, tensor) in self.graph.tensors.iter() {
            if !matches!(tensor.role, Role::Output | Role::Intermediate) {
                continue;
            }
            let stages: Vec<_> = self.graph.stages.iter().enumerate().filter(|(_, stage)| stage.tensor == id).collect();
            let pieces: Vec<_> = stages.iter().map(|(_, stage)| piece(self.graph, stage)).collect();
            let name = &tensor.name;
            let message = match cover(&tensor.shape, &pieces) {
                Cover::Exact => continue,
                Cover::Missing(element) => format!("`{name}{element:?}` is never written"),
                Cover::Twice(element, first, second) => {
                    format!("`{name}{element:?}` is written by stages {} and {}", stages[first].0, stages[second].0)
                }
                Cover::Outside(piece) => format!("stage {} writes `{name}` outside its extents", stages[piece].0),
            };
            self.report(Rule::Cover, Some(id), message);
        }
    }

    fn loads(&mut self) {
        let mut pool = self.graph.pool.clone();
        for (index, stage) in self.graph.stages.iter().enumerate() {
            self.stage = Some(index);
            for escape in escapes(&mut pool, self.graph, stage) {
                let message = escape.describe(&pool, &StageNames::new(self.graph, stage));
                self.report(Rule::Loads, Some(escape.tensor), message);
            }
        }
        self.stage = None;
    }
}

fn tensor_is_sound(tensor: &Tensor) -> Result<(), String> {
    let name = &tensor.name;
    if let Some(extent) = tensor.shape.iter().find(|&&extent| extent < 1) {
        return Err(format!("`{name}` has an extent of {extent}"));
    }
    let bytes = i64::try_from(tensor.dtype.bytes()).unwrap_or(i64::MAX);
    if tensor.shape.iter().try_fold(bytes, |size, &extent| size.checked_mul(extent)).is_none() {
        return Err(format!("`{name}` is too large"));
    }
    if let Role::Constant(values) = &tensor.role {
        if i64::try_from(values.len()) != Ok(tensor.len()) {
            return Err(format!("`{name}` has {} elements, but {} values", tensor.len(), values.len()));
        }
        if let Some(value) = values.iter().find(|value| value.dtype() != tensor.dtype) {
            return Err(format!("`{name}` holds {}, but has a value of type {}", tensor.dtype, value.dtype()));
        }
    }
    Ok(())
}

fn node(graph: &Graph, id: ExprId, expr: &Expr, axes: &BTreeSet<AxisId>) -> Result<(), String> {
    match expr {
        Expr::Axis(axis) if !axes.contains(axis) => {
            let name = graph.axes.get(*axis).map_or("?", |axis| &axis.name);
            return Err(format!("axis `{name}` does not belong here"));
        }
        Expr::Load { tensor, at } => {
            let Some(found) = graph.tensors.get(*tensor) else {
                return Err(format!("tensor {tensor:?} does not exist"));
            };
            if found.dtype != graph.pool.dtype(id) {
                return Err(format!("a load of `{}` is {}, not {}", found.name, found.dtype, graph.pool.dtype(id)));
            }
            if found.shape.len() != at.len() {
                let rank = found.shape.len();
                return Err(format!("`{}` has {rank} dimensions, but {} subscripts", found.name, at.len()));
            }
        }
        _ => {}
    }
    typing::check_node(&graph.pool, id)
}

/// What a stage writes; its subscripts have been checked.
fn piece(graph: &Graph, stage: &Stage) -> Piece {
    let extent = |axis: AxisId| graph.axes[axis].extent;
    stage.at.iter().filter_map(|&at| Some(progression(&graph.pool, at, &extent)?.1)).collect()
}

/// A subscript of a load that could not be shown to stay inside.
#[derive(Clone, Debug)]
struct Escape {
    tensor: TensorId,
    dim: usize,
    extent: i64,
    subscript: ExprId,
    /// Where it leaves, and what it is there, if such a place was found.
    witness: Option<(Witness, i64)>,
}

impl Escape {
    fn describe(&self, pool: &Pool, names: &StageNames<'_>) -> String {
        use crate::expr::print::Names;
        let text = print(pool, self.subscript, names);
        let (dim, name) = (self.dim + 1, names.tensor(self.tensor));
        let Some((witness, value)) = &self.witness else {
            return format!("subscript {dim} of `{name}`, `{text}`, is not known to stay in 0..{}", self.extent);
        };
        let place: Vec<_> = witness.iter().map(|&(axis, value)| format!("{} = {value}", names.axis(axis))).collect();
        let place = if place.is_empty() { String::new() } else { format!(" at {}", place.join(", ")) };
        format!("subscript {dim} of `{name}`, `{text}`, is {value}{place}, but the extent is {}", self.extent)
    }
}

fn escapes(pool: &mut Pool, graph: &Graph, stage: &Stage) -> Vec<Escape> {
    let axes = stage.axes.iter().chain(stage.body.reduce_axes());
    let domain: Domain = axes.map(|&axis| (axis, Interval::extent(graph.axes[axis].extent))).collect();
    let mut known: HashMap<(ExprId, i64, Vec<ExprId>), bool> = HashMap::new();
    let mut escapes = Vec::new();
    visit_guarded(pool, stage.body.value(), &mut |pool, id, facts| {
        let Expr::Load { tensor, at } = pool.get(id).clone() else { return };
        for (dim, (subscript, &extent)) in at.into_iter().zip(&graph.tensors[tensor].shape).enumerate() {
            if known.insert((subscript, extent, facts.to_vec()), true).is_some() {
                continue;
            }
            let witness = match within(pool, subscript, 0, extent - 1, &domain, facts) {
                Verdict::Proved => continue,
                Verdict::Refuted(witness) => value_at(pool, subscript, &witness, &domain).map(|value| (witness, value)),
                Verdict::Unknown => None,
            };
            escapes.push(Escape { tensor, dim, extent, subscript, witness });
        }
    });
    escapes
}
