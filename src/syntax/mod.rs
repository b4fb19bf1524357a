//! Source text to syntax tree, and back.
//!
//! `lexer` (the only user of logos) cuts text into tokens and finds where statements end; `parser` (the only user of
//! lalrpop) builds the tree by `grammar/ftc.lalrpop`, recovering from errors; `print` writes a tree as canonical text
//! with its comments, which is also the formatter: `parse(print(tree)) == tree`.

pub mod ast;
