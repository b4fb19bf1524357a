//! `accumulate at k.0`: inside of loop `k.0`, results grow in accumulators, and are joined to what is outside once.
//!
//! ```text
//! for k.0 { for i { for k.1 { C[i] += … } } }
//!     ==>      for k.0 { acc = 0; for i { for k.1 { acc[i] += … } }; C += acc }
//! ```
//!
//! Legal wherever a reduced loop is inside. The accumulators are one for each value of the spatial loops inside; where
//! those are unrolled or vectors, they are registers. Sums of sums also lose less to rounding than one long sum.

use super::nest::{Nest, VarId};
use super::{Refusal, refuse};

pub(super) fn accumulate(nest: &mut Nest, at: VarId) -> Result<(), Refusal> {
    let name = &nest.vars[at].name;
    if nest.reduction.is_none() {
        return refuse(format!("nothing is joined in the nest of `{name}`"), "only reductions have accumulators");
    }
    if nest.accumulate.contains(&at) {
        return refuse(format!("there are accumulators inside of `{name}` already"), "say it once");
    }
    let level = nest.level(Some(at));
    if let Some(inner) = nest.computes.iter().find(|inner| inner.beside_sum && nest.level(Some(inner.at)) > level) {
        let inner = &nest.vars[inner.at].name;
        return refuse(
            format!(
                "what the result needs beside the sum is computed inside of `{inner}`, and not there when the sum is stored"
            ),
            format!("`accumulate` inside of `{inner}`, or `compute` further outside"),
        );
    }
    nest.accumulate.push(at);
    Ok(())
}

/// Once all steps are applied: every level has something to join.
pub(super) fn check(nest: &Nest) -> Result<(), Refusal> {
    for &at in &nest.accumulate {
        let inside = &nest.order[nest.level(Some(at))..];
        if !inside.iter().any(|&var| nest.vars[var].is_reduced()) {
            let reduced: Vec<_> = nest.order.iter().filter(|&&var| nest.vars[var].is_reduced()).collect();
            let names: Vec<_> = reduced.iter().map(|&&var| format!("`{}`", nest.vars[var].name)).collect();
            return refuse(
                format!("no reduced loop is inside of `{}`", nest.vars[at].name),
                format!("accumulators grow along reduced loops: name a loop around one of {}", names.join(", ")),
            );
        }
    }
    Ok(())
}
