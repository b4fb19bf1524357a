//! How well the analytic model ranks what a search measured: the trials of a log, on any machine and for any target.
//!
//! ```text
//! ftc tune FILE.ft --target cuda --log log.jsonl       on the machine with the GPU
//! cargo bench --bench log_rank -- FILE.ft log.jsonl [show]
//! ```
//!
//! For each export: the rank correlation (Spearman's) of predicted and measured times, the spread of their ratio, and the
//! time of the trial that the model likes best over the best time measured. `show` lists the trials.

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]

use std::path::Path;

use ftc::driver::lock::{cycles, parse_schedule};
use ftc::driver::select::{self, Selection};
use ftc::driver::tune::log;
use ftc::driver::{Session, instantiate};
use ftc::explore::Trial;
use ftc::lower::lower;
use ftc::target::{Platform, Target};

/// A trial: what the model says, what the clock said, and the steps.
type Measured = (f64, f64, String);

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [file, path, rest @ ..] = &arguments[..] else {
        println!("usage: cargo bench --bench log_rank -- FILE.ft LOG.jsonl [show]");
        return;
    };
    let Ok(Target::Gpu(gpu)) = Target::parse("cuda", None) else { panic!("it is a GPU") };
    let platform = Platform::from(gpu.chip());
    let past = log::read(Path::new(path)).expect("the log can be read");
    let mut session = Session::default();
    let what = Selection { file: Some(file.into()), ..Selection::default() };
    let selected = select::select(&mut session, &what).expect("the file is right");
    println!("{:14} {:>6} {:>9} {:>7} {:>9} {:>7}", "export", "trials", "spearman", "spread", "best us", "regret");
    for export in &selected.exports {
        let graph = instantiate(&mut session, &selected.program, export, &selected.request).expect("it is right");
        let naive = lower(&graph);
        let mut measured: Vec<Measured> = Vec::new();
        for ((name, text), record) in &sorted(&past) {
            if let (true, Trial::Measured(seconds)) = (*name == graph.name, &record.trial)
                && let Ok(schedule) = parse_schedule(text)
                && let Some(cycles) = cycles(&naive, &schedule, &platform)
            {
                measured.push((cycles / gpu.chip().clock / 1e3, seconds * 1e6, text.clone()));
            }
        }
        if !measured.is_empty() {
            report(&graph.name, &mut measured, rest.first().is_some_and(|word| word == "show"));
        }
    }
}

/// Trials in the order of their names and schedules.
fn sorted(past: &log::Past) -> Vec<((String, String), ftc::measure::meter::Record)> {
    let mut all: Vec<_> = past.trials.iter().map(|(key, record)| (key.clone(), record.clone())).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn report(name: &str, measured: &mut [Measured], show: bool) {
    let count = measured.len() as f64;
    measured.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut order: Vec<usize> = (0..measured.len()).collect();
    order.sort_by(|&a, &b| measured[a].0.total_cmp(&measured[b].0));
    let far: f64 = order.iter().enumerate().map(|(rank, &at)| (rank as f64 - at as f64).powi(2)).sum();
    let spearman = 1.0 - 6.0 * far / (count * (count * count - 1.0)).max(1.0);
    let logs: Vec<f64> = measured.iter().map(|(predicted, seconds, _)| (seconds / predicted).ln()).collect();
    let mean = logs.iter().sum::<f64>() / count;
    let spread = (logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / count).sqrt();
    let (best, liked) = (measured[0].1, measured[order[0]].1);
    println!("{name:14} {count:6} {spearman:9.2} {spread:7.2} {best:9.1} {:7.2}", liked / best);
    if show {
        for (predicted, seconds, text) in measured.iter() {
            let brief: Vec<_> =
                text.lines().filter(|line| line.starts_with("split") || line.starts_with("stage")).collect();
            println!("  {seconds:9.1} {predicted:9.1}  {}", brief.join("; "));
        }
    }
}
