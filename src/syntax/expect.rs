//! Why a token did not fit: from the place where the grammar failed to an error in the words of the language.

use super::error::{ErrorKind, SyntaxError};
use super::token::Token;
use crate::source::{FileId, Span};

/// Where the grammar failed.
#[derive(Debug)]
pub(crate) struct Failure<'a, 's> {
    /// The file.
    pub(crate) file: FileId,
    /// The tokens of the item.
    pub(crate) tokens: &'a [Token<'s>],
    /// The token that does not fit; the number of tokens where they ended too early.
    pub(crate) at: usize,
    /// What the grammar would have taken.
    pub(crate) expected: &'a [String],
}

/// The error to report for a failure.
pub(crate) fn classify(failure: &Failure<'_, '_>) -> SyntaxError {
    let span = match failure.tokens.get(failure.at) {
        Some(token) => Span::new(failure.file, token.start, token.end),
        None => failure
            .tokens
            .last()
            .map_or(Span::new(failure.file, 0, 0), |last| Span::new(failure.file, last.end, last.end)),
    };
    let found = failure.tokens.get(failure.at).map_or("the end".to_owned(), |token| token.tok.describe());
    SyntaxError::new(span, ErrorKind::Unexpected { found, expected: failure.expected.join(", ") })
}

/// The bracket that the place `at` is directly inside.
pub(crate) fn opener_before(tokens: &[Token<'_>], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    for index in (0..at.min(tokens.len())).rev() {
        let tok = tokens[index].tok;
        if tok.is_closer() {
            depth += 1;
        } else if tok.closer().is_some() {
            if depth == 0 {
                return Some(index);
            }
            depth -= 1;
        }
    }
    None
}
