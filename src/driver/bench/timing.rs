//! Time of a call: warm up, then samples, of which the median counts. With a peer, its samples and ours alternate, so
//! that what else the machine does falls on both. Each of these begins with a rest and a call that is not counted: the
//! threads of the other one go on looking for work for some milliseconds, on the same cores, and its data is in the
//! caches.

use std::time::{Duration, Instant};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Calls shorter than this are run several times for one sample.
    pub shortest_sample: Duration,
    /// The number of samples, unless the time is up before.
    pub samples: usize,
    /// Before a sample, where another subject ran last: longer than OpenMP's threads wait before they sleep.
    pub rest: Duration,
    /// No further sample after this long, so a slow kernel ends with fewer; there is always one.
    pub limit: Duration,
}

impl Plan {
    /// What `ftc bench` does.
    pub const BENCH: Self = Self {
        shortest_sample: Duration::from_millis(2),
        samples: 15,
        rest: Duration::from_millis(20),
        limit: Duration::from_secs(3),
    };

    /// The same on a GPU, whose clock is finer, where nothing goes on looking for work, and which one does not have for long.
    pub const GPU: Self = Self {
        shortest_sample: Duration::from_millis(1),
        samples: 11,
        rest: Duration::ZERO,
        limit: Duration::from_secs(1),
    };
}

/// Seconds for each call of some calls that run one after the other.
pub trait Timed {
    /// Why a call failed.
    type Error;

    /// Runs `calls` calls and gives the seconds of one.
    fn time(&mut self, calls: u32) -> Result<f64, Self::Error>;
}

/// A call in this process.
#[derive(Debug)]
pub struct Here<F>(pub F);

impl<E, F: FnMut() -> Result<(), E>> Timed for Here<F> {
    type Error = E;

    fn time(&mut self, calls: u32) -> Result<f64, E> {
        let start = Instant::now();
        for _ in 0..calls {
            (self.0)()?;
        }
        Ok(start.elapsed().as_secs_f64() / f64::from(calls))
    }
}

/// Samples of one subject.
#[derive(Clone, Debug)]
struct Series {
    calls: u32,
    seconds: Vec<f64>,
}

impl Series {
    /// Warms up and finds out how many calls a sample needs.
    fn start<T: Timed + ?Sized>(subject: &mut T, plan: &Plan) -> Result<Self, T::Error> {
        let first = subject.time(1)?;
        if first > plan.limit.as_secs_f64() / 2.0 {
            // So slow that being cold makes no difference, and a second call would take all the time there is.
            return Ok(Self { calls: 1, seconds: vec![first] });
        }
        let warm = subject.time(1)?.min(first).max(1e-9);
        let calls = (plan.shortest_sample.as_secs_f64() / warm).ceil().clamp(1.0, 1e6) as u32;
        Ok(Self { calls, seconds: Vec::new() })
    }

    /// A sample after another subject's.
    fn sample_after_other<T: Timed + ?Sized>(&mut self, subject: &mut T, plan: &Plan) -> Result<(), T::Error> {
        std::thread::sleep(plan.rest);
        subject.time(1)?;
        self.sample(subject)
    }

    fn sample<T: Timed + ?Sized>(&mut self, subject: &mut T) -> Result<(), T::Error> {
        self.seconds.push(subject.time(self.calls)?);
        Ok(())
    }
}

/// The median time of a call of `ours`, and of `peer` if there is one.
pub fn measure<E>(
    plan: &Plan,
    ours: &mut dyn Timed<Error = E>,
    mut peer: Option<&mut dyn Timed<Error = E>>,
) -> Result<(f64, Option<f64>), E> {
    let start = Instant::now();
    let mut mine = Series::start(ours, plan)?;
    let mut others = peer.as_deref_mut().map(|peer| Series::start(peer, plan)).transpose()?;
    while mine.seconds.len() < plan.samples && (start.elapsed() < plan.limit || mine.seconds.is_empty()) {
        if let (Some(peer), Some(others)) = (peer.as_deref_mut(), &mut others) {
            mine.sample_after_other(ours, plan)?;
            others.sample_after_other(peer, plan)?;
        } else {
            mine.sample(ours)?;
        }
    }
    if let (Some(peer), Some(others)) = (peer, &mut others)
        && others.seconds.is_empty()
    {
        others.sample(peer)?;
    }
    Ok((median(&mut mine.seconds), others.map(|mut others| median(&mut others.seconds))))
}

/// The middle of the numbers, of an even number of them the mean of the two in the middle; 0 if there are none.
pub fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers {
        [] => 0.0,
        _ if numbers.len() % 2 == 1 => numbers[middle],
        _ => f64::midpoint(numbers[middle - 1], numbers[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says that a call takes so long, without taking it.
    struct Fake(f64, Vec<u32>);

    impl Timed for Fake {
        type Error = ();

        fn time(&mut self, calls: u32) -> Result<f64, ()> {
            self.1.push(calls);
            Ok(self.0)
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (numbers, expected) in [(vec![3.0, 1.0, 2.0], 2.0), (vec![4.0, 1.0, 2.0, 3.0], 2.5), (vec![], 0.0)] {
            assert!((median(&mut numbers.clone()) - expected).abs() < 1e-12, "{numbers:?}");
        }
    }

    #[test]
    fn short_calls_are_run_in_groups_and_alternate_with_the_peer_after_a_call_that_is_not_counted() {
        let (mut ours, mut peer) = (Fake(1.5e-6, Vec::new()), Fake(1.5e-3, Vec::new()));
        let (mine, theirs) = measure(&Plan::BENCH, &mut ours, Some(&mut peer)).expect("no call fails");
        assert!((mine - 1.5e-6).abs() < 1e-12 && (theirs.expect("a peer") - 1.5e-3).abs() < 1e-12);
        // 2 ms hold 1333.3 and 1.3 of these calls.
        assert_eq!(ours.1, [vec![1, 1], [1, 1334].repeat(15)].concat());
        assert_eq!(peer.1, [vec![1, 1], [1, 2].repeat(15)].concat());
    }

    #[test]
    fn a_slow_call_is_run_once() {
        let mut ours = Fake(100.0, Vec::new());
        let plan = Plan { limit: Duration::ZERO, ..Plan::BENCH };
        measure(&plan, &mut ours, None).expect("no call fails");
        assert_eq!(ours.1, vec![1]);
    }
}
