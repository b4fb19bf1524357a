//! Decides whether a condition on axes always holds: bounds of subscripts, `where` clauses, guards that can go.
//!
//! ```text
//! within(2*p + r - 1, 0, 8) for p in 0..4, r in 0..3                       Refuted: p = 0, r = 0
//! within(2*p + r - 1, 0, 8) for the same, given 2*p + r >= 1               Proved
//! ```
//!
//! Proofs come from bounds of the simplified claim, from linear combinations of facts, or from trying all points where
//! they are few; refutations from trying points. [`Verdict::Proved`] and [`Verdict::Refuted`] are always right;
//! [`Verdict::Unknown`] says only that the effort, which is bounded, was not enough.

use std::collections::{BTreeMap, BTreeSet};

use super::affine::Linear;
use super::combine::{STEPS, follows};
use super::facts::{Known, MAX_CONJUNCTS, conjuncts, definitions, inequalities, is_transparent, negate};
use super::range::{Domain, Ranges};
use super::search::{Found, Search};
use super::simplify::simplify;
use super::{AxisId, Expr, ExprId, Pool};
use crate::scalar::{Const, DType, Op};

/// Nesting of cases that a proof follows.
const DEPTH: usize = 3;

/// A value for each axis involved, in the order of their ids; the others may have any value. See [`value_at`].
pub type Witness = Vec<(AxisId, i64)>;

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds for all values of the axes for which the facts hold.
    Proved,
    /// It fails for these values, and all facts hold for them but for those that load or compute with floats.
    Refuted(Witness),
    /// Neither was found.
    Unknown,
}

impl Verdict {
    /// Whether the claim was proved.
    pub const fn is_proved(&self) -> bool {
        matches!(self, Self::Proved)
    }
}

/// Whether `lo <= e <= hi` (both inclusive) for all axis values in `domain` for which all `facts` hold. A load
/// may give any value of its type, but the same one wherever it stands: `x[i]` is what a fact about `x[i]` says. Where
/// something may have been stored since a fact was found to hold, the caller must leave it out.
pub fn within(pool: &mut Pool, e: ExprId, lo: i64, hi: i64, domain: &Domain, facts: &[ExprId]) -> Verdict {
    let dtype = pool.dtype(e);
    let Some((min, max)) = dtype.int_range() else { return Verdict::Unknown };
    let mut claims = Vec::new();
    if lo > min {
        let low = pool.constant(Const::int(dtype, lo.min(max)));
        let strict = if lo > max { Op::Gt } else { Op::Ge };
        claims.push(pool.binary(strict, e, low));
    }
    if hi < max {
        let high = pool.constant(Const::int(dtype, hi.max(min)));
        let strict = if hi < min { Op::Lt } else { Op::Le };
        claims.push(pool.binary(strict, e, high));
    }
    all(pool, &claims, domain, facts)
}

/// Whether `cond`, a `bool`, holds for all axis values in `domain` for which all `facts` hold.
pub fn always(pool: &mut Pool, cond: ExprId, domain: &Domain, facts: &[ExprId]) -> Verdict {
    all(pool, &[cond], domain, facts)
}

/// The value of an integer or `bool` expression at a witness; axes that it leaves open take their smallest value. None
/// if the expression loads or computes with floats.
pub fn value_at(pool: &mut Pool, e: ExprId, witness: &Witness, domain: &Domain) -> Option<i64> {
    let values: BTreeMap<_, _> = pool
        .axes(e)
        .into_iter()
        .map(|axis| {
            let given = witness.iter().find(|(known, _)| *known == axis).map(|&(_, value)| value);
            (axis, pool.int(given.unwrap_or(domain.get(axis).lo)))
        })
        .collect();
    let value = pool.substitute(e, &|axis| values.get(&axis).copied());
    pool.as_int(value)
}

