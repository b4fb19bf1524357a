//! The reference interpreter: what a kernel means, element by element.
//!
//! Not fast and not a backend: floats are `f64` throughout, rounded only where the kernel says so (casts, and stores
//! to 16-bit buffers, which are casts) and when an output leaves. So a result is what the formula says, and what a
//! backend gives may differ from it by its own roundings alone. Loops of every CPU kind run one iteration after
//! another; launches of a GPU run phase by phase (`grid`), and races between threads are errors.
//!
//! It takes any kernel, and values for its inputs. Every access is checked: outside its buffer, or before the element
//! was stored, is an error that names the place. An output with an element that was never stored is one too.

use crate::expr::program::{BuildError, Builder, Layout, Machine, Memory, TooLarge, Trap};
use crate::expr::{AxisId, TensorId};
use crate::scalar::Values;

use super::{BufferKind, Kernel, LoopKind, Stmt};

mod grid;

/// Why a kernel gives no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterpError {
    /// The number of inputs is wrong.
    #[error("`{kernel}` takes {expected} inputs, not {found}")]
    Inputs {
        /// The kernel.
        kernel: String,
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
    /// An access is outside its buffer.
    #[error("subscript {dim} of `{buffer}` is {value}, outside 0..{extent}")]
    Outside {
        /// Whose subscript.
        buffer: String,
        /// Which one, from 0.
        dim: usize,
        /// Its value.
        value: i64,
        /// The extent of the buffer there.
        extent: i64,
    },
    /// An element is read that was never stored.
    #[error("`{buffer}{at:?}` is read before it is stored")]
    Undefined {
        /// The buffer.
        buffer: String,
        /// The element.
        at: Vec<i64>,
    },
    /// An element of an output is not stored.
    #[error("`{buffer}{at:?}` is never stored")]
    Missing {
        /// The output.
        buffer: String,
        /// The element.
        at: Vec<i64>,
    },
    /// Two threads of a GPU use an element at once, and one of them stores it.
    #[error("race: `{buffer}{at:?}` is {first} and {second}, and nothing is between")]
    Race {
        /// The buffer.
        buffer: String,
        /// The element.
        at: Vec<i64>,
        /// How and by whom it was used: `stored by thread 3 of block 0`.
        first: String,
        /// How and by whom it is used then.
        second: String,
    },
    /// Threads of a block wait at different barriers, or some at none.
    #[error("thread {thread} of block {block} does not reach the barrier at which others wait, or the end as they do")]
    Divergent {
        /// The block.
        block: u32,
        /// The first thread that does not do as thread 0.
        thread: u32,
    },
    /// The kernel does not verify.
    #[error("the kernel is malformed: {0}")]
    Malformed(String),
    /// The kernel asks for something that the interpreter cannot do.
    #[error("the interpreter does not run {0}")]
    Unsupported(&'static str),
    /// The buffers do not fit into memory.
    #[error("the buffers do not fit into memory")]
    TooLarge,
}

impl From<TooLarge> for InterpError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// Runs `kernel` on values for its inputs, in the order of its parameters, and gives its outputs.
pub fn run(kernel: &Kernel, inputs: &[Values]) -> Result<Vec<Values>, InterpError> {
    let (wanted, outputs) = parameters(kernel);
    check_inputs(kernel, &wanted, inputs)?;
    let mut layout = Layout::new();
    for (_, buffer) in kernel.buffers.iter() {
        layout.add(buffer.dtype, &buffer.shape)?;
    }
    let mut memory = Memory::new(&layout);
    for (&id, values) in wanted.iter().zip(inputs) {
        memory.fill(&layout, id, values);
    }
    for (id, buffer) in kernel.buffers.iter() {
        if let BufferKind::Constant(table) = &buffer.kind {
            let values = Values::from_consts(buffer.dtype, &buffer.shape, table)
                .map_err(|e| InterpError::Malformed(format!("table `{}`: {e}", buffer.name)))?;
            memory.fill(&layout, id, &values);
        }
    }
    run_block(kernel, &layout, &mut memory, &kernel.body)?;
    outputs
        .into_iter()
        .map(|id| {
            memory.read(&layout, id).map_err(|slot| {
                let (buffer, at) = element(kernel, &layout, slot);
                InterpError::Missing { buffer, at }
            })
        })
        .collect()
}

/// Inputs and outputs among the parameters.
fn parameters(kernel: &Kernel) -> (Vec<TensorId>, Vec<TensorId>) {
    kernel.params.iter().partition(|&&id| matches!(kernel.buffers[id].kind, BufferKind::Input { .. }))
}

fn check_inputs(kernel: &Kernel, wanted: &[TensorId], inputs: &[Values]) -> Result<(), InterpError> {
    if wanted.len() != inputs.len() {
        let (kernel, expected, found) = (kernel.name.clone(), wanted.len(), inputs.len());
        return Err(InterpError::Inputs { kernel, expected, found });
    }
    for (&id, values) in wanted.iter().zip(inputs) {
        let buffer = &kernel.buffers[id];
        if (buffer.dtype, buffer.shape.as_slice()) != (values.dtype(), values.shape()) {
            return Err(InterpError::Input {
                name: buffer.name.clone(),
                expected: Values::spell(buffer.dtype, &buffer.shape),
                found: Values::spell(values.dtype(), values.shape()),
            });
        }
    }
    Ok(())
}

/// Runs statements outside of all loops: what has no launch in it in one piece.
fn run_block(kernel: &Kernel, layout: &Layout, memory: &mut Memory, body: &[Stmt]) -> Result<(), InterpError> {
    if !body.iter().any(has_launch) {
        let program = compile(kernel, layout, body)?;
        return Machine::new(&program, &[]).run(&program, layout, memory).map_err(|trap| fault(kernel, layout, trap));
    }
    body.iter().try_for_each(|stmt| match stmt {
        Stmt::For(l) if matches!(l.kind, LoopKind::Grid(_)) => grid::run(kernel, layout, memory, l),
        Stmt::Alloc { buffer, body } => {
            memory.undefine(layout, *buffer);
            run_block(kernel, layout, memory, body)
        }
        other => run_block(kernel, layout, memory, std::slice::from_ref(other)),
    })
}

/// Whether a statement is a launch, or allocates memory for some.
fn has_launch(stmt: &Stmt) -> bool {
    match stmt {
        Stmt::For(l) => matches!(l.kind, LoopKind::Grid(_)),
        Stmt::Alloc { body, .. } => body.iter().any(has_launch),
        Stmt::If { .. }
        | Stmt::Store { .. }
        | Stmt::Reduce { .. }
        | Stmt::Combine { .. }
        | Stmt::Barrier
        | Stmt::Wait { .. } => false,
    }
}

fn compile(kernel: &Kernel, layout: &Layout, body: &[Stmt]) -> Result<crate::expr::program::Program, InterpError> {
    let mut builder = Builder::new(&kernel.pool, layout);
    block(&mut builder, body).map_err(|stop| explain(kernel, &stop))?;
    Ok(builder.finish())
}

fn explain(kernel: &Kernel, stop: &Stop) -> InterpError {
    match *stop {
        Stop::Build(error) => InterpError::Malformed(describe(kernel, error)),
        Stop::Unsupported(what) => InterpError::Unsupported(what),
    }
}

/// Why a statement cannot be compiled.
enum Stop {
    Build(BuildError),
    Unsupported(&'static str),
}

impl From<BuildError> for Stop {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

fn block(builder: &mut Builder<'_>, statements: &[Stmt]) -> Result<(), Stop> {
    statements.iter().try_for_each(|stmt| statement(builder, stmt))
}

fn statement(builder: &mut Builder<'_>, stmt: &Stmt) -> Result<(), Stop> {
    match stmt {
        Stmt::For(l) => match l.kind {
            LoopKind::Serial | LoopKind::Parallel | LoopKind::Unroll | LoopKind::Vector | LoopKind::Tensor => {
                builder.repeat(l.axis, l.extent, |builder| block(builder, &l.body))
            }
            LoopKind::Grid(_) | LoopKind::Block(_) => {
                Err(Stop::Unsupported("GPU loops that are not those of a launch"))
            }
        },
        Stmt::If { cond, then, otherwise } => {
            builder.branch(*cond, |builder| block(builder, then), |builder| block(builder, otherwise))
        }
        Stmt::Store { buffer, at, value } => Ok(builder.store(*buffer, at, *value)?),
        Stmt::Reduce { buffer, at, op, value } => Ok(builder.reduce(*buffer, at, *op, *value)?),
        Stmt::Alloc { buffer, body } => {
            builder.undefine(*buffer);
            block(builder, body)
        }
        Stmt::Combine { buffer, at, op, over } => Ok(builder.combine(*buffer, at, *op, over)?),
        Stmt::Barrier => {
            builder.barrier();
            Ok(())
        }
        Stmt::Wait { pending } => {
            builder.wait(*pending);
            Ok(())
        }
    }
}

fn describe(kernel: &Kernel, error: BuildError) -> String {
    let name = |axis: AxisId| &kernel.axes[axis].name;
    match error {
        BuildError::OutOfScope(axis) => format!("axis `{}` is used outside its loop", name(axis)),
        BuildError::Reused(axis) => format!("axis `{}` has two loops", name(axis)),
        BuildError::Extent(axis) => format!("the loop of `{}` runs less than once", name(axis)),
        BuildError::TooLong => "its expressions are too long".to_owned(),
        BuildError::Subscripts(id) => format!("`{}` has a wrong number of subscripts", kernel.buffers[id].name),
    }
}

fn fault(kernel: &Kernel, layout: &Layout, trap: Trap) -> InterpError {
    match trap {
        Trap::Outside { site, value } => {
            let buffer = kernel.buffers[site.tensor].name.clone();
            InterpError::Outside { buffer, dim: site.dim, value, extent: site.extent }
        }
        Trap::Undefined { slot } => {
            let (buffer, at) = element(kernel, layout, slot);
            InterpError::Undefined { buffer, at }
        }
        Trap::Barrier { .. } | Trap::Combine { .. } => InterpError::Unsupported("a barrier outside of a launch"),
        Trap::Race(_) => unreachable!("machines outside of launches are not watched"),
    }
}

fn element(kernel: &Kernel, layout: &Layout, slot: usize) -> (String, Vec<i64>) {
    let (id, at) = layout.element(slot);
    (kernel.buffers[id].name.clone(), at)
}
