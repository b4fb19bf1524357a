//! What a log says about the search of one export: its curve, what the model thought of what was measured, and why the
//! winner beat the runner-up.

use serde::Serialize;

use super::super::plot::{Axis, Mark, Plot};
use crate::driver::bench::report::time;
use crate::driver::choose;
use crate::driver::lock;
use crate::driver::tune::log::{Line, Outcome, TrialLine, Winner};
use crate::loops::Kernel;
use crate::model::{self, Terms};
use crate::schedule::Schedule;
use crate::schedule::nest::Program;
use crate::space::knobs::{Knobs, Point};
use crate::target::Platform;

/// The search of an export.
#[derive(Clone, Debug)]
pub(super) struct Search {
    trials: Vec<TrialLine>,
    winner: Option<Winner>,
}

/// It, as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shown {
    curve: String,
    scatter: String,
    trials: usize,
    measured: usize,
    first: String,
    best: String,
    gained: String,
    /// How well the model's order is that of the clock, from -1 to 1.
    rank: String,
    failures: Vec<(String, usize)>,
    versus: Option<Versus>,
}

/// The winner against the runner-up.
#[derive(Clone, Debug, Serialize)]
struct Versus {
    verdict: String,
    /// What differs: name, the winner's, the runner-up's.
    knobs: Vec<[String; 3]>,
    /// Cycles by the model, and times.
    terms: Vec<[String; 3]>,
    schedule: String,
}

impl Search {
    /// The lines of one export.
    pub(super) fn of(lines: &[Line], export: &str) -> Self {
        let trials = lines.iter().filter_map(|line| match line {
            Line::Trial(trial) if trial.export == export => Some(trial.clone()),
            _ => None,
        });
        let winner = lines.iter().rev().find_map(|line| match line {
            Line::Winner(winner) if winner.export == export => Some(winner.clone()),
            _ => None,
        });
        Self { trials: trials.collect(), winner }
    }

    /// The seconds of the winner, or of the best so far.
    pub(super) fn seconds(&self) -> Option<f64> {
        let best = self.measured().map(|(_, seconds, _)| seconds).reduce(f64::min);
        self.winner.as_ref().map(|winner| winner.seconds).or(best)
    }

    /// What the winner took in the final, of what it took when it was tried: a machine that was slow then was so for all.
    fn undisturbed(&self) -> f64 {
        let Some(winner) = &self.winner else { return 1.0 };
        let tried = self.measured().find(|(_, _, trial)| trial.schedule == winner.schedule);
        tried.map_or(1.0, |(_, seconds, _)| winner.seconds / seconds)
    }

    /// The seconds of a schedule in the final, or when it was tried.
    pub(super) fn seconds_of(&self, schedule: &Schedule) -> Option<f64> {
        let text = schedule.to_string();
        let winner = self.winner.as_ref().filter(|winner| winner.schedule == text).map(|winner| winner.seconds);
        let mut tried = self.measured().filter(|(_, _, trial)| trial.schedule == text);
        winner.or_else(|| tried.next().map(|(_, seconds, _)| seconds * self.undisturbed()))
    }

    /// What is to be said where a schedule is not the one that won.
    pub(super) fn beside(&self, schedule: &Schedule) -> Option<String> {
        let winner = self.winner.as_ref().filter(|winner| winner.schedule != schedule.to_string())?;
        Some(format!("the search of the log found another one, which took {}", time(winner.seconds)))
    }

    /// Trials that have a time: their numbers, from 1 on, their seconds, and they themselves.
    fn measured(&self) -> impl Iterator<Item = (usize, f64, &TrialLine)> {
        self.trials.iter().enumerate().filter_map(|(at, trial)| match trial.outcome {
            Outcome::Seconds(seconds) => Some((at + 1, seconds, trial)),
            _ => None,
        })
    }

    /// All of it, for a kernel of plain loops.
    pub(super) fn show(&self, naive: &Kernel, platform: &Platform, clock: f64) -> Option<Shown> {
        let best = self.seconds()?;
        let first = self.measured().next()?.1 * self.undisturbed();
        let mut failures: Vec<(String, usize)> = Vec::new();
        for trial in &self.trials {
            let (Outcome::Rejected(kind, _) | Outcome::Failed(kind, _)) = &trial.outcome else { continue };
            match failures.iter_mut().find(|(known, _)| known == kind) {
                Some((_, count)) => *count += 1,
                None => failures.push((kind.clone(), 1)),
            }
        }
        Some(Shown {
            curve: self.curve().svg(),
            scatter: self.scatter(clock).svg(),
            trials: self.trials.len(),
            measured: self.measured().count(),
            first: time(first),
            best: time(best),
            gained: format!("{:.2}", first / best),
            rank: format!("{:.2}", self.rank()),
            failures,
            versus: self.versus(naive, platform),
        })
    }

