//! Errors of tokens that do not fit.

use super::simple;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::token::clip;

/// Why a token does not fit.
#[derive(Clone, Debug)]
pub(crate) enum ParseError {
    /// None of the reasons below.
    Unexpected {
        /// What was found, in words.
        found: String,
        /// What would have fitted, in words.
        expected: String,
        /// What to type.
        help: String,
    },
    /// A keyword where a name is to stand.
    Reserved { word: String },
    /// `=` where a condition is to stand.
    AssignInCondition,
    /// `a < b < c`
    ChainedComparison { first: Span },
    /// An operator of other languages, and what it is called here.
    ForeignOperator { found: String, help: &'static str },
    /// `y[i] += …`
    Update { found: &'static str, target: Option<String> },
    /// `for`, `while`
    Loop { word: String },
    /// `x[i][j]`
    SecondSubscript,
    /// `f(x)[i]`
    SubscriptOfValue,
    /// A word that begins an item or a statement in other languages.
    ForeignWord { word: String, help: &'static str },
    /// A word or sign of the language in a place where it means nothing.
    Misplaced { found: String, help: &'static str },
    /// Something at the top level that is no item.
    NoItem { found: String },
    /// A function without `->`.
    NoArrow { name: Option<Span> },
    /// Results without parentheses or without names.
    UnnamedResult,
    /// A function without a body in braces.
    NoBody,
    /// A parameter without a type.
    NoType { name: String },
    /// `<T>` without a class.
    NoBound { name: String },
    /// `;` in a list.
    SemicolonInList,
    /// `f(pad: 1)`
    ColonInCall { name: String },
    /// `let x: f32 = …`
    TypeOfLet,
    /// `const N: int = 4`
    TypeOfConst,
    /// `if` in the manner of other languages.
    IfForm { help: &'static str },
    /// `else` after what is neither a read nor the branch of an `if`.
    StrayElse,
    /// Something that cannot be defined on the left of `=`.
    Target { help: &'static str },
    /// `x.shape`
    Member,
    /// `.5`, `1.`
    BareDot { fixed: String },
    /// `use` with `*`, or without `::`.
    UseForm { help: &'static str },
    /// A line of a schedule that begins like no step; the step most likely meant, and its form.
    NoStep { found: String, near: Option<(&'static str, &'static str)> },
    /// A step that goes on wrongly.
    Step { word: &'static str, form: &'static str, found: String, expected: String },
    /// A schedule that does not begin with `schedule f for x86 {`.
    ScheduleHead { found: String, expected: String },
}

/// How it is said.
pub(super) fn diagnostic(span: Span, error: ParseError) -> Diagnostic {
    match error {
        ParseError::Unexpected { found, expected, help } => {
            let label = format!("expected {expected}");
            simple("E0119", span, format!("expected {expected}, found {found}"), label, help)
        }
        ParseError::Reserved { word } => simple(
            "E0120",
            span,
            format!("`{word}` is a word of the language, and so cannot be a name"),
            "expected a name",
            format!("choose another name, such as `{word}_`"),
        ),
        ParseError::Loop { word } => simple(
            "E0125",
            span,
            format!("the language has no loops, so `{}` means nothing here", clip(&word)),
            "a loop is not needed",
            "write an index: `y[i] = …` runs over every `i`, and `sum[k](…)` over every `k`",
        ),
        ParseError::ForeignWord { word, help } => simple(
            "E0127",
            span,
            format!("`{}` is not a word of the language", clip(&word)),
            "from another language",
            help,
        ),
        ParseError::Misplaced { found, help } => {
            simple("E0127", span, format!("{found} does not belong here"), "nothing begins like this here", help)
        }
        ParseError::NoItem { found } => simple(
            "E0127",
            span,
            format!("expected an item of the file, found {found}"),
            "nothing that stands outside a function begins like this",
            "a file holds `use`, `const`, `fn`, `variant` and `export`; definitions of tensors stand in the body of an `fn`",
        ),
        ParseError::Member => simple(
            "E0133",
            span,
            "nothing has members",
            "a dot after a value means nothing",
            "a size has a name from the type of its tensor, such as `N` in `x: T[N, C]`; a function takes its tensor as an argument: `relu(x)`",
        ),
        ParseError::BareDot { fixed } => simple(
            "E0104",
            span,
            "a number has digits on both sides of its point",
            "digits are missing",
            format!("write `{fixed}`"),
        ),
        ParseError::UseForm { help } => {
            simple("E0134", span, "this `use` names nothing that can be taken", "expected names from a module", help)
        }
        ParseError::NoStep { .. } | ParseError::Step { .. } | ParseError::ScheduleHead { .. } => schedule(span, error),
        ParseError::AssignInCondition
        | ParseError::ChainedComparison { .. }
        | ParseError::ForeignOperator { .. }
        | ParseError::Update { .. }
        | ParseError::SecondSubscript
        | ParseError::SubscriptOfValue
        | ParseError::IfForm { .. }
        | ParseError::StrayElse => expression(span, error),
        ParseError::NoArrow { .. }
        | ParseError::UnnamedResult
        | ParseError::NoBody
        | ParseError::NoType { .. }
        | ParseError::NoBound { .. }
        | ParseError::SemicolonInList
        | ParseError::ColonInCall { .. }
        | ParseError::TypeOfLet
        | ParseError::TypeOfConst
        | ParseError::Target { .. } => declaration(span, error),
    }
}

fn expression(span: Span, error: ParseError) -> Diagnostic {
    match error {
        ParseError::ChainedComparison { first } => Diagnostic::error(Code("E0122"), "comparisons in a row")
            .primary(span, "compares the result of a comparison")
            .secondary(first, "the first comparison")
            .help("join them with `&&`: `a < b && b < c`"),
        ParseError::ForeignOperator { found, help } => {
            let message = format!("`{found}` is not an operator of the language");
            simple("E0123", span, message, "not an operator", help)
        }
        ParseError::Update { found, target } => update(span, found, target.as_deref()),
        ParseError::SecondSubscript => simple(
            "E0126",
            span,
            "a second pair of brackets",
            "all subscripts stand in the first pair",
            "write `x[i, j]`, not `x[i][j]`",
        ),
        ParseError::SubscriptOfValue => simple(
            "E0126",
            span,
            "only a name can have subscripts",
            "what stands before these brackets is no name",
            "name the tensor first: `let t = f(x)`, then `t[i]`",
        ),
        ParseError::IfForm { help } => {
            simple("E0131", span, "an `if` in the manner of another language", "not the form of an `if`", help)
        }
        ParseError::StrayElse => simple(
            "E0118",
            span,
            "this `else` belongs to nothing",
            "neither a read nor the branch of an `if` ends here",
            "`else` follows a read, `x[i] else 0`, or the `}` of an `if`: `if c { a } else { b }`",
        ),
        _ => simple("E0121", span, "`=` defines, it does not compare", "expected `==`", "to compare, write `==`"),
    }
}

fn update(span: Span, found: &'static str, target: Option<&str>) -> Diagnostic {
    let help = match (found, target) {
        (":=", _) => "define once, with `=`; a new name is introduced by `let`".to_owned(),
        ("+=", Some(target)) => format!("write the sum as a whole: `{target} = sum[k](…)`"),
        ("*=", Some(target)) => format!("write the product as a whole: `{target} = prod[k](…)`"),
        _ => "write the whole value: `y[i] = sum[k](…)` adds over every `k`".to_owned(),
    };
    let message = format!("`{found}`: nothing is changed after its definition");
    simple("E0124", span, message, "expected `=`", help)
}

fn schedule(span: Span, error: ParseError) -> Diagnostic {
    match error {
        ParseError::NoStep { found, near: Some((near, form)) } => {
            let message = format!("{found} is no step of a schedule");
            simple(
                "E0110",
                span,
                message,
                format!("did you mean `{near}`?"),
                format!("such a step looks like `{form}`"),
            )
        }
        ParseError::NoStep { found, near: None } => simple(
            "E0110",
            span,
            format!("{found} is no step of a schedule"),
            "no step begins like this",
            "steps are `split`, `fuse`, `phases`, `reorder`, `parallel`, `vectorize`, `unroll`, `bind`, `store`, `stage`, `pipeline`, `tensorize`, `accumulate`, `rfactor`, `inline` and `compute`, each on a line of its own",
        ),
        ParseError::Step { word, form, found, expected } => {
            let message = format!("`{word}`: expected {expected}, found {found}");
            simple("E0110", span, message, format!("expected {expected}"), format!("such a step looks like `{form}`"))
        }
        ParseError::ScheduleHead { found, expected } => simple(
            "E0110",
            span,
            format!("expected {expected}, found {found}"),
            format!("expected {expected}"),
            "a schedule names an export or a function, and the target that it is for: `schedule gemm for x86 { … }`",
        ),
        _ => simple("E0119", span, "this does not fit here", "unexpected", "delete it"),
    }
}

fn declaration(span: Span, error: ParseError) -> Diagnostic {
    match error {
        ParseError::NoArrow { name } => {
            let error = Diagnostic::error(Code("E0128"), "this function does not say what it gives")
                .primary(span, "expected `->` and the results")
                .help("write the results, with names and types, after the parameters: `-> (y: T[N])`");
            name.into_iter().fold(error, |error, name| error.secondary(name, "of this function"))
        }
        ParseError::UnnamedResult => simple(
            "E0128",
            span,
            "a result has a name and a type, in parentheses",
            "expected a named result",
            "write `-> (y: T[N])`; the body then defines `y`",
        ),
        ParseError::NoBody => simple(
            "E0128",
            span,
            "a function has its body in braces",
            "expected `{`",
            "write `{ y[i] = … }` after the results",
        ),
        ParseError::NoType { name } => simple(
            "E0130",
            span,
            format!("the parameter `{}` has no type", clip(&name)),
            "expected `:` and a type",
            format!("write `{0}: int` for a number known when compiling, `{0}: T[N]` for a tensor", clip(&name)),
        ),
        ParseError::NoBound { name } => simple(
            "E0128",
            span,
            format!("the type parameter `{}` does not say what it stands for", clip(&name)),
            "expected `:` and a class of types",
            format!("write `{0}: float`, or `{0}: number` to allow integers too", clip(&name)),
        ),
        ParseError::SemicolonInList => simple(
            "E0129",
            span,
            "`;` in a list",
            "expected `,`",
            "separate what stands in a list with `,`; `;` ends a statement",
        ),
        ParseError::ColonInCall { name } => simple(
            "E0130",
            span,
            format!("an argument is given with `=`, as in `{} = …`", clip(&name)),
            "expected `=`",
            format!("write `{} = …`; `:` gives a parameter its type", clip(&name)),
        ),
        ParseError::TypeOfLet => simple(
            "E0130",
            span,
            "a definition has no type of its own",
            "expected `=`",
            "leave the type out; to choose an element type, convert: `let t[i] = f32(x[i])`",
        ),
        ParseError::TypeOfConst => simple(
            "E0130",
            span,
            "a constant has no type of its own",
            "expected `=`",
            "leave the type out: `const N = 4` takes the type of what it stands beside",
        ),
        ParseError::Target { help } => {
            simple("E0132", span, "this cannot be defined", "what is left of this `=` is neither `y` nor `y[i]`", help)
        }
        _ => simple("E0119", span, "this does not fit here", "unexpected", "delete it"),
    }
}
