//! The loop IR: an order in which to compute, with every loop, buffer and store in the open.
//!
//! # Specification
//!
//! A [`Kernel`] is one function. Its buffers are parameters (inputs, then outputs), constant tables, and temporaries
//! that an [`Stmt::Alloc`] brings into being. Its body is a sequence of statements:
//!
//! ```text
//! kernel gemm(A: f32[64, 64], B: f32[64, 64]) -> (C: f32[64, 64]) {
//!   for i in 64 {
//!     for j in 64 {
//!       alloc acc: f32[] register {
//!         acc[] = 0.0
//!         for k in 64 {
//!           acc[] += A[i, k] * B[k, j]
//!         }
//!         C[i, j] = acc[]
//!       }
//!     }
//!   }
//! }
//! ```
//!
//! - A `for` runs its body once for each value of its axis, from 0 to the extent, exclusive. The kind says how:
//!   one after another, on several threads, unrolled, as lanes of a vector, or as a coordinate of a GPU grid or
//!   block. Iterations of anything but a serial, unrolled or tensor loop must not depend on each other, save through
//!   `Reduce`.
//! - A `tensor for` is in a launch, and means what a serial loop means. Where it multiplies tiles as a matrix unit does, the
//!   lanes of a warp run it together; a sum of products of `f32` is then one of their values rounded to 10 bits.
//! - An axis belongs to one loop. Only statements inside that loop may use it.
//! - `Store` writes one element: the value has the buffer's element type. `Reduce` joins a value to one element: its
//!   type is a compute type and is the buffer's.
//! - `Alloc` makes a buffer for the statements inside it; its elements are undefined until stored.
//! - A grid loop outside of all others begins a *launch*: a grid of blocks of threads. It is under no condition, and
//!   made of grid loops, one right in the other; in them the `alloc`s of memory that the threads of a block share; in
//!   these block loops, one right in the other; in them what one thread does. All blocks run at once, and so do the
//!   threads of a block, each with its own stack and registers; launches run one after another.
//! - At a `Barrier` all threads of a block wait for each other: conditions around it are the same for all of them. It
//!   ends a *phase*. No two threads may use the same element of main or shared memory if one of them writes it, unless
//!   they are of one block and a barrier is between the two uses.
//! - What a thread stores to an `async` buffer may arrive at any time until it waits: a `Wait` makes a group of all that the
//!   thread has so stored since its last one, and goes on when no more than so many groups, the newest, are under way.
//!   Nobody uses an element that is under way; that it has arrived is a use of the element by its thread at that wait.
//! - At a `Combine`, which all threads of a block reach as they do a barrier, those that differ in nothing but some
//!   coordinates of the block join their values of an element that each has for itself, in an order that is the same in
//!   every run; then each of them has the whole. It orders nothing else: it ends no phase.
//! - Every subscript of every load and store is inside its buffer, for all values of the axes around it, under the
//!   conditions of the `if`s and selects around it.
//! - Inputs and constants are never written; outputs are written completely; every element is stored before it is
//!   loaded.

mod extract;
pub mod interp;
pub mod launch;
pub mod pack;
pub mod parse;
pub mod print;
pub mod simplify;
pub mod verify;
pub mod visit;

use crate::arena::Arena;
use crate::expr::{AxisId, ExprId, Pool, TensorId};
use crate::scalar::{Const, DType, ReduceOp};

/// One function over buffers.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The exported symbol.
    pub name: String,
    /// All expressions.
    pub pool: Pool,
    /// The axes of all loops.
    pub axes: Arena<AxisId, Axis>,
    /// All buffers.
    pub buffers: Arena<TensorId, Buffer>,
    /// The parameters in the order of the C interface: inputs, then outputs.
    pub params: Vec<TensorId>,
    /// What it does.
    pub body: Block,
}

/// The index variable of a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Unique in the kernel, and stable: `i`, and `i.0`, `i.1` for the parts of its split.
    pub name: String,
}

/// Memory for one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Unique in the kernel.
    pub name: String,
    /// Type of the elements in memory.
    pub dtype: DType,
    /// Extents, each at least 1; row-major; empty for a single value.
    pub shape: Vec<i64>,
    /// Whose it is.
    pub kind: BufferKind,
}

/// Whose memory a buffer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BufferKind {
    /// A parameter that is only read.
    Input {
        /// Whether it is the same in every call.
        is_const: bool,
    },
    /// A parameter that is written.
    Output,
    /// Made by an `Alloc`.
    Temp(Scope),
    /// A table of known values, row-major.
    Constant(Vec<Const>),
}

/// Where a temporary lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// In main memory, aligned, shared by all threads that see it.
    Global,
    /// On the stack of the thread.
    Stack,
    /// In registers: only constant subscripts once loops are unrolled.
    Register,
    /// In the shared memory of a GPU block.
    Shared,
    /// There, too; what a thread stores arrives later, at the latest when the thread has waited for it.
    Async,
}

/// Statements, run in order.
pub type Block = Vec<Stmt>;

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stmt {
    /// A loop.
    For(For),
    /// A condition.
    If {
        /// Of type `bool`.
        cond: ExprId,
        /// Where it holds.
        then: Block,
        /// Where it does not; may be empty.
        otherwise: Block,
    },
    /// `buffer[at] = value`.
    Store {
        /// What is written.
        buffer: TensorId,
        /// Where.
        at: Vec<ExprId>,
        /// Of the buffer's element type.
        value: ExprId,
    },
    /// `buffer[at] = op(buffer[at], value)`.
    Reduce {
        /// What is joined.
        buffer: TensorId,
        /// Where.
        at: Vec<ExprId>,
        /// How.
        op: ReduceOp,
        /// Of the buffer's element type.
        value: ExprId,
    },
    /// A temporary and the statements that may use it.
    Alloc {
        /// Of kind `Temp`.
        buffer: TensorId,
        /// Its life.
        body: Block,
    },
    /// Threads of a GPU block join their values of `buffer[at]`, and each of them gets the whole.
    Combine {
        /// What is joined: in the registers or on the stack of each thread.
        buffer: TensorId,
        /// Where.
        at: Vec<ExprId>,
        /// How.
        op: ReduceOp,
        /// The axes of the block loops in which these threads differ.
        over: Vec<AxisId>,
    },
    /// All threads of a GPU block wait for each other.
    Barrier,
    /// A thread waits for what it has stored asynchronously.
    Wait {
        /// All since its last wait is a group; so many groups, the newest, need not be there yet.
        pending: i64,
    },
}

/// A loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct For {
    /// Its index variable.
    pub axis: AxisId,
    /// Values are `0..extent`; at least 1.
    pub extent: i64,
    /// How the iterations run.
    pub kind: LoopKind,
    /// One iteration.
    pub body: Block,
}

/// How the iterations of a loop run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LoopKind {
    /// One after another.
    Serial,
    /// On several threads.
    Parallel,
    /// One after another, written out.
    Unroll,
    /// As the lanes of a vector.
    Vector,
    /// One after another, or all at once by the matrix units of a GPU: it multiplies tiles of operands.
    Tensor,
    /// As coordinate 0, 1 or 2 of a GPU grid.
    Grid(u8),
    /// As coordinate 0, 1 or 2 of a GPU block.
    Block(u8),
}

impl Scope {
    /// Whether it is the shared memory of a GPU block.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Shared | Self::Async)
    }
}

impl Buffer {
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
