//! Writes the nests of a program down as loops again.
//!
//! ```text
//! split i by [?, 16]                      for i.0 in 3 {
//! (i has 49 values)                         for i.1 in 16 { body at i.0 * 16 + i.1 }
//!                                  ==>    }
//!                                         body at 48
//! ```
//!
//! One walk along [`Nest::order`] places everything: `open` writes the loop of a variable and what its tail asks for,
//! so that the interior of a ragged nest has no conditions; `tile` keeps accumulators; `copy` makes copies of
//! operands, `shared` those that the threads of a GPU's block make together, `spread` joins what threads and blocks have, `compute` places other nests; `value`
//! computes what variables stand for. An [`Env`] knows what is open around a place.
//!
//! What comes in passed `check`; what goes out verifies.

mod ahead;
mod compute;
mod copy;
mod open;
mod shared;
mod spread;
mod tile;
mod value;
mod window;

use std::collections::BTreeSet;

use crate::arena::IdMap;
use crate::expr::{AxisId, ExprId, TensorId};
use crate::loops::{Axis, Block, Buffer, BufferKind, Kernel, Scope, Stmt};

use super::nest::{Item, Layout, Nest, Program, Reach, VarId};

/// The kernel of a program.
pub(super) fn realize(mut program: Program) -> Kernel {
    let computed: Vec<_> = program.nests.iter().flat_map(|nest| &nest.computes).map(|inner| inner.tensor).collect();
    for tensor in computed {
        program.kernel.buffers[tensor].shape = program.shape(tensor);
    }
    let items = std::mem::take(&mut program.items);
    let mut names = Taken::of(&program.kernel);
    let body = block(&mut program, &items, &mut names);
    program.kernel.body = body;
    program.kernel
}

fn block(program: &mut Program, items: &[Item], names: &mut Taken) -> Block {
    let mut result = Block::new();
    for item in items {
        match item {
            Item::Nest(number) => {
                let Program { kernel, nests, .. } = &mut *program;
                let mut emit = Emit::new(kernel, nests, *number, names);
                emit.plan();
                let block = emit.level(0, &Env::default());
                let block = emit.with_shared(block);
                result.extend(emit.with_parts(block));
            }
            Item::Alloc { buffer, body } => {
                result.push(Stmt::Alloc { buffer: *buffer, body: block(program, body, names) });
            }
            Item::Other(stmt) => result.push(stmt.clone()),
        }
    }
    result
}

/// The names that are in use.
struct Taken {
    axes: BTreeSet<String>,
    buffers: BTreeSet<String>,
    /// Axes of the naive loops that are loops again.
    reused: BTreeSet<AxisId>,
}

impl Taken {
    fn of(kernel: &Kernel) -> Self {
        Self {
            axes: kernel.axes.iter().map(|(_, axis)| axis.name.clone()).collect(),
            buffers: kernel.buffers.iter().map(|(_, buffer)| buffer.name.clone()).collect(),
            reused: BTreeSet::new(),
        }
    }
}

/// `wanted`, or with a number behind it where that is taken.
fn fresh(taken: &mut BTreeSet<String>, wanted: &str) -> String {
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    let name = std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let name = name.expect("there are more numbers than names");
    taken.insert(name.clone());
    name
}

/// The writer of one nest.
struct Emit<'a> {
    kernel: &'a mut Kernel,
    nests: &'a [Nest],
    nest: &'a Nest,
    names: &'a mut Taken,
    /// Where the box starts along variables that are but a part of their axis.
    starts: IdMap<VarId, ExprId>,
    plan: Plan,
}

/// What is placed in the loops of a nest.
#[derive(Default)]
struct Plan {
    tiles: Vec<Tile>,
    copies: Vec<Staged>,
    computes: Vec<Inner>,
    /// What blocks leave of sums that others have parts of, too.
    parts: Option<TensorId>,
    /// What the innermost tile is multiplied by when it is joined to what is around it.
    factors: Vec<ExprId>,
}

/// Another nest inside of this one.
struct Inner {
    /// The loops inside of its level.
    reach: Reach,
    /// What is placed in its own loops.
    plan: Plan,
}

/// Accumulators for all results that the loops inside a level work on.
struct Tile {
    /// The number of loops around it.
    level: usize,
    buffer: TensorId,
    /// Its dimensions.
    vars: Vec<VarId>,
}

/// A copy with its buffer.
struct Staged {
    /// The loops that it spans.
    reach: Reach,
    buffer: TensorId,
    operand: ExprId,
    layout: Layout,
    /// The loop of which every iteration has the next one of its buffers, and their number.
    ahead: Option<(VarId, i64)>,
}

