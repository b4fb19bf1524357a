//! The worker's side: a process that compiles, checks and times candidates, one request after the other.
//!
//! It may be killed at any moment, and a candidate may take it down: it owns nothing that matters. Its address space is
//! limited, it writes no core files, and it ends when whoever started it has gone, even from within a candidate that does
//! not return.
//!
//! A library is checked before and, if it was fast, after it is timed, with different inputs: one that only remembers
//! results is found out. Outputs are full of poison before each checked call, and all arrays have fences.

use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rlimit::Resource;

use super::callee::{Callee, not_called};
use super::protocol::{Build, Call, Reply, Request, Setup, Time};
use super::samples::{Beside, LONG, Samples, sample, time};
use super::{accuracy, gpu};
use crate::artifact::{Direction, Interface, Param, link_private};
use crate::codegen::{CodegenError, Form, llvm};
use crate::explore::Reason;
use crate::loops::{self, Kernel};
use crate::runtime::Array;
use crate::runtime::gpu::{Device, Tensors};
use crate::target::{Cpu, Target};

/// Answers requests until there are no more.
pub fn serve(requests: impl BufRead, mut replies: impl Write) -> io::Result<()> {
    watch_parent();
    // Where this is not possible, the limits on time still hold.
    let _ = rlimit::setrlimit(Resource::CORE, 0, 0);
    limit_memory(MEMORY);
    let (mut subjects, mut device) = (Vec::new(), None);
    for line in requests.lines() {
        let reply = match serde_json::from_str(&line?) {
            Ok(request) => answer(&mut subjects, &mut device, request).unwrap_or_else(Reply::from),
            Err(cause) => Reply::from(Reason::new("request", cause.to_string())),
        };
        let text = serde_json::to_string(&reply).expect("a reply has only strings for keys");
        writeln!(replies, "{text}")?;
        replies.flush()?;
    }
    Ok(())
}

/// Bytes of address space that the compiler and the runtimes of kernels may take.
const MEMORY: u64 = 6 << 30;
/// Times the bytes of all tensors that a worker may have beside that.
const EACH: u64 = 16;

fn limit_memory(bytes: u64) {
    // A worker without a limit is better than none. The hard limit stays: the next kernel may need more.
    let hard = rlimit::getrlimit(Resource::AS).map_or(rlimit::INFINITY, |(_, hard)| hard);
    let _ = rlimit::setrlimit(Resource::AS, bytes.min(hard), hard);
}

/// Ends this process when its parent has gone.
fn watch_parent() {
    let parent = std::os::unix::process::parent_id();
    std::thread::spawn(move || {
        while std::os::unix::process::parent_id() == parent {
            std::thread::sleep(Duration::from_millis(500));
        }
        std::process::abort();
    });
}

/// A kernel, and the data that its candidates are called with.
pub(super) struct Subject {
    setup: Setup,
    pub(super) interface: Interface,
    /// Read when first needed: building needs none.
    pub(super) sets: Vec<Set>,
    /// The GPU, if the kernel is for one, and the sets in its memory.
    device: Option<&'static Device>,
    pub(super) held: Vec<Tensors<'static>>,
    anchor: Option<Anchor>,
}

/// What candidates are timed beside.
struct Anchor {
    path: PathBuf,
    callee: Callee,
    outputs: Vec<Array>,
    /// What a call takes, about.
    once: f64,
}

/// Inputs and what comes of them.
pub(super) struct Set {
    pub(super) inputs: Vec<Array>,
    pub(super) expected: Vec<Array>,
}

/// Bytes of tensors that stay in caches: where their pages lie counts there, and how many there are elsewhere.
const NEAR: u64 = 8 << 20;
/// Numbers of arrays, after those of the inputs.
const OUTPUTS: usize = 5;
const EXPECTED: usize = 10;

/// Sets of inputs that candidates are checked with.
pub(super) const SETS: usize = 2;

/// Kernels whose data a worker keeps: those of a search whose turn it is, and of the next one. On a CPU it has memory for
/// one.
const KEPT: usize = 4;

fn answer(
    subjects: &mut Vec<Subject>,
    device: &mut Option<&'static Device>,
    request: Request,
) -> Result<Reply, Reason> {
    if let Request::Setup(setup) = request {
        return get_ready(subjects, device, setup).map(|()| Reply::Done);
    }
    if let Request::Build(builds) = request {
        let replies = compile(&builds).into_iter().map(|built| built.map_or_else(Reply::from, |()| Reply::Done));
        return Ok(Reply::Built(replies.collect()));
    }
    let subject = subjects.last_mut().ok_or_else(|| Reason::new("request", "there is no kernel yet"))?;
    match request {
        Request::Setup(_) | Request::Build(_) => unreachable!("answered above"),
        Request::Time(time) => match subject.device {
            Some(device) => gpu::time(device, subject, &time),
            None => subject.time(&time),
        }
        .map(Reply::Samples),
        Request::Call(call) => subject.call(&call).map(|()| Reply::Done),
    }
}

