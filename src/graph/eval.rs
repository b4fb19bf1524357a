//! The reference evaluator of a graph: single elements, on demand.
//!
//! [`Evaluator::element`] computes one element of any tensor from the definitions, in `f64`, together with just those
//! elements of intermediates that it depends on, which are kept. So some elements of a huge computation can be checked
//! in no time. It knows nothing of loops over whole tensors: that is what it checks.
//!
//! It takes a verified graph and values for its inputs. As in the interpreter of the loop IR, rounding happens in
//! casts and in stores to 16-bit tensors only; what [`Evaluator::element`] gives is not rounded to the tensor's type.

use crate::arena::Id;
use crate::expr::program::{BuildError, Builder, Layout, Machine, Memory, Program, TooLarge, Trap};
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId, affine};
use crate::scalar::values::Number;
use crate::scalar::{DType, Values};

use super::{Body, Graph, Role, Stage};

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The number of inputs is wrong.
    #[error("`{graph}` takes {expected} inputs, not {found}")]
    Inputs {
        /// The graph.
        graph: String,
        /// How many it takes.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// An input has the wrong type or shape.
    #[error("input `{name}` is {expected}, not {found}")]
    Input {
        /// Which one.
        name: String,
        /// Type and shape of the parameter.
        expected: String,
        /// Type and shape of the argument.
        found: String,
    },
    /// A load is outside its tensor, or the element that was asked for is.
    #[error("subscript {dim} of `{tensor}` is {value}, outside 0..{extent}")]
    Outside {
        /// Whose subscript.
        tensor: String,
        /// Which one, from 0.
        dim: usize,
        /// Its value.
        value: i64,
        /// The extent of the tensor there.
        extent: i64,
    },
    /// An element is needed that no earlier stage defines.
    #[error("no stage defines `{tensor}{at:?}` before it is needed")]
    Undefined {
        /// The tensor.
        tensor: String,
        /// The element.
        at: Vec<i64>,
    },
    /// The graph does not verify.
    #[error("the graph is malformed: {0}")]
    Malformed(String),
    /// The tensors do not fit into memory.
    #[error("the tensors do not fit into memory")]
    TooLarge,
}

impl From<TooLarge> for EvalError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// Computes elements of one graph for one set of inputs.
#[derive(Debug)]
pub struct Evaluator<'a> {
    graph: &'a Graph,
    layout: Layout,
    memory: Memory,
    stages: Vec<Compiled>,
    /// For each tensor, the stages that define it.
    definitions: Vec<Vec<usize>>,
}

/// A stage, ready to compute one element at a time.
#[derive(Debug)]
struct Compiled {
    /// For each dimension of the tensor, which element belongs to which value of the axes.
    subscripts: Vec<Subscript>,
    /// The extents of the spatial axes.
    extents: Vec<i64>,
    program: Program,
    machine: Machine,
}

/// `stride * axis + offset`, the axis by its place among the spatial ones; or `offset` alone.
#[derive(Clone, Copy, Debug)]
struct Subscript {
    axis: Option<(usize, i64)>,
    offset: i64,
}

impl<'a> Evaluator<'a> {
    /// An evaluator of `graph` on values for its inputs, in their order.
    pub fn new(graph: &'a Graph, inputs: &[Values]) -> Result<Self, EvalError> {
        check_inputs(graph, inputs)?;
        let mut layout = Layout::new();
        for (_, tensor) in graph.tensors.iter() {
            layout.add(tensor.dtype, &tensor.shape)?;
        }
        let mut pool = graph.pool.clone();
        let plans: Vec<_> =
            graph.stages.iter().map(|stage| plan(&mut pool, &mut layout, graph, stage)).collect::<Result<_, _>>()?;
        let compiled = |(stage, plan)| compile(graph, &pool, &layout, stage, plan);
        let stages = graph.stages.iter().zip(plans).map(compiled).collect::<Result<_, _>>()?;
        let mut definitions = vec![Vec::new(); graph.tensors.len()];
        for (index, stage) in graph.stages.iter().enumerate() {
            definitions[stage.tensor.index()].push(index);
        }
        let mut memory = Memory::new(&layout);
        fill(graph, inputs, &layout, &mut memory)?;
        Ok(Self { graph, layout, memory, stages, definitions })
    }

    /// One element of any tensor.
    pub fn element(&mut self, tensor: TensorId, at: &[i64]) -> Result<Number, EvalError> {
        let slot = self.layout.slot(tensor, at).ok_or_else(|| self.outside(tensor, at))?;
        self.demand(tensor, slot)
    }

