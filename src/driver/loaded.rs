//! A kernel compiled and loaded into this process: what `ftc run` calls once and `ftc bench` many times.

use tempfile::TempDir;

use super::session::{Outcome, Session};
use super::{error, generate};
use crate::artifact;
use crate::codegen::Form;
use crate::loops::Kernel;
use crate::loops::pack::Packing;
use crate::runtime::Library;
use crate::target::Cpu;

/// A library with one export, in a temporary folder that goes away with it.
#[derive(Debug)]
pub struct Loaded {
    /// The library.
    pub library: Library,
    /// Its export.
    pub export: String,
    // After the library, so that it is unloaded before its file is removed.
    _folder: TempDir,
}

/// Generates, links and loads; with a packing, its functions too.
pub fn load(session: &mut Session, kernel: &Kernel, packing: Option<&Packing>, cpu: &Cpu) -> Outcome<Loaded> {
    let object = generate(session, kernel, packing, cpu, &[Form::Object])?.swap_remove(0);
    let folder =
        tempfile::tempdir().map_err(|cause| session.environment(error::unwritable("a temporary folder", &cause)))?;
    let place = folder.path().join("libkernel.so");
    let objects = [(format!("{}.o", kernel.name), object)];
    let linked = session.passes.run("link", || artifact::link_shared(&objects, &place, cpu));
    linked.map_err(|cause| session.artifact(&cause))?;
    let library = session.passes.run("load", || Library::open(&place));
    let library = library.map_err(|cause| session.environment(error::call_failed(&cause.to_string())))?;
    Ok(Loaded { library, export: kernel.name.clone(), _folder: folder })
}
