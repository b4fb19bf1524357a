//! Hides what an expression loads behind axes of its own, so that provers can reason about subscripts that are data:
//! in `if 0 <= idx[c] && idx[c] < N { x[idx[c]] }` both are the same unknown.
//!
//! Sound only while equal loads give equal values: within one expression, and where the tensor is not written.

use std::collections::HashMap;

use super::range::{Domain, interval};
use super::{AxisId, Expr, ExprId, Pool};
use crate::arena::Id;
use crate::scalar::DType;

/// Ids from here on downwards are taken for unknowns; no kernel has as many axes.
const FIRST: usize = u32::MAX as usize;

/// The unknowns, one for each index that is loaded or computed from loads.
#[derive(Clone, Debug, Default)]
pub struct Opaque {
    known: HashMap<ExprId, ExprId>,
    domain: Domain,
}

impl Opaque {
    /// No unknowns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The values that the unknowns take.
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// `id` with an unknown in place of each loaded index; the same one wherever the same index stands.
    pub fn hide(&mut self, pool: &mut Pool, id: ExprId) -> ExprId {
        if !pool.has_load(id) {
            return id;
        }
        pool.map(id, &mut |pool, id| {
            let is_unknown = match *pool.get(id) {
                Expr::Load { .. } => pool.dtype(id) == DType::I64,
                Expr::Cast(DType::I64, value) => pool.has_load(value),
                _ => false,
            };
            is_unknown.then(|| self.unknown(pool, id))
        })
    }

    fn unknown(&mut self, pool: &mut Pool, id: ExprId) -> ExprId {
        if let Some(&known) = self.known.get(&id) {
            return known;
        }
        let axis = AxisId::new(FIRST - self.known.len());
        self.domain.insert(axis, interval(pool, id, &Domain::new()));
        let unknown = pool.axis(axis);
        self.known.insert(id, unknown);
        unknown
    }
}
