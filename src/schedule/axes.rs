//! New axes for those of a nest, in all that it computes.

use super::nest::{Nest, Program};
use crate::expr::range::{Domain, Interval};
use crate::expr::simplify::simplify;
use crate::expr::{AxisId, ExprId};
use crate::loops::Axis;

/// An axis of that name, or with a number behind it where that is taken.
pub(super) fn new_axis(program: &mut Program, wanted: &str) -> AxisId {
    let name = unused(program, wanted);
    program.kernel.axes.push(Axis { name })
}

/// A name that neither an axis nor a buffer has.
pub(super) fn unused(program: &Program, wanted: &str) -> String {
    let taken = |name: &String| {
        program.kernel.axes.iter().any(|(_, axis)| axis.name == *name)
            || program.kernel.buffers.iter().any(|(_, buffer)| buffer.name == *name)
    };
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| !taken(name)).expect("there are more numbers than names")
}

/// Replaces axes in all that a nest computes, and simplifies it for the extents that its variables have now.
pub(super) fn substitute(program: &mut Program, nest: &mut Nest, to: &dyn Fn(AxisId) -> Option<ExprId>) {
    let domain: Domain =
        nest.vars.iter().filter_map(|(_, var)| Some((var.axis?, Interval::extent(var.extent)))).collect();
    let pool = &mut program.kernel.pool;
    let mut change = |expr: ExprId| {
        let moved = pool.substitute(expr, to);
        simplify(pool, moved, &domain)
    };
    nest.result = change(nest.result);
    for at in &mut nest.at {
        *at = change(*at);
    }
    if let Some(reduction) = &mut nest.reduction {
        reduction.value = change(reduction.value);
    }
}
