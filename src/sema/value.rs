//! What names and expressions stand for while a function is being elaborated.

use crate::expr::{ExprId, TensorId};
use crate::scalar::{Const, DType};
use crate::source::Span;
use crate::syntax::ast;

use super::poly::Poly;

/// A compile-time integer: its value in this instance, and how a reader would write it.
#[derive(Clone, Debug)]
pub(super) struct Size {
    pub(super) value: i64,
    pub(super) sym: Option<Poly>,
}

impl Size {
    pub(super) fn literal(value: i64) -> Self {
        Self { value, sym: Some(Poly::constant(value)) }
    }

    pub(super) fn named(name: &str, value: i64) -> Self {
        Self { value, sym: Some(Poly::name(name)) }
    }

    /// `H`, or the number where there is no short way to say it.
    pub(super) fn show(&self) -> String {
        self.sym.as_ref().map_or_else(|| self.value.to_string(), ToString::to_string)
    }

    /// The same with its value where that says more: `` `H` (= 7) ``.
    pub(super) fn show_value(&self) -> String {
        match &self.sym {
            Some(sym) if !sym.is_constant() => format!("{sym} = {}", self.value),
            _ => self.value.to_string(),
        }
    }
}

/// Smallest and largest value of an index expression, as a reader would write them.
#[derive(Clone, Debug)]
pub(super) struct SymRange {
    pub(super) lo: Poly,
    pub(super) hi: Poly,
}

/// The value of an expression.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A compile-time integer; beside a typed value it acts as a literal.
    Size(Size),
    /// A literal that has no type yet.
    Float(f64),
    /// An `i64` made of index variables.
    Index(ExprId, Option<SymRange>),
    /// A typed scalar: an expression of the compute type of the element type.
    Scalar(ExprId, DType),
    /// An element of a literal table, which has no type yet.
    TableRead(usize, Vec<ExprId>),
    /// Something went wrong and was reported.
    Error,
}

/// A tensor as the source sees it.
#[derive(Clone, Debug)]
pub(super) struct TensorRef {
    pub(super) id: TensorId,
    pub(super) shape: Vec<Size>,
    /// The element type that the source gives it; in memory an intermediate has its compute type.
    pub(super) elem: DType,
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(super) enum Binding<'p> {
    /// A size, an index, a named scalar.
    Value(Value),
    /// `..S`
    Sizes(Vec<Size>),
    /// `..i`
    Indices(Vec<Value>),
    /// A tensor that is completely defined.
    Tensor(TensorRef),
    /// An output under way: its position among the function's outputs.
    Output(usize),
    /// `(k) => …`
    Helper(&'p [ast::Ident], &'p ast::Expr),
    /// `[[1, 0], [0, 1]]`: its position among the tables.
    Table(usize),
    /// Something went wrong and was reported.
    Error,
}

impl Binding<'_> {
    /// What it is, for messages: "a tensor".
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Value(Value::Size(_)) => "a compile-time integer",
            Self::Value(Value::Index(..)) => "an index",
            Self::Value(_) => "a scalar",
            Self::Sizes(_) => "a list of sizes",
            Self::Indices(_) => "a list of indices",
            Self::Tensor(_) => "a tensor",
            Self::Output(_) => "an output",
            Self::Helper(..) => "a helper",
            Self::Table(_) => "a table",
            Self::Error => "an erroneous definition",
        }
    }
}

/// A name in scope.
#[derive(Clone, Debug)]
pub(super) struct Entry<'p> {
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) binding: Binding<'p>,
}

/// A literal table, with the constant tensors made of it so far, one for each type it was used at.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) shape: Vec<i64>,
    pub(super) values: Vec<TableValue>,
    pub(super) made: Vec<(DType, TensorId)>,
}

/// A number of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum TableValue {
    Int(i64),
    Float(f64),
}

impl TableValue {
    /// The number in type `dtype`; none for a fraction in an integer type.
    pub(super) fn to_const(self, dtype: DType) -> Option<Const> {
        match self {
            Self::Int(value) => Some(Const::int(dtype, value)),
            Self::Float(value) if dtype.is_float() => Some(Const::float(dtype, value)),
            Self::Float(_) => None,
        }
    }
}
