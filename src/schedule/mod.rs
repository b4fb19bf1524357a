//! Schedules: changes of the order and the place of computing that never change results.
//!
//! So far there is one, which is always applied: [`rows`] gives a reduction a row of accumulators where that makes its
//! innermost loop run along memory. It takes a kernel that verifies and gives one.

pub mod rows;
