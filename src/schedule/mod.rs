//! Schedules: changes of the order and the place of computing that never change results.
//!
//! A [`Schedule`] is a list of [`Step`]s; [`apply`] gives the kernel that they make of a naive one, or says which step
//! is refused and why. It takes a kernel that verifies and gives one.
//!
//! The kernel is taken apart into nests (`nest`), each primitive changes them (one file each: `split`, `fuse`,
//! `reorder`, `parallel`, `vectorize`, `unroll`, `bind`, `store`, `stage`, `pipeline`, `tensorize`, `accumulate`, `rfactor`, `inline`,
//! `compute`), and
//! `realize` writes the loops down again. Results stay the same to the bit, but for the order in which sums are joined.

mod accumulate;
mod axes;
mod bind;
mod compute;
pub mod dot;
mod factors;
mod fuse;
mod inline;
pub mod nest;
mod parallel;
mod phases;
mod pipeline;
mod proofs;
pub mod reads;
mod realize;
mod reorder;
mod rfactor;
mod split;
mod stage;
pub mod step;
mod store;
pub mod tensorize;
mod unroll;
mod vectorize;
mod window;

pub use factors::factors;
pub use step::{Numbers, Place, Schedule, Step, Tail};
pub use store::SUFFIX;

use crate::loops::{Kernel, LoopKind};
use nest::{Form, Nest, Program, VarId};

/// Why a schedule cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {}: {message}", step + 1)]
pub struct Refused {
    /// The step, counted from 0; where what is wrong shows at the end only, the last one that made it so.
    pub step: usize,
    /// What is wrong with it: "the lanes of `k` would join …".
    pub message: String,
    /// What to do instead, where that is known.
    pub help: Option<String>,
}

/// Why a primitive does not apply.
#[derive(Clone, Debug)]
struct Refusal {
    message: String,
    help: Option<String>,
}

fn refuse<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { message: message.into(), help: Some(help.into()) })
}

/// The kernel under a schedule.
pub fn apply(kernel: &Kernel, schedule: &Schedule) -> Result<Kernel, Refused> {
    let mut program = Program::of(kernel);
    for (number, step) in schedule.steps.iter().enumerate() {
        program.apply(step).map_err(|refused| Refused { step: number, ..refused })?;
    }
    program
        .nests
        .iter()
        .try_for_each(check)
        .map_err(|refused| Refused { step: at_fault(kernel, schedule), ..refused })?;
    Ok(realize::realize(program))
}

/// The step from which on the loops could not be written down, and stayed so to the end.
fn at_fault(kernel: &Kernel, schedule: &Schedule) -> usize {
    let mut program = Program::of(kernel);
    let mut fault = 0;
    for (number, step) in schedule.steps.iter().enumerate() {
        if program.apply(step).is_ok() && program.nests.iter().all(|nest| check(nest).is_ok()) {
            fault = number + 1;
        }
    }
    fault
}

impl Program {
    /// Applies one step.
    pub fn apply(&mut self, step: &Step) -> Result<(), Refused> {
        apply_step(self, step).map_err(|Refusal { message, help }| Refused { step: 0, message, help })
    }
}

/// Once all steps are applied: whether the loops of a nest can be written down. It cannot say which step is at fault.
pub fn check(nest: &Nest) -> Result<(), Refused> {
    let checks = [
        bind::check,
        vectorize::check,
        accumulate::check,
        compute::check,
        stage::check,
        pipeline::check,
        tensorize::check,
    ];
    checks.iter().try_for_each(|check| check(nest)).map_err(|Refusal { message, help }| Refused {
        step: 0,
        message,
        help,
    })
}

