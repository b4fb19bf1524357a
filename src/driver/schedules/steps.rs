//! Steps as they are written to steps as data.

use crate::loops::{LoopKind, Scope};
use crate::schedule::{Numbers, Place, Schedule, Step, Tail};
use crate::syntax::ast::{self, Ident, StepKind};

/// What a name in a step stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// A loop.
    Axis,
    /// A tensor.
    Tensor,
}

impl Sort {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Axis => "axis",
            Self::Tensor => "tensor",
        }
    }
}

/// The steps of a block. What did not parse is left out, so of a block that did, there are as many as were written.
pub fn schedule(written: &ast::Schedule) -> Schedule {
    Schedule { steps: written.steps.iter().filter_map(|written| step(&written.kind)).collect() }
}

fn step(kind: &StepKind) -> Option<Step> {
    let text = |name: &Ident| name.name.clone();
    let texts = |names: &[Ident]| names.iter().map(text).collect::<Vec<_>>();
    Some(match kind {
        StepKind::Split { axis, parts, tail } => Step::Split {
            axis: text(axis),
            parts: parts.iter().skip(1).map(|part| part.extent).collect(),
            tail: tail.as_ref().map_or(Tail::Peel, tail_of),
        },
        StepKind::Fuse { axes, name } => Step::Fuse { axes: texts(axes), name: text(name) },
        StepKind::Phases { axes, counts } => {
            Step::Phases { axes: texts(axes), counts: counts.iter().filter_map(|count| count.extent).collect() }
        }
        StepKind::Reorder(axes) => Step::Reorder { axes: texts(axes) },
        StepKind::Parallel(axis) => Step::Parallel { axis: text(axis) },
        StepKind::Vectorize(axis) => Step::Vectorize { axis: text(axis) },
        StepKind::Unroll(axes) => Step::Unroll { axes: texts(axes) },
        StepKind::Bind { axis, to } => Step::Bind { axis: text(axis), to: coordinate_of(to) },
        StepKind::Store { operand, layout } => Step::Store { operand: text(operand), layout: texts(layout) },
        StepKind::Stage { operand, place, layout, scope } => Step::Stage {
            operand: text(operand),
            place: place.as_ref().map(|place| match place {
                ast::Place::Inside(axis) => Place::Inside(text(axis)),
                ast::Place::Before(axis) => Place::Before(text(axis)),
            }),
            layout: layout.as_ref().map(|axes| texts(axes)),
            scope: scope.as_ref().map_or(Scope::Stack, scope_of),
        },
        StepKind::Accumulate(at) => Step::Accumulate { at: text(at) },
        StepKind::Pipeline { axis, stages } => {
            Step::Pipeline { axis: text(axis), stages: stages.as_ref().and_then(|stages| stages.extent) }
        }
        StepKind::Tensorize { axes: [rows, columns, terms], numbers } => Step::Tensorize {
            rows: text(rows),
            columns: text(columns),
            terms: text(terms),
            numbers: numbers.as_ref().map_or(Numbers::Exact, |_| Numbers::Tf32),
        },
        StepKind::Rfactor(axis) => Step::Rfactor { axis: text(axis) },
        StepKind::Inline(tensor) => Step::Inline { tensor: text(tensor) },
        StepKind::Compute { tensor, at } => Step::ComputeAt { tensor: text(tensor), at: text(at) },
        StepKind::Error => return None,
    })
}

/// The parser takes no other words.
fn tail_of(word: &Ident) -> Tail {
    Tail::ALL.into_iter().find(|(_, known)| *known == word.name).map_or(Tail::Peel, |(tail, _)| tail)
}

/// The parser takes no other words.
fn coordinate_of(word: &Ident) -> LoopKind {
    let found = Step::COORDINATES.into_iter().find(|known| known.name() == word.name);
    found.unwrap_or(LoopKind::Grid(0))
}

/// The parser takes no other words.
fn scope_of(word: &Ident) -> Scope {
    match word.name.as_str() {
        "global" => Scope::Global,
        "register" => Scope::Register,
        "shared" => Scope::Shared,
        _ => Scope::Stack,
    }
}

/// What a step names that must be there already, in order.
pub(super) fn names(kind: &StepKind) -> Vec<(&Ident, Sort)> {
    let axis = |name| (name, Sort::Axis);
    let tensor = |name| (name, Sort::Tensor);
    match kind {
        StepKind::Split { axis: one, .. }
        | StepKind::Bind { axis: one, .. }
        | StepKind::Parallel(one)
        | StepKind::Vectorize(one)
        | StepKind::Accumulate(one)
        | StepKind::Pipeline { axis: one, .. }
        | StepKind::Rfactor(one) => vec![axis(one)],
        StepKind::Fuse { axes, .. }
        | StepKind::Phases { axes, .. }
        | StepKind::Reorder(axes)
        | StepKind::Unroll(axes) => axes.iter().map(axis).collect(),
        StepKind::Stage { operand, place, layout, .. } => {
            let at = place.as_ref().map(|(ast::Place::Inside(axis) | ast::Place::Before(axis))| axis);
            let axes = at.into_iter().chain(layout.iter().flatten()).map(axis);
            std::iter::once(tensor(operand)).chain(axes).collect()
        }
        StepKind::Store { operand, layout } => {
            std::iter::once(tensor(operand)).chain(layout.iter().map(axis)).collect()
        }
        StepKind::Tensorize { axes, .. } => axes.iter().map(axis).collect(),
        StepKind::Inline(one) => vec![tensor(one)],
        StepKind::Compute { tensor: one, at } => vec![tensor(one), axis(at)],
        StepKind::Error => Vec::new(),
    }
}
