//! Tokens of a file to items: cuts at item boundaries, checks brackets, ends statements at line ends.
//!
//! Line ends mean nothing at the top level and inside `( )` and `[ ]`. Where the innermost bracket is `{ }`, a line end
//! becomes a [`Tok::Newline`] if the line could end there and the next one cannot go on with it. Brackets match in every
//! item that comes out sound: a missing closer is reported and put in, with what was in it made [`Tok::Bad`]. A bracket
//! that stays open does not swallow the next item, if that begins in the first column.

use super::ast::Comment;
use super::error::{BracketError, SyntaxError};
use super::token::{Tok, Token};
use crate::source::{FileId, Span};

/// The deepest nesting of brackets that is accepted.
pub(crate) const MAX_NESTING: usize = 256;

/// The most prefix operators, `else`s and arrows between two separators. More of them are deeper than any accepted
/// expression; they are stopped here because the parser would keep them all on its stack.
const MAX_CHAIN: usize = 2000;

/// How far the closing bracket of `y[i, j] =` is looked for.
const MAX_TARGET: usize = 64;

/// The tokens of one item.
#[derive(Debug)]
pub(crate) struct Chunk<'s> {
    /// The tokens, with line ends.
    pub(crate) tokens: Vec<Token<'s>>,
    /// Where it stands.
    pub(crate) span: Span,
    /// What is to be done with it.
    pub(crate) state: State,
}

/// What is to be done with a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// To be parsed.
    Sound,
    /// To be parsed, but brackets were put in: an error outside all brackets is probably their fault.
    Mended,
    /// Not to be parsed; an error was reported.
    Broken,
}

/// What layout finds.
#[derive(Debug, Default)]
pub(crate) struct Layout<'s> {
    /// The items in order.
    pub(crate) chunks: Vec<Chunk<'s>>,
    /// `///` lines that document nothing, as ordinary comments.
    pub(crate) comments: Vec<Comment>,
    /// What was wrong.
    pub(crate) errors: Vec<SyntaxError>,
}

