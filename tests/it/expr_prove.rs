//! Bounds and proofs against brute force.

use ftc::arena::Id;
use ftc::expr::guard::visit_guarded;
use ftc::expr::prove::{Verdict, always, within};
use ftc::expr::range::{Domain, Interval, Ranges};
use ftc::expr::{AxisId, Pool, TensorId};
use ftc::scalar::{DType, Op};
use proptest::prelude::*;

use crate::expr_gen::{bounds, condition, domain, index, point, points};

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn ranges_hold(tree in index(), bounds in bounds()) {
        let mut pool = Pool::new();
        let id = tree.build(&mut pool);
        let domain = domain(&bounds);
        let range = Ranges::new(&domain).of(&pool, id);
        for at in points(&bounds) {
            let value = tree.value(&at);
            prop_assert!(range.interval.contains(value), "{value} not in {range:?} at {at:?}");
            prop_assert!(range.congruence.contains(value), "{value} not in {range:?} at {at:?}");
        }
    }

    #[test]
    fn verdicts_are_right(
        claim in condition(), facts in prop::collection::vec(condition(), 0..4), bounds in bounds(),
    ) {
        let mut pool = Pool::new();
        let id = claim.build(&mut pool);
        let fact_ids: Vec<_> = facts.iter().map(|fact| fact.build(&mut pool)).collect();
        let possible = |at: &[i64; 3]| facts.iter().all(|fact| fact.value(at) != 0);
        match always(&mut pool, id, &domain(&bounds), &fact_ids) {
            Verdict::Proved => for at in points(&bounds).filter(possible) {
                prop_assert!(claim.value(&at) != 0, "fails at {at:?}");
            },
            Verdict::Refuted(witness) => {
                let at = point(&witness, &bounds);
                prop_assert!(possible(&at) && claim.value(&at) == 0, "no counterexample: {at:?}");
            }
            Verdict::Unknown => prop_assert!(false, "so few points can all be tried"),
        }
    }

    #[test]
    fn within_is_right(tree in index(), facts in prop::collection::vec(condition(), 0..3), bounds in bounds(),
                       lo in -20..20i64, size in 0..60i64) {
        let mut pool = Pool::new();
        let id = tree.build(&mut pool);
        let fact_ids: Vec<_> = facts.iter().map(|fact| fact.build(&mut pool)).collect();
        let possible = |at: &[i64; 3]| facts.iter().all(|fact| fact.value(at) != 0);
        let inside = |at: &[i64; 3]| (lo..=lo + size).contains(&tree.value(at));
        match within(&mut pool, id, lo, lo + size, &domain(&bounds), &fact_ids) {
            Verdict::Proved => prop_assert!(points(&bounds).filter(possible).all(|at| inside(&at))),
            Verdict::Refuted(witness) => {
                let at = point(&witness, &bounds);
                prop_assert!(possible(&at) && !inside(&at), "no counterexample: {at:?}");
            }
            Verdict::Unknown => prop_assert!(false, "so few points can all be tried"),
        }
    }
}

struct Case {
    pool: Pool,
    domain: Domain,
}

impl Case {
    fn new(extents: &[i64]) -> Self {
        let domain = extents.iter().enumerate().map(|(i, &n)| (AxisId::new(i), Interval::extent(n))).collect();
        Self { pool: Pool::new(), domain }
    }

    /// `constant + Σ coefficient · axis`
    fn sum(&mut self, constant: i64, terms: &[(usize, i64)]) -> ftc::expr::ExprId {
        terms.iter().fold(self.pool.int(constant), |sum, &(axis, coefficient)| {
            let axis = self.pool.axis(AxisId::new(axis));
            let factor = self.pool.int(coefficient);
            let term = self.pool.mul(factor, axis);
            self.pool.add(sum, term)
        })
    }
}

#[test]
fn a_padded_convolution_of_any_size_is_proved_from_its_guard() {
    // p, q, r, s and three more; sizes far beyond what can be enumerated.
    let mut case = Case::new(&[100_000, 100_000, 300, 300, 1 << 20, 1 << 20, 64]);
    let h = case.sum(-7, &[(0, 3), (2, 2)]);
    let zero = case.pool.int(0);
    let extent = case.pool.int(300_500);
    let low = case.pool.binary(Op::Ge, h, zero);
    let high = case.pool.binary(Op::Lt, h, extent);
    let guard = case.pool.and(low, high);
    assert_eq!(within(&mut case.pool, h, 0, 300_499, &case.domain, &[guard]), Verdict::Proved);
    let Verdict::Refuted(witness) = within(&mut case.pool, h, 0, 300_499, &case.domain, &[]) else {
        panic!("refuted without the guard");
    };
    assert_eq!(witness, [(AxisId::new(0), 0), (AxisId::new(2), 0)]);
    assert!(!within(&mut case.pool, h, 0, 300_498, &case.domain, &[guard]).is_proved(), "the last row is reached");
}

