//! What the threads of a call share: which loops are divided among them, and where temporaries live.
//!
//! Takes a kernel that verifies; gives a side table, and the sizes that the header documents.
//!
//! A parallel loop that is worth it is a *fork*: OpenMP's threads take contiguous parts of its iterations. Temporaries
//! outside of forks exist once in a call; those inside are an iteration's own, so each thread has one. Small ones are
//! on the stack of the function that uses them. Large ones are in the workspace that a call allocates:
//!
//! ```text
//! | temporaries of the call | those of thread 0 | those of thread 1 | …
//!   `workspace` bytes         `per_thread` bytes each
//! ```

use crate::arena::IdMap;
use crate::expr::TensorId;
use crate::loops::{BufferKind, For, Kernel, LoopKind, Scope, Stmt};

/// Largest temporary on the stack; larger ones move to the workspace.
const STACK_BUFFER: usize = 64 << 10;
/// All temporaries on the stack of one function together. Two functions are at work at once, the computation and the
/// body of a fork, and threads often have no more than a few hundred KiB to spare.
const STACK_TOTAL: usize = 128 << 10;
/// Iterations that a thread takes together where one alone is only a few instructions.
const GRAIN: i64 = 256;
/// Alignment of every buffer that is not the caller's: a cache line, and the widest vector.
pub const ALIGN: usize = 64;

/// Where a temporary lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the stack of the function that computes; inside a fork, on that of each thread.
    Stack,
    /// In the workspace, at this offset; inside a fork, in the part of each thread.
    Workspace {
        /// In bytes; a multiple of [`ALIGN`].
        offset: usize,
    },
}

/// The places of all temporaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The temporaries outside of forks, in the order in which the body allocates them.
    pub temps: Vec<TensorId>,
    /// Where each temporary lives, those inside of forks too.
    pub places: IdMap<TensorId, Place>,
    /// Bytes of the workspace that all threads share; 0 for none. A multiple of [`ALIGN`].
    pub workspace: usize,
    /// Bytes of the workspace for each thread, a multiple of [`ALIGN`]; none if nothing runs on several threads.
    pub per_thread: Option<usize>,
}

impl Plan {
    /// Those of `temps` that live in the workspace, with their offsets, in the order of those.
    pub fn in_workspace<'a>(&'a self, temps: &'a [TensorId]) -> impl Iterator<Item = (TensorId, usize)> + 'a {
        temps.iter().filter_map(|&temp| match self.places.get(temp) {
            Some(&Place::Workspace { offset }) => Some((temp, offset)),
            _ => None,
        })
    }

    /// Those of `temps` that live on the stack.
    pub fn on_stack<'a>(&'a self, temps: &'a [TensorId]) -> impl Iterator<Item = TensorId> + 'a {
        temps.iter().copied().filter(|&temp| self.places.get(temp) == Some(&Place::Stack))
    }
}

/// Decides where the temporaries of `kernel` live. Each has its own bytes among those that are alive in one function: a
/// backend may tell its compiler that no two of them overlap.
pub fn plan(kernel: &Kernel) -> Plan {
    let (temps, forks) = outside(&kernel.body);
    let mut places = IdMap::new();
    let workspace = assign(kernel, &temps, &mut places);
    // Forks run one after another, so all of them use the same bytes.
    let per_thread = forks.iter().map(|fork| assign(kernel, &inside(&fork.body), &mut places)).max();
    Plan { temps, places, workspace, per_thread }
}

/// Gives temporaries of one function their places, and the size of the workspace that they take.
fn assign(kernel: &Kernel, temps: &[TensorId], places: &mut IdMap<TensorId, Place>) -> usize {
    let (mut stack, mut workspace) = (0, 0);
    for &temp in temps {
        let buffer = &kernel.buffers[temp];
        let bytes = buffer.bytes();
        let fits = bytes <= STACK_BUFFER && stack + bytes <= STACK_TOTAL;
        let place = if buffer.kind != BufferKind::Temp(Scope::Global) && fits {
            stack += bytes;
            Place::Stack
        } else {
            let offset = workspace;
            workspace += bytes.next_multiple_of(ALIGN);
            Place::Workspace { offset }
        };
        places.insert(temp, place);
    }
    workspace
}

/// The forks of a kernel, in the order of the text.
pub fn forks(kernel: &Kernel) -> Vec<&For> {
    outside(&kernel.body).1
}

/// Whether a loop that is not inside a fork is one.
pub fn is_fork(nest: &For) -> bool {
    nest.kind == LoopKind::Parallel && units(nest) > 1
}

/// How many iterations a thread takes together; the last part of them may be smaller.
///
/// Where an iteration is but a few instructions it is a part of a vector: what is computed must not depend on the
/// number of threads, and the vectors and the rest of a loop may differ in the last bit. So a thread has whole vectors.
pub fn grain(nest: &For) -> i64 {
    if has_loop(&nest.body) { 1 } else { GRAIN }
}

/// How many parts can be given to threads.
pub fn units(nest: &For) -> i64 {
    // An extent is at least 1.
    (nest.extent - 1) / grain(nest) + 1
}

/// Whether anything is repeated at run time.
fn has_loop(block: &[Stmt]) -> bool {
    block.iter().any(|stmt| match stmt {
        Stmt::For(nest) => (nest.kind != LoopKind::Unroll && nest.extent > 1) || has_loop(&nest.body),
        Stmt::If { then, otherwise, .. } => has_loop(then) || has_loop(otherwise),
        Stmt::Alloc { body, .. } => has_loop(body),
        Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Barrier => false,
    })
}

/// The temporaries of the body of a fork.
pub fn inside(block: &[Stmt]) -> Vec<TensorId> {
    let (mut temps, mut forks) = outside(block);
    // A parallel loop inside of a fork runs on one thread.
    while let Some(nest) = forks.pop() {
        let (more, deeper) = outside(&nest.body);
        temps.extend(more);
        forks.extend(deeper);
    }
    temps
}

/// The temporaries outside of forks, and the forks.
fn outside(block: &[Stmt]) -> (Vec<TensorId>, Vec<&For>) {
    let (mut temps, mut forks) = (Vec::new(), Vec::new());
    collect(block, &mut temps, &mut forks);
    (temps, forks)
}

fn collect<'k>(block: &'k [Stmt], temps: &mut Vec<TensorId>, forks: &mut Vec<&'k For>) {
    for stmt in block {
        match stmt {
            Stmt::For(nest) if is_fork(nest) => forks.push(nest),
            Stmt::For(nest) => collect(&nest.body, temps, forks),
            Stmt::If { then, otherwise, .. } => {
                collect(then, temps, forks);
                collect(otherwise, temps, forks);
            }
            Stmt::Alloc { buffer, body } => {
                // A backend that writes loops out allocates one buffer in several places; it keeps its bytes.
                if !temps.contains(buffer) {
                    temps.push(*buffer);
                }
                collect(body, temps, forks);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Barrier => {}
        }
    }
}
