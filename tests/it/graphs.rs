//! Graphs made by hand, for tests of what comes after the front end.

use ftc::arena::Arena;
use ftc::expr::{AxisId, ExprId, Pool, TensorId};
use ftc::graph::{Axis, Body, Graph, Role, Stage, Tensor};
use ftc::scalar::{DType, Op, ReduceOp, Values};

/// A graph in the making.
pub(crate) struct Maker {
    pub(crate) graph: Graph,
}

impl Maker {
    pub(crate) fn new(name: &str) -> Self {
        let graph = Graph {
            name: name.to_owned(),
            pool: Pool::new(),
            axes: Arena::new(),
            tensors: Arena::new(),
            stages: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            origins: ftc::graph::Origins::default(),
        };
        Self { graph }
    }

    pub(crate) fn input(&mut self, name: &str, dtype: DType, shape: &[i64]) -> TensorId {
        let id = self.tensor(name, dtype, shape, Role::Input { is_const: false });
        self.graph.inputs.push(id);
        id
    }

    pub(crate) fn output(&mut self, name: &str, dtype: DType, shape: &[i64]) -> TensorId {
        let id = self.tensor(name, dtype, shape, Role::Output);
        self.graph.outputs.push(id);
        id
    }

    pub(crate) fn tensor(&mut self, name: &str, dtype: DType, shape: &[i64], role: Role) -> TensorId {
        self.graph.tensors.push(Tensor { name: name.to_owned(), dtype, shape: shape.to_vec(), role })
    }

    pub(crate) fn axis(&mut self, name: &str, extent: i64) -> AxisId {
        self.graph.axes.push(Axis { name: name.to_owned(), extent })
    }

    /// The value of an axis.
    pub(crate) fn at(&mut self, axis: AxisId) -> ExprId {
        self.graph.pool.axis(axis)
    }

    pub(crate) fn int(&mut self, value: i64) -> ExprId {
        self.graph.pool.int(value)
    }

    pub(crate) fn op(&mut self, op: Op, a: ExprId, b: ExprId) -> ExprId {
        self.graph.pool.binary(op, a, b)
    }

    /// A load, in the compute type.
    pub(crate) fn load(&mut self, tensor: TensorId, at: &[ExprId]) -> ExprId {
        let dtype = self.graph.tensors[tensor].dtype;
        let load = self.graph.pool.load(tensor, at.to_vec(), dtype);
        self.graph.pool.cast(dtype.compute(), load)
    }

    /// A load at plain axes, in the compute type.
    pub(crate) fn read(&mut self, tensor: TensorId, axes: &[AxisId]) -> ExprId {
        let at: Vec<_> = axes.iter().map(|&axis| self.at(axis)).collect();
        self.load(tensor, &at)
    }

    pub(crate) fn map(&mut self, tensor: TensorId, axes: &[AxisId], value: ExprId) {
        self.stage(tensor, axes, Body::Map(value));
    }

    pub(crate) fn reduce(&mut self, tensor: TensorId, axes: &[AxisId], op: ReduceOp, over: &[AxisId], value: ExprId) {
        self.stage(tensor, axes, Body::Reduce { op, axes: over.to_vec(), value });
    }

    fn stage(&mut self, tensor: TensorId, axes: &[AxisId], body: Body) {
        let at = axes.iter().map(|&axis| self.at(axis)).collect();
        self.graph.stages.push(Stage { tensor, axes: axes.to_vec(), at, body });
    }
}

/// C = A · B.
pub(crate) fn gemm(dtype: DType, [m, n, k]: [i64; 3]) -> Graph {
    let mut g = Maker::new("gemm");
    let a = g.input("A", dtype, &[m, k]);
    let b = g.input("B", dtype, &[k, n]);
    let c = g.output("C", dtype, &[m, n]);
    let (i, j, k) = (g.axis("i", m), g.axis("j", n), g.axis("k", k));
    let (x, y) = (g.read(a, &[i, k]), g.read(b, &[k, j]));
    let product = g.op(Op::Mul, x, y);
    g.reduce(c, &[i, j], ReduceOp::Sum, &[k], product);
    g.graph
}

