//! One workload from its parameters to its row: instantiate, compile, check, time. Weights that are `const` are packed
//! before; the call that is checked and timed takes them packed.

use rand::rngs::StdRng;

use super::data::{self, Range};
use super::options::Budget;
use super::peer::{Peer, PeerError};
use super::report::Row;
use super::suite::Workload;
use super::timing::{self, Here, Plan, Timed};
use super::{bind, error, reference};
use crate::artifact::Image;
use crate::codegen::cuda::{self, module::Module};
use crate::diag::Diagnostic;
use crate::driver::gpu::Images;
use crate::driver::loaded::{self, Loaded};
use crate::driver::machine::Chooser;
use crate::driver::tune::search::{self, Job, Records, Settings};
use crate::driver::variants::{self, Picked, Wanted};
use crate::driver::{Outcome, Session, Stop, error as driver_error, gpu, lower, pack};
use crate::explore::Method;
use crate::expr::TensorId;
use crate::graph::eval::EvalError;
use crate::graph::{self, Graph, Role, flops};
use crate::loops::pack::{self as packing, Packing};
use crate::loops::{BufferKind, Kernel};
use crate::measure::accuracy;
use crate::runtime::gpu::{Call, Device, GpuError, Program, Tensors};
use crate::runtime::library::LibraryError;
use crate::runtime::{Array, threads};
use crate::scalar::{DType, Values};
use crate::sema::{self, Request, Unfit};
use crate::syntax::ast::Function;
use crate::target::{Cpu, Gpu, Numbers, Platform, Target};

/// What every workload of a run shares.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The standard library.
    pub program: &'a sema::Program,
    /// The machine.
    pub target: &'a Target,
    /// The GPU, if it is one.
    pub device: Option<&'a Device>,
    /// What schedules are chosen for.
    pub platform: Platform,
    /// Images for the GPU that were compiled ahead.
    pub ahead: &'a Images,
    /// Threads of every kernel.
    pub threads: usize,
    /// Where random inputs begin.
    pub seed: u64,
    /// What may be spent on finding the schedule of each workload.
    pub budget: Option<Budget>,
    /// How to search.
    pub method: Method,
    /// What weights are.
    pub weights: Weights,
    /// The variants to compile where they apply; if none, the model chooses.
    pub variants: &'a [String],
}

/// What the inputs are that an operator's `workload` attribute calls weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// Inputs as all others.
    Variable,
    /// `const`: packed once, before the calls that are timed.
    Constant,
}

/// Which body of an operator is compiled.
#[derive(Clone, Copy, Debug)]
struct Choice<'a> {
    platform: &'a Platform,
    /// The variants that were asked for.
    asked: &'a [String],
    /// Which one is taken where none was.
    wanted: Wanted<'a>,
}

impl<'a> Bench<'a> {
    const fn choice(&'a self, wanted: Wanted<'a>) -> Choice<'a> {
        Choice { platform: &self.platform, asked: self.variants, wanted }
    }
}

/// A workload that was run once, with its data.
#[derive(Debug)]
pub struct Ran {
    /// Its numbers so far.
    pub row: Row,
    /// The call that it is, as `ftc build --export` takes it.
    pub export: String,
    /// Inputs, in order.
    pub inputs: Vec<Array>,
    /// Outputs, in order.
    pub outputs: Vec<Array>,
    code: Code,
}

/// What is called.
#[derive(Debug)]
enum Code {
    Cpu {
        kernel: Loaded,
        /// What takes the place of `const` inputs in calls.
        packed: Option<Packed>,
    },
    Gpu(Image),
}

/// The inputs of `NAME_packed`.
#[derive(Debug)]
struct Packed {
    block: Array,
    /// Of each input, whether it is in the block.
    inside: Vec<bool>,
}

/// The code for a GPU that a workload will be measured with, where nothing is searched; none where something is wrong with
/// the workload, which is told when it is its turn.
pub fn module(session: &mut Session, bench: &Bench<'_>, workload: &Workload, gpu: &Gpu) -> Option<Module> {
    let function = bench.program.function(&workload.op).filter(|function| function.is_pub)?;
    let before = session.diagnostics.len();
    let made =
        instantiate(session, bench.program, bench.weights, function, workload, Some(bench.choice(Wanted::Built))).ok();
    let chooser = Chooser::Model(bench.platform);
    let lowered = made.and_then(|made| lower(session, &made.body, None, &chooser).ok());
    session.diagnostics.truncate(before);
    let kernel = lowered?.kernel;
    cuda::module(&kernel, packing::pack(&kernel).as_ref(), gpu).ok()
}

