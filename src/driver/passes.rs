//! How long each pass took: `--time-passes`.

use std::time::{Duration, Instant};

/// The passes of one run, in the order in which they first ran.
#[derive(Clone, Debug, Default)]
pub struct Passes {
    times: Vec<(&'static str, Duration, usize)>,
}

impl Passes {
    /// Runs a pass and adds its time.
    pub fn run<T>(&mut self, pass: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        match self.times.iter_mut().find(|(name, ..)| *name == pass) {
            Some((_, sum, runs)) => {
                *sum += took;
                *runs += 1;
            }
            None => self.times.push((pass, took, 1)),
        }
        result
    }

    /// Name, time and number of runs of each pass.
    pub fn times(&self) -> &[(&'static str, Duration, usize)] {
        &self.times
    }

    /// The table that `--time-passes` shows.
    pub fn table(&self) -> String {
        let total: Duration = self.times.iter().map(|(_, time, _)| *time).sum();
        let rows = self.times.iter().map(|(pass, time, runs)| (*pass, *time, format!("{runs}x")));
        let all = rows.chain([("total", total, String::new())]);
        all.map(|(pass, time, runs)| format!("{:>10.3} ms  {pass:<12} {runs}", time.as_secs_f64() * 1e3))
            .map(|row| row.trim_end().to_owned() + "\n")
            .collect()
    }
}