    fn curve(&self) -> Plot {
        let all: Vec<_> = self.measured().collect();
        let times = || all.iter().map(|&(_, seconds, _)| seconds);
        let count = self.trials.len() as f64;
        let x = Axis { from: 0.9, ..Axis::around("trials", [1.0, count], |v| format!("{v}")) };
        let least = times().fold(f64::INFINITY, f64::min);
        // What is far off only makes the rest small.
        let y = Axis::around("time of a call", times().map(|seconds| seconds.min(least * 30.0)), time);
        let mut marks: Vec<_> = all
            .iter()
            .map(|&(number, seconds, trial)| Mark::Dot {
                at: (number as f64, seconds),
                class: "s0 faint".to_owned(),
                title: format!("trial {number}: {}\n{}", time(seconds), trial.schedule),
            })
            .collect();
        let mut best = f64::INFINITY;
        let mut points = Vec::new();
        for &(number, seconds, _) in &all {
            if seconds < best {
                points.extend(best.is_finite().then_some((number as f64, best)));
                best = seconds;
                points.push((number as f64, best));
            }
        }
        points.push((count, best));
        marks.push(Mark::Line { points, class: "s1".to_owned() });
        let legend = [("s1", "best so far"), ("s0", "a trial")].map(|(class, text)| (class.into(), text.into()));
        Plot { x, y, marks, legend: legend.into() }
    }

    /// What the model predicts against what the clock said.
    fn scatter(&self, clock: f64) -> Plot {
        let pairs: Vec<_> = self
            .measured()
            .filter_map(|(number, seconds, trial)| Some((number, trial.cycles? / clock, seconds)))
            .collect();
        let least = pairs.iter().map(|&(_, _, seconds)| seconds).fold(f64::INFINITY, f64::min);
        let x = Axis::around("the model's time", pairs.iter().map(|pair| pair.1), time);
        let y = Axis::around("time of a call", pairs.iter().map(|pair| pair.2), time);
        let both = (x.from.max(y.from), x.to.min(y.to));
        let mut marks = vec![];
        if both.0 < both.1 {
            marks.push(Mark::Line { points: vec![(both.0, both.0), (both.1, both.1)], class: "s4 faint".to_owned() });
        }
        for &(number, predicted, seconds) in &pairs {
            let class = if seconds <= least { "s1" } else { "s0 faint" };
            let title = format!("trial {number}: {} by the model, {} by the clock", time(predicted), time(seconds));
            marks.push(Mark::Dot { at: (predicted, seconds), class: class.to_owned(), title });
        }
        let legend = [("s1", "the fastest"), ("s4", "equal")].map(|(class, text)| (class.into(), text.into()));
        Plot { x, y, marks, legend: legend.into() }
    }

    /// Spearman's correlation of predictions and times.
    fn rank(&self) -> f64 {
        let pairs: Vec<_> = self.measured().filter_map(|(_, seconds, trial)| Some((trial.cycles?, seconds))).collect();
        spearman(&pairs)
    }

    fn versus(&self, naive: &Kernel, platform: &Platform) -> Option<Versus> {
        let winner = self.winner.as_ref()?;
        let own = self.measured().find(|(_, _, trial)| trial.schedule == winner.schedule);
        let others = self.measured().filter(|(_, _, trial)| trial.schedule != winner.schedule);
        let (_, seconds, second) = others.min_by(|a, b| a.1.total_cmp(&b.1))?;
        let knobs = choose::candidates(naive, platform).knobs;
        let terms = [&winner.schedule, &second.schedule].map(|text| terms_of(text, naive, platform));
        let own_seconds = own.map(|(_, seconds, _)| seconds);
        let mut rows: Vec<[String; 3]> = Vec::new();
        if let [Some((a, cycles_a)), Some((b, cycles_b))] = terms {
            let row = |name: &str, a: f64, b: f64| [name.to_owned(), cycles(a), cycles(b)];
            rows.push(row("innermost loops", a.body, b.body));
            rows.push(row("around them", a.around, b.around));
            rows.push(row("memory", a.memory, b.memory));
            rows.push(row("all together, on threads", cycles_a, cycles_b));
        }
        let in_search = own_seconds.map_or_else(|| "no trial".to_owned(), time);
        rows.push(["measured in the search".to_owned(), in_search, time(seconds)]);
        rows.push(["measured in the final".to_owned(), time(winner.seconds), String::new()]);
        let verdict = verdict(&terms, own_seconds.unwrap_or(winner.seconds), seconds);
        let differing = differing(&knobs, &winner.point, &second.point);
        Some(Versus { verdict, knobs: differing, terms: rows, schedule: second.schedule.clone() })
    }
}