/// Compiles a workload, runs it once, and compares the result with the definition.
pub fn run(session: &mut Session, bench: &Bench<'_>, workload: &Workload, row: &mut Row) -> Outcome<Ran> {
    let function = function(session, bench.program, workload)?;
    if let Some(budget) = bench.budget {
        let wanted = Some(bench.choice(Wanted::Searched));
        let made = instantiate(session, bench.program, bench.weights, function, workload, wanted)?;
        tune(session, bench, &made, budget, row)?;
    }
    // What was searched need not be the fastest body.
    let wanted = Some(bench.choice(Wanted::Built));
    let made = instantiate(session, bench.program, bench.weights, function, workload, wanted)?;
    row.schedule = source(session, &made.body);
    row.flops = Some(made.flops);
    row.variant.clone_from(&made.variant);
    let kernel = lower(session, &made.body, None, &Chooser::Model(bench.platform))?.kernel;
    let mut rng = data::source(bench.seed, &workload.name);
    let values = inputs(&made, &mut rng).ok_or_else(|| session.environment(driver_error::no_memory()))?;
    let inputs: Option<Vec<_>> = values.iter().map(Array::from_values).collect();
    let outputs = made.graph.outputs.iter().map(|&id| poisoned(&made.graph, id)).collect::<Option<Vec<_>>>();
    let (Some(inputs), Some(mut outputs)) = (inputs, outputs) else {
        return Err(session.environment(driver_error::no_memory()));
    };
    let code = match (bench.target, bench.device) {
        (Target::Cpu(cpu), _) => on_cpu(session, bench, cpu, &kernel, (&inputs, &mut outputs))?,
        (Target::Gpu(gpu), Some(device)) => {
            let image = gpu::image(session, &kernel, gpu, bench.ahead)?;
            gpu::call(session, device, &image, &inputs.iter().collect::<Vec<_>>(), &mut outputs)?;
            Code::Gpu(image)
        }
        _ => return Err(session.user(driver_error::interpreted_only())),
    };
    row.max_rel_error = Some(compare(session, workload, &made.graph, (&values, &outputs), &bench.platform, &mut rng)?);
    Ok(Ran { row: row.clone(), export: made.export, inputs, outputs, code })
}

/// Compiles, packs, and calls once.
fn on_cpu(
    session: &mut Session,
    bench: &Bench<'_>,
    cpu: &Cpu,
    kernel: &Kernel,
    (inputs, outputs): (&[Array], &mut [Array]),
) -> Outcome<Code> {
    let packing = match bench.weights {
        Weights::Variable => None,
        Weights::Constant => pack(session, kernel)?,
    };
    let inside = kernel.params[..inputs.len()].iter().map(|&id| is_const(kernel, id)).collect();
    let kernel = loaded::load(session, kernel, packing.as_ref(), cpu)?;
    let packed = packing.map(|packing| fill(session, &kernel, &packing, inputs, inside)).transpose()?;
    let (export, borrowed) = arguments(&kernel, packed.as_ref(), inputs);
    let count = bench.threads;
    let called = threads::on_own(|| {
        kernel.library.set_threads(count);
        kernel.library.call(&export, &borrowed, outputs)
    });
    called.map_err(|cause| session.environment(driver_error::call_failed(&cause.to_string())))?;
    Ok(Code::Cpu { kernel, packed })
}

/// Searches for a schedule.
fn tune(session: &mut Session, bench: &Bench<'_>, made: &Made, budget: Budget, row: &mut Row) -> Outcome<()> {
    let settings = Settings {
        method: bench.method,
        seed: bench.seed,
        budget,
        budget_text: String::new(),
        target: bench.target.clone(),
        platform: bench.platform,
        threads: bench.threads,
    };
    let (graph, definition, ranges) = (made.body.clone(), made.graph.clone(), made.ranges.clone());
    let rival = made.rival.clone();
    let job = Job { graph, definition, rival, ranges, chosen: session.chosen.take().map(|(_, chosen)| chosen) };
    let found = search::search(session, &settings, &[job], Records::none(), &mut |_| {})?;
    if let Some(stop) = found.stop {
        return Err(stop);
    }
    for tuned in found.tuned {
        (row.trials, row.tune_seconds) = (tuned.trials as u32, tuned.took);
        if let Some(pinned) = &mut session.pinned {
            tuned.rival.into_iter().chain([tuned.entry]).for_each(|entry| pinned.lock.put(entry));
        }
    }
    Ok(())
}