fn apply_step(program: &mut Program, step: &Step) -> Result<(), Refusal> {
    match step {
        Step::Split { axis, parts, tail } => {
            let (number, var) = loop_of(program, axis)?;
            shapes(&program.nests[number])?;
            split::split(program, number, var, parts, *tail)
        }
        Step::Fuse { axes, name } => {
            on_loops(program, axes, |nest, vars| shapes(nest).and_then(|()| fuse::fuse(nest, vars, name)))
        }
        Step::Phases { axes, counts } => {
            let (number, vars) = loops_of(program, axes)?;
            phases::phases(program, number, &vars, counts)
        }
        Step::Reorder { axes } => {
            on_loops(program, axes, |nest, vars| shapes(nest).map(|()| reorder::reorder(nest, vars)))
        }
        Step::Unroll { axes } => on_loops(program, axes, unroll::unroll),
        Step::Parallel { axis } => on_loop(program, axis, parallel::parallel),
        Step::Vectorize { axis } => on_loop(program, axis, vectorize::vectorize),
        Step::Bind { axis, to } => {
            let (number, var) = loop_of(program, axis)?;
            bind::is_outermost(program, number)?;
            bind::bind(&mut program.nests[number], var, *to)
        }
        Step::Accumulate { at } => on_loop(program, at, accumulate::accumulate),
        Step::Pipeline { axis, stages } => on_loop(program, axis, |nest, var| pipeline::pipeline(nest, var, *stages)),
        Step::Tensorize { rows, columns, terms, numbers } => {
            let (number, vars) = loops_of(program, &[rows.clone(), columns.clone(), terms.clone()])?;
            bind::is_outermost(program, number)?;
            shapes(&program.nests[number])?;
            tensorize::tensorize(program, number, [vars[0], vars[1], vars[2]], *numbers)
        }
        Step::Rfactor { axis } => on_loop(program, axis, rfactor::rfactor),
        Step::Store { operand, layout } => {
            let (number, vars) = loops_of(program, layout)?;
            store::store(program, number, operand, &vars)
        }
        Step::Inline { tensor } => inline::inline(program, tensor),
        Step::Stage { operand, place, layout, scope } => {
            stage_step(program, operand, place.as_ref(), layout.as_deref(), *scope)
        }
        Step::ComputeAt { tensor, at } => {
            let (reader, at) = loop_of(program, at)?;
            compute::compute(program, tensor, reader, at)
        }
    }
}

/// What shapes loops comes before what is placed inside of them: copies, accumulators and other nests name loops as
/// they are.
fn shapes(nest: &Nest) -> Result<(), Refusal> {
    if !nest.has_places() {
        return Ok(());
    }
    refuse(
        "the loops of this nest have copies, accumulators or other nests placed in them already",
        "`split`, `fuse` and `reorder` come before `compute`, `stage` and `accumulate`",
    )
}

fn stage_step(
    program: &mut Program,
    operand: &str,
    place: Option<&Place>,
    layout: Option<&[String]>,
    scope: crate::loops::Scope,
) -> Result<(), Refusal> {
    let first = layout.and_then(|names| names.first());
    let (number, at) = match (place, first) {
        (Some(Place::Inside(name)), _) => loop_of(program, name).map(|(number, var)| (number, Some(var)))?,
        (Some(Place::Before(name)), _) => {
            let (number, var) = loop_of(program, name)?;
            let nest = &program.nests[number];
            (number, nest.position(var).and_then(|position| position.checked_sub(1)).map(|outer| nest.order[outer]))
        }
        (None, Some(name)) => (loop_of(program, name)?.0, None),
        (None, None) => (reader_of(program, operand)?, None),
    };
    let here = |name: &str| {
        let (other, var) = dim_of(program, name)?;
        if other == number {
            return Ok(var);
        }
        let ((Some(Place::Inside(anchor) | Place::Before(anchor)), _) | (None, Some(anchor))) = (place, first) else {
            return Ok(var);
        };
        refuse(format!("`{anchor}` and `{name}` are loops of different nests"), "a copy is made and read in one nest")
    };
    let layout = layout.map(|names| names.iter().map(|name| here(name)).collect()).transpose()?;
    stage::stage(program, number, stage::Request { operand, at, layout, scope })
}

