//! The verifier of the loop IR. A kernel that passes can be given to any backend: none will panic, and the code that
//! it makes will touch no memory outside the buffers. What is checked:
//!
//! - **Names**: axes have unique names, and so have buffers.
//! - **Sizes**: extents of buffers and loops are at least 1, and the bytes of all buffers together fit `i64`. A table
//!   holds as many constants as its shape says, of its type.
//! - **Parameters**: inputs, then outputs; each exactly once.
//! - **Scopes**: an axis belongs to one loop and is used only inside; a temporary is used only
//!   inside of its `alloc`s, which are not inside of each other; only temporaries are allocated.
//! - **Types**: every expression keeps the rules of [`crate::expr`]; a condition is a `bool`; what is stored has the
//!   type of the buffer; what is reduced has a compute type for which the reduction is defined.
//! - **Bounds**: loads and stores have as many subscripts as the buffer has dimensions, and each is proved to be
//!   inside, under the conditions around it.
//! - **Writes**: inputs and tables are not written; outputs, and temporaries that are loaded, are stored somewhere; a
//!   store inside a loop whose iterations run at once, or a reduction inside a launch, goes to a different place in
//!   each, or the buffer is the iteration's own. (Whether *every* element is stored in time is for the interpreter to say.)
//! - **Kinds**: grid loops are not inside other loops, save grid loops; block loops are inside grid loops; each coordinate
//!   is bound once; parallel loops are neither inside of each other nor in vectors or on a GPU; vectors are innermost
//!   among these; barriers and shared memory are inside grids.
//! - **Launches**: under no condition; grid loops, allocations of shared memory and block loops as the specification
//!   places them; no main memory is allocated inside; conditions around a barrier or a combination load nothing and use
//!   no axis of a block; what is combined is each thread's own. (Races between threads are for the interpreter to find.)

mod access;
mod launch;
mod structure;
mod types;

use super::visit::{self, Context};
use super::{Kernel, Stmt};
use crate::expr::print::Names;

/// The part of the contract that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the list above says it")]
pub enum Rule {
    Names,
    Sizes,
    Parameters,
    Scopes,
    Types,
    Bounds,
    Writes,
    Kinds,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifyError {
    /// The loops around it, outermost first: `i / j`; empty for the kernel itself.
    pub path: String,
    /// What it breaks.
    pub rule: Rule,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for VerifyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rule = format!("{:?}", self.rule).to_lowercase();
        if self.path.is_empty() {
            write!(f, "{rule}: {}", self.message)
        } else {
            write!(f, "{rule}: in `{}`: {}", self.path, self.message)
        }
    }
}

/// Checks the whole contract.
pub fn verify(kernel: &Kernel) -> Result<(), Vec<VerifyError>> {
    let mut errors = Errors { kernel, path: String::new(), found: Vec::new() };
    structure::kernel(&mut errors);
    // What follows looks ids up.
    if errors.found.is_empty() {
        let mut pool = kernel.pool.clone();
        let mut seen = structure::Seen::default();
        let mut typed = types::Typed::default();
        let mut access = access::Access::default();
        visit::visit(&mut pool, &kernel.body, &mut |pool, stmt, context| {
            errors.path = path(kernel, stmt, context);
            let before = errors.found.len();
            structure::statement(&mut errors, &mut seen, stmt, context);
            launch::statement(&mut errors, pool, stmt, context);
            typed.statement(&mut errors, stmt);
            if errors.found.len() == before {
                access.statement(&mut errors, pool, stmt, context);
            }
        });
        errors.path = String::new();
        access.finish(&mut errors);
    }
    if errors.found.is_empty() { Ok(()) } else { Err(errors.found) }
}

fn path(kernel: &Kernel, stmt: &Stmt, context: &Context) -> String {
    let own = if let Stmt::For(l) = stmt { Some(l.axis) } else { None };
    let axes: Vec<_> = context.loops.iter().map(|open| open.axis).chain(own).map(|axis| kernel.axis(axis)).collect();
    axes.join(" / ")
}

/// What was found so far.
struct Errors<'a> {
    kernel: &'a Kernel,
    /// The loops around the statement that is looked at.
    path: String,
    found: Vec<VerifyError>,
}

impl Errors<'_> {
    fn add(&mut self, rule: Rule, message: impl Into<String>) {
        self.found.push(VerifyError { path: self.path.clone(), rule, message: message.into() });
    }
}
