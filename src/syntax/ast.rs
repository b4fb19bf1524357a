//! The syntax tree: what was written, with spans, before any name has a meaning.
//!
//! Nesting is limited by the parser, so recursion over a tree is safe.

use crate::source::Span;

/// A name and its place.
#[derive(Clone, Debug)]
pub struct Ident {
    /// The text.
    pub name: String,
    /// The place.
    pub span: Span,
}

/// One source file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The `//!` lines at the top, without the marker.
    pub docs: Vec<String>,
    /// The items in order.
    pub items: Vec<Item>,
    /// Ordinary `//` comments, in order; the printer puts them back.
    pub comments: Vec<Comment>,
}

/// A `//` comment.
#[derive(Clone, Debug)]
pub struct Comment {
    /// The text with its marker, without trailing blanks.
    pub text: String,
    /// The place.
    pub span: Span,
    /// Whether code stands before it on its line.
    pub trailing: bool,
}

/// Something at the top level of a file.
#[derive(Clone, Debug)]
pub enum Item {
    /// `use std::nn::{conv2d, dense}`
    Use(Use),
    /// `const N = 1024`
    Const(ConstItem),
    /// `fn f(…) -> (…) { … }`
    Function(Function),
    /// `variant v of f when … { … }`
    Variant(Variant),
    /// `export name = f(…)`
    Export(Export),
    /// `schedule f for x86 { … }`
    Schedule(Schedule),
    /// Something that did not parse; an error was reported.
    Error(Span),
}

/// `use path::{a, b as c}`, or `use path::a`, which lists one name.
#[derive(Clone, Debug)]
pub struct Use {
    /// The module: `std`, `nn`.
    pub path: Vec<Ident>,
    /// The names taken from it.
    pub names: Vec<UseName>,
    /// Whether the names stand in braces.
    pub braces: Braces,
    /// The whole item.
    pub span: Span,
}

/// Whether a list was written in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Braces {
    /// `{a, b}`
    Present,
    /// `a`
    Absent,
}

/// A name taken by a `use`.
#[derive(Clone, Debug)]
pub struct UseName {
    /// Its name in the module.
    pub name: Ident,
    /// Its name here, if another.
    pub alias: Option<Ident>,
}

/// `const NAME = value`: a compile-time number for the whole file.
#[derive(Clone, Debug)]
pub struct ConstItem {
    /// The `///` lines.
    pub docs: Vec<String>,
    /// The name.
    pub name: Ident,
    /// The value.
    pub value: Expr,
    /// The whole item.
    pub span: Span,
}

/// A function: shapes in, shapes out, and a definition of every output element.
#[derive(Clone, Debug)]
pub struct Function {
    /// The `///` lines, without the marker.
    pub docs: Vec<String>,
    /// `#[workload(…)]`
    pub attrs: Vec<Attr>,
    /// Whether other files may use it.
    pub is_pub: bool,
    /// The name.
    pub name: Ident,
    /// `<T: float>`
    pub generics: Vec<Generic>,
    /// Arguments.
    pub params: Vec<Param>,
    /// Results.
    pub outputs: Vec<Output>,
    /// The `where` clauses.
    pub clauses: Vec<Clause>,
    /// The statements.
    pub body: Vec<Stmt>,
    /// From `pub` or `fn` to the closing brace.
    pub span: Span,
}

/// `#[name(key = value, …)]`
#[derive(Clone, Debug)]
pub struct Attr {
    /// The name.
    pub name: Ident,
    /// The entries.
    pub args: Vec<(Ident, Expr)>,
    /// The whole attribute.
    pub span: Span,
}

/// `T: float`
#[derive(Clone, Debug)]
pub struct Generic {
    /// The parameter.
    pub name: Ident,
    /// The class of element types it ranges over.
    pub bound: Ident,
}

/// An argument of a function.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name.
    pub name: Ident,
    /// Whether it was declared `const`: the same in every call.
    pub is_const: bool,
    /// Its type.
    pub ty: Type,
    /// The value where a call gives none.
    pub default: Option<Expr>,
}

/// A result of a function.
#[derive(Clone, Debug)]
pub struct Output {
    /// The name.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
}

/// `T[N, C, 3]`, `int`, `f32`, `T[..S]`
#[derive(Clone, Debug)]
pub struct Type {
    /// Element type, a type parameter, or `int`.
    pub elem: Ident,
    /// Extents; none for a compile-time scalar.
    pub dims: Option<Vec<Dim>>,
    /// The whole type.
    pub span: Span,
}

/// One extent of a type, or several.
#[derive(Clone, Debug)]
pub enum Dim {
    /// A size: a name that it binds, or an expression.
    Size(Expr),
    /// `..S`: any number of extents.
    Spread(Ident),
}

