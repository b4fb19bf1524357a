//! The text form of a kernel; `parse` reads it back, and what it reads prints the same.
//!
//! ```text
//! kernel gemm(A: f32[64, 64], B: const f32[64, 64]) -> (C: f32[64, 64]) {
//!   constant T: f32[2] = [0.5, 1.0]
//!   parallel for i in 64 {
//!     for j in 64 {
//!       alloc acc: f32[] register {
//!         acc[] = 0.0
//!         for k in 64 {
//!           acc[] += A[i, k] * B[k, j]
//!         }
//!         if j < 63 {
//!           C[i, j] = acc[] * T[0]
//!         } else {
//!           C[i, j] = acc[]
//!         }
//!       }
//!     }
//!   }
//! }
//! ```
//!
//! - Loop kinds stand before `for`: `parallel`, `unroll`, `vector`, `grid.x`, `block.z`; a serial loop has none.
//! - Scopes of temporaries: `global`, `stack`, `register`, `shared`.
//! - Reductions: `+=`, `*=`, `min=`, `max=`, `||=` (any), `&&=` (all). `barrier` is a statement, and so is
//!   `combine acc[] += over t`, with any number of axes.
//! - Expressions and names are as in [`crate::expr::print`].

use super::{Block, Buffer, BufferKind, For, Kernel, LoopKind, Scope, Stmt};
use crate::expr::print::{Names, print as print_expr, print_const, print_list, print_name};
use crate::expr::{AxisId, ExprId, TensorId};
use crate::scalar::ReduceOp;

/// The text of a kernel.
pub fn print(kernel: &Kernel) -> String {
    let mut printer = Printer { kernel, out: String::new(), depth: 1 };
    printer.kernel();
    printer.out
}

impl std::fmt::Display for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&print(self))
    }
}

impl Names for Kernel {
    fn axis(&self, id: AxisId) -> &str {
        self.axes.get(id).map_or("?", |axis| &axis.name)
    }

    fn tensor(&self, id: TensorId) -> &str {
        self.buffers.get(id).map_or("?", |buffer| &buffer.name)
    }
}

/// All kinds of loops with the word before `for`.
pub(super) const KINDS: [(LoopKind, &str); 11] = [
    (LoopKind::Serial, ""),
    (LoopKind::Parallel, "parallel"),
    (LoopKind::Unroll, "unroll"),
    (LoopKind::Vector, "vector"),
    (LoopKind::Tensor, "tensor"),
    (LoopKind::Grid(0), "grid.x"),
    (LoopKind::Grid(1), "grid.y"),
    (LoopKind::Grid(2), "grid.z"),
    (LoopKind::Block(0), "block.x"),
    (LoopKind::Block(1), "block.y"),
    (LoopKind::Block(2), "block.z"),
];

/// All scopes with their words.
pub(super) const SCOPES: [(Scope, &str); 5] = [
    (Scope::Global, "global"),
    (Scope::Stack, "stack"),
    (Scope::Register, "register"),
    (Scope::Shared, "shared"),
    (Scope::Async, "async"),
];

/// All reductions with their symbols.
pub(super) const REDUCTIONS: [(ReduceOp, &str); 6] = [
    (ReduceOp::Sum, "+="),
    (ReduceOp::Prod, "*="),
    (ReduceOp::Min, "min="),
    (ReduceOp::Max, "max="),
    (ReduceOp::Any, "||="),
    (ReduceOp::All, "&&="),
];

fn spelling<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> &'static str {
    table.iter().find(|(known, _)| known == value).map_or("?", |(_, word)| word)
}

impl LoopKind {
    /// The word before `for`; empty for a serial loop.
    pub fn name(self) -> &'static str {
        spelling(&KINDS, &self)
    }
}

impl Scope {
    /// The word in an `alloc`.
    pub fn name(self) -> &'static str {
        spelling(&SCOPES, &self)
    }
}

struct Printer<'a> {
    kernel: &'a Kernel,
    out: String,
    depth: usize,
}