    /// All elements of any tensor, rounded to its type.
    pub fn tensor(&mut self, tensor: TensorId) -> Result<Values, EvalError> {
        let shape = &self.graph.tensors[tensor].shape;
        if let Some(first) = self.layout.slot(tensor, &vec![0; shape.len()]) {
            for slot in first..first + self.graph.tensors[tensor].len() as usize {
                self.demand(tensor, slot)?;
            }
        }
        Ok(self.memory.read(&self.layout, tensor).expect("every element was computed"))
    }

    /// Computes what `slot` of `tensor` depends on, innermost first. The chain of elements that wait for each other is
    /// kept in a list, since it may be as long as the graph has stages.
    fn demand(&mut self, tensor: TensorId, slot: usize) -> Result<Number, EvalError> {
        let mut waiting = Vec::new();
        if self.memory.get(&self.layout, tensor, slot).is_none() {
            waiting.push(self.activate(slot, self.stages.len())?);
        }
        while let Some(&top) = waiting.last() {
            let Compiled { program, machine, .. } = &mut self.stages[top];
            match machine.run(program, &self.layout, &mut self.memory) {
                Ok(()) => drop(waiting.pop()),
                Err(Trap::Undefined { slot }) => waiting.push(self.activate(slot, top)?),
                Err(Trap::Barrier { .. } | Trap::Combine { .. } | Trap::Race(_)) => {
                    unreachable!("stages have no threads")
                }
                Err(Trap::Outside { site, value }) => {
                    let tensor = self.graph.tensors[site.tensor].name.clone();
                    return Err(EvalError::Outside { tensor, dim: site.dim, value, extent: site.extent });
                }
            }
        }
        let bits = self.memory.get(&self.layout, tensor, slot).ok_or_else(|| self.undefined(slot))?;
        let is_float = self.graph.tensors[tensor].dtype.is_float();
        Ok(if is_float { Number::Float(f64::from_bits(bits)) } else { Number::Int(bits.cast_signed()) })
    }

    /// Sets the stage that defines the element in `slot` to its start; it must be one before `limit`.
    fn activate(&mut self, slot: usize, limit: usize) -> Result<usize, EvalError> {
        let (tensor, at) = self.layout.element(slot);
        let stages = self.definitions.get(tensor.index()).map_or(&[][..], Vec::as_slice);
        let found = stages.iter().find_map(|&stage| Some((stage, self.stages[stage].axes_at(&at)?)));
        match found {
            Some((stage, axes)) if stage < limit => {
                self.stages[stage].machine.restart(&axes);
                Ok(stage)
            }
            _ => Err(self.undefined(slot)),
        }
    }

    fn undefined(&self, slot: usize) -> EvalError {
        let (tensor, at) = self.layout.element(slot);
        let tensor = self.graph.tensors.get(tensor).map_or("an accumulator", |tensor| &tensor.name).to_owned();
        EvalError::Undefined { tensor, at }
    }

    fn outside(&self, tensor: TensorId, at: &[i64]) -> EvalError {
        let found = &self.graph.tensors[tensor];
        let outside = at.iter().zip(&found.shape).position(|(i, extent)| !(0..*extent).contains(i));
        match outside {
            Some(dim) => {
                EvalError::Outside { tensor: found.name.clone(), dim, value: at[dim], extent: found.shape[dim] }
            }
            None => EvalError::Malformed(format!("`{}` has {} dimensions", found.name, found.shape.len())),
        }
    }
}

impl Compiled {
    /// The values of the spatial axes for which the stage writes the element `at`, if there are any.
    fn axes_at(&self, at: &[i64]) -> Option<Vec<i64>> {
        let mut axes = vec![0; self.extents.len()];
        for (subscript, &index) in self.subscripts.iter().zip(at) {
            let distance = index.checked_sub(subscript.offset)?;
            match subscript.axis {
                None if distance != 0 => return None,
                None => {}
                Some((axis, stride)) => {
                    let value = distance.checked_div(stride)?;
                    if value * stride != distance || !(0..self.extents[axis]).contains(&value) {
                        return None;
                    }
                    axes[axis] = value;
                }
            }
        }
        Some(axes)
    }
}

fn check_inputs(graph: &Graph, inputs: &[Values]) -> Result<(), EvalError> {
    if graph.inputs.len() != inputs.len() {
        let (graph, expected, found) = (graph.name.clone(), graph.inputs.len(), inputs.len());
        return Err(EvalError::Inputs { graph, expected, found });
    }
    for (&id, values) in graph.inputs.iter().zip(inputs) {
        let tensor = &graph.tensors[id];
        if (tensor.dtype, tensor.shape.as_slice()) != (values.dtype(), values.shape()) {
            return Err(EvalError::Input {
                name: tensor.name.clone(),
                expected: Values::spell(tensor.dtype, &tensor.shape),
                found: Values::spell(values.dtype(), values.shape()),
            });
        }
    }
    Ok(())
}

