//! What schedules work on: one stage of a computation as a set of loops whose order and kind are still open.
//!
//! A [`Program`] is a kernel whose nests are taken apart; primitives change its [`Nest`]s, and `realize` writes the
//! loops down again. A nest has *variables*: the axes of the naive loops, and what splitting and fusing made of them.
//! Variables in [`Form::Loop`] are loops; [`Nest::order`] lists them, the outermost first. The value of any other
//! variable follows from those:
//!
//! ```text
//! i split by [?, 2, 16]       i = i.0 * 32 + i.1 * 16 + i.2
//! p, q fused as pq            p = pq / Q, q = pq % Q
//! ```
//!
//! Not here: tiles, copies and guards as loops; they are data until `realize` places them.

use std::collections::BTreeSet;

use crate::arena::{Arena, Id};
use crate::expr::{AxisId, Expr, ExprId, Pool, TensorId};
use crate::loops::{Block, BufferKind, For, Kernel, LoopKind, Scope, Stmt, pack};
use crate::scalar::ReduceOp;

use super::proofs::Proofs;
use super::step::{Numbers, Tail};

crate::define_id!(
    /// A variable of a nest.
    VarId, "v"
);

/// A kernel, taken apart.
#[derive(Clone, Debug)]
pub struct Program {
    /// Everything but the body.
    pub kernel: Kernel,
    /// The body: nests and what is around them.
    pub items: Vec<Item>,
    /// The nests, in the order of the body.
    pub nests: Vec<Nest>,
    /// Tensors that are known ahead of all calls: see `loops::pack`.
    pub ahead: BTreeSet<TensorId>,
    /// What was proved of its loads.
    pub(super) proofs: Proofs,
}

/// A part of a program's body.
#[derive(Clone, Debug)]
pub enum Item {
    /// A nest, by its number.
    Nest(usize),
    /// The life of an intermediate.
    Alloc {
        /// The intermediate.
        buffer: TensorId,
        /// Its life.
        body: Vec<Item>,
    },
    /// What is no nest stays as it is.
    Other(Stmt),
}

/// The computation of one tensor, or of a part of it: `buffer[at] = result`, for all values of the spatial variables.
#[derive(Clone, Debug)]
pub struct Nest {
    /// All variables.
    pub vars: Arena<VarId, Var>,
    /// Those that are loops, the outermost first.
    pub order: Vec<VarId>,
    /// What is written.
    pub buffer: TensorId,
    /// Where.
    pub at: Vec<ExprId>,
    /// What is stored; it loads the accumulator of the reduction, if there is one.
    pub result: ExprId,
    /// What is reduced.
    pub reduction: Option<Reduction>,
    /// The loops inside of which accumulators are kept.
    pub accumulate: Vec<VarId>,
    /// Copies of operands.
    pub copies: Vec<Copy>,
    /// The loops whose shared copies are made one iteration ahead.
    pub pipelined: Vec<VarId>,
    /// Those of them whose copies have so many buffers, and are made by themselves while threads compute.
    pub stages: Vec<(VarId, i64)>,
    /// What the warps of a GPU multiply by its matrix units.
    pub tensor: Option<Tensor>,
    /// Other nests that run inside of loops of this one.
    pub computes: Vec<Computed>,
}

/// Tiles that the 32 threads of a warp, neighbours along `block.x`, multiply together.
///
/// Thread `8 * g + t`, as digits of `lane`, has rows `g` and `g + 8` of the tile, and columns `2 * t` and `2 * t + 1`.
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    /// The 16 rows: two parts, of 2 and 8.
    pub rows: VarId,
    /// The 8 columns: two parts, of 4 and 2.
    pub columns: VarId,
    /// The terms of a sum.
    pub terms: VarId,
    /// The threads.
    pub lane: VarId,
    /// How operands are rounded.
    pub numbers: Numbers,
}

/// A reduction of `value` over the reduced variables.
#[derive(Clone, Debug)]
pub struct Reduction {
    /// How values join.
    pub op: ReduceOp,
    /// The single value that stands for the result in [`Nest::result`].
    pub acc: TensorId,
    /// What is reduced.
    pub value: ExprId,
}

/// A variable.
#[derive(Clone, Debug)]
pub struct Var {
    /// As in the text of a schedule.
    pub name: String,
    /// Whether values are joined along it.
    pub role: Role,
    /// The number of its values; for the first part of a split, with one that may not be full.
    pub extent: i64,
    /// How its loop runs.
    pub kind: LoopKind,
    /// What it is.
    pub form: Form,
    /// The axis of the naive loop.
    pub axis: Option<AxisId>,
    /// The variable that it is a part of, and which part.
    pub part_of: Option<(VarId, usize)>,
    /// The extent of the naive axis, if the variable is but a part of it that starts where another nest says
    /// ([`Computed`]): the value of the axis is then that start and this variable.
    pub whole: Option<i64>,
}

