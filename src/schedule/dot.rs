//! Sums whose terms one instruction joins several at a time: products of bytes into `i32`, and of `bf16` into `f32`.
//!
//! The form that a schedule gives them is a vector loop with an unrolled part of the sum inside of it, as long as an
//! instruction has terms; the elements of a lane are neighbours in memory, in copies or where they are:
//!
//! ```text
//! vector for j.3 in 16 { unroll for k.1 in 4 { acc[j.3] += i32(A[i, 4 * k.0 + k.1]) * i32(B.copy[k.0, j.3, k.1]) } }
//! ```
//!
//! Several of them in a row, one for each value of another unrolled part of the sum around it, share what must be done
//! beside. Here is only what the space and the model ask: whether a nest and a machine are made for it.

use super::nest::{Nest, Program};
use crate::expr::{Expr, ExprId};
use crate::scalar::{DType, Op, ReduceOp};
use crate::target::Machine;

/// An instruction that joins products.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// Products that it joins.
    pub terms: i64,
    /// What it costs, where a multiply-add costs 1.
    pub cost: f64,
    /// What is to be done beside for all those in a row that go into one sum, counted in the same way.
    pub rest: f64,
}

impl Dot {
    /// How many of them in a row are worth it.
    pub fn groups(&self) -> i64 {
        if self.rest > 0.0 { 4 } else { 1 }
    }
}

/// The instruction that a machine has for the products of a nest.
pub fn dot(program: &Program, nest: &Nest, machine: &Machine) -> Option<Dot> {
    let reduction = nest.reduction.as_ref().filter(|reduction| reduction.op == ReduceOp::Sum)?;
    let pool = &program.kernel.pool;
    let Expr::Binary(Op::Mul, a, b) = *pool.get(reduction.value) else { return None };
    let narrow = |id: ExprId| match *pool.get(id) {
        Expr::Cast(_, inner) => Some(pool.dtype(inner)),
        _ => None,
    };
    let dots = machine.dots;
    match (pool.dtype(reduction.value), narrow(a)?, narrow(b)?) {
        (DType::I32, DType::I8, DType::U8) | (DType::I32, DType::U8, DType::I8) if dots.mixed => {
            Some(Dot { terms: 4, cost: 1.0, rest: 0.0 })
        }
        (DType::I32, DType::I8, DType::I8) | (DType::I32, DType::U8, DType::U8) if dots.mixed => {
            // Without an instruction of its own, one factor is moved to other signs, and what that adds goes off again.
            let (cost, rest) = if dots.same { (1.0, 0.0) } else { (1.3, 0.9) };
            Some(Dot { terms: 4, cost, rest })
        }
        (DType::F32, DType::BF16, DType::BF16) => dots.bf16.map(|cost| Dot { terms: 2, cost, rest: 0.0 }),
        _ => None,
    }
}
