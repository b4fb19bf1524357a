//! Looks for a point at which facts hold and a claim fails, by trying points: all of them where they are few.
//!
//! Claim and facts are compiled to straight-line code whose instructions are sorted by the last axis that they need, so
//! that a step of the innermost axis computes only what changed, and a fact that fails cuts off everything below it.
//! Only for expressions of integers and `bool`s without loads: [`Search::new`] gives none for others.

use std::collections::HashMap;

use super::prove::Witness;
use super::range::{Domain, Interval};
use super::{AxisId, Expr, ExprId, Pool};
use crate::scalar::op::Class;
use crate::scalar::{Const, DType, Op, eval};

/// Up to so many points, all are tried.
const ALL_POINTS: u128 = 1 << 22;

/// Steps spent on the points near the corners of a larger domain.
const CORNER_STEPS: u64 = 1 << 16;

/// Points drawn from a larger domain.
const SAMPLES: u64 = 20_000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No such point exists.
    Nowhere,
    /// Such a point.
    At(Witness),
    /// None was found, but not all points were tried.
    Unsure,
}

/// A value while the program runs; `bool` is 0 or 1.
type Slot = usize;

#[derive(Clone, Copy, Debug)]
enum Instr {
    Unary(Op, DType, Slot),
    Binary(Op, DType, Slot, Slot),
    Cast(DType, Slot),
    Select(Slot, Slot, Slot),
}

/// A compiled question.
#[derive(Debug)]
pub(super) struct Search {
    axes: Vec<(AxisId, Interval)>,
    /// For each number of axes that are set: what can be computed then, and where it goes.
    code: Vec<Vec<(Slot, Instr)>>,
    /// The facts that are known then.
    facts: Vec<Vec<Slot>>,
    claim: Slot,
    claim_level: usize,
    /// The first `axes.len()` are the axes.
    slots: Vec<i64>,
}

struct Compiler<'a> {
    pool: &'a Pool,
    search: Search,
    levels: Vec<usize>,
    known: HashMap<ExprId, Slot>,
}

impl Search {
    /// Compiles the question whether `claim` fails where `facts` hold, over `axes`, which must be all axes in them.
    pub(super) fn new(pool: &Pool, axes: &[AxisId], claim: ExprId, facts: &[ExprId], domain: &Domain) -> Option<Self> {
        let axes: Vec<_> = axes.iter().map(|&axis| (axis, domain.get(axis))).collect();
        let search = Self {
            code: vec![Vec::new(); axes.len() + 1],
            facts: vec![Vec::new(); axes.len() + 1],
            slots: vec![0; axes.len()],
            claim: 0,
            claim_level: 0,
            axes,
        };
        let levels = (1..=search.axes.len()).collect();
        let mut compiler = Compiler { pool, search, levels, known: HashMap::new() };
        for &fact in facts {
            let slot = compiler.compile(fact)?;
            compiler.search.facts[compiler.levels[slot]].push(slot);
        }
        let claim = compiler.compile(claim)?;
        Some(Self { claim, claim_level: compiler.levels[claim], ..compiler.search })
    }

    /// Looks for a point where the facts hold and the claim fails.
    pub(super) fn run(&mut self) -> Found {
        let points = self.axes.iter().try_fold(1u128, |n, (_, values)| n.checked_mul(values.count()));
        if points.is_some_and(|points| points <= ALL_POINTS) {
            let all: Vec<_> = self.axes.iter().map(|&(_, values)| Values::All(values)).collect();
            return match self.scan(0, &all, &mut u64::MAX.clone()) {
                Ok(true) => Found::At(self.witness()),
                _ => Found::Nowhere,
            };
        }
        let corners: Vec<_> = self.axes.iter().map(|&(_, values)| Values::Some(corners(values))).collect();
        if self.scan(0, &corners, &mut CORNER_STEPS.clone()) == Ok(true) || self.sample() {
            self.shrink();
            return Found::At(self.witness());
        }
        Found::Unsure
    }

    fn witness(&self) -> Witness {
        self.axes.iter().zip(&self.slots).map(|(&(axis, _), &value)| (axis, value)).collect()
    }

