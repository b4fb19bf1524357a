//! Searches where nothing is measured.
//!
//! The spaces are those of real kernels, and the cost of a point is what the model says of another machine, with smaller
//! caches and slower memory, times a factor for each pair of values that the model knows nothing of. What methods may
//! predict is the model's opinion of this machine: wrong in the way in which models are. What a trial says is the truth
//! with noise, as clocks have it; the winner is the best, in truth, of those that seemed the fastest, as after a final.

use ftc::driver::{Session, modules::Modules, select};
use ftc::explore::{Evaluate, Limits, Method, Reason, Trial, explore};
use ftc::graph::Graph;
use ftc::lower::lower;
use ftc::measure::candidates::Candidates;
use ftc::sema;
use ftc::space::knobs::Point;
use ftc::target::{Cpu, Host, Machine, Target};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::curves::Curve;
use crate::methods;

const KERNELS: [&str; 7] = [
    "conv2d(x: f32[1, 64, 28, 28], w: f32[64, 64, 3, 3], pad = 1)",
    "conv2d(x: f32[1, 128, 28, 28], w: f32[64, 128, 1, 1])",
    "conv2d(x: f32[1, 3, 112, 112], w: f32[16, 3, 7, 7], stride = 2, pad = 3)",
    "gemm(A: f32[512, 512], B: f32[512, 512])",
    "gemm(A: f32[1000, 37], B: f32[37, 129])",
    "gemv(A: f32[1024, 1024], x: f32[1024])",
    "gemm(A: f32[64, 2048], B: f32[2048, 96])",
];

/// A space with a truth that its predictions miss.
struct Foggy {
    opinion: Candidates,
    truth: Candidates,
    noise: StdRng,
}

impl Foggy {
    fn of(graph: &Graph, machine: &Machine) -> Self {
        let kernel = lower(graph);
        let caches = [machine.caches[0] / 2, machine.caches[1] / 2];
        let bandwidth = machine.bandwidth.map(|bytes| bytes / 2.0);
        let other = Machine { caches, bandwidth, latency: machine.latency * 1.5, loads: 1.0, ..*machine };
        let opinion = Candidates::of(&kernel, &(*machine).into());
        Self { opinion, truth: Candidates::of(&kernel, &other.into()), noise: StdRng::seed_from_u64(0) }
    }

    fn seconds(&mut self, point: &Point) -> Result<f64, Reason> {
        let cycles = self.truth.predict(point)?;
        let pairs = point.0.windows(2).enumerate();
        let unknown: f64 = pairs.map(|(at, pair)| spread(at as u64, pair[0].into(), pair[1].into())).product();
        Ok(cycles * unknown / 3e9)
    }
}

/// From 0.93 to 1.07, by chance but always the same: neighbours are then as far apart as measured ones are.
fn spread(at: u64, a: u64, b: u64) -> f64 {
    let mixed = (at << 40 ^ a << 20 ^ b).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    0.93 + 0.14 * ((mixed >> 40) as f64 / (1_u64 << 24) as f64)
}

/// How far trials of the same point lie apart, about.
const NOISE: f64 = 0.06;
/// Those who are in the final.
const LEADERS: usize = 16;

impl Evaluate for Foggy {
    fn evaluate(&mut self, points: &[Point]) -> Vec<Trial> {
        let mut trials = Vec::new();
        for point in points {
            // The sum of four even chances is nearly normal.
            let chance: f64 = (0..4).map(|_| self.noise.random_range(-1.0..1.0)).sum();
            let trial = self.seconds(point).map(|seconds| seconds * (NOISE * chance).exp());
            trials.push(trial.map_or_else(Trial::Rejected, Trial::Measured));
        }
        trials
    }

    fn predict(&mut self, point: &Point) -> Result<f64, Reason> {
        self.opinion.predict(point)
    }
}

/// The curve of one search.
fn curve(foggy: &mut Foggy, kernel: usize, method: (Method, &str), trials: usize, seed: u64) -> Curve {
    let knobs = foggy.opinion.knobs.clone();
    let limits = Limits { trials, expected: trials, batch: 8 };
    foggy.noise = StdRng::seed_from_u64(seed);
    let starts = foggy.opinion.starts(8);
    let found = explore(method.0, &knobs, &starts, limits, seed, foggy);
    let mut measured: Vec<(f64, f64)> = Vec::new();
    let mut points = Vec::new();
    for (at, (point, trial)) in found.history.iter().enumerate() {
        if let (Trial::Measured(seemed), Ok(truth)) = (trial, foggy.seconds(point)) {
            measured.push((*seemed, truth));
            points.push((at + 1, None, truth));
        }
    }
    measured.sort_by(|a, b| a.0.total_cmp(&b.0));
    let end = measured.iter().take(LEADERS).map(|(_, truth)| *truth).reduce(f64::min);
    Curve { kernel: KERNELS[kernel].to_owned(), method: method.1.to_owned(), points, end }
}

/// All searches.
pub(crate) fn curves(trials: usize, seeds: usize) -> Vec<Curve> {
    let mut curves = Vec::new();
    for (kernel, graph) in graphs(&KERNELS).iter().enumerate() {
        let mut foggy = Foggy::of(graph, &machine());
        for method in methods() {
            let seeds = 0..seeds as u64;
            curves.extend(seeds.map(|seed| curve(&mut foggy, kernel, method, trials, seed)));
        }
    }
    curves
}

/// What calls compute.
pub(crate) fn graphs(calls: &[&str]) -> Vec<Graph> {
    let mut session = Session::default();
    let what = select::Selection {
        exports: calls.iter().enumerate().map(|(at, call)| format!("k{at} = {call}")).collect(),
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
