//! Tokens: the words and signs of the language. Data and names only; `lexer` finds them, `layout` adds line ends.

/// Defines [`Tok`]: variants with a fixed spelling, and the two look-ups by spelling.
macro_rules! tokens {
    (keywords { $($word:ident $word_text:literal)* } signs { $($sign:ident $sign_text:literal)* }
     steps { $($step:ident $step_text:literal)* }) => {
        /// A token, with its value where it has one. Tokens borrow names from the source.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) enum Tok<'s> {
            $($word,)*
            $($sign,)*
            $($step,)*
            /// A name that is no keyword.
            Ident(&'s str),
            /// A name of several parts, in a schedule: `i.0`, `x86-64-v4`; made by `schedule`.
            Dotted(&'s str),
            /// An integer that fits.
            Int(i64),
            /// A number with a point or an exponent.
            Float(f64),
            /// A `///` line that documents an item, without the marker.
            Doc(&'s str),
            /// A line end that ends a statement; made by `layout`.
            Newline,
            /// Something an error was reported for already.
            Bad,
        }

        impl<'s> Tok<'s> {
            /// The keyword or name that `text` spells.
            pub(crate) fn word(text: &'s str) -> Self {
                match text {
                    $($word_text => Tok::$word,)*
                    _ => Tok::Ident(text),
                }
            }

            /// The sign that `text` spells.
            pub(crate) fn sign(text: &str) -> Option<Self> {
                match text {
                    $($sign_text => Some(Tok::$sign),)*
                    _ => None,
                }
            }

            /// The word of schedules that `text` spells; outside of them it is a name.
            pub(crate) fn step_word(text: &str) -> Option<Self> {
                match text {
                    $($step_text => Some(Tok::$step),)*
                    _ => None,
                }
            }

            /// The spelling, where it is fixed.
            pub(crate) fn spelling(self) -> Option<&'static str> {
                match self {
                    $(Tok::$word => Some($word_text),)*
                    $(Tok::$sign => Some($sign_text),)*
                    $(Tok::$step => Some($step_text),)*
                    Tok::Ident(_)
                    | Tok::Dotted(_)
                    | Tok::Int(_)
                    | Tok::Float(_)
                    | Tok::Doc(_)
                    | Tok::Newline
                    | Tok::Bad => None,
                }
            }

            /// Whether this is a keyword, also one that may be a name elsewhere.
            pub(crate) fn is_keyword(self) -> bool {
                matches!(self, $(Tok::$word)|*)
            }
        }
    };
}

tokens! {
    keywords {
        Fn "fn" Pub "pub" Use "use" As "as" Const "const" Let "let" If "if" Else "else" Where "where"
        Export "export" Variant "variant" Schedule "schedule" True "true" False "false"
        Of "of" When "when"
    }
    signs {
        LParen "(" RParen ")" LBracket "[" RBracket "]" LBrace "{" RBrace "}"
        Comma "," Semi ";" Colon ":" Path "::" Dot "." DotDot ".." Arrow "->" FatArrow "=>" Hash "#" Assign "="
        Plus "+" Minus "-" Star "*" Slash "/" Percent "%" Bang "!"
        EqEq "==" NotEq "!=" Lt "<" Le "<=" Gt ">" Ge ">=" AndAnd "&&" OrOr "||"
        // Signs that ftc has no use for; they are tokens so that the parser can say what to write instead.
        StarStar "**" Caret "^" Amp "&" Pipe "|" Question "?" At "@"
        PlusAssign "+=" MinusAssign "-=" StarAssign "*=" SlashAssign "/=" PercentAssign "%=" ColonAssign ":="
    }
    steps {
        For "for" By "by" Tail "tail" Within "at" Before "before" In "in" To "to"
        Split "split" Fuse "fuse" Phases "phases" Reorder "reorder" Parallel "parallel" Vectorize "vectorize" Unroll "unroll"
        Bind "bind"
        Store "store" Stage "stage" Pipeline "pipeline" Tensorize "tensorize" Accumulate "accumulate" Rfactor "rfactor" Inline "inline"
        Compute "compute"
    }
}

impl Tok<'_> {
    /// Whether an expression may end with this token.
    pub(crate) fn ends_expression(self) -> bool {
        matches!(
            self,
            Tok::Ident(_)
                | Tok::Of
                | Tok::When
                | Tok::Int(_)
                | Tok::Float(_)
                | Tok::True
                | Tok::False
                | Tok::RParen
                | Tok::RBracket
                | Tok::RBrace
                // Not in any right program: `1.` and `x.` at the end of a line.
                | Tok::Dot
                | Tok::Bad
        )
    }

    /// Whether a line that opens with this token goes on with the line before.
    pub(crate) fn continues_line(self) -> bool {
        self.is_infix()
            || matches!(
                self,
                Tok::Else
                    | Tok::As
                    | Tok::Where
                    | Tok::FatArrow
                    | Tok::Arrow
                    | Tok::RParen
                    | Tok::RBracket
                    | Tok::RBrace
                    | Tok::LBrace
                    | Tok::Comma
                    | Tok::Semi
                    | Tok::Colon
                    | Tok::Path
                    | Tok::Dot
                    | Tok::DotDot
                    | Tok::Question
                    | Tok::Assign
            )
    }

    /// Whether this stands between two operands, rightly or not.
    pub(crate) fn is_infix(self) -> bool {
        self.is_update()
            || matches!(
                self,
                Tok::Plus
                    | Tok::Minus
                    | Tok::Star
                    | Tok::Slash
                    | Tok::Percent
                    | Tok::EqEq
                    | Tok::NotEq
                    | Tok::Lt
                    | Tok::Le
                    | Tok::Gt
                    | Tok::Ge
                    | Tok::AndAnd
                    | Tok::OrOr
                    | Tok::StarStar
                    | Tok::Caret
                    | Tok::Amp
                    | Tok::Pipe
                    | Tok::At
            )
    }

    /// Whether this is an assignment of other languages that ftc does not have.
    pub(crate) fn is_update(self) -> bool {
        matches!(
            self,
            Tok::PlusAssign
                | Tok::MinusAssign
                | Tok::StarAssign
                | Tok::SlashAssign
                | Tok::PercentAssign
                | Tok::ColonAssign
        )
    }

    /// Whether an item may begin with this keyword.
    pub(crate) fn starts_item(self) -> bool {
        matches!(self, Tok::Fn | Tok::Pub | Tok::Use | Tok::Const | Tok::Export | Tok::Variant | Tok::Schedule)
    }

    /// The token that closes what this one opens.
    pub(crate) fn closer(self) -> Option<Tok<'static>> {
        match self {
            Tok::LParen => Some(Tok::RParen),
            Tok::LBracket => Some(Tok::RBracket),
            Tok::LBrace => Some(Tok::RBrace),
            _ => None,
        }
    }

    /// Whether this closes a bracket.
    pub(crate) fn is_closer(self) -> bool {
        matches!(self, Tok::RParen | Tok::RBracket | Tok::RBrace)
    }

    /// How a message names what was found: `` `+=` ``, `` the name `x` ``.
    pub(crate) fn describe(self) -> String {
        match self {
            Tok::Ident(name) | Tok::Dotted(name) => format!("`{}`", clip(name)),
            Tok::Int(value) => format!("`{value}`"),
            Tok::Float(value) => format!("`{value:?}`"),
            Tok::Doc(_) => "a doc comment".to_owned(),
            Tok::Newline => "the end of the line".to_owned(),
            Tok::Bad => "something unreadable".to_owned(),
            _ => match self.spelling() {
                Some(text) if self.is_keyword() => format!("the keyword `{text}`"),
                Some(text) => format!("`{text}`"),
                None => "a token".to_owned(),
            },
        }
    }
}

/// A name, cut where it would fill the screen.
pub(crate) fn clip(name: &str) -> &str {
    match name.char_indices().nth(40) {
        Some((at, _)) => &name[..at],
        None => name,
    }
}

/// A token and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'s> {
    /// What it is.
    pub(crate) tok: Tok<'s>,
    /// First byte.
    pub(crate) start: usize,
    /// One past the last byte.
    pub(crate) end: usize,
    /// Whether it is the first of its line.
    pub(crate) first: bool,
}
