//! Characters that look like signs of the language but are others: what word processors and formulas put in.

/// What the author of a character probably meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// A sign of the language.
    Sign(&'static str),
    /// An intrinsic or reduction.
    Function(&'static str),
    /// A blank.
    Blank,
    /// A quotation mark; the language has no text.
    Quote,
}

/// What was meant by `found`, if that is known.
pub(crate) fn meant(found: char) -> Option<Meant> {
    Some(match found {
        '×' | '·' | '⋅' | '∗' | '•' | '∙' | '✕' => Meant::Sign("*"),
        '−' | '–' | '—' | '‐' | '‑' | '‒' | '﹣' => Meant::Sign("-"),
        '÷' | '∕' | '⁄' => Meant::Sign("/"),
        '٪' => Meant::Sign("%"),
        '≤' | '⩽' => Meant::Sign("<="),
        '≥' | '⩾' => Meant::Sign(">="),
        '≠' => Meant::Sign("!="),
        '≡' => Meant::Sign("=="),
        '‹' => Meant::Sign("<"),
        '›' => Meant::Sign(">"),
        '→' => Meant::Sign("->"),
        '⇒' => Meant::Sign("=>"),
        '∧' => Meant::Sign("&&"),
        '∨' => Meant::Sign("||"),
        '¬' => Meant::Sign("!"),
        '【' => Meant::Sign("["),
        '】' => Meant::Sign("]"),
        '、' | '‚' | '،' => Meant::Sign(","),
        '\u{37e}' => Meant::Sign(";"),
        '∶' => Meant::Sign(":"),
        '…' | '‥' => Meant::Sign(".."),
        '∑' | 'Σ' => Meant::Function("sum"),
        '∏' | 'Π' => Meant::Function("prod"),
        '√' => Meant::Function("sqrt"),
        'π' => Meant::Function("pi"),
        '∞' => Meant::Function("inf"),
        '“' | '”' | '„' | '‘' | '’' | '«' | '»' | '´' => Meant::Quote,
        '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{85}' => Meant::Blank,
        '\u{ff01}'..='\u{ff5e}' => return wide(found),
        _ if found.is_whitespace() => Meant::Blank,
        _ => return None,
    })
}

/// The ASCII sign that a full-width one of East Asian typography stands for.
fn wide(found: char) -> Option<Meant> {
    const SIGNS: &str = "!\"#$%&'()*+,-./0123456789:;<=>?@";
    let at = found as usize - 0xff01;
    match found {
        '\u{ff3b}' => Some(Meant::Sign("[")),
        '\u{ff3d}' => Some(Meant::Sign("]")),
        '\u{ff3e}' => Some(Meant::Sign("^")),
        '\u{ff5b}' => Some(Meant::Sign("{")),
        '\u{ff5c}' => Some(Meant::Sign("|")),
        '\u{ff5d}' => Some(Meant::Sign("}")),
        _ if found.is_alphanumeric() => None,
        _ => SIGNS.get(at..=at).map(Meant::Sign),
    }
}
