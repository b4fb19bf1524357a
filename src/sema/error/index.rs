//! E02: subscripts, ranges of indices, and what a definition writes.

use super::super::infer::Evidence;
use super::super::value::Size;
use super::{count, ordinal, show_shape, show_values};
use crate::diag::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::Ident;

/// A subscript in its place.
pub(in super::super) struct Place<'a> {
    pub(in super::super) tensor: &'a Ident,
    pub(in super::super) position: usize,
    pub(in super::super) span: Span,
    pub(in super::super) extent: &'a Size,
    pub(in super::super) declared: Span,
    /// Where the extent is written.
    pub(in super::super) dim: Option<Span>,
    /// The read, and the subscript, as they are written.
    pub(in super::super) read: String,
    pub(in super::super) subscript: String,
}

impl Place<'_> {
    /// Where the extent was declared, and what to say there.
    fn declaration(&self) -> (Span, String) {
        declaration(&self.tensor.name, self.declared, self.dim.map(|dim| (dim, self.position)))
    }
}

/// The place of an extent, with its position, or else of its tensor, and what to say there.
fn declaration(tensor: &str, declared: Span, dim: Option<(Span, usize)>) -> (Span, String) {
    match dim {
        Some((span, position)) => (span, format!("the {} extent of `{tensor}`, declared here", ordinal(position))),
        None => (declared, format!("`{tensor}`, declared here")),
    }
}

pub(in super::super) fn wrong_rank(
    name: &Ident,
    span: Span,
    given: usize,
    shape: &[Size],
    declared: Span,
) -> Diagnostic {
    let tensor = &name.name;
    Diagnostic::error(Code("E0201"), format!("`{tensor}` has {}, not {given}", count(shape.len(), "dimension")))
        .primary(span, format!("{} here", count(given, "subscript")))
        .secondary(declared, format!("`{tensor}` has the shape {}", show_shape(shape)))
        .help(if given > shape.len() {
            format!("leave out {}", count(given - shape.len(), "subscript"))
        } else {
            format!("give one subscript for each dimension: {} more", shape.len() - given)
        })
}

/// `mixed` is a subscript in which the index stands with others.
pub(in super::super) fn no_range(name: &Ident, mixed: Option<Span>) -> Diagnostic {
    let index = &name.name;
    let diagnostic = Diagnostic::error(Code("E0202"), format!("the range of `{index}` cannot be inferred"))
        .primary(name.span, "how far does it run?")
        .note("a range is taken from a subscript in which the index stands alone, as in `x[i]`")
        .help(format!("write how many values it has: `{index}: SIZE`, where SIZE is a number or a size such as `N`"));
    match mixed {
        Some(span) => diagnostic.secondary(span, format!("`{index}` does not stand alone here")),
        None => diagnostic,
    }
}

pub(in super::super) fn no_spread(name: &Ident) -> Diagnostic {
    let index = &name.name;
    Diagnostic::error(Code("E0202"), format!("the ranges of `..{index}` cannot be inferred"))
        .primary(name.span, "how many indices, and how far do they run?")
        .note("they are taken from a tensor with a spread, such as `x: T[..S]`, that is read with them")
        .help(format!("read a tensor with them, as in `x[..{index}]`, or write single indices: `i: SIZE`"))
}

pub(in super::super) fn escapes(
    place: &Place<'_>,
    range: Option<&(String, String)>,
    point: &[(String, i64)],
    value: Option<i64>,
    sizes: &[(String, i64)],
) -> Diagnostic {
    let tensor = &place.tensor.name;
    let extent = place.extent.show();
    let says = match range {
        Some((lo, hi)) => format!("ranges over {lo}..={hi}, but `{tensor}` has extent {extent} here"),
        None if point.is_empty() => format!("`{tensor}` has extent {extent} here"),
        None => format!("can leave 0..{extent}"),
    };
    let help = match value {
        _ if point.is_empty() => {
            format!("subscripts count from 0; for what may not be there, write `{} else 0`", place.read)
        }
        Some(..0) => escape_help(place, &format!("{} >= 0", place.subscript)),
        _ => escape_help(place, &format!("{} < {extent}", place.subscript)),
    };
    let row = value.map_or_else(String::new, |value| format!(" gives {value}"));
    let at = if point.is_empty() { "this".to_owned() } else { show_values(point) };
    let with = if sizes.is_empty() { String::new() } else { format!(", for {}", show_values(sizes)) };
    let fact = format!("{at}{row}, and the {} extent is {}{with}", ordinal(place.position), place.extent.value);
    Diagnostic::error(Code("E0203"), format!("subscript {} of `{tensor}` can leave its extent", place.position + 1))
        .primary(place.span, says)
        .secondary(place.declaration().0, place.declaration().1)
        .note(fact)
        .help(help)
}

