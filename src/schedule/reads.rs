//! How a nest goes through memory: the loads of its value, and the store of its result.
//!
//! `FlexTensor` calls this structural information; the space of schedules and the cost model are built on it alone. It
//! takes a program and gives a side table: it changes nothing.

use std::collections::BTreeMap;

use super::nest::{Nest, Program};
use crate::expr::affine::{self, Linear};
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId};
use crate::scalar::Op;

/// Lengths of runs of neighbours in memory that a CPU puts together in registers.
pub const RUNS: [i64; 2] = [2, 4];

/// One load, or the store of the result.
#[derive(Clone, Debug)]
pub struct Access {
    /// The expression of a load; none for the store.
    pub load: Option<ExprId>,
    /// What is read or written.
    pub tensor: TensorId,
    /// Its name.
    pub name: String,
    /// Bytes of an element.
    pub bytes: i64,
    /// Extents of the tensor, or of the box of it that is there.
    pub shape: Vec<i64>,
    /// For each dimension, how far one step of each axis moves its subscript.
    pub steps: Vec<BTreeMap<AxisId, i64>>,
    /// Axes on which a subscript depends in another way.
    pub irregular: Vec<AxisId>,
    /// If that is by quotients and remainders of one axis alone: the axis, and by what it is divided.
    pub runs: Option<(AxisId, i64)>,
    /// The axes in the conditions under which it is read.
    pub guards: Vec<AxisId>,
}

impl Access {
    /// Elements from one value of an axis to the next; none if that is no one number.
    pub fn stride(&self, axis: AxisId) -> Option<i64> {
        if self.irregular.contains(&axis) {
            return None;
        }
        let mut size = 1;
        let mut stride = 0;
        for (steps, &extent) in self.steps.iter().zip(&self.shape).rev() {
            stride += steps.get(&axis).copied().unwrap_or(0) * size;
            size *= extent;
        }
        Some(stride)
    }

    /// Whether what is read depends on an axis.
    pub fn uses(&self, axis: AxisId) -> bool {
        self.irregular.contains(&axis) || self.steps.iter().any(|steps| steps.contains_key(&axis))
    }

    /// Distinct elements that are touched while axes run over so many values each.
    pub fn footprint(&self, trips: &dyn Fn(AxisId) -> i64) -> i64 {
        let irregular: i64 = self.irregular.iter().map(|&axis| trips(axis)).fold(1, i64::saturating_mul);
        let boxed = self.steps.iter().zip(&self.shape).fold(1i64, |product, (steps, &extent)| {
            let reach: i64 = steps.iter().map(|(&axis, step)| step.abs() * (trips(axis) - 1)).sum();
            product.saturating_mul((1 + reach).min(extent))
        });
        let size = self.shape.iter().product::<i64>();
        boxed.saturating_mul(irregular).min(size)
    }
}

/// The distinct loads of the value of a nest, in the order of their ids.
pub fn loads(program: &Program, nest: &Nest) -> Vec<Access> {
    let pool = &program.kernel.pool;
    let mut found = Vec::new();
    pool.visit(nest.value(), &mut |id, expr| {
        if let Expr::Load { tensor, at } = expr {
            found.push((id, *tensor, at.clone()));
        }
    });
    found.sort_by_key(|(id, ..)| *id);
    let mut guards: BTreeMap<ExprId, Vec<AxisId>> = BTreeMap::new();
    pool.visit(nest.value(), &mut |_, expr| {
        if let Expr::Select { cond, then, .. } = expr {
            pool.visit(*then, &mut |inner, _| guards.entry(inner).or_default().extend(pool.axes(*cond)));
        }
    });
    found
        .into_iter()
        .map(|(id, tensor, at)| Access {
            load: Some(id),
            guards: guards.remove(&id).unwrap_or_default(),
            ..access(program, tensor, &at)
        })
        .collect()
}

/// The store of the result of a nest.
pub fn store(program: &Program, nest: &Nest) -> Access {
    access(program, nest.buffer, &nest.at)
}

fn access(program: &Program, tensor: TensorId, at: &[ExprId]) -> Access {
    let pool = &program.kernel.pool;
    let buffer = &program.kernel.buffers[tensor];
    let (mut irregular, mut runs) = (Vec::new(), Vec::new());
    let steps = at.iter().map(|&subscript| {
        let Linear { terms, .. } = affine::linear(pool, subscript);
        let mut steps = BTreeMap::new();
        for (atom, step) in terms {
            if let Expr::Axis(axis) = pool.get(atom) {
                *steps.entry(*axis).or_insert(0) += step;
            } else {
                irregular.extend(pool.axes(atom));
                runs.push(divided(pool, atom));
            }
        }
        steps
    });
    let steps = steps.collect();
    irregular.sort_unstable();
    irregular.dedup();
    runs.dedup();
    let runs = if let [run] = runs[..] { run } else { None };
    let (bytes, shape) = (buffer.dtype.bytes() as i64, program.shape(tensor));
    Access { load: None, tensor, name: buffer.name.clone(), bytes, shape, steps, irregular, runs, guards: Vec::new() }
}

/// The axis of which an expression is the quotient or the remainder, and by what it is divided.
fn divided(pool: &Pool, expr: ExprId) -> Option<(AxisId, i64)> {
    let Expr::Binary(Op::Div | Op::Mod, axis, by) = *pool.get(expr) else { return None };
    let &Expr::Axis(axis) = pool.get(axis) else { return None };
    Some((axis, pool.as_int(by)?))
}
