//! The same work on many things, on all cores.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread::{Scope, ScopedJoinHandle};

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

/// Something that another thread does meanwhile.
pub struct Beside<'scope, R, W>(Result<ScopedJoinHandle<'scope, R>, W>);

/// Has other work done by another thread; if there is none, when it is asked for.
pub fn beside<'scope, 'env, R, W>(scope: &'scope Scope<'scope, 'env>, work: W) -> Beside<'scope, R, W>
where
    R: Send + 'scope,
    W: Fn() -> R + Clone + Send + 'scope,
{
    let builder = std::thread::Builder::new().stack_size(STACK);
    Beside(builder.spawn_scoped(scope, work.clone()).map_err(|_| work))
}

impl<R, W: Fn() -> R> Beside<'_, R, W> {
    /// What became of it.
    pub fn join(self) -> R {
        match self.0 {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(work) => work(),
        }
    }
}

impl<R, W> std::fmt::Debug for Beside<'_, R, W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Beside")
    }
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
