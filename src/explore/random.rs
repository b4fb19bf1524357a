//! Points at random, each legal one as likely as any other: the yardstick for every other method.

use super::{Done, Explore, Search};

/// Has no parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random;

impl Explore for Random {
    fn explore(&mut self, search: &mut Search<'_>) -> Result<(), Done> {
        loop {
            let points = (0..search.batch).map(|_| search.fresh_point()).collect::<Result<Vec<_>, _>>()?;
            search.try_all(&points)?;
        }
    }
}

/// Fresh points before a method that learns from a history: so many, but at most a tenth of all trials.
pub(super) fn warm_up(search: &mut Search<'_>, count: usize) -> Result<(), Done> {
    let count = count.min(search.expected() / 10).max(1);
    let points = (0..count).map(|_| search.fresh_point()).collect::<Result<Vec<_>, _>>()?;
    search.try_all(&points).map(drop)
}
