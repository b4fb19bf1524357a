//! Errors of what parses, but not as what stands there.

use super::simple;
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Ident;
use crate::syntax::build::MAX_DEPTH;
use crate::syntax::schedule;
use crate::syntax::token::clip;

/// What is wrong with a construct.
#[derive(Clone, Debug)]
pub(crate) enum ShapeError {
    /// An expression deeper than [`MAX_DEPTH`].
    TooDeep,
    /// `#[…]` before something that is no function.
    Attribute,
    /// A statement that is only an expression.
    UnusedExpression,
    /// A block without a last expression.
    NoResult,
    /// An expression in a block, before its last line.
    EarlyResult,
    /// `let (a, b) = …` in a block.
    TupleInBlock,
    /// `let t[i] = …` in a block.
    TensorInBlock,
    /// `y = …` or `y[i] = …` in a block.
    DefinitionInBlock,
    /// `x[i: N]` where `x` is read.
    RangeInRead { tensor: Ident },
    /// `sum[2 * k](…)`
    ReduceOverExpression { op: Ident },
    /// `()`
    EmptyParens,
    /// `(a, b)`
    Tuple,
    /// `(2 * k) => …`
    LambdaParameter,
    /// `if c { a }`
    NoElse,
    /// `split i by []`
    NoParts,
    /// `fuse i as j`
    FuseOne,
    /// `phases p q by [2]`
    PhaseCounts,
    /// `pipeline k.0 by ?`
    Stages,
    /// `tail full`, `in cache`
    StepWord { of: &'static str, found: String, known: &'static [&'static str] },
}

/// How it is said.
pub(super) fn diagnostic(span: Span, error: ShapeError) -> Diagnostic {
    match error {
        ShapeError::RangeInRead { tensor } => Diagnostic::error(Code("E0115"), "a range where an element is read")
            .primary(span, "a subscript picks one element, and so has no range")
            .secondary(tensor.span, format!("`{}` is read here", clip(&tensor.name)))
            .help("write the range where the index is introduced: `sum[k: K](…)`, or on the left, `y[i: N] = …`"),
        ShapeError::ReduceOverExpression { op } => {
            let name = clip(&op.name);
            Diagnostic::error(Code("E0115"), format!("`{name}` runs over an expression"))
                .primary(span, "an index is a name")
                .secondary(op.span, format!("what is in these brackets are the indices of `{name}`"))
                .help(format!("name the index, and use it in the body: `{name}[k: K](x[2 * k])`"))
        }
        ShapeError::StepWord { of, found, known } => {
            let near = schedule::nearest(&found, known.iter().copied());
            let label = near.map_or("not one of them".to_owned(), |near| format!("did you mean `{near}`?"));
            let known: Vec<_> = known.iter().map(|word| format!("`{word}`")).collect();
            let message = format!("`{of} {}`: there is no such word", clip(&found));
            simple("E0110", span, message, label, format!("`{of}` is followed by one of {}", known.join(", ")))
        }
        ShapeError::NoParts => simple(
            "E0110",
            span,
            "a split into no parts",
            "expected the extents of the parts",
            "write `?` for what is left, then the extents of the inner parts: `split i by [?, 14]`",
        ),
        ShapeError::FuseOne => simple(
            "E0110",
            span,
            "a fusion of one axis",
            "expected two or more axes",
            "name the axes, the outermost first: `fuse i j as ij`",
        ),
        ShapeError::Stages => simple(
            "E0110",
            span,
            "copies have a number of buffers",
            "expected a number",
            "write how many buffers there are: `pipeline k.0 by 4`",
        ),
        ShapeError::PhaseCounts => simple(
            "E0110",
            span,
            "phases of other axes than are named",
            "expected a number for each axis",
            "write how many phases each axis has: `phases p q by [2, 2]`",
        ),
        ShapeError::TooDeep
        | ShapeError::Attribute
        | ShapeError::EmptyParens
        | ShapeError::Tuple
        | ShapeError::LambdaParameter
        | ShapeError::NoElse => expression(span, &error),
        ShapeError::UnusedExpression
        | ShapeError::NoResult
        | ShapeError::EarlyResult
        | ShapeError::TupleInBlock
        | ShapeError::TensorInBlock
        | ShapeError::DefinitionInBlock => statement(span, &error),
    }
}

fn expression(span: Span, error: &ShapeError) -> Diagnostic {
    let (code, message, label, help) = match error {
        ShapeError::Attribute => (
            "E0112",
            "an attribute belongs before a function or a variant".to_owned(),
            "what follows is neither",
            "move it to the line before `fn` or `variant`, or delete it",
        ),
        ShapeError::EmptyParens => (
            "E0116",
            "there is nothing in these parentheses".to_owned(),
            "a value is missing",
            "write a value in the parentheses; without parameters, a helper is `() => value`",
        ),
        ShapeError::Tuple => (
            "E0116",
            "several values in parentheses".to_owned(),
            "one value is needed here",
            "write one value, or, for a table of constants, `[a, b]`; `(a, b) => …` is a helper",
        ),
        ShapeError::LambdaParameter => (
            "E0117",
            "a parameter of a helper is a name".to_owned(),
            "this is not a name",
            "write names before `=>`, as in `(k, c) => 2 * k + c`",
        ),
        ShapeError::NoElse => (
            "E0118",
            "`if` without `else`".to_owned(),
            "no value where the condition does not hold",
            "an `if` is a value, so give one for both cases: `if c { a } else { b }`",
        ),
        _ => (
            "E0111",
            format!("this expression is nested more than {MAX_DEPTH} deep"),
            "too deep",
            "name a part of the expression with `let`",
        ),
    };
    simple(code, span, message, label, help)
}

fn statement(span: Span, error: &ShapeError) -> Diagnostic {
    let (code, message, label, help) = match error {
        ShapeError::UnusedExpression => (
            "E0113",
            "this expression defines nothing",
            "its value goes nowhere",
            "say what it defines: `y[i] = …` for the elements of an output, `let t[i] = …` or `let t = …` for a new name",
        ),
        ShapeError::NoResult => (
            "E0114",
            "this block has no value",
            "ends without an expression",
            "end the block with the expression that is its value: `{ let s = a + b; s * s }`",
        ),
        ShapeError::EarlyResult => (
            "E0114",
            "this value is not the last line of its block",
            "its value goes nowhere",
            "give it a name, `let s = …`, or make it the last line; a line that begins with `(`, `[` or a name is a new one",
        ),
        ShapeError::TupleInBlock => (
            "E0114",
            "several names in a `let` inside an expression",
            "a block names single numbers",
            "call functions with several results in the body of the function: `let (a, b) = f(x)`",
        ),
        ShapeError::TensorInBlock => (
            "E0114",
            "a tensor defined inside an expression",
            "a block names single numbers",
            "move the definition into the body of the function, or drop the subscripts: `let s = …`",
        ),
        _ => (
            "E0114",
            "a definition inside an expression",
            "a block names single numbers with `let`",
            "write `let s = …`, or move the definition into the body of the function",
        ),
    };
    simple(code, span, message, label, help)
}
