//! The errors of suites and of benchmarking them: codes E0901 to E0910.

use super::reference::Distance;
use super::suite::Workload;
use crate::diag::{Code, Diagnostic};
use crate::driver::error::list;
use crate::driver::suggest::nearest;
use crate::scalar::DType;
use crate::source::{FileId, Span};

fn error(code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(Code(code), message)
}

/// E0901: the file is not JSON, or not of the form of a suite.
pub fn not_a_suite(file: FileId, text: &str, cause: &serde_json::Error) -> Diagnostic {
    let (kind, help) = if cause.is_data() {
        ("a suite of workloads", "each workload has `name`, `op`, `dtype` and `params`")
    } else {
        ("JSON", "a suite is one JSON object: `{\"workloads\": […]}`")
    };
    // serde_json ends its messages with the place, which the label shows.
    let said = cause.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(message, _)| message);
    let place = place(file, text, cause.line(), cause.column());
    error("E0901", format!("the file is not {kind}")).primary(place, said).help(help)
}

/// The character at a line and a column, both from 1; the column counts bytes.
fn place(file: FileId, text: &str, line: usize, column: usize) -> Span {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let mut at = (start + column.saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    Span::new(file, at, at + text[at..].chars().next().map_or(0, char::len_utf8))
}

/// E0901: a field that must be a string.
pub fn not_a_string(field: &str, span: Span) -> Diagnostic {
    error("E0901", format!("`{field}` of a workload is not a string")).primary(span, "expected a string")
}

/// E0902: nothing to measure.
pub fn no_workloads(span: Span) -> Diagnostic {
    error("E0902", "the suite has no workloads").primary(span, "`workloads` is empty")
}

/// E0902: nothing is left to measure.
pub fn none_selected(known_ops: &[String]) -> Diagnostic {
    error("E0902", "no workload of the suite is selected by `--ops` and `--filter`")
        .note(format!("operators in the suite: {}", list(known_ops)))
}

/// E0902: `--ops` names an operator that the suite does not have.
pub fn op_not_in_suite(op: &str, known_ops: &[String], nearest: Option<&str>) -> Diagnostic {
    let diagnostic = error("E0902", format!("`--ops`: the suite has no operator `{op}`"))
        .note(format!("operators in the suite: {}", list(known_ops)));
    with_nearest(diagnostic, nearest)
}

/// E0903: `op` is no function.
pub fn unknown_op(op: &str, span: Span, nearest: Option<&str>) -> Diagnostic {
    let diagnostic = error("E0903", format!("there is no operator `{op}`"))
        .primary(span, "no public function of the standard library has this name");
    with_nearest(diagnostic, nearest)
}

/// E0904: a name that cannot be part of a file's name.
pub fn bad_name(name: &str, span: Span) -> Diagnostic {
    error("E0904", format!("`{name}` cannot be the name of a workload"))
        .primary(span, "files are named after it")
        .help("use letters, digits, `_`, `-` and `.` only")
}

/// E0904: two workloads of one name.
pub fn same_name(name: &str, span: Span, first: Span) -> Diagnostic {
    error("E0904", format!("two workloads are called `{name}`"))
        .primary(span, "used again here")
        .secondary(first, "first used here")
}

/// E0905: a value of another kind than the parameter has.
pub fn param_kind(name: &str, wanted: &str, span: Span) -> Diagnostic {
    error("E0905", format!("parameter `{name}` has a value of the wrong kind"))
        .primary(span, format!("expected {wanted}"))
}

/// E0905: a parameter that the operator does not have.
pub fn unknown_param(op: &str, name: &str, span: Span, known: &[String], nearest: Option<&str>) -> Diagnostic {
    let diagnostic = error("E0905", format!("`{op}` has no parameter `{name}`"))
        .primary(span, "given here")
        .note(format!("parameters of `{op}`: {}", list(known)));
    with_nearest(diagnostic, nearest)
}

/// E0905: a list of sizes that is none, or of another length.
pub fn param_shape(name: &str, sizes: &[String], span: Span) -> Diagnostic {
    param_kind(name, &format!("a list of {}, for {}", sizes.len(), list(sizes)), span)
}

/// E0905: two parameters that both bind a size.
pub fn bound_twice(size: &str, span: Span, first: Span) -> Diagnostic {
    error("E0905", format!("size `{size}` is given twice")).primary(span, "here again").secondary(first, "first here")
}

/// E0906: an attribute that does not fit its function.
pub fn attribute(message: impl Into<String>, span: Span) -> Diagnostic {
    error("E0906", "the `workload` attribute does not fit its function").primary(span, message)
}

/// E0907: a name of no element type.
pub fn unknown_dtype(name: &str, span: Span) -> Diagnostic {
    let known = DType::ALL.map(DType::name);
    let near = nearest(name, known);
    let diagnostic = error("E0907", format!("there is no element type `{name}`"))
        .primary(span, "not an element type")
        .note(format!("element types: {}", known.join(" ")));
    with_nearest(diagnostic, near)
}

/// E0907: an element type that the operator does not take.
pub fn wrong_dtype(op: &str, dtype: DType, span: Span, bound: &str) -> Diagnostic {
    error("E0907", format!("`{op}` does not take elements of type `{dtype}`"))
        .primary(span, format!("expected {bound}"))
}

/// E0908: an option that cannot be understood.
pub fn option(option: &str, given: &str, wanted: &str) -> Diagnostic {
    error("E0908", format!("`{option} {given}`: expected {wanted}"))
}

/// Says of an error that was found in an operator which workload led to it; `known` are the operator's parameters.
pub fn in_workload(wrong: Diagnostic, workload: &Workload, known: &[String]) -> Diagnostic {
    let given: Vec<_> =
        workload.params.iter().map(|param| format!("{} = {}", param.name, param.value.json())).collect();
    let wrong = wrong.secondary(workload.name_span, "for this workload").note(format!(
        "`{}` gives {}",
        workload.name,
        if given.is_empty() { "nothing".into() } else { given.join(", ") }
    ));
    if known.is_empty() { wrong } else { wrong.note(format!("parameters of `{}`: {}", workload.op, list(known))) }
}

/// E0909: a kernel that computed something else than its definition says.
pub fn wrong_result(name: &str, distance: &Distance, limit: f64) -> Diagnostic {
    let Distance { tensor, error: found, compared } = distance;
    error("E0909", format!("workload `{name}`: output `{tensor}` is not what its definition says"))
        .note(format!("relative error {found:.1e} over {compared} elements; rounding explains {limit:.0e}"))
        .help("this is a fault of ftc: please report it with the suite")
}

/// E0910: the peer cannot be asked.
pub fn no_peer(message: impl Into<String>) -> Diagnostic {
    error("E0910", message)
        .help("`--peer torch` needs Python 3 with PyTorch: `python3 -m pip install torch`")
        .help("the environment variable FTC_PYTHON names another Python: `FTC_PYTHON=venv/bin/python ftc bench …`")
}

/// E0910: the peer gave no answer for one workload.
pub fn no_comparison(name: &str, why: &str) -> Diagnostic {
    error("E0910", format!("workload `{name}`: {why}"))
}

fn with_nearest(diagnostic: Diagnostic, nearest: Option<&str>) -> Diagnostic {
    match nearest {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}