/// Cuts the tokens of a file into items.
pub(crate) fn layout<'s>(file: FileId, text: &'s str, tokens: &[Token<'s>]) -> Layout<'s> {
    let mut out = Layout::default();
    let mut rest = tokens;
    while !rest.is_empty() {
        let mut cutter = Cutter::new(file, text, &mut out);
        let used = cutter.item(rest);
        cutter.finish();
        rest = &rest[used..];
    }
    out.comments.sort_by_key(|comment| comment.span.start);
    out
}

/// The tokens of a text that is one item, such as the value of `--export`.
pub(crate) fn single<'s>(file: FileId, text: &'s str, tokens: &[Token<'s>]) -> Layout<'s> {
    let mut out = Layout::default();
    let mut cutter = Cutter::new(file, text, &mut out);
    for &token in tokens {
        cutter.token(token);
    }
    cutter.finish();
    out
}

struct Open<'s> {
    token: Token<'s>,
    /// Its place among the tokens that came out.
    at: usize,
    chain: usize,
}

struct Cutter<'s, 'o> {
    file: FileId,
    text: &'s str,
    out: &'o mut Layout<'s>,
    tokens: Vec<Token<'s>>,
    open: Vec<Open<'s>>,
    chain: usize,
    /// Only documentation, attributes and `pub` so far.
    lead: bool,
    state: State,
}

impl<'s, 'o> Cutter<'s, 'o> {
    fn new(file: FileId, text: &'s str, out: &'o mut Layout<'s>) -> Self {
        Self { file, text, out, tokens: Vec::new(), open: Vec::new(), chain: 0, lead: true, state: State::Sound }
    }

    /// Takes the tokens of one item; returns how many they are.
    fn item(&mut self, tokens: &[Token<'s>]) -> usize {
        let mut at = 0;
        while at < tokens.len() {
            let docs = tokens[at..].iter().take_while(|token| matches!(token.tok, Tok::Doc(_))).count();
            let next = tokens.get(at + docs).map(|token| token.tok);
            if at > 0 && self.begins_item(&tokens[at..], docs) {
                return at;
            }
            let after_pub = self.tokens.last().is_some_and(|last| last.tok == Tok::Pub);
            let can_have = |tok: Tok<'_>| tok.starts_item() && tok != Tok::Use;
            let documents = !after_pub && next.is_some_and(|tok| tok == Tok::Hash || can_have(tok));
            for &doc in &tokens[at..at + docs] {
                if documents && self.open.is_empty() && self.lead {
                    self.tokens.push(doc);
                } else {
                    self.comment(doc);
                }
            }
            at += docs;
            if self.statement_in_list(&tokens[at..]) {
                self.end_lists();
            }
            if let Some(&token) = tokens.get(at) {
                self.token(token);
                at += 1;
            }
        }
        at
    }

    /// Whether a new item begins with these tokens, of which the first `docs` are documentation.
    fn begins_item(&self, tokens: &[Token<'s>], docs: usize) -> bool {
        let Some(next) = tokens.get(docs) else { return false };
        let starts = next.tok.starts_item()
            || (next.tok == Tok::Hash && tokens.get(docs + 1).is_some_and(|token| token.tok == Tok::LBracket));
        if self.open.is_empty() && self.state != State::Broken {
            return starts && !self.lead;
        }
        let first_column = next.start == 0 || self.text.as_bytes().get(next.start - 1) == Some(&b'\n');
        // `const` may also stand before a type, in parentheses.
        starts && first_column && next.tok != Tok::Const
    }

    /// Whether parentheses are open, and a statement of the braces around them begins with these tokens.
    fn statement_in_list(&self, tokens: &[Token<'s>]) -> bool {
        if !tokens.first().is_some_and(|token| token.first) {
            return false;
        }
        let in_list = self.open.last().is_some_and(|open| open.token.tok != Tok::LBrace);
        if !in_list || !self.open.iter().any(|open| open.token.tok == Tok::LBrace) {
            return false;
        }
        match tokens {
            [Token { tok: Tok::Let, .. }, ..] => true,
            [Token { tok: Tok::Ident(_), .. }, Token { tok: Tok::LBracket, .. }, rest @ ..] => {
                let closer = rest.iter().take(MAX_TARGET).position(|token| token.tok == Tok::RBracket);
                closer.and_then(|at| rest.get(at + 1)).is_some_and(|token| token.tok == Tok::Assign)
            }
            _ => false,
        }
    }

    /// Closes parentheses that a statement begins in.
    fn end_lists(&mut self) {
        let Some(&last) = self.tokens.last() else { return };
        let end = Token { tok: Tok::Newline, start: last.end, end: last.end, first: false };
        self.unclosed(end, None);
        while self.open.last().is_some_and(|open| open.token.tok != Tok::LBrace) {
            self.mend(last.end);
        }
    }

    fn error(&mut self, token: Token<'s>, kind: BracketError) {
        self.out.errors.push(SyntaxError::new(Span::new(self.file, token.start, token.end), kind));
    }

    /// Keeps documentation of nothing as a comment with two slashes: the printer may put it before an item, which it
    /// must not document then.
    fn comment(&mut self, doc: Token<'s>) {
        let Tok::Doc(said) = doc.tok else { return };
        let text = if said.is_empty() { "//".to_owned() } else { format!("// {said}") };
        let span = Span::new(self.file, doc.start, doc.end);
        self.out.comments.push(Comment { text, span, trailing: !doc.first });
    }

    fn token(&mut self, token: Token<'s>) {
        if self.state == State::Broken {
            return;
        }
        if self.open.is_empty() && self.lead {
            let attr = self.tokens.last().is_some_and(|last| last.tok == Tok::Hash) && token.tok == Tok::LBracket;
            self.lead = attr || matches!(token.tok, Tok::Hash | Tok::Pub | Tok::RBracket | Tok::Doc(_));
        }
        self.line_end(token);
        if self.chain(token) {
            return;
        }
        if token.tok.closer().is_some() {
            self.opener(token);
        } else if token.tok.is_closer() {
            self.closer(token);
        } else {
            self.tokens.push(token);
        }
    }

    fn line_end(&mut self, token: Token<'s>) {
        let in_braces = self.open.last().is_some_and(|open| open.token.tok == Tok::LBrace);
        if let Some(last) = self.tokens.last()
            && in_braces
            && token.first
            && last.tok.ends_expression()
            && !token.tok.continues_line()
        {
            let end = last.end;
            self.tokens.push(Token { tok: Tok::Newline, start: end, end, first: false });
        }
    }

    /// Counts what makes an expression deep without brackets; says whether it was too much.
    fn chain(&mut self, token: Token<'s>) -> bool {
        let ends = matches!(token.tok, Tok::Comma | Tok::Semi)
            || self.tokens.last().is_some_and(|last| last.tok == Tok::Newline);
        let chain = self.open.last_mut().map_or(&mut self.chain, |open| &mut open.chain);
        if ends {
            *chain = 0;
        }
        if matches!(token.tok, Tok::Minus | Tok::Bang | Tok::If | Tok::Else | Tok::FatArrow) {
            *chain += 1;
        }
        let too_long = *chain > MAX_CHAIN;
        if too_long {
            self.error(token, BracketError::TooLong);
            self.state = State::Broken;
        }
        too_long
    }

    fn opener(&mut self, token: Token<'s>) {
        if self.open.len() >= MAX_NESTING {
            self.error(token, BracketError::TooNested);
            self.state = State::Broken;
            return;
        }
        self.open.push(Open { token, at: self.tokens.len(), chain: 0 });
        self.tokens.push(token);
    }

    fn closer(&mut self, token: Token<'s>) {
        let Some(matching) = self.open.iter().rposition(|open| open.token.tok.closer() == Some(token.tok)) else {
            return self.stray(token);
        };
        if matching + 1 < self.open.len() {
            self.unclosed(token, token.tok.spelling());
            while self.open.len() > matching + 1 {
                self.mend(token.start);
            }
        }
        self.open.pop();
        self.tokens.push(token);
    }

    /// A closer that fits no open bracket: taken for the right one of the innermost parentheses, else left out.
    fn stray(&mut self, token: Token<'s>) {
        self.state = mended(self.state);
        let found = token.tok.spelling().unwrap_or("");
        let Some(open) = self.open.pop_if(|open| open.token.tok != Tok::LBrace) else {
            self.error(token, BracketError::Unopened { closer: found });
            return;
        };
        let opener = open.token.tok.spelling().unwrap_or("");
        let Some(tok) = open.token.tok.closer() else { return };
        let opened = Span::new(self.file, open.token.start, open.token.end);
        self.error(token, BracketError::Wrong { opener, closer: tok.spelling().unwrap_or(""), opened, found });
        self.tokens.push(Token { tok, ..token });
    }

    fn unclosed(&mut self, at: Token<'s>, found: Option<&'static str>) {
        let Some(open) = self.open.last() else { return };
        let opener = open.token.tok.spelling().unwrap_or("");
        let closer = open.token.tok.closer().and_then(Tok::spelling).unwrap_or("");
        let opened = Span::new(self.file, open.token.start, open.token.end);
        self.error(at, BracketError::Unclosed { opener, closer, opened, found });
        self.state = mended(self.state);
    }

    /// Closes the innermost bracket, leaving nothing in it that would give more errors.
    fn mend(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        let Some(closer) = open.token.tok.closer() else { return };
        if closer != Tok::RBrace {
            self.tokens.truncate(open.at + 1);
            self.tokens.push(Token { tok: Tok::Bad, start: open.token.end, end, first: false });
        }
        self.tokens.push(Token { tok: closer, start: end, end, first: false });
    }

    fn finish(mut self) {
        let Some(&last) = self.tokens.last() else { return };
        if !self.open.is_empty() && self.state != State::Broken {
            let end = Token { tok: Tok::Newline, start: last.end, end: last.end, first: false };
            self.unclosed(end, None);
            while !self.open.is_empty() {
                self.mend(last.end);
            }
        }
        let start = self.tokens.first().map_or(0, |token| token.start);
        let span = Span::new(self.file, start, last.end);
        self.out.chunks.push(Chunk { tokens: self.tokens, span, state: self.state });
    }
}

fn mended(state: State) -> State {
    if state == State::Sound { State::Mended } else { state }
}
