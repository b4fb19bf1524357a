//! A shared library made by ftc, loaded into this process, and calls of its exports.
//!
//! Every export `NAME` comes with `int32_t NAME_call(void *const *args)`: the tensors' addresses in the order of the
//! C interface, inputs then outputs. It returns 0, or a code that the header documents.

#![expect(unsafe_code, reason = "foreign code is loaded and called")]

use std::ffi::c_void;
use std::marker::PhantomData;
use std::path::Path;

use super::{Array, threads};

/// Why a library cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// The loader's refusal.
    #[error("the library cannot be loaded: {0}")]
    Load(#[source] libloading::Error),
    /// Another library than expected.
    #[error("the library has no function `{symbol}`: {source}")]
    Symbol {
        /// The function.
        symbol: String,
        /// The loader's words.
        source: libloading::Error,
    },
    /// The kernel's own refusal.
    #[error("`{export}` returned error code {code}")]
    Call {
        /// The export.
        export: String,
        /// What it returned.
        code: i32,
    },
}

/// A loaded library.
#[derive(Debug)]
pub struct Library {
    handle: libloading::Library,
}

type Entry = unsafe extern "C" fn(*const *mut c_void) -> i32;

impl Library {
    /// Loads a library that ftc built.
    pub fn open(path: &Path) -> Result<Self, LibraryError> {
        // With the first library comes OpenMP's runtime, and binds the thread that loads it.
        // SAFETY: libraries that ftc builds run no code when they are loaded.
        let handle = threads::on_own(|| unsafe { libloading::Library::new(path) }).map_err(LibraryError::Load)?;
        let library = Self { handle };
        if library.set_of_threads().is_some() {
            keep_runtime();
        }
        Ok(library)
    }

    /// Calls an export. The arrays must have the element types and shapes of its tensors: the caller checks that.
    pub fn call(&self, export: &str, inputs: &[&Array], outputs: &mut [Array]) -> Result<(), LibraryError> {
        self.prepare(export, inputs, outputs)?.run()
    }

    /// Looks everything up for calls of an export with the same arrays, which must be as for [`Library::call`].
    pub fn prepare<'a>(
        &'a self,
        export: &str,
        inputs: &'a [&'a Array],
        outputs: &'a mut [Array],
    ) -> Result<Call<'a>, LibraryError> {
        let symbol = format!("{export}_call");
        // SAFETY: every export has this entry with this signature.
        let entry = unsafe { self.handle.get::<Entry>(symbol.as_bytes()) }
            .map_err(|source| LibraryError::Symbol { symbol, source })?;
        let inputs = inputs.iter().map(|array| array.bytes().as_ptr().cast_mut());
        let outputs = outputs.iter_mut().map(|array| array.bytes_mut().as_mut_ptr());
        let args = inputs.chain(outputs).map(<*mut u8>::cast).collect();
        Ok(Call { export: export.to_owned(), entry, args, arrays: PhantomData })
    }

    /// The bytes of the block that an export with `const` arguments takes packed; none if it has no such arguments.
    pub fn pack_bytes(&self, export: &str) -> Option<usize> {
        let symbol = format!("{export}_pack_bytes");
        // SAFETY: every export with `const` arguments has this function with this signature.
        let ask = unsafe { self.handle.get::<unsafe extern "C" fn() -> usize>(symbol.as_bytes()) }.ok()?;
        // SAFETY: it returns a number, and does nothing else.
        Some(unsafe { ask() })
    }

    /// Sets the number of threads of kernels that are called from this thread, those of other libraries included: the
    /// number is OpenMP's, in whose place the environment's `OMP_NUM_THREADS` stands before. A library whose kernels all
    /// run on one thread does not have OpenMP, and stays as it is.
    pub fn set_threads(&self, threads: usize) {
        let threads = i32::try_from(threads).unwrap_or(i32::MAX);
        if let Some(set) = self.set_of_threads() {
            // SAFETY: any positive number is allowed.
            unsafe { set(threads.max(1)) };
        }
    }

    fn set_of_threads(&self) -> Option<libloading::Symbol<'_, unsafe extern "C" fn(i32)>> {
        // SAFETY: the function of this name is OpenMP's, which the library was linked with.
        unsafe { self.handle.get(b"omp_set_num_threads") }.ok()
    }
}

/// Keeps OpenMP's runtime, in which threads wait, when the libraries go that brought it.
fn keep_runtime() {
    // SAFETY: it is loaded already. Libraries that stay themselves keep one of another name.
    if let Ok(runtime) = unsafe { libloading::Library::new("libgomp.so.1") } {
        std::mem::forget(runtime);
    }
}

/// A call that can be repeated at no cost but its own.
#[derive(Debug)]
pub struct Call<'a> {
    export: String,
    entry: libloading::Symbol<'a, Entry>,
    args: Vec<*mut c_void>,
    /// The arrays that `args` points into.
    arrays: PhantomData<&'a mut [Array]>,
}

impl Call<'_> {
    /// Runs it once.
    pub fn run(&mut self) -> Result<(), LibraryError> {
        // SAFETY: the addresses are those of live arrays of the right sizes; kernels write through outputs alone.
        let code = unsafe { (self.entry)(self.args.as_ptr()) };
        if code == 0 { Ok(()) } else { Err(LibraryError::Call { export: self.export.clone(), code }) }
    }
}
