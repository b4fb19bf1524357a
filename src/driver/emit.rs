//! The kinds of output, `--emit`: every form that a program has on its way through the compiler.

use crate::target::Target;

use super::error;
use super::session::{Outcome, Session};
use super::suggest::nearest;

/// A kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Emit {
    /// The syntax tree of the source file.
    Ast,
    /// The tensor graph of an export.
    Graph,
    /// The schedule of an export, as it would be written in the source.
    Schedule,
    /// The loop nests of an export.
    Loops,
    /// LLVM IR, before optimisation.
    Llvm,
    /// Assembly.
    Asm,
    /// An object file.
    Obj,
    /// A static library of all exports.
    Archive,
    /// A shared library of all exports.
    Lib,
    /// The C header of the libraries.
    Header,
    /// A Python module that loads the shared library.
    Python,
    /// CUDA C of an export.
    Cuda,
    /// The virtual assembly that nvcc makes of it.
    Ptx,
    /// The machine code that nvcc makes of it.
    Cubin,
}

/// Kinds that are planned, and refused until then with words of their own.
const LATER: [&str; 2] = ["space", "c"];

impl Emit {
    /// All kinds, in the order of the pipeline.
    pub const ALL: [Self; 14] = [
        Self::Ast,
        Self::Graph,
        Self::Schedule,
        Self::Loops,
        Self::Llvm,
        Self::Asm,
        Self::Obj,
        Self::Archive,
        Self::Lib,
        Self::Header,
        Self::Python,
        Self::Cuda,
        Self::Ptx,
        Self::Cubin,
    ];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ast => "ast",
            Self::Graph => "graph",
            Self::Schedule => "schedule",
            Self::Loops => "loops",
            Self::Llvm => "llvm",
            Self::Asm => "asm",
            Self::Obj => "obj",
            Self::Archive => "archive",
            Self::Lib => "lib",
            Self::Header => "header",
            Self::Python => "python",
            Self::Cuda => "cuda",
            Self::Ptx => "ptx",
            Self::Cubin => "cubin",
        }
    }

    /// Whether it is text, which can go to standard output.
    pub const fn is_text(self) -> bool {
        !matches!(self, Self::Obj | Self::Archive | Self::Lib | Self::Cubin)
    }

    /// Whether a target has this kind.
    pub const fn is_for(self, target: &Target) -> bool {
        match (self, target) {
            (Self::Ast | Self::Graph | Self::Schedule | Self::Loops | Self::Header, _) => true,
            (Self::Lib, target) => !matches!(target, Target::Interp),
            (Self::Cuda | Self::Ptx | Self::Cubin, target) => matches!(target, Target::Gpu(_)),
            (Self::Llvm | Self::Asm | Self::Obj | Self::Archive | Self::Python, target) => {
                !matches!(target, Target::Gpu(_))
            }
        }
    }

    /// The kinds that these words name, each once, in the order of the pipeline.
    pub fn parse(session: &mut Session, words: &[String]) -> Outcome<Vec<Self>> {
        let mut kinds = Vec::new();
        for word in words {
            match Self::ALL.into_iter().find(|kind| kind.name() == word) {
                Some(kind) => kinds.push(kind),
                None => return Err(session.user(refuse(word))),
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        Ok(kinds)
    }
}

fn refuse(word: &str) -> crate::diag::Diagnostic {
    let known = Emit::ALL.map(Emit::name);
    if LATER.contains(&word) {
        error::later_emit(word, &known)
    } else {
        error::unknown_emit(word, &known, nearest(word, known))
    }
}
