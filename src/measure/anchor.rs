//! The library beside which candidates are timed, and what it says of the machine.
//!
//! What a candidate takes is its ratio to the anchor (`samples`) times the seconds of the anchor: those of its first
//! readings, so that all times of a search are as if the machine had stayed as it was then. *Drift* is how many times
//! longer the anchor takes now.

use std::path::PathBuf;

use super::samples::{Samples, median};

/// An anchor.
#[derive(Debug)]
pub(super) struct Anchor {
    /// The library.
    pub(super) library: PathBuf,
    /// What it takes; none until it was timed.
    seconds: Option<f64>,
    /// What its slices said.
    readings: Vec<f64>,
    /// By how much it was slower at last.
    pub(super) drift: f64,
}

/// Of so many readings one is faster than what counts as undisturbed.
const FAST: usize = 50;

impl Anchor {
    /// One that was never timed.
    pub(super) const fn new(library: PathBuf) -> Self {
        Self { library, seconds: None, readings: Vec::new(), drift: 1.0 }
    }

    /// One of which it is known what it takes.
    pub(super) fn known(library: PathBuf, seconds: f64) -> Self {
        Self { seconds: Some(seconds), ..Self::new(library) }
    }

    /// Whether it is known what it takes.
    pub(super) const fn is_known(&self) -> bool {
        self.seconds.is_some()
    }

    /// Whether something is so much faster that it had better be the anchor: a slow one costs time.
    pub(super) fn is_slow(&self, best: f64) -> bool {
        self.seconds.is_some_and(|seconds| best < 0.5 * seconds)
    }

    /// How many times as long as the anchor something takes.
    pub(super) fn ratio(&self, seconds: f64) -> Option<f64> {
        self.seconds.map(|own| seconds / own)
    }

    /// What a candidate takes.
    pub(super) fn judge(&mut self, samples: &Samples) -> f64 {
        let Some(ratio) = samples.ratio() else { return samples.least() / self.drift };
        self.readings.extend(&samples.anchor);
        let now = median(&samples.anchor);
        let seconds = *self.seconds.get_or_insert(now);
        self.drift = now / seconds;
        ratio * seconds
    }

    /// Learns from something that takes so long.
    pub(super) fn learn(&mut self, seconds: f64, samples: &Samples) {
        self.seconds = samples.ratio().map(|ratio| seconds / ratio);
    }

    /// What a call takes while nothing disturbs it, of what it was said to take.
    pub(super) fn undisturbed(&self) -> f64 {
        let (Some(seconds), false) = (self.seconds, self.readings.is_empty()) else { return 1.0 };
        let mut sorted = self.readings.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / FAST] / seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(own: f64, anchor: f64) -> Samples {
        Samples { own: vec![own; 3], anchor: vec![anchor; 4] }
    }

    #[test]
    fn times_are_as_if_the_machine_had_stayed_as_it_was() {
        let mut anchor = Anchor::new(PathBuf::new());
        assert!((anchor.judge(&samples(2.0, 1.0)) - 2.0).abs() < 1e-9);
        // Everything is slower by a tenth, the candidate by no more.
        assert!((anchor.judge(&samples(2.2, 1.1)) - 2.0).abs() < 1e-9);
        assert!((anchor.drift - 1.1).abs() < 1e-9);
        // Calls that take too long are timed alone.
        assert!((anchor.judge(&Samples::alone(vec![3.3])) - 3.0).abs() < 1e-9);
        assert!((anchor.undisturbed() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_known_from_before_says_what_the_anchor_takes() {
        let mut anchor = Anchor::new(PathBuf::new());
        anchor.learn(3.0, &samples(1.5, 1.0));
        assert!((anchor.judge(&samples(1.0, 1.0)) - 2.0).abs() < 1e-9);
        assert!(anchor.is_slow(0.9) && !anchor.is_slow(1.5));
    }
}
