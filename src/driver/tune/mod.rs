//! `ftc tune`: schedules found by measuring.

use std::io;

use super::error;
use super::session::{Outcome, Session};
use crate::measure::worker;

/// Works for another ftc until it has no more to do.
pub fn work(session: &mut Session) -> Outcome<()> {
    // Ctrl-C is for that other one: it says what is to become of its workers.
    let _ = ctrlc::set_handler(|| {});
    worker::serve(io::stdin().lock(), io::stdout().lock())
        .map_err(|cause| session.environment(error::unwritable("to standard output", &cause)))
}
