//! Habits from other languages: what is right in C, Python, Rust or on paper, but not here.
//!
//! Each function knows one kind, and says nothing where it does not apply. They are tried in order, so an earlier one
//! may rely on being asked first.

use super::error::ParseError;
use super::expect::{Failure, Finding};
use super::token::Tok;

/// Operators that are spelled otherwise, or that do not exist.
pub(crate) fn operators(failure: &Failure<'_, '_>) -> Finding {
    let at = failure.at;
    let found = failure.found()?;
    let foreign =
        |at: usize, found: &str, help| Some((at, ParseError::ForeignOperator { found: found.to_owned(), help }));
    match (found, failure.before(1)) {
        (Tok::StarStar, _) => foreign(at, "**", "write `pow(a, b)` for a power, `x * x` for a square"),
        (Tok::Caret, _) => foreign(at, "^", "write `pow(a, b)` for a power"),
        (Tok::Amp, _) if failure.expects_operator() => foreign(at, "&", "write `&&` for `and`"),
        (Tok::Amp, _) => foreign(at, "&", "there are no references: leave the `&` out"),
        (Tok::Pipe, _) if failure.expects_operator() => {
            foreign(at, "|", "write `||` for `or`; `abs(x)` is the absolute value")
        }
        (Tok::Pipe, _) => foreign(at, "|", "write `abs(x)` for the absolute value; a helper is `(k) => k + 1`"),
        (Tok::OrOr, _) if failure.expects_value() => foreign(at, "||", "a helper without parameters is `() => value`"),
        (Tok::At, Some(_)) => {
            foreign(at, "@", "write a matrix product by its elements: `C[i, j] = sum[k](A[i, k] * B[k, j])`")
        }
        (Tok::Question, _) => Some((at, ParseError::IfForm { help: "write `if c { a } else { b }` for `c ? a : b`" })),
        (Tok::Slash, Some(Tok::Slash)) => foreign(at, "//", "`/` of integers rounds down; `//` begins a comment"),
        (Tok::Assign, Some(Tok::EqEq | Tok::NotEq)) if failure.glued(at) => foreign(at, "===", "write `==`, or `!=`"),
        (Tok::Gt, Some(Tok::Lt)) if failure.glued(at) => foreign(at - 1, "<>", "write `!=`"),
        (Tok::Lt | Tok::Gt, Some(Tok::Assign)) if failure.glued(at) => foreign(at - 1, "=<", "write `<=`, or `>=`"),
        (Tok::Arrow, Some(Tok::RParen)) if failure.opener().is_some() => {
            foreign(at, "->", "a helper is written with `=>`: `(k) => k + 1`")
        }
        (Tok::FatArrow, Some(Tok::Ident(_))) => {
            foreign(at, "=>", "put the parameters of a helper in parentheses: `(k) => k + 1`")
        }
        (Tok::Ident("and"), _) if failure.expects_operator() => foreign(at, "and", "write `&&`"),
        (Tok::Ident("or"), _) if failure.expects_operator() => foreign(at, "or", "write `||`"),
        (Tok::Ident("mod"), _) if failure.expects_operator() => foreign(at, "mod", "write `%`"),
        (Tok::Ident("div"), _) if failure.expects_operator() => {
            foreign(at, "div", "write `/`; of integers it rounds down")
        }
        (_, Some(Tok::Ident("not"))) if failure.expects_operator() => foreign(at - 1, "not", "write `!`"),
        (_, Some(Tok::Ident("lambda"))) if failure.expects_operator() => {
            foreign(at - 1, "lambda", "a helper is written `(k) => k + 1`")
        }
        (_, _) => comparisons(failure).or_else(|| dots(failure)).or_else(|| update(failure)),
    }
}

fn is_comparison(tok: Tok<'_>) -> bool {
    matches!(tok, Tok::EqEq | Tok::NotEq | Tok::Lt | Tok::Le | Tok::Gt | Tok::Ge)
}

fn comparisons(failure: &Failure<'_, '_>) -> Finding {
    if !is_comparison(failure.found()?) || !failure.expects_operator() {
        return None;
    }
    let first = failure.last_in_piece(is_comparison)?;
    Some((failure.at, ParseError::ChainedComparison { first: failure.span(first) }))
}