/// What a variable is to the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Every value computes other elements.
    Spatial,
    /// Values are joined.
    Reduced,
    /// Values are joined, each in an accumulator of its own first (`rfactor`).
    Private,
}

/// Where the value of a variable comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// From its loop.
    Loop,
    /// From its parts, the slowest first.
    Split {
        /// The parts.
        parts: Vec<VarId>,
        /// What happens where they do not fill it.
        tail: Tail,
    },
    /// From the variable that it was fused into: `into / inner % extent`.
    Fused {
        /// The fused variable.
        into: VarId,
        /// The product of the extents of the faster ones.
        inner: i64,
    },
}

/// A copy of an operand in the order in which it is read.
#[derive(Clone, Debug)]
pub struct Copy {
    /// What is copied: a load, or a choice between a load and a constant.
    pub operand: ExprId,
    /// The load in it.
    pub load: ExprId,
    /// The name of the tensor.
    pub name: String,
    /// Inside of which loop; none for before all.
    pub at: Option<VarId>,
    /// Its dimensions.
    pub layout: Layout,
    /// Where it lives.
    pub scope: Scope,
}

/// The loops that a copy spans: those inside of a level, and all threads of a block if they make it together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The number of loops around it.
    pub level: usize,
    /// Whether the threads of a GPU's block share it.
    pub shared: bool,
}

/// The dimensions of a copy.
#[derive(Clone, Debug)]
pub enum Layout {
    /// One for each of these loops, the slowest first: all loops inside of the level on which the operand depends.
    Loops(Vec<VarId>),
    /// Those of the tensor: the part of it that the loops inside of the level read, with the default of the read
    /// around it, or 0.
    Window(Vec<Window>, Option<ExprId>),
}

/// An intermediate of which each iteration of a loop computes the box that it reads.
#[derive(Clone, Debug)]
pub struct Computed {
    /// The nest that computes it, by its number.
    pub nest: usize,
    /// The intermediate.
    pub tensor: TensorId,
    /// Inside of which loop.
    pub at: VarId,
    /// For each dimension where the box starts, or none for all of it. Where that is outside of the tensor, the box is
    /// moved inside.
    pub starts: Vec<Option<Window>>,
    /// Whether it is read where a sum is stored, not where it grows.
    pub beside_sum: bool,
}

/// One dimension of a box.
#[derive(Clone, Debug)]
pub struct Window {
    /// How far a step of each naive variable moves the subscript.
    pub steps: Vec<(VarId, i64)>,
    /// What is added to what the loops outside of the box give.
    pub constant: i64,
}

impl Program {
    /// Takes a naive kernel apart.
    pub fn of(kernel: &Kernel) -> Self {
        let ahead = pack::known_ahead(kernel);
        let mut kernel = kernel.clone();
        let body = std::mem::take(&mut kernel.body);
        let mut program = Self { kernel, items: Vec::new(), nests: Vec::new(), ahead, proofs: Proofs::default() };
        program.items = program.take_apart(body);
        for nest in &mut program.nests {
            if let Some(reduction) = &mut nest.reduction {
                reduction.value = chosen_first(&mut program.kernel.pool, reduction.value);
            }
        }
        program
    }

    fn take_apart(&mut self, block: Block) -> Vec<Item> {
        block
            .into_iter()
            .map(|stmt| match recognize(&self.kernel, &stmt) {
                Some(nest) => {
                    self.nests.push(nest);
                    Item::Nest(self.nests.len() - 1)
                }
                None => match stmt {
                    Stmt::Alloc { buffer, body } => Item::Alloc { buffer, body: self.take_apart(body) },
                    other => Item::Other(other),
                },
            })
            .collect()
    }

    /// Whether a nest runs inside of another.
    pub fn is_computed(&self, number: usize) -> bool {
        self.nests.iter().any(|nest| nest.computes.iter().any(|inner| inner.nest == number))
    }

    /// The nests that are in the body, in its order; those that run inside of another come before it.
    pub fn live(&self) -> Vec<usize> {
        self.live_in(&self.items)
    }

    /// The nests that are in a part of the body.
    pub fn live_in(&self, items: &[Item]) -> Vec<usize> {
        let mut found = Vec::new();
        self.collect(items, &mut found);
        found
    }

    fn collect(&self, items: &[Item], found: &mut Vec<usize>) {
        for item in items {
            match item {
                Item::Nest(number) => self.with_computed(*number, found),
                Item::Alloc { body, .. } => self.collect(body, found),
                Item::Other(_) => {}
            }
        }
    }

    fn with_computed(&self, number: usize, found: &mut Vec<usize>) {
        self.nests[number].computes.iter().for_each(|inner| self.with_computed(inner.nest, found));
        found.push(number);
    }

