//! Random small graphs, and their meaning by the plainest walk over the tree of each definition.

use std::collections::HashMap;

use ftc::arena::Id;
use ftc::expr::{AxisId, Expr, ExprId, TensorId};
use ftc::graph::{Body, Graph, Role, Stage};
use ftc::scalar::values::Data;
use ftc::scalar::{Const, DType, Op, ReduceOp, Values, eval};

use crate::graphs::{Maker, inside};

/// A source of choices that a test can shrink: numbers, then zeros.
pub(crate) struct Choices<'a>(pub(crate) std::slice::Iter<'a, u32>);

impl Choices<'_> {
    fn below(&mut self, limit: usize) -> usize {
        self.0.next().map_or(0, |&n| n as usize % limit)
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

const DTYPES: [DType; 5] = [DType::F32, DType::F16, DType::I32, DType::I64, DType::F64];

/// A graph of one to four definitions over two inputs.
pub(crate) fn graph(choices: &mut Choices<'_>) -> Graph {
    let mut g = Maker::new("random");
    let mut known = Vec::new();
    for name in ["a", "b"] {
        let (dtype, shape) = (choices.pick(&DTYPES), shape(choices));
        known.push(g.input(name, dtype, &shape));
    }
    let stages = 1 + choices.below(4);
    for number in 1..=stages {
        let (dtype, shape) = (choices.pick(&DTYPES), shape(choices));
        let name = format!("t{number}");
        let tensor = if number == stages {
            g.output(&name, dtype, &shape)
        } else {
            g.tensor(&name, dtype, &shape, Role::Intermediate)
        };
        define(&mut g, choices, &known, tensor);
        known.push(tensor);
    }
    g.graph
}

fn shape(choices: &mut Choices<'_>) -> Vec<i64> {
    (0..choices.below(4)).map(|_| 1 + choices.below(5) as i64).collect()
}

/// Defines a tensor in one piece, or its first dimension in two: below and above a point, or by turns.
fn define(g: &mut Maker, choices: &mut Choices<'_>, known: &[TensorId], tensor: TensorId) {
    let shape = g.graph.tensors[tensor].shape.clone();
    let pieces = match shape.first() {
        Some(&extent) if extent > 1 => match choices.below(3) {
            0 => vec![(extent, 1, 0)],
            1 => vec![(1, 1, 0), (extent - 1, 1, 1)],
            _ => vec![((extent + 1) / 2, 2, 0), (extent / 2, 2, 1)],
        },
        Some(&extent) => vec![(extent, 1, 0)],
        None => vec![(1, 1, 0)],
    };
    for (extent, stride, offset) in pieces {
        let mut axes = Vec::new();
        let mut at = Vec::new();
        for (dim, &full) in shape.iter().enumerate() {
            let (extent, stride, offset) = if dim == 0 { (extent, stride, offset) } else { (full, 1, 0) };
            let axis = g.axis(["i", "j", "k"][dim], extent);
            let (index, stride, offset) = (g.at(axis), g.int(stride), g.int(offset));
            let scaled = g.op(Op::Mul, index, stride);
            at.push(g.op(Op::Add, scaled, offset));
            axes.push(axis);
        }
        let body = body(g, choices, known, &axes, g.graph.tensors[tensor].dtype.compute());
        g.graph.stages.push(Stage { tensor, axes, at, body });
    }
}

fn body(g: &mut Maker, choices: &mut Choices<'_>, known: &[TensorId], axes: &[AxisId], dtype: DType) -> Body {
    let over: Vec<_> = (0..choices.below(3)).map(|n| g.axis(["r", "s"][n], 1 + choices.below(4) as i64)).collect();
    let all = [axes, &over].concat();
    let value = value(g, choices, known, &all, dtype, 3);
    if over.is_empty() {
        return Body::Map(value);
    }
    let op = choices.pick(&[ReduceOp::Sum, ReduceOp::Max, ReduceOp::Min, ReduceOp::Prod]);
    Body::Reduce { op, axes: over, value }
}

fn value(
    g: &mut Maker,
    choices: &mut Choices<'_>,
    known: &[TensorId],
    axes: &[AxisId],
    dtype: DType,
    depth: usize,
) -> ExprId {
    if depth == 0 || choices.below(4) == 0 {
        let constant = Const::int(dtype, choices.below(5) as i64 - 2);
        return g.graph.pool.constant(constant);
    }
    let next = |g: &mut Maker, choices: &mut Choices<'_>| value(g, choices, known, axes, dtype, depth - 1);
    match choices.below(5) {
        0 => {
            let op = choices.pick(&[Op::Add, Op::Sub, Op::Mul, Op::Min, Op::Max, Op::Div]);
            let (a, b) = (next(g, choices), next(g, choices));
            g.op(op, a, b)
        }
        1 => {
            let cond = condition(g, choices, axes);
            let (a, b) = (next(g, choices), next(g, choices));
            g.graph.pool.select(cond, a, b)
        }
        2 => {
            let a = next(g, choices);
            let op = choices.pick(&[Op::Neg, Op::Abs]);
            g.graph.pool.unary(op, a)
        }
        _ => {
            let tensor = choices.pick(known);
            let read = read(g, choices, tensor, axes);
            g.graph.pool.cast(dtype, read)
        }
    }
}

/// A load, either of subscripts that wrap around, or with a default outside.
fn read(g: &mut Maker, choices: &mut Choices<'_>, tensor: TensorId, axes: &[AxisId]) -> ExprId {
    let shape = g.graph.tensors[tensor].shape.clone();
    let mut cond = g.graph.pool.bool(true);
    let mut at = Vec::new();
    for extent in shape {
        let subscript = index(g, choices, axes, 2);
        if choices.below(2) == 0 {
            let extent = g.int(extent);
            at.push(g.op(Op::Mod, subscript, extent));
        } else {
            let is_inside = inside(g, subscript, extent);
            cond = g.op(Op::And, cond, is_inside);
            at.push(subscript);
        }
    }
    let load = g.load(tensor, &at);
    let default = g.graph.pool.constant(Const::int(g.graph.pool.dtype(load), 1));
    g.graph.pool.select(cond, load, default)
}

fn index(g: &mut Maker, choices: &mut Choices<'_>, axes: &[AxisId], depth: usize) -> ExprId {
    if depth == 0 || axes.is_empty() || choices.below(3) == 0 {
        return match axes {
            [] => g.int(choices.below(3) as i64),
            _ => g.graph.pool.axis(choices.pick(axes)),
        };
    }
    let a = index(g, choices, axes, depth - 1);
    let small = g.int(1 + choices.below(3) as i64);
    match choices.below(5) {
        0 => g.op(Op::Mul, a, small),
        1 => g.op(Op::Div, a, small),
        2 => g.op(Op::Sub, a, small),
        _ => {
            let b = index(g, choices, axes, depth - 1);
            let op = choices.pick(&[Op::Add, Op::Sub]);
            g.op(op, a, b)
        }
    }
}

fn condition(g: &mut Maker, choices: &mut Choices<'_>, axes: &[AxisId]) -> ExprId {
    let (a, b) = (index(g, choices, axes, 1), index(g, choices, axes, 1));
    let op = choices.pick(&[Op::Lt, Op::Le, Op::Eq, Op::Ne, Op::Gt]);
    g.op(op, a, b)
}

/// The outputs of a graph, by walking the trees. Integers are exact; floats are `f64`, rounded by casts.
pub(crate) fn outputs(graph: &Graph, inputs: &[Values]) -> Vec<Values> {
    let mut tensors: HashMap<TensorId, Vec<f64>> = HashMap::new();
    for (&id, values) in graph.inputs.iter().zip(inputs) {
        tensors.insert(id, (0..values.len()).map(|n| values.get_f64(n).expect("inside")).collect());
    }
    for stage in &graph.stages {
        let tensor = &graph.tensors[stage.tensor];
        let mut items = tensors.remove(&stage.tensor).unwrap_or_else(|| vec![f64::NAN; tensor.len() as usize]);
        for point in points(graph, &stage.axes) {
            let mut walk = Walk { graph, tensors: &tensors, at: point };
            let at: Vec<_> = stage.at.iter().map(|&at| walk.value(at) as i64).collect();
            let value = walk.body(&stage.body);
            items[flat(&at, &tensor.shape)] = cast(tensor.dtype.compute(), tensor.dtype, value);
        }
        tensors.insert(stage.tensor, items);
    }
    let finish = |&id: &TensorId| {
        let tensor = &graph.tensors[id];
        Values::floats(tensor.dtype, &tensor.shape, tensors[&id].clone()).expect("the shape's own length")
    };
    graph.outputs.iter().map(finish).collect()
}

/// All values of some axes, the last fastest, by the index of each axis.
fn points(graph: &Graph, axes: &[AxisId]) -> Vec<HashMap<usize, i64>> {
    axes.iter().fold(vec![HashMap::new()], |points, axis| {
        let extend = |point: &HashMap<usize, i64>| {
            let point = point.clone();
            (0..graph.axes[*axis].extent).map(move |value| {
                let mut point = point.clone();
                point.insert(axis.index(), value);
                point
            })
        };
        points.iter().flat_map(extend).collect()
    })
}

fn flat(at: &[i64], shape: &[i64]) -> usize {
    assert!(at.iter().zip(shape).all(|(i, extent)| (0..*extent).contains(i)), "{at:?} in {shape:?}");
    at.iter().zip(shape).fold(0, |flat, (i, extent)| flat * extent + i) as usize
}

struct Walk<'a> {
    graph: &'a Graph,
    tensors: &'a HashMap<TensorId, Vec<f64>>,
    at: HashMap<usize, i64>,
}

