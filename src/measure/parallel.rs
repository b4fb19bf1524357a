//! The same work on many things, on all cores.

use std::sync::Mutex;
use std::sync::PoisonError;

/// Deep expressions are walked recursively.
const STACK: usize = 64 << 20;

/// What becomes of each thing, in order.
pub fn each<T: Send, R: Send>(things: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let results: Vec<_> = things.iter().map(|_| Mutex::new(None)).collect();
    let count = things.len();
    let waiting = Mutex::new(things.into_iter().enumerate());
    let run = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, thing)) = next else { break };
            *results[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(work(thing));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..cores.min(count) {
            // Without the thread the others do its work.
            let _ = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        }
        run();
    });
    let done = |slot: Mutex<Option<R>>| slot.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().map(|slot| done(slot).expect("every thing was taken, and no thread panicked")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order() {
        let squares = super::each((0..100).collect(), |number: u64| number * number);
        assert_eq!(squares, (0..100).map(|number| number * number).collect::<Vec<_>>());
        assert!(super::each(Vec::<u8>::new(), |number| number).is_empty());
    }
}
