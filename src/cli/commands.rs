//! One function a command: its arguments to the driver, the driver's answer to the screen.

use std::path::{Path, PathBuf};

use crate::driver::build::{self, Built, Destination};
use crate::driver::doctor::{self, Finding, State};
use crate::driver::format::{self, Formatted};
use crate::driver::select::Selection;
use crate::driver::{self, Outcome, Stop, files, machine, run, session, tune};

use super::args::{BuildArgs, CheckArgs, FmtArgs, RunArgs, SpaceArgs, What};
use super::report::Report;

pub(super) fn check(report: &mut Report, args: &CheckArgs) -> Outcome<()> {
    session::for_each(&args.files, |path| driver::check(&mut report.session, path))
}

pub(super) fn build(report: &mut Report, args: &BuildArgs) -> Outcome<()> {
    let to = if args.output == Path::new("-") { Destination::Stdout } else { Destination::Folder(args.output.clone()) };
    let request = build::Request {
        what: selection(args.file.as_ref(), &args.what, args.lock.as_ref()),
        target: args.rounding.of(&args.target),
        emit: args.emit.clone(),
        to,
        name: args.name.clone(),
    };
    match build::build(&mut report.session, &request)? {
        Built::Text(text) => report.print(text),
        Built::Files(files) => {
            report.wrote(&files);
            Ok(())
        }
    }
}

pub(super) fn run(report: &mut Report, args: &RunArgs) -> Outcome<()> {
    let request = run::Request {
        what: selection(args.file.as_ref(), &args.what, args.lock.as_ref()),
        call: args.call.clone(),
        inputs: args.inputs.clone(),
        outputs: args.outputs.clone(),
        target: args.rounding.of(&args.target),
    };
    let shown = run::run(&mut report.session, &request)?;
    report.print(shown)
}

pub(super) fn space(report: &mut Report, args: &SpaceArgs) -> Outcome<()> {
    let text = driver::space::space(
        &mut report.session,
        &selection(args.file.as_ref(), &args.what, None),
        &args.rounding.of(&args.target),
    )?;
    report.print(text)
}

pub(super) fn fmt(report: &mut Report, args: &FmtArgs) -> Outcome<()> {
    session::for_each(&args.files, |path| {
        if args.check {
            return fmt_check(report, path);
        }
        if files::is_stdin(path) {
            return fmt_stdin(report, path);
        }
        if format::rewrite(&mut report.session, path)? {
            report.say(&format!("formatted {}", path.display()));
        }
        Ok(())
    })
}

fn fmt_check(report: &mut Report, path: &Path) -> Outcome<()> {
    match format::format(&mut report.session, path)? {
        (_, Formatted::Unchanged) => Ok(()),
        (file, Formatted::Changed(_)) => {
            let line = format!("{}\n", report.session.sources.file(file).name);
            report.print(line)?;
            Err(Stop::User)
        }
    }
}

fn fmt_stdin(report: &mut Report, path: &Path) -> Outcome<()> {
    let text = match format::format(&mut report.session, path)? {
        (file, Formatted::Unchanged) => report.session.sources.file(file).text.clone(),
        (_, Formatted::Changed(text)) => text,
    };
    report.print(text)
}

pub(super) fn worker(report: &mut Report) -> Outcome<()> {
    tune::work(&mut report.session)
}

pub(super) fn targets(report: &mut Report) -> Outcome<()> {
    let lines = machine::targets().into_iter().map(|(name, about)| format!("{name:<18} {about}\n"));
    report.print(lines.collect::<String>())
}

pub(super) fn doctor(report: &mut Report) -> Outcome<()> {
    let findings = doctor::examine();
    let lacking = findings.iter().any(|finding| matches!(finding.state, State::Missing(_)));
    report.print(findings.iter().map(line).collect::<String>())?;
    if lacking { Err(Stop::Environment) } else { Ok(()) }
}

fn line(finding: &Finding) -> String {
    let Finding { name, state, detail, purpose } = finding;
    let (mark, remedy) = match state {
        State::Found => ("ok     ", None),
        State::Missing(remedy) => ("MISSING", Some(remedy)),
        State::Absent(remedy) => ("absent ", Some(remedy)),
    };
    let remedy = remedy.map(|remedy| format!("        {:<17} needed for {purpose}: {remedy}\n", ""));
    format!("{mark} {name:<17} {detail}\n{}", remedy.unwrap_or_default())
}

pub(super) fn selection(file: Option<&PathBuf>, what: &What, lock: Option<&PathBuf>) -> Selection {
    Selection {
        file: file.cloned(),
        exports: what.exports.clone(),
        set: what.set.clone(),
        variants: what.variants.clone(),
        lock: lock.cloned(),
    }
}
