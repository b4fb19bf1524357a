//! `ftc explain` on the command line: pages of error codes, and what a source file computes, as text or as a page for a
//! browser.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::diag::codes;
use crate::driver::explain::{self, page};
use crate::driver::suggest::nearest;
use crate::driver::{Outcome, error};

use super::args::What;
use super::commands::selection;
use super::report::Report;

/// Arguments of `ftc explain`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct ExplainArgs {
    /// An error code (E0203) or a source file; left out, all codes are listed
    #[arg(value_name = "CODE|FILE")]
    pub(super) subject: Option<String>,

    #[command(flatten)]
    pub(super) what: What,

    /// Write a page for a browser to this file
    #[arg(long, value_name = "OUT")]
    pub(super) html: Option<PathBuf>,

    /// The log of a search, to be shown on the page
    #[arg(long, value_name = "LOG", requires = "html")]
    pub(super) log: Option<PathBuf>,

    /// The machine that the page is about
    #[arg(long, default_value = "native", value_name = "TARGET")]
    pub(super) target: String,

    /// The lock that the page's schedules come from [default: ftc.lock beside the file]
    #[arg(long, value_name = "FILE", requires = "html")]
    pub(super) lock: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  ftc explain E0203        what an error means, and how to mend it
  ftc explain conv.ft      each export, stage by stage (below)
  ftc explain --export 'gemm(A: f32[64, 64], B: f32[64, 64])'
  ftc explain conv.ft --html conv.html --log conv.jsonl     a page for a browser (below)
  ftc explain              all error codes

Of each stage: its axes, and how far a step of each moves a subscript of each tensor (`dim 2 +1`);
in a sum of products, whether an axis is of the first side alone (M), the second alone (N), reduced
(K), or of all (batch); how often each element is read, and how many of them a tile of 8 along every
axis touches; the splits that decide a condition on remainders; and what may become of its result.

The page of --html stands alone: the schedule, the loops with how often each statement runs, the
machine code of the innermost one, the roofline; with the log of a search (`ftc tune --log`), also
its curve, the model against the clock, and why the winner beat the runner-up.";

/// Runs the command.
pub(super) fn run(report: &mut Report, args: &ExplainArgs) -> Outcome<()> {
    let subject = match &args.subject {
        None if args.what.exports.is_empty() => return report.print(list_of_codes()),
        None => return file(report, None, args),
        Some(subject) => subject,
    };
    if let Some(page) = codes::page(subject) {
        return report.print(page);
    }
    if !Path::new(subject).exists() && !subject.contains(['.', '/', '-']) {
        let known = codes::all();
        let near = meant(subject, &known);
        return Err(report.session.user(error::unknown_code(subject, near)));
    }
    file(report, Some(&subject.into()), args)
}

fn file(report: &mut Report, file: Option<&PathBuf>, args: &ExplainArgs) -> Outcome<()> {
    let what = selection(file, &args.what, args.lock.as_ref());
    let Some(to) = args.html.clone() else {
        let text = explain::explain(&mut report.session, &what)?;
        return report.print(text);
    };
    let (target, log) = (args.target.clone(), args.log.clone());
    page::page(&mut report.session, &page::Request { what, target, log, to: to.clone() })?;
    report.say(&format!("wrote {}", to.display()));
    Ok(())
}

/// The code that was probably meant: `E203` and `203` for `E0203`, else the nearest.
fn meant<'a>(subject: &str, known: &[&'a str]) -> Option<&'a str> {
    let padded = format!("E{:0>4}", subject.trim_start_matches(['E', 'e']));
    let exact = known.iter().find(|code| **code == padded);
    exact.copied().or_else(|| nearest(subject, known.iter().copied()))
}

fn list_of_codes() -> String {
    let title = |code: &str| {
        let line = codes::page(code).and_then(|page| page.lines().next()).unwrap_or_default();
        line.trim_start_matches('#').trim().to_owned() + "\n"
    };
    codes::all().into_iter().map(title).collect::<String>() + "\n`ftc explain CODE` says more.\n"
}