fn dots(failure: &Failure<'_, '_>) -> Finding {
    if failure.found()? != Tok::Dot {
        return None;
    }
    let next = failure.tok(failure.at + 1);
    Some(match (failure.before(1), next) {
        (Some(Tok::Int(whole)), next) if !matches!(next, Some(Tok::Ident(_))) => {
            (failure.at, ParseError::BareDot { fixed: format!("{whole}.0") })
        }
        (_, Some(Tok::Int(digits))) if failure.expects_value() => {
            (failure.at, ParseError::BareDot { fixed: format!("0.{digits}") })
        }
        _ if failure.tok(failure.item_start()) == Some(Tok::Use) => {
            (failure.at, ParseError::UseForm { help: "separate the parts of a path with `::`: `use std::nn::conv2d`" })
        }
        _ => (failure.at, ParseError::Member),
    })
}

fn update(failure: &Failure<'_, '_>) -> Finding {
    let found = failure.found().filter(|tok| tok.is_update())?;
    let target = match failure.tok(failure.piece()) {
        Some(Tok::Ident(name)) if name.len() < 20 => {
            Some(format!("{name}{}", if failure.before(1) == Some(Tok::RBracket) { "[…]" } else { "" }))
        }
        _ => None,
    };
    Some((failure.at, ParseError::Update { found: found.spelling().unwrap_or("="), target }))
}

/// Forms of `if`, brackets after brackets, `use`.
pub(crate) fn forms(failure: &Failure<'_, '_>) -> Finding {
    let at = failure.at;
    let found = failure.found();
    if found == Some(Tok::LBracket) && failure.expects_operator() {
        let subscripts = failure.before(1) == Some(Tok::RBracket);
        return Some((at, if subscripts { ParseError::SecondSubscript } else { ParseError::SubscriptOfValue }));
    }
    if failure.tok(failure.item_start()) == Some(Tok::Use) {
        return use_form(failure);
    }
    if found == Some(Tok::If) && failure.expects_operator() {
        return Some((at, ParseError::IfForm { help: "write `if c { a } else { b }` for `a if c else b`" }));
    }
    if matches!(found, Some(Tok::Ident("elif" | "elseif" | "elsif"))) {
        return Some((at, ParseError::IfForm { help: "write `else if`" }));
    }
    if failure.before(1) == Some(Tok::Else) && failure.expects("{") && !failure.expects_value() {
        return Some((at, ParseError::IfForm { help: "put the branch in braces: `if c { a } else { b }`" }));
    }
    if failure.expects("{") && failure.expects_operator() {
        let start = failure.last_in_piece(|tok| tok == Tok::If)?;
        // An `if` whose condition is over: what stands here must be `{`.
        if found != Some(Tok::Assign) && !failure.tokens[start..at].iter().any(|token| token.tok == Tok::LBrace) {
            return Some((at, ParseError::IfForm { help: "put both branches in braces: `if c { a } else { b }`" }));
        }
    }
    (found == Some(Tok::Else) && failure.expects_operator()).then_some((at, ParseError::StrayElse))
}

fn use_form(failure: &Failure<'_, '_>) -> Finding {
    let help = match failure.found() {
        Some(Tok::Star) => "list what is used by name: `use std::nn::{conv2d, dense}`",
        None if failure.expects("::") => "name the module and what is used from it: `use std::nn::conv2d`",
        _ => return None,
    };
    Some((failure.at, ParseError::UseForm { help }))
}

/// Words that begin statements and items elsewhere, and keywords where names are to stand.
pub(crate) fn words(failure: &Failure<'_, '_>) -> Finding {
    let start = failure.piece();
    let inside = failure.opener().and_then(|opener| failure.tok(opener));
    let first = failure.tok(start);
    if let (Some(Tok::LBrace), Some(first)) = (inside, first)
        && let Some(error) = statement_word(failure, first, start)
    {
        return Some((start, error));
    }
    if let (Some(Tok::Let), Some(Tok::Ident("mut"))) = (failure.before(2), failure.before(1)) {
        let help = "leave it out: nothing is changed after its definition";
        return Some((failure.at - 1, ParseError::ForeignWord { word: "mut".to_owned(), help }));
    }
    if matches!(failure.found(), Some(Tok::Ident("for"))) && failure.expects_operator() {
        return Some((failure.at, ParseError::Loop { word: "for".to_owned() }));
    }
    if let (Some(Tok::Let), Some(Tok::Ident(_)), Some(Tok::LParen)) =
        (failure.before(2), failure.before(1), failure.found())
    {
        return Some((failure.at, ParseError::Target { help: "a helper is `let f = (k) => k + 1`" }));
    }
    if failure.complete() {
        return item_word(failure, failure.at);
    }
    if inside.is_none() {
        let item = failure.item_start();
        if failure.at == item || !failure.tok(item).is_some_and(Tok::starts_item) {
            return item_word(failure, item);
        }
    }
    let keyword = failure.found().filter(|tok| tok.is_keyword())?;
    let word = keyword.spelling()?.to_owned();
    let name = failure.expects("ident") && !failure.expects_value();
    name.then_some((failure.at, ParseError::Reserved { word }))
}

