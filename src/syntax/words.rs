//! What the grammar would have taken, in words: for failures that are no known habit.

use super::error::ParseError;
use super::expect::Failure;
use super::token::Tok;

/// The error in general words.
pub(crate) fn unexpected(failure: &Failure<'_, '_>) -> ParseError {
    let found = failure.found().map_or("the end of the item".to_owned(), Tok::describe);
    let place = place(failure);
    let wanted = wanted(failure, place);
    let expected = match place.element() {
        Some(element) if failure.expects_operator() || closes(failure) => {
            format!("{} after {element}", join(&wanted))
        }
        _ => join(&wanted),
    };
    ParseError::Unexpected { found, expected, help: help(failure, place, &wanted) }
}

/// Where among the constructs a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Item,
    Params,
    Results,
    ExportArgs,
    Args,
    ReduceBody,
    Subscripts,
    Extents,
    Elements,
    Attribute,
    Parens,
    Names,
    Body,
}

impl Place {
    /// What stands between the commas there.
    fn element(self) -> Option<&'static str> {
        Some(match self {
            Place::Params => "this parameter",
            Place::Results => "this result",
            Place::ExportArgs | Place::Args => "this argument",
            Place::ReduceBody => "the body of the reduction",
            Place::Subscripts => "this subscript",
            Place::Extents => "this extent",
            Place::Elements => "this element",
            Place::Attribute => "this entry",
            Place::Names => "this name",
            Place::Parens => "this expression",
            Place::Item | Place::Body => return None,
        })
    }
}

fn place(failure: &Failure<'_, '_>) -> Place {
    let Some(opener) = failure.opener() else { return Place::Item };
    let start = failure.item_start();
    let item = failure.tok(start);
    let header = super::expect::opener_before(failure.tokens, opener).is_none();
    let before = opener.checked_sub(1).and_then(|at| failure.tok(at));
    match (failure.tok(opener), before) {
        (Some(Tok::LBrace), _) if item == Some(Tok::Use) => Place::Names,
        (Some(Tok::LBrace), _) => Place::Body,
        (Some(Tok::LBracket), Some(Tok::Hash)) => Place::Attribute,
        (Some(Tok::LBracket), Some(Tok::Ident(_))) if in_type(failure, opener) => Place::Extents,
        (Some(Tok::LBracket), Some(Tok::Ident(_))) => Place::Subscripts,
        (Some(Tok::LBracket), _) => Place::Elements,
        (_, _) if opener < start => Place::Attribute,
        (_, Some(Tok::Arrow)) if header => Place::Results,
        (_, Some(Tok::Ident(_) | Tok::Gt))
            if header && matches!(item, Some(Tok::Fn | Tok::Pub)) && is_head(failure, opener) =>
        {
            Place::Params
        }
        (_, Some(Tok::Ident(_))) if header && item == Some(Tok::Export) => Place::ExportArgs,
        (_, Some(Tok::Ident(_))) => Place::Args,
        (_, Some(Tok::RBracket)) => Place::ReduceBody,
        _ => Place::Parens,
    }
}

/// Whether the parentheses at `opener` are those of a function's parameters: no `->` before them.
fn is_head(failure: &Failure<'_, '_>, opener: usize) -> bool {
    !failure.tokens[..opener].iter().any(|token| token.tok == Tok::Arrow)
}

/// Whether the brackets at `opener` follow a type, not a tensor.
fn in_type(failure: &Failure<'_, '_>, opener: usize) -> bool {
    let before = opener.checked_sub(2).and_then(|at| failure.tok(at));
    matches!(before, Some(Tok::Colon | Tok::Const))
}

fn closes(failure: &Failure<'_, '_>) -> bool {
    failure.expects(",") && !failure.expects("ident")
}

/// What would have fitted, most likely first.
fn wanted(failure: &Failure<'_, '_>, place: Place) -> Vec<String> {
    let mut wanted = Vec::new();
    let value = failure.expects_value();
    let operator = failure.expects_operator();
    if value {
        wanted.push("an expression".to_owned());
    } else if failure.expects("ident") {
        wanted.push("a name".to_owned());
    }
    let signs =
        [",", ")", "]", "}", "->", "=", "::", ":", "{", "(", "[", "<", ">", "of", "when", "where", "fn", "as", "const"];
    for sign in signs {
        // After a name, brackets go on with it; that is not what is missing.
        let of_name = operator && matches!(sign, "(" | "[" | "{" | "<" | ">") && !(sign == "{" && place == Place::Item);
        let of_value = value && matches!(sign, "(" | "[" | "{" | "<" | ">" | ")" | "]" | "}" | "const");
        let of_type = !operator && failure.expects(",") && matches!(sign, "[");
        let of_statement = failure.expects("newline") && sign == "}";
        let of_target = failure.expects("=") && sign == "[";
        let of_argument = operator && sign == "=" && failure.expects(",");
        let word = failure.expects("ident") && matches!(sign, "of" | "when");
        if failure.expects(sign)
            && !of_statement
            && !of_target
            && !of_argument
            && !word
            && !of_name
            && !of_value
            && !of_type
        {
            wanted.push(format!("`{sign}`"));
        }
    }
    if failure.expects("newline") && !value {
        wanted.push("the end of the statement".to_owned());
    }
    if operator && wanted.len() < 3 {
        wanted.push("an operator".to_owned());
    }
    if wanted.is_empty() {
        wanted.push("the end of the item".to_owned());
    }
    wanted.truncate(4);
    wanted
}

fn join(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn help(failure: &Failure<'_, '_>, place: Place, wanted: &[String]) -> String {
    let operand = matches!(
        failure.found(),
        Some(Tok::Ident(_) | Tok::Int(_) | Tok::Float(_) | Tok::LParen | Tok::True | Tok::False)
    );
    if failure.expects_operator() && operand {
        return match place.element() {
            Some("this expression" | "the body of the reduction") | None => {
                "write an operator between two values: `*` multiplies"
            }
            Some(_) => "write `,` to go on with the list, or an operator to go on with the expression",
        }
        .to_owned();
    }
    match (failure.found(), wanted.first().map(String::as_str)) {
        (Some(Tok::Newline), Some("an expression")) => {
            "finish the expression on this line; it goes on in the next where that begins with an operator".to_owned()
        }
        (_, Some("an expression")) => {
            "write a value: a number, a name, `x[i]`, `f(x)`, or an expression in parentheses".to_owned()
        }
        (_, Some("a name")) => "write a name: a letter, then letters, digits and `_`".to_owned(),
        (_, Some("the end of the item")) => {
            "delete it, or begin a new item with `fn`, `const`, `use` or `export`".to_owned()
        }
        (None | Some(Tok::Newline), Some("`=`")) => "write `=` and a value".to_owned(),
        (None | Some(Tok::Newline), Some(first)) => format!("write {first}"),
        (Some(found), Some(first)) => format!("write {first} before {}", found.describe()),
        (_, None) => "delete it".to_owned(),
    }
}