/// A `where` clause.
#[derive(Clone, Debug)]
pub enum Clause {
    /// `P = H - R + 1`
    Define {
        /// The size.
        name: Ident,
        /// Its value.
        value: Expr,
    },
    /// `K % groups == 0`
    Require(Expr),
}

/// `variant name of function when condition { body }`
#[derive(Clone, Debug)]
pub struct Variant {
    /// The `///` lines.
    pub docs: Vec<String>,
    /// `#[inexact]`
    pub attrs: Vec<Attr>,
    /// Its name.
    pub name: Ident,
    /// The function that it is another body for.
    pub function: Ident,
    /// Where it may be used.
    pub when: Option<Expr>,
    /// The statements.
    pub body: Vec<Stmt>,
    /// The whole item.
    pub span: Span,
}

/// `export name = function(arguments)`
#[derive(Clone, Debug)]
pub struct Export {
    /// The `///` lines.
    pub docs: Vec<String>,
    /// The C symbol; where none is written (on the command line), the function's name.
    pub name: Option<Ident>,
    /// The function.
    pub function: Ident,
    /// Shapes and values.
    pub args: Vec<ExportArg>,
    /// The whole item.
    pub span: Span,
}

/// An argument of an export.
#[derive(Clone, Debug)]
pub enum ExportArg {
    /// `w: const f32[256, 128, 3, 3]`
    Tensor {
        /// The parameter.
        name: Ident,
        /// Whether it is the same in every call.
        is_const: bool,
        /// Element type and extents.
        ty: Type,
    },
    /// `pad = 1`
    Value {
        /// The parameter.
        name: Ident,
        /// Its value.
        value: Expr,
    },
}

/// `schedule function for target { steps }`: in which order and where a function is computed, not what.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The `///` lines.
    pub docs: Vec<String>,
    /// An export or a function.
    pub function: Ident,
    /// The variant whose loops it is about; those of the first body if none is written.
    pub variant: Option<Ident>,
    /// The machine that it is for; any if none is written.
    pub target: Option<Ident>,
    /// The steps, in the order in which they are applied.
    pub steps: Vec<Step>,
    /// The whole item.
    pub span: Span,
}

/// One step of a schedule.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it does.
    pub kind: StepKind,
    /// The whole step.
    pub span: Span,
}

/// The kinds of step. Axes and tensors are those of the loops, which only the compiler's later passes know.
#[derive(Clone, Debug)]
pub enum StepKind {
    /// `split j by [?, 2, 16] tail pad`
    Split {
        /// The axis.
        axis: Ident,
        /// All parts, the outermost first; at least one.
        parts: Vec<Part>,
        /// The word after `tail`: one of `peel guard overlap pad`.
        tail: Option<Ident>,
    },
    /// `fuse p q as pq`
    Fuse {
        /// The axes; at least two.
        axes: Vec<Ident>,
        /// The new axis.
        name: Ident,
    },
    /// `phases p q by [2, 2]`
    Phases {
        /// The axes.
        axes: Vec<Ident>,
        /// For each of them, the number of phases.
        counts: Vec<Part>,
    },
    /// `reorder i.0 k.0 i.1`
    Reorder(Vec<Ident>),
    /// `parallel i.0`
    Parallel(Ident),
    /// `vectorize j.2`
    Vectorize(Ident),
    /// `unroll i.1 j.1`
    Unroll(Vec<Ident>),
    /// `bind i.0 to grid.x`
    Bind {
        /// The axis.
        axis: Ident,
        /// The coordinate: one of `grid.x … block.z`.
        to: Ident,
    },
    /// `store x as [c, r, p]`
    Store {
        /// The tensor that is read.
        operand: Ident,
        /// The axes of what is stored.
        layout: Vec<Ident>,
    },
    /// `stage B at k.0 as [k.1, j.1] in stack`
    Stage {
        /// The tensor that is copied.
        operand: Ident,
        /// Where it is copied; before all loops if none.
        place: Option<Place>,
        /// The axes of the copy.
        layout: Option<Vec<Ident>>,
        /// The word after `in`: one of `global stack register shared`.
        scope: Option<Ident>,
    },
    /// `accumulate at k.0`
    Accumulate(Ident),
    /// `pipeline k.0 by 4`
    Pipeline {
        /// The axis inside of which copies are made.
        axis: Ident,
        /// The number of buffers.
        stages: Option<Part>,
    },
    /// `tensorize i.3 j.3 k.2 as tf32`
    Tensorize {
        /// The rows, the columns and the terms of a tile.
        axes: [Ident; 3],
        /// What its numbers are rounded to: `tf32`.
        numbers: Option<Ident>,
    },
    /// `rfactor k.1`
    Rfactor(Ident),
    /// `inline t`
    Inline(Ident),
    /// `compute t at y.p`
    Compute {
        /// The tensor.
        tensor: Ident,
        /// The axis inside of which it is computed.
        at: Ident,
    },
    /// Something that did not parse; an error was reported.
    Error,
}

