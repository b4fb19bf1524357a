//! Diagnostics to text for people, and to JSON for programs. The only user of codespan-reporting.
//!
//! Any diagnostic can be shown: a place that is not inside its file is moved into it, long lines are cut around the
//! place, and control characters are made visible. What is shown costs time by the labels, not by the file.

use std::collections::{BTreeMap, BTreeSet};

use codespan_reporting::diagnostic as shown;
use codespan_reporting::files::Error;
use codespan_reporting::term::{self, Config, Styles, StylesWriter, termcolor};
use serde::Serialize;

use super::excerpt::{Excerpts, LineStarts};
use super::{Diagnostic, Severity};
use crate::source::{FileId, SourceMap, Span};

/// How the text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without escape sequences.
    Plain,
    /// With colours for a terminal.
    Color,
}

/// Diagnostics as text, in order of place; the same one is shown once.
pub fn render(sources: &SourceMap, diagnostics: &[Diagnostic], style: Style) -> String {
    let mut order: Vec<&Diagnostic> = diagnostics.iter().collect();
    order.sort_by_key(|diagnostic| place(diagnostic));
    let mut kept: Vec<&Diagnostic> = Vec::with_capacity(order.len());
    for diagnostic in order {
        let same_place = kept.iter().rev().take_while(|other| place(other) == place(diagnostic));
        if !same_place.into_iter().any(|other| *other == diagnostic) {
            kept.push(diagnostic);
        }
    }
    let mut lines = LineStarts::default();
    kept.into_iter().map(|diagnostic| one(sources, &mut lines, diagnostic, style)).collect()
}

/// A diagnostic as one line of JSON: code, severity, message, labels, notes, help, and the plain text of it all.
/// Lines and columns count from 1, columns in characters; `start` and `end` are bytes.
pub fn render_json(sources: &SourceMap, diagnostic: &Diagnostic) -> String {
    let mut lines = LineStarts::default();
    let labels = diagnostic.labels.iter().filter_map(|label| {
        let file = sources.get(label.span.file)?;
        let (line, column) = sources.line_column(label.span.file, label.span.start);
        let (end_line, end_column) = sources.line_column(label.span.file, label.span.end.max(label.span.start));
        Some(JsonLabel {
            file: &file.name,
            line,
            column,
            end_line,
            end_column,
            start: label.span.start,
            end: label.span.end,
            message: &label.message,
            primary: label.primary,
        })
    });
    let json = Json {
        code: diagnostic.code.0,
        severity: match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        message: &diagnostic.message,
        labels: labels.collect(),
        notes: &diagnostic.notes,
        help: &diagnostic.help,
        rendered: one(sources, &mut lines, diagnostic, Style::Plain),
    };
    serde_json::to_string(&json).expect("strings and numbers always have a JSON form")
}

#[derive(Serialize)]
struct Json<'a> {
    code: &'a str,
    severity: &'a str,
    message: &'a str,
    labels: Vec<JsonLabel<'a>>,
    notes: &'a [String],
    help: &'a [String],
    rendered: String,
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    start: u32,
    end: u32,
    message: &'a str,
    primary: bool,
}

/// Where a diagnostic belongs: its first primary label, else its first label.
fn place(diagnostic: &Diagnostic) -> Option<Span> {
    let primary = diagnostic.labels.iter().find(|label| label.primary);
    primary.or(diagnostic.labels.first()).map(|label| label.span)
}

fn one(sources: &SourceMap, lines: &mut LineStarts, diagnostic: &Diagnostic, style: Style) -> String {
    let mut labels: Vec<_> = diagnostic.labels.iter().filter(|label| sources.get(label.span.file).is_some()).collect();
    let mut seen = BTreeSet::new();
    labels.retain(|label| seen.insert((label.span, &label.message)));
    // The file of what is wrong is shown first.
    labels.sort_by_key(|label| !label.primary);
    let mut spans: BTreeMap<FileId, Vec<Span>> = BTreeMap::new();
    for label in &labels {
        spans.entry(label.span.file).or_default().push(label.span);
    }
    let mut excerpts = Excerpts::default();
    for (id, spans) in spans {
        let file = sources.file(id);
        excerpts.add(id, file, lines.of(id, &file.text), &spans);
    }
    let labels = labels.iter().map(|label| {
        let style = if label.primary { shown::LabelStyle::Primary } else { shown::LabelStyle::Secondary };
        shown::Label::new(style, label.span.file, excerpts.place(label.span)).with_message(&label.message)
    });
    let severity = match diagnostic.severity {
        Severity::Warning => shown::Severity::Warning,
        Severity::Error => shown::Severity::Error,
    };
    let help = diagnostic.help.iter().map(|help| format!("help: {help}"));
    let whole = shown::Diagnostic::new(severity)
        .with_code(diagnostic.code.0)
        .with_message(&diagnostic.message)
        .with_labels(labels.collect())
        .with_notes(diagnostic.notes.iter().cloned().chain(help).collect());
    write(&excerpts, &whole, style)
        .unwrap_or_else(|_| format!("error[{}]: {}\n\n", diagnostic.code.0, diagnostic.message))
}

fn write(excerpts: &Excerpts, diagnostic: &shown::Diagnostic<FileId>, style: Style) -> Result<String, Error> {
    let config = Config::default();
    let text = match style {
        Style::Plain => term::emit_into_string(&config, excerpts, diagnostic)?,
        Style::Color => {
            let mut ansi = termcolor::Ansi::new(Vec::new());
            let styles = Styles::default();
            term::emit_to_write_style(&mut StylesWriter::new(&mut ansi, &styles), &config, excerpts, diagnostic)?;
            String::from_utf8_lossy(&ansi.into_inner()).into_owned()
        }
    };
    // Blanks at the end of a line are noise in files and terminals alike.
    let lines = text.lines().flat_map(|line| [line.trim_end(), "\n"]);
    Ok(lines.collect())
}
