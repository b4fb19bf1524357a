//! What is called when a candidate is checked and timed: the export itself, or, if it has `const` arguments, the function
//! that takes them packed. They are packed outside of the calls that are timed, as a program does when it starts.

use std::path::Path;

use crate::artifact::{Direction, Interface};
use crate::explore::Reason;
use crate::runtime::library::Call;
use crate::runtime::{Array, Library};
use crate::scalar::DType;

/// A candidate's library, loaded.
pub(super) struct Callee {
    library: Library,
    name: String,
    /// Of each input, whether it is `const`.
    is_const: Vec<bool>,
    /// The `const` inputs, packed; none if there are no such inputs.
    block: Option<Array>,
}

impl Callee {
    /// Loads a library.
    pub(super) fn open(path: &Path, interface: &Interface, threads: usize) -> Result<Self, Reason> {
        let library = Library::open(path).map_err(|cause| Reason::new("load", cause.to_string()))?;
        library.set_threads(threads);
        let name = interface.name.clone();
        let inputs = interface.params.iter().map(|param| param.direction).filter(Direction::is_in);
        let is_const = inputs.map(|direction| direction == Direction::In { is_const: true }).collect();
        let block = library.pack_bytes(&name).map(|bytes| {
            let no_memory = || Reason::new("memory", "there is not enough for the packed arguments");
            Array::fenced(DType::U8, &[bytes as i64]).ok_or_else(no_memory)
        });
        Ok(Self { library, name, is_const, block: block.transpose()? })
    }

    /// Packs the `const` inputs among these.
    pub(super) fn pack(&mut self, inputs: &[Array]) -> Result<(), Reason> {
        let Some(block) = &mut self.block else { return Ok(()) };
        let consts: Vec<_> =
            inputs.iter().zip(&self.is_const).filter(|(_, inside)| **inside).map(|pair| pair.0).collect();
        let packed = self.library.call(&format!("{}_pack", self.name), &consts, std::slice::from_mut(block));
        packed.map_err(not_called)
    }

    /// What a call takes in the place of all inputs.
    pub(super) fn arguments<'a>(&'a self, inputs: &'a [Array]) -> Vec<&'a Array> {
        let Some(block) = &self.block else { return inputs.iter().collect() };
        let others = inputs.iter().zip(&self.is_const).filter(|(_, inside)| !**inside).map(|pair| pair.0);
        others.chain([block]).collect()
    }

    /// Gets a call ready, with what [`Callee::arguments`] gave.
    pub(super) fn prepare<'a>(
        &'a self,
        arguments: &'a [&'a Array],
        outputs: &'a mut [Array],
    ) -> Result<Call<'a>, Reason> {
        let function = if self.block.is_some() { format!("{}_packed", self.name) } else { self.name.clone() };
        self.library.prepare(&function, arguments, outputs).map_err(not_called)
    }

    /// Whether nothing was written around the packed arguments.
    pub(super) fn is_intact(&self) -> bool {
        self.block.as_ref().is_none_or(Array::is_intact)
    }
}

/// Why a call that was refused counts as a failure.
pub(super) fn not_called(cause: impl std::fmt::Display) -> Reason {
    Reason::new("call", cause.to_string())
}