/// The knobs in which two points differ, with both values.
fn differing(knobs: &Knobs, a: &[u16], b: &[u16]) -> Vec<[String; 3]> {
    let fits = |point: &[u16]| {
        let inside = point.iter().zip(&knobs.knobs).all(|(&value, knob)| usize::from(value) < knob.values.len());
        point.len() == knobs.knobs.len() && inside
    };
    // The model's own choice need not be a point of the space, and a log may be of another ftc.
    if !fits(a) || !fits(b) {
        return Vec::new();
    }
    let [a, b] = [a, b].map(|point| Point(point.to_vec()));
    let pairs = knobs.knobs.iter().zip(a.0.iter().zip(&b.0));
    let changed = pairs.filter(|(_, (a, b))| a != b);
    let row = |(knob, (a, b)): (&crate::space::knobs::Knob, (&u16, &u16))| {
        [knob.name.clone(), knob.values[usize::from(*a)].clone(), knob.values[usize::from(*b)].clone()]
    };
    changed.map(row).collect()
}

/// The model's terms of a schedule, and its cycles.
fn terms_of(text: &str, naive: &Kernel, platform: &Platform) -> Option<(Terms, f64)> {
    // The model of GPUs has other terms.
    let Platform::Cpu(machine) = platform else { return None };
    let mut program = Program::of(naive);
    lock::parse_schedule(text).ok()?.steps.iter().try_for_each(|step| program.apply(step)).ok()?;
    // Nests inside of others count with those.
    let outer = |&nest: &usize| !program.nests[nest].order.is_empty() && program.reader_of(nest).is_none();
    let mut sum = (Terms::default(), 0.0);
    for nest in (0..program.nests.len()).filter(outer) {
        let Terms { body, around, memory } = model::terms(&program, nest, machine);
        sum.0.body += body;
        sum.0.around += around;
        sum.0.memory += memory;
        sum.1 += model::cycles(&program, nest, platform);
    }
    Some(sum)
}

/// In a sentence.
fn verdict(terms: &[Option<(Terms, f64)>; 2], winner: f64, second: f64) -> String {
    let clock = match second / winner {
        ratio if ratio > 1.015 => format!("The clock has the winner ahead by {:.1} %.", (ratio - 1.0) * 100.0),
        ratio if ratio > 0.985 => "By the clock they are as good as equal; the simpler one is taken.".to_owned(),
        _ => "The runner-up had a better time once, and lost the final, in which both take turns.".to_owned(),
    };
    let [Some((a, cycles_a)), Some((b, cycles_b))] = terms else { return clock };
    let parts = [
        ("the innermost loops", b.body - a.body),
        ("what is around them", b.around - a.around),
        ("memory", b.memory - a.memory),
    ];
    let model = match cycles_b / cycles_a {
        ratio if ratio > 1.005 => {
            let most = parts.into_iter().fold(("", 0.0), |most, part| if part.1 > most.1 { part } else { most });
            let why = if most.0.is_empty() { String::new() } else { format!(", most of it in {}", most.0) };
            format!(" The model expects {:.1} %{why}.", (ratio - 1.0) * 100.0)
        }
        ratio if ratio < 0.995 => {
            " The model would have preferred the runner-up: only measuring shows this.".to_owned()
        }
        _ => " The model sees no difference: only measuring shows this.".to_owned(),
    };
    clock + &model
}

/// `1.23 M`
fn cycles(count: f64) -> String {
    match count {
        _ if count >= 1e6 => format!("{:.2} M", count / 1e6),
        _ if count >= 1e3 => format!("{:.1} k", count / 1e3),
        _ => format!("{count:.0}"),
    }
}

/// How alike the orders of two numbers are, from -1 to 1.
fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let ranks = |values: Vec<f64>| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
        let mut ranks = vec![0.0; values.len()];
        for (rank, at) in order.into_iter().enumerate() {
            ranks[at] = rank as f64;
        }
        ranks
    };
    let count = pairs.len() as f64;
    if pairs.len() < 2 {
        return 0.0;
    }
    let (a, b) = (ranks(pairs.iter().map(|pair| pair.0).collect()), ranks(pairs.iter().map(|pair| pair.1).collect()));
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum();
    1.0 - 6.0 * squares / (count * (count * count - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::knobs::Knob;

    #[test]
    fn orders_are_compared() {
        assert!((spearman(&[(1.0, 2.0), (2.0, 30.0), (3.0, 400.0)]) - 1.0).abs() < 1e-12);
        assert!((spearman(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]) + 1.0).abs() < 1e-12);
        assert!(spearman(&[]).abs() < 1e-12);
    }

    #[test]
    fn only_knobs_that_differ_are_shown() {
        let knobs = Knobs { knobs: vec![Knob::line("rows", [1, 2, 4]), Knob::line("vectors", [1, 2])] };
        let rows = differing(&knobs, &[2, 1], &[0, 1]);
        assert_eq!(rows, [["rows".to_owned(), "4".to_owned(), "1".to_owned()]]);
        assert!(differing(&knobs, &[], &[0, 1]).is_empty() && differing(&knobs, &[9, 0], &[0, 1]).is_empty());
    }
}