impl Printer<'_> {
    fn kernel(&mut self) {
        let kernel = self.kernel;
        let (outputs, inputs): (Vec<_>, Vec<_>) =
            kernel.params.iter().map(|&id| &kernel.buffers[id]).partition(|buffer| buffer.kind == BufferKind::Output);
        let (name, inputs, outputs) = (print_name(&kernel.name), list(&inputs), list(&outputs));
        self.out.extend(["kernel ", &name, "(", &inputs, ") -> (", &outputs, ") {\n"]);
        for (_, buffer) in kernel.buffers.iter() {
            if let BufferKind::Constant(values) = &buffer.kind {
                let values: Vec<_> = values.iter().map(|&value| print_const(value)).collect();
                self.line(&format!("constant {} = [{}]", typed(buffer), values.join(", ")));
            }
        }
        self.block(&kernel.body);
        self.out += "}\n";
    }

    fn line(&mut self, text: &str) {
        self.out.extend(std::iter::repeat_n("  ", self.depth));
        self.out += text;
        self.out.push('\n');
    }

    fn block(&mut self, block: &Block) {
        for stmt in block {
            self.stmt(stmt);
        }
    }

    fn nested(&mut self, head: &str, body: &Block) {
        self.line(&format!("{head} {{"));
        self.depth += 1;
        self.block(body);
        self.depth -= 1;
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::For(For { axis, extent, kind, body }) => {
                let kind = if *kind == LoopKind::Serial { String::new() } else { format!("{} ", kind.name()) };
                let axis = print_name(self.kernel.axis(*axis));
                self.nested(&format!("{kind}for {axis} in {extent}"), body);
                self.line("}");
            }
            Stmt::If { .. } => self.conditional(stmt),
            Stmt::Store { buffer, at, value } => self.assign(*buffer, at, "=", *value),
            Stmt::Reduce { buffer, at, op, value } => self.assign(*buffer, at, spelling(&REDUCTIONS, op), *value),
            Stmt::Alloc { buffer, body } => {
                let buffer = &self.kernel.buffers[*buffer];
                let scope = if let BufferKind::Temp(scope) = buffer.kind { scope.name() } else { "?" };
                self.nested(&format!("alloc {} {scope}", typed(buffer)), body);
                self.line("}");
            }
            Stmt::Combine { buffer, at, op, over } => {
                let target = print_name(self.kernel.tensor(*buffer));
                let at = print_list(&self.kernel.pool, at, self.kernel);
                let axes: Vec<_> = over.iter().map(|&axis| print_name(self.kernel.axis(axis))).collect();
                self.line(&format!("combine {target}[{at}] {} over {}", spelling(&REDUCTIONS, op), axes.join(", ")));
            }
            Stmt::Barrier => self.line("barrier"),
            Stmt::Wait { pending } => self.line(&format!("wait {pending}")),
        }
    }

    fn conditional(&mut self, mut stmt: &Stmt) {
        let mut lead = "if".to_owned();
        while let Stmt::If { cond, then, otherwise } = stmt {
            self.nested(&format!("{lead} {}", print_expr(&self.kernel.pool, *cond, self.kernel)), then);
            match otherwise.as_slice() {
                [] => break,
                [next @ Stmt::If { .. }] => {
                    "} else if".clone_into(&mut lead);
                    stmt = next;
                }
                _ => {
                    self.nested("} else", otherwise);
                    break;
                }
            }
        }
        self.line("}");
    }

    fn assign(&mut self, buffer: TensorId, at: &[ExprId], how: &str, value: ExprId) {
        let pool = &self.kernel.pool;
        let target = print_name(self.kernel.tensor(buffer));
        let at = print_list(pool, at, self.kernel);
        let value = print_expr(pool, value, self.kernel);
        self.line(&format!("{target}[{at}] {how} {value}"));
    }
}

fn list(buffers: &[&Buffer]) -> String {
    buffers.iter().map(|buffer| typed(buffer)).collect::<Vec<_>>().join(", ")
}

/// `A: const f32[64, 64]`
fn typed(buffer: &Buffer) -> String {
    let constant = if buffer.kind == (BufferKind::Input { is_const: true }) { "const " } else { "" };
    let extents: Vec<_> = buffer.shape.iter().map(ToString::to_string).collect();
    format!("{}: {constant}{}[{}]", print_name(&buffer.name), buffer.dtype, extents.join(", "))
}
