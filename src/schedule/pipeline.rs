//! `pipeline k.0`: the copies that the threads of a GPU's block share inside of a loop are made one iteration ahead.
//!
//! ```text
//! for k.0 {                            A.copy[0] = A at 0
//!   barrier                            for k.0 {
//!   A.copy = A at k.0                    barrier
//!   barrier                ==>           A.next = A at k.0 + 1              (in registers; but for the last)
//!   … A.copy …                           … A.copy[k.0 % 2] …
//! }                                      A.copy[(k.0 + 1) % 2] = A.next
//!                                      }
//! ```
//!
//! What is read next from main memory is under way while threads compute, and one barrier is enough: behind it everything
//! is stored to the buffer that is read next, and nobody reads the one that is stored to.
//!
//! Legal for a loop that runs one iteration after another and has shared copies right inside of it, of tensors that are
//! there before it begins.

use super::nest::{Nest, VarId};
use super::{Refusal, refuse};
use crate::loops::{LoopKind, Scope};

/// Buffers of a copy, at most.
const MOST: i64 = 8;

pub(super) fn pipeline(nest: &mut Nest, var: VarId, stages: Option<i64>) -> Result<(), Refusal> {
    let name = &nest.vars[var].name;
    if nest.pipelined.contains(&var) {
        return refuse(format!("the copies inside of `{name}` are made ahead already"), "say it once");
    }
    if let Some(stages) = stages {
        if !(2..=MOST).contains(&stages) {
            return refuse(
                format!("copies with {stages} buffers cannot be made ahead"),
                format!("2 to {MOST} buffers"),
            );
        }
        nest.stages.push((var, stages));
    }
    nest.pipelined.push(var);
    Ok(())
}

/// Once all steps are applied: there is something to do ahead, and a next iteration.
pub(super) fn check(nest: &Nest) -> Result<(), Refusal> {
    for &var in &nest.pipelined {
        let name = &nest.vars[var].name;
        if nest.vars[var].kind != LoopKind::Serial {
            return refuse(
                format!("iterations of `{name}` do not run one after another, and copies would be made ahead of each"),
                "`pipeline` takes a loop without a kind",
            );
        }
        let copies: Vec<_> =
            nest.copies.iter().filter(|copy| copy.at == Some(var) && copy.scope == Scope::Shared).collect();
        if copies.is_empty() {
            return refuse(
                format!("threads share no copy right inside of `{name}`"),
                format!("`stage … at {name} … in shared`"),
            );
        }
        if let Some(inner) = nest.computes.first() {
            let at = &nest.vars[inner.at].name;
            return refuse(
                format!("other tensors are computed inside of `{at}`, and may not be there one iteration ahead"),
                format!("leave out `pipeline {name}`"),
            );
        }
    }
    Ok(())
}
