//! Schedules that come with ftc: `stdlib/locks/CPU.lock` has those that were measured on a processor, in the form of any
//! other lock. They stand behind the user's own, and what is wrong with one is nobody's business: then it is left out.
//!
//! A file is made by `ftc bench SUITE --budget TIME --lock stdlib/locks/CPU.lock`, where CPU is the processor as locks name
//! it; a test holds all of them to what `ftc` can read and apply.

use super::Lock;
use crate::driver::modules;

/// What is known for a target, in the words of locks.
pub(super) fn lock(target: &str) -> Lock {
    let cpu = target.split(',').next().unwrap_or(target);
    let text = modules::std_file(&format!("locks/{cpu}.lock"));
    text.and_then(|text| Lock::parse(text).ok()).unwrap_or_default()
}
