//! Random expressions over a few axes, with their meaning computed apart from the compiler's own arithmetic.

use std::collections::BTreeMap;

use ftc::arena::Id;
use ftc::expr::range::{Domain, Interval};
use ftc::expr::{AxisId, ExprId, Pool};
use ftc::scalar::{Op, eval};
use proptest::prelude::*;

/// An index expression as a plain tree.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Int(i64),
    Axis(usize),
    Binary(Op, Box<Tree>, Box<Tree>),
    Unary(Op, Box<Tree>),
    Select(Box<Tree>, Box<Tree>, Box<Tree>),
}

/// The values of the axes of a test: `0..3` axes by index.
pub(crate) type Point = [i64; 3];

impl Tree {
    pub(crate) fn build(&self, pool: &mut Pool) -> ExprId {
        match self {
            Self::Int(value) => pool.int(*value),
            Self::Axis(axis) => pool.axis(AxisId::new(*axis)),
            Self::Binary(op, a, b) => {
                let (a, b) = (a.build(pool), b.build(pool));
                pool.binary(*op, a, b)
            }
            Self::Unary(op, a) => {
                let a = a.build(pool);
                pool.unary(*op, a)
            }
            Self::Select(c, a, b) => {
                let (c, a, b) = (c.build(pool), a.build(pool), b.build(pool));
                pool.select(c, a, b)
            }
        }
    }

    /// The value; truth values are 0 and 1.
    pub(crate) fn value(&self, at: &Point) -> i64 {
        match self {
            Self::Int(value) => *value,
            Self::Axis(axis) => at[*axis],
            Self::Binary(op, a, b) => {
                let (a, b) = (a.value(at), b.value(at));
                match op {
                    Op::And | Op::Or => i64::from(eval::logic(*op, a != 0, b != 0)),
                    _ if op.gives_bool() => i64::from(eval::compare(*op, &a, &b)),
                    _ => eval::int(*op, a, b),
                }
            }
            Self::Unary(Op::Not, a) => i64::from(a.value(at) == 0),
            Self::Unary(op, a) => eval::int(*op, a.value(at), 0),
            Self::Select(c, a, b) => {
                if c.value(at) != 0 {
                    a.value(at)
                } else {
                    b.value(at)
                }
            }
        }
    }
}

fn binary(op: Op, a: Tree, b: Tree) -> Tree {
    Tree::Binary(op, Box::new(a), Box::new(b))
}

/// Mostly quasi-affine index expressions, with now and then a wild constant.
pub(crate) fn index() -> BoxedStrategy<Tree> {
    let constant = prop_oneof![
        12 => -9..20i64,
        3 => prop::sample::select(vec![2i64, 4, 8, 16, 32]),
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, i64::MIN + 1, i64::MAX - 3, 1 << 62]),
    ];
    let leaf = prop_oneof![2 => constant.prop_map(Tree::Int), 3 => (0..3usize).prop_map(Tree::Axis)];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let arithmetic = prop::sample::select(vec![
            Op::Add,
            Op::Add,
            Op::Sub,
            Op::Mul,
            Op::Mul,
            Op::Div,
            Op::Div,
            Op::Mod,
            Op::Mod,
            Op::Min,
            Op::Max,
        ]);
        let scaled = prop::sample::select(vec![Op::Mul, Op::Div, Op::Mod]);
        let factor = prop::sample::select(vec![-3i64, -1, 1, 2, 3, 4, 6, 8, 16]);
        prop_oneof![
            6 => (arithmetic, inner.clone(), inner.clone()).prop_map(|(op, a, b)| binary(op, a, b)),
            6 => (scaled, inner.clone(), factor).prop_map(|(op, a, c)| binary(op, a, Tree::Int(c))),
            1 => (prop::sample::select(vec![Op::Neg, Op::Abs]), inner.clone())
                .prop_map(|(op, a)| Tree::Unary(op, Box::new(a))),
            1 => (comparison(inner.clone()), inner.clone(), inner)
                .prop_map(|(c, a, b)| Tree::Select(Box::new(c), Box::new(a), Box::new(b))),
        ]
    })
    .boxed()
}

fn comparison(operand: impl Strategy<Value = Tree> + Clone + 'static) -> impl Strategy<Value = Tree> + Clone {
    let ops = vec![Op::Lt, Op::Le, Op::Gt, Op::Ge, Op::Eq, Op::Ne];
    (prop::sample::select(ops), operand.clone(), operand).prop_map(|(op, a, b)| binary(op, a, b))
}

/// Conditions on index expressions.
pub(crate) fn condition() -> BoxedStrategy<Tree> {
    comparison(index())
        .prop_recursive(2, 6, 2, |inner| {
            prop_oneof![
                2 => (prop::sample::select(vec![Op::And, Op::Or]), inner.clone(), inner.clone())
                    .prop_map(|(op, a, b)| binary(op, a, b)),
                1 => inner.prop_map(|a| Tree::Unary(Op::Not, Box::new(a))),
            ]
        })
        .boxed()
}

/// Small domains, not all starting at 0.
pub(crate) fn bounds() -> impl Strategy<Value = [(i64, i64); 3]> {
    let one = prop_oneof![3 => (1..20i64).prop_map(|n| (0, n - 1)), 1 => (-9..9i64, 0..9i64).prop_map(|(lo, n)| (lo, lo + n))];
    [one.clone(), one.clone(), one]
}

pub(crate) fn domain(bounds: &[(i64, i64); 3]) -> Domain {
    bounds.iter().enumerate().map(|(axis, &(lo, hi))| (AxisId::new(axis), Interval { lo, hi })).collect()
}

pub(crate) fn points(bounds: &[(i64, i64); 3]) -> impl Iterator<Item = Point> + use<> {
    let [a, b, c] = *bounds;
    (a.0..=a.1).flat_map(move |x| (b.0..=b.1).flat_map(move |y| (c.0..=c.1).map(move |z| [x, y, z])))
}

/// The point of a witness; axes that it leaves open take their smallest value.
pub(crate) fn point(witness: &[(AxisId, i64)], bounds: &[(i64, i64); 3]) -> Point {
    let given: BTreeMap<_, _> = witness.iter().copied().collect();
    std::array::from_fn(|axis| given.get(&AxisId::new(axis)).copied().unwrap_or(bounds[axis].0))
}
