//! What can be wrong with locks and logs, codes E1101 to E1104.

use std::path::Path;

use crate::diag::{Code, Diagnostic};
use crate::driver::lock::Entry;

/// E1101: a lock that cannot be read.
pub fn malformed_lock(path: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(Code("E1101"), format!("cannot read the lock `{}`", path.display()))
        .note(why.trim_end().to_owned())
        .help("mend it by hand, take it from version control again, or remove it and run `ftc tune`")
}

/// E1102: an entry that another ftc made.
pub fn stale_entry(path: &Path, entry: &Entry) -> Diagnostic {
    let message = format!("`{}` has a schedule of ftc {}, which is not used", path.display(), entry.compiler);
    Diagnostic::warning(Code("E1102"), message)
        .note(format!("it is for `{}` ({})", entry.export, entry.tensors))
        .help("tune it again: `ftc tune`")
}

/// E1102: an entry that does not fit its kernel.
pub fn unusable_entry(path: &Path, entry: &Entry, why: &str) -> Diagnostic {
    let message = format!("`{}` has a schedule that cannot be applied, and is not used", path.display());
    Diagnostic::warning(Code("E1102"), message)
        .note(why.to_owned())
        .note(format!("it is for `{}` ({})", entry.export, entry.tensors))
        .help("tune it again: `ftc tune`")
}

/// E1103: a log that cannot be gone on from.
pub fn wrong_log(path: &Path, why: &str) -> Diagnostic {
    Diagnostic::error(Code("E1103"), format!("cannot use the log `{}`: {why}", path.display()))
        .help("name the log of a search of the same exports, or leave the option out")
}

/// E1104: nothing that was measured is right.
pub fn nothing_found(export: &str, reasons: &str) -> Diagnostic {
    Diagnostic::error(Code("E1104"), format!("no schedule of `{export}` could be measured"))
        .note(reasons.to_owned())
        .help("give it more time: `--budget 1m`")
}
