//! Measuring candidates: worker processes, checks, times.
//!
//! Whatever a candidate does, it costs one trial: it is compiled, checked and timed in a worker process, under limits of
//! time and memory. Candidates of a batch are compiled on all cores, and timed one at a time with nothing beside them.
//!
//! - `protocol`: what ftc and a worker say to each other; `worker`: the worker's side; `crew` and `process`: ftc's side;
//! - `callee`: which of a candidate's functions is called, and with what;
//! - `candidates`: the space of a whole kernel, and the schedule, loops and prediction of each point; `arrangement`: the
//!   part of it in which nests are where they are;
//! - `samples` and `anchor`: how calls are timed beside others, and what that says; `meter` and `batch`: seconds of points;
//!   `again`: what is timed once more; `last`: the final among the leaders;
//! - `parallel`: work on all cores;
//! - `accuracy`: how far results may be from those expected.

pub mod accuracy;
mod again;
mod anchor;
mod arrangement;
pub mod batch;
mod callee;
pub mod candidates;
pub mod crew;
mod gpu;
mod last;
pub mod meter;
pub mod parallel;
mod process;
pub mod protocol;
pub mod samples;
pub mod worker;
