//! All points in the order of their numbers: the truth, for spaces that are small enough.

use super::{Done, Explore, Search};

/// Has no parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exhaustive;

impl Explore for Exhaustive {
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done> {
        let mut batch = Vec::new();
        for index in 0..search.knobs.size() {
            let point = search.knobs.point(index);
            if search.knobs.canonical(point.clone()) == point && search.predict(&point).is_some() {
                batch.push(point);
            }
            if batch.len() == search.batch {
                search.try_all(&std::mem::take(&mut batch))?;
            }
        }
        search.try_all(&batch).map(drop)
    }
}