fn statement_word(failure: &Failure<'_, '_>, first: Tok<'_>, start: usize) -> Option<ParseError> {
    let early = failure.at <= start + 1;
    let word = match first {
        Tok::Ident(word) if early => word,
        Tok::Fn | Tok::Const | Tok::Use if early => first.spelling()?,
        _ => return None,
    };
    let help = match word {
        "for" | "while" | "loop" | "do" | "parfor" | "forall" | "repeat" => {
            return Some(ParseError::Loop { word: word.to_owned() });
        }
        "return" | "yield" => "define the output by its name: `y[i] = …`; the last line of a block is its value",
        "var" | "val" | "auto" | "mut" | "set" | "local" | "def" | "int" | "float" | "double" | "Tensor" => {
            "a new name is introduced by `let`: `let s = …`, `let t[i, j] = …`"
        }
        "import" | "from" => "write `use std::nn::conv2d` at the top of the file",
        "print" | "printf" | "println" => "nothing can be printed; `ftc run` shows what a function gives",
        "assert" | "require" | "requires" => {
            "requirements on sizes stand in the `where` of the function: `where K % 4 == 0`"
        }
        "switch" | "match" | "case" => "write `if a { … } else if b { … } else { … }`",
        "fn" => "a helper inside a function is `let f = (k) => k + 1`; other functions stand beside this one",
        "const" => "write `let` inside a function",
        "use" => "`use` stands at the top of the file",
        _ => return None,
    };
    Some(misplaced(first, help))
}

fn item_word(failure: &Failure<'_, '_>, at: usize) -> Finding {
    let first = failure.tok(at)?;
    let help = match first {
        Tok::Ident("def" | "func" | "function" | "fun" | "proc" | "kernel" | "void" | "define" | "op") => {
            "a function is `fn f(x: T[N]) -> (y: T[N]) { y[i] = … }`"
        }
        Tok::Ident("import" | "from" | "include" | "require" | "using" | "module" | "mod" | "extern") => {
            "write `use std::nn::conv2d`, or `use std::nn::{conv2d, dense}`"
        }
        Tok::Ident("class" | "struct" | "enum" | "type" | "trait" | "impl" | "interface") => {
            "there are no types to define: a file holds `use`, `const`, `fn`, `variant` and `export`"
        }
        Tok::Ident("static" | "final" | "define_const" | "constexpr" | "var" | "val") | Tok::Let => {
            "outside of functions, a number is named by `const N = 4`; tensors are defined in the body of an `fn`"
        }
        Tok::Hash => "a comment begins with `//`",
        Tok::At => "an attribute is `#[name(key = value)]`",
        Tok::Ident("for" | "while" | "loop") => {
            return Some((at, ParseError::Loop { word: first.spelling().map_or("for".to_owned(), str::to_owned) }));
        }
        _ => return Some((at, ParseError::NoItem { found: first.describe() })),
    };
    Some((at, misplaced(first, help)))
}

/// A word that does not belong where it stands.
fn misplaced(tok: Tok<'_>, help: &'static str) -> ParseError {
    match tok {
        Tok::Ident(word) => ParseError::ForeignWord { word: word.to_owned(), help },
        _ => ParseError::Misplaced { found: tok.describe(), help },
    }
}

/// Separators in lists.
pub(crate) fn lists(failure: &Failure<'_, '_>) -> Finding {
    let at = failure.at;
    let inside = failure.opener().and_then(|opener| failure.tok(opener));
    match failure.found()? {
        Tok::Semi if matches!(inside, Some(Tok::LParen | Tok::LBracket)) => Some((at, ParseError::SemicolonInList)),
        Tok::Colon => colon(failure),
        _ => None,
    }
}

