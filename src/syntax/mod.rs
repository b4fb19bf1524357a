//! Source text to syntax tree, and back.
//!
//! `lexer` (the only user of logos) cuts text into tokens; `layout` cuts tokens into items and finds where statements
//! end; `schedule` knows the words of schedule blocks; `parser` (the only user of lalrpop) builds the tree by `grammar/ftc.lalrpop`, through `build`, recovering from
//! errors, which `expect` puts into words. `print` writes a tree as canonical text with its comments, which is also the
//! formatter: `parse(print(tree)) == tree`.

pub mod ast;
mod build;
mod error;
mod expect;
mod habits;
mod layout;
mod lexer;
mod lookalike;
pub mod parser;
pub mod print;
mod schedule;
mod token;
mod words;
