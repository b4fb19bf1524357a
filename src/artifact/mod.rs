//! Files that other programs use: archives, shared libraries, and the header that goes with them.
//!
//! [`Interface`] describes an export to its caller. Everything is a value in memory, which others put into
//! files; only [`link_shared`] and [`link_private`] run another program, a linker, and write what that makes.

mod error;
mod header;
mod image;
mod library;
mod nvcc;
mod private;
mod python;

pub use error::ArtifactError;
pub use header::{cuda_header, header};
pub use image::Image;
pub use library::{Linker, archive, link_shared};
pub use nvcc::{CudaForm, Nvcc};
pub use private::link_private;
pub use python::{python, python_module};

use crate::codegen::{self, Memory};
use crate::loops::pack::Packing;
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
    /// What a call allocates and frees.
    pub memory: Memory,
    /// The functions for `const` arguments that are packed ahead, if it has any.
    pub packing: Option<Packed>,
}

/// What a caller of `NAME_pack` and `NAME_packed` has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The size of the block.
    pub bytes: usize,
    /// What filling it allocates.
    pub pack: Memory,
    /// What a call with it allocates.
    pub packed: Memory,
}

/// A C function of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    symbol: String,
    /// In order.
    args: Vec<Arg>,
}

/// An argument of a C function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arg {
    /// A parameter of the interface, by its number.
    Tensor(usize),
    /// The block of packed arguments, to write.
    NewBlock,
    /// The same, to read.
    Block,
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

impl Direction {
    /// Whether the caller writes it.
    pub const fn is_in(&self) -> bool {
        matches!(self, Self::In { .. })
    }
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
        let params = params.collect();
        Self { name: kernel.name.clone(), doc: Vec::new(), params, memory: codegen::memory(kernel), packing: None }
    }

    /// The same with the functions of a packing.
    #[must_use]
    pub fn with_packing(self, packing: Option<&Packing>) -> Self {
        let packing = packing.map(|packing| Packed {
            bytes: packing.bytes(),
            pack: codegen::memory(&packing.pack),
            packed: codegen::memory(&packing.packed),
        });
        Self { packing, ..self }
    }

    /// Whether one of its functions runs on several threads.
    pub fn has_threads(&self) -> bool {
        let packing = self.packing.iter().flat_map(|packing| [packing.pack, packing.packed]);
        std::iter::once(self.memory).chain(packing).any(|memory| memory.per_thread.is_some())
    }

    /// Every C symbol that it may take, whatever its arguments are.
    pub fn symbols(name: &str) -> impl Iterator<Item = String> {
        let endings = ["", "_call", "_pack", "_pack_bytes", "_pack_call", "_packed", "_packed_call"];
        endings.into_iter().map(move |ending| format!("{name}{ending}"))
    }

    /// The function with all arguments.
    fn whole(&self) -> Function {
        Function { symbol: self.name.clone(), args: (0..self.params.len()).map(Arg::Tensor).collect() }
    }

    /// The function that packs, and the one that takes what is packed.
    fn in_two(&self) -> [Function; 2] {
        let of = |wanted: &dyn Fn(Direction) -> bool| {
            let params = self.params.iter().enumerate();
            params.filter(|(_, param)| wanted(param.direction)).map(|(nth, _)| Arg::Tensor(nth)).collect::<Vec<_>>()
        };
        let consts = of(&|direction| direction == Direction::In { is_const: true });
        let inputs = of(&|direction| direction == Direction::In { is_const: false });
        let outputs = of(&|direction| direction == Direction::Out);
        let function = |ending: &str, args: Vec<Arg>| Function { symbol: format!("{}{ending}", self.name), args };
        [
            function("_pack", [consts, vec![Arg::NewBlock]].concat()),
            function("_packed", [inputs, vec![Arg::Block], outputs].concat()),
        ]
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

/// The memory that a call allocates, in words: `64 bytes, and 128 more for each thread`; none if there is none.
pub fn words_of(memory: Memory) -> Option<String> {
    match (memory.workspace, memory.per_thread.unwrap_or(0)) {
        (0, 0) => None,
        (shared, 0) => Some(format!("{shared} bytes")),
        (0, each) => Some(format!("{each} bytes for each thread")),
        (shared, each) => Some(format!("{shared} bytes, and {each} more for each thread")),
    }
}
