//! Launches that need nothing of each other, as one: the phases of a transposed convolution, and the joins of their parts.
//!
//! ```text
//! kernel_1<<<40 blocks>>>; kernel_2<<<60 blocks>>>      ==>      kernel<<<100 blocks>>>: if (blockIdx.x < 40) … else …
//! ```
//!
//! Starting a launch costs as much as a small one takes, and small ones do not fill a processor. Legal where neither
//! writes what the other one reads or writes; of a buffer that both write, the elements must be different by the
//! remainders of their subscripts. Blocks of both have the same threads. The order of all others stays.
//!
//! It takes a kernel before its subscripts are flattened; it gives numbers of launches, in the order in which `launch`
//! comes to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::expr::affine::{Linear, linear};
use crate::expr::{Expr, ExprId, Pool, TensorId};
use crate::loops::launch::Launch;
use crate::loops::{Kernel, Stmt, visit};

use super::flat::is_main;
use super::launch::is_apart;

/// What a launch does to main memory.
#[derive(Default)]
struct Uses {
    reads: BTreeSet<TensorId>,
    /// Subscripts of all that is stored.
    writes: BTreeMap<TensorId, Vec<Vec<ExprId>>>,
    /// The threads of a block; none for what is no launch of its own.
    block: Option<[i64; 3]>,
}

/// Launches by those that become one.
pub(super) fn groups(kernel: &Kernel) -> Vec<Vec<usize>> {
    let mut launches = Vec::new();
    collect(kernel, &kernel.body, &mut launches);
    let mut levels: Vec<usize> = Vec::new();
    for (at, uses) in launches.iter().enumerate() {
        let before = (0..at).filter(|&other| conflict(&kernel.pool, &launches[other], uses));
        let level = before.map(|other| levels[other] + 1).max().unwrap_or(0);
        levels.push(level);
    }
    let mut groups: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::new();
    for (at, &level) in levels.iter().enumerate() {
        let of_level = groups.entry(level).or_default();
        let block = launches[at].block;
        match of_level.iter_mut().find(|group| block.is_some() && launches[group[0]].block == block) {
            Some(group) => group.push(at),
            None => of_level.push(vec![at]),
        }
    }
    groups.into_values().flatten().collect()
}

/// The launches of some statements, in their order.
fn collect(kernel: &Kernel, body: &[Stmt], found: &mut Vec<Uses>) {
    let mut rest = body;
    while let Some(stmt) = rest.first() {
        let plain = rest.iter().take_while(|stmt| !is_apart(kernel, stmt)).count();
        match stmt {
            _ if plain > 0 => found.push(uses(kernel, &rest[..plain], None)),
            Stmt::Alloc { body, .. } => collect(kernel, body, found),
            Stmt::For(outer) => {
                let launch = Launch::of(kernel, outer);
                found.push(uses(kernel, launch.body, Some(launch.block_size())));
            }
            _ => {}
        }
        rest = &rest[plain.max(1)..];
    }
}

fn uses(kernel: &Kernel, body: &[Stmt], block: Option<[i64; 3]>) -> Uses {
    let is_meant = |id: TensorId| is_main(&kernel.buffers[id].kind);
    let mut uses = Uses { block, ..Uses::default() };
    let mut pool = kernel.pool.clone();
    visit::visit(&mut pool, body, &mut |pool, stmt, _| {
        if let Some((buffer, at)) = visit::written(stmt).filter(|&(buffer, _)| is_meant(buffer)) {
            uses.writes.entry(buffer).or_default().push(at.to_vec());
            if !matches!(stmt, Stmt::Store { .. }) {
                uses.reads.insert(buffer);
            }
        }
        for root in visit::expressions(stmt) {
            pool.visit(root, &mut |_, expr| {
                if let Expr::Load { tensor, .. } = expr {
                    uses.reads.insert(*tensor);
                }
            });
        }
    });
    uses
}

/// Whether one must wait for the other.
fn conflict(pool: &Pool, a: &Uses, b: &Uses) -> bool {
    let needs = |a: &Uses, b: &Uses| a.writes.keys().any(|buffer| b.reads.contains(buffer));
    let meet = |(buffer, places): (&TensorId, &Vec<Vec<ExprId>>)| {
        let others = b.writes.get(buffer).into_iter().flatten();
        others.into_iter().any(|other| places.iter().any(|place| !differ(pool, place, other)))
    };
    needs(a, b) || needs(b, a) || a.writes.iter().any(meet)
}

/// Whether two elements of a buffer are different whatever the loops' values, by the remainders of a subscript.
fn differ(pool: &Pool, a: &[ExprId], b: &[ExprId]) -> bool {
    a.iter().zip(b).any(|(&a, &b)| {
        let (a, b) = (linear(pool, a), linear(pool, b));
        let steps = |of: &Linear| of.terms.values().fold(0, |all, &step| gcd(all, step.abs()));
        let step = gcd(steps(&a), steps(&b));
        let apart = a.constant - b.constant;
        if step == 0 { apart != 0 } else { apart % step != 0 }
    })
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// About how much a thread does: blocks of launches that do more begin earlier.
pub(super) fn work(body: &[Stmt]) -> i64 {
    let of = |stmt: &Stmt| match stmt {
        Stmt::For(l) => l.extent.saturating_mul(work(&l.body)),
        Stmt::Alloc { body, .. } => work(body),
        Stmt::If { then, otherwise, .. } => work(then).saturating_add(work(otherwise)),
        Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => 1,
    };
    body.iter().map(of).fold(0, i64::saturating_add)
}
