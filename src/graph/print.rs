//! The text form of a graph, to be read by people and compared by tests; nothing parses it.
//!
//! ```text
//! graph gemm {
//!   input A: f32[64, 64]
//!   input B: const f32[64, 64]
//!   output C: f32[64, 64]
//!
//!   stage C[i: 64, j: 64] = sum[k: 64](A[i, k] * B[k, j])
//! }
//! ```
//!
//! A stage that does not simply write one element for each axis in order shows its axes apart:
//! `stage y[2 * p + 1, q] for p: 3, q: 4 = …`. Expressions are as in [`crate::expr::print`]; axes of one stage that
//! share a name get primes. Long tables are cut.

use std::collections::BTreeMap;

use super::{Body, Graph, Role, Stage, Tensor};
use crate::expr::print::{Names, print, print_const, print_list, print_name};
use crate::expr::{AxisId, Expr, TensorId};
use crate::scalar::Const;

/// So many values of a table are shown.
const SHOWN: usize = 16;

impl std::fmt::Display for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "graph {} {{", print_name(&self.name))?;
        let ordered = self.inputs.iter().copied().chain(self.tensors.ids().filter(|&id| is_inner(&self.tensors[id])));
        for id in ordered.chain(self.outputs.iter().copied()) {
            if let Some(tensor) = self.tensors.get(id) {
                writeln!(f, "  {}", declaration(tensor))?;
            }
        }
        if !self.stages.is_empty() {
            writeln!(f)?;
        }
        for stage in &self.stages {
            writeln!(f, "  {}", print_stage(self, stage))?;
        }
        writeln!(f, "}}")
    }
}

fn is_inner(tensor: &Tensor) -> bool {
    matches!(tensor.role, Role::Intermediate | Role::Constant(_))
}

fn declaration(tensor: &Tensor) -> String {
    let (role, constant, values) = match &tensor.role {
        Role::Input { is_const } => ("input", if *is_const { "const " } else { "" }, String::new()),
        Role::Output => ("output", "", String::new()),
        Role::Intermediate => ("let", "", String::new()),
        Role::Constant(values) => ("constant", "", format!(" = [{}]", table(values))),
    };
    let extents: Vec<_> = tensor.shape.iter().map(ToString::to_string).collect();
    format!("{role} {}: {constant}{}[{}]{values}", print_name(&tensor.name), tensor.dtype, extents.join(", "))
}

fn table(values: &[Const]) -> String {
    let mut shown: Vec<_> = values.iter().take(SHOWN).map(|&value| print_const(value)).collect();
    if values.len() > SHOWN {
        shown.push(format!("… {} in all", values.len()));
    }
    shown.join(", ")
}

/// One stage on one line.
pub fn print_stage(graph: &Graph, stage: &Stage) -> String {
    let names = StageNames::new(graph, stage);
    let plain = stage.at.len() == stage.axes.len()
        && stage.at.iter().zip(&stage.axes).all(|(&at, &axis)| *graph.pool.get(at) == Expr::Axis(axis));
    let target = print_name(&graph.tensors[stage.tensor].name);
    let left = if plain {
        format!("{target}[{}]", names.declare(&stage.axes))
    } else if stage.axes.is_empty() {
        format!("{target}[{}]", print_list(&graph.pool, &stage.at, &names))
    } else {
        format!("{target}[{}] for {}", print_list(&graph.pool, &stage.at, &names), names.declare(&stage.axes))
    };
    let value = print(&graph.pool, stage.body.value(), &names);
    match &stage.body {
        Body::Map(_) => format!("stage {left} = {value}"),
        Body::Reduce { op, axes, .. } => format!("stage {left} = {}[{}]({value})", op.name(), names.declare(axes)),
    }
}

/// Names in one stage.
#[derive(Debug)]
pub struct StageNames<'a> {
    graph: &'a Graph,
    axes: BTreeMap<AxisId, String>,
}

impl<'a> StageNames<'a> {
    /// Names for the axes of a stage, told apart where the source used a name twice.
    pub fn new(graph: &'a Graph, stage: &Stage) -> Self {
        let mut axes = BTreeMap::<AxisId, String>::new();
        for &axis in stage.axes.iter().chain(stage.body.reduce_axes()) {
            let mut name = graph.axes[axis].name.clone();
            while axes.values().any(|taken| *taken == name) {
                name.push('\'');
            }
            axes.insert(axis, name);
        }
        Self { graph, axes }
    }

    fn declare(&self, axes: &[AxisId]) -> String {
        let list: Vec<_> = axes
            .iter()
            .map(|&axis| format!("{}: {}", print_name(self.axis(axis)), self.graph.axes[axis].extent))
            .collect();
        list.join(", ")
    }
}

impl Names for StageNames<'_> {
    fn axis(&self, id: AxisId) -> &str {
        self.axes.get(&id).map_or("?", String::as_str)
    }

    fn tensor(&self, id: TensorId) -> &str {
        self.graph.tensors.get(id).map_or("?", |tensor| &tensor.name)
    }
}
