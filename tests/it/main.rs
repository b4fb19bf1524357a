//! Integration tests.

mod cli;
mod cli_code;
mod codegen;
mod draft;
mod eval;
mod expr_gen;
mod expr_prove;
mod expr_simplify;
mod expr_text;
mod flops;
mod front;
mod graph_gen;
mod graph_verify;
mod graphs;
mod interp;
mod ir_text;
mod loops_simplify;
mod loops_verify;
mod lower;
mod place;
mod run;
mod stdlib;
mod syntax;
mod syntax_print;
mod ui;
