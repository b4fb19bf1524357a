//! Whether two iterations of a parallel loop may reduce into the same place.
//!
//! The verifier lets them: iterations must not depend on each other "save through `Reduce`". They cannot meet where the
//! place tells the iteration: where the value of the axis can be computed from the subscripts, in the same way for all
//! reductions into the buffer. Subscripts are read as numbers with mixed radices, as splitting and fusing loops makes
//! them:
//!
//! ```text
//! C[16 * i.0 + i.1, j]     i.0 = C's row / 16, for i.1 is in 0..16
//! C[ij / 64, ij % 64]      ij = 64 * row + column
//! ```
//!
//! What is not understood may meet. Stores are not looked at: to different places, the verifier says.

use std::collections::{BTreeMap, BTreeSet};

use crate::expr::affine::{Linear, bounds, is_exact, linear};
use crate::expr::range::{Domain, Ranges};
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId};
use crate::loops::{For, Kernel, Stmt};
use crate::scalar::Op;

/// How a value is computed from the subscripts of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    /// The subscript of a dimension.
    Dim(usize),
    /// The digit of the largest weight of a number, whose other digits make up at least `least`.
    Top { of: Box<Path>, outer: Linear, weight: i64, least: i128 },
    /// What the other digits make up.
    Rest { of: Box<Path>, outer: Linear, weight: i64, least: i128 },
    /// `high * by + low`.
    Join { high: Box<Path>, low: Box<Path>, by: i64 },
}

/// What is known of a number: `path` gives it with `shift` added.
#[derive(Clone, Debug)]
struct Known {
    path: Path,
    shift: i64,
}

/// A number that is a quotient or a remainder of another.
struct Digit<'k> {
    op: Op,
    id: ExprId,
    whole: ExprId,
    by: i64,
    known: &'k Known,
}

/// Whether two iterations of `nest` may reduce into one place of a buffer that is not an iteration's own.
pub(super) fn may_meet(kernel: &Kernel, domain: &Domain, nest: &For) -> bool {
    let mut inside = Inside::default();
    inside.axes.insert(nest.axis);
    inside.block(&nest.body);
    let mut paths: BTreeMap<TensorId, Path> = BTreeMap::new();
    inside.reductions.iter().any(|&(buffer, at)| {
        if inside.temps.contains(&buffer) {
            return false;
        }
        let mut decoder = Decoder { pool: &kernel.pool, inside: &inside.axes, ranges: Ranges::new(domain) };
        match decoder.path_to(nest.axis, at) {
            None => true,
            Some(path) => paths.insert(buffer, path.clone()).is_some_and(|other| other != path),
        }
    })
}

/// What stands in a parallel loop.
#[derive(Default)]
struct Inside<'k> {
    axes: BTreeSet<AxisId>,
    temps: BTreeSet<TensorId>,
    reductions: Vec<(TensorId, &'k [ExprId])>,
}

impl<'k> Inside<'k> {
    fn block(&mut self, block: &'k [Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::For(nest) => {
                    self.axes.insert(nest.axis);
                    self.block(&nest.body);
                }
                Stmt::Alloc { buffer, body } => {
                    self.temps.insert(*buffer);
                    self.block(body);
                }
                Stmt::If { then, otherwise, .. } => {
                    self.block(then);
                    self.block(otherwise);
                }
                Stmt::Reduce { buffer, at, .. } => self.reductions.push((*buffer, at)),
                Stmt::Store { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
            }
        }
    }
}

/// Finds out what the place of a reduction tells.
struct Decoder<'a> {
    pool: &'a Pool,
    /// The axes of the loop and of those in it; all others have one value in all iterations.
    inside: &'a BTreeSet<AxisId>,
    ranges: Ranges<'a>,
}

