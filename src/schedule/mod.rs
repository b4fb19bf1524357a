//! Schedules: changes of the order and the place of computing that never change results.
//!
//! A [`Schedule`] is a list of [`Step`]s; [`apply`] gives the kernel that they make of a naive one, or says which step
//! is refused and why. It takes a kernel that verifies and gives one.
//!
//! [`rows`] is what is applied where nobody chose a schedule: it gives a reduction a row of accumulators where that
//! makes its innermost loop run along memory.

pub mod rows;
pub mod step;

pub use step::{Schedule, Step, Tail};

use crate::loops::Kernel;

/// Why a schedule cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("step {}: {message}", step + 1)]
pub struct Refused {
    /// The step, counted from 0.
    pub step: usize,
    /// What is wrong with it: "`reorder` would move …".
    pub message: String,
    /// What to do instead, where that is known.
    pub help: Option<String>,
}

/// The kernel under a schedule.
pub fn apply(kernel: &Kernel, schedule: &Schedule) -> Result<Kernel, Refused> {
    match schedule.steps.first() {
        None => Ok(kernel.clone()),
        Some(step) => Err(Refused { step: 0, message: format!("`{step}` is not supported yet"), help: None }),
    }
}
