//! Where the threads of kernels run while they are timed: each on a core of its own.
//!
//! Left alone, the system may put two threads of OpenMP on one core and not part them for whole slices of time: a call of
//! 0.8 ms then takes 8 ms, in one run and not in the next. OpenMP's runtime binds its threads when the environment asks
//! for it before the first library is loaded. It binds the thread that loads it and those that call, too, and what such a
//! thread starts later would inherit its core; hence [`on_own`].

#![expect(unsafe_code, reason = "the environment of this process is changed")]

/// The variable that asks OpenMP for bound threads, and its value; none where a user has set it, which stands.
pub fn binding() -> Option<(&'static str, &'static str)> {
    const NAME: &str = "OMP_PROC_BIND";
    std::env::var_os(NAME).is_none().then_some((NAME, "true"))
}

/// Asks for bound threads in this process and those that it starts. To be called while there is one thread.
pub fn bind() {
    if let Some((name, value)) = binding() {
        // SAFETY: nobody else reads the environment, as there is no other thread.
        unsafe { std::env::set_var(name, value) };
    }
}

/// Runs something that loads or calls kernels on a thread of its own, which ends with it, so that the caller is not bound.
pub fn on_own<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
