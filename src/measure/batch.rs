//! Points on their way from a method to the clock: compiled, timed, noted. `meter` moves them along.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender};

use super::crew::{Building, Event};
use super::meter::Record;
use crate::explore::Trial;
use crate::schedule::Schedule;
use crate::space::knobs::Point;

/// Points on their way.
#[derive(Debug)]
pub struct Batch {
    pub(super) slots: Vec<Slot>,
    /// What is still compiled ends with the batch.
    pub(super) building: Option<Building>,
    pub(super) sender: Sender<Event>,
    pub(super) events: Receiver<Event>,
    /// Whether there was no time for it.
    pub(super) is_late: bool,
}

/// A point of a batch.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) point: Point,
    pub(super) schedule: Schedule,
    pub(super) text: String,
    pub(super) library: PathBuf,
    pub(super) stage: Stage,
}

/// How far a point is.
#[derive(Debug)]
pub(super) enum Stage {
    /// To be compiled: its loops.
    Waiting(String),
    /// To be timed.
    Built,
    /// With a worker.
    Timing,
    /// What became of it, and its samples.
    Done(Trial, Vec<f64>),
    /// It was known.
    Known(Record),
}

impl Batch {
    /// The number of its points.
    pub const fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The first that can be timed; where it must be alone, once nothing is compiled any longer.
    pub(super) fn next(&self, is_beside: bool) -> Option<usize> {
        let compiles = || self.slots.iter().any(|slot| matches!(slot.stage, Stage::Waiting(_)));
        if !is_beside && compiles() {
            return None;
        }
        self.slots.iter().position(|slot| matches!(slot.stage, Stage::Built))
    }
}

impl Slot {
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Done(..) | Stage::Known(_))
    }

    /// What is known of it, out of its place.
    pub(super) fn take(&mut self) -> Self {
        let stage = std::mem::replace(&mut self.stage, Stage::Timing);
        let Self { point, schedule, text, library, .. } = self;
        Self {
            point: point.clone(),
            schedule: std::mem::take(schedule),
            text: std::mem::take(text),
            library: library.clone(),
            stage,
        }
    }
}
