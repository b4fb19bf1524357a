//! Samples of a candidate's calls, and what they say.
//!
//! The clock of a processor goes up and down by a tenth within milliseconds, for all kernels alike. So a candidate is timed
//! beside an *anchor*, a library that stays the same through a search, in turns of a millisecond:
//!
//! ```text
//! anchor  a0      a1      a2      …        a slice is the least time of some calls: what disturbs them only adds
//! own         b0      b1      b2  …
//! ratio     b0/mid(a0,a1)  …               counts where a0 and a1 agree: then the clock was the same between them
//! ```
//!
//! The median of these ratios says how fast a candidate is, whatever the clock does. Without an anchor, the least slice
//! does.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::protocol::Effort;
use crate::explore::Reason;

/// What slices said, in seconds of a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Of the candidate.
    pub own: Vec<f64>,
    /// Of the anchor, one more; none where there was no anchor.
    pub anchor: Vec<f64>,
}

/// Something that is called.
pub(super) type Call<'a> = dyn FnMut() -> Result<(), Reason> + 'a;

/// Seconds of a slice, and of what is timed at once in it.
const SLICE: f64 = 6e-4;
const AT_ONCE: f64 = 2e-5;
/// Seconds of a call after which a slice of the anchor is not made for one that is behind.
pub(super) const LONG: f64 = 5e-3;
/// How far apart the anchor's slices may be on both sides of one that counts.
const STEADY: f64 = 0.02;
/// Samples that are enough where they agree this well.
const AGREE: f64 = 0.01;
const FEWEST: usize = 3;
const FEWEST_PAIRS: usize = 2;
/// The share of what is hopeless that is so too once there are that many samples.
const LOST: f64 = 0.83;

impl Samples {
    /// Samples without an anchor.
    pub const fn alone(own: Vec<f64>) -> Self {
        Self { own, anchor: Vec::new() }
    }

    /// What a call takes when nothing disturbs it: the least of the samples.
    pub fn least(&self) -> f64 {
        self.own.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// How many times as long as the anchor's a call takes; none without an anchor.
    pub fn ratio(&self) -> Option<f64> {
        let steady: Vec<_> = self.ratios(STEADY).collect();
        let all = || self.ratios(f64::INFINITY).collect::<Vec<_>>();
        let some = if steady.is_empty() { all() } else { steady };
        (!some.is_empty()).then(|| median(&some))
    }

    /// Ratios to the anchor where its slices on both sides are so near. The last may have one on one side alone.
    fn ratios(&self, apart: f64) -> impl Iterator<Item = f64> + use<'_> {
        let after = self.anchor.iter().skip(1).chain(self.anchor.last());
        let between = self.own.iter().zip(self.anchor.iter().zip(after));
        let near = between.filter(move |&(_, (before, after))| (before / after).ln().abs() <= apart);
        near.map(|(own, (before, after))| own / f64::midpoint(*before, *after))
    }

    /// Whether more samples would say the same.
    fn is_settled(&self) -> bool {
        if self.anchor.is_empty() {
            let least = self.least();
            let agreeing = self.own.iter().filter(|own| **own < least * (1.0 + AGREE)).count();
            return self.own.len() >= FEWEST && agreeing * 2 > self.own.len();
        }
        let steady: Vec<_> = self.ratios(STEADY).collect();
        let Some(middle) = (steady.len() >= FEWEST_PAIRS).then(|| median(&steady)) else { return false };
        let agreeing = steady.iter().filter(|ratio| (**ratio / middle).ln().abs() < AGREE).count();
        agreeing >= FEWEST_PAIRS && agreeing * 2 > steady.len()
    }

    /// Whether it will not be among the best.
    pub(super) fn is_behind(&self, effort: &Effort) -> bool {
        if let (Some(limit), Some(ratio)) = (effort.behind, self.ratio()) {
            return ratio > limit;
        }
        let share = if self.own.len() >= FEWEST { LOST } else { 1.0 };
        effort.hopeless.is_some_and(|limit| self.least() > limit * share)
    }
}

/// What is timed beside others.
pub(super) struct Beside<'a, 'c> {
    /// A call of it.
    pub(super) call: &'a mut Call<'c>,
    /// What one takes, about.
    pub(super) once: f64,
}

/// Times calls of which one took about so long, if that is known. Stops early where the samples agree, or where there is
/// no hope.
pub(super) fn sample(
    effort: &Effort,
    own: &mut Call<'_>,
    once: Option<f64>,
    anchor: Option<Beside<'_, '_>>,
) -> Result<Samples, Reason> {
    let once = once.map_or_else(|| time(own, 1), Ok)?;
    // The anchor says for all candidates whether there is time for turns.
    let anchor = anchor.filter(|anchor| anchor.once <= effort.seconds);
    if effort.is_hopeless(once) || (anchor.is_none() && once > effort.seconds) {
        return Ok(Samples::alone(vec![once]));
    }
    let Some(Beside { call: anchor, once: beside }) = anchor else {
        return several(effort, &mut || slice(own, once)).map(Samples::alone);
    };
    let first = Samples { own: Vec::new(), anchor: vec![slice(anchor, beside)?] };
    gather(effort, first, &mut |samples| {
        samples.own.push(slice(own, once)?);
        if once <= LONG || !samples.is_behind(effort) {
            samples.anchor.push(slice(anchor, beside)?);
        }
        Ok(())
    })
}

