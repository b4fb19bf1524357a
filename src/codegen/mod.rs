//! Loop IR to machine code. One folder a backend; they share what stands here and never each other.
//!
//! - [`forks`] decides which loops are divided among threads.
//! - [`plan`] decides what no backend should decide for itself: where temporaries live, and the workspace of a call.
//! - [`places`] says where in the source buffers come from.
//! - [`bounds`] says which expressions may be computed even where a lazy `select` would not have chosen them.
//! - `prepare` writes unrolled loops out and finds out, with `pattern`, what the lanes of vector loops access.
//! - [`check`] refuses what a CPU cannot run.
//! - [`cuda`] is the GPU backend; it gives text, and needs nothing else.
//! - [`llvm`] is the CPU backend and the only user of LLVM. Without the feature `llvm` its place is taken by
//!   functions of the same names that say so.
//!
//! A kernel that verifies never makes a backend panic: what a backend cannot do is a [`CodegenError`].

pub mod bounds;
pub mod check;
pub mod cuda;
pub mod forks;
mod pattern;
pub mod places;
pub mod plan;
mod prepare;
mod races;

#[cfg(feature = "llvm")]
pub mod llvm;
#[cfg(not(feature = "llvm"))]
#[path = "no_llvm.rs"]
pub mod llvm;

use crate::loops::Kernel;

/// What a CPU backend gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// LLVM IR as text, before optimisation.
    Ir,
    /// LLVM IR as text, after optimisation.
    OptimizedIr,
    /// Assembly as text.
    Asm,
    /// An object file.
    Object,
}

/// Bytes that a call of a kernel allocates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Once in a call.
    pub workspace: usize,
    /// Beside these for each thread; none if the call runs on its caller's thread alone.
    pub per_thread: Option<usize>,
}

/// From how many bytes on a workspace is kept for the next call. What is smaller, allocators keep themselves.
const KEPT: usize = 1 << 20;

impl Memory {
    /// Whether a call leaves its workspace for the next one, instead of freeing it.
    pub const fn is_kept(self) -> bool {
        let each = match self.per_thread {
            Some(bytes) => bytes,
            None => 0,
        };
        self.workspace + each >= KEPT
    }
}

/// What a call of `kernel` allocates.
pub fn memory(kernel: &Kernel) -> Memory {
    plan::plan(&prepare::prepare(kernel).kernel, forks::forks(kernel)).memory()
}

/// Why there is no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodegenError {
    /// This ftc was built without the CPU backend.
    #[error("this ftc was built without LLVM, so it cannot generate code for `{target}`")]
    NoLlvm {
        /// The target asked for.
        target: String,
    },
    /// The kernel uses what this backend does not have.
    #[error("kernel `{kernel}` uses {what}, which a CPU does not have")]
    Unsupported {
        /// The kernel.
        kernel: String,
        /// Noun phrase: `a GPU grid`.
        what: &'static str,
    },
    /// The kernel needs more than the target has.
    #[error("kernel `{kernel}` needs {what}, and `{target}` has {most}")]
    TooMuch {
        /// The kernel.
        kernel: String,
        /// How much of what.
        what: String,
        /// How much there is.
        most: String,
        /// The target.
        target: String,
        /// What it is made of.
        parts: String,
    },
    /// The exported name already means something to C or its library.
    #[error("an export cannot be named `{name}`: C or its mathematics library has that name")]
    ReservedName {
        /// The name.
        name: String,
    },
    /// LLVM refused; this is a fault of ftc or of the installed LLVM.
    #[error("LLVM cannot {action} kernel `{kernel}`: {message}")]
    Llvm {
        /// The kernel.
        kernel: String,
        /// Verb: `verify`.
        action: &'static str,
        /// LLVM's own words.
        message: String,
    },
}

impl CodegenError {
    /// The code of the diagnostic.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoLlvm { .. } => "E0801",
            Self::Unsupported { .. } => "E0802",
            Self::ReservedName { .. } => "E0803",
            Self::Llvm { .. } => "E0804",
            Self::TooMuch { .. } => "E0812",
        }
    }

    /// Whether the user's program is at fault (exit code 1), not the environment (2).
    pub const fn is_users(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::ReservedName { .. } | Self::TooMuch { .. })
    }
}
