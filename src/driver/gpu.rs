//! Kernels on a GPU of this machine: what `ftc run` calls once and `ftc bench` many times.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::session::{Outcome, Session};
use super::{error, generate_module};
use crate::artifact::Image;
use crate::codegen::cuda::module::Module;
use crate::loops::Kernel;
use crate::runtime::Array;
use crate::runtime::gpu::{Device, GpuError, Program, Tensors};
use crate::target::Gpu;

/// The GPU, if it runs code for a target.
pub fn open(session: &mut Session, gpu: &Gpu) -> Outcome<Device> {
    let device = session.passes.run("device", || {
        let device = Device::open()?;
        device.check(gpu.sm).map(|()| device)
    });
    device.map_err(|cause| session.environment(error::no_gpu(&gpu.name, &cause)))
}

/// Generates and compiles, unless it was compiled ahead.
pub fn image(session: &mut Session, kernel: &Kernel, gpu: &Gpu, ahead: &Images) -> Outcome<Image> {
    let module = generate_module(session, kernel, gpu)?;
    if let Some(image) = ahead.get(&module.text) {
        return Ok(image.clone());
    }
    let made = session.passes.run("nvcc", || Image::compile(&kernel.name, &module, gpu));
    made.map_err(|cause| session.artifact(&cause))
}

/// Calls once. Outputs are full of poison before.
pub fn call(
    session: &mut Session,
    device: &Device,
    image: &Image,
    inputs: &[&Array],
    outputs: &mut [Array],
) -> Outcome<()> {
    let called = session.passes.run("call", || run(device, image, inputs, outputs));
    called.map_err(|cause| session.environment(error::gpu_failed(&cause)))
}

fn run(device: &Device, image: &Image, inputs: &[&Array], outputs: &mut [Array]) -> Result<(), GpuError> {
    let program = Program::load(device, image)?;
    let sizes: Vec<_> = outputs.iter().map(|output| output.bytes().len()).collect();
    let tensors = Tensors::new(device, inputs, &sizes)?;
    tensors.poison()?;
    program.prepare(&tensors)?.run()?;
    tensors.read(outputs)
}

/// Images that were compiled ahead, by the text of their code.
pub type Images = BTreeMap<String, Image>;

/// Compiles modules on all cores: nvcc takes a second for each. What does not compile is left out, and complains when it is
/// its turn.
pub fn compile_ahead(modules: &[(String, Module)], gpu: &Gpu) -> Images {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Images::new());
    std::thread::scope(|scope| {
        for _ in 0..cores.min(modules.len()) {
            scope.spawn(|| {
                while let Some((name, module)) = modules.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Ok(image) = Image::compile(name, module, gpu) {
                        let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                        made.insert(module.text.clone(), image);
                    }
                }
            });
        }
    });
    made.into_inner().unwrap_or_else(PoisonError::into_inner)
}
