//! Reading source files, whatever is behind their names.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::diag::Diagnostic;
use crate::source::{FileId, Span};

use super::error;
use super::session::{Outcome, Session};

/// No source file is longer; whatever claims to be is something else.
const LONGEST: u64 = 64 << 20;

/// The name under which standard input is shown.
pub const STDIN: &str = "<stdin>";

/// Reads a source file; `-` is standard input.
pub fn read_source(session: &mut Session, path: &Path) -> Outcome<FileId> {
    let name = if is_stdin(path) { STDIN.to_owned() } else { path.display().to_string() };
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(session.user(error::unreadable(path, &error))),
    };
    add_source(session, &name, bytes)
}

/// Whether a path stands for standard input.
pub fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// All bytes of a file that is not too long to be a source.
pub fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if is_stdin(path) {
        io::stdin().lock().take(LONGEST + 1).read_to_end(&mut bytes)?;
    } else {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        file.take(LONGEST + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > LONGEST { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// Enters text into the source map, if it is text.
fn add_source(session: &mut Session, name: &str, bytes: Vec<u8>) -> Outcome<FileId> {
    match decode(bytes) {
        Ok(text) => Ok(session.sources.add(name, text)),
        Err(broken) => {
            let file = session.sources.add(name, broken.text.clone());
            Err(session.user(broken.diagnostic(name, file)))
        }
    }
}

/// Bytes that are not UTF-8.
#[derive(Debug)]
pub struct NotUtf8 {
    /// The first wrong byte.
    offset: usize,
    byte: u8,
    /// The text with every wrong byte replaced.
    pub text: String,
}

/// Bytes as text, without the mark that some editors put in front.
pub fn decode(bytes: Vec<u8>) -> Result<String, NotUtf8> {
    let without_mark = |text: String| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    String::from_utf8(bytes).map(without_mark).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        NotUtf8 { offset, byte: error.as_bytes()[offset], text: String::from_utf8_lossy(error.as_bytes()).into_owned() }
    })
}

impl NotUtf8 {
    /// The same for the user; `file` holds [`NotUtf8::text`], which is right up to the offset.
    fn diagnostic(&self, name: &str, file: FileId) -> Diagnostic {
        let end = self.offset + char::REPLACEMENT_CHARACTER.len_utf8();
        error::not_utf8(name, self.byte, self.offset, Span::new(file, self.offset, end))
    }
}
