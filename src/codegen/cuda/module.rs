//! A kernel for who starts its launches himself, through the driver: device code alone, and what to start in which order.
//!
//! It is the same code as that of the library, without the functions for the host, and with names that can be looked up.

use serde::{Deserialize, Serialize};

use crate::expr::TensorId;
use crate::loops::pack::{Packing, Part};
use crate::loops::{BufferKind, Kernel};

/// Device code and its launches.
#[derive(Clone, Debug)]
pub struct Module {
    /// CUDA C.
    pub text: String,
    /// How to run it.
    pub plan: Plan,
}

/// How to run the launches of a kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What fills the block from `const` arguments, once, ahead of all calls.
    pub ahead: Vec<Start>,
    /// A call, in the order in which they run.
    pub launches: Vec<Start>,
    /// Bytes of main memory for what launches leave for each other.
    pub workspace: usize,
    /// Bytes of main memory for what is packed ahead.
    pub block: usize,
}

/// One launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The function.
    pub name: String,
    /// Blocks along `x`, `y` and `z`.
    pub grid: [u32; 3],
    /// Threads of a block along them.
    pub block: [u32; 3],
    /// Bytes of shared memory that have to be asked for.
    pub shared: u32,
    /// What it is given, in order.
    pub args: Vec<Argument>,
}

/// An argument of a launch: an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Argument {
    /// That of a parameter of the kernel, by its number.
    Param(usize),
    /// This far inside of the workspace.
    Workspace(usize),
    /// This far inside of the block that is packed ahead.
    Block(usize),
}

impl Plan {
    /// The plan of a kernel whose `const` arguments are packed ahead, from those of its two parts.
    pub(super) fn packed(kernel: &Kernel, packing: &Packing, ahead: Self, calls: Self) -> Self {
        let is_const = |id: &TensorId| kernel.buffers[*id].kind == BufferKind::Input { is_const: true };
        let numbers = |wanted: bool| {
            let params = kernel.params.iter().enumerate().filter(move |(_, id)| is_const(id) == wanted);
            params.map(|(number, _)| Argument::Param(number))
        };
        let of = |part: &Kernel, place: fn(&Part) -> TensorId, all: &mut dyn Iterator<Item = Argument>| {
            let argument = |id: &TensorId| match packing.parts.iter().find(|part| place(part) == *id) {
                Some(part) => Argument::Block(part.offset),
                None => all.next().expect("the parts of a kernel have its parameters, in their order"),
            };
            part.params.iter().map(argument).collect::<Vec<_>>()
        };
        let filled = of(&packing.pack, |part| part.filled, &mut numbers(true));
        let read = of(&packing.packed, |part| part.read, &mut numbers(false));
        Self {
            ahead: renumbered(ahead.launches, &filled),
            launches: renumbered(calls.launches, &read),
            workspace: ahead.workspace.max(calls.workspace),
            block: packing.bytes(),
        }
    }
}

/// Launches whose parameters are others.
fn renumbered(mut launches: Vec<Start>, params: &[Argument]) -> Vec<Start> {
    for argument in launches.iter_mut().flat_map(|launch| &mut launch.args) {
        if let Argument::Param(number) = *argument {
            *argument = params[number];
        }
    }
    launches
}