impl Walk<'_> {
    fn body(&mut self, body: &Body) -> f64 {
        let Body::Reduce { op, axes, value } = body else { return self.value(body.value()) };
        let dtype = self.graph.pool.dtype(*value);
        let mut joined = op.neutral(dtype).to_f64();
        for point in points(self.graph, axes) {
            self.at.extend(point);
            let next = self.value(*value);
            joined = operate(op.combine(), dtype, joined, next);
        }
        joined
    }

    /// Integers of these graphs stay far below 2^53, so `f64` holds them.
    fn value(&self, id: ExprId) -> f64 {
        let pool = &self.graph.pool;
        match pool.get(id) {
            Expr::Const(value) => value.to_f64(),
            Expr::Axis(axis) => self.at[&axis.index()] as f64,
            &Expr::Unary(op, a) => operate(op, pool.dtype(a), self.value(a), 0.0),
            &Expr::Binary(op, a, b) => operate(op, pool.dtype(a), self.value(a), self.value(b)),
            &Expr::Cast(dtype, a) => cast(pool.dtype(a), dtype, self.value(a)),
            &Expr::Select { cond, then, otherwise } => {
                if self.value(cond) == 0.0 {
                    self.value(otherwise)
                } else {
                    self.value(then)
                }
            }
            Expr::Load { tensor, at } => {
                let at: Vec<_> = at.iter().map(|&at| self.value(at) as i64).collect();
                self.tensors[tensor][flat(&at, &self.graph.tensors[*tensor].shape)]
            }
        }
    }
}

