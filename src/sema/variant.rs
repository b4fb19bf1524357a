//! Compares a variant with its function: both evaluated by the reference, on random inputs, for small sizes.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::diag::Diagnostic;
use crate::graph::Graph;
use crate::graph::eval::Evaluator;
use crate::scalar::DType;
use crate::scalar::values::Values;
use crate::syntax::ast;

use super::instance::{self, Assignment};
use super::program::Program;
use super::{Request, error};

/// Samples compared.
const COMPARED: usize = 3;
/// Elements compared in each output.
const MAX_ELEMENTS: i64 = 2000;
/// Relative difference allowed: transforms have entries that a float only approximates.
const TOLERANCE: f64 = 1e-3;

/// Says where the variant differs from the function.
pub(super) fn compare(
    program: &Program,
    function: &ast::Function,
    variant: &ast::Variant,
    samples: &[Assignment],
    request: &Request,
) -> Vec<Diagnostic> {
    let plain = Request { variants: Vec::new(), ..request.clone() };
    for sample in samples.iter().take(COMPARED) {
        // Narrow floats would show their rounding, not the variant.
        let mut sample = sample.clone();
        sample.types.iter_mut().filter(|(_, dtype)| dtype.is_float()).for_each(|(_, dtype)| *dtype = DType::F64);
        let graph = |request| instance::of_assignment(program, 0, function, &sample, request);
        let (Ok(first), Ok(other)) = (graph(&plain), graph(request)) else { return Vec::new() };
        let inputs = random_inputs(&first.graph);
        if let Some((element, values)) = difference(&first.graph, &other.graph, &inputs) {
            let sizes: Vec<_> = sample.sizes.into_iter().collect();
            return vec![error::call::variant_differs(variant, function, &element, values, &sizes)];
        }
    }
    Vec::new()
}

fn random_inputs(graph: &Graph) -> Vec<Values> {
    let mut rng = StdRng::seed_from_u64(7);
    let values = graph.inputs.iter().map(|&id| {
        let tensor = &graph.tensors[id];
        let count = tensor.len() as usize;
        if tensor.dtype.is_float() {
            Values::floats(tensor.dtype, &tensor.shape, (0..count).map(|_| rng.random_range(-1.0..1.0)).collect())
        } else {
            let top = if tensor.dtype == DType::Bool { 2 } else { 8 };
            Values::ints(tensor.dtype, &tensor.shape, (0..count).map(|_| rng.random_range(0..top)).collect())
        }
    });
    values.collect::<Result<_, _>>().expect("as many values as elements")
}

/// The first element that differs, with both values.
fn difference(first: &Graph, other: &Graph, inputs: &[Values]) -> Option<(String, (f64, f64))> {
    let mut reference = Evaluator::new(first, inputs).ok()?;
    let mut candidate = Evaluator::new(other, inputs).ok()?;
    for (&a, &b) in first.outputs.iter().zip(&other.outputs) {
        let tensor = &first.tensors[a];
        for flat in 0..tensor.len().min(MAX_ELEMENTS) {
            let at = unflatten(flat, &tensor.shape);
            let x = reference.element(a, &at).ok()?.to_f64();
            let y = candidate.element(b, &at).ok()?.to_f64();
            let is_close = x.to_bits() == y.to_bits()
                || (x - y).abs() <= TOLERANCE * x.abs().max(1.0)
                || (x.is_nan() && y.is_nan());
            if !is_close {
                let at: Vec<_> = at.iter().map(ToString::to_string).collect();
                return Some((format!("{}[{}]", tensor.name, at.join(", ")), (x, y)));
            }
        }
    }
    None
}

fn unflatten(mut flat: i64, shape: &[i64]) -> Vec<i64> {
    let mut at: Vec<_> = shape
        .iter()
        .rev()
        .map(|extent| {
            let index = flat % extent;
            flat /= extent;
            index
        })
        .collect();
    at.reverse();
    at
}