    /// The nest that computes boxes of a nest's tensor inside of its own loops, by its number, and where.
    pub fn reader_of(&self, nest: usize) -> Option<(usize, &Computed)> {
        let inner = self.nests.iter().enumerate().flat_map(|(at, outer)| outer.computes.iter().map(move |c| (at, c)));
        inner.into_iter().find(|(_, computed)| computed.nest == nest)
    }

    /// The extents of a tensor; of its box, if boxes of it are computed inside of other loops.
    pub fn shape(&self, tensor: TensorId) -> Vec<i64> {
        let mut shape = self.kernel.buffers[tensor].shape.clone();
        let computed = self.nests.iter().flat_map(|nest| &nest.computes).find(|computed| computed.tensor == tensor);
        let Some(producer) = computed.map(|computed| &self.nests[computed.nest]) else { return shape };
        for (size, &at) in shape.iter_mut().zip(&producer.at) {
            if let &Expr::Axis(axis) = self.kernel.pool.get(at)
                && let Some(root) = producer.root(axis)
            {
                *size = producer.vars[root].extent;
            }
        }
        shape
    }

    /// The nest and the variable of a name.
    pub fn find(&self, name: &str) -> Option<(usize, VarId)> {
        self.nests.iter().enumerate().find_map(|(number, nest)| Some((number, nest.find(name)?)))
    }
}

impl Nest {
    /// The variable of a name.
    pub fn find(&self, name: &str) -> Option<VarId> {
        self.vars.iter().find(|(_, var)| var.name == name).map(|(id, _)| id)
    }

    /// The variable that a naive axis became.
    pub fn root(&self, axis: AxisId) -> Option<VarId> {
        self.vars.iter().find(|(_, var)| var.axis == Some(axis)).map(|(id, _)| id)
    }

    /// The place of a loop in the order.
    pub fn position(&self, var: VarId) -> Option<usize> {
        self.order.iter().position(|&other| other == var)
    }

    /// The number of loops outside of what is placed inside loop `at`.
    pub fn level(&self, at: Option<VarId>) -> usize {
        at.and_then(|var| self.position(var)).map_or(0, |position| position + 1)
    }

    /// What a copy that is placed inside loop `at` spans: no less than what one thread does.
    pub fn reach(&self, at: Option<VarId>, scope: Scope) -> Reach {
        Reach { level: self.level(at).max(self.bound()), shared: scope == Scope::Shared }
    }

    /// Whether a copy spans a loop.
    pub fn spans(&self, reach: Reach, var: VarId) -> bool {
        let is_thread = matches!(self.vars[var].kind, LoopKind::Block(_));
        self.position(var).is_some_and(|at| at >= reach.level || (reach.shared && is_thread))
    }

    /// The number of values of a split variable from one value of its part `part` to the next.
    pub fn stride(&self, parts: &[VarId], part: usize) -> i64 {
        parts[part + 1..].iter().map(|&inner| self.vars[inner].extent).product()
    }

    /// The loops that the value of a variable depends on.
    pub fn leaves(&self, var: VarId) -> Vec<VarId> {
        match &self.vars[var].form {
            Form::Loop => vec![var],
            Form::Split { parts, .. } => parts.iter().flat_map(|&part| self.leaves(part)).collect(),
            Form::Fused { into, .. } => self.leaves(*into),
        }
    }

    /// The loops that the value of an expression depends on, in the order of the loops.
    pub fn loops_of(&self, kernel: &Kernel, expr: ExprId) -> Vec<VarId> {
        let axes = kernel.pool.axes(expr);
        let roots = self.vars.iter().filter(|(_, var)| var.axis.is_some_and(|axis| axes.contains(&axis)));
        let leaves: Vec<_> = roots.flat_map(|(root, _)| self.leaves(root)).collect();
        self.order.iter().copied().filter(|var| leaves.contains(var)).collect()
    }

    /// Whether copies, accumulators or other nests are placed in its loops.
    pub fn has_places(&self) -> bool {
        !self.copies.is_empty() || !self.accumulate.is_empty() || !self.computes.is_empty()
    }

    /// The number of loops outside of the outermost accumulators, where results are stored; none without a reduction.
    pub fn sum_level(&self) -> Option<usize> {
        self.reduction.as_ref()?;
        let levels = self.accumulate.iter().map(|&at| self.level(Some(at)).max(self.bound()));
        levels.chain([self.joined_level()]).min()
    }

    /// The number of loops outside of the first that one thread joins values along; of all that make a launch, at least.
    /// A loop of one iteration joins nothing, so accumulators need not last longer than that.
    pub fn joined_level(&self) -> usize {
        let bound = self.bound();
        let inside = &self.order[bound..];
        let joins = inside.iter().position(|&var| self.vars[var].joins());
        let last = || inside.iter().rposition(|&var| self.vars[var].is_reduced());
        bound + joins.or_else(last).unwrap_or(0)
    }

