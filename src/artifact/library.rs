//! Archives and shared libraries out of object files.
//!
//! An archive is written here, byte by byte the same everywhere. A shared library needs the linker of the target's C
//! compiler, which the `cc` crate finds as it does for build scripts: `CC_<target>`, `CC`, then the usual names.

use std::ffi::OsString;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};

use super::ArtifactError;
use crate::target::{Arch, Cpu};

/// A static library of these objects, each with its member name (`gemm.o`).
pub fn archive(members: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ArtifactError> {
    let members: Vec<_> = members
        .iter()
        .map(|(name, bytes)| NewArchiveMember::new(bytes, &DEFAULT_OBJECT_READER, name.clone()))
        .collect();
    let mut out = Cursor::new(Vec::new());
    write_archive_to_stream(&mut out, &members, ArchiveKind::Gnu, false, None)
        .map_err(|source| ArtifactError::Archive { source })?;
    Ok(out.into_inner())
}

/// Links objects, each with its name (`gemm.o`), into the shared library `output`.
pub fn link_shared(objects: &[(String, Vec<u8>)], output: &Path, cpu: &Cpu) -> Result<(), ArtifactError> {
    Linker::find(cpu.arch)?.shared(objects, output)
}

/// A C compiler that links for one architecture.
#[derive(Clone, Debug)]
pub struct Linker {
    tool: cc::Tool,
    arch: Arch,
}

impl Linker {
    /// The C compiler that the environment names, or that has the usual name. It is looked for once: asking a compiler
    /// who it is takes as long as linking.
    pub fn find(arch: Arch) -> Result<Self, ArtifactError> {
        static FOUND: Mutex<Vec<Linker>> = Mutex::new(Vec::new());
        let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.iter().find(|linker| linker.arch == arch) {
            return Ok(known.clone());
        }
        let linker = Self::from_build(&build(arch), arch)?;
        found.push(linker.clone());
        Ok(linker)
    }

    /// The C compiler at `path`.
    pub fn at(path: &Path, arch: Arch) -> Result<Self, ArtifactError> {
        Self::from_build(build(arch).compiler(path), arch)
    }

    fn from_build(build: &cc::Build, arch: Arch) -> Result<Self, ArtifactError> {
        let tool = build
            .try_get_compiler()
            .map_err(|error| ArtifactError::NoLinker { target: arch.triple(), reason: error.to_string() })?;
        Ok(Self { tool, arch })
    }

    /// Links objects into the shared library `output`, which appears complete or not at all.
    pub fn shared(&self, objects: &[(String, Vec<u8>)], output: &Path) -> Result<(), ArtifactError> {
        let fail = |source| ArtifactError::Write { path: output.to_owned(), source };
        let work = tempfile::Builder::new().prefix(".ftc-").tempdir_in(folder_of(output)).map_err(fail)?;
        let mut files = Vec::new();
        for (nth, (name, bytes)) in objects.iter().enumerate() {
            // Numbered, for two exports may differ in nothing but case.
            let file = work.path().join(format!("{nth}-{name}"));
            std::fs::write(&file, bytes).map_err(fail)?;
            files.push(file.into_os_string());
        }
        let linked = work.path().join("linked.so");
        let mut command = self.tool.to_command();
        command.args(arguments(output, objects)).arg("-o").arg(&linked).args(files).args(libraries(objects));
        self.run(&mut command, output)?;
        std::fs::rename(&linked, output).map_err(fail)
    }

    /// What it says about the place of one of its parts; none if that is not there.
    pub(super) fn place(&self, question: &str) -> Option<PathBuf> {
        let said = self.tool.to_command().arg(question).output().ok()?;
        let path = PathBuf::from(String::from_utf8(said.stdout).ok()?.trim_end());
        // A linker may be named as it is called; a library that is not found is named without a folder, too.
        (path.is_file() || question.contains("prog")).then_some(path)
    }

    fn run(&self, command: &mut Command, output: &Path) -> Result<(), ArtifactError> {
        let result = command.output().map_err(|error| ArtifactError::NoLinker {
            target: self.arch.triple(),
            reason: format!("`{}` does not run: {error}", self.tool.path().display()),
        })?;
        if result.status.success() {
            return Ok(());
        }
        Err(ArtifactError::Link {
            output: output.to_owned(),
            command: words(command),
            status: result.status.to_string(),
            stderr: tail(&String::from_utf8_lossy(&result.stderr)),
        })
    }
}

fn build(arch: Arch) -> cc::Build {
    let host = Arch::from_rust(std::env::consts::ARCH).unwrap_or(arch);
    let mut build = cc::Build::new();
    build.target(arch.triple()).host(host.triple()).opt_level(0).no_default_flags(true).warnings(false);
    // It is made for build scripts, which talk to cargo on stdout.
    build.cargo_metadata(false).cargo_warnings(false).cargo_output(false).cargo_debug(false);
    build
}

fn arguments(output: &Path, objects: &[(String, Vec<u8>)]) -> Vec<OsString> {
    let mut soname = OsString::from("-Wl,-soname,");
    soname.push(output.file_name().unwrap_or(output.as_os_str()));
    // Kernels need nothing that runs at the start, and no helpers of the compiler; without them linking is faster.
    let fixed = ["-shared", "-nostdlib", "-Wl,--build-id=none", "-Wl,--as-needed", "-Wl,-z,relro,-z,now"];
    // OpenMP's threads wait for the next parallel loop; some of its runtimes cannot be unloaded meanwhile.
    let stays = any_names(objects, FORK).then_some("-Wl,-z,nodelete");
    fixed.into_iter().chain(stays).map(OsString::from).chain([soname]).collect()
}

/// The function of OpenMP's runtime that all parallel loops call.
pub(super) const FORK: &[u8] = b"GOMP_parallel";
/// How the names of vector functions start.
pub(super) const VECTOR: &[u8] = b"_ZGV";

/// The libraries that the objects call. Vector functions have a library of their own, which some C libraries lack.
fn libraries(objects: &[(String, Vec<u8>)]) -> Vec<&'static str> {
    let threads = any_names(objects, FORK).then_some("-lgomp");
    let vectors = any_names(objects, VECTOR).then_some("-lmvec");
    threads.into_iter().chain(vectors).chain(["-lm", "-lc"]).collect()
}

/// Whether any object has `text` in a name.
fn any_names(objects: &[(String, Vec<u8>)], text: &[u8]) -> bool {
    objects.iter().any(|(_, bytes)| names(bytes, text))
}

/// Whether an object has `text` in a name.
pub(super) fn names(object: &[u8], text: &[u8]) -> bool {
    object.windows(text.len()).any(|window| window == text)
}

/// A command as one would type it.
pub(super) fn words(command: &Command) -> String {
    let parts = std::iter::once(command.get_program()).chain(command.get_args());
    parts.map(|part| part.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The last lines of what a program said.
pub(super) fn tail(text: &str) -> String {
    const LINES: usize = 12;
    let lines: Vec<_> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The folder in which a file is to be.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
