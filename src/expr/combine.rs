//! Linear reasoning: whether a sum is at least 0 given sums that are.
//!
//! A claim follows from its bounds, or from a fact by subtracting a multiple of the fact that removes an atom and
//! proving the rest: Fourier–Motzkin elimination, one atom at a time, to a fixed depth. Not here: which facts there are.

use super::affine::{Linear, bounds};
use super::congruence::gcd;
use super::range::Ranges;
use super::{ExprId, Pool};
use crate::scalar::eval::floor_div;

/// Facts that one derivation may use.
const DEPTH: usize = 4;

/// Combinations that are worth trying for one claim, in all its cases.
pub(super) const STEPS: usize = 5_000;

/// Whether `claim >= 0` follows from the bounds of its atoms and from `facts`, each at least 0. All are mathematical
/// integers, so their views must be exact over the domain. Each combination that is tried takes one of `steps`.
pub(super) fn follows(
    pool: &Pool,
    claim: &Linear,
    facts: &[Linear],
    ranges: &mut Ranges<'_>,
    steps: &mut usize,
) -> bool {
    let facts: Vec<_> = facts.iter().map(tighten).collect();
    (0..=DEPTH).any(|depth| derive(pool, claim, &facts, ranges, depth, steps))
}

fn derive(
    pool: &Pool,
    claim: &Linear,
    facts: &[Linear],
    ranges: &mut Ranges<'_>,
    depth: usize,
    steps: &mut usize,
) -> bool {
    let claim = &tighten(claim);
    if bounds(pool, claim, ranges).is_some_and(|sum| sum.lo >= 0) {
        return true;
    }
    if depth == 0 {
        return false;
    }
    for fact in facts {
        for &atom in claim.terms.keys().filter(|&atom| fact.terms.contains_key(atom)) {
            let Some(rest) = eliminate(claim, fact, atom) else { continue };
            if *steps == 0 {
                return false;
            }
            *steps -= 1;
            if derive(pool, &rest, facts, ranges, depth - 1, steps) {
                return true;
            }
        }
    }
    false
}

/// `p * claim + (p - 1) - q * fact` without the atom, with positive `p` and `q`. Where it and the fact are at least 0,
/// `p * claim` is above `-p`, and so the claim, an integer, at least 0.
fn eliminate(claim: &Linear, fact: &Linear, atom: ExprId) -> Option<Linear> {
    let (c, f) = (claim.coefficient(atom), fact.coefficient(atom));
    if f == 0 || (c > 0) != (f > 0) {
        return None;
    }
    let common = i64::try_from(gcd(i128::from(c), i128::from(f))).ok()?;
    let (p, q) = ((f / common).checked_abs()?, (c / common).checked_abs()?);
    claim.scale(p)?.add_constant(p - 1)?.add_scaled(q.checked_neg()?, fact)
}

/// The same claim on integers: coefficients divided by their common divisor, the constant rounded down.
pub(super) fn tighten(claim: &Linear) -> Linear {
    let common = claim.terms.values().fold(0, |common, &c| gcd(common, i128::from(c)));
    match i64::try_from(common) {
        Ok(common) if common > 1 => Linear {
            terms: claim.terms.iter().map(|(&atom, &c)| (atom, c / common)).collect(),
            constant: floor_div(claim.constant, common),
        },
        _ => claim.clone(),
    }
}
