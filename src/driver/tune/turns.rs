//! Searches of several exports that take turns: time goes where it helps the whole most.
//!
//! A search runs in a thread of its own and asks for trials; it waits while others have their turn. Where a candidate that
//! is timed must be alone, no two run at the same time. The next turn is given to the export from which the greatest
//! gain is expected: the share of time that its last batches saved, of the time that it takes, for each second that
//! they cost. One that has not been looked at for long is expected to gain a little in any case.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use crate::explore::{self, Evaluate, Found, Limits, Method, Reason, Trial};
use crate::measure::candidates::Candidates;
use crate::space::knobs::Point;

/// What a search is started with.
#[derive(Debug)]
pub struct Plan {
    /// The method.
    pub method: Method,
    /// Of chance.
    pub seed: u64,
    /// Of trials.
    pub limits: Limits,
    /// Points to begin with.
    pub starts: Vec<Point>,
}

/// A search in a thread.
#[derive(Debug)]
pub struct Turns {
    requests: Receiver<Vec<Point>>,
    trials: Sender<Vec<Trial>>,
    thread: Option<JoinHandle<Found>>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It looks for what to ask next.
    Thinks,
    /// It waits for trials of these points.
    Asks(Vec<Point>),
    Over,
}

/// The other end: asks for trials, and predicts by itself.
struct Remote {
    candidates: Candidates,
    requests: Sender<Vec<Point>>,
    trials: Receiver<Vec<Trial>>,
}

impl Evaluate for Remote {
    fn evaluate(&mut self, points: &[Point]) -> Vec<Trial> {
        // Whoever does not listen any longer has no more time.
        if self.requests.send(points.to_vec()).is_err() {
            return Vec::new();
        }
        self.trials.recv().unwrap_or_default()
    }

    fn predict(&mut self, point: &Point) -> Result<f64, Reason> {
        self.candidates.predict(point)
    }
}

/// Deep expressions are walked recursively.
const STACK: usize = 64 << 20;

impl Turns {
    /// Starts a search among candidates.
    pub fn start(candidates: Candidates, plan: Plan) -> std::io::Result<Self> {
        let (requests, asked) = mpsc::channel();
        let (trials, answers) = mpsc::channel();
        let search = move || {
            let mut remote = Remote { candidates, requests, trials: answers };
            let knobs = remote.candidates.knobs.clone();
            let Plan { method, seed, limits, starts } = plan;
            explore::explore(method, &knobs, &starts, limits, seed, &mut remote)
        };
        let thread = std::thread::Builder::new().name("search".to_owned()).stack_size(STACK).spawn(search)?;
        Ok(Self { requests: asked, trials, thread: Some(thread), state: State::Thinks })
    }

    /// Waits for what it asks; none at its end.
    pub fn points(&mut self) -> Option<&[Point]> {
        if let State::Thinks = self.state {
            self.state = self.requests.recv().map_or(State::Over, State::Asks);
        }
        if let State::Asks(points) = &self.state { Some(points) } else { None }
    }

    /// Whether it is known to have come to its end.
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Answers what it waits for; it goes on by itself.
    pub fn answer(&mut self, trials: Vec<Trial>) {
        self.state = if self.trials.send(trials).is_ok() { State::Thinks } else { State::Over };
    }

    /// Ends the search; none if its thread panicked.
    pub fn end(mut self) -> Option<Found> {
        // An answer without trials ends it, whatever it asked.
        let _ = self.trials.send(Vec::new());
        self.thread.take()?.join().ok()
    }
}

/// How an export does.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Its best seconds after each batch, and the time that the batch cost.
    batches: Vec<(f64, f64)>,
}

/// Batches that say what the next one may bring.
const WINDOW: usize = 4;
/// What a batch brings in any case, as a share.
const HOPE: f64 = 0.3;

impl Progress {
    /// After a batch that took so long.
    pub fn batch(&mut self, best: Option<f64>, cost: f64) {
        self.batches.push((best.unwrap_or(f64::INFINITY), cost));
    }

    /// Seconds of a call that a second of searching may save.
    pub fn expected_gain(&self) -> f64 {
        let count = self.batches.len();
        let Some(&(best, _)) = self.batches.last().filter(|_| count >= 2) else { return f64::INFINITY };
        if !best.is_finite() {
            return f64::INFINITY;
        }
        let window = &self.batches[count.saturating_sub(WINDOW + 1)..];
        let cost: f64 = window[1..].iter().map(|(_, cost)| cost).sum();
        let gained = if window[0].0.is_finite() { window[0].0 - best } else { best };
        let hoped = best * HOPE / count as f64;
        gained.max(hoped) / cost.max(1e-3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(bests: &[f64]) -> Progress {
        let mut progress = Progress::default();
        for &best in bests {
            progress.batch(Some(best), 1.0);
        }
        progress
    }

    #[test]
    fn time_goes_where_more_is_gained() {
        let (gaining, settled) = (progress(&[10.0, 8.0, 7.0]), progress(&[10.0, 9.99, 9.99]));
        assert!(gaining.expected_gain() > settled.expected_gain());
        assert!(progress(&[1.0]).expected_gain() > gaining.expected_gain(), "everyone has two turns");
    }

    #[test]
    fn what_takes_long_counts_more_and_hope_fades() {
        assert!(progress(&[10.0; 5]).expected_gain() > progress(&[1.0; 5]).expected_gain());
        assert!(progress(&[10.0; 5]).expected_gain() > progress(&[10.0; 50]).expected_gain());
    }
}
