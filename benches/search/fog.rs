//! Methods of search side by side: the best time found against the number of trials, over several seeds.
//!
//! ```text
//! cargo bench --bench search -- OUT.svg [trials] [seeds]
//! ```
//!
//! Nothing is measured: the spaces are those of real kernels, and the cost of a point is what the model says of another
//! machine, with smaller caches and slower memory, times a factor for each pair of values that the model knows nothing
//! of. What methods may predict is the model's opinion of this machine: wrong in the way in which models are. The table
//! has, for each method, the geometric mean over kernels and seeds of its best over the best that any method found; the
//! plot has the same after each trial.

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]

use ftc::driver::{Session, modules::Modules, select};
use ftc::explore::{Evaluate, Limits, Method, Reason, Trial, explore};
use ftc::graph::Graph;
use ftc::lower::lower;
use ftc::measure::candidates::Candidates;
use ftc::sema;
use ftc::space::knobs::Point;
use ftc::target::{Cpu, Host, Machine, Target};

const KERNELS: [&str; 4] = [
    "gemm(A: f32[512, 512], B: f32[512, 512])",
    "gemm(A: f32[1000, 37], B: f32[37, 129])",
    "gemv(A: f32[1024, 1024], x: f32[1024])",
    "gemm(A: f32[64, 2048], B: f32[2048, 96])",
];

/// A space with a truth that its predictions miss.
struct Foggy {
    opinion: Candidates,
    truth: Candidates,
}

impl Foggy {
    fn of(graph: &Graph, machine: &Machine) -> Self {
        let kernel = lower(graph);
        let caches = [machine.caches[0] / 2, machine.caches[1] / 2];
        let bandwidth = machine.bandwidth.map(|bytes| bytes / 2.0);
        let other = Machine { caches, bandwidth, latency: machine.latency * 1.5, loads: 1.0, ..*machine };
        Self { opinion: Candidates::of(&kernel, machine), truth: Candidates::of(&kernel, &other) }
    }

    fn seconds(&mut self, point: &Point) -> Result<f64, Reason> {
        let cycles = self.truth.predict(point)?;
        let pairs = point.0.windows(2).enumerate();
        let unknown: f64 = pairs.map(|(at, pair)| spread(at as u64, pair[0].into(), pair[1].into())).product();
        Ok(cycles * unknown / 3e9)
    }
}

/// From 0.85 to 1.15, by chance but always the same.
fn spread(at: u64, a: u64, b: u64) -> f64 {
    let mixed = (at << 40 ^ a << 20 ^ b).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    0.85 + 0.3 * ((mixed >> 40) as f64 / (1_u64 << 24) as f64)
}

impl Evaluate for Foggy {
    fn evaluate(&mut self, points: &[Point]) -> Vec<Trial> {
        let trial = |point| self.seconds(point).map_or_else(Trial::Rejected, Trial::Measured);
        points.iter().map(trial).collect()
    }

    fn predict(&mut self, point: &Point) -> Result<f64, Reason> {
        self.opinion.predict(point)
    }
}

/// The best seconds after each trial.
fn curve(foggy: &mut Foggy, method: Method, trials: usize, seed: u64) -> Vec<f64> {
    let knobs = foggy.opinion.knobs.clone();
    let limits = Limits { trials, expected: trials, batch: 8 };
    let found = explore(method, &knobs, &[], limits, seed, foggy);
    let mut best = f64::INFINITY;
    let mut curve: Vec<f64> = Vec::new();
    for (_, trial) in found.history {
        if let Trial::Measured(seconds) = trial {
            best = best.min(seconds);
        }
        curve.push(best);
    }
    curve.resize(trials, best);
    curve
}

fn graphs() -> Vec<Graph> {
    let mut session = Session::default();
    let what = select::Selection {
        exports: KERNELS.iter().enumerate().map(|(at, call)| format!("k{at} = {call}")).collect(),
        ..select::Selection::default()
    };
    let _ = sema::load_std(&mut session.sources, &mut Modules::beside(""));
    let selected = select::select(&mut session, &what).expect("the calls are right");
    let graph = |export| ftc::driver::instantiate(&mut session, &selected.program, export, &selected.request);
    selected.exports.iter().map(graph).collect::<Result<_, _>>().expect("the calls are right")
}

