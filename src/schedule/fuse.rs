//! `fuse p q as pq`: neighbouring loops become one.
//!
//! ```text
//! for p in 7 { for q in 7 { … p … q … } }      ==>      for pq in 49 { … pq / 7 … pq % 7 … }
//! ```
//!
//! Always legal for loops next to each other: values and their order stay. A loop that is a part of a split must be its
//! first part, or the parts fill the axis exactly: else the number of its iterations would depend on loops around it.

use super::nest::{Form, Nest, Var, VarId};
use super::{Refusal, refuse};

pub(super) fn fuse(nest: &mut Nest, vars: &[VarId], name: &str) -> Result<(), Refusal> {
    let at = nest.position(vars[0]).expect("it is a loop");
    if nest.order.get(at..at + vars.len()) != Some(vars) {
        return refuse("the loops are not directly inside of each other in this order", "`reorder` them first");
    }
    let role = nest.vars[vars[0]].role;
    for &var in vars {
        let Var { name, role: own, kind, .. } = &nest.vars[var];
        if *own != role {
            return refuse(format!("`{name}` is reduced and another loop is not"), "fuse loops of one sort");
        }
        if *kind != crate::loops::LoopKind::Serial {
            return refuse(format!("`{name}` has a kind already"), "fuse first, then say how the loop runs");
        }
        if !has_fixed_trips(nest, var) {
            return refuse(
                format!("`{name}` runs less often at the end of its axis"),
                "fuse first parts of splits only",
            );
        }
    }
    if nest.vars.iter().any(|(_, var)| var.name == name) {
        return refuse(format!("there is an axis `{name}` already"), "choose another name");
    }
    let extent = vars.iter().map(|&var| nest.vars[var].extent).product();
    let into = nest.vars.push(Var::new(name.to_owned(), role, extent));
    let mut inner = extent;
    for &var in vars {
        inner /= nest.vars[var].extent;
        nest.vars[var].form = Form::Fused { into, inner };
    }
    nest.order.splice(at..at + vars.len(), [into]);
    Ok(())
}

/// Whether a loop has the same number of iterations whatever is around it.
fn has_fixed_trips(nest: &Nest, var: VarId) -> bool {
    let Some((whole, index)) = nest.vars[var].part_of else { return true };
    let Form::Split { parts, .. } = &nest.vars[whole].form else { return true };
    let held: i64 = parts.iter().map(|&part| nest.vars[part].extent).product();
    index == 0 || held == nest.vars[whole].extent
}