fn fill(graph: &Graph, inputs: &[Values], layout: &Layout, memory: &mut Memory) -> Result<(), EvalError> {
    for (&id, values) in graph.inputs.iter().zip(inputs) {
        memory.fill(layout, id, values);
    }
    for (id, tensor) in graph.tensors.iter() {
        if let Role::Constant(table) = &tensor.role {
            let values = Values::from_consts(tensor.dtype, &tensor.shape, table)
                .map_err(|e| EvalError::Malformed(format!("table `{}`: {e}", tensor.name)))?;
            memory.fill(layout, id, &values);
        }
    }
    Ok(())
}

/// The expressions that a stage needs besides its own.
#[derive(Clone, Copy)]
struct Plan {
    /// What is stored, of the tensor's element type.
    value: ExprId,
    /// For a reduction, the accumulator and its start.
    accumulator: Option<(TensorId, ExprId)>,
}

fn plan(pool: &mut Pool, layout: &mut Layout, graph: &Graph, stage: &Stage) -> Result<Plan, EvalError> {
    let dtype = graph.tensors[stage.tensor].dtype;
    match &stage.body {
        Body::Map(value) => Ok(Plan { value: pool.cast(dtype, *value), accumulator: None }),
        Body::Reduce { op, value, .. } => {
            let joined: DType = pool.dtype(*value);
            let accumulator = layout.add(joined, &[])?;
            let neutral = pool.constant(op.neutral(joined));
            let result = pool.load(accumulator, Vec::new(), joined);
            Ok(Plan { value: pool.cast(dtype, result), accumulator: Some((accumulator, neutral)) })
        }
    }
}

fn compile(graph: &Graph, pool: &Pool, layout: &Layout, stage: &Stage, plan: Plan) -> Result<Compiled, EvalError> {
    let program = program(graph, pool, layout, stage, plan).map_err(|error| {
        let tensor = &graph.tensors[stage.tensor].name;
        EvalError::Malformed(match error {
            BuildError::OutOfScope(axis) => {
                format!("the definition of `{tensor}` uses the axis `{}` of another", graph.axes[axis].name)
            }
            BuildError::Reused(axis) | BuildError::Extent(axis) => {
                format!("axis `{}` in the definition of `{tensor}`", graph.axes[axis].name)
            }
            BuildError::TooLong => format!("the definition of `{tensor}` is too long"),
            BuildError::Subscripts(_) => format!("a number of subscripts in the definition of `{tensor}`"),
        })
    })?;
    let subscripts = stage
        .at
        .iter()
        .map(|&at| subscript(pool, stage, at))
        .collect::<Option<_>>()
        .ok_or_else(|| EvalError::Malformed(format!("the subscripts of `{}`", graph.tensors[stage.tensor].name)))?;
    let extents: Vec<_> = stage.axes.iter().map(|&axis| graph.axes[axis].extent).collect();
    let machine = Machine::new(&program, &[]);
    Ok(Compiled { subscripts, extents, program, machine })
}

fn program(graph: &Graph, pool: &Pool, layout: &Layout, stage: &Stage, plan: Plan) -> Result<Program, BuildError> {
    let mut builder = Builder::new(pool, layout);
    for &axis in &stage.axes {
        builder.parameter(axis, graph.axes[axis].extent)?;
    }
    if let (Body::Reduce { op, axes, value }, Some((accumulator, neutral))) = (&stage.body, plan.accumulator) {
        builder.store(accumulator, &[], neutral)?;
        nest(&mut builder, graph, axes, &|builder| builder.reduce(accumulator, &[], *op, *value))?;
    }
    builder.store(stage.tensor, &stage.at, plan.value)?;
    Ok(builder.finish())
}

/// Loops over `axes`, the first outermost.
fn nest(
    builder: &mut Builder<'_>,
    graph: &Graph,
    axes: &[AxisId],
    body: &dyn Fn(&mut Builder<'_>) -> Result<(), BuildError>,
) -> Result<(), BuildError> {
    match axes {
        [] => body(builder),
        &[axis, ref inner @ ..] => {
            builder.repeat(axis, graph.axes[axis].extent, |builder| nest(builder, graph, inner, body))
        }
    }
}

fn subscript(pool: &Pool, stage: &Stage, at: ExprId) -> Option<Subscript> {
    let view = affine::linear(pool, at);
    let mut terms = view.terms.into_iter();
    let axis = match (terms.next(), terms.next()) {
        (None, _) => None,
        (Some((atom, stride)), None) => match *pool.get(atom) {
            Expr::Axis(axis) => Some((stage.axes.iter().position(|&own| own == axis)?, stride)),
            _ => return None,
        },
        _ => return None,
    };
    Some(Subscript { axis, offset: view.constant })
}
