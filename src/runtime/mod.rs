//! Where compiled code meets data: arrays in memory, `.npy` files, and libraries loaded and called.
//!
//! What is *not* here: building a library (that is `artifact`'s), and deciding what a run means (`driver`). This room
//! and the LLVM glue are the only ones with `unsafe` code.

pub mod array;
pub mod gpu;
pub mod library;
pub mod npy;
pub mod threads;

pub use array::Array;
pub use library::Library;
