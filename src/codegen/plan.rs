//! Where the temporaries of a kernel live: on the stack, or in one workspace that a call allocates.
//!
//! Takes a kernel that verifies; gives a side table, and the size of the workspace that the header documents.

use crate::arena::IdMap;
use crate::expr::TensorId;
use crate::loops::{BufferKind, Kernel, Scope, Stmt};

/// Largest temporary on the stack; larger ones move to the workspace.
const STACK_BUFFER: usize = 64 << 10;
/// All temporaries on the stack together: threads often have no more than a few hundred KiB to spare.
const STACK_TOTAL: usize = 256 << 10;
/// Alignment of every buffer that is not the caller's: a cache line, and the widest vector.
pub const ALIGN: usize = 64;

/// Where a temporary lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the stack.
    Stack,
    /// In the workspace, at this offset.
    Workspace {
        /// In bytes; a multiple of [`ALIGN`].
        offset: usize,
    },
}

/// The places of all temporaries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The temporaries in the order in which the body allocates them.
    pub temps: Vec<TensorId>,
    /// Where each of them lives.
    pub places: IdMap<TensorId, Place>,
    /// Bytes of the workspace; 0 for none. A multiple of [`ALIGN`].
    pub workspace: usize,
}

impl Plan {
    /// The temporaries that live in the workspace, with their offsets, in the order of those.
    pub fn in_workspace(&self) -> impl Iterator<Item = (TensorId, usize)> + '_ {
        self.temps.iter().filter_map(|&temp| match self.places.get(temp) {
            Some(&Place::Workspace { offset }) => Some((temp, offset)),
            _ => None,
        })
    }
}

/// Decides where the temporaries of `kernel` live. Each has its own bytes: a backend may tell its compiler that no two
/// of them overlap.
pub fn plan(kernel: &Kernel) -> Plan {
    let mut plan = Plan { temps: Vec::new(), places: IdMap::new(), workspace: 0 };
    collect(&kernel.body, &mut plan.temps);
    let mut stack = 0;
    for &temp in &plan.temps {
        let buffer = &kernel.buffers[temp];
        let bytes = buffer.bytes();
        let fits = bytes <= STACK_BUFFER && stack + bytes <= STACK_TOTAL;
        let place = if buffer.kind != BufferKind::Temp(Scope::Global) && fits {
            stack += bytes;
            Place::Stack
        } else {
            let offset = plan.workspace;
            plan.workspace += bytes.next_multiple_of(ALIGN);
            Place::Workspace { offset }
        };
        plan.places.insert(temp, place);
    }
    plan
}

fn collect(block: &[Stmt], temps: &mut Vec<TensorId>) {
    for stmt in block {
        match stmt {
            Stmt::For(nest) => collect(&nest.body, temps),
            Stmt::If { then, otherwise, .. } => {
                collect(then, temps);
                collect(otherwise, temps);
            }
            Stmt::Alloc { buffer, body } => {
                // One buffer may be allocated in several places; it keeps its bytes.
                if !temps.contains(buffer) {
                    temps.push(*buffer);
                }
                collect(body, temps);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Barrier => {}
        }
    }
}
