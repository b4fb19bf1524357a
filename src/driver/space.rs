//! `ftc space FILE`: the schedules that could be chosen for each export. First the steps that are no choice; then for each
//! nest its knobs, how many points are schedules and why others are not, and what the model likes best.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::choose::{EVALUATIONS, Judge};
use super::error::no_model;
use super::machine;
use super::select::{self, Selection};
use super::session::{self, Outcome, Session};
use super::variants::{self, Wanted};
use crate::explore::spread;
use crate::lower;
use crate::schedule::nest::Program;
use crate::space::{self, NestSpace};
use crate::target::Platform;

/// Points that are looked at, to say what becomes of them.
const SAMPLE: usize = 20_000;

/// The spaces of every export that is selected.
pub fn space(session: &mut Session, what: &Selection, target: &str) -> Outcome<String> {
    let parsed = machine::target(session, target)?;
    let Some(model) = machine::model(&parsed) else { return Err(session.user(no_model(target))) };
    let selected = select::select(session, what)?;
    let mut texts = Vec::new();
    session::for_each(&selected.exports, |export| {
        let body = variants::of_export(session, &selected.program, export, &selected.request, &parsed, Wanted::Built)?;
        let mut program = Program::of(&lower::lower(&body.graph));
        let variant = body.variant.map_or(String::new(), |variant| format!(" as {variant}"));
        let mut text = format!("{}{variant} for {target}\n", body.graph.name);
        for step in space::fixed(&mut program, &model) {
            let _ = writeln!(text, "  {step}");
        }
        for nest in program.live() {
            if !program.nests[nest].order.is_empty() {
                text += &of_nest(&mut program, nest, &model);
            }
        }
        text += &stored(&mut program, &model);
        texts.push(text);
        Ok(())
    })?;
    Ok(texts.join("\n"))
}

/// What there is where operands are stored in another order first; nothing where all lie well.
fn stored(program: &mut Program, platform: &Platform) -> String {
    let mut text = String::new();
    for nest in program.live().into_iter().filter(|&nest| !program.nests[nest].order.is_empty()).collect::<Vec<_>>() {
        let (stores, known) = (NestSpace::stores(program, nest, platform), program.nests.len());
        if stores.is_empty() || stores.iter().any(|step| program.apply(step).is_err()) {
            continue;
        }
        text += "\nor, with operands stored first:\n";
        text.extend(stores.iter().map(|step| format!("  {step}\n")));
        for nest in (known..program.nests.len()).chain([nest]) {
            text += &of_nest(program, nest, platform);
        }
    }
    text
}

fn of_nest(program: &mut Program, nest: usize, platform: &Platform) -> String {
    let name = program.kernel.buffers[program.nests[nest].buffer].name.clone();
    let mut judge = Judge::of(program, nest, platform);
    let knobs = judge.space.knobs.clone();
    let mut text = format!("\nnest of `{name}`: {} knobs, {:.1e} points\n", knobs.knobs.len(), knobs.size() as f64);
    let widest = knobs.knobs.iter().map(|knob| knob.name.len()).max().unwrap_or(0);
    for knob in &knobs.knobs {
        let _ = writeln!(text, "  {:widest$}  {}", knob.name, knob.values.join(" | "));
    }
    let _ = writeln!(text, "  {}", becomes(&mut judge));
    match judge.choice(EVALUATIONS) {
        Some((point, cycles)) => {
            text + &format!("  the model's choice, {:.2} million cycles: {}\n", cycles / 1e6, knobs.show(&point))
        }
        None => text + "  the model likes the plain loops best\n",
    }
}

/// What becomes of points that are spread over a space.
fn becomes(judge: &mut Judge<'_>) -> String {
    let space: NestSpace = judge.space.clone();
    let points = if space.knobs.size() <= SAMPLE as u128 {
        (0..space.knobs.size()).map(|index| space.knobs.point(index)).collect()
    } else {
        spread(&space.knobs, SAMPLE)
    };
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut schedules = 0;
    for point in &points {
        match space.steps(point) {
            Err(rejected) => *counts.entry(rejected.kind).or_default() += 1,
            Ok(_) if judge.cost(point).is_none() => *counts.entry("refused by a step").or_default() += 1,
            Ok(_) => schedules += 1,
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|&(kind, count)| (std::cmp::Reverse(count), kind));
    let left_out: Vec<_> = counts.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let left_out = if left_out.is_empty() { String::new() } else { format!("; left out: {}", left_out.join(", ")) };
    format!("of {} points spread over it {schedules} are schedules{left_out}", points.len())
}