/// In a word, where the schedule of a body comes from.
fn source(session: &Session, body: &Graph) -> String {
    let naive = lower::lower(body);
    session.pinned.as_ref().map_or("model", |pinned| pinned.source(&naive)).to_owned()
}

fn is_const(kernel: &Kernel, id: TensorId) -> bool {
    kernel.buffers[id].kind == BufferKind::Input { is_const: true }
}

/// Packs the inputs that are `const`.
fn fill(
    session: &mut Session,
    kernel: &Loaded,
    packing: &Packing,
    inputs: &[Array],
    inside: Vec<bool>,
) -> Outcome<Packed> {
    let block = Array::zeros(DType::U8, &[packing.bytes() as i64]);
    let mut block = [block.ok_or_else(|| session.environment(driver_error::no_memory()))?];
    let consts: Vec<_> = inputs.iter().zip(&inside).filter(|(_, inside)| **inside).map(|(input, _)| input).collect();
    let called = threads::on_own(|| kernel.library.call(&packing.pack.name, &consts, &mut block));
    called.map_err(|cause| session.environment(driver_error::call_failed(&cause.to_string())))?;
    let [block] = block;
    Ok(Packed { block, inside })
}

/// The function that is measured, and its inputs.
fn arguments<'a>(kernel: &Loaded, packed: Option<&'a Packed>, inputs: &'a [Array]) -> (String, Vec<&'a Array>) {
    let Some(Packed { block, inside }) = packed else { return (kernel.export.clone(), inputs.iter().collect()) };
    let others = inputs.iter().zip(inside).filter(|(_, inside)| !**inside).map(|(input, _)| input);
    (format!("{}_packed", kernel.export), others.chain([block]).collect())
}

/// A workload's graph and what belongs to it.
struct Made {
    /// The definition.
    graph: Graph,
    /// What is compiled.
    body: Graph,
    /// The variant that this is.
    variant: Option<String>,
    /// What a build takes, where a search takes another one.
    rival: Option<Graph>,
    flops: i64,
    ranges: Vec<Option<Range>>,
    export: String,
}

fn function<'p>(session: &mut Session, program: &'p sema::Program, workload: &Workload) -> Outcome<&'p Function> {
    program.function(&workload.op).filter(|function| function.is_pub).ok_or_else(|| {
        let near = sema::nearest(&workload.op, program.function_names().into_iter());
        session.user(error::unknown_op(&workload.op, workload.op_span, near.as_deref()))
    })
}

/// The graph of a workload.
pub fn graph(session: &mut Session, program: &sema::Program, workload: &Workload) -> Outcome<Graph> {
    let function = function(session, program, workload)?;
    instantiate(session, program, Weights::Variable, function, workload, None).map(|made| made.graph)
}

fn instantiate(
    session: &mut Session,
    program: &sema::Program,
    weights: Weights,
    function: &Function,
    workload: &Workload,
    body: Option<Choice<'_>>,
) -> Outcome<Made> {
    let attribute = bind::Attribute::of(function).map_err(|wrong| session.user(wrong))?;
    let assignment = bind::bind(function, &attribute, workload).map_err(|wrong| session.user(wrong))?;
    let make = |request: &Request| {
        let made = sema::instantiate_with(program, &function.name.name, &assignment, request);
        made.expect("the function is there")
    };
    let made = session.passes.run("instantiate", || make(&Request::default()));
    let instance = made.or_else(|found| {
        let known = bind::parameters(function, &attribute);
        session.report(found.into_iter().map(|wrong| error::in_workload(wrong, workload, &known)).collect())?;
        Err(Stop::Internal(format!("`{}` was refused without an error", workload.name)))
    })?;
    let named = |graph: Graph| Graph { name: bind::symbol(&workload.name), ..with_weights(graph, weights, &attribute) };
    let graph = named(instance.graph);
    let variant = |name: &str| {
        let made = make(&variants::with(&Request::default(), name, Unfit::Skip));
        made.ok().map(|instance| named(instance.graph))
    };
    let alone = |graph: Graph| Picked { graph, variant: None, rival: None };
    let Picked { graph: body, variant, rival } = match body {
        Some(Choice { platform, asked: [], wanted }) => {
            variants::pick(session, program, graph.clone(), (platform, wanted), &variant)
        }
        Some(Choice { asked, .. }) => {
            let text = graph.to_string();
            let made = asked
                .iter()
                .find_map(|name| Some((variant(name).filter(|made| made.to_string() != text)?, Some(name.clone()))));
            let made = made.map(|(graph, variant)| Picked { graph, variant, rival: None });
            made.unwrap_or_else(|| alone(graph.clone()))
        }
        None => alone(graph.clone()),
    };
    session.verify("instantiate", graph::verify::verify(&graph), || graph.to_string())?;
    let blamed = |wrong: Diagnostic| error::in_workload(wrong, workload, &[]);
    let counted = attribute.flops(&instance.sizes).map_err(|wrong| session.user(blamed(wrong)))?;
    let mut ranges = Vec::new();
    for &input in &graph.inputs {
        let range = attribute.range(&graph.tensors[input].name, &instance.sizes);
        ranges.push(range.map_err(|wrong| session.user(blamed(wrong)))?);
    }
    let export = bind::export(function, &assignment, &graph);
    let flops = counted.unwrap_or_else(|| i64::try_from(flops::flops(&graph)).unwrap_or(i64::MAX));
    Ok(Made { graph, body, variant, rival, flops, ranges, export })
}

