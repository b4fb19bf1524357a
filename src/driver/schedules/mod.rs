//! Schedules that are written in files: which one is for an export, and what becomes of the export's loops.
//!
//! ```text
//! program, export, target ──find──> block ──apply──> kernel, or what is wrong with a step
//! ```
//!
//! The steps themselves are `schedule`'s; it refuses a step in its own words, which get their places in the source here.

pub mod error;
mod fit;
mod holes;
mod scope;
mod steps;

pub use steps::schedule as steps_of;

use crate::diag::{Code, Diagnostic};
use crate::loops::{self, Kernel};
use crate::lower;
use crate::schedule::{self, Refused, Schedule, Step};
use crate::sema::{self, Program, Request};
use crate::source::Span;
use crate::syntax::ast::{self, StepKind};
use crate::target::{Host, Platform, Target, TargetError};

use scope::Scope;

use super::select;
use super::suggest::nearest;

/// A schedule from a file, for one export.
#[derive(Clone, Debug)]
pub struct Block<'p> {
    /// Where it is written.
    written: &'p ast::Schedule,
    /// What it is for.
    function: Option<&'p ast::Function>,
    /// Its steps.
    steps: Schedule,
}

/// The block for an export on a target, if there is one. Those of the export come before those of its function, and those
/// of the root file before those beside the function; among them, the more the target of a block asks for, the better.
/// A block that names a variant is there for that one alone.
pub fn find<'p>(
    program: &'p Program,
    export: &ast::Export,
    request: &Request,
    target: &Target,
    host: Option<&Host>,
) -> Option<Block<'p>> {
    let is_about = |written: &ast::Schedule| match &written.variant {
        Some(variant) => request.variants.is_empty() || request.variants.contains(&variant.name),
        None => true,
    };
    let groups = program.schedules(select::symbol(export), &export.function.name);
    let best = |group: Vec<&'p ast::Schedule>| {
        let about = group.into_iter().filter(|written| is_about(written));
        let fitting = about.filter_map(|written| Some((fit::fit(written, target, host)?, written)));
        // The first of equals.
        fitting.rev().max_by_key(|(fit, _)| *fit).map(|(_, written)| written)
    };
    let written = groups.into_iter().find_map(best)?;
    Some(Block::new(program, export, written))
}

impl<'p> Block<'p> {
    fn new(program: &'p Program, export: &ast::Export, written: &'p ast::Schedule) -> Self {
        let function = program.function(&export.function.name);
        Self { written, function, steps: steps::schedule(written) }
    }

    /// Its steps.
    pub const fn schedule(&self) -> &Schedule {
        &self.steps
    }

