//! The errors of semantic analysis, as diagnostics: one function each, in the words of the person who made them.
//!
//! Codes: E02 indices and ranges, E03 names, E04 types, E05 calls and exports, E06 sizes. Each has a page under
//! `src/diag/codes/`.

pub(super) mod call;
pub(super) mod index;
pub(super) mod name;
pub(super) mod size;
pub(super) mod types;

use crate::diag::Diagnostic;

use super::value::Size;

/// Adds "did you mean" where there is a near name.
fn did_you_mean(diagnostic: Diagnostic, near: Option<String>) -> Diagnostic {
    match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// Whether an error would be another one, or none, with other sizes.
pub(super) fn depends_on_sizes(diagnostic: &Diagnostic) -> bool {
    let code = diagnostic.code.0;
    let by_family = code.starts_with("E02") && !matches!(code, "E0201" | "E0202" | "E0209" | "E0212");
    by_family || code.starts_with("E06") && code != "E0603" || matches!(code, "E0506" | "E0507" | "E0509")
}

/// `[M, K]`, with values where names do not say them: `[M = 3, 4]`.
fn show_shape(shape: &[Size]) -> String {
    let extents: Vec<_> = shape.iter().map(Size::show_value).collect();
    format!("[{}]", extents.join(", "))
}

/// `H = 6, R = 3`
fn show_values(values: &[(String, i64)]) -> String {
    values.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

/// `1 subscript`, `2 subscripts`
fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `1st`, `2nd`, `3rd`, `4th`
fn ordinal(position: usize) -> String {
    let number = position + 1;
    let suffix = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{suffix}")
}
