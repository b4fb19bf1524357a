//! Shared libraries for the process that made them: they are loaded here, once, and thrown away.
//!
//! Most of the time of linking goes into looking through the C library and starting the compiler that starts the linker.
//! A process has the C library and its mathematics already, so a library that is loaded into it need not name them; and
//! the linker can be called without the compiler, which is asked once where it is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::ArtifactError;
use super::library::{FORK, Linker, VECTOR, link_shared, names};
use crate::target::Cpu;

/// Links an object into the shared library `output`, for this process alone. Wherever that fails, the C compiler links.
pub fn link_private(object: &(String, Vec<u8>), output: &Path, cpu: &Cpu) -> Result<(), ArtifactError> {
    match tools(cpu).and_then(|tools| tools.link(&object.1, output)) {
        Some(()) => Ok(()),
        None => link_shared(std::slice::from_ref(object), output, cpu),
    }
}

/// The linker, and what objects may need that a process need not have.
#[derive(Debug)]
struct Tools {
    linker: PathBuf,
    threads: Option<PathBuf>,
    vectors: Option<PathBuf>,
}

/// Found once; a process links for one architecture, its own.
fn tools(cpu: &Cpu) -> Option<&'static Tools> {
    static FOUND: OnceLock<Option<Tools>> = OnceLock::new();
    let find = || {
        let compiler = Linker::find(cpu.arch).ok()?;
        Some(Tools {
            linker: compiler.place("-print-prog-name=ld")?,
            threads: compiler.place("-print-file-name=libgomp.so"),
            vectors: compiler.place("-print-file-name=libmvec.so"),
        })
    };
    FOUND.get_or_init(find).as_ref()
}

impl Tools {
    fn link(&self, object: &[u8], output: &Path) -> Option<()> {
        let mut file = OsString::from(output);
        file.push(".o");
        std::fs::write(&file, object).ok()?;
        let mut command = Command::new(&self.linker);
        command.args(["-shared", "-z", "now", "--build-id=none", "-o"]).arg(output).arg(&file);
        if names(object, FORK) {
            command.arg(self.threads.as_ref()?);
        }
        if names(object, VECTOR) {
            command.arg(self.vectors.as_ref()?);
        }
        let linked = command.output().ok().filter(|ended| ended.status.success());
        // If it stays, the folder goes away with all that is in it.
        let _ = std::fs::remove_file(&file);
        linked.map(drop)
    }
}
