//! Statements as C: what one thread does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::expr::range::{Domain, Interval, Ranges};
use crate::expr::{AxisId, ExprId, Pool, TensorId};
use crate::loops::launch::Coordinate;
use crate::loops::{Block, BufferKind, For, Kernel, LoopKind, Scope, Stmt};
use crate::scalar::DType;

use super::expr::local;
use super::flat::is_main;
use super::groups::UnderWay;
use super::names::Names;

/// Writes the statements of a kernel.
pub(super) struct Writer<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) names: &'a Names,
    /// The kernel's, and what is made of them here.
    pub(super) pool: Pool,
    pub(super) domain: &'a Domain,
    ranges: Ranges<'a>,
    /// Values that were loaded at once, and what they are called in a loop over lanes.
    pub(super) hoists: BTreeMap<ExprId, String>,
    /// The coordinates of the block.
    pub(super) threads: Vec<Coordinate>,
    /// The number of the GPU's architecture.
    pub(super) sm: u32,
    /// Conditions that threads of a block may decide differently, around what is written.
    pub(super) apart: usize,
    /// Functions that the launch needs, by their names.
    pub(super) helpers: BTreeMap<String, String>,
    /// Whether matrix units read what threads store.
    pub(super) is_grouped: bool,
    /// The sums to which units add by themselves.
    pub(super) under_way: Option<UnderWay>,
    /// Buffers in shared memory whose lines have their vectors in another order.
    pub(super) in_lines: BTreeSet<TensorId>,
    pub(super) out: String,
    depth: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        kernel: &'a Kernel,
        names: &'a Names,
        domain: &'a Domain,
        threads: Vec<Coordinate>,
        sm: u32,
    ) -> Self {
        let (pool, ranges) = (kernel.pool.clone(), Ranges::new(domain));
        Self {
            kernel,
            names,
            pool,
            domain,
            ranges,
            hoists: BTreeMap::new(),
            threads,
            sm,
            apart: 0,
            helpers: BTreeMap::new(),
            is_grouped: false,
            under_way: None,
            in_lines: BTreeSet::new(),
            out: String::new(),
            depth: 1,
        }
    }

    /// The values of an integer expression.
    pub(super) fn interval(&mut self, id: ExprId) -> Interval {
        self.ranges.of(&self.pool, id).interval
    }

    /// Whether an integer expression is a multiple of a number.
    pub(super) fn is_multiple(&mut self, id: ExprId, of: i64) -> bool {
        let known = self.ranges.of(&self.pool, id).congruence;
        known.modulus % of == 0 && known.residue % of == 0
    }

    /// What a value is called where its value was loaded with others.
    pub(super) fn hoisted(&self, id: ExprId) -> Option<&str> {
        self.hoists.get(&id).map(String::as_str)
    }

    /// Adds a line.
    pub(super) fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = 2 * self.depth);
    }

    /// Adds a block with lines of its own.
    pub(super) fn braces(&mut self, head: &str, inner: impl FnOnce(&mut Self)) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        inner(self);
        self.depth -= 1;
        self.line("}");
    }

    /// Adds lines that are further inside.
    pub(super) fn nested(&mut self, inner: impl FnOnce(&mut Self)) {
        self.depth += 1;
        inner(self);
        self.depth -= 1;
    }

    /// Adds statements.
    pub(super) fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            self.before(stmt);
            self.statement(stmt);
        }
    }

    fn statement(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::For(l) => self.repeat(l),
            Stmt::If { cond, then, otherwise } => self.branch(*cond, then, otherwise),
            Stmt::Store { buffer, at, value } if self.send(*buffer, at, *value, None) => {}
            Stmt::Store { buffer, at, value } => {
                let place = self.place(*buffer, at);
                let value = self.text(*value);
                self.line(&format!("{place} = {value};"));
            }
            Stmt::Reduce { buffer, at, op, value } => {
                let place = self.place(*buffer, at);
                let joined = self.joined(*op, &place, self.kernel.buffers[*buffer].dtype, *value);
                self.line(&joined);
            }
            // Declared where the launch begins.
            Stmt::Alloc { body, .. } => self.block(body),
            Stmt::Combine { buffer, at, op, over } => self.combine(*buffer, at, *op, over),
            Stmt::Barrier => {
                if self.is_grouped {
                    self.line("ftc_show();");
                }
                self.line("__syncthreads();");
            }
            Stmt::Wait { pending } => self.wait(*pending),
        }
    }

    fn branch(&mut self, cond: ExprId, then: &Block, otherwise: &Block) {
        let axes = self.pool.axes(cond);
        let is_apart = self.pool.has_load(cond) || self.threads.iter().any(|at| axes.contains(&at.axis));
        self.apart += usize::from(is_apart);
        let cond = self.text(cond);
        self.braces(&format!("if ({cond})"), |this| this.block(then));
        if !otherwise.is_empty() {
            // Behind the brace that was just closed.
            self.out.truncate(self.out.trim_end().len());
            self.out.push_str(" else {\n");
            self.depth += 1;
            self.block(otherwise);
            self.depth -= 1;
            self.line("}");
        }
        self.apart -= usize::from(is_apart);
    }

    fn repeat(&mut self, l: &For) {
        match l.kind {
            LoopKind::Vector if self.sends(l) || self.lanes(l) => {}
            LoopKind::Tensor if self.tiles(l) => {}
            LoopKind::Unroll | LoopKind::Vector | LoopKind::Tensor => {
                self.line("#pragma unroll");
                self.counted(l.axis, l.extent, |this| this.block(&l.body));
            }
            LoopKind::Serial | LoopKind::Parallel | LoopKind::Grid(_) | LoopKind::Block(_) => {
                self.counted(l.axis, l.extent, |this| this.block(&l.body));
            }
        }
    }

    /// A loop of C.
    pub(super) fn counted(&mut self, axis: AxisId, extent: i64, inner: impl FnOnce(&mut Self)) {
        let name = self.names.axis(axis);
        let dtype = if i32::try_from(extent).is_ok() { "int" } else { "long long" };
        let head = format!("for ({dtype} {name} = 0; {name} < {extent}; ++{name})");
        self.braces(&head, |this| {
            let is_known = this.under_way.is_none();
            inner(this);
            // What was begun in an iteration ends in it.
            if is_known {
                this.catch_up();
            }
        });
    }

    /// Declares the temporaries of a thread.
    pub(super) fn declare(&mut self, body: &[Stmt]) {
        let mut found = Vec::new();
        temporaries(body, &mut found, &mut BTreeSet::new());
        // What is in main memory comes from the host.
        for id in found.into_iter().filter(|&id| !is_main(&self.kernel.buffers[id].kind)) {
            let declared = declaration(self.kernel, self.names, id);
            self.line(&format!("{declared};"));
        }
    }
}

