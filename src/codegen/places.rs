//! Where in its source a kernel's buffers come from, for listings that show instructions beside lines.
//!
//! A source says where tensors are defined and read; the other buffers of a kernel were made by schedules. A copy is where
//! what it copies is read; an accumulator is where the sum that it grows to is defined. It takes a kernel and changes
//! nothing.

use std::collections::BTreeMap;

use crate::arena::IdMap;
use crate::expr::{Expr, TensorId};
use crate::loops::{For, Kernel, Stmt};

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The name of the file.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// Places of tensors, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Where each is defined.
    pub defined: BTreeMap<String, Place>,
    /// Where each is read.
    pub read: BTreeMap<String, Place>,
}

/// Places of the buffers of one kernel.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// What a store into each comes from.
    pub stored: IdMap<TensorId, Place>,
    /// What a load of each comes from, where that is known better than that of the statement.
    pub loaded: IdMap<TensorId, Place>,
}

/// A statement that writes: what, what it reads for that, and whether it joins.
struct Use {
    written: TensorId,
    reads: Vec<TensorId>,
    joins: bool,
}

impl Marks {
    /// Of a kernel.
    pub fn of(kernel: &Kernel, places: &Places) -> Self {
        let mut marks = Self::default();
        for (id, buffer) in kernel.buffers.iter() {
            for (from, to) in [(&places.defined, &mut marks.stored), (&places.read, &mut marks.loaded)] {
                if let Some(place) = from.get(&buffer.name) {
                    to.insert(id, place.clone());
                }
            }
        }
        let mut uses = Vec::new();
        collect(kernel, &kernel.body, &mut uses);
        // Each round finds a place for one more buffer, or is the last.
        while let Some((id, place)) = kernel.buffers.ids().find_map(|id| Some((id, marks.next(id, &uses)?))) {
            marks.stored.insert(id, place.clone());
            if marks.loaded.get(id).is_none() {
                marks.loaded.insert(id, place);
            }
        }
        marks
    }

    /// The place of a buffer that has none, if it is known by now.
    fn next(&self, id: TensorId, uses: &[Use]) -> Option<Place> {
        let mut written = uses.iter().filter(|one| one.written == id).peekable();
        if self.stored.get(id).is_some() || written.peek().is_none() {
            return None;
        }
        self.copied(&written.collect::<Vec<_>>()).or_else(|| {
            let mut readers = uses.iter().filter(|one| one.written != id && one.reads.contains(&id));
            readers.find_map(|one| self.stored.get(one.written)).cloned()
        })
    }

    /// The read of a tensor whose elements are all that is written.
    fn copied(&self, written: &[&Use]) -> Option<Place> {
        let source = *written.first()?.reads.first()?;
        let is_copy = written.iter().all(|one| !one.joins && one.reads.iter().all(|&read| read == source));
        self.loaded.get(source).filter(|_| is_copy).cloned()
    }
}

fn collect(kernel: &Kernel, block: &[Stmt], uses: &mut Vec<Use>) {
    for stmt in block {
        match stmt {
            Stmt::For(For { body, .. }) | Stmt::Alloc { body, .. } => collect(kernel, body, uses),
            Stmt::If { then, otherwise, .. } => {
                collect(kernel, then, uses);
                collect(kernel, otherwise, uses);
            }
            Stmt::Store { buffer, value, .. } | Stmt::Reduce { buffer, value, .. } => {
                let mut reads = Vec::new();
                kernel.pool.visit(*value, &mut |_, expr| {
                    if let Expr::Load { tensor, .. } = expr {
                        reads.push(*tensor);
                    }
                });
                let joins = matches!(stmt, Stmt::Reduce { .. });
                uses.push(Use { written: *buffer, reads, joins });
            }
            Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}