/// Makes a kernel the last of those that are known: the one that is asked about.
fn get_ready(subjects: &mut Vec<Subject>, device: &mut Option<&'static Device>, setup: Setup) -> Result<(), Reason> {
    if let Some(at) = subjects.iter().position(|subject| subject.setup == setup) {
        subjects[at..].rotate_left(1);
        return Ok(());
    }
    let kept = if setup.processor.is_gpu() { KEPT } else { 1 };
    subjects.drain(..(subjects.len() + 1).saturating_sub(kept));
    // The driver of a GPU reserves more addresses than any machine has memory.
    limit_memory(if setup.processor.is_gpu() { rlimit::INFINITY } else { MEMORY + EACH * setup.tensors });
    subjects.push(Subject::new(setup, device)?);
    Ok(())
}

impl Subject {
    fn new(setup: Setup, device: &mut Option<&'static Device>) -> Result<Self, Reason> {
        let kernel = parse(&setup.kernel)?;
        let device = if setup.processor.is_gpu() { Some(gpu::open(device)?) } else { None };
        Ok(Self { interface: Interface::of(&kernel), setup, sets: Vec::new(), device, held: Vec::new(), anchor: None })
    }

    fn time(&mut self, Time { library, effort, checked, anchor }: &Time) -> Result<Samples, Reason> {
        self.read_sets()?;
        let mut beside = self.anchor(anchor.as_deref());
        let mut callee = self.open(library)?;
        let mut outputs = self.outputs()?;
        callee.pack(&self.sets[0].inputs)?;
        let mut once = None;
        if !checked {
            // Beside a call that takes long, what is around it is nothing.
            let first = time(&mut || run(&callee, &self.sets[0].inputs, &mut outputs), 1)?;
            once = Some(first).filter(|first| *first > LONG);
            if !once.is_some_and(|once| effort.is_hopeless(once)) {
                self.compare(&self.sets[0], &outputs)?;
            }
        }
        let samples = {
            let inputs = callee.arguments(&self.sets[0].inputs);
            let mut call = callee.prepare(&inputs, &mut outputs)?;
            let mut own = || call.run().map_err(not_called);
            match &mut beside {
                Some(Anchor { callee, outputs, once: beside, .. }) => {
                    let inputs = callee.arguments(&self.sets[0].inputs);
                    let mut call = callee.prepare(&inputs, outputs)?;
                    let mut call = || call.run().map_err(not_called);
                    sample(effort, &mut own, once, Some(Beside { call: &mut call, once: *beside }))?
                }
                None => sample(effort, &mut own, once, None)?,
            }
        };
        self.anchor = beside;
        let fastest = samples.least();
        if fastest < effort.fastest {
            let detail = format!("{fastest:.2e} s, where {:.2e} s is the least that is possible", effort.fastest);
            return Err(Reason::new("too good", detail));
        }
        // What is behind wins nothing, right or wrong.
        let is_behind = samples.is_behind(effort);
        for set in self.sets.iter().skip(1).filter(|_| !checked && !is_behind) {
            callee.pack(&set.inputs)?;
            self.check(&callee, set, &mut outputs)?;
        }
        Ok(samples)
    }

    /// The anchor of a path, loaded; none where it does not work.
    fn anchor(&mut self, path: Option<&Path>) -> Option<Anchor> {
        let path = path?;
        if let Some(known) = self.anchor.take().filter(|known| known.path == path) {
            return Some(known);
        }
        let mut callee = self.open(path).ok()?;
        callee.pack(&self.sets[0].inputs).ok()?;
        let mut outputs = self.outputs().ok()?;
        let mut once = f64::INFINITY;
        for _ in 0..2 {
            once = once.min(time(&mut || run(&callee, &self.sets[0].inputs, &mut outputs), 1).ok()?);
        }
        Some(Anchor { path: path.to_owned(), callee, outputs, once })
    }

