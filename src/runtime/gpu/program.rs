//! A kernel on a GPU: its code loaded, its tensors in the GPU's memory, calls and their times.
//!
//! Calls are timed as the vendor's libraries are: a graph of ten calls is captured once and replayed, so that what starting
//! a launch costs the host is no part of it, and inputs are in the GPU's caches as far as they fit.

#![expect(unsafe_code, reason = "the driver of the GPU is called")]

use std::ffi::{CString, c_void};

use cudarc::driver::result;
use cudarc::driver::sys;

use super::{Device, GpuError, Held, during};
use crate::artifact::Image;
use crate::codegen::cuda::module::{Argument, Plan, Start};
use crate::runtime::Array;

/// Calls in a graph.
const CALLS: u32 = 10;

/// Code that a device holds.
#[derive(Debug)]
pub struct Program<'d> {
    device: &'d Device,
    module: sys::CUmodule,
    /// Those of what is done ahead, then those of a call.
    functions: Vec<sys::CUfunction>,
    plan: Plan,
}

impl<'d> Program<'d> {
    /// Loads an image.
    pub fn load(device: &'d Device, image: &Image) -> Result<Self, GpuError> {
        // SAFETY: the image is what nvcc made, which says its own length.
        let module =
            unsafe { result::module::load_data(image.code.as_ptr().cast()) }.map_err(during("loading code"))?;
        let mut program = Self { device, module, functions: Vec::new(), plan: image.plan.clone() };
        for launch in image.plan.ahead.iter().chain(&image.plan.launches) {
            let name = CString::new(launch.name.as_str()).expect("names of functions have no zeros in them");
            // SAFETY: the module was just loaded.
            let function = unsafe { result::module::get_function(module, name) }.map_err(during("finding a kernel"))?;
            if launch.shared > 0 {
                let most = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                let bytes = i32::try_from(launch.shared).unwrap_or(i32::MAX);
                // SAFETY: the function is of this module.
                unsafe { result::function::set_function_attribute(function, most, bytes) }
                    .map_err(during("asking for shared memory"))?;
            }
            program.functions.push(function);
        }
        Ok(program)
    }

    /// Gets ready for calls with some tensors, which must be those of its kernel: the caller sees to that. What is `const`
    /// among them is packed now.
    pub fn prepare<'p>(&'p self, tensors: &'p Tensors<'p>) -> Result<Call<'p>, GpuError> {
        let (workspace, block) = (self.device.hold(self.plan.workspace)?, self.device.hold(self.plan.block)?);
        let call = Call { program: self, tensors, workspace, block, graph: None };
        if !self.plan.ahead.is_empty() {
            call.start(&self.plan.ahead, &self.functions)?;
            self.device.wait()?;
        }
        Ok(call)
    }
}

impl Drop for Program<'_> {
    fn drop(&mut self) {
        // SAFETY: calls borrow the program, so none runs.
        unsafe {
            let _ = result::module::unload(self.module);
        }
    }
}

/// The tensors of a kernel in the memory of a device.
#[derive(Debug)]
pub struct Tensors<'d> {
    first_output: usize,
    /// Inputs, then outputs.
    held: Vec<Held<'d>>,
}

impl<'d> Tensors<'d> {
    /// Inputs with their elements, and room for outputs of so many bytes.
    pub fn new(device: &'d Device, inputs: &[&Array], outputs: &[usize]) -> Result<Self, GpuError> {
        let mut held = Vec::new();
        for input in inputs {
            let memory = device.hold(input.bytes().len())?;
            memory.write(input.bytes())?;
            held.push(memory);
        }
        for &bytes in outputs {
            held.push(device.hold(bytes)?);
        }
        Ok(Self { first_output: inputs.len(), held })
    }

    /// Fills outputs with what no kernel writes.
    pub fn poison(&self) -> Result<(), GpuError> {
        self.held[self.first_output..].iter().try_for_each(Held::poison)
    }

    /// Copies outputs from the device.
    pub fn read(&self, outputs: &mut [Array]) -> Result<(), GpuError> {
        let held = &self.held[self.first_output..];
        held.iter().zip(outputs).try_for_each(|(held, output)| held.read(output.bytes_mut()))
    }

