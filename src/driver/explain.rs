//! `ftc explain FILE`: what the exports of a file compute. Their tensors and what they cost; then, stage by stage, what
//! the analysis of the graph finds: axes, accesses, and what could be computed elsewhere. `page` is the same and much
//! more as a page for a browser, `plot` draws on it.

pub mod page;
pub mod plot;
mod stage;
mod table;

use crate::graph::analysis::{Analysis, analyse};
use crate::graph::{Graph, Role, Tensor};

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
    let head = format!("{}\n", graph.name);
    let analysis = analyse(graph);
    let stages = (0..graph.stages.len()).map(|place| format!("\n{}", stage::describe(graph, &analysis, place)));
    std::iter::once(head).chain(tensors).chain([cost(graph, &analysis)]).chain(stages).collect()
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

/// The work, the least traffic with memory, and the ratio of the two.
fn cost(graph: &Graph, analysis: &Analysis) -> String {
    let flops = analysis.stages.iter().fold(0u64, |sum, stage| sum.saturating_add(stage.work.flops));
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
