//! Simplified expressions mean the same, and look as they should.

use ftc::arena::Id;
use ftc::expr::parse::{Scope, parse};
use ftc::expr::print::{Names, print};
use ftc::expr::range::{Domain, Interval};
use ftc::expr::simplify::simplify;
use ftc::expr::{AxisId, Expr, ExprId, Pool, TensorId};
use ftc::scalar::{DType, eval};
use proptest::prelude::*;

use crate::expr_gen::{Point, bounds, condition, domain, index, points};

fn value(pool: &Pool, id: ExprId, at: &Point) -> i64 {
    let of = |id| value(pool, id, at);
    match *pool.get(id) {
        Expr::Const(value) => value.as_int().expect("an integer"),
        Expr::Axis(axis) => at[axis.index()],
        Expr::Select { cond, then, otherwise } => of(if of(cond) != 0 { then } else { otherwise }),
        Expr::Unary(op, a) if op.gives_bool() => i64::from(eval::logic(op, of(a) != 0, false)),
        Expr::Unary(op, a) => eval::int(op, of(a), 0),
        Expr::Binary(op, a, b) if pool.dtype(a) == DType::Bool => i64::from(eval::logic(op, of(a) != 0, of(b) != 0)),
        Expr::Binary(op, a, b) if op.gives_bool() => i64::from(eval::compare(op, &of(a), &of(b))),
        Expr::Binary(op, a, b) => eval::int(op, of(a), of(b)),
        _ => panic!("not generated"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn simplified_indices_mean_the_same(tree in index(), bounds in bounds()) {
        let mut pool = Pool::new();
        let id = tree.build(&mut pool);
        let simple = simplify(&mut pool, id, &domain(&bounds));
        let text = print(&pool, simple, &Known);
        for at in points(&bounds) {
            prop_assert_eq!(tree.value(&at), value(&pool, simple, &at), "{} at {:?}", text, at);
        }
    }

    #[test]
    fn simplified_conditions_mean_the_same(tree in condition(), bounds in bounds()) {
        let mut pool = Pool::new();
        let id = tree.build(&mut pool);
        let simple = simplify(&mut pool, id, &domain(&bounds));
        let text = print(&pool, simple, &Known);
        for at in points(&bounds) {
            prop_assert_eq!(tree.value(&at), value(&pool, simple, &at), "{} at {:?}", text, at);
        }
    }
}

const AXES: [&str; 5] = ["i", "j", "k", "p", "u"];

struct Known;

impl Names for Known {
    fn axis(&self, id: AxisId) -> &str {
        AXES[id.index()]
    }
    fn tensor(&self, _: TensorId) -> &'static str {
        "T"
    }
}

impl Scope for Known {
    fn axis(&self, name: &str) -> Option<AxisId> {
        AXES.iter().position(|known| *known == name).map(AxisId::new)
    }
    fn tensor(&self, _: &str) -> Option<(TensorId, DType)> {
        Some((TensorId::new(0), DType::F32))
    }
}

/// Over `i: 0..8, j: 0..16, k: 0..4, p: 0..100`, and `u` unknown.
#[test]
fn rewrites() {
    let cases = [
        ("9 * ((16 * k + p) / 9) + 3 * ((16 * k + p) / 3 % 3) + (16 * k + p) % 3", "16 * k + p"),
        ("14 * ((64 * k + p) / 14) + (64 * k + p) % 14", "64 * k + p"),
        ("(64 * k + p) % 14", "(8 * k + p) % 14"),
        ("i + i - j + 3 * i + 1", "5 * i - j + 1"),
        ("i - i", "0"),
        ("3 - (j - 2 * i)", "2 * i - j + 3"),
        ("(16 * i + j) / 16", "i"),
        ("(16 * i + j) % 16", "j"),
        ("(64 * i + 4 * j + k) / 16", "4 * i + j / 4"),
        ("(64 * i + 4 * j + k) % 16", "k + 4 * (j % 4)"),
        ("p / 4 * 4 + p % 4", "p"),
        ("p / 9 * 9 + p / 3 % 3 * 3 + p % 3", "p"),
        ("(7 * j + 4 * p) / 3 * 3 + (j + p) % 3", "7 * j + 4 * p"),
        ("p - p / 7 * 7", "p % 7"),
        ("p / 16 * 16 + p % 16 / 4 * 4 + p % 4", "p"),
        ("28 * ((16 * i + j) / 28) + (16 * i + j) % 28", "16 * i + j"),
        ("p / 3 / 5", "p / 15"),
        ("(p / 3 + 2) / 5", "(p + 6) / 15"),
        ("p % 12 % 4", "p % 4"),
        ("(p + 24) % 12", "p % 12"),
        ("(6 * p + 4) / 4", "3 * p / 2 + 1"),
        ("(p + 16) / 16 * 16 + (p + 16) % 16", "p + 16"),
        ("i < 8 && p < 99", "p < 99"),
        ("i < 0 || p - 1 >= 0", "p >= 1"),
        ("p < p", "false"),
        ("2 * i + 2 > 2 * j", "j <= i"),
        ("4 * i + 1 < 4 * p", "i < p"),
        ("i + 3 <= p", "i + 2 < p"),
        ("2 * i == 2 * j + 1", "false"),
        ("3 * p == 12", "p == 4"),
        ("p / 4 < 3", "p < 12"),
        ("p / 4 >= 3", "p >= 12"),
        ("!(p < 3)", "p >= 3"),
        ("min(i, 7) + max(j, 20)", "i + 20"),
        ("min(p, p + 1)", "p"),
        ("if i < 8 { T[i + 0 * p] } else { 0.0 }", "T[i]"),
        ("if p < 3 { T[(16 * i + j) / 16] } else { 0.0 }", "if p < 3 { T[i] } else { 0.0 }"),
        ("T[0] + 0.0", "T[0] + 0.0"),
        ("i64(i32(i))", "i"),
        ("u + 1 > u", "u + 1 > u"),
        ("(2 * u) / 2", "2 * u / 2"),
        ("u / 4 * 4 + u % 4", "u"),
        ("0 < (i + 9223372036854775807) / 10", "(i + 9223372036854775807) / 10 >= 1"),
        ("(i + 9223372036854775807) / 10 / 2", "(i + 9223372036854775807) / 10 / 2"),
        ("i * j * k", "i * j * k"),
    ];
    let domain: Domain =
        [8, 16, 4, 100].iter().enumerate().map(|(axis, &n)| (AxisId::new(axis), Interval::extent(n))).collect();
    let mut wrong = Vec::new();
    for (text, expected) in cases {
        let mut pool = Pool::new();
        // Ids in the order of the names, so that sums come in that order.
        (0..AXES.len()).for_each(|axis| {
            pool.axis(AxisId::new(axis));
        });
        let id = parse(&mut pool, text, &Known).unwrap_or_else(|e| panic!("{text}: {e}"));
        let simple = simplify(&mut pool, id, &domain);
        let found = print(&pool, simple, &Known);
        if found != expected {
            wrong.push(format!("{text}\n  gives    {found}\n  expected {expected}"));
        }
        if simplify(&mut pool, simple, &domain) != simple {
            wrong.push(format!("{text}: {found} is simplified further"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