fn escape_help(place: &Place<'_>, inside: &str) -> String {
    let read = &place.read;
    format!(
        "shrink a range, read with a default: `{read} else 0`, or ask first: `if {inside} {{ {read} }} else {{ … }}`"
    )
}

pub(in super::super) fn not_proved(place: &Place<'_>, range: Option<&(String, String)>) -> Diagnostic {
    let tensor = &place.tensor.name;
    let extent = place.extent.show();
    let says = match range {
        Some((lo, hi)) => format!("ranges over {lo}..={hi}; must stay in 0..{extent}"),
        None => format!("must stay in 0..{extent}"),
    };
    Diagnostic::error(Code("E0204"), format!("subscript {} of `{tensor}` is not proved inside", place.position + 1))
        .primary(place.span, says)
        .secondary(place.declaration().0, place.declaration().1)
        .help(format!(
            "read with a default: `{} else 0`, or bound the subscript: `clamp({}, 0, {extent} - 1)`",
            place.read, place.subscript
        ))
}

pub(in super::super) fn ranges_differ(name: &Ident, first: &Evidence, other: &Evidence) -> Diagnostic {
    let index = &name.name;
    let says = |evidence: &Evidence| {
        format!(
            "{} over {} here: the {} extent of `{}`",
            "runs",
            evidence.size.show_value(),
            ordinal(evidence.position),
            evidence.tensor
        )
    };
    Diagnostic::error(Code("E0205"), format!("`{index}` has two different ranges"))
        .primary(other.span, says(other))
        .secondary(first.span, says(first))
        .secondary(name.span, "introduced here")
        .help(format!(
            "if the sizes must be equal, give them one name; else write the range: `{index}: {}`",
            first.size.show()
        ))
}

pub(in super::super) fn spreads_differ(name: &Ident, first: (&[Size], Span), other: (&[Size], Span)) -> Diagnostic {
    Diagnostic::error(Code("E0213"), format!("`..{}` stands for extents that differ", name.name))
        .primary(other.1, format!("{} here", show_shape(other.0)))
        .secondary(first.1, format!("{} here", show_shape(first.0)))
        .help("tensors that share a spread must have the same extents in its place")
}

pub(in super::super) fn two_spreads(name: &Ident) -> Diagnostic {
    Diagnostic::error(Code("E0213"), "a type can have one spread only")
        .primary(name.span, "a second one: where does the first end?")
        .help("name the extents of one of them")
}

pub(in super::super) fn unknown_spread(name: &Ident) -> Diagnostic {
    let spread = &name.name;
    Diagnostic::error(Code("E0213"), format!("`..{spread}` is no list of indices"))
        .primary(name.span, "not introduced on the left or by a reduction")
        .help(format!("introduce it: `y[..{spread}] = …` or `sum[..{spread}](…)`"))
}

pub(in super::super) fn data_subscript(place: &Place<'_>) -> Diagnostic {
    let tensor = &place.tensor.name;
    let last = place.extent.show();
    Diagnostic::error(
        Code("E0206"),
        format!("subscript {} of `{tensor}` is data, which can be anything", place.position + 1),
    )
    .primary(place.span, format!("must stay in 0..{last}, whatever the inputs are"))
    .secondary(place.declaration().0, place.declaration().1)
    .help(format!(
        "read with a default: `{} else 0`, or bound it: `clamp({}, 0, {last} - 1)`",
        place.read, place.subscript
    ))
}

