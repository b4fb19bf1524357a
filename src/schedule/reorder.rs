//! `reorder i.0 k i.1`: the named loops change places among themselves; others stay where they are.
//!
//! ```text
//! for i.0 { for i.1 { for k { … } } }      ==>      for i.0 { for k { for i.1 { … } } }
//! ```
//!
//! Legal for every order: spatial loops carry no dependence, and a reduction may join its values in any order (the
//! language says so). What a spatial loop inside of a reduced one works on becomes a row of accumulators.

use super::nest::{Nest, VarId};

pub(super) fn reorder(nest: &mut Nest, vars: &[VarId]) {
    let mut places: Vec<_> = vars.iter().map(|&var| nest.position(var).expect("it is a loop")).collect();
    places.sort_unstable();
    for (place, &var) in places.into_iter().zip(vars) {
        nest.order[place] = var;
    }
}
