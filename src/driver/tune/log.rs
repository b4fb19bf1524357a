//! The log of a search: a JSON object a line, written as it happens.
//!
//! The first line says what the search was asked for, each other one a trial, or an end. A log that was cut off is as good
//! as a whole one: a torn last line is left out. The same search over a log's trials writes the same log.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::explore::{Reason, Trial};
use crate::measure::meter::Record;
use crate::space::knobs::Point;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// The first one.
    Search(Header),
    /// One point that was tried.
    Trial(TrialLine),
    /// The end of an export's search.
    Winner(Winner),
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The version of ftc.
    pub compiler: String,
    /// The target, as in locks.
    pub target: String,
    /// The method.
    pub search: String,
    /// The seed.
    pub seed: u64,
    /// The budget, as it was given.
    pub budget: String,
    /// Points that are tried together.
    pub batch: usize,
    /// The exports and the fingerprints of their kernels.
    pub exports: Vec<(String, String)>,
    /// For each of them, points that a lock gave the search to start from; that lock may be another one later.
    #[serde(default)]
    pub hints: Vec<Vec<Vec<u16>>>,
}

/// A trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialLine {
    /// The export.
    pub export: String,
    /// Its number, from 1 on.
    pub number: usize,
    /// The values of the point.
    pub point: Vec<u16>,
    /// What the model predicts.
    pub cycles: Option<f64>,
    /// What became of it.
    pub outcome: Outcome,
    /// How much slower the machine was than at the beginning.
    pub drift: f64,
    /// Seconds since the search began, with those of the searches that it goes on from.
    #[serde(default)]
    pub at: f64,
    /// Seconds that the clock said.
    pub samples: Vec<f64>,
    /// The steps.
    pub schedule: String,
}

/// What became of a point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It takes so many seconds.
    Seconds(f64),
    /// It was refused: the kind of reason, and what exactly.
    Rejected(String, String),
    /// It does not work: the kind of reason, and what exactly.
    Failed(String, String),
}

/// The result for an export.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Winner {
    /// The export.
    pub export: String,
    /// The fingerprint of its kernel.
    pub form: String,
    /// What it takes.
    pub seconds: f64,
    /// The values of the point.
    pub point: Vec<u16>,
    /// The steps.
    pub schedule: String,
}

impl TrialLine {
    /// A record as a line.
    pub fn of(export: &str, number: usize, record: &Record) -> Self {
        let outcome = match record.trial.clone() {
            Trial::Measured(seconds) => Outcome::Seconds(seconds),
            Trial::Rejected(Reason { kind, detail }) => Outcome::Rejected(kind, detail),
            Trial::Failed(Reason { kind, detail }) => Outcome::Failed(kind, detail),
        };
        let Record { point, schedule, cycles, samples, drift, at, .. } = record.clone();
        let at = at.unwrap_or_default();
        Self { export: export.to_owned(), number, point: point.0, cycles, outcome, drift, at, samples, schedule }
    }

    /// The record that the line was made of.
    pub fn record(&self) -> Record {
        let trial = match self.outcome.clone() {
            Outcome::Seconds(seconds) => Trial::Measured(seconds),
            Outcome::Rejected(kind, detail) => Trial::Rejected(Reason { kind, detail }),
            Outcome::Failed(kind, detail) => Trial::Failed(Reason { kind, detail }),
        };
        let Self { point, schedule, cycles, samples, drift, at, .. } = self.clone();
        Record { point: Point(point), schedule, cycles, samples, drift, at: Some(at), trial }
    }
}

/// What a log says.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Where it stands.
    pub path: PathBuf,
    /// What was asked for; none of an empty log.
    pub header: Option<Header>,
    /// Trials by export and schedule.
    pub trials: HashMap<(String, String), Record>,
    /// The exports whose trials they are, in order.
    pub turns: Vec<String>,
    /// The winners.
    pub winners: Vec<Winner>,
    /// Seconds of the search up to its last trial.
    pub seconds: f64,
    /// Bytes up to the end of the last whole line.
    pub length: u64,
}

/// Reads a log; says what is wrong with it.
pub fn read(path: &Path) -> Result<Past, String> {
    let (lines, length) = whole_lines(path)?;
    let mut past = Past { path: path.to_owned(), length, ..Past::default() };
    for line in lines {
        match line {
            Line::Search(header) => past.header = Some(header),
            Line::Trial(trial) => {
                past.turns.push(trial.export.clone());
                past.seconds = past.seconds.max(trial.at);
                past.trials.insert((trial.export.clone(), trial.schedule.clone()), trial.record());
            }
            Line::Winner(winner) => past.winners.push(winner),
        }
    }
    Ok(past)
}

/// The lines of a log, in order; says what is wrong with it.
pub fn lines(path: &Path) -> Result<Vec<Line>, String> {
    whole_lines(path).map(|(lines, _)| lines)
}

/// The lines, and the bytes that they take.
fn whole_lines(path: &Path) -> Result<(Vec<Line>, u64), String> {
    let text = std::fs::read(path).map_err(|cause| crate::driver::error::reason(&cause))?;
    let (mut lines, mut length) = (Vec::new(), 0);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        // A line without an end is one that was being written.
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        let read = serde_json::from_slice(whole).map_err(|cause| format!("line {}: {cause}", lines.len() + 1));
        lines.push(read?);
        length += line.len() as u64;
    }
    match lines.first() {
        None | Some(Line::Search(_)) => Ok((lines, length)),
        Some(_) => Err("its first line does not say what was searched".to_owned()),
    }
}

/// A log that is being written.
#[derive(Debug)]
pub struct Log {
    file: File,
}

impl Log {
    /// A new log, in the place of what was there.
    pub fn create(path: &Path) -> io::Result<Self> {
        File::create(path).map(|file| Self { file })
    }

    /// A log that has whole lines up to some length; what follows them is cut off.
    pub fn go_on(path: &Path, length: u64) -> io::Result<Self> {
        let mut file = File::options().write(true).open(path)?;
        file.set_len(length)?;
        file.seek(io::SeekFrom::End(0))?;
        Ok(Self { file })
    }

    /// Adds a line. It goes out in one piece, and at once.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        let text = serde_json::to_string(line).expect("a line has only strings for keys");
        self.file.write_all((text + "\n").as_bytes())
    }
}
