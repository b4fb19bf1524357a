//! What a command says: results to standard output, findings to standard error, and at the end an exit code.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;

use serde_json::json;

use crate::diag::render::{self, Style};
use crate::diag::{Diagnostic, Severity};
use crate::driver::emit::Emit;
use crate::driver::{Outcome, Session, Stop, error};

use super::args::{Color, Common, MessageFormat};
use super::{BUG, DONE, ENVIRONMENT, USER, crash};

/// The state of one command.
#[derive(Debug)]
pub(super) struct Report {
    /// The compiler's own state.
    pub(super) session: Session,
    common: Common,
    /// Whether the reader of standard output went away: then nobody wants the rest.
    closed: bool,
}

impl Report {
    pub(super) fn new(common: Common) -> Self {
        Self { session: Session::new(), common, closed: false }
    }

    /// Writes a result to standard output.
    pub(super) fn print(&mut self, bytes: impl AsRef<[u8]>) -> Outcome<()> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes.as_ref()).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(cause) if cause.kind() == ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(cause) => Err(self.session.environment(error::unwritable("to standard output", &cause))),
        }
    }

    /// Says something that is neither a result nor a finding, for people alone.
    pub(super) fn say(&self, line: &str) {
        if self.common.message_format == MessageFormat::Human {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Says which files a build wrote.
    pub(super) fn wrote(&self, files: &[(Emit, PathBuf)]) {
        let text = match self.common.message_format {
            MessageFormat::Human => {
                let names: Vec<_> = files.iter().map(|(_, path)| path.display().to_string()).collect();
                format!("wrote {}\n", names.join(", "))
            }
            MessageFormat::Json => {
                let line = |(kind, path): &(Emit, PathBuf)| {
                    format!("{}\n", json!({"artifact": path.to_string_lossy(), "kind": kind.name()}))
                };
                files.iter().map(line).collect()
            }
        };
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Says something that whoever reads the results should know.
    pub(super) fn note(&self, text: &str) {
        let _ = match self.common.message_format {
            MessageFormat::Human => writeln!(io::stderr(), "note: {text}"),
            MessageFormat::Json => writeln!(io::stderr(), "{}", json!({"note": text})),
        };
    }

    /// Shows all findings and gives the exit code.
    pub(super) fn finish(self, outcome: &Outcome<()>) -> u8 {
        let mut text = match self.common.message_format {
            MessageFormat::Human => self.human(),
            MessageFormat::Json => self.json(),
        };
        if let Err(Stop::Internal(what)) = outcome {
            text += &crash::message(what);
        }
        if self.common.time_passes {
            text += &self.session.passes.table();
        }
        let _ = io::stderr().write_all(text.as_bytes());
        match outcome {
            Ok(()) => DONE,
            Err(Stop::User) => USER,
            Err(Stop::Environment) => ENVIRONMENT,
            Err(Stop::Internal(_)) => BUG,
        }
    }

    fn json(&self) -> String {
        let line = |finding| render::render_json(&self.session.sources, finding) + "\n";
        self.session.diagnostics.iter().map(line).collect()
    }

    fn human(&self) -> String {
        let style = match self.common.color {
            Color::Always => Style::Color,
            Color::Never => Style::Plain,
            Color::Auto => automatic(),
        };
        let mut text = render::render(&self.session.sources, &self.session.diagnostics, style);
        if let Some(summary) = summary(&self.session.diagnostics) {
            text += &summary;
            text.push('\n');
        }
        text
    }
}

/// Colour for terminals, unless the environment has another wish: `NO_COLOR` (<https://no-color.org>), which goes first,
/// or `CLICOLOR_FORCE` (<https://bixense.com/clicolors>).
fn automatic() -> Style {
    let wish = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if wish("NO_COLOR").is_some() {
        return Style::Plain;
    }
    let is_forced = wish("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    if is_forced || io::stderr().is_terminal() { Style::Color } else { Style::Plain }
}

/// `2 errors, 1 warning`; none if there are neither.
fn summary(found: &[Diagnostic]) -> Option<String> {
    let count = |severity: Severity, word: &str| {
        let count = found.iter().filter(|finding| finding.severity == severity).count();
        (count > 0).then(|| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
    };
    let parts: Vec<_> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
