//! The typed tensor graph: what every element of every tensor is, with all sizes known. Not *when* or *where* it is
//! computed: that is the loop IR's.
//!
//! # Specification
//!
//! A [`Graph`] is one exported computation. Its tensors are inputs, outputs, intermediates and constant tables. Its
//! stages, in topological order, define all outputs and intermediates:
//!
//! ```text
//! stage C[i: 64, j: 64] = sum[k: 64](A[i, k] * B[k, j])
//! ```
//!
//! - A stage has its own axes; each counts from 0 to its extent, exclusive, and belongs to this stage alone.
//! - It writes `tensor[at]` for every value of its spatial axes. Each subscript is `stride * axis + offset` or a
//!   constant, and every spatial axis stands in exactly one.
//! - A tensor may be defined by several stages, each its own part of the elements: together they write every
//!   element exactly once.
//! - The body is a value, or one reduction of a value over further axes. Nested reductions became stages of their own.
//! - The value has the compute type of the tensor's element type; the store converts it. A reduction accumulates in
//!   the type of its value.
//! - Every load is inside its tensor, for all values of the axes for which the selects around it choose it.
//! - Stages read only inputs, constants, and tensors that earlier stages have completely defined.

pub mod analysis;
pub mod cover;
pub mod eval;
pub mod flops;
pub mod print;
pub mod verify;

use crate::arena::{Arena, IdMap};
use crate::expr::{AxisId, ExprId, Pool, TensorId};
use crate::scalar::{Const, DType, ReduceOp};
use crate::source::Span;

/// One computation with fixed sizes.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The exported symbol.
    pub name: String,
    /// All expressions.
    pub pool: Pool,
    /// All axes of all stages.
    pub axes: Arena<AxisId, Axis>,
    /// All tensors.
    pub tensors: Arena<TensorId, Tensor>,
    /// The definitions, in an order in which they can be computed.
    pub stages: Vec<Stage>,
    /// Inputs in the order of the export's arguments.
    pub inputs: Vec<TensorId>,
    /// Outputs in the order of the function's results.
    pub outputs: Vec<TensorId>,
    /// Where its tensors come from: for people, and no part of what is computed.
    pub origins: Origins,
}

/// Places in the source of a graph's tensors.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// The first statement that defines each.
    pub defined: IdMap<TensorId, Span>,
    /// The first read of each.
    pub read: IdMap<TensorId, Span>,
}

/// An index variable and its number of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The name in the source; need not be unique.
    pub name: String,
    /// Values are `0..extent`; at least 1.
    pub extent: i64,
}

/// A dense array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Unique in the graph: the source's name, with a suffix where that is taken.
    pub name: String,
    /// Type of the elements in memory.
    pub dtype: DType,
    /// Extents, each at least 1; empty for a single value.
    pub shape: Vec<i64>,
    /// What it is to the computation.
    pub role: Role,
}

/// What a tensor is to the computation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Given by the caller.
    Input {
        /// Whether it is the same in every call (`const` in the source).
        is_const: bool,
    },
    /// Written for the caller.
    Output,
    /// Neither.
    Intermediate,
    /// A table of known values, row-major.
    Constant(Vec<Const>),
}

/// The definition of a tensor, or of a part of it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What is defined.
    pub tensor: TensorId,
    /// Spatial axes, in the order of the source.
    pub axes: Vec<AxisId>,
    /// Where it is written.
    pub at: Vec<ExprId>,
    /// The value.
    pub body: Body,
}

/// The right-hand side of a stage.
#[derive(Clone, Debug)]
pub enum Body {
    /// A value for each element.
    Map(ExprId),
    /// A reduction for each element.
    Reduce {
        /// Which one.
        op: ReduceOp,
        /// The axes that are reduced, in the order of the source; at least one.
        axes: Vec<AxisId>,
        /// What is reduced.
        value: ExprId,
    },
}

impl Body {
    /// The value, reduced or not.
    pub const fn value(&self) -> ExprId {
        match self {
            Self::Map(value) | Self::Reduce { value, .. } => *value,
        }
    }

    /// The reduced axes.
    pub fn reduce_axes(&self) -> &[AxisId] {
        match self {
            Self::Map(_) => &[],
            Self::Reduce { axes, .. } => axes,
        }
    }
}

impl Tensor {
    /// The number of elements.
    pub fn len(&self) -> i64 {
        self.shape.iter().product()
    }

    /// Never: every extent is at least 1.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all elements.
    pub fn bytes(&self) -> usize {
        self.len() as usize * self.dtype.bytes()
    }
}