fn machine() -> Machine {
    let host: Option<&Host> = None;
    let Ok(Target::Cpu(cpu)) = Target::parse("x86-64-v4", host) else { panic!("a known target") };
    let cpu: Cpu = cpu;
    Machine::of(&cpu, 2)
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let Some((out, rest)) = arguments.split_first() else {
        println!("usage: cargo bench --bench search -- OUT.svg [trials] [seeds]");
        return;
    };
    let number = |at: usize, default: usize| rest.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (trials, seeds) = (number(0, 200), number(1, 5));
    let methods: Vec<_> = Method::ALL.into_iter().filter(|(method, _)| *method != Method::Exhaustive).collect();
    let mut sums = vec![vec![0.0; trials]; methods.len()];
    for graph in graphs() {
        let mut foggy = Foggy::of(&graph, &machine());
        let mut curves: Vec<Vec<Vec<f64>>> = Vec::new();
        for (method, _) in &methods {
            curves.push((0..seeds as u64).map(|seed| curve(&mut foggy, *method, trials, seed)).collect());
        }
        let ends = curves.iter().flatten().filter_map(|curve| curve.last().copied());
        let best = ends.fold(f64::INFINITY, f64::min);
        for (sum, curves) in sums.iter_mut().zip(&curves) {
            for curve in curves {
                // What has no time yet counts as a hundred times the best.
                sum.iter_mut().zip(curve).for_each(|(sum, seconds)| *sum += (seconds / best).min(100.0).ln());
            }
        }
    }
    let count = (KERNELS.len() * seeds) as f64;
    let means: Vec<Vec<f64>> = sums.iter().map(|sum| sum.iter().map(|ln| (ln / count).exp()).collect()).collect();
    let marks = [10, 25, 50, 100, 200, 400].map(|mark: usize| mark.min(trials));
    println!("{:10} {}", "best after", marks.map(|mark| format!("{mark:>8}")).concat());
    for ((_, name), mean) in methods.iter().zip(&means) {
        println!("{name:10} {}", marks.map(|mark| format!("{:>8.3}", mean[mark - 1])).concat());
    }
    let lines: Vec<_> = methods.iter().zip(&means).map(|((_, name), mean)| (*name, mean.as_slice())).collect();
    std::fs::write(out, svg(&lines)).expect("the plot can be written");
}

/// Lines over the logarithm of trials; the times over the best, from 1 to 3, upwards.
fn svg(lines: &[(&str, &[f64])]) -> String {
    const COLOURS: [&str; 6] = ["#1b6ac9", "#d1495b", "#edae49", "#00798c", "#7a7a7a", "#8f5fbf"];
    let trials = lines[0].1.len() as f64;
    let x = |trial: f64| 60.0 + 620.0 * trial.ln() / trials.ln();
    let y = |ratio: f64| 400.0 - 360.0 * ratio.clamp(1.0, 3.0).log(3.0);
    let mut parts = vec![
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 450\" font-family=\"sans-serif\" font-size=\"13\">"
            .to_owned(),
        "<rect width=\"800\" height=\"450\" fill=\"white\"/>".to_owned(),
        "<text x=\"60\" y=\"22\">Best time found over the best of all, geometric mean; over trials</text>".to_owned(),
    ];
    for ratio in [1.0, 1.1, 1.25, 1.5, 2.0, 3.0] {
        let at = y(ratio);
        parts.push(format!(
            "<path d=\"M60 {at:.1}H680\" stroke=\"#ddd\"/><text x=\"22\" y=\"{:.1}\">{ratio}</text>",
            at + 4.0
        ));
    }
    for trial in [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0].into_iter().filter(|&trial| trial <= trials) {
        let at = x(trial);
        parts.push(format!(
            "<path d=\"M{at:.1} 40V400\" stroke=\"#eee\"/><text x=\"{:.1}\" y=\"420\">{trial}</text>",
            at - 6.0
        ));
    }
    for (number, ((name, line), colour)) in lines.iter().zip(COLOURS).enumerate() {
        let points = line.iter().enumerate().map(|(at, &ratio)| format!("{:.1},{:.1}", x(at as f64 + 1.0), y(ratio)));
        let points: Vec<_> = points.collect();
        parts.push(format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        ));
        let at = 60.0 + 22.0 * number as f64;
        parts.push(format!("<path d=\"M695 {at}h20\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"722\" y=\"{:.1}\">{name}</text>", at + 4.0));
    }
    parts.push("</svg>\n".to_owned());
    parts.join("\n")
}
