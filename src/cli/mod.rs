//! The command line: arguments in, text and an exit code out. What a command does is `driver`'s; here is how it is
//! asked for (`args`) and how its results and complaints are shown (`report`, `commands`).
//!
//! Exit codes: 0 done; 1 something in the user's input is wrong; 2 something on this machine is missing, forbidden or
//! full; 101 a bug of ftc.

mod args;
mod bench;
mod commands;
mod crash;
mod explain;
mod report;
mod tune;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use report::Report;

/// Done.
const DONE: u8 = 0;
/// The user's input is wrong.
const USER: u8 = 1;
/// The machine lacks something.
const ENVIRONMENT: u8 = 2;
/// A bug of ftc.
const BUG: u8 = 101;

/// Runs the program `ftc` on the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => {
            // Help and version are no errors, and a closed pipe is no reason to complain.
            let _ = usage.print();
            return ExitCode::from(if usage.use_stderr() { USER } else { DONE });
        }
    };
    ExitCode::from(crash::guard(move || dispatch(&cli)))
}

fn dispatch(cli: &Cli) -> u8 {
    let mut report = Report::new(cli.common);
    let outcome = match &cli.command {
        Command::Check(args) => commands::check(&mut report, args),
        Command::Build(args) => commands::build(&mut report, args),
        Command::Run(args) => commands::run(&mut report, args),
        Command::Explain(args) => explain::run(&mut report, args),
        Command::Space(args) => commands::space(&mut report, args),
        Command::Bench(args) => bench::run(&mut report, args),
        Command::Fmt(args) => commands::fmt(&mut report, args),
        Command::Tune(args) => tune::run(&mut report, args),
        Command::Worker => commands::worker(&mut report),
        Command::Targets => commands::targets(&mut report),
        Command::Doctor => commands::doctor(&mut report),
    };
    report.finish(&outcome)
}