/// `float acc[2][4]`
pub(super) fn declaration(kernel: &Kernel, names: &Names, id: TensorId) -> String {
    let buffer = &kernel.buffers[id];
    let dims = dims(&buffer.shape);
    // Vectors of what a thread has in its stack may be loaded at once.
    let align = if buffer.kind == BufferKind::Temp(Scope::Stack) { "__align__(16) " } else { "" };
    format!("{align}{} {}{dims}", local(buffer.dtype), names.buffer(id))
}

/// The extents of an array: `[2][4]`.
pub(super) fn dims(shape: &[i64]) -> String {
    shape.iter().map(|extent| format!("[{extent}]")).collect::<Vec<_>>().concat()
}

/// The temporaries that are allocated in some statements, in their order.
fn temporaries(body: &[Stmt], found: &mut Vec<TensorId>, seen: &mut BTreeSet<TensorId>) {
    for stmt in body {
        match stmt {
            Stmt::Alloc { buffer, body } => {
                if seen.insert(*buffer) {
                    found.push(*buffer);
                }
                temporaries(body, found, seen);
            }
            Stmt::For(l) => temporaries(&l.body, found, seen),
            Stmt::If { then, otherwise, .. } => {
                temporaries(then, found, seen);
                temporaries(otherwise, found, seen);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}

/// Whether elements of a buffer have addresses, so that several can be loaded at once.
pub(super) fn has_addresses(kernel: &Kernel, id: TensorId) -> bool {
    let buffer = &kernel.buffers[id];
    let is_shared = matches!(buffer.kind, BufferKind::Temp(scope) if scope.is_shared());
    (is_main(&buffer.kind) || is_shared) && buffer.dtype != DType::Bool
}