    fn are_intact(&self) -> Result<bool, GpuError> {
        for held in &self.held {
            if !held.is_intact()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A kernel with its tensors.
#[derive(Debug)]
pub struct Call<'p> {
    program: &'p Program<'p>,
    tensors: &'p Tensors<'p>,
    workspace: Held<'p>,
    /// What is packed ahead.
    block: Held<'p>,
    graph: Option<Graph>,
}

impl Call<'_> {
    /// Runs it once, and waits.
    pub fn run(&self) -> Result<(), GpuError> {
        self.started()?;
        self.program.device.wait()
    }

    /// Whether nothing was written outside of tensors and of the workspace.
    pub fn is_intact(&self) -> Result<bool, GpuError> {
        Ok(self.workspace.is_intact()? && self.block.is_intact()? && self.tensors.are_intact()?)
    }

    /// Seconds of one call, which what it takes to start it is a part of.
    pub fn once(&self) -> Result<f64, GpuError> {
        let (watch, stream) = (Watch::new()?, self.program.device.stream);
        watch.note(watch.begin, stream)?;
        self.started()?;
        watch.note(watch.end, stream)?;
        self.program.device.wait()?;
        watch.seconds()
    }

    /// Seconds of a call, from at least so many, after some that warm up: something else may have used the GPU since.
    pub fn time(&mut self, calls: u32) -> Result<f64, GpuError> {
        self.replay(calls, 1)
    }

    /// Seconds of a call right after others, from at least so many.
    pub fn again(&mut self, calls: u32) -> Result<f64, GpuError> {
        self.replay(calls, 0)
    }

    /// Seconds of a call in replays of the graph, of which some are before the clock starts.
    fn replay(&mut self, calls: u32, before: u32) -> Result<f64, GpuError> {
        let graph = match self.graph.take() {
            Some(graph) => graph,
            None => self.capture()?,
        };
        let graph = self.graph.insert(graph).exec;
        let replays = calls.div_ceil(CALLS).max(1);
        let stream = self.program.device.stream;
        let watch = Watch::new()?;
        for replay in 0..before + replays {
            if replay == before {
                watch.note(watch.begin, stream)?;
            }
            // SAFETY: graph and stream are alive.
            unsafe { result::graph::launch(graph, stream) }.map_err(during("replaying calls"))?;
        }
        watch.note(watch.end, stream)?;
        self.program.device.wait()?;
        Ok(watch.seconds()? / f64::from(replays * CALLS))
    }

    /// Ten calls as a graph.
    fn capture(&self) -> Result<Graph, GpuError> {
        let stream = self.program.device.stream;
        let failed = during("capturing calls");
        // SAFETY: the stream is alive, and nothing else uses it.
        unsafe {
            let mode = sys::CUstreamCaptureMode_enum::CU_STREAM_CAPTURE_MODE_RELAXED;
            result::stream::begin_capture(stream, mode).map_err(&failed)?;
            let started = (0..CALLS).try_for_each(|_| self.started());
            let graph = result::stream::end_capture(stream).map_err(&failed);
            started?;
            let graph = graph?;
            let exec = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags_enum(0)).map_err(&failed);
            let _ = result::graph::destroy(graph);
            Ok(Graph { exec: exec? })
        }
    }

    /// Starts the launches of a call.
    fn started(&self) -> Result<(), GpuError> {
        let Program { functions, plan, .. } = self.program;
        self.start(&plan.launches, &functions[plan.ahead.len()..])
    }

    /// Starts launches.
    fn start(&self, launches: &[Start], functions: &[sys::CUfunction]) -> Result<(), GpuError> {
        let device = self.program.device;
        for (launch, &function) in launches.iter().zip(functions) {
            let address = |argument: &Argument| match *argument {
                Argument::Param(number) => self.tensors.held[number].start(),
                Argument::Workspace(place) => self.workspace.start() + place as u64,
                Argument::Block(place) => self.block.start() + place as u64,
            };
            let mut addresses: Vec<sys::CUdeviceptr> = launch.args.iter().map(address).collect();
            let mut args: Vec<*mut c_void> = addresses.iter_mut().map(|at| std::ptr::from_mut(at).cast()).collect();
            let size = |[x, y, z]: [u32; 3]| (x, y, z);
            let (grid, block) = (size(launch.grid), size(launch.block));
            // SAFETY: the function takes as many addresses, all of memory that lives as long as the call.
            unsafe { result::launch_kernel(function, grid, block, launch.shared, device.stream, &mut args) }
                .map_err(during("starting the kernel"))?;
        }
        Ok(())
    }
}

/// Calls that can be replayed.
#[derive(Debug)]
struct Graph {
    exec: sys::CUgraphExec,
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: it was made, and is destroyed once.
        unsafe {
            let _ = result::graph::exec_destroy(self.exec);
        }
    }
}

/// Two events.
struct Watch {
    begin: sys::CUevent,
    end: sys::CUevent,
}

impl Watch {
    fn new() -> Result<Self, GpuError> {
        let event = || result::event::create(sys::CUevent_flags_enum::CU_EVENT_DEFAULT).map_err(during("timing"));
        Ok(Self { begin: event()?, end: event()? })
    }

    fn note(&self, event: sys::CUevent, stream: sys::CUstream) -> Result<(), GpuError> {
        debug_assert!(event == self.begin || event == self.end, "the event is one of the two");
        // SAFETY: both are alive.
        unsafe { result::event::record(event, stream) }.map_err(during("timing"))
    }

    /// From one to the other, once both have happened.
    fn seconds(&self) -> Result<f64, GpuError> {
        // SAFETY: both were recorded on one stream.
        let milliseconds = unsafe { result::event::elapsed(self.begin, self.end) }.map_err(during("timing"))?;
        Ok(f64::from(milliseconds) / 1e3)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for event in [self.begin, self.end] {
            // SAFETY: both were made, and are destroyed once.
            unsafe {
                let _ = result::event::destroy(event);
            }
        }
    }
}
