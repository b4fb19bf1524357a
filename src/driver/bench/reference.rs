//! Compares a kernel's outputs with the definition: all elements of small outputs, a sample of large ones.
//!
//! The reference computes single elements in `f64`; what one costs is known from the operations of the whole, so the
//! sample is as large as a fixed amount of work allows. Where an element takes longer than that, for what it needs of
//! intermediates, time is the limit. The first and the last element are always in it: tails are where schedules go wrong.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::graph::eval::{EvalError, Evaluator};
use crate::graph::{Graph, flops};
use crate::measure::accuracy::relative_error;
use crate::runtime::Array;
use crate::scalar::Values;
use crate::target::Platform;

/// How many operations the reference may take for one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Seconds.
    Thorough,
    /// Less than one: beside a GPU, which one does not have for long, and in a search, which compares often.
    Brief,
}

impl Work {
    /// Where what is compared runs.
    pub const fn on(platform: &Platform) -> Self {
        if matches!(platform, Platform::Gpu(_)) { Self::Brief } else { Self::Thorough }
    }

    const fn operations(self) -> u64 {
        match self {
            Self::Thorough => 30_000_000,
            Self::Brief => 5_000_000,
        }
    }

    const fn time(self) -> Duration {
        match self {
            Self::Thorough => Duration::from_secs(5),
            Self::Brief => Duration::from_millis(500),
        }
    }
}

/// The fewest elements of an output that are compared.
const FEWEST: usize = 32;

/// How far an output is from the definition.
#[derive(Clone, Debug)]
pub struct Distance {
    /// The output.
    pub tensor: String,
    /// The relative error; see `measure::accuracy`.
    pub error: f64,
    /// How many elements were compared.
    pub compared: usize,
}

/// The distance of every output.
pub fn distances(
    graph: &Graph,
    inputs: &[Values],
    outputs: &[Array],
    work: Work,
    rng: &mut StdRng,
) -> Result<Vec<Distance>, EvalError> {
    let mut reference = Evaluator::new(graph, inputs)?;
    let elements: usize = outputs.iter().map(|output| output.shape().iter().product::<i64>() as usize).sum();
    let cost = flops::flops(graph) / (elements as u64).max(1) + 1;
    let limit = ((work.operations() / cost) as usize / outputs.len().max(1)).max(FEWEST);
    let mut found = Vec::new();
    for (&tensor, output) in graph.outputs.iter().zip(outputs) {
        let values = output.values();
        let positions = sample(values.len(), limit, rng);
        let mut pairs = Vec::with_capacity(positions.len());
        let start = Instant::now();
        for position in &positions {
            if pairs.len() >= FEWEST && start.elapsed() > work.time() {
                break;
            }
            let wanted = reference.element(tensor, &subscripts(*position, output.shape()))?.to_f64();
            pairs.push((values.get_f64(*position).expect("the position is inside"), wanted));
        }
        let error = relative_error(&pairs);
        found.push(Distance { tensor: graph.tensors[tensor].name.clone(), error, compared: pairs.len() });
    }
    Ok(found)
}

/// All positions of a small array, of a large one some; both ends first, then at random.
fn sample(length: usize, limit: usize, rng: &mut StdRng) -> Vec<usize> {
    let mut between: Vec<usize> = if length <= limit {
        (1..length.max(1) - 1).collect()
    } else {
        (2..limit).map(|_| rng.random_range(1..length - 1)).collect()
    };
    between.sort_unstable();
    between.dedup();
    between.shuffle(rng);
    let ends = if length > 1 { vec![0, length - 1] } else { vec![0; length] };
    [ends, between].concat()
}

fn subscripts(position: usize, shape: &[i64]) -> Vec<i64> {
    let mut rest = position as i64;
    let mut at: Vec<_> = shape
        .iter()
        .rev()
        .map(|extent| {
            let subscript = rest % extent;
            rest /= extent;
            subscript
        })
        .collect();
    at.reverse();
    at
}

#[cfg(test)]
mod tests {
    use super::super::data;
    use super::*;

    #[test]
    fn positions_become_subscripts() {
        assert_eq!(subscripts(0, &[]), [0; 0]);
        assert_eq!(subscripts(23, &[2, 3, 4]), [1, 2, 3]);
        assert_eq!(subscripts(5, &[2, 3, 4]), [0, 1, 1]);
    }

    #[test]
    fn a_sample_has_both_ends() {
        let mut rng = data::source(0, "");
        for length in 0..6 {
            let mut all = sample(length, 5, &mut rng);
            all.sort_unstable();
            assert_eq!(all, (0..length).collect::<Vec<_>>());
        }
        let some = sample(1_000_000, 50, &mut rng);
        assert!(some.len() <= 50 && some.len() > 40);
        assert_eq!(some[..2], [0, 999_999]);
    }
}