/// The graph with its weights as they are called for.
fn with_weights(mut graph: Graph, weights: Weights, attribute: &bind::Attribute<'_>) -> Graph {
    if weights == Weights::Constant {
        for input in graph.inputs.clone() {
            let tensor = &mut graph.tensors[input];
            if attribute.is_weight(&tensor.name) {
                tensor.role = Role::Input { is_const: true };
            }
        }
    }
    graph
}

fn inputs(made: &Made, rng: &mut StdRng) -> Option<Vec<Values>> {
    let tensors = made.graph.inputs.iter().map(|&id| &made.graph.tensors[id]);
    tensors.zip(&made.ranges).map(|(tensor, range)| data::random(rng, tensor.dtype, &tensor.shape, *range)).collect()
}

/// An output full of numbers that no kernel writes, so that an element that was forgotten is seen.
fn poisoned(graph: &Graph, output: TensorId) -> Option<Array> {
    let tensor = &graph.tensors[output];
    let mut array = Array::zeros(tensor.dtype, &tensor.shape)?;
    // 0xff… is a NaN in every float type, and -1 or the greatest value in the integer types.
    let poison = if tensor.dtype == DType::Bool { 0 } else { 0xff };
    array.bytes_mut().fill(poison);
    Some(array)
}

/// The greatest error of any output; more than rounding explains is an error of ftc.
fn compare(
    session: &mut Session,
    workload: &Workload,
    graph: &Graph,
    (inputs, outputs): (&[Values], &[Array]),
    platform: &Platform,
    rng: &mut StdRng,
) -> Outcome<f64> {
    let work = reference::Work::on(platform);
    let found = session.passes.run("reference", || reference::distances(graph, inputs, outputs, work, rng));
    let found = found.map_err(|cause| match cause {
        EvalError::TooLarge => session.environment(driver_error::no_memory()),
        cause => Stop::Internal(format!("the reference of `{}`: {cause}", workload.name)),
    })?;
    let mut worst = 0.0_f64;
    for (distance, output) in found.iter().zip(outputs) {
        let limit = accuracy::tolerance(output.dtype(), platform.numbers());
        if distance.error > limit {
            return Err(session.user(error::wrong_result(&workload.name, distance, limit)));
        }
        worst = worst.max(distance.error);
    }
    Ok(worst)
}

/// Why timing ended.
enum TimingError {
    Ours(LibraryError),
    OnGpu(GpuError),
    Peer(PeerError),
}

/// Ours, with the peer's kind of error.
struct Ours<T>(T);

impl<T: Timed<Error = LibraryError>> Timed for Ours<T> {
    type Error = TimingError;

    fn time(&mut self, calls: u32) -> Result<f64, TimingError> {
        self.0.time(calls).map_err(TimingError::Ours)
    }
}

/// Ours on a GPU.
struct OursOnGpu<'c>(Call<'c>);

impl Timed for OursOnGpu<'_> {
    type Error = TimingError;

    fn time(&mut self, calls: u32) -> Result<f64, TimingError> {
        self.0.time(calls).map_err(TimingError::OnGpu)
    }
}

/// The peer, with our kind of error.
struct Theirs<'a>(&'a mut Peer);

impl Timed for Theirs<'_> {
    type Error = TimingError;

    fn time(&mut self, calls: u32) -> Result<f64, TimingError> {
        self.0.time(calls).map_err(TimingError::Peer)
    }
}

