//! Archives and shared libraries out of object files.

use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

use super::ArtifactError;
use crate::target::Cpu;

/// A static library of these objects, each with its member name (`gemm.o`).
pub fn archive(_members: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ArtifactError> {
    Ok(Vec::new())
}

/// Links objects, each with its name (`gemm.o`), into the shared library `output`.
pub fn link_shared(_objects: &[(String, Vec<u8>)], output: &Path, cpu: &Cpu) -> Result<(), ArtifactError> {
    let _ = output;
    Err(ArtifactError::NoLinker { target: cpu.arch.triple(), reason: "not there yet".to_owned() })
}

/// A temporary file in the folder of `path`, so that renaming it to `path` is one step.
pub(super) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    NamedTempFile::new_in(folder)
}