/// Where a copy is made.
#[derive(Clone, Debug)]
pub enum Place {
    /// `at k.0`: inside of this loop.
    Inside(Ident),
    /// `before i.0`: just outside of it.
    Before(Ident),
}

/// A part of a split axis.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its number of values; none for `?`.
    pub extent: Option<i64>,
    /// The place.
    pub span: Span,
}

/// A statement of a function's body.
#[derive(Clone, Debug)]
pub struct Stmt {
    /// What it is.
    pub kind: StmtKind,
    /// The whole statement.
    pub span: Span,
}

/// The kinds of statement.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// `let m[n] = max[c](x[n, c])` and `C[i, j] = …`: a definition element by element.
    Element {
        /// Whether it was introduced by `let`: a new tensor, not an output.
        is_let: bool,
        /// The tensor.
        target: Ident,
        /// Its indices.
        indices: Vec<Index>,
        /// The value of an element.
        value: Expr,
    },
    /// `let c = conv2d(x, w)`, `let half = R / 2`, `let first = (k) => …`, `y = f(x)`, `let (a, b) = f(x)`.
    Whole {
        /// Whether it was introduced by `let`.
        is_let: bool,
        /// The names; several for a function with several results.
        targets: Vec<Ident>,
        /// The value.
        value: Expr,
    },
    /// Something that did not parse; an error was reported.
    Error,
}

/// An index on the left of a definition.
#[derive(Clone, Debug)]
pub enum Index {
    /// `i`, `i: N`, `2 * i + 1`
    At {
        /// The subscript.
        expr: Expr,
        /// The number of values, where it is written.
        range: Option<Expr>,
    },
    /// `..i`: an index for each extent of a spread.
    Spread(Ident),
}

/// An expression: of elements, of sizes, or of whole tensors, as the place says.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// The whole expression.
    pub span: Span,
}

/// The kinds of expression.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `3`; the lexer has checked that it fits.
    Int(i64),
    /// `0.5`, `1e-5`
    Float(f64),
    /// `true`, `false`
    Bool(bool),
    /// A name; `inf`, `nan` and `pi` are names with a meaning.
    Name(String),
    /// `-x`, `!c`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if c { a } else { b }`
    If {
        /// The condition.
        cond: Box<Expr>,
        /// Where it holds.
        then: Box<Expr>,
        /// Where it does not; another `If` for `else if`.
        otherwise: Box<Expr>,
    },
    /// `{ let s = e … result }`
    Block {
        /// The scalars that it names.
        lets: Vec<LocalLet>,
        /// Its value.
        result: Box<Expr>,
    },
    /// `x[n, c + 1] else 0`
    Read {
        /// The tensor.
        tensor: Ident,
        /// Its subscripts.
        at: Vec<Subscript>,
        /// The value outside.
        otherwise: Option<Box<Expr>>,
    },
    /// `sum[k, c: C / 2](…)`
    Reduce {
        /// `sum prod max min any all argmax argmin`, not yet checked.
        op: Ident,
        /// What is reduced over.
        indices: Vec<ReduceIndex>,
        /// What is reduced.
        body: Box<Expr>,
    },
    /// `exp(x)`, `f32(i)`, `first(k)`, `conv2d(x, w, pad = 1)`
    Call {
        /// An intrinsic, a cast, a local helper, or a function.
        callee: Ident,
        /// The arguments.
        args: Vec<Arg>,
    },
    /// `(k) => k / 2`
    Lambda {
        /// The parameters.
        params: Vec<Ident>,
        /// The value.
        body: Box<Expr>,
    },
    /// `[[1, 0], [0, 1]]`: a table of constants.
    Array(Vec<Expr>),
    /// `0..N`: only in attributes.
    Range(Box<Expr>, Box<Expr>),
    /// Something that did not parse; an error was reported.
    Error,
}

/// `let s = e` inside a block.
#[derive(Clone, Debug)]
pub struct LocalLet {
    /// The name.
    pub name: Ident,
    /// The value.
    pub value: Expr,
}

/// A subscript of a read.
#[derive(Clone, Debug)]
pub enum Subscript {
    /// An index expression.
    At(Expr),
    /// `..i`
    Spread(Ident),
}

/// An index of a reduction.
#[derive(Clone, Debug)]
pub enum ReduceIndex {
    /// `k`, `k: K`
    One {
        /// The index.
        name: Ident,
        /// The number of values, where it is written.
        range: Option<Expr>,
    },
    /// `..i`
    Spread(Ident),
}

/// An argument of a call.
#[derive(Clone, Debug)]
pub struct Arg {
    /// `pad` in `pad = 1`.
    pub name: Option<Ident>,
    /// The value.
    pub value: Expr,
}

/// Prefix operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum UnaryOp {
    Neg,
    Not,
}

/// Infix operators, as in Rust: `*` over `+` over comparisons over `&&` over `||`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}
