//! Programs: expressions, loops and stores compiled to a compact register code, to be run many times.
//!
//! Both reference evaluators use it: the interpreter of the loop IR compiles a whole kernel, the one of the tensor
//! graph a stage at a time. It is made for checking, so it is exact rather than fast: floats are computed in `f64`
//! and rounded by explicit casts only, every access is checked, and every element must be stored before it is loaded.
//! Still it runs some hundred million instructions a second: registers are untyped 64-bit words, addresses are linear
//! forms whose outer parts are computed in the outer loops, and subscripts that cannot leave their extent are not
//! checked again.
//!
//! A program may also be what one thread of a GPU does: it stops at barriers, and a `watch` finds races.
//!
//! `memory` is what programs work on, `build` compiles loops and stores, `value` expressions, `address` accesses, and
//! `machine` runs the result.

mod address;
mod build;
mod machine;
mod memory;
mod value;
mod watch;

pub use build::{BuildError, Builder};
pub use machine::{Machine, Trap};
pub use memory::{Layout, Memory, Saved, TooLarge};
pub use watch::{Actor, Race, Use, Watch};

use super::{AxisId, TensorId};
use crate::scalar::{DType, Op, ReduceOp};

/// The number of a register.
type Reg = u32;

/// Compiled code.
#[derive(Clone, Debug)]
pub struct Program {
    code: Vec<Instr>,
    /// The registers before the first instruction: constants, and zeros.
    registers: Vec<u64>,
    sites: Vec<Site>,
    /// What threads combine.
    combined: Vec<Combined>,
}

/// What threads combine at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combined {
    /// How.
    pub op: ReduceOp,
    /// The parameters in which these threads differ.
    pub over: Vec<AxisId>,
}

impl Program {
    /// What a [`Trap::Combine`] is about.
    pub fn combined(&self, number: u32) -> &Combined {
        &self.combined[number as usize]
    }
}

/// A subscript that is checked when the program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Whose subscript.
    pub tensor: TensorId,
    /// Which one.
    pub dim: usize,
    /// Values are inside below it, from 0.
    pub extent: i64,
}

/// An instruction. Registers hold `i64`, `f64` by their bits, or `bool` as 0 and 1. Jumps are relative, so that code
/// can be moved in one piece.
#[derive(Clone, Copy, Debug)]
enum Instr {
    /// `axis = 0`
    Enter {
        axis: Reg,
    },
    /// `axis += 1`, and back by so many instructions where it is still below `extent`
    Next {
        axis: Reg,
        extent: Reg,
        back: u32,
    },
    /// Skips instructions.
    Jump {
        over: u32,
    },
    /// Skips instructions where `cond` is false.
    JumpUnless {
        cond: Reg,
        over: u32,
    },

    /// Traps where `value` is not in `0..extent`.
    Check {
        value: Reg,
        extent: Reg,
        site: u32,
    },
    /// `to = memory[base + index * scale]`
    LoadIndexed {
        to: Reg,
        base: Reg,
        index: Reg,
        scale: i32,
    },
    /// `to = memory[at]`
    Load {
        to: Reg,
        at: Reg,
    },
    /// `to = memory[at]`, for `i64`
    LoadWide {
        to: Reg,
        at: Reg,
    },
    /// `memory[at] = value`
    Store {
        at: Reg,
        value: Reg,
    },
    /// `memory[at] = value`, for `i64`
    StoreWide {
        at: Reg,
        value: Reg,
    },
    /// Forgets all elements of a tensor.
    Undefine {
        tensor: TensorId,
    },
    /// Stops, to go on behind it.
    Barrier,
    Wait {
        pending: u32,
    },
    /// Stops for others to join an element.
    Combine {
        at: Reg,
        number: u32,
    },

    /// `to = from`
    Move {
        to: Reg,
        from: Reg,
    },
    /// `to = base + index * scale`
    MulAdd {
        to: Reg,
        base: Reg,
        index: Reg,
        scale: Reg,
    },
    /// `to = a + b` in `f64`
    AddFloat {
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// `to = a * b` in `f64`
    MulFloat {
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// Any other operation on floats that gives a float.
    Float {
        op: Op,
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// A comparison of floats.
    CompareFloat {
        op: Op,
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// `to = a + b` in `i64`
    AddInt {
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// `to = a - b` in `i64`
    SubInt {
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// `to = a < b` in `i64`
    Less {
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// `to = a <= b` in `i64`
    AtMost {
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// `to = a && b`
    Both {
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// Any other operation on integers that gives an integer, at 64 bits.
    Int {
        op: Op,
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// Any other comparison of integers.
    CompareInt {
        op: Op,
        to: Reg,
        a: Reg,
        b: Reg,
    },
    /// Any other operation on truth values.
    Logic {
        op: Op,
        to: Reg,
        a: Reg,
        b: Reg,
    },

    /// A float rounded to a float type.
    Round {
        dtype: DType,
        to: Reg,
        from: Reg,
    },
    /// An integer wrapped to an integer type.
    Wrap {
        dtype: DType,
        to: Reg,
        from: Reg,
    },
    /// A float as an integer type.
    Truncate {
        dtype: DType,
        to: Reg,
        from: Reg,
    },
    /// An integer as a float type.
    ToFloat {
        dtype: DType,
        to: Reg,
        from: Reg,
    },
}
