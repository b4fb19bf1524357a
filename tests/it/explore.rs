//! Methods of search on synthetic costs: traces by seed in `tests/explore`, optima of small spaces, limits.

use std::collections::BTreeSet;

use ftc::explore::{Done, Evaluate, Limits, Method, Reason, Trial, explore};
use ftc::space::knobs::{Knob, Knobs, Point};

/// A tile of a matrix product: rows and vectors fill the registers or do not, a copy costs and pays, threads share.
struct Tile {
    evaluated: Vec<Point>,
    /// Trials before it says that there is no time left.
    patience: usize,
    /// Whether it says so once the best point was tried.
    stops_at_best: bool,
}

fn knobs() -> Knobs {
    Knobs {
        knobs: vec![
            Knob::line("rows", [1, 2, 4, 6, 8, 12, 14, 16]),
            Knob::line("vectors", [1, 2, 3, 4]),
            Knob::any("copy", ["none", "rows", "both"].map(str::to_owned)),
            Knob::line("part", [32, 64, 128, 256, 512]),
            Knob::any("threads", ["one", "all"].map(str::to_owned)),
        ],
    }
}

impl Tile {
    const fn new() -> Self {
        Self { evaluated: Vec::new(), patience: usize::MAX, stops_at_best: false }
    }

    /// Seconds, or why not.
    fn seconds(point: &Point) -> Result<f64, Reason> {
        let number =
            |knob: usize| -> f64 { knobs().knobs[knob].values[usize::from(point.0[knob])].parse().expect("a size") };
        let (rows, vectors, part) = (number(0), number(1), number(3));
        let registers = rows * vectors + vectors + 1.0;
        if registers > 32.0 {
            return Err(Reason::new("registers", format!("{registers} of 32")));
        }
        let loads = 1.0 / rows + 1.0 / vectors;
        let copy = [1.6, 1.2, 1.0][usize::from(point.0[2])];
        let cache = 1.0 + (part / 128.0).ln().abs() * 0.2;
        Ok(1e-3 * (0.5 + loads) * copy * cache / f64::from(1 + point.0[4]))
    }

    fn best() -> f64 {
        let knobs = knobs();
        let all = (0..knobs.size()).filter_map(|index| Self::seconds(&knobs.point(index)).ok());
        all.fold(f64::INFINITY, f64::min)
    }
}

impl Evaluate for Tile {
    fn evaluate(&mut self, points: &[Point]) -> Vec<Trial> {
        let mut trials = Vec::new();
        for point in points {
            if self.evaluated.len() == self.patience {
                break;
            }
            self.evaluated.push(point.clone());
            // One corner crashes.
            let crash = || Trial::Failed(Reason::new("crash", "signal 11"));
            let measured = || Trial::Measured(Self::seconds(point).expect("only legal points are tried"));
            if self.stops_at_best && Self::seconds(point).is_ok_and(|seconds| seconds <= Self::best()) {
                self.patience = self.evaluated.len();
            }
            trials.push(if point.0[0] == 0 && point.0[2] == 0 { crash() } else { measured() });
        }
        trials
    }

    fn predict(&mut self, point: &Point) -> Result<f64, Reason> {
        // The model knows nothing of threads, and too little of caches.
        let seconds = Self::seconds(point)?;
        Ok(seconds * f64::from(1 + point.0[4]) * (1.0 + 0.1 * f64::from(point.0[3])))
    }
}

const LIMITS: Limits = Limits { trials: 60, expected: 60, batch: 4 };

/// What a search tried, a line a trial.
fn trace(method: Method, seed: u64) -> String {
    let knobs = knobs();
    let mut tile = Tile::new();
    let found = explore(method, &knobs, &[], LIMITS, seed, &mut tile);
    let mut lines = Vec::new();
    let mut best = f64::INFINITY;
    for (point, trial) in &found.history {
        let what = match trial {
            Trial::Measured(seconds) => {
                let mark = if *seconds < best { " *" } else { "" };
                best = best.min(*seconds);
                format!("{:.4} ms{mark}", seconds * 1e3)
            }
            Trial::Rejected(reason) | Trial::Failed(reason) => format!("{}: {}", reason.kind, reason.detail),
        };
        lines.push(format!("{:<60} {what}", knobs.show(point)));
    }
    lines.push(format!("rejected before: {:?}; {}", found.rejections, found.done));
    lines.join("\n")
}

