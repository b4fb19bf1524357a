//! `ftc bench` on the command line: its arguments, a table on standard output, progress on standard error.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::driver::Outcome;
use crate::driver::bench::{self, Event, Request};

use super::args::Rounding;
use super::report::Report;

/// Arguments of `ftc bench`.
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(super) struct BenchArgs {
    /// The suite: a JSON file of workloads
    pub suite: PathBuf,

    /// The machine to compile for, which must be this one
    #[arg(long, default_value = "native", value_name = "TARGET")]
    pub target: String,

    #[command(flatten)]
    pub rounding: Rounding,

    /// Measure these operators only
    #[arg(long, value_name = "OP,…", value_delimiter = ',')]
    pub ops: Vec<String>,

    /// Measure the workloads only whose names match this regular expression
    #[arg(long, value_name = "REGEX")]
    pub filter: Option<String>,

    /// Time another implementation beside ours, with as many threads; FTC_PYTHON names its Python
    #[arg(long, value_name = "torch")]
    pub peer: Option<String>,

    /// Threads of each kernel [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,

    /// Search for a schedule of each workload first, and spend so much on each
    #[arg(long, value_name = "20s|200trials")]
    pub budget: Option<String>,

    /// How to search: auto q p anneal random exhaustive model
    #[arg(long, default_value = "auto", value_name = "METHOD")]
    pub search: String,

    /// Go by the schedules of this lock, in the place of those that come with ftc; with a budget, those that are found go
    /// there too
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,

    /// Pack the operators' weights once, before the calls that are timed
    #[arg(long)]
    pub const_weights: bool,

    /// Compile this variant of an operator where it applies; may be given several times, the first that applies counts
    #[arg(long = "variant", value_name = "NAME")]
    pub variants: Vec<String>,

    /// Seed of the random inputs
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// Write the results to this file
    #[arg(long, value_name = "OUT")]
    pub json: Option<PathBuf>,

    /// Write each workload's inputs and outputs to NAME.inI.npy and NAME.outI.npy in this folder
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,

    /// Also write these artefacts of each workload: graph loops llvm asm obj archive lib header python
    #[arg(long, value_name = "KIND,…", value_delimiter = ',')]
    pub emit: Vec<String>,

    /// Folder for the artefacts
    #[arg(short, long, default_value = ".", value_name = "DIR")]
    pub output: PathBuf,
}

const HELP: &str = "\
Examples:
  ftc bench suite.json
  ftc bench suite.json --ops gemm,gemv --json rows.json
  ftc bench suite.json --budget 20s --lock suite.lock
  ftc bench suite.json --filter '^C2D' --peer torch --threads 2

A workload of a suite is {\"name\": \"GMM512\", \"op\": \"gemm\", \"dtype\": \"f32\",
\"params\": {\"M\": 512, \"K\": 512, \"N\": 512}}; `op` is a public function of the standard library.

Times are medians of up to 15 samples after a warm-up; inputs are random. `error` is the greatest
max |a - b| / max(|b|, s) of an output against the definition in f64, s being the root mean square.
`ratio` is the peer's time divided by ours: above 1 we are faster.

With --const-weights, the inputs are `const` that the operator's `workload` attribute in the standard
library lists as weights: the filters of a convolution, the W of `bilinear`. They are packed before,
as a network does when it is loaded, and a call takes them packed. The peer gets them as ever.";

/// Runs the command.
pub(super) fn run(report: &mut Report, args: &BenchArgs) -> Outcome<()> {
    let request = Request {
        suite: args.suite.clone(),
        target: args.rounding.of(&args.target),
        ops: args.ops.clone(),
        filter: args.filter.clone(),
        peer: args.peer.clone(),
        python: bench::peer::python(),
        threads: args.threads.map(usize::from),
        seed: args.seed,
        budget: args.budget.clone(),
        search: args.search.clone(),
        lock: args.lock.clone(),
        const_weights: args.const_weights,
        variants: args.variants.clone(),
        json: args.json.clone(),
        dump: args.dump.clone(),
        emit: args.emit.clone(),
        output: args.output.clone(),
    };
    // The session is lent to the driver, the report to what it tells on the way.
    let mut session = std::mem::take(&mut report.session);
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let mut printed = Ok(());
    let done = bench::bench(&mut session, &request, &mut |event| {
        let line = advance(&bar, &event);
        if let Event::Note(text) = event {
            bar.suspend(|| report.note(text));
        }
        if let Some(line) = line
            && printed.is_ok()
        {
            printed = bar.suspend(|| report.print(line + "\n"));
        }
    });
    bar.finish_and_clear();
    session.diagnostics.append(&mut report.session.diagnostics);
    report.session = session;
    done.and(printed)
}

/// Moves the progress bar; gives the line of the table that is to be printed.
fn advance(bar: &ProgressBar, event: &Event<'_>) -> Option<String> {
    match event {
        Event::Start(count, table) => {
            bar.set_length(*count as u64);
            let style = ProgressStyle::with_template("{bar:20} {pos}/{len} {msg} {elapsed}");
            bar.set_style(style.expect("the template is fixed"));
            bar.enable_steady_tick(Duration::from_millis(200));
            Some(table.header())
        }
        Event::Note(_) => None,
        Event::Workload(name) => {
            bar.set_message((*name).to_owned());
            None
        }
        Event::Row(row, table) => {
            bar.inc(1);
            Some(table.row(row))
        }
        Event::End(report, table) => Some(table.footer(&report.summary)),
    }
}
