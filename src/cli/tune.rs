//! `ftc tune` on the command line: its arguments, progress on standard error, what was found on standard output.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::driver::Outcome;
use crate::driver::bench::report::time;
use crate::driver::tune::notes::Status;
use crate::driver::tune::search::Tuned;
use crate::driver::tune::{self, Earlier, Event, Request, Start};

use super::args::{Rounding, What};
use super::commands::selection;
use super::report::Report;

/// Arguments of `ftc tune`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct TuneArgs {
    /// Source file; left out, `--export` calls functions of the standard library
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub what: What,

    /// The machine to compile for, which must be this one
    #[arg(long, default_value = "native", value_name = "TARGET")]
    pub target: String,

    #[command(flatten)]
    pub rounding: Rounding,

    /// What may be spent on all exports together
    #[arg(long, default_value = "1m", value_name = "30s|5m|200trials")]
    pub budget: String,

    /// How to search: auto q p anneal random exhaustive model
    #[arg(long, default_value = "auto", value_name = "METHOD")]
    pub search: String,

    /// Seed of the search and of the inputs
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// Threads of each kernel [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// The lock to read and to write [default: ftc.lock beside the file]
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Write every trial to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,

    /// Go on with the search of the log, which may have been cut off
    #[arg(long, requires = "log")]
    pub resume: bool,

    /// Repeat the search of this log without measuring anything
    #[arg(long, value_name = "LOG", conflicts_with = "resume")]
    pub replay: Option<PathBuf>,

    /// Start where the model says, not where searches of the same or similar kernels ended
    #[arg(long)]
    pub fresh: bool,
}

const HELP: &str = "\
Examples:
  ftc tune conv.ft --budget 2m
  ftc tune --export 'gemm(A: f32[512, 512], B: f32[512, 512])' --budget 200trials --seed 1
  ftc tune conv.ft --log conv.jsonl            and after a crash: the same with --resume
  ftc tune conv.ft --replay conv.jsonl --log again.jsonl

Every candidate is compiled, checked and timed in a process of its own. A winner is compared with the
definition before it goes into the lock, which `ftc build` reads. Ctrl-C ends the search early; what
was found until then is kept.";

/// Runs the command.
pub(super) fn run(report: &mut Report, args: &TuneArgs) -> Outcome<()> {
    let past = match (&args.replay, args.resume) {
        (Some(path), _) => Earlier::Replay(path.clone()),
        (None, true) => Earlier::Resume,
        (None, false) => Earlier::None,
    };
    let request = Request {
        what: selection(args.file.as_ref(), &args.what, args.lock.as_ref()),
        target: args.rounding.of(&args.target),
        budget: args.budget.clone(),
        search: args.search.clone(),
        seed: args.seed,
        threads: args.threads.map(usize::from),
        log: args.log.clone(),
        past,
        start: if args.fresh { Start::Fresh } else { Start::Known },
    };
    // The session is lent to the driver, the report to what it tells on the way.
    let mut session = std::mem::take(&mut report.session);
    let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template("{bar:16} {msg}").expect("the template is fixed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message("preparing");
    let mut printed = Ok(());
    let done = tune::tune(&mut session, &request, &mut |event| match event {
        Event::Status(status) => {
            bar.set_position((status.used.min(1.0) * 1000.0) as u64);
            bar.set_message(line(status));
        }
        Event::Done(tuned) if printed.is_ok() => printed = bar.suspend(|| report.print(result(tuned))),
        Event::Done(_) => {}
    });
    bar.finish_and_clear();
    session.diagnostics.append(&mut report.session.diagnostics);
    report.session = session;
    done.and(printed)
}

/// `gemm: 1.23 ms, 3.4 times the first; 120 trials, 9.8/s; 30 s left; 380 points refused: …`
pub(super) fn line(status: &Status) -> String {
    let best = match (status.best, status.first) {
        (Some(best), Some(first)) => format!("{}, {:.2} times the first", time(best), first / best),
        _ => "nothing yet".to_owned(),
    };
    let elapsed = status.elapsed.as_secs_f64();
    let rate = status.trials as f64 / elapsed.max(1e-3);
    let left = if status.used > 0.01 { elapsed / status.used * (1.0 - status.used) } else { 0.0 };
    let refused = reasons(&status.reasons);
    format!("{}: {best}; {} trials, {rate:.1}/s; {left:.0} s left{refused}", status.export, status.trials)
}

/// `; 412 refused: 380 registers, 32 same`, or nothing.
fn reasons(reasons: &std::collections::BTreeMap<String, usize>) -> String {
    let all: usize = reasons.values().sum();
    let mut most: Vec<_> = reasons.iter().collect();
    most.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), (*kind).clone()));
    let most: Vec<_> = most.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    if all == 0 { String::new() } else { format!("; {all} refused: {}", most.join(", ")) }
}

/// The lines of an export that is done.
fn result(tuned: &Tuned) -> String {
    let gained = tuned.first.map_or(String::new(), |first| format!(", the model's choice {}", time(first)));
    let first = format!(
        "{}: {}{gained}; {} trials in {:.0} s{}\n",
        tuned.entry.export,
        time(tuned.entry.seconds),
        tuned.trials,
        tuned.took,
        reasons(&tuned.reasons)
    );
    let faster = tuned.rival.as_ref().filter(|rival| rival.seconds < tuned.entry.seconds);
    let stays = faster.map(|rival| format!("  another body takes {}, and stays what is built\n", time(rival.seconds)));
    let refused = tuned.refused.iter();
    let refused = refused.map(|reason| format!("  a faster one was not taken: {}: {}\n", reason.kind, reason.detail));
    std::iter::once(first).chain(stays).chain(refused).collect()
}