fn all(pool: &mut Pool, claims: &[ExprId], domain: &Domain, facts: &[ExprId]) -> Verdict {
    let Some(known) = Known::new(pool, domain, facts) else { return Verdict::Proved };
    let mut verdict = Verdict::Proved;
    for claim in conjuncts(pool, claims) {
        match settle(pool, claim, &known) {
            Verdict::Proved => {}
            Verdict::Unknown => verdict = Verdict::Unknown,
            refuted @ Verdict::Refuted(_) => return refuted,
        }
    }
    verdict
}

fn settle(pool: &mut Pool, claim: ExprId, known: &Known) -> Verdict {
    // Where the facts hold, the narrowed domain does: the simpler claim is the same one there.
    let claim = simplify(pool, claim, &known.domain);
    if deduce(pool, claim, known, DEPTH, &mut STEPS.clone()) {
        return Verdict::Proved;
    }
    if !is_transparent(pool, claim) {
        return Verdict::Unknown;
    }
    try_points(pool, claim, known)
}

/// Proves a claim without trying points.
fn deduce(pool: &mut Pool, claim: ExprId, known: &Known, depth: usize, steps: &mut usize) -> bool {
    let parts = conjuncts(pool, &[claim]);
    parts.len() < MAX_CONJUNCTS && parts.into_iter().all(|part| deduce_part(pool, part, known, depth, steps))
}

fn deduce_part(pool: &mut Pool, claim: ExprId, known: &Known, depth: usize, steps: &mut usize) -> bool {
    let mut ranges = Ranges::new(&known.domain);
    let truth = ranges.of(pool, claim).as_truth();
    if truth == Some(true) || known.conjuncts.contains(&claim) {
        return true;
    }
    if truth == Some(false) {
        return contradict(pool, &known.linear, &mut ranges, steps);
    }
    if let Some(views) = inequalities(pool, claim, &mut ranges) {
        let mut facts = known.linear.clone();
        let atoms = views.iter().chain(&known.linear).flat_map(|view| view.terms.keys().copied()).collect();
        facts.extend(definitions(pool, atoms, &mut ranges));
        if views.iter().all(|view| follows(pool, view, &facts, &mut ranges, steps)) {
            return true;
        }
    }
    depth > 0 && by_cases(pool, claim, known, depth, steps)
}

/// Whether a linear fact is below 0 because of the others.
fn contradict(pool: &Pool, facts: &[Linear], ranges: &mut Ranges<'_>, steps: &mut usize) -> bool {
    facts.iter().any(|fact| {
        let opposite = fact.scale(-1).and_then(|view| view.add_constant(-1));
        opposite.is_some_and(|opposite| follows(pool, &opposite, facts, ranges, steps))
    })
}

/// Proves a claim in each of two cases of which one always applies.
fn by_cases(pool: &mut Pool, claim: ExprId, known: &Known, depth: usize, steps: &mut usize) -> bool {
    let cases = if let Expr::Binary(Op::Or, a, b) = *pool.get(claim) {
        // Where `a` holds there is nothing to prove.
        vec![(negate(pool, a), b)]
    } else if let Some((part, cases)) = choice(pool, claim) {
        let cases =
            cases.map(|(cond, value)| (cond, pool.map(claim, &mut |_, e| if e == part { Some(value) } else { None })));
        cases.to_vec()
    } else if let Some((a, b)) = known.conjuncts.iter().find_map(|&fact| alternatives(pool, fact)) {
        vec![(a, claim), (b, claim)]
    } else {
        return false;
    };
    cases.into_iter().all(|(cond, claim)| {
        let mut facts = known.conjuncts.clone();
        // A disjunction that this case settles would only be taken apart again.
        facts.retain(|&fact| alternatives(pool, fact).is_none_or(|(a, b)| a != cond && b != cond));
        facts.push(cond);
        match Known::new(pool, &known.domain, &facts) {
            Some(known) => {
                let claim = simplify(pool, claim, &known.domain);
                deduce(pool, claim, &known, depth - 1, steps)
            }
            None => true,
        }
    })
}

fn alternatives(pool: &Pool, fact: ExprId) -> Option<(ExprId, ExprId)> {
    if let Expr::Binary(Op::Or, a, b) = *pool.get(fact) { Some((a, b)) } else { None }
}

