//! `ftc explain FILE`: what the exports of a file compute. Their tensors, their stages with axes, and what they cost.

use crate::graph::{self, Axis, Body, Graph, Role, Stage, Tensor};

use super::arrays::type_of;
use super::instantiate;
use super::select::{self, Selection};
use super::session::{self, Outcome, Session};

/// An explanation of every export that is selected.
pub fn explain(session: &mut Session, what: &Selection) -> Outcome<String> {
    let selected = select::select(session, what)?;
    let mut texts = Vec::new();
    session::for_each(&selected.exports, |export| {
        let graph = instantiate(session, &selected.program, export, &selected.request)?;
        texts.push(describe(&graph));
        Ok(())
    })?;
    Ok(texts.join("\n"))
}

fn describe(graph: &Graph) -> String {
    let tensors = graph.tensors.iter().map(|(_, tensor)| {
        format!("  {:<12} {}: {}\n", role(tensor), tensor.name, type_of(tensor.dtype, &tensor.shape))
    });
    let stages = graph.stages.iter().enumerate();
    let stages = stages.map(|(index, stage)| format!("  stage {:<6} {}\n", index + 1, describe_stage(graph, stage)));
    let head = format!("{}\n", graph.name);
    std::iter::once(head).chain(tensors).chain(stages).chain([cost(graph)]).collect()
}

const fn role(tensor: &Tensor) -> &'static str {
    match tensor.role {
        Role::Input { is_const: false } => "input",
        Role::Input { is_const: true } => "const input",
        Role::Output => "output",
        Role::Intermediate => "intermediate",
        Role::Constant(_) => "table",
    }
}

/// `C[i: 64, j: 64] = sum over k: 64`
fn describe_stage(graph: &Graph, stage: &Stage) -> String {
    let axes = |ids: &[_]| ids.iter().map(|&id| axis(&graph.axes[id])).collect::<Vec<_>>().join(", ");
    let head = format!("{}[{}]", graph.tensors[stage.tensor].name, axes(&stage.axes));
    match &stage.body {
        Body::Map(_) => format!("{head}, element by element"),
        Body::Reduce { op, axes: reduced, .. } => format!("{head} = {} over {}", op.name(), axes(reduced)),
    }
}

fn axis(axis: &Axis) -> String {
    format!("{}: {}", axis.name, axis.extent)
}

/// The work, the least traffic with memory, and the ratio of the two.
fn cost(graph: &Graph) -> String {
    let flops = graph::flops::flops(graph);
    let bytes: usize = graph.inputs.iter().chain(&graph.outputs).map(|&id| graph.tensors[id].bytes()).sum();
    let intensity = flops as f64 / bytes as f64;
    format!(
        "  work         {} floating-point operations, {} bytes in and out: {intensity:.1} operations a byte\n",
        grouped(flops),
        grouped(bytes as u64)
    )
}

/// `1_048_576`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}
