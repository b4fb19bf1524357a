//! The op table: every operation with its spelling, arity, class and cost. One table serves the front end, the IRs,
//! the interpreter and all backends.

/// What an operation accepts and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Numbers of one compute type to the same type.
    Arithmetic,
    /// Floats of one type to the same type.
    Float,
    /// Two values of one compute type to `bool`; `bool` itself only with `==` and `!=`.
    Compare,
    /// `bool` to `bool`.
    Logic,
}

/// An operation on compute types. Integers wrap; division and modulo of integers round down, and give 0 for a zero
/// divisor; `min` and `max` give NaN when either operand is NaN; `round` goes to the nearest, ties to even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the table below says more")]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Min,
    Max,
    Pow,
    Neg,
    Abs,
    Exp,
    Log,
    Sin,
    Cos,
    Sqrt,
    Rsqrt,
    Tanh,
    Sigmoid,
    Erf,
    Floor,
    Ceil,
    Round,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
    Not,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// The operation.
    pub op: Op,
    /// Its spelling: an operator symbol, or the name of an intrinsic.
    pub name: &'static str,
    /// Number of operands.
    pub arity: usize,
    /// What it accepts and gives.
    pub class: Class,
    /// Whether the operands may be exchanged.
    pub commutes: bool,
    /// Floating-point operations that one use counts for.
    pub flops: u64,
}

const fn row(op: Op, name: &'static str, arity: usize, class: Class, commutes: bool, flops: u64) -> OpInfo {
    OpInfo { op, name, arity, class, commutes, flops }
}

/// All operations, in the order of [`Op`].
pub const TABLE: [OpInfo; 31] = [
    row(Op::Add, "+", 2, Class::Arithmetic, true, 1),
    row(Op::Sub, "-", 2, Class::Arithmetic, false, 1),
    row(Op::Mul, "*", 2, Class::Arithmetic, true, 1),
    row(Op::Div, "/", 2, Class::Arithmetic, false, 1),
    row(Op::Mod, "%", 2, Class::Arithmetic, false, 1),
    row(Op::Min, "min", 2, Class::Arithmetic, true, 1),
    row(Op::Max, "max", 2, Class::Arithmetic, true, 1),
    row(Op::Pow, "pow", 2, Class::Float, false, 1),
    row(Op::Neg, "-", 1, Class::Arithmetic, false, 1),
    row(Op::Abs, "abs", 1, Class::Arithmetic, false, 1),
    row(Op::Exp, "exp", 1, Class::Float, false, 1),
    row(Op::Log, "log", 1, Class::Float, false, 1),
    row(Op::Sin, "sin", 1, Class::Float, false, 1),
    row(Op::Cos, "cos", 1, Class::Float, false, 1),
    row(Op::Sqrt, "sqrt", 1, Class::Float, false, 1),
    row(Op::Rsqrt, "rsqrt", 1, Class::Float, false, 1),
    row(Op::Tanh, "tanh", 1, Class::Float, false, 1),
    row(Op::Sigmoid, "sigmoid", 1, Class::Float, false, 1),
    row(Op::Erf, "erf", 1, Class::Float, false, 1),
    row(Op::Floor, "floor", 1, Class::Float, false, 1),
    row(Op::Ceil, "ceil", 1, Class::Float, false, 1),
    row(Op::Round, "round", 1, Class::Float, false, 1),
    row(Op::Eq, "==", 2, Class::Compare, true, 0),
    row(Op::Ne, "!=", 2, Class::Compare, true, 0),
    row(Op::Lt, "<", 2, Class::Compare, false, 0),
    row(Op::Le, "<=", 2, Class::Compare, false, 0),
    row(Op::Gt, ">", 2, Class::Compare, false, 0),
    row(Op::Ge, ">=", 2, Class::Compare, false, 0),
    row(Op::And, "&&", 2, Class::Logic, true, 0),
    row(Op::Or, "||", 2, Class::Logic, true, 0),
    row(Op::Not, "!", 1, Class::Logic, false, 0),
];

impl Op {
    /// The row of this operation.
    pub const fn info(self) -> &'static OpInfo {
        &TABLE[self as usize]
    }

    /// The intrinsic of that name (`exp`, `min`); operator symbols are not looked up here.
    pub fn intrinsic(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name && row.is_intrinsic()).map(|row| row.op)
    }

    /// Whether the result is `bool`.
    pub const fn gives_bool(self) -> bool {
        matches!(self.info().class, Class::Compare | Class::Logic)
    }
}

impl OpInfo {
    /// Whether it is written as a call, `exp(x)`, not as an operator.
    pub fn is_intrinsic(&self) -> bool {
        self.name.starts_with(|c: char| c.is_ascii_alphabetic())
    }
}

/// A reduction: an associative, commutative operation with a neutral element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ReduceOp {
    Sum,
    Prod,
    Min,
    Max,
    Any,
    All,
}

impl ReduceOp {
    /// All reductions.
    pub const ALL: [Self; 6] = [Self::Sum, Self::Prod, Self::Min, Self::Max, Self::Any, Self::All];

    /// The spelling in the language and in every text form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Prod => "prod",
            Self::Min => "min",
            Self::Max => "max",
            Self::Any => "any",
            Self::All => "all",
        }
    }

    /// The reduction of that spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    /// The operation that joins two partial results.
    pub const fn combine(self) -> Op {
        match self {
            Self::Sum => Op::Add,
            Self::Prod => Op::Mul,
            Self::Min => Op::Min,
            Self::Max => Op::Max,
            Self::Any => Op::Or,
            Self::All => Op::And,
        }
    }

    /// The result of reducing nothing, for accumulator type `dtype`.
    pub fn neutral(self, dtype: super::DType) -> super::Const {
        use super::Const;
        let limit = |low: bool| match dtype.int_range() {
            Some((min, max)) => Const::int(dtype, if low { min } else { max }),
            None => Const::float(dtype, if low { f64::NEG_INFINITY } else { f64::INFINITY }),
        };
        match self {
            Self::Sum | Self::Any => Const::int(dtype, 0),
            Self::Prod | Self::All => Const::int(dtype, 1),
            Self::Min => limit(false),
            Self::Max => limit(true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TABLE;

    #[test]
    fn rows_stand_in_the_order_of_the_enum() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.op as usize, index, "{}", row.name);
        }
    }
}