    fn call(&self, call: &Call) -> Result<(), Reason> {
        let inputs = self.read("in", call.set, Direction::is_in)?;
        let mut outputs = self.outputs()?;
        if let Some(device) = self.device {
            gpu::call(device, &call.library, &inputs, &mut outputs)?;
        } else {
            let mut callee = self.open(&call.library)?;
            callee.pack(&inputs)?;
            run(&callee, &inputs, &mut outputs)?;
        }
        for (index, output) in outputs.iter().enumerate() {
            let mut name = call.outputs.clone().into_os_string();
            name.push(format!(".{index}"));
            std::fs::write(name, output.bytes()).map_err(|cause| Reason::new("files", cause.to_string()))?;
        }
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<Callee, Reason> {
        Callee::open(path, &self.interface, self.setup.threads)
    }

    /// An array for one of the tensors.
    fn array(&self, param: &Param, number: usize) -> Result<Array, Reason> {
        let made = if self.setup.tensors <= NEAR {
            Array::fenced_in_huge_pages(param.dtype, &param.shape, number)
        } else {
            Array::fenced(param.dtype, &param.shape)
        };
        made.ok_or_else(no_memory)
    }

    pub(super) fn outputs(&self) -> Result<Vec<Array>, Reason> {
        let outputs = self.interface.params.iter().filter(|param| param.direction == Direction::Out);
        outputs.enumerate().map(|(index, param)| self.array(param, OUTPUTS + index)).collect()
    }

    pub(super) fn read_sets(&mut self) -> Result<(), Reason> {
        while self.sets.len() < SETS {
            let set = self.sets.len();
            let inputs = self.read("in", set, Direction::is_in)?;
            let expected = self.read("out", set, |direction| !direction.is_in())?;
            self.sets.push(Set { inputs, expected });
        }
        Ok(())
    }

    fn read(&self, direction: &str, set: usize, is_meant: impl Fn(&Direction) -> bool) -> Result<Vec<Array>, Reason> {
        let params: Vec<&Param> = self.interface.params.iter().filter(|param| is_meant(&param.direction)).collect();
        let mut arrays = Vec::new();
        for (index, param) in params.into_iter().enumerate() {
            let bytes = std::fs::read(self.setup.file(direction, set, index));
            let bytes = bytes.map_err(|cause| Reason::new("files", cause.to_string()))?;
            let mut array = self.array(param, if param.direction.is_in() { index } else { EXPECTED + index })?;
            if bytes.len() != array.bytes().len() {
                return Err(Reason::new("files", "a file has another length than its tensor"));
            }
            array.bytes_mut().copy_from_slice(&bytes);
            arrays.push(array);
        }
        Ok(arrays)
    }

    /// Calls once, and compares all values with those expected.
    fn check(&self, callee: &Callee, set: &Set, outputs: &mut [Array]) -> Result<(), Reason> {
        run(callee, &set.inputs, outputs)?;
        self.compare(set, outputs)
    }

    /// Compares all values with those expected.
    pub(super) fn compare(&self, set: &Set, outputs: &[Array]) -> Result<(), Reason> {
        let params = self.interface.params.iter().filter(|param| param.direction == Direction::Out);
        for ((found, expected), param) in outputs.iter().zip(&set.expected).zip(params) {
            let error = accuracy::distance(found, expected);
            if error > accuracy::tolerance(param.dtype, self.setup.processor.numbers()) {
                return Err(Reason::new("wrong values", format!("`{}` is off by {error:.1e}", param.name)));
            }
        }
        Ok(())
    }
}

/// Compiles candidates: those for a GPU with one call of nvcc, which takes long to start.
fn compile(builds: &[Build]) -> Vec<Result<(), Reason>> {
    match builds.first().map(|build| Target::from(&build.processor)) {
        Some(Target::Gpu(chip)) => {
            let kernels = builds.iter().map(|build| Ok((verified(build)?, build.library.as_path())));
            gpu::compile(kernels.collect(), &chip)
        }
        _ => builds.iter().map(on_cpu).collect(),
    }
}

/// The loops of a candidate.
fn verified(build: &Build) -> Result<Kernel, Reason> {
    let kernel = parse(&build.loops)?;
    if let Err(broken) = loops::verify::verify(&kernel) {
        let rules: Vec<_> = broken.iter().map(ToString::to_string).collect();
        return Err(Reason::new("loops", rules.join("; ")));
    }
    Ok(kernel)
}

fn on_cpu(build: &Build) -> Result<(), Reason> {
    let kernel = verified(build)?;
    let Target::Cpu(cpu) = Target::from(&build.processor) else {
        return Err(Reason::new("code", "the interpreter needs none"));
    };
    let object = object(&kernel, &cpu).map_err(|cause| Reason::new("code", cause.to_string()))?;
    let object = (format!("{}.o", kernel.name), object);
    link_private(&object, &build.library, &cpu).map_err(|cause| Reason::new("link", cause.to_string()))
}

/// Calls once, on poisoned outputs.
fn run(callee: &Callee, inputs: &[Array], outputs: &mut [Array]) -> Result<(), Reason> {
    outputs.iter_mut().for_each(Array::poison);
    callee.prepare(&callee.arguments(inputs), outputs)?.run().map_err(not_called)?;
    if inputs.iter().chain(outputs.iter()).all(Array::is_intact) && callee.is_intact() {
        return Ok(());
    }
    Err(Reason::new("wrong values", "it wrote outside of its tensors"))
}

/// The functions that are called when a candidate is timed.
fn object(kernel: &Kernel, cpu: &Cpu) -> Result<Vec<u8>, CodegenError> {
    let Some(packing) = loops::pack::pack(kernel) else { return llvm::compile(kernel, cpu, Form::Object) };
    // Nobody calls the function with all arguments; in its place stands the one that packs, which is small.
    let small = Kernel { name: kernel.name.clone(), ..packing.pack.clone() };
    Ok(llvm::compile_export(&small, Some(&packing), cpu, &[Form::Object])?.swap_remove(0))
}

fn parse(text: &str) -> Result<Kernel, Reason> {
    loops::parse::parse(text).map_err(|cause| Reason::new("loops", cause.to_string()))
}

pub(super) fn no_memory() -> Reason {
    Reason::new("memory", "there is not enough for the tensors")
}
