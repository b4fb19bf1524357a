//! The worker's side on a GPU: candidates compiled by nvcc, checked and timed through the driver.
//!
//! Candidates are compiled several at a time, for nvcc takes long to start. One that is as fast as the best is checked with
//! different inputs, on poisoned outputs between fences. Inputs stay in the GPU's memory from one candidate to the next. A kernel that does what it must not breaks the
//! process' context: it fails as [`FAULT`], and the process is replaced.

use std::path::Path;

use super::protocol::Time;
use super::samples::{Samples, several};
use super::worker::{SETS, Subject, no_memory};
use crate::artifact::{Direction, Image};
use crate::codegen::cuda;
use crate::codegen::cuda::module::Module;
use crate::explore::Reason;
use crate::loops::{Kernel, pack};
use crate::runtime::Array;
use crate::runtime::gpu::{Call, Device, GpuError, Program, Tensors};
use crate::target::Gpu;

/// The kind of failure after which a process can do nothing more on the GPU.
pub(super) const FAULT: &str = "gpu fault";

/// The kind of failure of one that computes something else, or writes where it must not.
const WRONG: &str = "wrong values";

/// The shortest sample: calls that take less are repeated.
const SHORTEST: f64 = 1e-3;
/// What events see beside a kernel where it is called alone.
const AROUND: f64 = 1e-5;

/// The GPU of this process; it is opened once.
pub(super) fn open(device: &mut Option<&'static Device>) -> Result<&'static Device, Reason> {
    if let Some(device) = device {
        return Ok(device);
    }
    let opened = Device::open().map_err(failed)?;
    // It lives as long as the process, and so can what is in its memory.
    Ok(device.insert(Box::leak(Box::new(opened))))
}

/// Compiles candidates into files, all with one call of nvcc; where that fails, each with one of its own.
pub(super) fn compile(candidates: Vec<Result<(Kernel, &Path), Reason>>, gpu: &Gpu) -> Vec<Result<(), Reason>> {
    let mut units = Vec::new();
    let mut results = Vec::new();
    for (at, candidate) in candidates.into_iter().enumerate() {
        let unit = candidate.and_then(|(kernel, file)| {
            let unit = cuda::unit(&kernel, pack::pack(&kernel).as_ref(), gpu, &format!("c{at}_"));
            Ok((at, kernel.name, file, unit.map_err(|cause| Reason::new("code", cause.to_string()))?))
        });
        results.push(unit.as_ref().map(|_| ()).map_err(Clone::clone));
        units.extend(unit);
    }
    let all: Vec<_> = units.iter().map(|(_, _, _, unit)| unit).collect();
    let together = if all.len() > 1 { images(&cuda::together(&all), gpu) } else { None };
    let together = together.map(|images| images.into_iter().map(Ok).collect::<Vec<_>>());
    let alone = || {
        let made = units.iter().map(|(_, name, _, unit)| {
            let module = cuda::together(&[unit]).swap_remove(0);
            Image::compile(name, &module, gpu).map_err(|cause| Reason::new("nvcc", cause.to_string()))
        });
        made.collect()
    };
    for ((at, _, file, _), image) in units.iter().zip(together.unwrap_or_else(alone)) {
        results[*at] = image.and_then(|image| {
            std::fs::write(file, image.to_bytes()).map_err(|cause| Reason::new("files", cause.to_string()))
        });
    }
    results
}

/// Images of modules that share their text.
fn images(modules: &[Module], gpu: &Gpu) -> Option<Vec<Image>> {
    let first = Image::compile("candidates", modules.first()?, gpu).ok()?;
    let image = |module: &Module| Image { plan: module.plan.clone(), code: first.code.clone() };
    Some(modules.iter().map(image).collect())
}

/// Seconds of samples of a candidate. Where it seems to be wrong, that may be what one before it has left in the GPU's memory:
/// all of that is made anew, and the candidate is asked again.
pub(super) fn time(device: &'static Device, subject: &mut Subject, time: &Time) -> Result<Samples, Reason> {
    let timed = time_once(device, subject, time);
    if !timed.as_ref().is_err_and(|reason| reason.kind == WRONG) {
        return timed;
    }
    subject.held.clear();
    let timed = time_once(device, subject, time);
    if timed.is_err() {
        subject.held.clear();
    }
    timed
}

/// One that is far behind is not compared with what is expected: it wins nothing, right or wrong.
fn time_once(device: &'static Device, subject: &mut Subject, time: &Time) -> Result<Samples, Reason> {
    subject.read_sets()?;
    hold(device, subject)?;
    let program = load(device, &time.library)?;
    let call = |set: usize| program.prepare(&subject.held[set]).map_err(failed);
    let mut first = call(0)?;
    let effort = &time.effort;
    // Its first call brings code and data near; the next one says about how long it takes.
    first.run().map_err(failed)?;
    let once = first.once().map_err(failed)?;
    if effort.hopeless.is_some_and(|limit| once - AROUND > 1.5 * limit) || once > effort.seconds {
        return Ok(Samples::alone(vec![once]));
    }
    let mut is_warm = false;
    let calls = (SHORTEST / once.max(1e-9)).ceil().clamp(1.0, 1e6) as u32;
    let samples = several(effort, &mut || {
        let timed = if is_warm { first.again(calls) } else { first.time(calls) };
        is_warm = true;
        timed.map_err(failed)
    })?;
    let samples = Samples::alone(samples);
    let fastest = samples.least();
    if fastest < effort.fastest {
        let detail = format!("{fastest:.2e} s, where {:.2e} s is the least that is possible", effort.fastest);
        return Err(Reason::new("too good", detail));
    }
    if time.checked || effort.hopeless.is_some_and(|limit| fastest > limit) {
        return Ok(samples);
    }
    let mut outputs = subject.outputs()?;
    check(&first, subject, 0, &mut outputs)?;
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

/// Calls once on poisoned outputs, and compares all values with those expected.
fn check(call: &Call<'_>, subject: &Subject, set: usize, outputs: &mut [Array]) -> Result<(), Reason> {
    let tensors = &subject.held[set];
    tensors.poison().map_err(failed)?;
    call.run().map_err(failed)?;
    tensors.read(outputs).map_err(failed)?;
    if !call.is_intact().map_err(failed)? {
        return Err(Reason::new(WRONG, "it wrote outside of its tensors"));
    }
    subject.compare(&subject.sets[set], outputs)
}

fn failed(cause: GpuError) -> Reason {
    match cause {
        GpuError::Memory(_) => no_memory(),
        cause if cause.is_fatal() => Reason::new(FAULT, cause.to_string()),
        cause => Reason::new("device", cause.to_string()),
    }
}