/// Times a workload, beside the peer if there is one, and completes its row.
pub fn time(
    session: &mut Session,
    bench: &Bench<'_>,
    ran: &mut Ran,
    workload: &Workload,
    peer: Option<&mut Peer>,
) -> Outcome<()> {
    let mut theirs = peer.and_then(|peer| match agree(peer, ran, workload, bench.platform.numbers()) {
        Ok(()) => Some(Theirs(peer)),
        Err(cause) => {
            ran.row.error = Some(format!("peer: {cause}"));
            None
        }
    });
    let peer = theirs.as_mut().map(|theirs| theirs as &mut (dyn Timed<Error = TimingError> + Send));
    let measured = match (&ran.code, bench.device) {
        (Code::Cpu { kernel, packed }, _) => {
            let (count, arrays) = (bench.threads, (&*ran.inputs, &mut *ran.outputs));
            threads::on_own(|| time_on_cpu(kernel, packed.as_ref(), count, arrays, peer))
        }
        (Code::Gpu(image), Some(device)) => time_on_gpu(device, image, (&ran.inputs, &ran.outputs), peer),
        (Code::Gpu(_), None) => return Err(Stop::Internal("a kernel for a GPU was called without one".to_owned())),
    };
    let (seconds, peer_seconds) = match measured {
        Ok(measured) => measured,
        Err(TimingError::OnGpu(cause)) => return Err(session.environment(driver_error::gpu_failed(&cause))),
        Err(TimingError::Ours(cause)) => {
            return Err(session.environment(driver_error::call_failed(&cause.to_string())));
        }
        Err(TimingError::Peer(cause)) => {
            ran.row.error = Some(format!("peer: {cause}"));
            return Ok(());
        }
    };
    let row = &mut ran.row;
    row.seconds = Some(seconds);
    row.gflops = row.flops.map(|flops| flops as f64 / seconds / 1e9);
    row.peer_seconds = peer_seconds;
    row.ratio = peer_seconds.map(|peer| peer / seconds);
    Ok(())
}

/// A peer to be timed beside.
type Beside<'p> = Option<&'p mut (dyn Timed<Error = TimingError> + Send)>;

fn time_on_cpu(
    kernel: &Loaded,
    packed: Option<&Packed>,
    threads: usize,
    (inputs, outputs): (&[Array], &mut [Array]),
    peer: Beside<'_>,
) -> Result<(f64, Option<f64>), TimingError> {
    kernel.library.set_threads(threads);
    let (export, inputs) = arguments(kernel, packed, inputs);
    let mut call = kernel.library.prepare(&export, &inputs, outputs).map_err(TimingError::Ours)?;
    timing::measure(&Plan::BENCH, &mut Ours(Here(|| call.run())), peer.map(|peer| peer as _))
}

fn time_on_gpu(
    device: &Device,
    image: &Image,
    (inputs, outputs): (&[Array], &[Array]),
    peer: Beside<'_>,
) -> Result<(f64, Option<f64>), TimingError> {
    let failed = TimingError::OnGpu;
    let program = Program::load(device, image).map_err(failed)?;
    let sizes: Vec<_> = outputs.iter().map(|output| output.bytes().len()).collect();
    let inputs: Vec<_> = inputs.iter().collect();
    let tensors = Tensors::new(device, &inputs, &sizes).map_err(failed)?;
    let mut ours = OursOnGpu(program.prepare(&tensors).map_err(failed)?);
    timing::measure(&Plan::GPU, &mut ours, peer.map(|peer| peer as _))
}

/// Lets the peer compute the workload, and compares its result with ours.
fn agree(peer: &mut Peer, ran: &Ran, workload: &Workload, numbers: Numbers) -> Result<(), PeerError> {
    let [output] = ran.outputs.as_slice() else {
        return Err(PeerError::Refused("operators with several outputs are not compared".to_owned()));
    };
    let theirs = peer.prepare(workload, &ran.inputs, output)?.values();
    let ours = output.values();
    let pairs: Vec<_> = (0..ours.len()).filter_map(|at| Some((ours.get_f64(at)?, theirs.get_f64(at)?))).collect();
    let error = accuracy::relative_error(&pairs);
    if error <= accuracy::tolerance(output.dtype(), numbers) {
        return Ok(());
    }
    Err(PeerError::Refused(format!("its result differs from ours by {error:.1e}, so its time means nothing")))
}
