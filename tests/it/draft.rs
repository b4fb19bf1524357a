//! Graphs built by hand, with expressions as text.

use ftc::arena::Arena;
use ftc::expr::parse::{Scope, parse};
use ftc::expr::{AxisId, ExprId, Pool, TensorId};
use ftc::graph::{Axis, Body, Graph, Role, Stage, Tensor};
use ftc::scalar::{DType, ReduceOp};

/// A graph whose parts a test puts together. In expressions, a name means the last axis of that name.
pub(crate) struct Draft {
    pub(crate) graph: Graph,
}

struct Names<'a>(&'a Graph);

impl Scope for Names<'_> {
    fn axis(&self, name: &str) -> Option<AxisId> {
        self.0.axes.iter().filter(|(_, axis)| axis.name == name).map(|(id, _)| id).next_back()
    }
    fn tensor(&self, name: &str) -> Option<(TensorId, DType)> {
        self.0.tensors.iter().find(|(_, tensor)| tensor.name == name).map(|(id, tensor)| (id, tensor.dtype))
    }
}

impl Draft {
    pub(crate) fn new() -> Self {
        Self {
            graph: Graph {
                name: "draft".to_owned(),
                pool: Pool::new(),
                axes: Arena::new(),
                tensors: Arena::new(),
                stages: Vec::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                origins: ftc::graph::Origins::default(),
            },
        }
    }

    pub(crate) fn tensor(&mut self, name: &str, dtype: DType, shape: &[i64], role: Role) -> TensorId {
        let (is_input, is_output) = (matches!(role, Role::Input { .. }), role == Role::Output);
        let id = self.graph.tensors.push(Tensor { name: name.to_owned(), dtype, shape: shape.to_vec(), role });
        if is_input {
            self.graph.inputs.push(id);
        }
        if is_output {
            self.graph.outputs.push(id);
        }
        id
    }

    pub(crate) fn axis(&mut self, name: &str, extent: i64) -> ftc::expr::AxisId {
        self.graph.axes.push(Axis { name: name.to_owned(), extent })
    }

    pub(crate) fn expr(&mut self, text: &str) -> ExprId {
        let mut pool = std::mem::take(&mut self.graph.pool);
        let id = parse(&mut pool, text, &Names(&self.graph)).unwrap_or_else(|e| panic!("{text}: {e}"));
        self.graph.pool = pool;
        id
    }

    /// `tensor[at] = value`
    pub(crate) fn map(&mut self, tensor: TensorId, axes: &[AxisId], at: &[&str], value: &str) {
        let at = at.iter().map(|text| self.expr(text)).collect();
        let body = Body::Map(self.expr(value));
        self.graph.stages.push(Stage { tensor, axes: axes.to_vec(), at, body });
    }

    /// `tensor[at] = sum[over](value)`
    pub(crate) fn sum(&mut self, tensor: TensorId, axes: &[AxisId], at: &[&str], over: &[AxisId], value: &str) {
        let at = at.iter().map(|text| self.expr(text)).collect();
        let body = Body::Reduce { op: ReduceOp::Sum, axes: over.to_vec(), value: self.expr(value) };
        self.graph.stages.push(Stage { tensor, axes: axes.to_vec(), at, body });
    }
}
