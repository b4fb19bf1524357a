//! A cursor over the text of an IR: blanks, names, numbers, symbols, and errors with their place. Shared by the parser
//! of expressions and that of the loop IR; the language itself has its own lexer in `syntax`.

/// Why a text is not one of an IR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// What parsing gives.
pub type Parsed<T> = Result<T, ParseError>;

/// A place in a text.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

/// A number as it was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    /// Digits, point and exponent.
    pub(crate) digits: &'a str,
    /// Whether there is a point or an exponent.
    pub(crate) is_float: bool,
    /// The type behind it; may be empty.
    pub(crate) suffix: &'a str,
}

impl<'a> Cursor<'a> {
    /// The start of a text.
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The place, for [`Cursor::error_at`].
    pub(crate) const fn place(&self) -> usize {
        self.at
    }

    /// An error at the next thing.
    pub(crate) fn error(&mut self, message: impl Into<String>) -> ParseError {
        self.skip_blanks();
        self.error_at(self.at, message)
    }

    /// An error at a place.
    pub(crate) fn error_at(&self, place: usize, message: impl Into<String>) -> ParseError {
        let before = &self.text[..place];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ParseError {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }

    /// The error that something else was expected.
    pub(crate) fn expected<T>(&mut self, what: &str) -> Parsed<T> {
        self.skip_blanks();
        let found = match self.rest().chars().next() {
            None => "the end".to_owned(),
            Some(_) => format!("`{}`", self.clone().token()),
        };
        Err(self.error(format!("expected {what}, found {found}")))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next name, number or single character, to be shown.
    fn token(&mut self) -> &'a str {
        let length = self.rest().find(|c: char| !is_name_char(c)).unwrap_or(self.rest().len());
        let first = self.rest().chars().next().map_or(0, char::len_utf8);
        &self.rest()[..length.max(first)]
    }

    /// Skips white space and `//` comments.
    pub(crate) fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    /// Whether nothing is left.
    pub(crate) fn at_end(&mut self) -> bool {
        self.skip_blanks();
        self.rest().is_empty()
    }

    /// Whether `symbol` comes next.
    pub(crate) fn sees(&mut self, symbol: &str) -> bool {
        self.skip_blanks();
        self.rest().starts_with(symbol)
    }

    /// Takes `symbol` if it comes next.
    pub(crate) fn take(&mut self, symbol: &str) -> bool {
        let found = self.sees(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    /// Takes `symbol`, which must come next.
    pub(crate) fn expect(&mut self, symbol: &str) -> Parsed<()> {
        if self.take(symbol) { Ok(()) } else { self.expected(&format!("`{symbol}`")) }
    }

    /// The bare word that comes next, without taking it.
    pub(crate) fn peek_word(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let rest = self.rest();
        if !rest.starts_with(is_name_start) {
            return None;
        }
        let mut end = 0;
        for (index, c) in rest.char_indices() {
            let dotted = c == '.' && rest[index + 1..].starts_with(|next: char| is_name_char(next));
            if !is_name_char(c) && !dotted {
                break;
            }
            end = index + c.len_utf8();
        }
        Some(&rest[..end])
    }

    /// Takes the word `word` if it comes next as a whole.
    pub(crate) fn take_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == Some(word);
        if found {
            self.at += word.len();
        }
        found
    }

    /// Takes the word that comes next, whatever it is.
    pub(crate) fn word(&mut self) -> Option<&'a str> {
        let word = self.peek_word()?;
        self.at += word.len();
        Some(word)
    }

    /// Takes a name: a word, or anything in backquotes.
    pub(crate) fn name(&mut self) -> Parsed<&'a str> {
        if let Some(word) = self.word() {
            return Ok(word);
        }
        if !self.take("`") {
            return self.expected("a name");
        }
        let Some(length) = self.rest().find(['`', '\n']).filter(|&end| self.rest()[end..].starts_with('`')) else {
            self.at -= 1;
            return Err(self.error("a backquote is not closed"));
        };
        let name = &self.rest()[..length];
        self.at += length + 1;
        Ok(name)
    }

    /// Takes a number without sign, if one comes next.
    pub(crate) fn number(&mut self) -> Option<Number<'a>> {
        self.skip_blanks();
        let rest = self.rest();
        let mut end = digits(rest, 0);
        if end == 0 {
            return None;
        }
        let mut is_float = false;
        if rest[end..].starts_with('.') && digits(rest, end + 1) > end + 1 {
            end = digits(rest, end + 1);
            is_float = true;
        }
        if rest[end..].starts_with(['e', 'E']) {
            let signed = end + 1 + usize::from(rest[end + 1..].starts_with(['+', '-']));
            if digits(rest, signed) > signed {
                end = digits(rest, signed);
                is_float = true;
            }
        }
        let suffix = rest[end..].find(|c: char| !is_name_char(c)).unwrap_or(rest.len() - end);
        self.at += end + suffix;
        Some(Number { digits: &rest[..end], is_float, suffix: &rest[end..end + suffix] })
    }

    /// Takes an integer, perhaps negative, that must come next.
    pub(crate) fn integer(&mut self) -> Parsed<i64> {
        self.skip_blanks();
        let place = self.place();
        let sign = if self.take("-") { "-" } else { "" };
        match self.number() {
            Some(number) if !number.is_float && number.suffix.is_empty() => format!("{sign}{}", number.digits)
                .parse()
                .map_err(|_| self.error_at(place, "the number does not fit 64 bits")),
            _ => {
                self.at = place;
                self.expected("an integer")
            }
        }
    }
}

fn digits(text: &str, from: usize) -> usize {
    text[from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |length| from + length)
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '\''
}

/// Whether a name is one word for the cursor.
pub(super) fn is_name(name: &str) -> bool {
    let mut cursor = Cursor::new(name);
    cursor.word() == Some(name)
}
