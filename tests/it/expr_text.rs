//! The text form of expressions: what is printed reads back as the same expression.

use ftc::arena::Id;
use ftc::expr::parse::{Scope, parse};
use ftc::expr::print::{Names, print};
use ftc::expr::{AxisId, ExprId, Pool, TensorId, typing};
use ftc::scalar::op::TABLE;
use ftc::scalar::{Const, DType};
use proptest::prelude::*;

const AXES: [&str; 4] = ["i", "k.0.1", "min", "größe'"];
const TENSORS: [(&str, DType); 6] = [
    ("A", DType::F32),
    ("B", DType::F16),
    ("if", DType::I8),
    ("x y", DType::F64),
    ("mask", DType::Bool),
    ("i", DType::I64),
];

struct Known;

impl Names for Known {
    fn axis(&self, id: AxisId) -> &str {
        AXES[id.index()]
    }
    fn tensor(&self, id: TensorId) -> &str {
        TENSORS[id.index()].0
    }
}

impl Scope for Known {
    fn axis(&self, name: &str) -> Option<AxisId> {
        AXES.iter().position(|&known| known == name).map(AxisId::new)
    }
    fn tensor(&self, name: &str) -> Option<(TensorId, DType)> {
        let index = TENSORS.iter().position(|(known, _)| *known == name)?;
        Some((TensorId::new(index), TENSORS[index].1))
    }
}

/// Builds an expression from a string of choices.
struct Builder<'a> {
    pool: &'a mut Pool,
    choices: std::slice::Iter<'a, u8>,
}

impl Builder<'_> {
    fn choose(&mut self, n: usize) -> usize {
        usize::from(*self.choices.next().unwrap_or(&0)) % n
    }

    fn leaf(&mut self, dtype: DType) -> ExprId {
        match (self.choose(3), dtype) {
            (0, DType::I64) => {
                let axis = AxisId::new(self.choose(AXES.len()));
                self.pool.axis(axis)
            }
            (1, _) if TENSORS.iter().any(|(_, known)| *known == dtype) => {
                let index = TENSORS.iter().position(|(_, known)| *known == dtype).expect("found");
                let at = (0..index).map(|i| self.pool.axis(AxisId::new(i % AXES.len()))).collect();
                self.pool.load(TensorId::new(index), at, dtype)
            }
            _ => {
                let wild = [0.0, -0.0, 1.5, 0.1, -1e-30, 1e30, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -3.0, 127.0];
                let value = wild[self.choose(wild.len())];
                self.pool.constant(Const::float(dtype, value))
            }
        }
    }

    fn expr(&mut self, dtype: DType, depth: usize) -> ExprId {
        if depth == 0 {
            return self.leaf(dtype);
        }
        match self.choose(6) {
            0 => self.leaf(dtype),
            1 => {
                let from = DType::ALL[self.choose(9)];
                let inner = self.expr(from, depth - 1);
                self.pool.cast(dtype, inner)
            }
            2 => {
                let cond = self.expr(DType::Bool, depth - 1);
                let (then, otherwise) = (self.expr(dtype, depth - 1), self.expr(dtype, depth - 1));
                self.pool.select(cond, then, otherwise)
            }
            _ => {
                let row = &TABLE[self.choose(TABLE.len())];
                let from = [dtype, DType::F32, DType::I64, DType::Bool][self.choose(4)];
                if typing::result(row.op, &vec![from; row.arity]) != Ok(dtype) {
                    return self.leaf(dtype);
                }
                let a = self.expr(from, depth - 1);
                if row.arity == 1 {
                    return self.pool.unary(row.op, a);
                }
                let b = self.expr(from, depth - 1);
                self.pool.binary(row.op, a, b)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printed_expressions_read_back(choices in prop::collection::vec(any::<u8>(), 10..200), dtype in 0..9usize) {
        let mut pool = Pool::new();
        let id = Builder { pool: &mut pool, choices: choices.iter() }.expr(DType::ALL[dtype], 5);
        let text = print(&pool, id, &Known);
        let read = parse(&mut pool, &text, &Known).map_err(|e| TestCaseError::fail(format!("{text}\n{e}")))?;
        prop_assert_eq!(read, id, "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n]{0,60}|[(\\-!]{0,400}|[a-c0-9+*/<=&|(){}\\[\\] .ifels]{0,80}") {
        let _ = parse(&mut Pool::new(), &text, &Known);
        let _ = ftc::loops::parse::parse(&text);
    }
}

#[test]
fn parentheses_are_few_and_types_are_shown() {
    let same = [
        "i + 1 - 2 * `min` / 3 % 4",
        "i - (`min` - 1)",
        "(i + 1) * -3",
        "-(i * k.0.1)",
        "i < 3 && !(`min` < 4 || i == 0)",
        "(i < 3) == (i > 2)",
        "if i < 3 { A[] } else if i < 5 { 0.5 } else { f32(B[i]) * 2.0 }",
        "(if i < 3 { 1.0 } else { 0.1 }) + 1.0",
        "`x y`[] * f64(inf) + 0.1f64 * (f64(-inf) + `x y`[])",
        "i32(`if`[i, k.0.1]) + 3i32",
        "max(exp(A[]), pow(A[], nan))",
        "mask[i, k.0.1, `min`, größe'] && true == mask[0, 0, 0, 0]",
        "`x y`[i, -1, i / 4]",
    ];
    for text in same {
        let mut pool = Pool::new();
        let id = parse(&mut pool, text, &Known).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_eq!(print(&pool, id, &Known), text);
    }
}

#[test]
fn errors_have_a_place() {
    let wrong = [
        ("i + 1.0", "1:3: operands of `+` differ in type: i64 and f32"),
        ("i +", "1:4: expected an expression, found the end"),
        ("i\n  + q", "2:5: no axis is called `q` here"),
        ("A[1.0]", "1:1: a subscript is an i64, found f32"),
        ("B[] * B[]", "1:5: `*` computes with f16, which must be cast to f32 first"),
        ("i < 1 < 2", "1:7: comparisons do not chain; write parentheses"),
        ("300i8", "1:1: `300` is no number of type i8"),
        ("3q", "1:1: `q` is no type of numbers"),
        ("exp(A[], A[])", "1:1: expected 1 operands, found 2"),
        ("if i { 1 } else { 2 }", "1:1: a condition is a bool, found i64"),
        ("i i", "1:3: expected an operator or the end, found `i`"),
        ("`i", "1:1: a backquote is not closed"),
    ];
    for (text, expected) in wrong {
        let error = parse(&mut Pool::new(), text, &Known).expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let deep = "(".repeat(100_000);
    let error = parse(&mut Pool::new(), &deep, &Known).expect_err("too deep");
    assert_eq!(error.message, "the nesting is too deep");
}
