//! Schedules as text: one step a line.

use pretty::DocAllocator;

use super::{Doc, Printer};
use crate::syntax::ast::{Ident, Part, Place, Schedule, Step, StepKind};

impl<'a> Printer<'a> {
    pub(super) fn schedule(&mut self, item: &Schedule) -> Doc<'a> {
        let docs = self.doc_lines("///", &item.docs);
        let target = item.target.as_ref().map_or(String::new(), |target| format!(" for {}", target.name));
        let variant = item.variant.as_ref().map_or(String::new(), |variant| format!(" as {}", variant.name));
        let head = self.text(format!("schedule {}{variant}{target} ", item.function.name));
        let mut rows = self.rows();
        for step in &item.steps {
            let span = step.span.range();
            let blank = self.comment_rows(&mut rows, span.start, false);
            let doc = self.text(self.step(step));
            self.row(&mut rows, blank, doc, span.end);
        }
        self.comment_rows(&mut rows, item.span.end as usize, false);
        let steps = match rows.into_filled() {
            Some(rows) => self.in_braces(rows),
            None => self.arena.text("{}"),
        };
        docs.append(head).append(steps)
    }

    fn step(&self, step: &Step) -> String {
        match &step.kind {
            StepKind::Split { axis, parts, tail } => {
                let parts: Vec<_> = parts.iter().map(part).collect();
                format!("split {} by [{}]{}", axis.name, parts.join(", "), behind("tail", tail.as_ref()))
            }
            StepKind::Fuse { axes, name } => format!("fuse {} as {}", names(axes, " "), name.name),
            StepKind::Phases { axes, counts } => {
                let counts: Vec<_> = counts.iter().map(part).collect();
                format!("phases {} by [{}]", names(axes, " "), counts.join(", "))
            }
            StepKind::Reorder(axes) => format!("reorder {}", names(axes, " ")),
            StepKind::Parallel(axis) => format!("parallel {}", axis.name),
            StepKind::Vectorize(axis) => format!("vectorize {}", axis.name),
            StepKind::Unroll(axes) => format!("unroll {}", names(axes, " ")),
            StepKind::Bind { axis, to } => format!("bind {} to {}", axis.name, to.name),
            StepKind::Store { operand, layout } => format!("store {} as [{}]", operand.name, names(layout, ", ")),
            StepKind::Stage { operand, place, layout, scope } => {
                let layout = layout.as_ref().map_or(String::new(), |axes| format!(" as [{}]", names(axes, ", ")));
                let place = match place {
                    None => String::new(),
                    Some(Place::Inside(axis)) => format!(" at {}", axis.name),
                    Some(Place::Before(axis)) => format!(" before {}", axis.name),
                };
                format!("stage {}{place}{layout}{}", operand.name, behind("in", scope.as_ref()))
            }
            StepKind::Accumulate(at) => format!("accumulate at {}", at.name),
            StepKind::Pipeline { axis, stages } => {
                let stages = stages.as_ref().map_or(String::new(), |stages| format!(" by {}", part(stages)));
                format!("pipeline {}{stages}", axis.name)
            }
            StepKind::Tensorize { axes, numbers } => {
                format!("tensorize {}{}", names(axes, " "), behind("as", numbers.as_ref()))
            }
            StepKind::Rfactor(axis) => format!("rfactor {}", axis.name),
            StepKind::Inline(tensor) => format!("inline {}", tensor.name),
            StepKind::Compute { tensor, at } => format!("compute {} at {}", tensor.name, at.name),
            StepKind::Error => self.source.get(step.span.range()).unwrap_or("").to_owned(),
        }
    }
}

fn part(part: &Part) -> String {
    part.extent.map_or("?".to_owned(), |extent| extent.to_string())
}

fn names(names: &[Ident], between: &str) -> String {
    names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>().join(between)
}

/// ` word name`, or nothing.
fn behind(word: &str, name: Option<&Ident>) -> String {
    name.map_or(String::new(), |name| format!(" {word} {}", name.name))
}
