//! Why a token did not fit: from the place where the grammar failed to an error in the words of the language.
//!
//! Most wrong programs are right in another language. The habits are tried one after the other; what is left is said
//! in general words, from what the grammar would have taken. Nothing here changes what is accepted.

use super::error::{ParseError, SyntaxError};
use super::token::{Tok, Token};
use super::{habits, schedule, words};
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
    /// What the grammar would have taken, by the names of its terminals.
    pub(crate) expected: &'a [String],
}

/// A place among the tokens, and what is wrong there.
pub(crate) type Finding = Option<(usize, ParseError)>;

/// The error to report for a failure.
pub(crate) fn classify(failure: &Failure<'_, '_>) -> SyntaxError {
    if schedule::is_schedule(failure.tokens) && !failure.complete() {
        let (at, error) = schedule::unfit(failure);
        return SyntaxError::new(failure.span(at), error);
    }
    let findings = [habits::operators, habits::forms, habits::words, habits::lists, habits::heads, habits::equals];
    let found = findings.iter().find_map(|finding| finding(failure));
    let (at, error) = found.unwrap_or_else(|| (failure.at, words::unexpected(failure)));
    SyntaxError::new(failure.span(at), error)
}

impl<'s> Failure<'_, 's> {
    /// The token at an index, if there is one.
    pub(crate) fn tok(&self, at: usize) -> Option<Tok<'s>> {
        self.tokens.get(at).map(|token| token.tok)
    }

    /// The token that does not fit.
    pub(crate) fn found(&self) -> Option<Tok<'s>> {
        self.tok(self.at)
    }

    /// The token `back` before the one that does not fit.
    pub(crate) fn before(&self, back: usize) -> Option<Tok<'s>> {
        self.tok(self.at.checked_sub(back)?)
    }

    /// Whether the grammar would have taken this terminal.
    pub(crate) fn expects(&self, terminal: &str) -> bool {
        self.expected.iter().any(|name| name.trim_matches('"') == terminal)
    }

    /// Whether an expression might begin here.
    pub(crate) fn expects_value(&self) -> bool {
        self.expects("int")
    }

    /// Whether an expression ends here, so that an operator might follow.
    pub(crate) fn expects_operator(&self) -> bool {
        self.expects("*") || self.expects("&&") || self.expects("||")
    }

    /// Whether the item is over here: what follows is the error.
    pub(crate) fn complete(&self) -> bool {
        self.at > 0 && self.expected.iter().all(|name| name == "\";\"")
    }

    /// The bracket around the failure.
    pub(crate) fn opener(&self) -> Option<usize> {
        opener_before(self.tokens, self.at)
    }

    /// The tokens from the last separator at the same level to the failure, as the index of the first.
    pub(crate) fn piece(&self) -> usize {
        let floor = self.opener().map_or(0, |opener| opener + 1);
        let mut depth = 0usize;
        for index in (floor..self.at.min(self.tokens.len())).rev() {
            let tok = self.tokens[index].tok;
            if depth == 0 && matches!(tok, Tok::Newline | Tok::Semi | Tok::Comma) {
                return index + 1;
            }
            depth = if tok.is_closer() { depth + 1 } else { depth - usize::from(tok.closer().is_some()) };
        }
        floor
    }

    /// The last token of this piece, outside inner brackets, for which `test` holds.
    pub(crate) fn last_in_piece(&self, test: impl Fn(Tok<'s>) -> bool) -> Option<usize> {
        let mut depth = 0usize;
        for index in (self.piece()..self.at.min(self.tokens.len())).rev() {
            let tok = self.tokens[index].tok;
            if depth == 0 && test(tok) {
                return Some(index);
            }
            depth = if tok.is_closer() { depth + 1 } else { depth.saturating_sub(usize::from(tok.closer().is_some())) };
        }
        None
    }

    /// The first token of the item after documentation and attributes.
    pub(crate) fn item_start(&self) -> usize {
        let mut at = 0;
        let mut depth = 0usize;
        while let Some(tok) = self.tok(at) {
            let lead = depth > 0 || matches!(tok, Tok::Doc(_) | Tok::Hash | Tok::LBracket);
            if !lead {
                break;
            }
            depth = if tok.closer().is_some() { depth + 1 } else { depth - usize::from(tok.is_closer()) };
            at += 1;
        }
        at
    }

    /// The place of a token; right after the last one where there is none.
    pub(crate) fn span(&self, at: usize) -> Span {
        let end = self.tokens.last().map_or(0, |last| last.end);
        let (start, end) = self.tokens.get(at).map_or((end, end), |token| (token.start, token.end));
        Span::new(self.file, start, end)
    }

    /// Whether the token at `at` follows the one before it without a blank.
    pub(crate) fn glued(&self, at: usize) -> bool {
        at > 0 && self.tokens.get(at).is_some_and(|token| self.tokens[at - 1].end == token.start)
    }
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
