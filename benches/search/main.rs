//! Methods of search side by side: the best time that each found so far over the best that any found at all, as a table
//! and as plots, over trials and, where something was measured, over seconds.
//!
//! ```text
//! cargo bench --bench search -- fog OUT.svg [TRIALS] [SEEDS]                 nothing is measured; minutes
//! cargo bench --bench search -- live LOGS OUT.svg [--minutes N] [--seeds N] [--methods auto,q,…]
//!                                                                            ten kernels, measured; logs are kept
//! cargo bench --bench search -- duel LOGS OUT.svg                            the same of logs that are there
//! cargo bench --bench search -- logs LOGS OUT.svg                            and without timing winners side by side
//! ```
//!
//! `live` divides its time, 15 minutes if nothing else is said, among kernels, methods and seeds: two seeds of `auto`, to
//! see whether they agree, and one of each other method. At the end the winners of the seeds are timed side by side. What
//! has a log in the folder LOGS already is not searched again, so it can be stopped, and gone on with. Nothing else should
//! run beside it. Tables are printed and go to OUT.txt, plots to OUT.svg and OUT.seconds.svg.

#![expect(clippy::print_stdout, reason = "a benchmark reports on standard output")]

mod curves;
mod duel;
mod fog;
mod live;

use std::path::Path;

use ftc::explore::Method;

/// The methods that are compared: spaces are too large to try everything.
fn methods() -> impl Iterator<Item = (Method, &'static str)> {
    Method::ALL.into_iter().filter(|(method, _)| *method != Method::Exhaustive)
}

/// What the options say.
fn plan(options: &[&str]) -> Option<live::Plan> {
    let names = ["auto", "q", "p", "random", "model"].map(str::to_owned).to_vec();
    let mut plan = live::Plan { minutes: 15.0, seeds: 2, methods: names };
    for option in options.chunks(2) {
        match option {
            ["--minutes", minutes] => plan.minutes = minutes.parse().ok()?,
            ["--seeds", seeds] => plan.seeds = seeds.parse().ok()?,
            ["--methods", names] => plan.methods = names.split(',').map(str::to_owned).collect(),
            _ => return None,
        }
    }
    plan.methods.iter().all(|name| Method::parse(name).is_some()).then_some(plan)
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: Option<&&str>, default: usize| text.and_then(|text| text.parse().ok()).unwrap_or(default);
    match words.as_slice() {
        ["fog", out, rest @ ..] => {
            let curves = fog::curves(number(rest.first(), 200), number(rest.get(1), 5));
            curves::report(&curves, &[], Path::new(out));
        }
        ["live", logs, out, options @ ..] => match plan(options) {
            Some(plan) => {
                live::search(Path::new(logs), &plan);
                curves::report(&live::curves(Path::new(logs)), &duel::duels(Path::new(logs)), Path::new(out));
            }
            None => println!("unknown options; the head of benches/search/main.rs says which there are"),
        },
        ["logs", logs, out] => curves::report(&live::curves(Path::new(logs)), &[], Path::new(out)),
        ["duel", logs, out] => {
            curves::report(&live::curves(Path::new(logs)), &duel::duels(Path::new(logs)), Path::new(out));
        }
        _ => println!(
            "usage: cargo bench --bench search -- fog|live|duel|logs …; the head of benches/search/main.rs says more"
        ),
    }
}
