//! A kernel for who starts its launches himself, through the driver: device code alone, and what to start in which order.
//!
//! It is the same code as that of the library, without the functions for the host, and with names that can be looked up.

use serde::{Deserialize, Serialize};

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
    /// In the order in which they run.
    pub launches: Vec<Start>,
    /// Bytes of main memory for what launches leave for each other.
    pub workspace: usize,
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
}
