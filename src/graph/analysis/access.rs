//! How a stage goes through its tensors: for every dimension, how far one step of each axis moves the subscript.
//!
//! ```text
//! x[c, 2 * p + r - 1]     dim 0: c +1          dim 1: p +2, r +1
//! x[k / 4, i]             dim 0: k irregular   dim 1: i +1
//! x[i] + x[i + 1]         one access, of two loads, with a spread of 1
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::expr::affine::{self, Linear};
use crate::expr::range::{Domain, Interval, Ranges};
use crate::expr::{AxisId, Expr, ExprId, TensorId};

use super::super::{Graph, Stage};

/// Loads of one tensor that differ by constants alone, or the store of a stage.
#[derive(Clone, Debug)]
pub struct Access {
    /// What is read or written.
    pub tensor: TensorId,
    /// The loads, in the order of their ids; none for the store.
    pub loads: Vec<ExprId>,
    /// How each subscript moves.
    pub dims: Vec<Dim>,
    /// The axes in the conditions under which it is read.
    pub guards: BTreeSet<AxisId>,
}

/// One subscript of an access.
#[derive(Clone, Debug)]
pub struct Dim {
    /// How far one step of an axis moves it; the axis occurs in no other way.
    pub steps: BTreeMap<AxisId, i64>,
    /// Axes on which it depends in another way: by a quotient, a remainder, or data.
    pub irregular: BTreeSet<AxisId>,
    /// The smallest constant of all loads.
    pub offset: i64,
    /// From the smallest to the greatest constant.
    pub spread: i64,
    /// The subscript without its constant.
    view: Linear,
}

/// The most elements that a count goes to.
const MANY: i128 = i64::MAX as i128;

impl Dim {
    fn new(graph: &Graph, subscript: ExprId) -> Self {
        let pool = &graph.pool;
        let Linear { terms, constant } = affine::linear(pool, subscript);
        let is_axis = |atom: ExprId| if let Expr::Axis(axis) = pool.get(atom) { Some(*axis) } else { None };
        let others = terms.keys().filter(|&&atom| is_axis(atom).is_none());
        let irregular: BTreeSet<_> = others.flat_map(|&atom| pool.axes(atom)).collect();
        let steps = terms.iter().filter_map(|(&atom, &step)| Some((is_axis(atom)?, step)));
        let steps = steps.filter(|(axis, _)| !irregular.contains(axis)).collect();
        Self { steps, irregular, offset: constant, spread: 0, view: Linear { terms, constant: 0 } }
    }

    /// The axes on which it depends.
    pub fn axes(&self) -> BTreeSet<AxisId> {
        self.steps.keys().chain(&self.irregular).copied().collect()
    }

    /// The axis, if the subscript is one axis and nothing else.
    pub fn as_axis(&self) -> Option<AxisId> {
        let (&axis, &step) = self.steps.first_key_value()?;
        let alone = self.steps.len() == 1 && self.irregular.is_empty();
        (alone && step == 1 && self.offset == 0 && self.spread == 0).then_some(axis)
    }

    /// The most values that it takes while axes run over so many of theirs.
    fn values(&self, graph: &Graph, trips: &dyn Fn(AxisId) -> i64, domain: &Domain) -> i128 {
        let mut ranges = Ranges::new(domain);
        let reach = self.view.terms.iter().fold(i128::from(self.spread), |sum, (&atom, &step)| {
            let Interval { lo, hi } = ranges.of(&graph.pool, atom).interval;
            let width = i128::from(hi) - i128::from(lo);
            sum.saturating_add(width.saturating_mul(i128::from(step).abs()))
        });
        let constants = i128::from(self.spread).saturating_add(1);
        let points = self.axes().into_iter().fold(constants, |all, axis| all.saturating_mul(i128::from(trips(axis))));
        reach.saturating_add(1).min(points)
    }
}

impl Access {
    /// The axes on which any subscript depends.
    pub fn axes(&self) -> BTreeSet<AxisId> {
        self.dims.iter().flat_map(Dim::axes).collect()
    }

