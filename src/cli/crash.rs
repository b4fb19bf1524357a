//! Where the compiler runs: in a thread with room for deep recursion, and with a hook that turns a panic into a short
//! message and exit code 101.

use std::io::Write;
use std::panic::PanicHookInfo;

/// Trees are at most as deep as the parser allows; this is room for every pass over the deepest.
const STACK: usize = 256 << 20;

/// Runs `work` and gives its exit code, or 101 where it panics.
pub(super) fn guard(work: impl FnOnce() -> u8 + Send + 'static) -> u8 {
    std::panic::set_hook(Box::new(complain));
    match std::thread::Builder::new().name("ftc".to_owned()).stack_size(STACK).spawn(work) {
        Ok(thread) => thread.join().unwrap_or(super::BUG),
        Err(cause) => {
            let _ = writeln!(std::io::stderr(), "error: cannot start a thread with a stack of 256 MB: {cause}");
            super::ENVIRONMENT
        }
    }
}

fn complain(panic: &PanicHookInfo<'_>) {
    let what = words(panic);
    let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
    let _ = write!(std::io::stderr(), "{}", message(&format!("{what}{place}")));
}

/// What was said to `panic!`.
fn words<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("a panic without words")
}

/// What an internal error looks like.
pub(super) fn message(what: &str) -> String {
    format!(
        "error: internal error, this is a bug of ftc: {what}\n  = version: {}\n  = help: please report it, with the \
         source file and the command line\n",
        env!("CARGO_PKG_VERSION")
    )
}