/// What is open around a place in the nest.
#[derive(Clone, Debug, Default)]
struct Env {
    /// The values of the variables whose loops are open, or that are known otherwise.
    value: IdMap<VarId, ExprId>,
    /// How many values of a split variable are left for its parts that are still closed, and the first of these.
    left: IdMap<VarId, (usize, i64)>,
    /// Where the open parts of a split variable start, if not at their sum: the number of these parts, and the start.
    start: IdMap<VarId, (usize, ExprId)>,
    /// Split variables that may be outside of their extent here.
    guards: Vec<VarId>,
    /// The tiles that are open, as their number.
    tiles: usize,
    /// Which copies are made.
    copies: Vec<usize>,
    /// Which other nests have computed their boxes, and where these start.
    computes: Vec<(usize, Vec<Option<ExprId>>)>,
    /// Whether a parallel loop is open.
    threads: bool,
    /// In a copy, how it goes along memory.
    along: Along,
}

/// How a copy goes along the memory that it reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Along {
    /// Element by element.
    #[default]
    Steps,
    /// The fastest variable of the copy, already a vector, is its innermost loop.
    Vector(VarId),
    /// Values of this variable are read as vectors.
    Split(VarId),
    /// They are the lanes of this axis now, whose loop is innermost; the variable is the one around it.
    Lanes(AxisId, VarId),
}

/// What a loop is written for; its axis has another name for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Compute,
    Init,
    Join,
    Combine,
    Write,
    Copy,
}

impl Purpose {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Compute => "",
            Self::Init => ".init",
            Self::Join => ".join",
            Self::Combine => ".all",
            Self::Write => ".out",
            Self::Copy => ".copy",
        }
    }
}

impl<'a> Emit<'a> {
    fn new(kernel: &'a mut Kernel, nests: &'a [Nest], number: usize, names: &'a mut Taken) -> Self {
        Emit { kernel, nests, nest: &nests[number], names, starts: IdMap::new(), plan: Plan::default() }
    }

    /// Decides which buffers are needed.
    fn plan(&mut self) {
        self.plan_tiles();
        self.plan_copies();
        self.plan_computes();
    }

    /// Everything inside of the first `level` loops.
    fn level(&mut self, level: usize, env: &Env) -> Block {
        if let Some(inner) = self.next_compute(level, env) {
            return self.with_computed(inner, env, &mut |this, env| this.level(level, env));
        }
        let copies = (0..self.plan.copies.len())
            .filter(|&copy| self.plan.copies[copy].reach.level == level && !env.copies.contains(&copy));
        if let Some(copy) = copies.min() {
            return self.with_copy(copy, env, &mut |this, env| this.level(level, env));
        }
        if self.plan.tiles.get(env.tiles).is_some_and(|tile| tile.level == level) {
            return self.with_tile(env, &mut |this, env| this.level(level, env));
        }
        match self.nest.order.get(level) {
            Some(&var) => self.open(var, env, Purpose::Compute, &mut |this, env| this.level(level + 1, env)),
            None => self.statement(env),
        }
    }

    /// Loops over `vars`, the first outermost, around what `leaf` gives.
    fn around(
        &mut self,
        vars: &[VarId],
        env: &Env,
        purpose: Purpose,
        leaf: &mut dyn FnMut(&mut Self, &Env) -> Block,
    ) -> Block {
        match vars.split_first() {
            None => leaf(self, env),
            Some((&var, rest)) => self.open(var, env, purpose, &mut |this, env| this.around(rest, env, purpose, leaf)),
        }
    }

    /// The innermost statement.
    fn statement(&mut self, env: &Env) -> Block {
        let Some(reduction) = self.nest.reduction.clone() else {
            let value = self.operands(self.nest.result, env);
            let store = Stmt::Store { buffer: self.nest.buffer, at: self.destination(env), value };
            return self.guarded(&env.guards, env, vec![store]);
        };
        let value = self.summand(&reduction, env);
        let (buffer, at) = self.target(env.tiles, env);
        let feed = Stmt::Reduce { buffer, at, op: reduction.op, value };
        let branches: Vec<_> = env.guards.iter().copied().filter(|&var| self.branches(var)).collect();
        self.guarded(&branches, env, vec![feed])
    }

    /// The subscripts of the result.
    fn destination(&mut self, env: &Env) -> Vec<ExprId> {
        self.nest.at.iter().map(|&subscript| self.place_in_box(subscript, env)).collect()
    }

    /// A temporary of this nest.
    fn buffer(&mut self, name: &str, like: TensorId, shape: Vec<i64>, scope: Scope) -> TensorId {
        let name = fresh(&mut self.names.buffers, name);
        let dtype = self.kernel.buffers[like].dtype;
        self.kernel.buffers.push(Buffer { name, dtype, shape, kind: BufferKind::Temp(scope) })
    }

    /// An axis for a loop of `var`: that of the naive loop, the first time.
    fn axis(&mut self, var: VarId, purpose: Purpose) -> AxisId {
        let var = &self.nest.vars[var];
        if let Some(axis) = var.axis
            && purpose == Purpose::Compute
            && self.names.reused.insert(axis)
        {
            return axis;
        }
        let name = fresh(&mut self.names.axes, &format!("{}{}", var.name, purpose.suffix()));
        self.kernel.axes.push(Axis { name })
    }
}
