//! Integration tests.

mod expr_gen;
mod expr_prove;
mod graphs;
mod interp;
mod syntax;
