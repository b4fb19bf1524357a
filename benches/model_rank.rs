//! How well the analytic model ranks schedules: points of the space are compiled and timed, and their order is compared
//! with the model's.
//!
//! ```text
//! cargo bench --bench model_rank -- suite.json '^C2D' [points] [threads] [show]
//! ```
//!
//! The points are those that climbs from each start of the space end at, and some around them. For each workload: the
//! rank correlation (Spearman's) of predicted and measured times, and the time of the point that the model likes best
//! over the best time measured. `show` lists the points.

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use ftc::driver::bench::{data, suite, workload};
use ftc::driver::choose::{EVALUATIONS, Judge};
use ftc::driver::{Session, files, loaded, machine, modules::Modules};
use ftc::explore::climb;
use ftc::loops::{Buffer, BufferKind, Kernel, simplify::simplify};
use ftc::lower::lower;
use ftc::runtime::Array;
use ftc::schedule::nest::Program;
use ftc::schedule::{self, Schedule, Step};
use ftc::space::{self, knobs::Point};
use ftc::target::{Cpu, Machine, Platform, Target};

/// A point with what the model says and what a clock says.
struct Measured {
    predicted: f64,
    seconds: f64,
    text: String,
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [suite, filter, rest @ ..] = &arguments[..] else {
        println!("usage: cargo bench --bench model_rank -- SUITE.json REGEX [points] [threads] [show]");
        return;
    };
    let number = |at: usize, default: usize| rest.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let (points, threads) = (number(0, 24), number(1, 1));
    let show = rest.last().is_some_and(|word| word == "show");
    let mut session = Session::default();
    let file = files::read_source(&mut session, Path::new(suite)).expect("the suite can be read");
    let suite = suite::parse(file, &session.sources.file(file).text).expect("it is a suite");
    let (program, _) = ftc::sema::load_std(&mut session.sources, &mut Modules::beside(""));
    let Ok(Target::Cpu(cpu)) = machine::target(&mut session, "native") else { panic!("this machine is known") };
    let chosen = ftc::driver::bench::options::select(&suite, &[], Some(filter)).expect("some are selected");
    println!("{:14} {:>6} {:>9} {:>9} {:>7}", "workload", "points", "spearman", "best ms", "regret");
    for workload in chosen {
        let graph = workload::graph(&mut session, &program, workload).expect("a workload of the suite is right");
        let measured = rank(&mut session, &lower(&graph), &cpu, points, threads);
        report(&workload.name, &measured, show);
    }
}

/// Times points of the space of a kernel, the one that the model likes best first.
fn rank(session: &mut Session, naive: &Kernel, cpu: &Cpu, points: usize, threads: usize) -> Vec<Measured> {
    let machine = Machine::of(cpu, threads as i64).into();
    let mut program = Program::of(naive);
    let fusions = space::fusions(&mut program);
    let live = (0..program.nests.len()).filter(|&nest| !program.nests[nest].order.is_empty());
    let live: Vec<_> = live.collect();
    // The longest nest varies; the others keep what the model chooses.
    let main = live.iter().copied().max_by_key(|&nest| program.nests[nest].order.len()).expect("there is a nest");
    let mut others = fusions;
    others.extend(space::structure(&mut program, &machine));
    for nest in live.into_iter().filter(|&nest| nest != main) {
        others.extend(Judge::of(&mut program, nest, &machine).best(EVALUATIONS));
    }
    let inputs = inputs(naive);
    let mut found = Vec::new();
    for (predicted, steps) in spread(&mut program, main, &machine, points) {
        let all: Vec<_> = others.iter().chain(&steps).cloned().collect();
        let kernel = schedule::apply(naive, &Schedule { steps: all }).expect("the model applied them");
        let kernel = simplify(kernel);
        let seconds = time(session, &kernel, cpu, &inputs, threads);
        let text = Schedule { steps }.to_string();
        found.push(Measured { predicted, seconds, text });
    }
    found
}

