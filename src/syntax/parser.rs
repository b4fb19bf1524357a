//! Text to tree: lexer, layout, then the grammar, item by item. The only user of lalrpop.
//!
//! Where an item does not parse, the error is reported and the smallest piece around it that stands between two
//! separators (an argument, a clause, a statement) is replaced by `Tok::Bad`, which the grammar takes for an
//! expression; then the item is parsed again. So one error does not hide another, and no error is reported for what
//! is already known to be wrong.

use std::cell::Cell;
use std::convert::Infallible;

use lalrpop_util::{ParseError, lalrpop_mod};

use super::ast;
use super::build::Build;
use super::error::SyntaxError;
use super::expect::{self, Failure};
use super::layout::{self, Chunk, State};
use super::lexer;
use super::schedule;
use super::token::{Tok, Token};
use crate::diag::Diagnostic;
use crate::source::FileId;

lalrpop_mod!(
    #[allow(warnings, clippy::all, clippy::pedantic, clippy::restriction, reason = "generated code")]
    grammar,
    "/ftc.rs"
);

/// How often an item is tried. Each try finds one error.
const MAX_TRIES: usize = 64;

/// How many errors of a file are shown; the rest are most likely noise.
const MAX_ERRORS: usize = 64;

/// Parses a file. The tree holds what could be read; what could not is an `Error` node and has a diagnostic.
pub fn parse(file: FileId, text: &str) -> (ast::File, Vec<Diagnostic>) {
    let lexed = lexer::lex(file, text);
    let layout = layout::layout(file, text, &lexed.tokens);
    let mut errors = lexed.errors;
    errors.extend(layout.errors);
    let items = layout.chunks.into_iter().map(|chunk| item(file, text, chunk, &mut errors)).collect();
    let mut comments = lexed.comments;
    comments.extend(layout.comments);
    comments.sort_by_key(|comment| comment.span.start);
    (ast::File { docs: lexed.docs, items, comments }, diagnostics(errors))
}

/// Parses the value of `--export`: `gemm(A: f32[64, 64], B: f32[64, 64])`, also with `name =` before it.
pub fn parse_export(file: FileId, text: &str) -> (Option<ast::Export>, Vec<Diagnostic>) {
    let lexed = lexer::lex(file, text);
    let layout = layout::single(file, text, &lexed.tokens);
    let mut errors = lexed.errors;
    errors.extend(layout.errors);
    let chunk = layout.chunks.into_iter().next();
    let (tokens, state) = chunk.map_or((Vec::new(), State::Sound), |chunk| (chunk.tokens, chunk.state));
    let parser = grammar::ExportOptionParser::new();
    let export = retry(file, tokens, state, &mut errors, |build, tokens| parser.parse(build, tokens));
    (export, diagnostics(errors))
}

fn item<'s>(file: FileId, text: &'s str, mut chunk: Chunk<'s>, errors: &mut Vec<SyntaxError>) -> ast::Item {
    // With more errors than are shown, the rest of the file is not worth the time.
    if chunk.state == State::Broken || errors.len() > MAX_ERRORS {
        return ast::Item::Error(chunk.span);
    }
    if schedule::is_schedule(&chunk.tokens) {
        let (tokens, names) = schedule::words(text, &chunk.tokens);
        // What was taken for a malformed number is a part of a name.
        errors.retain(|error| {
            !names.iter().any(|name| error.span.file == file && name.contains(&error.span.range().start))
        });
        chunk.tokens = tokens;
    }
    let parser = grammar::ItemParser::new();
    let item = retry(file, chunk.tokens, chunk.state, errors, |build, tokens| parser.parse(build, tokens));
    item.unwrap_or(ast::Item::Error(chunk.span))
}

/// A token as the grammar takes it.
type Fed<'s> = Result<(usize, Tok<'s>, usize), Infallible>;
type Failed<'s> = ParseError<usize, Tok<'s>, Infallible>;

