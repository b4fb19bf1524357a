//! `ftc explain FILE --html`: one page about each export, that needs nothing else: its loops and assembly, its place under
//! the roofline, and, with the log of a search, how its schedule was found.
//!
//! What stands on it is collected here; how it looks is `page.html`'s.

mod listing;
mod roofline;
mod source;
mod tuning;

use std::path::PathBuf;

use serde::Serialize;

use self::listing::{Instruction, LoopLine};
use self::roofline::Roofline;
use self::source::Source;
use self::tuning::{Search, Shown};
use super::plot;
use crate::codegen::Form;
use crate::driver::bench::report::time;
use crate::driver::lock::{self, Key};
use crate::driver::output::{self, Output};
use crate::driver::select::{self, Selected, Selection};
use crate::driver::session::{self, Outcome, Session, Stop};
use crate::driver::tune::{error, log};
use crate::driver::variants::{self, Body, Wanted};
use crate::driver::{Lowered, generate, generate_noted, lower, machine, pack, schedules};
use crate::graph::Graph;
use crate::loops::{self, Kernel};
use crate::lower as plain;
use crate::schedule::Schedule;
use crate::syntax::ast;
use crate::target::{Machine, Platform, Target};

/// What the page is to be about.
#[derive(Clone, Debug)]
pub struct Request {
    /// The exports.
    pub what: Selection,
    /// The name of the target.
    pub target: String,
    /// The log of a search.
    pub log: Option<PathBuf>,
    /// Where the page goes.
    pub to: PathBuf,
}

/// The log of a search; empty if there is none.
#[derive(Debug, Default)]
struct Log {
    path: PathBuf,
    lines: Vec<log::Line>,
}

impl Log {
    /// Whether it is about another kernel that has the same name.
    /// The fingerprints of the kernels that were searched.
    fn forms(&self) -> Vec<String> {
        let Some(log::Line::Search(header)) = self.lines.first() else { return Vec::new() };
        header.exports.iter().map(|(_, form)| form.clone()).collect()
    }

    fn is_of_another(&self, export: &str, key: &Key) -> bool {
        let Some(log::Line::Search(header)) = self.lines.first() else { return false };
        header.exports.iter().any(|(name, form)| name == export && *form != key.form)
    }
}

/// The whole page.
#[derive(Debug, Serialize)]
struct Page {
    version: &'static str,
    target: String,
    style: &'static str,
    log: Option<String>,
    exports: Vec<Section>,
}

/// One export.
#[derive(Debug, Serialize)]
struct Section {
    name: String,
    docs: String,
    formula: String,
    analysis: String,
    schedule: String,
    /// Where the schedule comes from.
    origin: String,
    loops: Vec<LoopLine>,
    inner: Vec<Instruction>,
    assembly: String,
    roofline: Option<Roof>,
    tuning: Option<Shown>,
}

/// The roofline in words, and drawn.
#[derive(Debug, Serialize)]
struct Roof {
    plot: String,
    measured: Option<String>,
    speed: Option<String>,
    share: Option<String>,
    predicted: Option<String>,
    intensity: String,
    bound: &'static str,
    peak: String,
    bandwidth: String,
    clock: String,
}

/// Writes the page.
pub fn page(session: &mut Session, request: &Request) -> Outcome<()> {
    output::check(session, &request.to)?;
    let target = machine::target(session, &request.target)?;
    lock::open_for(session, &request.what, &target, machine::model(&target).as_ref())?;
    let log = match request.log.clone() {
        Some(path) => match log::lines(&path) {
            Ok(lines) => Log { path, lines },
            Err(why) => return Err(session.user(error::wrong_log(&path, &why))),
        },
        None => Log::default(),
    };
    let selected = select::select(session, &request.what)?;
    let mut exports = Vec::new();
    session::for_each(&selected.exports, |export| {
        exports.push(section(session, &selected, export, &target, &log)?);
        Ok(())
    })?;
    let page = Page {
        version: env!("CARGO_PKG_VERSION"),
        target: machine::model(&target)
            .map_or_else(|| target.name().to_owned(), |model| lock::target_name(&target, &model)),
        style: plot::STYLE,
        log: request.log.as_ref().map(|path| path.display().to_string()),
        exports,
    };
    let text = render(&page).map_err(|cause| Stop::Internal(format!("the page cannot be made: {cause:#}")))?;
    output::write_all(session, &[Output::new(&request.to, text)])
}

fn render(page: &Page) -> Result<String, minijinja::Error> {
    let mut pages = minijinja::Environment::new();
    pages.set_trim_blocks(true);
    pages.set_lstrip_blocks(true);
    pages.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    pages.add_template("page.html", include_str!("page.html"))?;
    pages.get_template("page.html")?.render(page)
}

