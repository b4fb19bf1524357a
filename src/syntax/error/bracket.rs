//! Errors of brackets, nesting, and what is no item.

use super::simple;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::layout::MAX_NESTING;

/// What is wrong with the outline of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BracketError {
    /// A bracket that is not closed before the item, or the bracket around it, ends.
    Unclosed {
        /// The bracket.
        opener: &'static str,
        /// What would close it.
        closer: &'static str,
        /// Where it stands.
        opened: Span,
        /// The other closer that was found; none where the item ended.
        found: Option<&'static str>,
    },
    /// A bracket closed by one of another kind.
    Wrong {
        /// The bracket.
        opener: &'static str,
        /// What would close it.
        closer: &'static str,
        /// Where it stands.
        opened: Span,
        /// What was found.
        found: &'static str,
    },
    /// A closing bracket that closes nothing.
    Unopened {
        /// The bracket.
        closer: &'static str,
    },
    /// More brackets in brackets than any program needs.
    TooNested,
    /// More operators in a row than any program needs.
    TooLong,
}

/// How it is said.
pub(super) fn diagnostic(span: Span, error: BracketError) -> Diagnostic {
    match error {
        BracketError::Unclosed { opener, closer, opened, found } => {
            let message = match found {
                Some(found) => format!("`{opener}` is not closed before this `{found}`"),
                None => format!("`{opener}` is not closed"),
            };
            let label = format!("expected `{closer}` here at the latest");
            Diagnostic::error(Code("E0109"), message)
                .primary(span, label)
                .secondary(opened, "opened here")
                .help(format!("write the missing `{closer}`, or delete the `{opener}`"))
        }
        BracketError::Wrong { opener, closer, opened, found } => {
            Diagnostic::error(Code("E0109"), format!("`{opener}` is closed by `{found}`"))
                .primary(span, format!("expected `{closer}`"))
                .secondary(opened, "opened here")
                .help(format!("write `{closer}` here, or `{}` there", opener_of(found)))
        }
        BracketError::Unopened { closer } => {
            let opener = opener_of(closer);
            let message = format!("`{closer}` closes nothing");
            let help = format!("delete it, or write the `{opener}` that belongs to it");
            simple("E0109", span, message, format!("no `{opener}` is open here"), help)
        }
        BracketError::TooNested => simple(
            "E0111",
            span,
            format!("brackets are nested more than {MAX_NESTING} deep"),
            "too deep from here on",
            "name a part of the expression with `let`",
        ),
        BracketError::TooLong => simple(
            "E0111",
            span,
            "this expression is nested too deeply",
            "too deep from here on",
            "name a part of the expression with `let`",
        ),
    }
}

fn opener_of(closer: &str) -> &'static str {
    match closer {
        ")" => "(",
        "]" => "[",
        _ => "{",
    }
}
