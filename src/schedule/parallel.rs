//! `parallel i.0`: the iterations of a loop run on several threads.
//!
//! Legal for a loop whose iterations write different elements: a spatial one, or a reduced one with private
//! accumulators (`rfactor`). Threads are started once: one loop of a nest at most.

use super::nest::{Nest, Role, VarId};
use super::{Refusal, refuse};
use crate::loops::LoopKind;

pub(super) fn parallel(nest: &mut Nest, var: VarId) -> Result<(), Refusal> {
    let name = nest.vars[var].name.clone();
    if nest.vars[var].role == Role::Reduced {
        return refuse(
            format!("threads would join their values of `{name}` to one accumulator at the same time"),
            format!("`rfactor {name}` first gives each its own"),
        );
    }
    if let Some((_, other)) = nest.vars.iter().find(|(_, var)| var.kind == LoopKind::Parallel) {
        return refuse(format!("`{}` is parallel already", other.name), "`fuse` the two loops and run that on threads");
    }
    super::set_kind(nest, var, LoopKind::Parallel)
}