fn section(
    session: &mut Session,
    selected: &Selected,
    export: &ast::Export,
    target: &Target,
    log: &Log,
) -> Outcome<Section> {
    let forms = log.forms();
    let wanted = if forms.is_empty() { Wanted::Built } else { Wanted::Logged(&forms) };
    let body = variants::of_export(session, &selected.program, export, &selected.request, target, wanted)?;
    let Body { graph, variant, block, .. } = body;
    let Lowered { kernel, schedule } = lower(session, &graph, block.as_ref(), &machine::chooser(target))?;
    let naive = plain::lower(&graph);
    let origin = origin(session, &naive, &schedule, block.is_some());
    let text = match &block {
        Some(block) => block.text(&schedule),
        None => schedules::chosen_text(&kernel.name, variant.as_deref(), target.name(), &schedule),
    };
    let source = Source::of(&session.sources, &graph, &naive);
    let (assembly, noted) = assembly(session, &kernel, target, &source)?;
    if log.is_of_another(&graph.name, &Key::of(&naive, target.name())) {
        return Err(session.user(error::wrong_log(&log.path, &format!("`{}` has changed since", graph.name))));
    }
    let search = Search::of(&log.lines, &graph.name);
    let model = machine::model(target);
    let clock = machine::clock();
    let seconds = search.seconds_of(&schedule).or_else(|| pinned_seconds(session, &naive));
    Ok(Section {
        name: graph.name.clone(),
        docs: select::docs(&selected.program, export).join("\n"),
        formula: graph.to_string(),
        analysis: super::describe(&graph),
        schedule: text,
        origin: search.beside(&schedule).map_or(origin.clone(), |other| format!("{origin}; {other}")),
        loops: listing::loops(&loops::print::print(&kernel)),
        inner: listing::inner_loop(&assembly, &noted, &source),
        assembly,
        roofline: model.as_ref().and_then(|platform| match platform {
            Platform::Cpu(machine) => Some(roof(&graph, &naive, &schedule, machine, clock, seconds)),
            Platform::Gpu(_) => None,
        }),
        tuning: model.as_ref().and_then(|platform| search.show(&naive, platform, clock)),
    })
}

/// What is called most: with `const` arguments, the function that takes them packed. As it is built, and with line
/// information.
fn assembly(session: &mut Session, kernel: &Kernel, target: &Target, source: &Source) -> Outcome<(String, String)> {
    let Target::Cpu(cpu) = target else { return Ok((String::new(), String::new())) };
    let packing = pack(session, kernel)?;
    let code = generate(session, kernel, packing.as_ref(), cpu, &[Form::Asm])?;
    let noted = generate_noted(session, kernel, packing.as_ref(), cpu, &source.places)?;
    Ok((String::from_utf8_lossy(&code[0]).into_owned(), noted))
}

/// Where a schedule comes from.
fn origin(session: &Session, naive: &Kernel, schedule: &Schedule, is_written: bool) -> String {
    if is_written {
        return "written in the source".to_owned();
    }
    let entry = session.pinned.as_ref().and_then(|pinned| {
        let entry = pinned.exact(&Key::of(naive, &pinned.target))?;
        let place = match pinned.source(naive) {
            "shipped" => "by those who made ftc".to_owned(),
            _ => format!("from {}", pinned.path.display()),
        };
        (lock::parse_schedule(&entry.schedule).ok()? == *schedule).then(|| format!("measured, {place}"))
    });
    entry.unwrap_or_else(|| "chosen by the model, without measuring".to_owned())
}

fn pinned_seconds(session: &Session, naive: &Kernel) -> Option<f64> {
    session.pinned.as_ref()?.seconds(naive)
}

fn roof(
    graph: &Graph,
    naive: &Kernel,
    schedule: &Schedule,
    machine: &Machine,
    clock: f64,
    seconds: Option<f64>,
) -> Roof {
    let roofline = Roofline::of(graph, machine, clock);
    let predicted = lock::cycles(naive, schedule, &(*machine).into()).map(|cycles| cycles / clock);
    let mut known: Vec<_> = seconds.map(|seconds| ("measured", "s1", seconds)).into_iter().collect();
    known.extend(predicted.map(|seconds| ("by the model", "s0 open", seconds)));
    let giga = |value: f64| format!("{:.0} G", value / 1e9);
    Roof {
        plot: roofline.plot(&known).svg(),
        measured: seconds.map(time),
        speed: seconds.map(|seconds| giga(roofline.flops / seconds)),
        share: seconds.map(|seconds| format!("{:.0} %", 100.0 * roofline.flops / seconds / roofline.roof())),
        predicted: predicted.map(time),
        intensity: format!("{:.1}", roofline.intensity()),
        bound: if roofline.roof() < roofline.peak { "memory" } else { "arithmetic" },
        peak: giga(roofline.peak),
        bandwidth: giga(roofline.bandwidth),
        clock: format!("{:.2}", clock / 1e9),
    }
}