    /// The variant that it is about; the first body if none.
    pub fn variant(&self) -> Option<&'p str> {
        self.written.variant.as_ref().map(|variant| variant.name.as_str())
    }

    /// As `--emit schedule` writes it, with the numbers that `schedule` has in its holes.
    pub fn text(&self, schedule: &Schedule) -> String {
        let target = self.written.target.as_ref().map(|target| target.name.as_str());
        text(&self.written.function.name, self.variant(), target, &schedule.to_string())
    }

    /// The block with numbers in its holes, as the model likes them best for a platform.
    pub fn fill(&self, naive: &Kernel, platform: Option<&Platform>) -> Result<Self, Diagnostic> {
        let Some(&(step, hole)) = self.holes().first() else { return Ok(self.clone()) };
        // What is wrong in front of the first hole is so whatever stands in it.
        self.apply_first(naive, step)?;
        let platform = platform.ok_or_else(|| error::hole(hole, self.span(step)))?;
        let filled = holes::fill(naive, &self.steps, platform);
        let steps = filled.ok_or_else(|| error::nothing_fits(hole, self.span(step)))?;
        Ok(Self { steps, ..self.clone() })
    }

    /// Applies the steps to the plain loops of the export.
    pub fn apply(&self, naive: &Kernel) -> Result<Kernel, Diagnostic> {
        self.apply_first(naive, self.steps.steps.len())
    }

    /// Applies the first `count` steps.
    fn apply_first(&self, naive: &Kernel, count: usize) -> Result<Kernel, Diagnostic> {
        let prefix = Schedule { steps: self.steps.steps[..count].to_vec() };
        self.check_first_parts(naive, &prefix)?;
        schedule::apply(naive, &prefix).map_err(|refused| self.refused(naive, &refused))
    }

    /// Compares the first parts of splits that are numbers with what the others leave.
    fn check_first_parts(&self, naive: &Kernel, prefix: &Schedule) -> Result<(), Diagnostic> {
        let mut scope = Scope::of(naive);
        for (step, written) in prefix.steps.iter().zip(&self.written.steps) {
            if let (Step::Split { axis, .. }, StepKind::Split { parts, .. }) = (step, &written.kind)
                && let Some(part @ ast::Part { extent: Some(first), .. }) = parts.first()
                && let (Some(extent), Some(right)) = (scope.extent(axis), scope.first_part(step))
                && *first != right
            {
                return Err(error::wrong_first_part(part, extent, right, self.origins(&scope, written)));
            }
            scope.advance(step);
        }
        Ok(())
    }

    /// A refused step as it is shown: with its place, and those of what it names.
    pub fn refused(&self, naive: &Kernel, refused: &Refused) -> Diagnostic {
        let step = refused.step;
        let Some(written) = self.written.steps.get(step) else {
            return error::refused_as_a_whole(self.written.function.span, refused);
        };
        let mut scope = Scope::of(naive);
        self.steps.steps[..step].iter().for_each(|step| scope.advance(step));
        let unknown = self.unknown_name(&scope, written);
        unknown.unwrap_or_else(|| error::refused(written.span, refused, self.origins(&scope, written)))
    }

    /// The holes, each with its step.
    fn holes(&self) -> Vec<(usize, Span)> {
        let mut holes = Vec::new();
        for (index, step) in self.written.steps.iter().enumerate() {
            if let StepKind::Split { parts, .. } = &step.kind {
                let open = parts.iter().skip(1).filter(|part| part.extent.is_none());
                holes.extend(open.map(|part| (index, part.span)));
            }
        }
        holes
    }

    /// The step that asks for what a backend refused with this code.
    pub fn culprit(&self, code: &Code) -> Option<Span> {
        let is_shared = |step: &Step| matches!(step, Step::Stage { scope: loops::Scope::Shared, .. });
        let is_gpus = |step: &Step| {
            matches!(step, Step::Bind { .. } | Step::Pipeline { .. } | Step::Tensorize { .. }) || is_shared(step)
        };
        let at = match code.0 {
            "E0802" => self.steps.steps.iter().position(is_gpus),
            "E0812" => self.steps.steps.iter().position(is_shared),
            _ => None,
        };
        at.map(|step| self.span(step))
    }

    fn span(&self, step: usize) -> Span {
        self.written.steps.get(step).map_or(self.written.span, |step| step.span)
    }

    /// Where the formula introduces what a step names.
    fn origins(&self, scope: &Scope, step: &ast::Step) -> Vec<(Span, String)> {
        let mut origins: Vec<(Span, String)> = Vec::new();
        for (name, sort) in steps::names(&step.kind) {
            for origin in self.origins_of(scope, &name.name, sort) {
                if !origins.contains(&origin) {
                    origins.push(origin);
                }
            }
        }
        origins
    }

    /// Where the formula introduces a loop's axes, or a tensor.
    fn origins_of(&self, scope: &Scope, name: &str, sort: steps::Sort) -> Vec<(Span, String)> {
        let Some(function) = self.function else { return Vec::new() };
        match sort {
            steps::Sort::Axis => {
                let sources = scope.sources(name);
                sources.iter().filter_map(|axis| sema::origin_of_axis(function, axis)).collect()
            }
            steps::Sort::Tensor => sema::origin_of_tensor(function, name).into_iter().collect(),
        }
    }

    /// The first name of a step that is not there.
    fn unknown_name(&self, scope: &Scope, step: &ast::Step) -> Option<Diagnostic> {
        let axes: Vec<_> = scope.axes.iter().map(|(name, _)| name.clone()).collect();
        steps::names(&step.kind).into_iter().find_map(|(name, sort)| {
            let known = match sort {
                steps::Sort::Axis => &axes,
                steps::Sort::Tensor => &scope.tensors,
            };
            if known.contains(&name.name) {
                return None;
            }
            Some(match scope.fate(&name.name) {
                Some((fate, now)) => {
                    let origins = self.origins_of(scope, &name.name, sort);
                    error::gone(name, sort.word(), known, (fate, &now), origins)
                }
                None => error::unknown_name(name, sort.word(), known),
            })
        })
    }
}

