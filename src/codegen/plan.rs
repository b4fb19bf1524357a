//! Where the temporaries of a kernel live: on the stack, or in one workspace of a call.
//!
//! Takes a kernel and its forks; gives a side table, and the sizes that the header documents. Temporaries outside of
//! forks exist once in a call; those inside are an iteration's own, so each thread has one. Small ones are on the stack
//! of the function that uses them. Large ones are in the workspace:
//!
//! ```text
//! | temporaries of the call | those of thread 0 | those of thread 1 | …
//!   `workspace` bytes         `per_thread` bytes each
//! ```

use std::collections::BTreeMap;

use super::forks::Forks;
use crate::arena::IdMap;
use crate::expr::{AxisId, TensorId};
use crate::loops::{BufferKind, For, Kernel, Scope, Stmt, pack};

/// Largest temporary on the stack; larger ones move to the workspace.
const STACK_BUFFER: usize = 64 << 10;
/// All temporaries on the stack of one function together. Two functions are at work at once, the computation and the
/// body of a fork, and threads often have no more than a few hundred KiB to spare.
const STACK_TOTAL: usize = 128 << 10;
/// Alignment of every buffer that is not the caller's: a cache line, and the widest vector.
pub const ALIGN: usize = pack::ALIGN;

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
    /// The loops that threads divide.
    pub forks: Forks,
    /// The temporaries outside of forks, in the order in which the body allocates them.
    pub temps: Vec<TensorId>,
    /// The parameters that lie in one block of the caller's, with their offsets in bytes; see `loops::pack`.
    pub block: Vec<(TensorId, usize)>,
    /// Where each temporary lives, those inside of forks too.
    pub places: IdMap<TensorId, Place>,
    /// Bytes of the workspace that all threads share; 0 for none. A multiple of [`ALIGN`].
    pub workspace: usize,
    /// Bytes of the workspace for each thread, a multiple of [`ALIGN`]; none if nothing runs on several threads.
    pub per_thread: Option<usize>,
}

impl Plan {
    /// The same where some parameters lie in one block, at these offsets.
    #[must_use]
    pub fn with_block(self, block: Vec<(TensorId, usize)>) -> Self {
        Self { block, ..self }
    }

    /// What a call allocates.
    pub fn memory(&self) -> super::Memory {
        super::Memory { workspace: self.workspace, per_thread: self.per_thread }
    }

    /// The alignment of a buffer. Small temporaries on the stack are aligned as their elements are.
    pub fn alignment(&self, kernel: &Kernel, id: TensorId) -> usize {
        let buffer = &kernel.buffers[id];
        let is_own = matches!(buffer.kind, BufferKind::Temp(_)) && buffer.bytes() >= ALIGN;
        let is_packed = self.block.iter().any(|&(part, _)| part == id);
        if is_own || is_packed { ALIGN } else { buffer.dtype.bytes() }
    }

    /// Those of `temps` that live in the workspace, with their offsets, in the order of those.
    pub fn in_workspace<'a>(&'a self, temps: &'a [TensorId]) -> impl Iterator<Item = (TensorId, usize)> + 'a {
        temps.iter().filter_map(|&temp| match self.places.get(temp) {
            Some(&Place::Workspace { offset }) => Some((temp, offset)),
            _ => None,
        })
    }

    /// The bodies of the forks, in the order of the text.
    pub fn forked<'k>(&self, kernel: &'k Kernel) -> Vec<&'k For> {
        let mut nests = Vec::new();
        collect(&kernel.body, Some(&self.forks), &mut Vec::new(), &mut nests);
        nests
    }

    /// Those of `temps` that live on the stack.
    pub fn on_stack<'a>(&'a self, temps: &'a [TensorId]) -> impl Iterator<Item = TensorId> + 'a {
        temps.iter().copied().filter(|&temp| self.places.get(temp) == Some(&Place::Stack))
    }
}

/// Decides where the temporaries of `kernel` live. Each has its own bytes among those that are alive in one function: a
/// backend may tell its compiler that no two of them overlap.
pub fn plan(kernel: &Kernel, forks: Forks) -> Plan {
    let (mut temps, mut nests) = (Vec::new(), Vec::new());
    collect(&kernel.body, Some(&forks), &mut temps, &mut nests);
    let mut places = IdMap::new();
    let workspace = assign(kernel, &temps, &mut places);
    // Copies of one fork have the same temporaries, in the same places.
    let mut forked: BTreeMap<AxisId, Vec<TensorId>> = BTreeMap::new();
    for nest in nests {
        let temps = forked.entry(nest.axis).or_default();
        let more: Vec<_> = inside(&nest.body).into_iter().filter(|temp| !temps.contains(temp)).collect();
        temps.extend(more);
    }
    // Forks run one after another, so all of them use the same bytes.
    let per_thread = forked.values().map(|temps| assign(kernel, temps, &mut places)).max();
    Plan { forks, temps, block: Vec::new(), places, workspace, per_thread }
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

/// The temporaries of the body of a fork, in which there is no other.
pub fn inside(body: &[Stmt]) -> Vec<TensorId> {
    let mut temps = Vec::new();
    collect(body, None, &mut temps, &mut Vec::new());
    temps
}

/// The temporaries outside of forks, and the forks.
fn collect<'k>(block: &'k [Stmt], forks: Option<&Forks>, temps: &mut Vec<TensorId>, nests: &mut Vec<&'k For>) {
    for stmt in block {
        match stmt {
            Stmt::For(nest) if forks.is_some_and(|forks| forks.has(nest)) => nests.push(nest),
            Stmt::For(nest) => collect(&nest.body, forks, temps, nests),
            Stmt::If { then, otherwise, .. } => {
                collect(then, forks, temps, nests);
                collect(otherwise, forks, temps, nests);
            }
            Stmt::Alloc { buffer, body } => {
                // A backend that writes loops out allocates one buffer in several places; it keeps its bytes.
                if !temps.contains(buffer) {
                    temps.push(*buffer);
                }
                collect(body, forks, temps, nests);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}
