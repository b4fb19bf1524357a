//! Text to tokens. The only user of logos.
//!
//! Lexing never stops: what is no token becomes an error and a [`Tok::Bad`], or, where it is plain what was meant (`×`
//! for `*`), the token that was meant. It knows nothing of statements; `layout` finds their ends.

use logos::{Lexer, Logos};

use super::ast::Comment;
use super::error::{ErrorKind, LexError, SyntaxError};
use super::lookalike::{self, Meant};
use super::token::{Tok, Token};
use crate::source::{FileId, Span};

/// What logos tells apart; the rest is look-ups by spelling.
#[derive(Logos, Clone, Copy, Debug, PartialEq)]
#[logos(skip r"[ \t\r\x0C]+")]
enum Raw {
    #[token("\n")]
    Newline,
    #[regex(r"//[^\n]*", allow_greedy = true)]
    Comment,
    #[token("/*")]
    BlockComment,
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Word,
    // Takes in what may follow wrongly (`2x`, `1e`, `0xFF`), so that the error covers all of it.
    #[regex(r"[0-9][0-9_]*(\.[0-9][0-9_]*)?([eE][+-]?[0-9]+)?[A-Za-z0-9_]*")]
    Number,
    #[regex(r"->|=>|[=!<>]=|&&|\|\||\.\.|::|:=|\*\*|[-+*/%]=|[-+*/%<>=!&|^(){}\[\],;:.#?@]")]
    Sign,
    #[regex(r#""[^"\n]*"?"#)]
    #[regex(r"'[^'\n]*'?")]
    Quoted,
    #[regex(r"[^\x00-\x7F]")]
    NonAscii,
}

/// The tokens of a file, and what is kept beside them.
#[derive(Debug, Default)]
pub(crate) struct Lexed<'s> {
    /// The tokens in order, `///` lines among them.
    pub(crate) tokens: Vec<Token<'s>>,
    /// The `//!` lines at the top, without the marker.
    pub(crate) docs: Vec<String>,
    /// The `//` comments in order.
    pub(crate) comments: Vec<Comment>,
    /// What was wrong.
    pub(crate) errors: Vec<SyntaxError>,
}

/// Cuts `text` into tokens.
pub(crate) fn lex(file: FileId, text: &str) -> Lexed<'_> {
    let skip = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut cutter = Cutter { file, first: true, skip, out: Lexed::default() };
    let mut lexer = Raw::lexer(&text[skip..]);
    while let Some(raw) = lexer.next() {
        cutter.cut(raw, &mut lexer);
    }
    cutter.out
}

struct Cutter<'s> {
    file: FileId,
    /// Whether the next token is the first of its line.
    first: bool,
    /// Where the lexer's text begins in the file.
    skip: usize,
    out: Lexed<'s>,
}

impl<'s> Cutter<'s> {
    fn cut(&mut self, raw: Result<Raw, ()>, lexer: &mut Lexer<'s, Raw>) {
        let text = lexer.slice();
        match raw {
            Ok(Raw::Newline) => self.first = true,
            Ok(Raw::Comment) => self.comment(lexer),
            Ok(Raw::BlockComment) => {
                let rest = lexer.remainder();
                lexer.bump(rest.find("*/").map_or(rest.len(), |at| at + 2));
                self.error(lexer, 2, LexError::BlockComment);
                self.first |= lexer.slice().contains('\n');
            }
            Ok(Raw::Word) => self.word(lexer),
            Ok(Raw::Number) => self.number(lexer),
            Ok(Raw::Sign) => match Tok::sign(text) {
                Some(tok) => self.push(lexer, tok),
                None => self.unknown(lexer),
            },
            Ok(Raw::Quoted) => {
                self.error(lexer, text.len(), LexError::Quoted);
                self.push(lexer, Tok::Bad);
            }
            Ok(Raw::NonAscii) => self.non_ascii(lexer),
            Err(()) => self.unknown(lexer),
        }
    }

    fn range(&self, lexer: &Lexer<'s, Raw>) -> (usize, usize) {
        let range = lexer.span();
        (range.start + self.skip, range.end + self.skip)
    }

    fn push(&mut self, lexer: &Lexer<'s, Raw>, tok: Tok<'s>) {
        let (start, end) = self.range(lexer);
        self.out.tokens.push(Token { tok, start, end, first: self.first });
        self.first = false;
    }

