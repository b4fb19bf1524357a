//! The body that a build takes before a search of another one. What a lock says of it was measured at another time, on a
//! machine that was faster or slower then; so it is in the final, and gets its seconds of there.

use super::super::lock::{self, Entry, Key, Pinned};
use super::three_digits;
use crate::explore::Reason;
use crate::graph::Graph;
use crate::loops::Kernel;
use crate::lower;
use crate::measure::candidates;
use crate::measure::crew::Crew;
use crate::measure::meter::{BUILD_LIMIT, Leader, Meter};
use crate::schedule::Schedule;
use crate::space::knobs::Point;
use crate::target::Platform;

/// A body with its entry.
#[derive(Debug)]
pub(super) struct Rival {
    kernel: Kernel,
    schedule: Schedule,
    entry: Entry,
}

/// Its library.
const RIVAL: &str = "rival.so";

impl Rival {
    /// That of a graph, if a lock has it.
    pub(super) fn of(pinned: &Pinned, graph: &Graph, platform: &Platform) -> Option<Self> {
        let kernel = lower::lower(graph);
        let schedule = lock::recorded(pinned, &kernel, platform)?;
        let entry = pinned.exact(&Key::of(&kernel, &pinned.target))?.clone();
        Some(Self { kernel, schedule, entry })
    }

    /// It as a finalist, compiled; no point of the space has its schedule.
    pub(super) fn leader(&self, meter: &Meter, crew: &Crew) -> Result<Leader, Reason> {
        let library = meter.setup.folder.join(RIVAL);
        let build = meter.job(candidates::loops(&self.kernel, &self.schedule)?, library.clone());
        crew.build(&[build], 1, BUILD_LIMIT).swap_remove(0)?;
        let (point, schedule) = (Point(Vec::new()), self.schedule.clone());
        Ok(Leader { point, schedule, seconds: f64::INFINITY, library, looks: Vec::new() })
    }

    /// Takes it out of those who were in the final: its entry, with what it took there.
    pub(super) fn part(&self, finalists: &mut Vec<Leader>) -> Option<Entry> {
        let at = finalists.iter().position(|leader| leader.library.ends_with(RIVAL))?;
        let seconds = three_digits(finalists.remove(at).seconds);
        Some(Entry { seconds, ..self.entry.clone() })
    }
}