/// Parses, and where that fails, reports, takes the piece that failed out, and tries again.
fn retry<'s, T>(
    file: FileId,
    mut tokens: Vec<Token<'s>>,
    state: State,
    errors: &mut Vec<SyntaxError>,
    parse: impl Fn(&mut Build, &mut dyn Iterator<Item = Fed<'s>>) -> Result<T, Failed<'s>>,
) -> Option<T> {
    for _ in 0..MAX_TRIES {
        let mut build = Build::new(file);
        let fed = Cell::new(0);
        let mut feed = tokens.iter().map(|token| {
            fed.set(fed.get() + 1);
            Ok((token.start, token.tok, token.end))
        });
        let (at, expected) = match parse(&mut build, &mut feed) {
            Ok(tree) => {
                errors.append(&mut build.errors);
                return Some(tree);
            }
            Err(ParseError::UnrecognizedEof { expected, .. }) => (tokens.len(), expected),
            Err(ParseError::UnrecognizedToken { expected, .. }) => (fed.get() - 1, expected),
            Err(ParseError::InvalidToken { .. } | ParseError::ExtraToken { .. }) => (fed.get() - 1, Vec::new()),
            Err(ParseError::User { error }) => match error {},
        };
        let in_schedule = schedule::is_schedule(&tokens);
        let segment = if in_schedule { step(&tokens, at) } else { segment(&tokens, at) };
        let known = [at.checked_sub(1), Some(at)].into_iter().flatten().any(|at| is_bad(&tokens, at));
        let blamed = state == State::Mended && segment.is_none();
        let failure = Failure { file, tokens: &tokens, at, expected: &expected };
        if !known && !blamed {
            errors.push(expect::classify(&failure));
        }
        if failure.complete() {
            tokens.truncate(at);
        } else {
            let (start, end) = segment?;
            let place = tokens.get(start).map_or(0, |token| token.start);
            let place_end = if start < end { tokens[end - 1].end } else { place };
            let bad = Token { tok: Tok::Bad, start: place, end: place_end, first: false };
            tokens.splice(start..end, [bad]);
        }
    }
    None
}

fn is_bad(tokens: &[Token<'_>], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| token.tok == Tok::Bad)
}

/// The smallest piece around the token at `at` that may be taken out and is not yet; nothing if that is the item.
fn segment(tokens: &[Token<'_>], mut at: usize) -> Option<(usize, usize)> {
    loop {
        let opener = expect::opener_before(tokens, at);
        let inside = opener.map(|opener| tokens[opener].tok);
        let separates = |tok: Tok<'_>| match inside {
            Some(Tok::LBrace) => matches!(tok, Tok::Newline | Tok::Semi),
            Some(_) => matches!(tok, Tok::Comma | Tok::Semi),
            None => matches!(tok, Tok::Comma | Tok::Where),
        };
        let mut start = at;
        let mut depth = 0usize;
        while start > opener.map_or(0, |opener| opener + 1) {
            let tok = tokens[start - 1].tok;
            if depth == 0 && separates(tok) {
                break;
            }
            depth = if tok.is_closer() { depth + 1 } else { depth - usize::from(tok.closer().is_some()) };
            start -= 1;
        }
        if opener.is_none() && (start == 0 || !in_clauses(tokens, start)) {
            return None;
        }
        let mut end = at;
        let mut depth = 0usize;
        while let Some(token) = tokens.get(end) {
            let body = inside.is_none() && token.tok == Tok::LBrace;
            if depth == 0 && (separates(token.tok) || token.tok.is_closer() || body) {
                break;
            }
            depth = if token.tok.closer().is_some() { depth + 1 } else { depth - usize::from(token.tok.is_closer()) };
            end += 1;
        }
        if end - start != 1 || !is_bad(tokens, start) {
            return Some((start, end));
        }
        at = opener?;
    }
}

/// The step of a schedule that the token at `at` belongs to, if it is not taken out yet.
fn step(tokens: &[Token<'_>], mut at: usize) -> Option<(usize, usize)> {
    while let Some(opener) = expect::opener_before(tokens, at).filter(|&opener| tokens[opener].tok != Tok::LBrace) {
        at = opener;
    }
    segment(tokens, at)
}

/// Whether a place outside all brackets is among the `where` clauses.
fn in_clauses(tokens: &[Token<'_>], at: usize) -> bool {
    tokens[..at].iter().any(|token| token.tok == Tok::Where)
}

/// Errors as they are shown: in order of place, one for a place, not too many.
fn diagnostics(mut errors: Vec<SyntaxError>) -> Vec<Diagnostic> {
    errors.sort_by_key(|error| (error.span.start, error.span.end));
    errors.dedup_by_key(|error| error.span);
    errors.truncate(MAX_ERRORS);
    errors.into_iter().map(SyntaxError::diagnostic).collect()
}