#[test]
fn overflow_is_not_assumed_away() {
    let mut case = Case::new(&[]);
    let next = case.sum(1, &[(0, 1)]);
    let axis = case.pool.axis(AxisId::new(0));
    let grows = case.pool.binary(Op::Gt, next, axis);
    assert!(!always(&mut case.pool, grows, &case.domain, &[]).is_proved());
}

#[test]
fn facts_that_contradict_each_other_prove_everything() {
    let mut case = Case::new(&[8, 8]);
    let (i, j) = (case.sum(0, &[(0, 1)]), case.sum(0, &[(1, 1)]));
    let (less, more) = (case.pool.binary(Op::Lt, i, j), case.pool.binary(Op::Lt, j, i));
    let never = case.pool.bool(false);
    assert_eq!(always(&mut case.pool, never, &case.domain, &[less, more]), Verdict::Proved);
}

#[test]
fn branches_are_visited_with_their_conditions() {
    let mut case = Case::new(&[8]);
    let i = case.sum(0, &[(0, 1)]);
    let zero = case.pool.int(0);
    let cond = case.pool.binary(Op::Lt, i, zero);
    let opposite = case.pool.binary(Op::Ge, i, zero);
    let tensor = TensorId::new(0);
    let (a, b) = (case.pool.load(tensor, vec![i], DType::F32), case.pool.load(tensor, vec![zero], DType::F32));
    let select = case.pool.select(cond, a, b);
    let mut seen = Vec::new();
    visit_guarded(&mut case.pool, select, &mut |pool, id, facts| {
        if matches!(pool.get(id), ftc::expr::Expr::Load { .. }) {
            seen.push((id, facts.to_vec()));
        }
    });
    assert_eq!(seen, [(a, vec![cond]), (b, vec![opposite])]);
}

/// Claims that no enumeration can reach: `(facts, claim)` over `i: 0..n, j: 0..16, k: 0..4, …`.
#[test]
fn claims_about_large_domains_follow_from_facts() {
    struct Names;
    impl ftc::expr::parse::Scope for Names {
        fn axis(&self, name: &str) -> Option<AxisId> {
            ["i", "j", "k", "p", "q", "r"].iter().position(|known| *known == name).map(AxisId::new)
        }
        fn tensor(&self, _: &str) -> Option<(TensorId, DType)> {
            Some((TensorId::new(0), DType::F32))
        }
    }
    let cases = [
        ("true", "(16 * i + j) / 16 == i && (16 * i + j) % 16 == j"),
        ("16 * i + j < 99999", "(16 * i + j) / 16 <= 6249"),
        ("p / 4 * 4 + q % 4 < 1000", "p - p % 4 < 1000"),
        ("p % 3 == 0 && p < 300", "p / 3 * 3 == p && p / 3 < 100"),
        ("p <= q && q <= i", "p <= i"),
        ("p + q < 100 && p - q < 3", "p < 52"),
        ("!(p < 5 || q >= 7)", "p >= 5 && q < 7"),
        ("p < 5 || p < 9 && q < 3", "p < 9"),
        ("p < 5 || q < 3", "min(p, q) < 5"),
        ("true", "max(p - q, 0) >= p - q && min(p, 7) <= 7"),
        ("p < q", "(if p < q { p } else { q + 10 }) < q"),
        ("T[p] > 0.0 && p < 7", "p < 7"),
        ("2 * p + 3 * q == 17", "q <= 5"),
        ("p * 1000 + q < 5000 && q < 1000", "p <= 4"),
        ("p != 0", "p - 1 >= 0"),
    ];
    for (facts, claim) in cases {
        let mut case = Case::new(&[1 << 20, 16, 4, 1 << 20, 1 << 20, 1 << 20]);
        let parse = |pool: &mut Pool, text: &str| {
            ftc::expr::parse::parse(pool, text, &Names).unwrap_or_else(|e| panic!("{text}: {e}"))
        };
        let (fact, id) = (parse(&mut case.pool, facts), parse(&mut case.pool, claim));
        assert_eq!(always(&mut case.pool, id, &case.domain, &[fact]), Verdict::Proved, "{facts} => {claim}");
    }
}
