//! What can be wrong with a text, as data; and how it is said.
//!
//! One enum for each of the four that find errors, each with its messages in a file of its own. Every message names
//! what was found in backquotes, and every error says what to type.

mod bracket;
mod lex;
mod parse;
mod shape;

pub(crate) use bracket::BracketError;
pub(crate) use lex::LexError;
pub(crate) use parse::ParseError;
pub(crate) use shape::ShapeError;

use crate::diag::{Code, Diagnostic};
use crate::source::Span;

/// A lexical or syntactic error.
#[derive(Clone, Debug)]
pub(crate) struct SyntaxError {
    /// The place that is wrong.
    pub(crate) span: Span,
    /// What is wrong.
    pub(crate) kind: ErrorKind,
}

/// What is wrong.
#[derive(Clone, Debug)]
pub(crate) enum ErrorKind {
    /// With the characters of a token; found by `lexer`.
    Lex(LexError),
    /// With brackets and items; found by `layout`.
    Bracket(BracketError),
    /// With what stands where; found by `build`.
    Shape(ShapeError),
    /// With a token that does not fit; found by the grammar, told apart by `expect`.
    Parse(ParseError),
}

impl SyntaxError {
    /// An error at a place.
    pub(crate) fn new(span: Span, kind: impl Into<ErrorKind>) -> Self {
        Self { span, kind: kind.into() }
    }

    /// The error as it is shown.
    pub(crate) fn diagnostic(self) -> Diagnostic {
        match self.kind {
            ErrorKind::Lex(error) => lex::diagnostic(self.span, error),
            ErrorKind::Bracket(error) => bracket::diagnostic(self.span, error),
            ErrorKind::Shape(error) => shape::diagnostic(self.span, error),
            ErrorKind::Parse(error) => parse::diagnostic(self.span, error),
        }
    }
}

impl From<LexError> for ErrorKind {
    fn from(error: LexError) -> Self {
        ErrorKind::Lex(error)
    }
}

impl From<BracketError> for ErrorKind {
    fn from(error: BracketError) -> Self {
        ErrorKind::Bracket(error)
    }
}

impl From<ShapeError> for ErrorKind {
    fn from(error: ShapeError) -> Self {
        ErrorKind::Shape(error)
    }
}

impl From<ParseError> for ErrorKind {
    fn from(error: ParseError) -> Self {
        ErrorKind::Parse(error)
    }
}

/// An error with one place: what is wrong, what is said at the place, and what to type.
fn simple(
    code: &'static str,
    span: Span,
    message: impl Into<String>,
    label: impl Into<String>,
    help: impl Into<String>,
) -> Diagnostic {
    Diagnostic::error(Code(code), message).primary(span, label).help(help)
}
