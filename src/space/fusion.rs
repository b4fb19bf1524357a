//! Intermediates that need not be stored.

use crate::loops::BufferKind;
use crate::schedule::nest::{Nest, Program};
use crate::schedule::{Step, reads};

/// Operations of a value that may be computed again rather than stored and loaded.
const CHEAP: usize = 24;

/// Removes intermediates that are cheap to compute again, and reductions with one elementwise consumer, but for what is
/// computed ahead of all calls; gives the steps that did it, in their order: the first nests first, so that what is done
/// to the results of a reduction is done once, where they are stored, and not wherever they are read.
pub fn fusions(program: &mut Program) -> Vec<Step> {
    let mut steps = Vec::new();
    for nest in 0..program.nests.len() {
        let producer = &program.nests[nest];
        let buffer = &program.kernel.buffers[producer.buffer];
        if !matches!(buffer.kind, BufferKind::Temp(_)) {
            continue;
        }
        let name = buffer.name.clone();
        let pool = &program.kernel.pool;
        let is_reduction = producer.reduction.is_some();
        let is_cheap =
            !is_reduction && pool.tree_size(producer.result) <= CHEAP as u64 && reads_once(program, producer);
        let step = Step::Inline { tensor: name };
        if is_made_ahead(program, producer) {
            continue;
        }
        if (is_reduction || is_cheap) && program.apply(&step).is_ok() {
            steps.push(step);
        }
    }
    steps
}

/// Whether an intermediate is computed ahead of all calls (`loops::pack`), and no larger than what it is made of: then it
/// costs nothing to have it, and something to compute it again.
fn is_made_ahead(program: &Program, nest: &Nest) -> bool {
    let loads = reads::loads(program, nest);
    let largest = loads.iter().map(|load| load.shape.iter().product::<i64>()).max().unwrap_or(0);
    program.ahead.contains(&nest.buffer) && program.kernel.buffers[nest.buffer].len() <= 2 * largest
}

/// Whether a value is made of so few elements that reading them again costs no more than reading the value.
fn reads_once(program: &Program, nest: &Nest) -> bool {
    reads::loads(program, nest).len() <= 2
}