/// `schedule name as variant for target { steps }`, for lines of steps.
fn text(name: &str, variant: Option<&str>, target: Option<&str>, steps: &str) -> String {
    let variant = variant.map_or(String::new(), |variant| format!(" as {variant}"));
    let target = target.map_or(String::new(), |target| format!(" for {target}"));
    let steps: Vec<_> = steps.lines().map(|line| format!("    {line}\n")).collect();
    if steps.is_empty() {
        return format!("schedule {name}{variant}{target} {{}}\n");
    }
    format!("schedule {name}{variant}{target} {{\n{}}}\n", steps.concat())
}

/// What `--emit schedule` writes for an export that no block is for: what was chosen.
pub fn chosen_text(symbol: &str, variant: Option<&str>, target: &str, chosen: &Schedule) -> String {
    text(symbol, variant, Some(target), &chosen.to_string())
}

/// What is wrong with the blocks of the root file whatever their steps do: names, targets, repetitions.
pub fn check(program: &Program, host: Option<&Host>) -> Vec<Diagnostic> {
    let exports: Vec<_> = sema::exports(program).iter().map(|export| select::symbol(export).to_owned()).collect();
    let functions = program.function_names();
    let known: Vec<&str> = exports.iter().map(String::as_str).chain(functions).collect();
    let blocks = program.own_schedules();
    let mut found = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let name = &block.function;
        if !known.contains(&name.name.as_str()) {
            found.push(error::unknown_function(name, nearest(&name.name, known.iter().copied())));
        }
        let variants = program.variant_names();
        if let Some(written) = block.variant.as_ref().filter(|written| !variants.contains(&written.name.as_str())) {
            found.push(error::unknown_variant(written, &variants));
        }
        if let Some(written) = &block.target
            && let Err(TargetError::Unknown { nearest, .. }) = Target::parse(&written.name, host)
        {
            found.push(error::unknown_target(written, &nearest));
        }
        let is_same = |other: &&&ast::Schedule| {
            let is_named = |name: &Option<ast::Ident>, other: &Option<ast::Ident>| {
                name.as_ref().map(|name| &name.name) == other.as_ref().map(|name| &name.name)
            };
            other.function.name == name.name
                && is_named(&other.variant, &block.variant)
                && is_named(&other.target, &block.target)
        };
        if let Some(first) = blocks[..index].iter().find(is_same) {
            found.push(error::two_blocks(block, first));
        }
    }
    found
}

/// What is wrong with the steps of the blocks of the root file, as far as its exports show: each block is applied, up to
/// its first hole, to the first export that it may be for.
pub fn try_all(program: &Program) -> Vec<Diagnostic> {
    let own = program.own_schedules();
    let mut done: Vec<Span> = Vec::new();
    let mut found = Vec::new();
    for export in sema::exports(program) {
        let groups = program.schedules(select::symbol(&export), &export.function.name);
        let open: Vec<_> = groups
            .into_iter()
            .flatten()
            .filter(|block| !done.contains(&block.span) && own.iter().any(|known| known.span == block.span))
            .collect();
        if open.is_empty() {
            continue;
        }
        for written in open {
            done.push(written.span);
            let variants = written.variant.iter().map(|variant| variant.name.clone()).collect();
            let request = Request { variants, ..Request::default() };
            // What is wrong with the export was said.
            let Ok(graph) = sema::instantiate(program, &export, &request) else { continue };
            let naive = lower::lower(&graph);
            let block = Block::new(program, &export, written);
            let known = block.holes().first().map_or(block.steps.steps.len(), |&(step, _)| step);
            found.extend(block.apply_first(&naive, known).err());
        }
    }
    found
}
