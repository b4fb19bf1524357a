//! Searching a space for its cheapest point.
//!
//! In `FlexTensor`'s words a space has *knobs*, a *point* picks a value of each, and a *direction* leads from a point to
//! a neighbour by changing one knob. This room knows nothing else of what it searches: it takes the knobs, something
//! that says what a point costs, and a seed where a method uses chance; it gives points. It reads no clock and no files,
//! so that the same costs and seed give the same search.
//!
//! [`climb`] needs predictions alone, and is what chooses a schedule where nothing is measured.

mod climb;

pub use climb::{Climbed, climb, spread};
