//! Where `use` finds modules: `std::…` in the library that is part of the binary, anything else in the folder of the
//! file that asks (`use blocks::residual` reads `blocks.ft` beside it).

use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};

use super::files;
use crate::sema::Loader;

static STD: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/stdlib");

/// The loader that reads the disk and the embedded library.
#[derive(Debug)]
pub struct Modules {
    /// The folder of the root file, for suggestions.
    root: PathBuf,
}

impl Modules {
    /// For programs whose root file is `name`.
    pub fn beside(name: &str) -> Self {
        Self { root: folder(name) }
    }
}

impl Loader for Modules {
    fn load(&mut self, from: &str, path: &[&str]) -> Option<(String, String)> {
        if path.first() == Some(&"std") {
            let text = STD.get_file(format!("{}.ft", path[1..].join("/")))?.contents_utf8()?;
            return Some((path.join("::"), text.to_owned()));
        }
        if from.starts_with("std::") {
            return None;
        }
        let file = folder(from).join(path.join("/")).with_extension("ft");
        let bytes = files::read_bytes(&file).ok()?;
        // What is not text becomes text that the lexer refuses, at the right place.
        let text = files::decode(bytes).unwrap_or_else(|broken| broken.text);
        Some((file.display().to_string(), text))
    }

    fn known(&self) -> Vec<String> {
        let mut known = std_modules();
        let root = if self.root.as_os_str().is_empty() { Path::new(".") } else { &self.root };
        let mut beside: Vec<_> = std::fs::read_dir(root)
            .into_iter()
            .flatten()
            .filter_map(|entry| module_name(&entry.ok()?.path()))
            .collect();
        beside.sort();
        known.extend(beside);
        known
    }
}

/// The text of a file in the embedded library's folder.
pub(super) fn std_file(path: &str) -> Option<&'static str> {
    STD.get_file(path)?.contents_utf8()
}

/// The modules of the standard library: `std::nn`.
pub fn std_modules() -> Vec<String> {
    let mut modules: Vec<_> =
        STD.files().filter_map(|file| Some(format!("std::{}", module_name(file.path())?))).collect();
    modules.sort();
    modules
}

fn module_name(path: &Path) -> Option<String> {
    let is_source = path.extension().is_some_and(|extension| extension == "ft");
    is_source.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
}

fn folder(name: &str) -> PathBuf {
    let parent = Path::new(name).parent().unwrap_or(Path::new(""));
    parent.to_owned()
}