pub(in super::super) fn not_an_integer(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(Code("E0402"), "a subscript must be an integer")
        .primary(span, format!("this is {what}"))
        .help("convert it: `i64(…)`")
}

pub(in super::super) fn zero_divisor(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0214"), "division by zero")
        .primary(span, "this is 0")
        .help("require otherwise: `where … > 0`, or give another value")
}

pub(in super::super) fn never_written(name: &Ident, element: &[i64], spans: &[Span]) -> Diagnostic {
    let output = &name.name;
    let at: Vec<_> = element.iter().map(ToString::to_string).collect();
    let which = if at.is_empty() { String::new() } else { format!(", for instance `{output}[{}]`", at.join(", ")) };
    let first = spans.first().copied().unwrap_or(name.span);
    spans
        .iter()
        .skip(1)
        .fold(
            Diagnostic::error(Code("E0207"), format!("not every element of `{output}` is defined"))
                .primary(first, format!("leaves elements out{which}")),
            |diagnostic, span| diagnostic.secondary(*span, "and this does not define them either"),
        )
        .secondary(name.span, "declared here")
        .help("widen the range of an index, or define the other elements by a further equation")
}

pub(in super::super) fn written_twice(name: &Ident, element: &[i64], first: Span, second: Span) -> Diagnostic {
    let output = &name.name;
    let at: Vec<_> = element.iter().map(ToString::to_string).collect();
    Diagnostic::error(Code("E0208"), format!("elements of `{output}` are defined twice"))
        .primary(second.max(first), format!("defines `{output}[{}]` again", at.join(", ")))
        .secondary(first.min(second), "which was defined here")
        .help("let the equations define different parts; to add up, use `sum`")
}

pub(in super::super) fn defined_again(name: &Ident, first: Span) -> Diagnostic {
    Diagnostic::error(Code("E0208"), format!("`{}` is defined twice", name.name))
        .primary(name.span, "a second definition of all of it")
        .secondary(first, "the first one")
        .help("keep one; an intermediate result needs a name of its own: `let t = …`")
}

pub(in super::super) fn left_form(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0209"), "a subscript on the left must be `stride * index + offset`")
        .primary(span, "of another form")
        .note("so that it is known which elements an equation defines; each index may stand in one subscript only")
        .help("use plain indices on the left, and do the arithmetic where you read")
}

pub(in super::super) fn left_unused(index: &str, span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0209"), format!("`{index}` stands in no subscript on the left"))
        .primary(span, "so each element would be defined several times")
        .help(format!("to add up over it, write `sum[{index}](…)`"))
}

pub(in super::super) fn let_subscript(span: Span) -> Diagnostic {
    Diagnostic::error(Code("E0209"), "the subscripts of a `let` are plain indices")
        .primary(span, "an expression")
        .help("write `let t[i: N] = …`; only outputs can be defined part by part")
}

pub(in super::super) fn left_outside(
    name: &Ident,
    span: Span,
    range: (i64, i64),
    extent: &Size,
    (declared, dim): (Span, Option<(Span, usize)>),
) -> Diagnostic {
    let (declared, says) = declaration(&name.name, declared, dim);
    Diagnostic::error(Code("E0210"), format!("this defines elements that `{}` does not have", name.name))
        .primary(span, format!("runs from {} to {}, but the extent is {}", range.0, range.1, extent.show_value()))
        .secondary(declared, says)
        .help("shrink the range of the index, or enlarge the extent")
}

pub(in super::super) fn shapes_differ(
    target: &Ident,
    wanted: &[Size],
    found: &[Size],
    span: Span,
    declared: Span,
) -> Diagnostic {
    Diagnostic::error(Code("E0211"), format!("`{}` and its value differ in shape", target.name))
        .primary(span, format!("has the shape {}", show_shape(found)))
        .secondary(declared, format!("`{}` has the shape {}", target.name, show_shape(wanted)))
        .help("correct the declared shape, or the arguments of the call")
}