    /// Reports an error at the first `len` bytes of the present piece.
    fn error(&mut self, lexer: &Lexer<'s, Raw>, len: usize, kind: LexError) {
        let (start, _) = self.range(lexer);
        self.out.errors.push(SyntaxError::new(Span::new(self.file, start, start + len), kind));
    }

    fn comment(&mut self, lexer: &Lexer<'s, Raw>) {
        let text = lexer.slice().trim_end();
        let (start, _) = self.range(lexer);
        if let Some(doc) = text.strip_prefix("//!") {
            if self.out.tokens.is_empty() {
                self.out.docs.push(doc.strip_prefix(' ').unwrap_or(doc).to_owned());
                return;
            }
            self.error(lexer, 3, LexError::LateFileDoc);
        } else if let Some(doc) = text.strip_prefix("///")
            && !doc.starts_with('/')
        {
            self.push(lexer, Tok::Doc(doc.strip_prefix(' ').unwrap_or(doc)));
            return;
        }
        let span = Span::new(self.file, start, start + text.len());
        self.out.comments.push(Comment { text: text.to_owned(), span, trailing: !self.first });
    }

    fn word(&mut self, lexer: &mut Lexer<'s, Raw>) {
        if lexer.remainder().starts_with(|c: char| !c.is_ascii() && c.is_alphanumeric()) {
            self.foreign_name(lexer);
        } else {
            self.push(lexer, Tok::word(lexer.slice()));
        }
    }

    /// A name that holds letters other than `a` to `z`: reported, and kept as a name.
    fn foreign_name(&mut self, lexer: &mut Lexer<'s, Raw>) {
        let rest = lexer.remainder();
        lexer.bump(rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len()));
        let name = lexer.slice();
        self.error(lexer, name.len(), LexError::ForeignName { name: name.to_owned() });
        self.push(lexer, Tok::Ident(name));
    }

    fn number(&mut self, lexer: &mut Lexer<'s, Raw>) {
        let text = lexer.slice();
        let tok = match number(text) {
            Ok(tok) => tok,
            Err(kind) => {
                self.error(lexer, text.len(), kind);
                Tok::Bad
            }
        };
        self.push(lexer, tok);
    }

    fn non_ascii(&mut self, lexer: &mut Lexer<'s, Raw>) {
        let text = lexer.slice();
        let Some(found) = text.chars().next() else { return };
        match lookalike::meant(found) {
            Some(Meant::Sign(sign)) => {
                self.error(lexer, text.len(), LexError::LookAlike { found, meant: sign });
                self.push(lexer, Tok::sign(sign).unwrap_or(Tok::Bad));
            }
            Some(Meant::Blank) => self.error(lexer, text.len(), LexError::ForeignBlank { found }),
            Some(Meant::Quote) => {
                self.error(lexer, text.len(), LexError::Quoted);
                self.push(lexer, Tok::Bad);
            }
            Some(Meant::Function(function)) => {
                self.error(lexer, text.len(), LexError::LookAlike { found, meant: function });
                self.push(lexer, Tok::Ident(function));
            }
            None if found.is_alphanumeric() => self.foreign_name(lexer),
            None => self.unknown(lexer),
        }
    }

    /// A character that begins no token; a row of them is one error.
    fn unknown(&mut self, lexer: &Lexer<'s, Raw>) {
        let (start, end) = self.range(lexer);
        if let Some(last) = self.out.errors.last_mut()
            && matches!(last.kind, ErrorKind::Lex(LexError::UnknownCharacter { .. }))
            && last.span.end as usize == start
        {
            last.span.end = end as u32;
            return;
        }
        let found = lexer.slice().chars().next().unwrap_or('\0');
        self.error(lexer, end - start, LexError::UnknownCharacter { found });
        self.push(lexer, Tok::Bad);
    }
}

/// Whether two texts are the same number.
pub(crate) fn same_number(a: &str, b: &str) -> bool {
    let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    digit(a) && digit(b) && matches!((number(a), number(b)), (Ok(a), Ok(b)) if a == b)
}

/// The value of a number, or what is wrong with it.
fn number(text: &str) -> Result<Tok<'static>, LexError> {
    let digits: String = text.chars().filter(|&c| c != '_').collect();
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.parse().map(Tok::Int).map_err(|_| LexError::IntegerTooLarge);
    }
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    match digits.parse::<f64>() {
        Ok(value) if digits.chars().all(plain) && value.is_finite() => Ok(Tok::Float(value)),
        Ok(_) if digits.chars().all(plain) => Err(LexError::FloatTooLarge),
        _ => Err(LexError::MalformedNumber { text: text.to_owned() }),
    }
}