/// Points to measure: the ends of climbs from all starts, and neighbours of them.
fn spread(program: &mut Program, nest: usize, machine: &Platform, points: usize) -> Vec<(f64, Vec<Step>)> {
    let mut judge = Judge::of(program, nest, machine);
    let (knobs, starts) = (judge.space.knobs.clone(), judge.space.starts());
    let mut ends: BTreeMap<Point, f64> = BTreeMap::new();
    let best = climb(&knobs, &starts, 8000, |point| judge.cost(point)).expect("there is a schedule");
    ends.insert(best.point.clone(), best.cost);
    for start in &starts {
        if let Some(end) = climb(&knobs, std::slice::from_ref(start), 300, |point| judge.cost(point)) {
            ends.insert(end.point, end.cost);
        }
    }
    let mut ends: Vec<_> = ends.into_iter().collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    // What is far from the best is of no interest.
    ends.truncate(points.div_ceil(2));
    let mut all = ends.clone();
    for (point, _) in ends {
        for (at, next) in knobs.neighbours(&point).into_iter().enumerate() {
            if at % 3 == 0
                && let Some(cost) = judge.cost(&next)
                && !all.iter().any(|(other, _)| *other == next)
            {
                all.push((next, cost));
            }
        }
        if all.len() >= points {
            break;
        }
    }
    all.truncate(points);
    all.into_iter().filter_map(|(point, cost)| Some((cost, judge.space.steps(&point).ok()?))).collect()
}

fn inputs(kernel: &Kernel) -> Vec<Array> {
    let mut rng = data::source(0, &kernel.name);
    let inputs = parameters(kernel, |kind| *kind != BufferKind::Output);
    let values = inputs.map(|buffer| data::random(&mut rng, buffer.dtype, &buffer.shape, None).expect("it fits"));
    values.map(|values| Array::from_values(&values).expect("it fits")).collect()
}

fn parameters(kernel: &Kernel, is_wanted: fn(&BufferKind) -> bool) -> impl Iterator<Item = &Buffer> {
    kernel.params.iter().map(|&id| &kernel.buffers[id]).filter(move |buffer| is_wanted(&buffer.kind))
}

/// The least time of a call, after some: others use the machine, too.
fn time(session: &mut Session, kernel: &Kernel, cpu: &Cpu, inputs: &[Array], threads: usize) -> f64 {
    let library = loaded::load(session, kernel, None, cpu).expect("it compiles");
    library.library.set_threads(threads);
    let outputs = parameters(kernel, |kind| *kind == BufferKind::Output);
    let mut outputs: Vec<_> =
        outputs.map(|buffer| Array::zeros(buffer.dtype, &buffer.shape).expect("it fits")).collect();
    let borrowed: Vec<_> = inputs.iter().collect();
    let mut call = library.library.prepare(&library.export, &borrowed, &mut outputs).expect("it can be called");
    let begin = Instant::now();
    let mut best = f64::INFINITY;
    let mut calls = 0;
    while calls < 3 || (begin.elapsed().as_secs_f64() < 0.25 && calls < 200) {
        let start = Instant::now();
        call.run().expect("it runs");
        best = best.min(start.elapsed().as_secs_f64());
        calls += 1;
    }
    best
}

fn report(name: &str, measured: &[Measured], show: bool) {
    let best = measured.iter().map(|m| m.seconds).fold(f64::INFINITY, f64::min);
    let predicted: Vec<_> = measured.iter().map(|m| m.predicted).collect();
    let seconds: Vec<_> = measured.iter().map(|m| m.seconds).collect();
    let regret = measured.first().map_or(1.0, |first| first.seconds / best);
    let rho = spearman(&predicted, &seconds);
    println!("{name:14} {:6} {rho:9.2} {:9.3} {regret:7.2}", measured.len(), best * 1e3);
    if show {
        let mut order: Vec<_> = measured.iter().collect();
        order.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        for m in order {
            println!("  {:.3} ms, predicted {:.3} Mcycles\n{}", m.seconds * 1e3, m.predicted / 1e6, m.text);
        }
    }
}

/// Spearman's rank correlation.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let ranks = |values: &[f64]| {
        let below = |&value: &f64| values.iter().filter(|&&other| other < value).count() as f64;
        let equal = |&value: &f64| values.iter().filter(|other| other.total_cmp(&value).is_eq()).count() as f64;
        values.iter().map(|value| below(value) + (equal(value) - 1.0) / 2.0).collect::<Vec<_>>()
    };
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt().max(1e-12)
}