fn cast(from: DType, to: DType, value: f64) -> f64 {
    if from.is_float() && to.is_float() && to.bytes() > from.bytes() {
        return value;
    }
    let exact = if from.is_float() { Const::float(DType::F64, value) } else { Const::int(from, value as i64) };
    if from == to { value } else { exact.cast(to).to_f64() }
}

fn operate(op: Op, dtype: DType, a: f64, b: f64) -> f64 {
    if op.gives_bool() || dtype == DType::Bool {
        return eval::eval(op, &[Const::int(dtype, a as i64), Const::int(dtype, b as i64)]).to_f64();
    }
    if dtype.is_float() {
        return eval::float(op, a, b);
    }
    eval::eval(op, &[Const::int(dtype, a as i64), Const::int(dtype, b as i64)]).to_f64()
}

/// Whether two results are the same, NaN included.
pub(crate) fn same(a: &Values, b: &Values) -> bool {
    let equal = |(x, y): (&f64, &f64)| x.total_cmp(y).is_eq() || x + y == 0.0 || x.is_nan() && y.is_nan();
    match (a.data(), b.data()) {
        (Data::F64(x), Data::F64(y)) => x.len() == y.len() && x.iter().zip(y).all(equal),
        (Data::I64(x), Data::I64(y)) => x == y,
        _ => false,
    }
}
