//! Errors of schedules in files, codes E1001 to E1007.

use crate::diag::{Code, Diagnostic};
use crate::driver::error::list;
use crate::driver::suggest::nearest;
use crate::schedule::Refused;
use crate::source::Span;
use crate::syntax::ast::{Ident, Part, Schedule};

use super::scope::Fate;

fn error(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code(code), message)
}

fn with_origins(diagnostic: Diagnostic, origins: Vec<(Span, String)>) -> Diagnostic {
    origins.into_iter().fold(diagnostic, |diagnostic, (span, said)| diagnostic.secondary(span, said))
}

/// E1001: a schedule of what is neither an export nor a function.
pub fn unknown_function(name: &Ident, near: Option<&str>) -> Diagnostic {
    let said = format!("there is no export and no function `{}`", name.name);
    let diagnostic = error("E1001", said).primary(name.span, "a schedule is for an export or a function");
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("write the name of an export of this file, or of a function that it defines or uses"),
    }
}

/// E1002: a schedule for a target that does not exist.
pub fn unknown_target(target: &Ident, near: &[&str]) -> Diagnostic {
    let diagnostic =
        error("E1002", format!("unknown target `{}`", target.name)).primary(target.span, "no target has this name");
    let diagnostic = match near {
        [] => diagnostic,
        [near, ..] => diagnostic.help(format!("did you mean `{near}`?")),
    };
    diagnostic.help("`ftc targets` lists all of them; without `for`, a schedule is for any target")
}

/// E0514: a schedule of a variant that no function has.
pub fn unknown_variant(variant: &Ident, known: &[&str]) -> Diagnostic {
    let diagnostic = error("E0514", format!("no function has a variant `{}`", variant.name))
        .primary(variant.span, "a variant is another body of a function");
    match nearest(&variant.name, known.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("without `as`, a schedule is about the first body"),
    }
}

/// E1003: two schedules for one thing and target.
pub fn two_blocks(second: &Schedule, first: &Schedule) -> Diagnostic {
    let place = |block: &Schedule| {
        block.target.as_ref().map_or(block.function.span, |target| block.function.span.to(target.span))
    };
    let target = second.target.as_ref().map_or("any target".to_owned(), |target| format!("`{}`", target.name));
    error("E1003", format!("`{}` has two schedules for {target}", second.function.name))
        .primary(place(second), "the second")
        .secondary(place(first), "the first")
        .help("delete one of them, or write `for` and another target")
}

/// E1004: a step names an axis or a tensor that is not there.
pub fn unknown_name(name: &Ident, sort: &str, known: &[String]) -> Diagnostic {
    let diagnostic = no_such(name, sort, known, format!("there is no such {sort} before this step"));
    match nearest(&name.name, known.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("`ftc build --emit loops` shows the loops and their names"),
    }
}

/// E1004: a step names an axis or a tensor that is not there any more, but what became of it.
pub(super) fn gone(
    name: &Ident,
    sort: &str,
    known: &[String],
    (fate, now): (Fate, &[String]),
    origins: Vec<(Span, String)>,
) -> Diagnostic {
    let (label, help) = match fate {
        Fate::Split => ("was split before this step".to_owned(), format!("write one of its parts: {}", list(now))),
        Fate::Fused => (
            format!("was fused into {} before this step", list(now)),
            "write the fused loop, or move this step up".to_owned(),
        ),
        Fate::Phases => {
            ("has phases before this step".to_owned(), format!("write the loop of one of them: {}", list(now)))
        }
        Fate::Inlined => {
            ("was inlined before this step".to_owned(), "move this step up, or do not inline it".to_owned())
        }
    };
    with_origins(no_such(name, sort, known, label), origins).help(help)
}

fn no_such(name: &Ident, sort: &str, known: &[String], label: String) -> Diagnostic {
    let plural = if sort == "axis" { "axes" } else { "tensors" };
    let diagnostic = error("E1004", format!("there is no {sort} `{}`", name.name)).primary(name.span, label);
    diagnostic.note(format!("{plural} here: {}", list(known)))
}

/// E1005: a step that cannot be applied.
pub fn refused(step: Span, refused: &Refused, origins: Vec<(Span, String)>) -> Diagnostic {
    let diagnostic = error("E1005", refused.message.clone()).primary(step, "this step is refused");
    let diagnostic = with_origins(diagnostic, origins);
    match &refused.help {
        Some(help) => diagnostic.help(help.clone()),
        None => diagnostic.help("delete the step, or change the steps before it"),
    }
}

/// E1005: steps that do not make a kernel together.
pub fn refused_as_a_whole(name: Span, refused: &Refused) -> Diagnostic {
    let diagnostic = error("E1005", refused.message.clone()).primary(name, "this schedule is refused");
    let help = refused.help.clone();
    diagnostic.help(help.unwrap_or_else(|| "change or delete the steps that concern this loop".to_owned()))
}

/// E1006: a number is left open for a target that nothing is known of.
pub fn hole(hole: Span, step: Span) -> Diagnostic {
    error("E1006", "this schedule has a hole")
        .primary(hole, "no number was chosen")
        .secondary(step, "in this step")
        .help("write a number: there is no model of this target that could choose one")
}

/// E1006: no numbers for the holes of a schedule were found.
pub fn nothing_fits(hole: Span, step: Span) -> Diagnostic {
    error("E1006", "no numbers fit the holes of this schedule")
        .primary(hole, "none that was tried makes a schedule")
        .secondary(step, "in this step")
        .help("write a number: then the step that does not fit says why")
}

/// E1007: the first part of a split is another number than what is left.
pub fn wrong_first_part(part: &Part, extent: i64, right: i64, origins: Vec<(Span, String)>) -> Diagnostic {
    let written = part.extent.map_or("?".to_owned(), |extent| extent.to_string());
    let diagnostic = error("E1007", format!("the first part of this split has {right} values, not {written}"))
        .primary(part.span, format!("expected `?` or `{right}`"))
        .note(format!("the axis has {extent} values; the first part is what the others leave"));
    with_origins(diagnostic, origins).help(format!("write `?`, or `{right}`"))
}
