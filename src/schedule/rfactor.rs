//! `rfactor k.1`: each value of a reduced loop joins its values in accumulators of its own.
//!
//! ```text
//! for k.0 { for k.1 in 16 { acc += … } }
//!     ==>      for k.0 { for k.1 in 16 { acc[k.1] += … } }; for k.1 in 16 { sum += acc[k.1] }
//! ```
//!
//! Legal for every reduced loop, since a reduction may join its values in any order; that order is fixed, so results
//! are the same in every run and for any number of threads. It is what makes a reduced loop a vector, parallel, or a
//! coordinate of a GPU: of its blocks, whose threads combine their sums, or of its grid, where a second launch joins
//! what blocks leave (`realize::spread`).

use super::nest::{Nest, Role, VarId};
use super::{Refusal, refuse};

pub(super) fn rfactor(nest: &mut Nest, var: VarId) -> Result<(), Refusal> {
    let name = &nest.vars[var].name;
    match nest.vars[var].role {
        Role::Spatial => refuse(format!("`{name}` is not reduced"), "`rfactor` takes a reduced loop"),
        Role::Private => refuse(format!("`{name}` has private accumulators already"), "say it once"),
        Role::Reduced => {
            nest.vars[var].role = Role::Private;
            Ok(())
        }
    }
}