/// Samples as something says them, as many as are needed.
pub(super) fn several(effort: &Effort, sample: &mut dyn FnMut() -> Result<f64, Reason>) -> Result<Vec<f64>, Reason> {
    let samples = gather(effort, Samples::default(), &mut |samples| {
        samples.own.push(sample()?);
        Ok(())
    });
    samples.map(|samples| samples.own)
}

/// Adds to samples until they say enough, or there is no time or no hope.
fn gather(
    effort: &Effort,
    mut samples: Samples,
    add: &mut dyn FnMut(&mut Samples) -> Result<(), Reason>,
) -> Result<Samples, Reason> {
    let begin = Instant::now();
    while samples.own.len() < effort.samples {
        add(&mut samples)?;
        let is_late = begin.elapsed().as_secs_f64() > effort.seconds;
        if is_late || samples.is_settled() || samples.is_behind(effort) {
            break;
        }
    }
    Ok(samples)
}

/// The least time of some calls of which one takes about so long.
fn slice(call: &mut Call<'_>, once: f64) -> Result<f64, Reason> {
    let together = (AT_ONCE / once.max(1e-9)).ceil().clamp(1.0, 1e5);
    let times = (SLICE / (once * together)).ceil().max(1.0);
    let mut least = f64::INFINITY;
    for _ in 0..times as u32 {
        least = least.min(time(call, together as u32)?);
    }
    Ok(least)
}

/// Seconds of a call, where there are several.
pub(super) fn time(call: &mut Call<'_>, calls: u32) -> Result<f64, Reason> {
    let start = Instant::now();
    for _ in 0..calls {
        call()?;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(calls))
}

/// The one in the middle.
pub(super) fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    const EFFORT: Effort = Effort { samples: 9, seconds: 1.0, hopeless: None, behind: None, fastest: 0.0 };

    /// Calls that take so many microseconds, and how many there were.
    fn waiting(time: u64, calls: &Cell<usize>) -> impl FnMut() -> Result<(), Reason> {
        move || {
            calls.set(calls.get() + 1);
            std::thread::sleep(Duration::from_micros(time));
            Ok(())
        }
    }

    #[test]
    fn what_is_hopeless_is_not_called_again() {
        let calls = Cell::new(0);
        let effort = Effort { hopeless: Some(1e-9), ..EFFORT };
        let samples = sample(&effort, &mut waiting(1000, &calls), Some(1e-3), None);
        assert_eq!((samples.map(|samples| samples.own), calls.get()), (Ok(vec![1e-3]), 0));
    }

    #[test]
    fn short_calls_are_repeated_for_a_sample() {
        let mut calls = 0_u32;
        let mut call = || {
            calls += 1;
            Ok(())
        };
        let count = sample(&EFFORT, &mut call, None, None).expect("no call fails").own.len();
        assert!((FEWEST..=9).contains(&count) && calls > 1000, "{count} {calls}");
    }

    #[test]
    fn between_slices_of_an_anchor() {
        let calls = Cell::new(0);
        let (mut own, mut anchor) = (waiting(2000, &calls), waiting(1000, &calls));
        let mut run = |effort: &Effort, once| {
            sample(effort, &mut own, Some(once), Some(Beside { call: &mut anchor, once: 1e-3 })).expect("no call fails")
        };
        let samples = run(&EFFORT, 2e-3);
        assert_eq!(samples.anchor.len(), samples.own.len() + 1);
        assert!(samples.ratio().is_some_and(|ratio| ratio > 1.0), "{samples:?}");
        let behind = Effort { behind: Some(0.1), ..EFFORT };
        assert_eq!(run(&behind, 2e-3).own.len(), 1);
        assert_eq!(run(&behind, 2.0 * LONG).anchor.len(), 1);
    }

    #[test]
    fn what_the_clock_does_to_both_does_not_count() {
        let samples = Samples { own: vec![2.0, 2.1, 2.2, 2.2], anchor: vec![1.0, 1.0, 1.1, 1.1, 1.1] };
        assert!(samples.ratio().is_some_and(|ratio| (ratio - 2.0).abs() < 1e-9));
        assert!(samples.is_settled());
        let unsteady = Samples { own: vec![2.0], anchor: vec![1.0, 1.1] };
        assert!(!unsteady.is_settled() && unsteady.ratio().is_some());
        assert_eq!(Samples::alone(vec![1.0]).ratio(), None);
    }
}
