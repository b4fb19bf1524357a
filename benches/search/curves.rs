//! Curves of searches, and what is shown of them: for each method, the geometric mean over kernels and seeds of its best so
//! far over the best that any search of that kernel found.

use std::path::Path;

use ftc::driver::bench::report::time;
use ftc::driver::explain::plot::{Axis, Mark, Plot};

use crate::methods;

/// One search.
pub(crate) struct Curve {
    pub(crate) kernel: String,
    pub(crate) method: String,
    /// What was measured: the number of the trial, the seconds since the search began, the time.
    pub(crate) points: Vec<(usize, Option<f64>, f64)>,
    /// The time of the winner in the final, if there was one.
    pub(crate) end: Option<f64>,
}

/// What stands to the right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Along {
    Trials,
    Seconds,
}

/// What has no time yet counts as so many times the best.
const NOTHING: f64 = 100.0;

impl Curve {
    /// The best up to some trial or second.
    fn best(&self, along: Along, end: f64) -> Option<f64> {
        let inside = self.points.iter().filter(|&&(trial, at, _)| match along {
            Along::Trials => trial as f64 <= end,
            Along::Seconds => at.is_some_and(|at| at <= end),
        });
        inside.map(|&(_, _, seconds)| seconds).reduce(f64::min)
    }
}

/// Prints tables and writes plots: `OUT.svg` over trials, `OUT.seconds.svg` over seconds.
pub(crate) fn report(curves: &[Curve], out: &Path) {
    let trials = curves.iter().filter_map(|curve| curve.points.last()).map(|point| point.0).max().unwrap_or(1);
    show(curves, Along::Trials, trials as f64, out);
    let ends = curves.iter().filter_map(|curve| curve.points.last()?.1);
    if let Some(end) = ends.reduce(f64::max) {
        show(curves, Along::Seconds, end, &out.with_extension("seconds.svg"));
    }
}

fn show(curves: &[Curve], along: Along, end: f64, out: &Path) {
    let first = if along == Along::Trials { 1.0 } else { 0.3 };
    let steps = 60;
    let grid: Vec<_> = (0..=steps).map(|at| first * (end / first).powf(f64::from(at) / f64::from(steps))).collect();
    let marks: Vec<_> =
        [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0].into_iter().filter(|&at| at <= end).collect();
    let what = if along == Along::Trials { "trials" } else { "seconds" };
    println!(
        "{:10} {}",
        format!("{what}:"),
        marks.iter().map(|mark| format!("{mark:>8}")).collect::<Vec<_>>().concat()
    );
    let mut drawn = Vec::new();
    let mut legend = Vec::new();
    for (number, (_, name)) in methods().enumerate().filter(|(_, (_, name))| is_there(curves, name)) {
        let row = marks.iter().map(|&mark| format!("{:>8.3}", mean(curves, name, along, mark)));
        println!("{name:10} {}", row.collect::<String>());
        let points = grid.iter().map(|&at| (at, mean(curves, name, along, at).min(3.0)));
        drawn.push(Mark::Line { points: points.collect(), class: format!("s{number}") });
        legend.push((format!("s{number}"), name.to_owned()));
    }
    let x = Axis { label: what.to_owned(), from: first, to: end, number: |v| format!("{v}") };
    let y =
        Axis { label: "best so far over the best of all".to_owned(), from: 0.98, to: 3.0, number: |v| format!("{v}") };
    let plot = Plot { x, y, marks: drawn, legend };
    std::fs::write(out, plot.file()).expect("the plot can be written");
}

/// Whether a method searched anything.
fn is_there(curves: &[Curve], method: &str) -> bool {
    curves.iter().any(|curve| curve.method == method)
}

fn mean(curves: &[Curve], method: &str, along: Along, end: f64) -> f64 {
    let own = curves.iter().filter(|curve| curve.method == method);
    let logs: Vec<_> = own
        .map(|curve| {
            let same = curves.iter().filter(|other| other.kernel == curve.kernel);
            let least = same.filter_map(|other| other.best(Along::Trials, f64::INFINITY)).fold(f64::INFINITY, f64::min);
            curve.best(along, end).map_or(NOTHING, |best| (best / least).min(NOTHING)).ln()
        })
        .collect();
    (logs.iter().sum::<f64>() / logs.len().max(1) as f64).exp()
}

/// How far the ends of searches of one kernel by one method lie apart, for each kernel.
pub(crate) fn agreement(curves: &[Curve]) {
    let mut kernels: Vec<_> = curves.iter().map(|curve| curve.kernel.as_str()).collect();
    kernels.sort_unstable();
    kernels.dedup();
    println!("greatest over least end of the seeds of a method:");
    for kernel in kernels {
        let spread = methods().filter(|(_, name)| is_there(curves, name)).map(|(_, name)| {
            let own = curves.iter().filter(|curve| curve.kernel == kernel && curve.method == name);
            let ends: Vec<_> = own.filter_map(|curve| curve.end).collect();
            let [least, most] = [f64::min, f64::max].map(|pick| ends.iter().copied().reduce(pick).unwrap_or(1.0));
            format!("{name} {:.3} ({})  ", most / least, time(least))
        });
        println!("  {kernel:12} {}", spread.collect::<String>());
    }
}