impl Decoder<'_> {
    fn path_to(&mut self, axis: AxisId, at: &[ExprId]) -> Option<Path> {
        let dims = at.iter().enumerate().map(|(dim, &subscript)| (linear(self.pool, subscript), Path::Dim(dim)));
        let mut todo: Vec<_> = dims.collect();
        let mut known: BTreeMap<ExprId, Known> = BTreeMap::new();
        while let Some((view, path)) = todo.pop() {
            let (atom, found) = if let Some((atom, shift)) = self.part(&view) {
                (atom, Known { path, shift })
            } else {
                let Some((atom, digit, rest)) = self.split(&view, path) else { continue };
                if *self.pool.get(atom) == Expr::Axis(axis) {
                    return Some(digit);
                }
                todo.push(rest);
                (atom, Known { path: digit, shift: 0 })
            };
            // A second way to the same value tells nothing new.
            if let std::collections::btree_map::Entry::Vacant(entry) = known.entry(atom) {
                entry.insert(found);
                todo.extend(self.join(atom, &known));
            }
        }
        None
    }

    /// The quotient or remainder that a number is, but for what is added.
    fn part(&self, view: &Linear) -> Option<(ExprId, i64)> {
        let (&atom, &weight) = view.terms.iter().next().filter(|_| view.terms.len() == 1)?;
        let is_part = matches!(self.pool.get(atom), Expr::Binary(Op::Div | Op::Mod, ..));
        (is_part && weight == 1 && !self.is_outer(atom)).then_some((atom, view.constant))
    }

    /// The digit with the largest weight, and the number that the others make up.
    fn split(&mut self, view: &Linear, path: Path) -> Option<(ExprId, Path, (Linear, Path))> {
        if !is_exact(self.pool, view, &mut self.ranges) {
            return None;
        }
        let (mut outer, mut rest) = (Linear::constant(view.constant), Linear::default());
        for (&atom, &weight) in &view.terms {
            if self.is_outer(atom) { &mut outer } else { &mut rest }.terms.insert(atom, weight);
        }
        let (&atom, &weight) = rest.terms.iter().max_by_key(|(_, weight)| weight.unsigned_abs())?;
        rest.terms.remove(&atom);
        let others = bounds(self.pool, &rest, &mut self.ranges)?;
        if others.hi - others.lo >= i128::from(weight.unsigned_abs()) {
            return None;
        }
        let mut least = others.lo;
        let (lo, hi) = (others.lo + i128::from(view.constant), others.hi + i128::from(view.constant));
        if lo >= 0 && hi < i128::from(weight) {
            // Plain division by the weight, whatever else differs: so do the branches for full and for last tiles.
            (outer.constant, rest.constant, least) = (0, view.constant, 0);
        }
        let of = Box::new(path);
        let below = Path::Rest { of: of.clone(), outer: outer.clone(), weight, least };
        Some((atom, Path::Top { of, outer, weight, least }, (rest, below)))
    }

    /// Whether an atom has the same value in all iterations.
    fn is_outer(&self, atom: ExprId) -> bool {
        !self.pool.has_load(atom) && self.pool.axes(atom).iter().all(|axis| !self.inside.contains(axis))
    }

    /// The number of which `atom` is the quotient or the remainder, if the other one is known too, and what was added to
    /// the quotient is counted.
    fn join(&mut self, atom: ExprId, known: &BTreeMap<ExprId, Known>) -> Option<(Linear, Path)> {
        let parts: Vec<_> = known.iter().filter_map(|(&id, known)| self.digit(id, known)).collect();
        let quotients = parts.iter().filter(|part| part.op == Op::Div);
        let pairs = quotients.flat_map(|high| parts.iter().filter(|low| low.op == Op::Mod).map(move |low| (high, low)));
        for (high, low) in pairs {
            let is_new = high.id == atom || low.id == atom;
            if !is_new || low.known.shift != 0 || !self.is_pair(high, low) {
                continue;
            }
            let whole = if high.by == low.by { high.whole } else { low.whole };
            let mut view = linear(self.pool, whole);
            view.constant = view.constant.checked_add(low.by.checked_mul(high.known.shift)?)?;
            let [high, low_path] = [high, low].map(|part| Box::new(part.known.path.clone()));
            return Some((view, Path::Join { high, low: low_path, by: low.by }));
        }
        None
    }

    /// A known number as the quotient or the remainder that it is.
    fn digit<'k>(&self, id: ExprId, known: &'k Known) -> Option<Digit<'k>> {
        let &Expr::Binary(op @ (Op::Div | Op::Mod), whole, by) = self.pool.get(id) else { return None };
        let by = self.pool.as_int(by).filter(|&divisor| divisor > 0)?;
        Some(Digit { op, id, whole, by, known })
    }

    /// Whether a quotient and a remainder are of one number: `x / 4` and `x % 4`, or `x / 16` and `x / 4 % 4`, of which the
    /// simplifier made `x / 4 / 4` the first.
    fn is_pair(&mut self, high: &Digit<'_>, low: &Digit<'_>) -> bool {
        if high.by == low.by && self.is_alike(high.whole, low.whole, low.by) {
            return true;
        }
        let &Expr::Binary(Op::Div, inner, by) = self.pool.get(low.whole) else { return false };
        let by = self.pool.as_int(by).filter(|&divisor| divisor > 0);
        inner == high.whole && by.and_then(|by| by.checked_mul(low.by)) == Some(high.by)
    }

    /// Whether two numbers leave the same remainder: the simplifier takes multiples of the divisor out of one.
    fn is_alike(&mut self, one: ExprId, other: ExprId, divisor: i64) -> bool {
        let (mut one, other) = (linear(self.pool, one), linear(self.pool, other));
        if !is_exact(self.pool, &one, &mut self.ranges) || !is_exact(self.pool, &other, &mut self.ranges) {
            return false;
        }
        for (&atom, &weight) in &other.terms {
            let term = one.terms.entry(atom).or_insert(0);
            let Some(difference) = term.checked_sub(weight) else { return false };
            *term = difference;
        }
        let constant = one.constant.checked_sub(other.constant);
        constant.is_some_and(|rest| rest % divisor == 0) && one.terms.values().all(|weight| weight % divisor == 0)
    }
}
