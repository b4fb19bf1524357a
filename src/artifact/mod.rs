//! Files that other programs use: archives, shared libraries, and the header that goes with them.
//!
//! [`Interface`] describes an export to its caller. Everything is a value in memory, which others put into
//! files; only [`link_shared`] runs another program, the C compiler as linker, and writes what that makes.

mod error;
mod header;
mod library;
mod python;

pub use error::ArtifactError;
pub use header::header;
pub use library::{Linker, archive, link_shared};
pub use python::{python, python_module};

use crate::codegen::{forks, plan};
use crate::loops::{BufferKind, Kernel};
use crate::scalar::DType;

/// One export, as its caller sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The C symbol.
    pub name: String,
    /// What the source says about it, line by line; may be empty.
    pub doc: Vec<String>,
    /// The parameters, in the order of the C function.
    pub params: Vec<Param>,
    /// Bytes that a call allocates and frees.
    pub workspace: usize,
    /// Bytes that it allocates beside these for each thread; none if it runs on the caller's thread alone.
    pub per_thread: Option<usize>,
}

/// One parameter: a pointer to a dense, row-major tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name in the source.
    pub name: String,
    /// Type of the elements in memory.
    pub dtype: DType,
    /// Extents; empty for a single value.
    pub shape: Vec<i64>,
    /// Who writes it.
    pub direction: Direction,
}

/// Who writes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The caller.
    In {
        /// Whether it is the same in every call.
        is_const: bool,
    },
    /// The function, completely.
    Out,
}

impl Interface {
    /// The interface of the function that a backend makes of `kernel`.
    pub fn of(kernel: &Kernel) -> Self {
        let params = kernel.params.iter().map(|&id| {
            let buffer = &kernel.buffers[id];
            let direction = match buffer.kind {
                BufferKind::Input { is_const } => Direction::In { is_const },
                BufferKind::Output | BufferKind::Temp(_) | BufferKind::Constant(_) => Direction::Out,
            };
            Param { name: buffer.name.clone(), dtype: buffer.dtype, shape: buffer.shape.clone(), direction }
        });
        let plan = plan::plan(kernel, forks::forks(kernel));
        Self {
            name: kernel.name.clone(),
            doc: Vec::new(),
            params: params.collect(),
            workspace: plan.workspace,
            per_thread: plan.per_thread,
        }
    }

    /// The memory that a call allocates, in words: `64 bytes, and 128 more for each thread`; none if there is none.
    pub fn memory(&self) -> Option<String> {
        match (self.workspace, self.per_thread.unwrap_or(0)) {
            (0, 0) => None,
            (shared, 0) => Some(format!("{shared} bytes")),
            (0, each) => Some(format!("{each} bytes for each thread")),
            (shared, each) => Some(format!("{shared} bytes, and {each} more for each thread")),
        }
    }

    /// The same with what the source says about it.
    #[must_use]
    pub fn with_doc(self, doc: Vec<String>) -> Self {
        Self { doc, ..self }
    }
}

impl Param {
    /// The number of elements.
    pub fn len(&self) -> i64 {
        self.shape.iter().product()
    }

    /// Never: every extent is at least 1.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all elements.
    pub fn bytes(&self) -> usize {
        self.len() as usize * self.dtype.bytes()
    }
}
