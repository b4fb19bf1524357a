//! What one run of the compiler keeps: sources, findings, times. And the three ways in which it can stop.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::artifact::ArtifactError;
use crate::codegen::CodegenError;
use crate::diag::{Diagnostic, Label};
use crate::schedule::Schedule;
use crate::source::{SourceMap, Span};

use super::error;
use super::lock::Pinned;
use super::passes::Passes;

/// The state of one run.
#[derive(Debug, Default)]
pub struct Session {
    /// Every file that was read.
    pub sources: SourceMap,
    /// Every error and warning so far, in the order in which they were found.
    pub diagnostics: Vec<Diagnostic>,
    /// How long each pass took.
    pub passes: Passes,
    /// Schedules that were measured, if the command goes by them.
    pub pinned: Option<Pinned>,
    /// What was chosen for the plain loops of a variant when it was compared with others, by their text.
    pub chosen: Option<(String, Schedule)>,
    /// Fingerprints of the findings.
    known: BTreeSet<String>,
}

/// Why a command did not do all that it was asked; what there is to say about it is in [`Session::diagnostics`].
/// Ordered: of two reasons the greater one decides the exit code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Something in the user's input is wrong.
    User,
    /// Something on this machine is missing, forbidden or full.
    Environment,
    /// The compiler contradicts itself; the text says where.
    Internal(String),
}

/// A result, or why there is none.
pub type Outcome<T> = Result<T, Stop>;

impl Session {
    /// A fresh one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds findings; stops if one of them is an error. What was found before is not added again: a module that two
    /// files use is read once for each of them.
    pub fn report(&mut self, found: Vec<Diagnostic>) -> Outcome<()> {
        let wrong = found.iter().any(Diagnostic::is_error);
        for finding in found {
            if self.known.insert(fingerprint(&self.sources, &finding)) {
                self.diagnostics.push(finding);
            }
        }
        if wrong { Err(Stop::User) } else { Ok(()) }
    }

    /// Adds an error that is the user's to mend.
    #[must_use]
    pub fn user(&mut self, error: Diagnostic) -> Stop {
        self.diagnostics.push(error);
        Stop::User
    }

    /// Adds an error that this machine is to blame for.
    #[must_use]
    pub fn environment(&mut self, error: Diagnostic) -> Stop {
        self.diagnostics.push(error);
        Stop::Environment
    }

    /// Adds the error of a backend.
    #[must_use]
    pub fn codegen(&mut self, cause: &CodegenError) -> Stop {
        match cause {
            CodegenError::Llvm { .. } => Stop::Internal(cause.to_string()),
            _ if cause.is_users() => self.user(error::codegen(cause)),
            _ => self.environment(error::codegen(cause)),
        }
    }

    /// Adds the error of an artefact.
    #[must_use]
    pub fn artifact(&mut self, cause: &ArtifactError) -> Stop {
        match cause {
            ArtifactError::Archive { .. } => Stop::Internal(cause.to_string()),
            ArtifactError::Write { .. }
            | ArtifactError::NoLinker { .. }
            | ArtifactError::Link { .. }
            | ArtifactError::NoNvcc { .. }
            | ArtifactError::Nvcc { .. } => self.environment(cause.diagnostic()),
        }
    }

    /// Holds what a pass made against the rules of its IR. Breaking one is never the user's fault.
    pub fn verify<E: std::fmt::Debug + std::fmt::Display>(
        &self,
        pass: &str,
        verdict: Result<(), Vec<E>>,
        text: impl FnOnce() -> String,
    ) -> Outcome<()> {
        let Err(broken) = verdict else { return Ok(()) };
        let rules: Vec<_> = broken.iter().map(|rule| format!("  {rule}\n")).collect();
        let what = format!("pass `{pass}` made something that does not verify:\n{}\n{}", rules.concat(), text());
        Err(Stop::Internal(what))
    }
}

/// A finding with its files in place of their ids. Names alone do not tell them apart: there are several `--export`.
fn fingerprint(sources: &SourceMap, finding: &Diagnostic) -> String {
    let file = |span: Span| {
        let file = sources.file(span.file);
        let mut hasher = DefaultHasher::new();
        (&file.name, &file.text).hash(&mut hasher);
        hasher.finish()
    };
    let place = |label: &Label| format!("\n{:x}:{:?}:{}", file(label.span), label.span.range(), label.message);
    let places: Vec<_> = finding.labels.iter().map(place).collect();
    format!("{}{}{}", finding.code.0, finding.message, places.concat())
}

/// Does `work` for each item even when it failed for one before; the worst reason is the result.
pub fn for_each<T>(items: impl IntoIterator<Item = T>, mut work: impl FnMut(T) -> Outcome<()>) -> Outcome<()> {
    let stops = items.into_iter().filter_map(|item| work(item).err());
    stops.max().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::{Session, Stop, for_each};
    use crate::diag::{Code, Diagnostic};

    #[test]
    fn what_does_not_verify_is_an_internal_error_that_names_the_pass() {
        let session = Session::new();
        assert_eq!(session.verify::<String>("lower", Ok(()), String::new), Ok(()));
        let stop = session.verify("lower", Err(vec!["`i` is used outside its loop"]), || "kernel k".to_owned());
        let said = "pass `lower` made something that does not verify:\n  `i` is used outside its loop\n\nkernel k";
        assert_eq!(stop, Err(Stop::Internal(said.to_owned())));
    }

    #[test]
    fn the_worst_reason_to_stop_decides() {
        let mut done = 0;
        let stops = [Err(Stop::Environment), Ok(()), Err(Stop::User)];
        let outcome = for_each(stops, |stop| {
            done += 1;
            stop
        });
        assert_eq!((outcome, done), (Err(Stop::Environment), 3));
    }

    #[test]
    fn a_finding_is_kept_once() {
        let mut session = Session::new();
        let finding = || vec![Diagnostic::error(Code("E0701"), "gone")];
        assert_eq!((session.report(finding()), session.report(finding())), (Err(Stop::User), Err(Stop::User)));
        assert_eq!(session.diagnostics.len(), 1);
    }
}