    /// The loops with private accumulators that are coordinates of a GPU's grid, or of its blocks.
    pub fn spread(&self, is_meant: fn(LoopKind) -> bool) -> Vec<VarId> {
        let is_spread = |var: &VarId| self.vars[*var].role == Role::Private && is_meant(self.vars[*var].kind);
        self.order.iter().copied().filter(is_spread).collect()
    }

    /// The value to which the operands belong: what is reduced, or what is stored.
    pub fn value(&self) -> ExprId {
        self.reduction.as_ref().map_or(self.result, |reduction| reduction.value)
    }
}

impl Var {
    /// A variable with a loop of its own.
    pub const fn new(name: String, role: Role, extent: i64) -> Self {
        Self { name, role, extent, kind: LoopKind::Serial, form: Form::Loop, axis: None, part_of: None, whole: None }
    }

    /// Whether values of different iterations are joined, into one accumulator or several.
    pub const fn is_reduced(&self) -> bool {
        matches!(self.role, Role::Reduced | Role::Private)
    }

    /// Whether there are values of several iterations to be joined, or accumulators that belong to it.
    pub const fn joins(&self) -> bool {
        matches!(self.role, Role::Private) || matches!(self.role, Role::Reduced) && self.extent > 1
    }
}

/// The nest that a statement is, if it has the form that lowering gives.
fn recognize(kernel: &Kernel, stmt: &Stmt) -> Option<Nest> {
    let mut vars = Arena::new();
    let inner = chain(kernel, stmt, Role::Spatial, &mut vars);
    let (buffer, at, result, reduction) = match inner {
        Stmt::Store { buffer, at, value } => (*buffer, at, *value, None),
        Stmt::Alloc { buffer: acc, body } if is_accumulator(kernel, *acc) => {
            let [Stmt::Store { buffer: set, .. }, feed, Stmt::Store { buffer, at, value }] = &body[..] else {
                return None;
            };
            let fed = chain(kernel, feed, Role::Reduced, &mut vars);
            let Stmt::Reduce { buffer: joined, op, value: term, .. } = fed else { return None };
            if set != acc || joined != acc {
                return None;
            }
            (*buffer, at, *value, Some(Reduction { op: *op, acc: *acc, value: *term }))
        }
        _ => return None,
    };
    let order = vars.ids().collect();
    let (accumulate, copies, pipelined, computes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    Some(Nest {
        vars,
        order,
        buffer,
        at: at.clone(),
        result,
        reduction,
        accumulate,
        copies,
        pipelined,
        stages: Vec::new(),
        tensor: None,
        computes,
    })
}

/// `if c { f32(x) } else { 0.0 }` as `f32(if c { x } else { 0.0 })`: what is read has its default, and can be copied with it.
fn chosen_first(pool: &mut Pool, value: ExprId) -> ExprId {
    pool.map(value, &mut |pool, id| {
        let &Expr::Select { cond, then, otherwise } = pool.get(id) else { return None };
        let (&Expr::Cast(wide, read), Some(default)) = (pool.get(then), pool.as_const(otherwise)) else { return None };
        let narrow = default.cast(pool.dtype(read));
        let is_read = matches!(pool.get(read), Expr::Load { .. } | Expr::Select { .. });
        if !is_read || narrow.cast(wide) != default {
            return None;
        }
        let narrow = pool.constant(narrow);
        let chosen = pool.select(cond, read, narrow);
        Some(pool.cast(wide, chosen))
    })
}

fn is_accumulator(kernel: &Kernel, buffer: TensorId) -> bool {
    let buffer = &kernel.buffers[buffer];
    buffer.shape.is_empty() && buffer.kind == BufferKind::Temp(Scope::Register)
}

/// Makes variables of the serial loops that have nothing but each other in them; gives what is inside.
fn chain<'a>(kernel: &Kernel, mut stmt: &'a Stmt, role: Role, vars: &mut Arena<VarId, Var>) -> &'a Stmt {
    while let Stmt::For(For { axis, extent, kind: LoopKind::Serial, body }) = stmt {
        let [inner] = &body[..] else { return stmt };
        let name = kernel.axes[*axis].name.clone();
        vars.push(Var { axis: Some(*axis), ..Var::new(name, role, *extent) });
        stmt = inner;
    }
    stmt
}

/// The distinct loads of a tensor in an expression, in the order of their ids.
pub fn loads_of(kernel: &Kernel, expr: ExprId, tensor: TensorId) -> Vec<ExprId> {
    let mut loads = Vec::new();
    kernel.pool.visit(expr, &mut |id, e| {
        if matches!(e, Expr::Load { tensor: loaded, .. } if *loaded == tensor) {
            loads.push(id);
        }
    });
    loads.sort_by_key(|id| id.index());
    loads
}