    /// Tries the values of all axes from `level` on; `Err` when the steps are used up.
    fn scan(&mut self, level: usize, values: &[Values], steps: &mut u64) -> Result<bool, ()> {
        *steps = steps.checked_sub(1).ok_or(())?;
        self.compute(level);
        if self.facts[level].iter().any(|&fact| self.slots[fact] == 0) {
            return Ok(false);
        }
        if level == self.claim_level && self.slots[self.claim] != 0 {
            return Ok(false);
        }
        if level == self.axes.len() {
            return Ok(true);
        }
        match &values[level] {
            Values::All(interval) => {
                for value in interval.lo..=interval.hi {
                    self.slots[level] = value;
                    if self.scan(level + 1, values, steps)? {
                        return Ok(true);
                    }
                }
            }
            Values::Some(list) => {
                for &value in list {
                    self.slots[level] = value;
                    if self.scan(level + 1, values, steps)? {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn compute(&mut self, level: usize) {
        for &(target, instr) in &self.code[level] {
            self.slots[target] = run(instr, &self.slots);
        }
    }

    /// Whether the axes as they are set make a point where the facts hold and the claim fails.
    fn fails_here(&mut self) -> bool {
        (1..=self.axes.len()).for_each(|level| self.compute(level));
        self.slots[self.claim] == 0 && self.facts.iter().flatten().all(|&fact| self.slots[fact] != 0)
    }

    fn sample(&mut self) -> bool {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        (0..SAMPLES).any(|_| {
            for (index, (_, values)) in self.axes.iter().enumerate() {
                // xorshift: any spread-out sequence does, if it is the same every time.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let offset = (u128::from(state) % values.count()) as i128;
                self.slots[index] = (i128::from(values.lo) + offset) as i64;
            }
            self.fails_here()
        })
    }

    /// Moves each axis towards its smallest value as long as the point stays one.
    fn shrink(&mut self) {
        for index in 0..self.axes.len() {
            let lo = self.axes[index].1.lo;
            let mut best = self.slots[index];
            let mut step = (i128::from(best) - i128::from(lo)) as u128;
            while step > 0 {
                let next = (i128::from(best) - step as i128) as i64;
                self.slots[index] = next;
                if next >= lo && self.fails_here() {
                    best = next;
                } else {
                    step /= 2;
                }
            }
            self.slots[index] = best;
        }
        self.fails_here();
    }
}

/// The values to be tried for an axis.
enum Values {
    All(Interval),
    Some(Vec<i64>),
}

fn corners(values: Interval) -> Vec<i64> {
    let Interval { lo, hi } = values;
    let middle = i64::midpoint(lo, hi);
    let mut list = vec![lo, hi, lo.saturating_add(1), hi.saturating_sub(1), middle, 0];
    list.retain(|&value| values.contains(value));
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|&value| seen.insert(value));
    list
}

impl Compiler<'_> {
    fn compile(&mut self, id: ExprId) -> Option<Slot> {
        if let Some(&slot) = self.known.get(&id) {
            return Some(slot);
        }
        let dtype = self.pool.dtype(id);
        let slot = match *self.pool.get(id) {
            Expr::Const(value) => {
                let slot = self.slot(0);
                self.search.slots[slot] = value.as_int()?;
                slot
            }
            Expr::Axis(axis) => self.search.axes.iter().position(|&(known, _)| known == axis)?,
            Expr::Unary(op, a) => {
                let a = self.compile(a)?;
                self.emit(Instr::Unary(op, dtype, a), &[a])
            }
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.compile(a)?, self.compile(b)?);
                self.emit(Instr::Binary(op, dtype, a, b), &[a, b])
            }
            Expr::Cast(to, a) if !to.is_float() => {
                let a = self.compile(a)?;
                self.emit(Instr::Cast(to, a), &[a])
            }
            // Both branches may be computed: no operation on integers fails.
            Expr::Select { cond, then, otherwise } => {
                let (cond, then, otherwise) = (self.compile(cond)?, self.compile(then)?, self.compile(otherwise)?);
                self.emit(Instr::Select(cond, then, otherwise), &[cond, then, otherwise])
            }
            Expr::Cast(..) | Expr::Load { .. } => return None,
        };
        self.known.insert(id, slot);
        Some(slot)
    }

    fn slot(&mut self, level: usize) -> Slot {
        self.search.slots.push(0);
        self.levels.push(level);
        self.levels.len() - 1
    }

    fn emit(&mut self, instr: Instr, operands: &[Slot]) -> Slot {
        let level = operands.iter().map(|&slot| self.levels[slot]).max().unwrap_or(0);
        let slot = self.slot(level);
        self.search.code[level].push((slot, instr));
        slot
    }
}

fn run(instr: Instr, slots: &[i64]) -> i64 {
    match instr {
        Instr::Unary(Op::Not, _, a) => i64::from(slots[a] == 0),
        Instr::Unary(op, dtype, a) => wrap(dtype, eval::int(op, slots[a], 0)),
        Instr::Binary(op, dtype, a, b) => binary(op, dtype, slots[a], slots[b]),
        Instr::Cast(to, a) => wrap(to, slots[a]),
        Instr::Select(cond, then, otherwise) => slots[if slots[cond] != 0 { then } else { otherwise }],
    }
}

fn binary(op: Op, dtype: DType, a: i64, b: i64) -> i64 {
    match op.info().class {
        Class::Compare => i64::from(eval::compare(op, &a, &b)),
        Class::Logic => i64::from(eval::logic(op, a != 0, b != 0)),
        Class::Arithmetic | Class::Float => wrap(dtype, eval::int(op, a, b)),
    }
}

fn wrap(dtype: DType, value: i64) -> i64 {
    if dtype == DType::I64 { value } else { Const::int(dtype, value).as_int().unwrap_or(0) }
}
