//! `ftc fmt`: source files in the one canonical layout.

use std::path::Path;

use crate::source::FileId;
use crate::syntax::{parser, print};

use super::output::{self, Output};
use super::session::{Outcome, Session, Stop};
use super::{files, parse};

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formatted {
    /// It was in the canonical layout already.
    Unchanged,
    /// It is not in the canonical layout; this is the text that would be.
    Changed(String),
}

/// The canonical text of a file, which is not written yet.
pub fn format(session: &mut Session, path: &Path) -> Outcome<(FileId, Formatted)> {
    let file = files::read_source(session, path)?;
    let tree = parse(session, file)?;
    let source = session.sources.file(file);
    let text = session.passes.run("print", || print::print(&tree, &source.text));
    // Losing somebody's text is the one thing that a formatter must never do.
    let (_, found) = parser::parse(file, &text);
    if let Some(broken) = found.iter().find(|finding| finding.is_error()) {
        return Err(Stop::Internal(format!(
            "`{}`: its canonical text does not parse: {}",
            source.name, broken.message
        )));
    }
    let is_same = text == source.text;
    Ok((file, if is_same { Formatted::Unchanged } else { Formatted::Changed(text) }))
}

/// Brings a file into the canonical layout; says whether that changed it.
pub fn rewrite(session: &mut Session, path: &Path) -> Outcome<bool> {
    match format(session, path)? {
        (_, Formatted::Unchanged) => Ok(false),
        (_, Formatted::Changed(text)) => {
            output::write_all(session, &[Output::new(path, text)])?;
            Ok(true)
        }
    }
}
