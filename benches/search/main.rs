//! Methods of search side by side: the best time that each found so far over the best that any found at all, as a table
//! and as plots, over trials and, where something was measured, over seconds.
//!
//! ```text
//! cargo bench --bench search -- fog OUT.svg [TRIALS] [SEEDS]                 nothing is measured; minutes
//! cargo bench --bench search -- live LOGS OUT.svg [SECONDS] [SEEDS]          ten kernels, measured; logs are kept
//! cargo bench --bench search -- logs LOGS OUT.svg                            the same plots of logs that are there
//! ```
//!
//! `live` goes through kernels, methods and seeds, 6 seconds and 2 seeds each if nothing else is said: a quarter of an hour.
//! What has a log in the folder LOGS already is not searched again, so it can be stopped, and gone on with. Nothing else
//! should run beside it.

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]

mod curves;
mod fog;
mod live;

use std::path::Path;

use ftc::explore::Method;

/// The methods that are compared: spaces are too large to try everything.
fn methods() -> impl Iterator<Item = (Method, &'static str)> {
    Method::ALL.into_iter().filter(|(method, _)| *method != Method::Exhaustive)
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: Option<&&str>, default: usize| text.and_then(|text| text.parse().ok()).unwrap_or(default);
    match words.as_slice() {
        ["fog", out, rest @ ..] => {
            let curves = fog::curves(number(rest.first(), 200), number(rest.get(1), 5));
            curves::report(&curves, Path::new(out));
        }
        ["live", logs, out, rest @ ..] => {
            live::search(Path::new(logs), number(rest.first(), 6), number(rest.get(1), 2));
            curves::report(&live::curves(Path::new(logs)), Path::new(out));
        }
        ["logs", logs, out] => curves::report(&live::curves(Path::new(logs)), Path::new(out)),
        _ => println!(
            "usage: cargo bench --bench search -- fog|live|logs …; the head of benches/search/main.rs says more"
        ),
    }
}
