//! Integration tests.

#![allow(clippy::float_cmp, reason = "tests compare values that are exact")]

mod bench;
mod cli;
mod cli_code;
mod cli_fmt;
mod cli_output;
mod codegen;
mod codegen_files;
mod codegen_math;
mod codegen_random;
mod codegen_threads;
mod codegen_values;
mod codegen_vector;
mod draft;
mod eval;
mod examples;
mod explain;
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
mod ir;
mod ir_text;
mod loops_simplify;
mod loops_verify;
mod lower;
mod pages;
mod place;
mod run;
mod schedule;
mod schedule_gen;
mod schedules;
mod space;
mod stdlib;
mod syntax;
mod syntax_print;
mod tidy;
mod ui;
