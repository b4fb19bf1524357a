//! Integration tests.

mod expr_gen;
mod expr_prove;
mod expr_text;
mod graphs;
mod interp;
mod ir_text;
mod syntax;
