//! The words of `schedule` blocks: `split`, `by` and the others mean something there, and are names everywhere else.
//!
//! It takes the tokens of a block as `layout` cuts them, before they are parsed, and tells words from names. A name may
//! have several parts there: axes are called `i.0` and `k.1.init`, targets `x86-64-v4` and `cuda:sm_90+tf32`; what `lexer`
//! found in such a name becomes one token. Here is also what is said where a block does not parse.

use super::error::ParseError;
use super::expect::Failure;
use super::token::{Tok, Token};

/// Every step by its word, and what it looks like.
const FORMS: [(&str, &str); 16] = [
    ("split", "split i by [?, 14]"),
    ("fuse", "fuse i j as ij"),
    ("phases", "phases p q by [2, 2]"),
    ("reorder", "reorder i j k"),
    ("parallel", "parallel i"),
    ("vectorize", "vectorize j"),
    ("unroll", "unroll i j"),
    ("bind", "bind i.0 to grid.x"),
    ("store", "store x as [c, r, p]"),
    ("stage", "stage B at k.0 as [k.1, j.1]"),
    ("accumulate", "accumulate at k.0"),
    ("pipeline", "pipeline k.0 by 4"),
    ("tensorize", "tensorize i.2 j.2 k.1"),
    ("rfactor", "rfactor k.1"),
    ("inline", "inline t"),
    ("compute", "compute t at y.i"),
];

/// What may be done with the last part of a split that is not full.
pub(crate) const TAILS: [&str; 4] = ["peel", "guard", "overlap", "pad"];

/// Where a staged copy may live.
pub(crate) const SCOPES: [&str; 4] = ["global", "stack", "register", "shared"];

/// What numbers may be rounded to by matrix units.
pub(crate) const NUMBERS: [&str; 1] = ["tf32"];

/// The coordinates of a GPU that a loop may be bound to.
pub(crate) const COORDINATES: [&str; 6] = ["grid.x", "grid.y", "grid.z", "block.x", "block.y", "block.z"];

/// Whether an item is a schedule.
pub(crate) fn is_schedule(tokens: &[Token<'_>]) -> bool {
    tokens.iter().find(|token| !matches!(token.tok, Tok::Doc(_))).is_some_and(|token| token.tok == Tok::Schedule)
}

/// The tokens of a schedule with its words told from names, and the places of names of several parts.
pub(crate) fn words<'s>(text: &'s str, tokens: &[Token<'s>]) -> (Vec<Token<'s>>, Vec<std::ops::Range<usize>>) {
    let mut out: Vec<Token<'s>> = Vec::new();
    let mut names = Vec::new();
    let mut rest = tokens;
    let mut separators = ['.', '-', ':', '+'].as_slice();
    while let [token, after @ ..] = rest {
        rest = after;
        let mut token = *token;
        match token.tok {
            Tok::LBrace => separators = &['.'],
            Tok::Ident(name) => {
                let (end, taken) = name_end(text, token, after, separators);
                if taken > 0 {
                    rest = &after[taken..];
                    token = Token { tok: Tok::Dotted(&text[token.start..end]), end, ..token };
                    names.push(token.start..end);
                } else {
                    token.tok = Tok::step_word(name).unwrap_or(token.tok);
                }
            }
            _ => {}
        }
        out.push(token);
    }
    (out, names)
}

/// Where the name that begins with `first` ends, and how many of the tokens behind it are parts of it.
fn name_end(text: &str, first: Token<'_>, after: &[Token<'_>], separators: &[char]) -> (usize, usize) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut end = first.end;
    while let Some(part) = text[end..].strip_prefix(separators) {
        let length = part.find(|c| !is_word(c)).unwrap_or(part.len());
        if length == 0 {
            break;
        }
        end += 1 + length;
    }
    let taken = after.iter().take_while(|token| token.start < end).count();
    // A token that goes on behind the name, such as `1e-5`, is none of its parts.
    let whole = taken > 0 && after[taken - 1].end == end;
    if whole { (end, taken) } else { (first.end, 0) }
}

/// The error of a schedule that does not parse, and the index of the token that is wrong.
pub(crate) fn unfit(failure: &Failure<'_, '_>) -> (usize, ParseError) {
    let found = failure.found().map_or("the end of the item".to_owned(), Tok::describe);
    let expected = expected(failure);
    let brace = failure.tokens.iter().position(|token| token.tok == Tok::LBrace);
    let Some(brace) = brace.filter(|&brace| brace < failure.at) else {
        return (failure.at, ParseError::ScheduleHead { found, expected });
    };
    let start = step_start(failure.tokens, brace, failure.at);
    let first = failure.tok(start);
    let spelled = first.and_then(Tok::spelling);
    if let Some(&(word, form)) = FORMS.iter().find(|(word, _)| spelled == Some(word)) {
        return (failure.at, ParseError::Step { word, form, found, expected });
    }
    let near = if let Some(Tok::Ident(name)) = first { nearest(name, FORMS.map(|(word, _)| word)) } else { None };
    let near = near.and_then(|near| FORMS.into_iter().find(|(word, _)| *word == near));
    (start, ParseError::NoStep { found: first.map_or(found, Tok::describe), near })
}

/// The first token of the step that the token at `at` belongs to, in the braces at `brace`.
fn step_start(tokens: &[Token<'_>], brace: usize, at: usize) -> usize {
    let mut start = brace + 1;
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().take(at).skip(brace + 1) {
        depth = if token.tok.closer().is_some() {
            depth + 1
        } else {
            depth - usize::from(token.tok.is_closer()).min(depth)
        };
        if depth == 0 && matches!(token.tok, Tok::Newline | Tok::Semi) {
            start = index + 1;
        }
    }
    start
}

/// What would have fitted, in words.
fn expected(failure: &Failure<'_, '_>) -> String {
    let mut words = Vec::new();
    // Where a name fits, all words do.
    let signs = if failure.expects("ident") {
        words.push("a name".to_owned());
        ["[", "]", ",", "{"].as_slice()
    } else {
        &["by", "for", "as", "at", "before", "in", "to", "tail", "?", "[", "]", ",", "{"]
    };
    words.extend(signs.iter().filter(|sign| failure.expects(sign)).map(|sign| format!("`{sign}`")));
    if failure.expects("int") {
        words.push("a number".to_owned());
    }
    if failure.expects("newline") {
        words.push("the end of the line".to_owned());
    }
    match words.as_slice() {
        [] => "the end of the item".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The known word that was most likely meant.
pub(crate) fn nearest(found: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let found = found.to_lowercase();
    let limit = 1 + found.chars().count() / 3;
    let scored = known.into_iter().map(|word| (strsim::damerau_levenshtein(&found, word), word));
    scored.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}
