//! The worker's side on a GPU: candidates compiled by nvcc, checked and timed through the driver.
//!
//! As on a CPU, a candidate is checked before and after it is timed, with different inputs, on poisoned outputs between
//! fences. Inputs stay in the GPU's memory from one candidate to the next. A kernel that does what it must not breaks the
//! process' context: it fails as [`FAULT`], and the process is replaced.

use std::path::Path;
use std::time::Instant;

use super::protocol::Time;
use super::worker::{SETS, Subject, no_memory, samples};
use crate::artifact::{Direction, Image};
use crate::codegen::cuda;
use crate::explore::Reason;
use crate::loops::Kernel;
use crate::runtime::Array;
use crate::runtime::gpu::{Call, Device, GpuError, Program, Tensors};
use crate::target::Gpu;

/// The kind of failure after which a process can do nothing more on the GPU.
pub(super) const FAULT: &str = "gpu fault";

/// What the host's clock sees beside a kernel.
const AROUND: f64 = 1e-4;

/// The GPU of this process; it is opened once.
pub(super) fn open(device: &mut Option<&'static Device>) -> Result<&'static Device, Reason> {
    if let Some(device) = device {
        return Ok(device);
    }
    let opened = Device::open().map_err(failed)?;
    // It lives as long as the process, and so can what is in its memory.
    Ok(device.insert(Box::leak(Box::new(opened))))
}

/// Compiles a candidate into a file.
pub(super) fn compile(kernel: &Kernel, gpu: &Gpu, file: &Path) -> Result<(), Reason> {
    let module = cuda::module(kernel, gpu).map_err(|cause| Reason::new("code", cause.to_string()))?;
    let image = Image::compile(&kernel.name, &module, gpu).map_err(|cause| Reason::new("nvcc", cause.to_string()))?;
    std::fs::write(file, image.to_bytes()).map_err(|cause| Reason::new("files", cause.to_string()))
}

/// Seconds of samples of a candidate.
pub(super) fn time(device: &'static Device, subject: &mut Subject, time: &Time) -> Result<Vec<f64>, Reason> {
    subject.read_sets()?;
    hold(device, subject)?;
    let program = load(device, &time.library)?;
    let call = |set: usize| program.prepare(&subject.held[set]).map_err(failed);
    let mut outputs = subject.outputs()?;
    let mut first = call(0)?;
    let effort = &time.effort;
    let once = if time.checked { 0.0 } else { check(&first, subject, 0, &mut outputs)? - AROUND };
    if effort.hopeless.is_some_and(|limit| once > 3.0 * limit) || once > effort.seconds {
        return Ok(vec![once]);
    }
    let once = first.time(1).map_err(failed)?;
    let samples = samples(effort, once, &mut |calls| first.time(calls).map_err(failed))?;
    let fastest = samples.iter().copied().fold(f64::INFINITY, f64::min);
    if fastest < effort.fastest {
        let detail = format!("{fastest:.2e} s, where {:.2e} s is the least that is possible", effort.fastest);
        return Err(Reason::new("too good", detail));
    }
    if time.checked {
        return Ok(samples);
    }
    for set in 1..SETS {
        check(&call(set)?, subject, set, &mut outputs)?;
    }
    Ok(samples)
}

/// Calls a candidate once.
pub(super) fn call(device: &Device, file: &Path, inputs: &[Array], outputs: &mut [Array]) -> Result<(), Reason> {
    let program = load(device, file)?;
    let sizes: Vec<_> = outputs.iter().map(|output| output.bytes().len()).collect();
    let tensors = Tensors::new(device, &inputs.iter().collect::<Vec<_>>(), &sizes).map_err(failed)?;
    tensors.poison().map_err(failed)?;
    program.prepare(&tensors).and_then(|call| call.run()).map_err(failed)?;
    tensors.read(outputs).map_err(failed)
}

/// Puts all sets into the GPU's memory.
fn hold(device: &'static Device, subject: &mut Subject) -> Result<(), Reason> {
    let outputs = subject.interface.params.iter().filter(|param| param.direction == Direction::Out);
    let sizes: Vec<_> = outputs.map(crate::artifact::Param::bytes).collect();
    while subject.held.len() < SETS {
        let inputs: Vec<_> = subject.sets[subject.held.len()].inputs.iter().collect();
        let tensors = Tensors::new(device, &inputs, &sizes).map_err(failed)?;
        subject.held.push(tensors);
    }
    Ok(())
}

fn load<'d>(device: &'d Device, file: &Path) -> Result<Program<'d>, Reason> {
    let bytes = std::fs::read(file).map_err(|cause| Reason::new("files", cause.to_string()))?;
    let image = Image::from_bytes(&bytes).ok_or_else(|| Reason::new("files", "a candidate is cut off"))?;
    Program::load(device, &image).map_err(failed)
}

/// Calls once on poisoned outputs, and compares all values with those expected; gives the seconds of the call.
fn check(call: &Call<'_>, subject: &Subject, set: usize, outputs: &mut [Array]) -> Result<f64, Reason> {
    let tensors = &subject.held[set];
    tensors.poison().map_err(failed)?;
    let start = Instant::now();
    call.run().map_err(failed)?;
    let seconds = start.elapsed().as_secs_f64();
    tensors.read(outputs).map_err(failed)?;
    if !call.is_intact().map_err(failed)? {
        return Err(Reason::new("wrong values", "it wrote outside of its tensors"));
    }
    subject.compare(&subject.sets[set], outputs)?;
    Ok(seconds)
}

fn failed(cause: GpuError) -> Reason {
    match cause {
        GpuError::Memory(_) => no_memory(),
        cause if cause.is_fatal() => Reason::new(FAULT, cause.to_string()),
        cause => Reason::new("device", cause.to_string()),
    }
}
