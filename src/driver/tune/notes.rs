//! What is kept of a search while it runs: the log, what is known from an earlier one, limits, and what to tell people.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::bench::options::Budget;
use super::log::{Line, Log, Past, TrialLine};
use crate::explore::Trial;
use crate::measure::meter::{Journal, Record};

/// Set by Ctrl-C: all searches of the process end soon.
pub static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How far a search is, for people.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// The export whose turn it is.
    pub export: String,
    /// Trials; of all exports when it is shown.
    pub trials: usize,
    /// Its best seconds so far, and those of its first candidate, which is the model's choice.
    pub best: Option<f64>,
    /// The seconds of its first candidate that worked.
    pub first: Option<f64>,
    /// Rejected and failed points by reason.
    pub reasons: BTreeMap<String, usize>,
    /// Since the beginning.
    pub elapsed: Duration,
    /// How much of the budget is used, from 0 to 1.
    pub used: f64,
}

/// The journal of all searches of a run.
pub struct Notes<'a> {
    log: Option<Log>,
    /// Trials that are known.
    past: Past,
    source: Source,
    budget: Budget,
    started: Instant,
    /// Seconds that the end of the search will take, after the last trial.
    pub reserve: f64,
    made: usize,
    statuses: BTreeMap<String, Status>,
    /// The export whose turn it is.
    export: String,
    tell: &'a mut dyn FnMut(&Status),
    /// Why the log could not be written.
    pub failure: Option<std::io::Error>,
}

impl std::fmt::Debug for Notes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notes").field("export", &self.export).field("made", &self.made).finish_non_exhaustive()
    }
}

/// What is kept for the end of a search, of what it is expected to take, and of all the time; and what is never kept.
const KEPT: f64 = 1.2;
const LEFT: f64 = 0.02;
const TRIALS: f64 = 0.3;
/// Trials of an export before it may end without a result.
const AT_LEAST: usize = 32;

/// Where trials come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// They are measured.
    Clock,
    /// What the log does not have is measured, and added to it.
    PastThenClock,
    /// The log has all there is; another one is written.
    Past,
}

impl<'a> Notes<'a> {
    /// Notes of a search that began at some time.
    pub fn new(
        log: Option<Log>,
        past: Past,
        source: Source,
        (budget, started): (Budget, Instant),
        tell: &'a mut dyn FnMut(&Status),
    ) -> Self {
        Self {
            log,
            past,
            source,
            budget,
            started,
            reserve: 0.0,
            made: 0,
            statuses: BTreeMap::new(),
            export: String::new(),
            tell,
            failure: None,
        }
    }

    /// Writes a line to the log, if it is not there already.
    pub fn write(&mut self, line: &Line) {
        let is_there = self.source == Source::PastThenClock
            && match line {
                Line::Search(_) => self.past.header.is_some(),
                Line::Trial(trial) => trial.number <= self.past.turns.len(),
                Line::Winner(winner) => self.past.winners.contains(winner),
            };
        if let (false, Some(log)) = (is_there, &mut self.log)
            && let Err(cause) = log.write(line)
        {
            self.failure.get_or_insert(cause);
        }
    }

    /// Gives an export its turn.
    pub fn turn(&mut self, export: &str) {
        export.clone_into(&mut self.export);
    }

    /// The export whose turn it was at this trial, in the log.
    pub fn turn_in_past(&self) -> Option<&str> {
        self.past.turns.get(self.made).map(String::as_str)
    }

    /// The winner of an export in the log.
    pub fn winner_in_past(&self, export: &str) -> Option<&super::log::Winner> {
        if self.source != Source::Past {
            return None;
        }
        self.past.winners.iter().find(|winner| winner.export == export)
    }

    /// How an export does.
    pub fn status(&mut self, export: &str) -> &mut Status {
        self.statuses.entry(export.to_owned()).or_default()
    }

    /// Whether nothing is measured.
    pub fn replays(&self) -> bool {
        self.source == Source::Past
    }

    /// Whether nothing comes from an earlier log.
    pub fn is_fresh(&self) -> bool {
        self.source == Source::Clock
    }

    /// Trials of an export.
    pub fn trials_of(&self, export: &str) -> usize {
        self.statuses.get(export).map_or(0, |status| status.trials)
    }

    /// The share of the budget that is used.
    fn used(&self) -> f64 {
        match self.budget {
            Budget::Trials(count) => self.made as f64 / f64::from(count.max(1)),
            Budget::Time(time) => {
                let all = time.as_secs_f64();
                let trials = (all * (1.0 - LEFT) - self.reserve * KEPT).max(all * TRIALS);
                self.started.elapsed().as_secs_f64() / trials.max(1e-9)
            }
        }
    }

    /// When so many seconds before the end of the time are left; none where there is no such end.
    pub fn before_end(&self, seconds: f64) -> Option<Instant> {
        match self.budget {
            Budget::Trials(_) => None,
            Budget::Time(time) => {
                let until = time.saturating_sub(Duration::from_secs_f64(seconds));
                self.started.checked_add(until)
            }
        }
    }

    /// Shows how the current export does.
    pub fn show(&mut self) {
        let (trials, elapsed, used) = (self.made, self.started.elapsed(), self.used());
        let export = self.export.clone();
        let status = self.status(&export);
        let status = Status { export, trials, elapsed, used, ..status.clone() };
        (self.tell)(&status);
    }
}

/// To a thousandth.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}

impl Journal for Notes<'_> {
    fn recall(&mut self, schedule: &str) -> Option<Record> {
        self.past.trials.get(&(self.export.clone(), schedule.to_owned())).cloned()
    }

    fn record(&mut self, record: &Record) {
        self.made += 1;
        let export = self.export.clone();
        let number = self.made;
        let at = record.at.unwrap_or_else(|| self.past.seconds + rounded(self.started.elapsed().as_secs_f64()));
        self.write(&Line::Trial(TrialLine::of(&export, number, &Record { at: Some(at), ..record.clone() })));
        let status = self.status(&export);
        status.trials += 1;
        match &record.trial {
            Trial::Measured(seconds) => {
                status.first.get_or_insert(*seconds);
                status.best = Some(status.best.map_or(*seconds, |best| best.min(*seconds)));
            }
            Trial::Rejected(reason) | Trial::Failed(reason) => {
                *status.reasons.entry(reason.kind.clone()).or_default() += 1;
            }
        }
        self.show();
    }

    fn has_time(&mut self) -> bool {
        if self.source == Source::Past || INTERRUPTED.load(Ordering::Relaxed) {
            return false;
        }
        // However little time there is, there is a result.
        let export = self.export.clone();
        let has_none = self.status(&export).best.is_none() && self.status(&export).trials < AT_LEAST;
        self.used() < 1.0 || (has_none && matches!(self.budget, Budget::Time(_)))
    }
}
