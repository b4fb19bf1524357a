//! Writing results: all files of a command or none, each of them whole.
//!
//! Everything is written to temporary files beside its place first, then renamed; so a full disk or a crash leaves
//! what was there before. Devices and pipes, which cannot be renamed over, are written to directly.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::error;
use super::session::{Outcome, Session};

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub bytes: Vec<u8>,
    /// Who may do what with it.
    pub mode: Mode,
}

/// Who may do what with a new file; the process's mask takes away from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Read and write.
    Data,
    /// Also run, as shared libraries are marked.
    Program,
}

impl Output {
    /// A file of data.
    pub fn new(path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), bytes: bytes.into(), mode: Mode::Data }
    }
}

/// Writes all files, or none.
pub fn write_all(session: &mut Session, files: &[Output]) -> Outcome<()> {
    let mut ready = Vec::new();
    for file in files {
        let name = format!("`{}`", file.path.display());
        ready.push(prepare(file).map_err(|cause| session.environment(error::unwritable(&name, &cause)))?);
    }
    for (file, prepared) in files.iter().zip(ready) {
        let name = format!("`{}`", file.path.display());
        finish(prepared).map_err(|cause| session.environment(error::unwritable(&name, &cause)))?;
    }
    Ok(())
}

/// Finds out whether a file could be written, for commands that take long before they write it.
pub fn check(session: &mut Session, path: &Path) -> Outcome<()> {
    let name = format!("`{}`", path.display());
    prepare(&Output::new(path, "")).map(drop).map_err(|cause| session.environment(error::unwritable(&name, &cause)))
}

/// A file whose bytes are on the disk, but not yet in its place.
enum Prepared<'a> {
    Temporary(NamedTempFile, PathBuf),
    Direct(File, &'a [u8]),
}

fn prepare(file: &Output) -> io::Result<Prepared<'_>> {
    // A link stays a link: what it points to is replaced.
    let place = fs::canonicalize(&file.path).unwrap_or_else(|_| file.path.clone());
    let there = fs::metadata(&place).ok();
    if there.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if there.as_ref().is_some_and(|there| !there.is_file()) {
        let device = File::options().write(true).open(&place)?;
        return Ok(Prepared::Direct(device, &file.bytes));
    }
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = new_file(folder, file.mode)?;
    temporary.write_all(&file.bytes)?;
    temporary.flush()?;
    if let Some(there) = there {
        temporary.as_file().set_permissions(there.permissions())?;
    }
    Ok(Prepared::Temporary(temporary, place))
}

fn finish(prepared: Prepared<'_>) -> io::Result<()> {
    match prepared {
        Prepared::Temporary(file, place) => file.persist(place).map(drop).map_err(|failed| failed.error),
        Prepared::Direct(mut device, bytes) => device.write_all(bytes).and_then(|()| device.flush()),
    }
}

#[cfg(unix)]
fn new_file(folder: &Path, mode: Mode) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    let bits = match mode {
        Mode::Data => 0o666,
        Mode::Program => 0o777,
    };
    tempfile::Builder::new().prefix(".ftc-").permissions(Permissions::from_mode(bits)).tempfile_in(folder)
}

#[cfg(not(unix))]
fn new_file(folder: &Path, _mode: Mode) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".ftc-").tempfile_in(folder)
}

/// A folder for outputs, made if it was not there; and unmade, when nothing was written to it in the end.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Those that were made, outermost first.
    made: Vec<PathBuf>,
}

impl Folder {
    /// Opens or makes a folder.
    pub fn open(session: &mut Session, path: &Path) -> Outcome<Self> {
        if path.exists() && !path.is_dir() {
            return Err(session.user(error::output_is_a_file(path)));
        }
        let missing = path.ancestors().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists());
        let mut made: Vec<_> = missing.map(Path::to_owned).collect();
        made.reverse();
        let folder = Self { path: path.to_owned(), made };
        fs::create_dir_all(path)
            .map_err(|cause| session.environment(error::unwritable(&format!("to `{}`", path.display()), &cause)))?;
        Ok(folder)
    }

    /// A place in it.
    pub fn join(&self, name: &Path) -> PathBuf {
        // `./gemm.h` says no more than `gemm.h`.
        if self.path == Path::new(".") { name.to_owned() } else { self.path.join(name) }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            // Succeeds for an empty folder alone, which is what is wanted.
            let _ = fs::remove_dir(folder);
        }
    }
}