/// y[n, c] = exp(x[n, c] - max) / Σ, in four stages.
pub(crate) fn softmax([n, c]: [i64; 2]) -> Graph {
    let mut g = Maker::new("softmax");
    let x = g.input("x", DType::F32, &[n, c]);
    let y = g.output("y", DType::F32, &[n, c]);
    let m = g.tensor("m", DType::F32, &[n], Role::Intermediate);
    let e = g.tensor("e", DType::F32, &[n, c], Role::Intermediate);
    let z = g.tensor("z", DType::F32, &[n], Role::Intermediate);
    let axes: Vec<_> = (0..4).map(|_| (g.axis("n", n), g.axis("c", c))).collect();

    let (row, col) = axes[0];
    let value = g.read(x, &[row, col]);
    g.reduce(m, &[row], ReduceOp::Max, &[col], value);

    let (row, col) = axes[1];
    let (value, largest) = (g.read(x, &[row, col]), g.read(m, &[row]));
    let shifted = g.op(Op::Sub, value, largest);
    let value = g.graph.pool.unary(Op::Exp, shifted);
    g.map(e, &[row, col], value);

    let (row, col) = axes[2];
    let value = g.read(e, &[row, col]);
    g.reduce(z, &[row], ReduceOp::Sum, &[col], value);

    let (row, col) = axes[3];
    let (value, sum) = (g.read(e, &[row, col]), g.read(z, &[row]));
    let value = g.op(Op::Div, value, sum);
    g.map(y, &[row, col], value);
    g.graph
}

/// A 2-D convolution with padding 1, which reads `x[…] else 0`.
pub(crate) struct Conv {
    pub(crate) channels: [i64; 2],
    pub(crate) image: i64,
    pub(crate) kernel: i64,
}

impl Conv {
    pub(crate) fn graph(&self) -> Graph {
        let (Self { channels: [into, from], image, kernel }, mut g) = (self, Maker::new("conv2d"));
        let x = g.input("x", DType::F32, &[*from, *image, *image]);
        let w = g.input("w", DType::F32, &[*into, *from, *kernel, *kernel]);
        let out = image + 2 - kernel + 1;
        let y = g.output("y", DType::F32, &[*into, out, out]);
        let (k, p, q) = (g.axis("k", *into), g.axis("p", out), g.axis("q", out));
        let (c, r, s) = (g.axis("c", *from), g.axis("r", *kernel), g.axis("s", *kernel));
        let (h, v) = (shifted(&mut g, p, r), shifted(&mut g, q, s));
        let channel = g.at(c);
        let pixel = g.load(x, &[channel, h, v]);
        let (h, v) = (inside(&mut g, h, *image), inside(&mut g, v, *image));
        let cond = g.op(Op::And, h, v);
        let zero = g.graph.pool.constant(ftc::scalar::Const::float(DType::F32, 0.0));
        let pixel = g.graph.pool.select(cond, pixel, zero);
        let weight = g.read(w, &[k, c, r, s]);
        let product = g.op(Op::Mul, pixel, weight);
        g.reduce(y, &[k, p, q], ReduceOp::Sum, &[c, r, s], product);
        g.graph
    }
}

/// `p + r - 1`
fn shifted(g: &mut Maker, p: AxisId, r: AxisId) -> ExprId {
    let (p, r, one) = (g.at(p), g.at(r), g.int(1));
    let sum = g.op(Op::Add, p, r);
    g.op(Op::Sub, sum, one)
}

/// `0 <= e && e < extent`
pub(crate) fn inside(g: &mut Maker, e: ExprId, extent: i64) -> ExprId {
    let (zero, extent) = (g.int(0), g.int(extent));
    let low = g.op(Op::Le, zero, e);
    let high = g.op(Op::Lt, e, extent);
    g.op(Op::And, low, high)
}

/// Small numbers that no two neighbours share, the same on every run.
pub(crate) fn sample(dtype: DType, shape: &[i64], seed: i64) -> Values {
    let count: i64 = shape.iter().product();
    let items = (0..count).map(|n| ((n + seed) * 7919 % 31 - 15) as f64 / 4.0).collect();
    Values::floats(dtype, shape, items).expect("as many as the shape says")
}

/// A sample for each input of a graph.
pub(crate) fn samples(graph: &Graph) -> Vec<Values> {
    let tensors = graph.inputs.iter().map(|&id| &graph.tensors[id]);
    tensors.zip(1..).map(|(tensor, seed)| sample(tensor.dtype, &tensor.shape, seed)).collect()
}
