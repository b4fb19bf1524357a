//! What can be wrong with a text, and how it is said.

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

impl SyntaxError {
    /// An error at a place.
    pub(crate) fn new(span: Span, kind: ErrorKind) -> Self {
        Self { span, kind }
    }
}

/// What is wrong.
#[derive(Clone, Debug)]
pub(crate) enum ErrorKind {
    UnknownCharacter { found: char },
    LookAlike { found: char, meant: &'static str },
    ForeignBlank { found: char },
    ForeignName { name: String },
    MalformedNumber { text: String },
    NumberTooLarge { whole: bool },
    Quoted,
    BlockComment,
    LateFileDoc,
    Unclosed { opener: &'static str, closer: &'static str, opened: Span, found: Option<&'static str> },
    Unopened { closer: &'static str },
    ScheduleBlock,
    TooDeep,
    TooNested,
    AttributeOnOther,
    UnusedExpression,
    NoResult,
    EarlyResult,
    TupleInBlock,
    TensorInBlock,
    DefinitionInBlock,
    RangeInRead { tensor: crate::syntax::ast::Ident },
    ReduceOverExpression { op: crate::syntax::ast::Ident },
    EmptyParens,
    Tuple,
    LambdaParameter,
    NoElse,
    Unexpected { found: String, expected: String },
}

/// The diagnostic of an error.
pub(crate) fn diagnostic(error: SyntaxError) -> Diagnostic {
    Diagnostic::error(Code("E0119"), format!("{:?}", error.kind)).primary(error.span, "here")
}
