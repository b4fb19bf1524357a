//! Searches where nothing is measured.
//!
//! The spaces are those of real kernels, and the cost of a point is what the model says of another machine, with smaller
//! caches and slower memory, times a factor for each pair of values that the model knows nothing of. What methods may
//! predict is the model's opinion of this machine: wrong in the way in which models are.

use ftc::driver::{Session, modules::Modules, select};
use ftc::explore::{Evaluate, Limits, Method, Reason, Trial, explore};
use ftc::graph::Graph;
use ftc::lower::lower;
use ftc::measure::candidates::Candidates;
use ftc::sema;
use ftc::space::knobs::Point;
use ftc::target::{Cpu, Host, Machine, Target};

use crate::curves::Curve;
use crate::methods;

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
        Self { opinion: Candidates::of(&kernel, &(*machine).into()), truth: Candidates::of(&kernel, &other.into()) }
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

/// The curve of one search.
fn curve(foggy: &mut Foggy, kernel: usize, method: (Method, &str), trials: usize, seed: u64) -> Curve {
    let knobs = foggy.opinion.knobs.clone();
    let limits = Limits { trials, expected: trials, batch: 8 };
    let found = explore(method.0, &knobs, &[], limits, seed, foggy);
    let seconds = |trial: &Trial| if let Trial::Measured(seconds) = trial { Some(*seconds) } else { None };
    let history = found.history.iter().enumerate();
    let points = history.filter_map(|(at, (_, trial))| Some((at + 1, None, seconds(trial)?)));
    Curve { kernel: KERNELS[kernel].to_owned(), method: method.1.to_owned(), points: points.collect(), end: None }
}

/// All searches.
pub(crate) fn curves(trials: usize, seeds: usize) -> Vec<Curve> {
    let mut curves = Vec::new();
    for (kernel, graph) in graphs().iter().enumerate() {
        let mut foggy = Foggy::of(graph, &machine());
        for method in methods() {
            let seeds = 0..seeds as u64;
            curves.extend(seeds.map(|seed| curve(&mut foggy, kernel, method, trials, seed)));
        }
    }
    curves
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