fn colon(failure: &Failure<'_, '_>) -> Finding {
    let at = failure.at;
    let start = failure.piece();
    let inside = failure.opener().and_then(|opener| failure.tok(opener));
    let named = match failure.before(1) {
        Some(Tok::Ident(name)) if at == start + 1 => Some(name.to_owned()),
        _ => None,
    };
    match (inside, named) {
        (Some(Tok::LParen), Some(name)) => Some((at, ParseError::ColonInCall { name })),
        _ if failure.tok(start) == Some(Tok::Let) => Some((at, ParseError::TypeOfLet)),
        (None, _) if failure.tok(failure.item_start()) == Some(Tok::Const) => Some((at, ParseError::TypeOfConst)),
        _ => None,
    }
}

/// The head of a function.
pub(crate) fn heads(failure: &Failure<'_, '_>) -> Finding {
    let at = failure.at;
    let start = failure.item_start();
    if !matches!(failure.tok(start), Some(Tok::Fn | Tok::Pub)) {
        return None;
    }
    let name = (start..at).find(|&index| failure.tok(index) == Some(Tok::Fn)).map(|index| index + 1);
    let arrow = failure.tokens[..at.min(failure.tokens.len())].iter().rposition(|token| token.tok == Tok::Arrow);
    let Some(opener) = failure.opener() else {
        return match (failure.before(1), failure.found()) {
            (Some(Tok::Arrow), _) => Some((at, ParseError::UnnamedResult)),
            (Some(Tok::RParen), _) if arrow.is_none() => {
                Some((at, ParseError::NoArrow { name: name.map(|name| failure.span(name)) }))
            }
            (_, Some(Tok::Comma | Tok::Gt)) if failure.expects(":") => {
                let Some(Tok::Ident(name)) = failure.before(1) else { return None };
                Some((at, ParseError::NoBound { name: name.to_owned() }))
            }
            _ if arrow.is_some() && failure.expects("{") && !failure.expects_operator() => {
                Some((at, ParseError::NoBody))
            }
            (Some(Tok::RParen), Some(Tok::Assign)) => Some((at, ParseError::NoBody)),
            _ => None,
        };
    };
    if !failure.expects(":") || failure.expects("::") {
        return None;
    }
    let results = opener.checked_sub(1).and_then(|at| failure.tok(at)) == Some(Tok::Arrow);
    match failure.before(1) {
        _ if results => Some((at, ParseError::UnnamedResult)),
        Some(Tok::Ident(name)) => Some((at, ParseError::NoType { name: name.to_owned() })),
        _ => None,
    }
}

/// `=` where it does not fit.
pub(crate) fn equals(failure: &Failure<'_, '_>) -> Finding {
    let at = failure.at;
    if failure.found()? != Tok::Assign || failure.expects_value() {
        return None;
    }
    let start = failure.piece();
    if failure.expects("ident") {
        return None;
    }
    let inside = failure.opener().and_then(|opener| failure.tok(opener));
    let target = |help| Some((at, ParseError::Target { help }));
    let in_condition = failure.last_in_piece(|tok| matches!(tok, Tok::If | Tok::When)).is_some();
    let in_clauses = inside.is_none() && failure.tokens[..at].iter().any(|token| token.tok == Tok::Where);
    match (inside, failure.tok(start)) {
        _ if in_condition || in_clauses => Some((at, ParseError::AssignInCondition)),
        (Some(Tok::LParen | Tok::LBracket), _) => Some((at, ParseError::AssignInCondition)),
        (Some(Tok::LBrace), first) => {
            let earlier = failure.last_in_piece(|tok| tok == Tok::Assign).is_some();
            match first {
                _ if earlier => target("define one thing at a time, and write `==` to compare"),
                Some(Tok::Let) => target("a helper is `let f = (k) => k + 1`; a tensor is `let t[i] = …`"),
                Some(Tok::LParen) => target("several results take `let`: `let (a, b) = f(x)`"),
                Some(Tok::Ident(_)) if failure.tok(start + 1) == Some(Tok::LParen) => {
                    target("a helper is `let f = (k) => k + 1`; elements are defined with brackets: `y[i] = …`")
                }
                _ => target("on the left of `=` stands a name, or a name and its indices: `y[i] = …`"),
            }
        }
        _ => None,
    }
}
