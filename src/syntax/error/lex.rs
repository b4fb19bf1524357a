//! Errors of the characters.

use super::simple;
use crate::diag::Diagnostic;
use crate::source::Span;
use crate::syntax::token::clip;

/// What is wrong with a piece of text.
#[derive(Clone, Debug)]
pub(crate) enum LexError {
    /// A character that no token begins with.
    UnknownCharacter { found: char },
    /// A character that looks like a sign or word of the language.
    LookAlike { found: char, meant: &'static str },
    /// A blank that is not a space, a tab or a line end.
    ForeignBlank { found: char },
    /// A name with letters other than `a` to `z`.
    ForeignName { name: String },
    /// Digits that go on with what is no number.
    MalformedNumber { text: String },
    /// An integer beyond `i64`.
    IntegerTooLarge,
    /// A number beyond `f64`.
    FloatTooLarge,
    /// Text in quotation marks.
    Quoted,
    /// `/* … */`
    BlockComment,
    /// `//!` after the first item.
    LateFileDoc,
}

/// How it is said.
pub(super) fn diagnostic(span: Span, error: LexError) -> Diagnostic {
    match error {
        LexError::UnknownCharacter { found } => unknown(span, found),
        LexError::LookAlike { found, meant } => simple(
            "E0102",
            span,
            format!("{} looks like `{meant}`, but is another character", name(found)),
            format!("this is not `{meant}`"),
            format!("type `{meant}`"),
        ),
        LexError::ForeignBlank { found } => simple(
            "E0102",
            span,
            format!("a blank that is not a space: {}", name(found)),
            "looks like a space, or like nothing",
            "delete it, or type a space",
        ),
        LexError::ForeignName { name } => simple(
            "E0103",
            span,
            format!("the name `{}` holds letters other than `a` to `z`", clip(&name)),
            "names become names in C, which takes plain letters only",
            "spell it with the letters `a` to `z`, digits and `_`, such as `alpha`",
        ),
        LexError::MalformedNumber { text } => malformed(span, &text),
        LexError::IntegerTooLarge => simple(
            "E0105",
            span,
            "this integer is too large",
            "does not fit into 64 bits",
            "integers end at 9223372036854775807; write a value of that size as a float, such as `1e19`",
        ),
        LexError::FloatTooLarge => simple(
            "E0105",
            span,
            "this number is too large",
            "does not fit into an `f64`",
            "the largest is about 1.8e308; `inf` is infinity",
        ),
        LexError::Quoted => simple(
            "E0106",
            span,
            "text in quotation marks",
            "the language has numbers and tensors, but no text",
            "write names without quotation marks, and remarks behind `//`",
        ),
        LexError::BlockComment => simple(
            "E0107",
            span,
            "`/*` does not begin a comment",
            "comments end with their line",
            "put `//` before every line of the comment",
        ),
        LexError::LateFileDoc => simple(
            "E0108",
            span,
            "`//!` documents the whole file, and so stands before everything else",
            "an item was seen before this line",
            "move the line to the top of the file, or write `///` to document the next item, or `//` for a remark",
        ),
    }
}

fn unknown(span: Span, found: char) -> Diagnostic {
    let help = match found {
        '\0' => "delete it; if the file is full of them, it may not be a text file, or not be UTF-8",
        '$' | '`' => "names are written bare: `x`",
        '\\' => {
            "lines need no continuation sign: an expression in brackets, or an operator at the start of the next line, goes on"
        }
        '~' => "`!` negates a condition",
        _ => "delete it",
    };
    let message = format!("{} has no meaning here", name(found));
    simple("E0101", span, message, "not part of the language", help)
}

fn malformed(span: Span, text: &str) -> Diagnostic {
    let digits: String = text.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '_' | '.')).collect();
    let rest = &text[digits.len()..];
    let lower = text.to_ascii_lowercase();
    let help = if let Some(value) = radix(&lower) {
        format!("write it in decimal: `{value}`")
    } else if ["0x", "0b", "0o"].iter().any(|prefix| lower.starts_with(prefix)) {
        "numbers are written in decimal".to_owned()
    } else if matches!(rest, "f16" | "bf16" | "f32" | "f64" | "i8" | "u8" | "i32" | "i64") {
        format!("a number takes the type of what stands beside it; to choose one, write `{rest}({digits})`")
    } else if matches!(rest, "f" | "F" | "h" | "u" | "l" | "L" | "U" | "ul" | "UL") {
        format!("leave the suffix out: `{digits}`; a number takes the type of what stands beside it")
    } else if rest.eq_ignore_ascii_case("e") {
        format!("write the exponent, such as `{digits}e-5`")
    } else {
        format!("to multiply, write `*`: `{} * {}`; a name cannot begin with a digit", clip(&digits), clip(rest))
    };
    let message = format!("`{}` is not a number", clip(text));
    simple("E0104", span, message, "begins like a number, but does not go on like one", help)
}

/// The value of a number with a prefix for its base.
fn radix(lower: &str) -> Option<i64> {
    let digits: String = lower.get(2..)?.chars().filter(|&c| c != '_').collect();
    let base = match lower.get(..2)? {
        "0x" => 16,
        "0b" => 2,
        "0o" => 8,
        _ => return None,
    };
    i64::from_str_radix(&digits, base).ok()
}

/// How a message names a character that may be invisible.
fn name(c: char) -> String {
    let code = u32::from(c);
    match c {
        '\0' => "a NUL byte".to_owned(),
        _ if c.is_control() || c.is_whitespace() || matches!(code, 0x200b..=0x200f | 0x2028..=0x2069 | 0xfeff) => {
            format!("the invisible character U+{code:04X}")
        }
        _ if c.is_ascii() => format!("`{c}`"),
        _ => format!("`{c}` (U+{code:04X})"),
    }
}
