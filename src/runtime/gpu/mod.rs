//! A GPU of this machine, through CUDA's driver, which is loaded when the first GPU is asked for: ftc itself needs none.
//!
//! [`Device`] is the GPU with its memory; `program` is an image of `artifact` on it, called with arrays and timed. An error
//! of the driver may mean that a kernel did what it must not: the context is then good for nothing, and so is the process
//! ([`GpuError::is_fatal`]).

#![expect(unsafe_code, reason = "the driver of the GPU is called")]

mod program;

pub use program::{Call, Program, Tensors};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};

/// Bytes of a fence on each side of what is held on a device.
const FENCE: usize = 4096;
/// What fences are made of: as floats, NaN.
const POISON: u8 = 0xff;

/// Why something is not possible on a GPU.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GpuError {
    /// The machine has no driver.
    #[error("this machine has no driver for NVIDIA's GPUs")]
    NoDriver,
    /// There is a driver, and nothing for it.
    #[error("this machine has no GPU that CUDA can use ({0})")]
    NoDevice(String),
    /// There is one, and the code is for others.
    #[error("its GPU is `{found}`, and the code is for `{wanted}`")]
    Other {
        /// The architecture of the code.
        wanted: String,
        /// That of the GPU.
        found: String,
    },
    /// The GPU has less memory than is needed.
    #[error("the GPU has no {0} bytes of memory left")]
    Memory(usize),
    /// The driver's refusal.
    #[error("{what}: {name}")]
    Driver {
        /// What was tried.
        what: &'static str,
        /// CUDA's name of the error.
        name: String,
    },
}

impl GpuError {
    /// Whether nothing more can be done on the GPU in this process.
    pub const fn is_fatal(&self) -> bool {
        matches!(self, Self::Driver { .. })
    }
}

/// Gives the driver's errors what was tried.
fn during(what: &'static str) -> impl Fn(DriverError) -> GpuError {
    move |error| {
        let name = error.error_name().map_or_else(|_| format!("{:?}", error.0), |name| name.to_string_lossy().into());
        GpuError::Driver { what, name }
    }
}

/// A GPU, in the context of this process.
#[derive(Debug)]
pub struct Device {
    /// What it is called: `NVIDIA H200`.
    pub name: String,
    /// The number of its architecture: 90 for `sm_90`.
    pub sm: u32,
    number: sys::CUdevice,
    stream: sys::CUstream,
}

impl Device {
    /// The GPUs that this process sees, as `CUDA_VISIBLE_DEVICES` names them; none where there is no driver.
    pub fn names() -> Vec<String> {
        // SAFETY: as in `open`.
        let is_there = unsafe { sys::is_culib_present() };
        let count = if is_there { result::init().and_then(|()| result::device::get_count()).unwrap_or(0) } else { 0 };
        let named = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
        let named: Vec<_> = named.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        let name = |at: usize| named.get(at).map_or_else(|| at.to_string(), |&name| name.to_owned());
        (0..usize::try_from(count).unwrap_or(0)).map(name).collect()
    }

    /// The first GPU of this machine.
    pub fn open() -> Result<Self, GpuError> {
        // SAFETY: loading the driver runs what NVIDIA has it run, and that is made to be loaded.
        if !unsafe { sys::is_culib_present() } {
            return Err(GpuError::NoDriver);
        }
        let none = |error: DriverError| match during("")(error) {
            GpuError::Driver { name, .. } => GpuError::NoDevice(name),
            other => other,
        };
        result::init().map_err(none)?;
        let number = result::device::get(0).map_err(none)?;
        let name = result::device::get_name(number).map_err(none)?;
        // SAFETY: the device is the one just found.
        let ask = |what| unsafe { result::device::get_attribute(number, what) }.map_err(during("asking the GPU"));
        let major = ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = ask(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        // SAFETY: as above; the context lives until it is released, when the device is dropped.
        let context = unsafe { result::primary_ctx::retain(number) }.map_err(during("starting on the GPU"))?;
        // SAFETY: the context is the one just made.
        unsafe { result::ctx::set_current(context) }.map_err(during("starting on the GPU"))?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
        let stream = stream.map_err(during("starting on the GPU"))?;
        let sm = u32::try_from(10 * major + minor).unwrap_or(0);
        Ok(Self { name, sm, number, stream })
    }

    /// Whether code for an architecture runs on it.
    pub fn check(&self, sm: u32) -> Result<(), GpuError> {
        let arch = |sm: u32| format!("sm_{sm}");
        // Machine code runs on the later minor versions of the same major one.
        if sm / 10 == self.sm / 10 && sm <= self.sm {
            return Ok(());
        }
        Err(GpuError::Other { wanted: arch(sm), found: arch(self.sm) })
    }

    /// Memory with a fence around it.
    fn hold(&self, bytes: usize) -> Result<Held<'_>, GpuError> {
        let all = bytes + 2 * FENCE;
        // SAFETY: the context of the device is the current one.
        let base = unsafe { result::malloc_sync(all) }.map_err(|_| GpuError::Memory(all))?;
        let held = Held { base, bytes, _device: self };
        Held::fill(base, all)?;
        Ok(held)
    }

    /// Waits for all that was started.
    fn wait(&self) -> Result<(), GpuError> {
        // SAFETY: the stream is the device's own.
        unsafe { result::stream::synchronize(self.stream) }.map_err(during("running the kernel"))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: both are the device's own, and what borrowed it is gone. A context that broke says so, to no use.
        unsafe {
            let _ = result::stream::destroy(self.stream);
            let _ = result::primary_ctx::release(self.number);
        }
    }
}

/// Memory of a device.
#[derive(Debug)]
struct Held<'d> {
    /// Where the fence before it begins.
    base: sys::CUdeviceptr,
    bytes: usize,
    _device: &'d Device,
}

impl Held<'_> {
    /// Where it begins.
    const fn start(&self) -> sys::CUdeviceptr {
        self.base + FENCE as u64
    }

    fn fill(at: sys::CUdeviceptr, bytes: usize) -> Result<(), GpuError> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: callers fill what is inside of the allocation.
        unsafe { result::memset_d8_sync(at, POISON, bytes) }.map_err(during("filling memory of the GPU"))
    }

    /// Fills it with numbers that no kernel writes.
    fn poison(&self) -> Result<(), GpuError> {
        Self::fill(self.start(), self.bytes)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), GpuError> {
        assert_eq!(bytes.len(), self.bytes, "what is written fills what is held");
        // SAFETY: as many bytes are held as are written.
        unsafe { result::memcpy_htod_sync(self.start(), bytes) }.map_err(during("copying to the GPU"))
    }

    fn read(&self, bytes: &mut [u8]) -> Result<(), GpuError> {
        assert_eq!(bytes.len(), self.bytes, "what is held fills what is read");
        // SAFETY: as many bytes are held as are read.
        unsafe { result::memcpy_dtoh_sync(bytes, self.start()) }.map_err(during("copying from the GPU"))
    }

    /// Whether nothing was written into the fences.
    fn is_intact(&self) -> Result<bool, GpuError> {
        let mut fence = vec![0; FENCE];
        for at in [self.base, self.start() + self.bytes as u64] {
            // SAFETY: both fences are inside of the allocation.
            unsafe { result::memcpy_dtoh_sync(&mut fence, at) }.map_err(during("copying from the GPU"))?;
            if fence.iter().any(|&byte| byte != POISON) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SAFETY: it was allocated, and is freed once.
        unsafe {
            let _ = result::free_sync(self.base);
        }
    }
}
