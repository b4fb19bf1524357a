//! Diagnostics: what is wrong, where, why it was expected otherwise, and what to type.
//!
//! [`Diagnostic`] is ftc's own type. Phases build it from their typed errors, in their `error.rs`; `render` turns it
//! into text (with `excerpt`, the only user of codespan-reporting) or JSON; `codes` holds the page of every code.

pub mod codes;
mod excerpt;
pub mod render;

use crate::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The program is fine but probably not what was meant.
    Warning,
    /// Nothing is built.
    Error,
}

/// The stable name of a kind of diagnostic, such as `E0203`; its page is `src/diag/codes/E0203.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

/// A message at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be said there; may be empty.
    pub message: String,
    /// Whether this is the place that is wrong, not one that explains.
    pub primary: bool,
}

/// One finding, with the places, reasons and remedies that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// One line, without a full stop, naming the thing in backquotes.
    pub message: String,
    /// Places; the primary ones say what is wrong there, the others where the expectation comes from.
    pub labels: Vec<Label>,
    /// Further facts: values, a concrete counterexample.
    pub notes: Vec<String>,
    /// What to type instead.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error without places yet.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning without places yet.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds the place that is wrong.
    #[must_use]
    pub fn primary(self, span: Span, message: impl Into<String>) -> Self {
        self.label(span, message, true)
    }

    /// Adds a place that explains.
    #[must_use]
    pub fn secondary(self, span: Span, message: impl Into<String>) -> Self {
        self.label(span, message, false)
    }

    fn label(mut self, span: Span, message: impl Into<String>, primary: bool) -> Self {
        self.labels.push(Label { span, message: message.into(), primary });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Whether this is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
