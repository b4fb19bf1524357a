//! `ftc`: a compiler from tensor formulas to fast kernels.
//!
//! ```text
//!  .ft ──lexer──> tokens ──grammar──> AST ──sema──> tensor graph ──lower──> naive loop IR
//!                                                                              │ verify
//!                                                        ┌─────────────────────┤
//!                                                   interpreter        LLVM IR (inkwell)
//!                                                                       .o .a .so .h
//! ```

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

pub mod codegen;

pub mod artifact;
pub mod runtime;

pub mod driver;

pub mod cli;
