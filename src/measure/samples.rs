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

/// Seconds of a slice, of what is timed at once in it, and of a call of which a single one is a slice.
const SLICE: f64 = 8e-4;
const AT_ONCE: f64 = 2e-5;
const LONG: f64 = 5e-3;
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

    /// Ratios to the anchor where its slices on both sides are so near.
    fn ratios(&self, apart: f64) -> impl Iterator<Item = f64> {
        let between = self.own.iter().zip(self.anchor.windows(2));
        let near = between.filter(move |(_, beside)| (beside[0] / beside[1]).ln().abs() <= apart);
        near.map(|(own, beside)| own / f64::midpoint(beside[0], beside[1]))
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

    fn is_hopeless(&self, effort: &Effort) -> bool {
        let share = if self.own.len() >= FEWEST { LOST } else { 1.0 };
        effort.hopeless.is_some_and(|limit| self.least() > limit * share)
    }
}

/// Times calls, after one that warmed up. Stops early where the samples agree, or where there is no hope.
pub(super) fn sample(effort: &Effort, own: &mut Call<'_>, anchor: Option<&mut Call<'_>>) -> Result<Samples, Reason> {
    let once = time(own, 1)?;
    if effort.hopeless.is_some_and(|limit| once > 2.0 * limit) || once > effort.seconds {
        return Ok(Samples::alone(vec![once]));
    }
    let Some(anchor) = anchor else { return several(effort, &mut || slice(own, once)).map(Samples::alone) };
    let beside = time(anchor, 1)?;
    let begin = Instant::now();
    let mut samples = Samples { own: Vec::new(), anchor: vec![slice(anchor, beside)?] };
    while samples.own.len() < effort.samples {
        samples.own.push(slice(own, once)?);
        samples.anchor.push(slice(anchor, beside)?);
        let is_late = begin.elapsed().as_secs_f64() > effort.seconds;
        if is_late || samples.is_settled() || samples.is_hopeless(effort) {
            break;
        }
    }
    Ok(samples)
}

/// Samples as something says them, as many as are needed.
pub(super) fn several(effort: &Effort, sample: &mut dyn FnMut() -> Result<f64, Reason>) -> Result<Vec<f64>, Reason> {
    let begin = Instant::now();
    let mut samples = Samples::default();
    while samples.own.len() < effort.samples {
        samples.own.push(sample()?);
        let is_late = begin.elapsed().as_secs_f64() > effort.seconds;
        if is_late || samples.is_settled() || samples.is_hopeless(effort) {
            break;
        }
    }
    Ok(samples.own)
}

/// The least time of some calls of which one takes about so long.
fn slice(call: &mut Call<'_>, once: f64) -> Result<f64, Reason> {
    let together = (AT_ONCE / once.max(1e-9)).ceil().clamp(1.0, 1e5);
    // The first one finds what ran before it in the caches.
    let times = if once > LONG { 1.0 } else { (SLICE / (once * together)).ceil().max(2.0) };
    let mut least = f64::INFINITY;
    for _ in 0..times as u32 {
        least = least.min(time(call, together as u32)?);
    }
    Ok(least)
}

/// Seconds of a call, where there are several.
fn time(call: &mut Call<'_>, calls: u32) -> Result<f64, Reason> {
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
    use std::time::Duration;

    use super::*;

    const EFFORT: Effort = Effort { samples: 9, seconds: 1.0, hopeless: None, fastest: 0.0 };

    #[test]
    fn a_hopeless_candidate_is_called_once() {
        let mut calls = 0;
        let effort = Effort { hopeless: Some(1e-9), ..EFFORT };
        let mut call = || {
            calls += 1;
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        };
        let samples = sample(&effort, &mut call, None);
        assert_eq!((samples.map(|samples| samples.own.len()), calls), (Ok(1), 1));
    }

    #[test]
    fn short_calls_are_repeated_for_a_sample() {
        let mut calls = 0_u32;
        let mut call = || {
            calls += 1;
            Ok(())
        };
        let count = sample(&EFFORT, &mut call, None).expect("no call fails").own.len();
        assert!((FEWEST..=9).contains(&count) && calls > 1000, "{count} {calls}");
    }

    #[test]
    fn between_slices_of_an_anchor() {
        let wait = |time| {
            std::thread::sleep(Duration::from_micros(time));
            Ok(())
        };
        let [mut own, mut anchor] = [400, 200].map(|time| move || wait(time));
        let samples = sample(&EFFORT, &mut own, Some(&mut anchor)).expect("no call fails");
        assert_eq!(samples.anchor.len(), samples.own.len() + 1);
        assert!(samples.ratio().is_some_and(|ratio| ratio > 1.0), "{samples:?}");
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