    /// Whether any subscript depends on an axis.
    pub fn uses(&self, axis: AxisId) -> bool {
        self.dims.iter().any(|dim| dim.steps.contains_key(&axis) || dim.irregular.contains(&axis))
    }

    /// Elements from one value of an axis to the next; none if that is no one number.
    pub fn stride(&self, graph: &Graph, axis: AxisId) -> Option<i64> {
        if self.dims.iter().any(|dim| dim.irregular.contains(&axis)) {
            return None;
        }
        let (mut size, mut stride) = (1i64, 0i64);
        for (dim, &extent) in self.dims.iter().zip(&graph.tensors[self.tensor].shape).rev() {
            stride = stride.checked_add(dim.steps.get(&axis).copied().unwrap_or(0).checked_mul(size)?)?;
            size = size.checked_mul(extent)?;
        }
        Some(stride)
    }

    /// The most distinct elements that are touched while axes run over so many of their values, from the first.
    pub fn footprint(&self, graph: &Graph, trips: &dyn Fn(AxisId) -> i64) -> i64 {
        let shape = &graph.tensors[self.tensor].shape;
        let axes = self.axes();
        let domain: Domain =
            axes.iter().map(|&axis| (axis, Interval { lo: 0, hi: trips(axis).saturating_sub(1) })).collect();
        let boxed = self.dims.iter().zip(shape).fold(1, |all: i128, (dim, &extent)| {
            all.saturating_mul(dim.values(graph, trips, &domain).min(i128::from(extent)))
        });
        let points =
            axes.iter().fold(self.loads.len().max(1) as i128, |all, &axis| all.saturating_mul(i128::from(trips(axis))));
        boxed.min(points).min(MANY) as i64
    }

    /// Takes up another load, if it differs by constants alone.
    fn join(&mut self, other: &Self) -> bool {
        let alike = self.dims.iter().zip(&other.dims).all(|(mine, its)| mine.view == its.view);
        if self.tensor != other.tensor || !alike {
            return false;
        }
        for (mine, its) in self.dims.iter_mut().zip(&other.dims) {
            let least = mine.offset.min(its.offset);
            let last = mine.offset.saturating_add(mine.spread).max(its.offset.saturating_add(its.spread));
            (mine.offset, mine.spread) = (least, last.saturating_sub(least));
        }
        self.loads.extend(&other.loads);
        self.guards.extend(&other.guards);
        true
    }
}

/// Where a stage writes.
pub fn store(graph: &Graph, stage: &Stage) -> Access {
    let dims = stage.at.iter().map(|&subscript| Dim::new(graph, subscript)).collect();
    Access { tensor: stage.tensor, loads: Vec::new(), dims, guards: BTreeSet::new() }
}

/// What a stage reads, in the order in which its value does.
pub fn loads(graph: &Graph, stage: &Stage) -> Vec<Access> {
    let pool = &graph.pool;
    let mut guards: BTreeMap<ExprId, BTreeSet<AxisId>> = BTreeMap::new();
    pool.visit(stage.body.value(), &mut |_, expr| {
        if let &Expr::Select { cond, then, otherwise } = expr {
            let axes = pool.axes(cond);
            for branch in [then, otherwise] {
                pool.visit(branch, &mut |inner, expr| {
                    if let Expr::Load { .. } = expr {
                        guards.entry(inner).or_default().extend(&axes);
                    }
                });
            }
        }
    });
    let mut found: Vec<Access> = Vec::new();
    pool.visit(stage.body.value(), &mut |id, expr| {
        let Expr::Load { tensor, at } = expr else { return };
        let dims = at.iter().map(|&subscript| Dim::new(graph, subscript)).collect();
        let guards = guards.remove(&id).unwrap_or_default();
        let access = Access { tensor: *tensor, loads: vec![id], dims, guards };
        if !found.iter_mut().any(|known| known.join(&access)) {
            found.push(access);
        }
    });
    found
}