#[test]
fn traces_are_those_of_the_seed() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/explore"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (method, name) in Method::ALL {
            let once = trace(method, 7);
            assert_eq!(once, trace(method, 7), "{name}");
            insta::assert_snapshot!(name, once);
        }
    });
    assert_ne!(trace(Method::Random, 1), trace(Method::Random, 2));
}

#[test]
fn every_method_finds_the_optimum_of_a_small_space() {
    for (method, name) in Method::ALL {
        let mut tile = Tile { stops_at_best: true, ..Tile::new() };
        let limits = Limits { trials: 700, expected: 700, batch: 8 };
        let found = explore(method, &knobs(), &[], limits, 1, &mut tile);
        let (_, seconds) = found.best.expect("most points are legal");
        assert!(seconds < Tile::best() * 1.000_001, "{name}: {seconds} {}", Tile::best());
        let distinct: BTreeSet<_> = tile.evaluated.iter().collect();
        assert_eq!(distinct.len(), tile.evaluated.len(), "{name} tried a point twice");
    }
}

#[test]
fn what_cannot_be_built_costs_nothing_and_is_counted() {
    let mut tile = Tile::new();
    let found = explore(
        Method::Exhaustive,
        &knobs(),
        &[],
        Limits { trials: 10_000, expected: 10_000, batch: 16 },
        0,
        &mut tile,
    );
    assert_eq!(found.done, Done::Exhausted);
    let legal = (0..knobs().size()).filter(|&index| Tile::seconds(&knobs().point(index)).is_ok()).count();
    assert_eq!((found.history.len(), found.rejections["registers"]), (legal, knobs().size() as usize - legal));
}

#[test]
fn limits_of_trials_and_of_the_evaluator_hold() {
    for (method, name) in Method::ALL {
        let mut tile = Tile::new();
        let found = explore(method, &knobs(), &[], LIMITS, 3, &mut tile);
        assert_eq!((found.history.len(), found.done), (60, Done::Trials), "{name}");
        let mut tile = Tile { patience: 13, ..Tile::new() };
        let found = explore(method, &knobs(), &[], LIMITS, 3, &mut tile);
        assert_eq!((found.history.len(), found.done), (13, Done::Stopped), "{name}");
    }
}

#[test]
fn guesses_are_tried_first() {
    let guess = Point(vec![6, 1, 2, 2, 1]);
    for (method, name) in Method::ALL {
        let mut tile = Tile::new();
        explore(method, &knobs(), std::slice::from_ref(&guess), LIMITS, 3, &mut tile);
        assert_eq!(tile.evaluated[0], guess, "{name}");
    }
}

/// A space without a legal point.
struct Nothing;
impl Evaluate for Nothing {
    fn evaluate(&mut self, _: &[Point]) -> Vec<Trial> {
        unreachable!("nothing is legal")
    }

    fn predict(&mut self, _: &Point) -> Result<f64, Reason> {
        Err(Reason::new("nothing", ""))
    }
}

/// A space of one point.
struct One;
impl Evaluate for One {
    fn evaluate(&mut self, points: &[Point]) -> Vec<Trial> {
        points.iter().map(|_| Trial::Measured(1.0)).collect()
    }

    fn predict(&mut self, _: &Point) -> Result<f64, Reason> {
        Ok(1.0)
    }
}

#[test]
fn a_space_of_one_point_and_one_without_any_end_at_once() {
    for (method, name) in Method::ALL {
        let found = explore(method, &knobs(), &[], LIMITS, 3, &mut Nothing);
        assert_eq!((found.best, found.done), (None, Done::Exhausted), "{name}");
        let none = Knobs::default();
        let found = explore(method, &none, &[Point(Vec::new())], LIMITS, 3, &mut One);
        assert_eq!((found.best, found.done), (Some((Point(Vec::new()), 1.0)), Done::Exhausted), "{name}");
    }
}
