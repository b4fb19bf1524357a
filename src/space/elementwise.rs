//! Nests without a reduction: one axis is the vector, outer ones are threads.
//!
//! ```text
//! fuse n c p q as ncpq          where all operands go along together
//! split ncpq by [?, 64, 4, 16]
//! parallel ncpq.0; unroll ncpq.2; vectorize ncpq.3
//! ```

use super::one_loop;
use crate::schedule::Step;
use crate::schedule::nest::{Nest, Program, VarId};
use crate::schedule::reads::{self, Access};
use crate::schedule::step::Tail;
use crate::target::Machine;

/// Vectors that one thread computes before it asks for more.
const CHUNK: i64 = 64;

pub(super) fn candidates(program: &Program, nest: &Nest, machine: &Machine, found: &mut Vec<Vec<Step>>) {
    let axes: Vec<_> = nest.order.iter().copied().filter(|&var| nest.vars[var].extent > 1).collect();
    if axes.is_empty() {
        return;
    }
    let store = reads::store(program, nest);
    let lanes = machine.vector_bytes / store.bytes.max(4);
    let loads = reads::loads(program, nest);
    let together = fusable(nest, &axes, &store, &loads);
    for &fused in &[1, together] {
        let (outer, inner) = axes.split_at(axes.len() - fused);
        for unroll in [1, 4] {
            for threads in [false, true] {
                found.push(steps(nest, outer, inner, lanes, unroll, threads));
            }
        }
    }
}

/// The number of innermost axes that all accesses go along as if they were one.
fn fusable(nest: &Nest, axes: &[VarId], store: &Access, loads: &[Access]) -> usize {
    let goes_on = |access: &Access, outer: VarId, inner: VarId| {
        let stride = |var: VarId| nest.vars[var].axis.and_then(|axis| access.stride(axis));
        let guarded = nest.vars[outer].axis.is_some_and(|axis| access.guards.contains(&axis));
        matches!((stride(outer), stride(inner)), (Some(a), Some(b)) if a == b * nest.vars[inner].extent) && !guarded
    };
    let mut count = 1;
    while count < axes.len() {
        let (outer, inner) = (axes[axes.len() - count - 1], axes[axes.len() - count]);
        let adjacent = nest.position(outer).map(|at| at + 1) == nest.position(inner);
        if !adjacent || !loads.iter().chain([store]).all(|access| goes_on(access, outer, inner)) {
            break;
        }
        count += 1;
    }
    count
}

fn steps(nest: &Nest, outer: &[VarId], inner: &[VarId], lanes: i64, unroll: i64, threads: bool) -> Vec<Step> {
    let name = |var: VarId| nest.vars[var].name.clone();
    let mut steps = Vec::new();
    let vector = one_loop(inner.iter().map(|&var| name(var)).collect(), &mut steps);
    let extent: i64 = inner.iter().map(|&var| nest.vars[var].extent).product();
    let lanes = lanes.min(extent.unsigned_abs().next_power_of_two().cast_signed());
    let unroll = unroll.min((extent / lanes).max(1));
    let chunked = outer.is_empty() && threads;
    let chunk = CHUNK.min((extent / (lanes * unroll)).max(1));
    let mut parts = vec![Some(unroll), Some(lanes)];
    if chunked {
        parts.insert(0, Some(chunk));
    }
    let last = parts.len();
    steps.push(Step::Split { axis: vector.clone(), parts, tail: Tail::Peel });
    if threads {
        let parallel = match outer {
            [] => format!("{vector}.0"),
            _ => one_loop(outer.iter().map(|&var| name(var)).collect(), &mut steps),
        };
        steps.push(Step::Parallel { axis: parallel });
    }
    steps.push(Step::Unroll { axes: vec![format!("{vector}.{}", last - 1)] });
    steps.push(Step::Vectorize { axis: format!("{vector}.{last}") });
    steps
}