/// What a dimension of a copy goes along: a loop, or the rows or columns of a warp's tile.
fn dim_of(program: &Program, name: &str) -> Result<(usize, VarId), Refusal> {
    let of_tile = |&(number, var): &(usize, VarId)| {
        program.nests[number].tensor.as_ref().is_some_and(|tile| tile.rows == var || tile.columns == var)
    };
    program.find(name).filter(of_tile).map_or_else(|| loop_of(program, name), Ok)
}

/// The only nest that reads a tensor.
fn reader_of(program: &Program, operand: &str) -> Result<usize, Refusal> {
    let reads = |&number: &usize| stage::tensor(program, &program.nests[number], operand).is_some();
    match &program.live().into_iter().filter(reads).collect::<Vec<_>>()[..] {
        [reader] => Ok(*reader),
        readers => refuse(
            format!("`{operand}` is read by {} nests", readers.len()),
            "name a loop of the nest that is meant: `stage … before …`",
        ),
    }
}

fn on_loop(
    program: &mut Program,
    name: &str,
    change: impl FnOnce(&mut Nest, VarId) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let (nest, var) = loop_of(program, name)?;
    change(&mut program.nests[nest], var)
}

/// As [`on_loop`], for several loops of one nest.
fn on_loops(
    program: &mut Program,
    names: &[String],
    change: impl FnOnce(&mut Nest, &[VarId]) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let (number, vars) = loops_of(program, names)?;
    change(&mut program.nests[number], &vars)
}

/// The loops of some names, which have to be of one nest.
fn loops_of(program: &Program, names: &[String]) -> Result<(usize, Vec<VarId>), Refusal> {
    let found: Vec<_> = names.iter().map(|name| loop_of(program, name)).collect::<Result<_, _>>()?;
    let Some(&(number, _)) = found.first() else { return refuse("no loop is named", "name the loops") };
    if let Some(other) = found.iter().position(|&(nest, _)| nest != number) {
        return refuse(
            format!("`{}` and `{}` are loops of different nests", names[0], names[other]),
            "a step changes loops of one nest",
        );
    }
    let vars: Vec<_> = found.iter().map(|&(_, var)| var).collect();
    if let Some(twice) = (0..vars.len()).find(|&at| vars[..at].contains(&vars[at])) {
        return refuse(format!("`{}` is named twice", names[twice]), "name each loop once");
    }
    Ok((number, vars))
}

/// The loop of a name.
fn loop_of(program: &Program, name: &str) -> Result<(usize, VarId), Refusal> {
    let Some((number, var)) = program.find(name) else {
        let loops = program.nests.iter().flat_map(|nest| nest.order.iter().map(|&var| nest.vars[var].name.as_str()));
        let names: Vec<_> = loops.collect();
        return refuse(format!("there is no loop `{name}`"), format!("the loops are `{}`", names.join("`, `")));
    };
    let nest = &program.nests[number];
    match &nest.vars[var].form {
        Form::Loop => Ok((number, var)),
        Form::Split { parts, .. } => {
            let parts: Vec<_> = parts.iter().map(|&part| nest.vars[part].name.as_str()).collect();
            refuse(format!("`{name}` was split"), format!("name one of its parts: `{}`", parts.join("`, `")))
        }
        Form::Fused { into, .. } => {
            let into = &nest.vars[*into].name;
            refuse(format!("`{name}` was fused into `{into}`"), format!("name `{into}`"))
        }
    }
}

/// Says how a loop runs; once.
fn set_kind(nest: &mut Nest, var: VarId, kind: LoopKind) -> Result<(), Refusal> {
    let var = &mut nest.vars[var];
    if var.kind != LoopKind::Serial {
        return refuse(format!("`{}` has a kind already", var.name), "a loop is parallel, a vector, unrolled or bound");
    }
    var.kind = kind;
    Ok(())
}