/// A `min`, `max` or select of indices in a claim, with each of its values and the condition for it.
fn choice(pool: &mut Pool, claim: ExprId) -> Option<(ExprId, [(ExprId, ExprId); 2])> {
    let mut found = None;
    pool.visit(claim, &mut |id, expr| {
        let is_choice = matches!(expr, Expr::Select { .. } | Expr::Binary(Op::Min | Op::Max, ..));
        if found.is_none() && is_choice && pool.dtype(id) == DType::I64 {
            found = Some(id);
        }
    });
    let part = found?;
    let cases = match *pool.get(part) {
        Expr::Select { cond, then, otherwise } => [(cond, then), (negate(pool, cond), otherwise)],
        Expr::Binary(op, a, b) => {
            let (less, more) = if op == Op::Min { (a, b) } else { (b, a) };
            [(pool.binary(Op::Le, less, more), a), (pool.binary(Op::Ge, less, more), b)]
        }
        _ => return None,
    };
    Some((part, cases))
}

/// Tries points: first only with the facts on the claim's own axes, then with all that are connected to them.
fn try_points(pool: &mut Pool, claim: ExprId, known: &Known) -> Verdict {
    let own: BTreeSet<_> = pool.axes(claim).into_iter().collect();
    let facts: Vec<_> = known
        .conjuncts
        .iter()
        .filter(|&&fact| is_transparent(pool, fact))
        .map(|&fact| (fact, pool.axes(fact).into_iter().collect::<BTreeSet<_>>()))
        .collect();
    let narrow: Vec<_> = facts.iter().filter(|(_, axes)| axes.is_subset(&own)).map(|&(fact, _)| fact).collect();
    let first = search(pool, claim, &narrow, &own, &known.domain);
    if first == Found::Nowhere {
        return Verdict::Proved;
    }
    let all: BTreeSet<_> = facts.iter().flat_map(|(_, axes)| axes).chain(&own).copied().collect();
    if narrow.len() == facts.len() {
        return verdict(first);
    }
    let wide = connected(&own, &facts);
    let related: Vec<_> = facts.iter().filter(|(_, axes)| axes.is_subset(&wide)).map(|&(fact, _)| fact).collect();
    let second = search(pool, claim, &related, &wide, &known.domain);
    let Found::At(mut witness) = second else { return verdict(second) };
    let others: Vec<_> = facts.iter().filter(|(_, axes)| !axes.is_subset(&wide)).map(|&(fact, _)| fact).collect();
    let rest: BTreeSet<_> = all.difference(&wide).copied().collect();
    let never = pool.bool(false);
    // What is left has nothing to do with the claim, but if it can never hold, neither can the claim fail.
    match search(pool, never, &others, &rest, &known.domain) {
        Found::At(more) => {
            witness.extend(more);
            witness.sort_unstable();
            Verdict::Refuted(witness)
        }
        other => verdict(other),
    }
}

/// The axes that facts tie to `own`, directly or through others.
fn connected(own: &BTreeSet<AxisId>, facts: &[(ExprId, BTreeSet<AxisId>)]) -> BTreeSet<AxisId> {
    let mut reached = own.clone();
    loop {
        let before = reached.len();
        for (_, axes) in facts.iter().filter(|(_, axes)| !axes.is_disjoint(&reached)).collect::<Vec<_>>() {
            reached.extend(axes);
        }
        if reached.len() == before {
            return reached;
        }
    }
}

fn search(pool: &Pool, claim: ExprId, facts: &[ExprId], axes: &BTreeSet<AxisId>, domain: &Domain) -> Found {
    let axes: Vec<_> = axes.iter().copied().collect();
    Search::new(pool, &axes, claim, facts, domain).map_or(Found::Unsure, |mut search| search.run())
}

fn verdict(found: Found) -> Verdict {
    match found {
        Found::Nowhere => Verdict::Proved,
        Found::At(witness) => Verdict::Refuted(witness),
        Found::Unsure => Verdict::Unknown,
    }
}
