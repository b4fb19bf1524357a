//! `ftc`: a compiler from tensor formulas to fast kernels.
//!
//! A source file says *what* every element of every output is. `ftc` checks that the shapes agree and that no read
//! can leave its tensor, turns each export into loops, and the loops into a function that C can call.
//!
//! ```text
//!  .ft ──lexer──> tokens ──grammar──> AST ──sema──> tensor graph ──lower──> naive loop IR ──schedule──> loop IR
//!                                                       │ verify                │ verify                   │ verify
//!                                                       ▼                                     ┌────────────┼──────────┐
//!                                                   evaluator                            interpreter     LLVM IR   CUDA C
//!                                                                                                    .o .a .so .h  .cubin .so
//! ```
//!
//! # The rooms
//!
//! The modules below stand in the order of the pipeline. A room imports only from rooms above it, and not from all of
//! those; `tests/it/tidy.rs` has the table, and fails on any other arrow.
//!
//! - [`arena`]: typed ids, arenas that own what the ids name, side tables. Both IRs are built of them.
//! - [`source`]: the files of a run, and places in them.
//! - [`diag`]: a [`Diagnostic`](diag::Diagnostic) says what is wrong, where, why it was expected otherwise, and what to
//!   type. Every kind has a code, and every code a page (`ftc explain E0203`).
//! - [`scalar`]: element types, constants, and the one table of operations, with what each means on constants. Adding an
//!   operation is one row there, and the arms that the compiler then asks for.
//! - [`expr`]: scalar expressions over axes and tensors, interned; bounds, proofs, simplification. The tensor graph and
//!   the loop IR share them.
//! - [`syntax`]: text to syntax tree, and back to canonical text. Knows no meaning.
//! - [`graph`]: the tensor graph, the first IR: one exported computation with all sizes known, stage by stage. It says
//!   what is computed, not when or where.
//! - [`sema`]: syntax tree to tensor graph. Names, types, sizes, ranges, and the proof that every access stays inside,
//!   for all the sizes that a function allows. The only room that a wrong program is seen by.
//! - [`loops`]: the loop IR, the second one: an order in which to compute, with every loop, buffer and store in the
//!   open. Its interpreter defines what a kernel means.
//! - [`lower`]: graph to naive loop nests. No optimisation here.
//! - [`target`]: what a machine is, as data.
//! - [`schedule`]: steps that change the order and the place of computing, never the result; each with what makes it
//!   legal.
//! - [`space`]: the schedules worth considering for a nest, from its structure and a machine alone. [`model`]: which of
//!   them is cheapest, without running any.
//! - [`explore`]: searching a space for its cheapest point, whatever says what a point costs.
//! - [`codegen`]: loops to machine code, through LLVM, and to CUDA C.
//! - [`artifact`]: objects to what other programs use: archives, shared libraries, C headers.
//! - [`runtime`]: arrays, `.npy` files, libraries loaded and called.
//! - [`measure`]: candidates compiled, checked and timed in processes of their own.
//! - [`driver`]: the pipeline on one page, and one file for each command. The only room that reads files of the user's,
//!   and the environment.
//! - [`cli`]: the command line.
//!
//! # Invariants
//!
//! - No input makes the compiler panic or hang. What is wrong with it is a diagnostic.
//! - A function that checks can be instantiated at every size that its clauses allow, and no kernel made of it reads
//!   or writes outside its tensors.
//! - Every pass gives what its IR's `verify` accepts, and a kernel that verifies never makes a backend panic. The
//!   driver verifies after each pass; a violation is an internal error, never a diagnostic.
//! - A pass changes how something is computed, never what: the evaluator of graphs, the interpreter before and after
//!   each pass, and the compiled code agree, up to the roundings of the code.
//! - Rooms before `artifact` do no input or output and read no clock, environment or random source; chance comes in as a
//!   seed.
//! - The same source and target give the same bytes, on any machine. Nothing iterates over a hash map on its way to an
//!   output.
//! - No operator has a branch of its own in the compiler. Operators live in `stdlib/*.ft`.
//!
//! # Words
//!
//! - *Export*: a function with all sizes given; becomes one C symbol.
//! - *Size*: a compile-time integer, such as the `N` of `x: f32[N]`. *Extent*: the size of one dimension. *Spread*: any
//!   number of them, `..S`.
//! - *Stage*: the definition of one tensor, or of a part of one, in a graph.
//! - *Axis*: the index variable of one loop. *Spatial* axes say which element is defined; *reduced* ones are summed (or
//!   multiplied, compared) over.
//! - *Table*: a tensor of known values.
//! - *Element type* and *compute type*: how a number is stored, and how it is calculated with ([`scalar`]).
//! - *Kernel*: the loops of one export. *Form*: any of the shapes that a program has on its way, `--emit`.
//! - *Internal error*: ftc contradicting itself; exit code 101.

pub mod arena;
pub mod source;

pub mod diag;
pub mod scalar;

pub mod expr;
pub mod syntax;

pub mod graph;
pub mod sema;

pub mod loops;
pub mod lower;

pub mod target;

pub mod schedule;

pub mod model;
pub mod space;

pub mod explore;

pub mod codegen;

pub mod artifact;
pub mod runtime;

pub mod measure;

pub mod driver;

pub mod cli;
