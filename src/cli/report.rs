//! What a command says: results to standard output, findings to standard error, and at the end an exit code.

use std::io::{self, ErrorKind, IsTerminal, Write};

use crate::diag::render::{self, Style};
use crate::diag::{Diagnostic, Severity};
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
            Color::Auto if io::stderr().is_terminal() && !no_color() => Style::Color,
            Color::Auto | Color::Never => Style::Plain,
        };
        let mut text = render::render(&self.session.sources, &self.session.diagnostics, style);
        if let Some(summary) = summary(&self.session.diagnostics) {
            text += &summary;
            text.push('\n');
        }
        text
    }
}

/// Whether the variable NO_COLOR is set to anything (<https://no-color.org>).
fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
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
