//! Curves of searches, and what is shown of them: for each method, the geometric mean over kernels and seeds of its best so
//! far over the best that any search of that kernel found.

use std::path::Path;

use ftc::driver::bench::report::time;
use ftc::driver::explain::plot::{Axis, Mark, Plot};

use crate::duel::Duel;
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

/// Prints tables, which go to `OUT.txt` too, and writes plots: `OUT.svg` over trials, `OUT.seconds.svg` over seconds.
pub(crate) fn report(curves: &[Curve], duels: &[Duel], out: &Path) {
    let mut lines = agreement(curves);
    lines.extend(side_by_side(duels));
    let trials = curves.iter().filter_map(|curve| curve.points.last()).map(|point| point.0).max().unwrap_or(1);
    lines.extend(show(curves, Along::Trials, trials as f64, out));
    let ends = curves.iter().filter_map(|curve| curve.points.last()?.1);
    if let Some(end) = ends.reduce(f64::max) {
        lines.extend(show(curves, Along::Seconds, end, &out.with_extension("seconds.svg")));
    }
    let text = lines.join("\n");
    println!("{text}");
    std::fs::write(out.with_extension("txt"), text).expect("the tables can be written");
}

/// A table of one sort; its plot is written.
fn show(curves: &[Curve], along: Along, end: f64, out: &Path) -> Vec<String> {
    let first = if along == Along::Trials { 1.0 } else { 0.3 };
    let steps = 60;
    let grid: Vec<_> = (0..=steps).map(|at| first * (end / first).powf(f64::from(at) / f64::from(steps))).collect();
    let marks: Vec<_> =
        [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0].into_iter().filter(|&at| at <= end).collect();
    let what = if along == Along::Trials { "trials" } else { "seconds" };
    let head = marks.iter().map(|mark| format!("{mark:>8}"));
    let mut lines = vec!["best so far over the best of all, geometric mean".to_owned()];
    lines.push(format!("{what:10}{}", head.collect::<String>()));
    let mut drawn = Vec::new();
    let mut legend = Vec::new();
    for (number, (_, name)) in methods().enumerate().filter(|(_, (_, name))| is_there(curves, name)) {
        let row = marks.iter().map(|&mark| format!("{:>8.3}", mean(curves, name, along, mark)));
        lines.push(format!("{name:10}{}", row.collect::<String>()));
        let points = grid.iter().map(|&at| (at, mean(curves, name, along, at).min(3.0)));
        drawn.push(Mark::Line { points: points.collect(), class: format!("s{number}") });
        legend.push((format!("s{number}"), name.to_owned()));
    }
    let x = Axis { label: what.to_owned(), from: first, to: end, number: |v| format!("{v}") };
    let y =
        Axis { label: "best so far over the best of all".to_owned(), from: 0.98, to: 3.0, number: |v| format!("{v}") };
    let plot = Plot { x, y, marks: drawn, legend };
    std::fs::write(out, plot.file()).expect("the plot can be written");
    lines.push(String::new());
    lines
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

/// Ends that agree, and those that nearly do.
const AGREE: f64 = 1.05;
const NEARLY: f64 = 1.10;

/// How far each two of some times lie apart.
fn pairs(times: &[f64]) -> Vec<f64> {
    let with = |(at, &a): (usize, &f64)| times[..at].iter().map(|&b| (a / b).max(b / a)).collect::<Vec<_>>();
    times.iter().enumerate().flat_map(with).collect()
}

/// How far the winners of several seeds lie apart when they are timed side by side, and how many agree.
fn side_by_side(duels: &[Duel]) -> Vec<String> {
    let mut lines = Vec::new();
    let (mut agree, mut nearly) = (0, 0);
    for Duel { kernel, seconds } in duels {
        let [least, most] = [f64::min, f64::max].map(|pick| seconds.iter().copied().reduce(pick).unwrap_or(1.0));
        agree += usize::from(most < AGREE * least);
        nearly += usize::from(most < NEARLY * least);
        let times: Vec<_> = seconds.iter().map(|&seconds| time(seconds)).collect();
        lines.push(format!("side by side {kernel:12} {:.3} ({})", most / least, times.join(", ")));
    }
    if !duels.is_empty() {
        let all = duels.len();
        lines.push(format!(
            "side by side, winners of {agree} of {all} kernels agree within 5 %, {nearly} within 10 %\n"
        ));
    }
    lines
}

/// How far the ends of searches of one kernel by one method lie apart, for each kernel, and how many agree.
fn agreement(curves: &[Curve]) -> Vec<String> {
    let mut kernels: Vec<_> = curves.iter().map(|curve| curve.kernel.as_str()).collect();
    kernels.sort_unstable();
    kernels.dedup();
    let mut lines = Vec::new();
    for (_, method) in methods() {
        let (mut agree, mut all) = (0, 0);
        for kernel in &kernels {
            let own = curves.iter().filter(|curve| curve.kernel == *kernel && curve.method == method);
            let ends: Vec<_> = own.filter_map(|curve| curve.end).collect();
            let [least, most] = [f64::min, f64::max].map(|pick| ends.iter().copied().reduce(pick).unwrap_or(1.0));
            if ends.len() > 1 {
                (agree, all) = (agree + usize::from(most < AGREE * least), all + 1);
                let times = format!("({} to {})", time(least), time(most));
                let far = pairs(&ends).iter().map(|ratio| ratio.ln()).sum::<f64>() / pairs(&ends).len() as f64;
                lines.push(format!("{method:10}{kernel:12} {:.3} {times}, two of them {:.3}", most / least, far.exp()));
            }
        }
        if all > 0 {
            lines.push(format!("{method}: ends of {agree} of {all} kernels agree within 5 %, whatever the seed\n"));
        }
    }
    lines
}
