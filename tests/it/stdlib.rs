//! Every function of the standard library, at small and awkward sizes, against a reference that is written here in
//! straight loops: interpreted, and compiled by the CPU backend.
//!
//! A case is a call, as `--export` takes it, and a function from inputs to outputs in `f64`. Inputs are seeded random
//! numbers, multiples of 1/16 so that references are nearly exact; a case may ask for integers in a range instead.

mod activation;
mod array;
mod conv;
mod linalg;
mod nn;
mod pool;
mod reduce;
mod tensor;

use std::collections::BTreeSet;
use std::ops::Range;

use array::Array;
#[cfg(feature = "llvm")]
use ftc::artifact::{self, Direction, Interface};
use ftc::codegen::cuda;
#[cfg(feature = "llvm")]
use ftc::codegen::{Form, llvm};
use ftc::diag::Diagnostic;
use ftc::driver::choose::choose;
use ftc::driver::modules::Modules;
use ftc::explore;
use ftc::graph::Graph;
use ftc::loops::pack as packing;
use ftc::loops::simplify::simplify;
use ftc::loops::{Kernel, interp, verify};
use ftc::lower::lower;
use ftc::measure::candidates::Candidates;
#[cfg(feature = "llvm")]
use ftc::runtime;
use ftc::scalar::{DType, Values};
use ftc::schedule;
use ftc::sema::{self, Loader, Program, Request};
use ftc::source::SourceMap;
use ftc::syntax::parser;
use ftc::target::Target;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::{pack, schedule_gen, schedule_gpu_gen};

type Reference = Box<dyn Fn(&[Array]) -> Vec<Array>>;
type Adjust = fn(&[i64], f64) -> f64;

/// A call and what it must give.
struct Case {
    call: String,
    reference: Reference,
    ranges: Vec<(usize, Range<i64>)>,
    adjust: Vec<(usize, Adjust)>,
    variant: Option<&'static str>,
    tolerance: f64,
}

/// A case with random inputs.
fn case(call: &str, reference: impl Fn(&[Array]) -> Vec<Array> + 'static) -> Case {
    Case {
        call: call.to_owned(),
        reference: Box::new(reference),
        ranges: Vec::new(),
        adjust: Vec::new(),
        variant: None,
        tolerance: 2e-5,
    }
}

impl Case {
    /// Input `index` holds integers of this range.
    fn ints(mut self, index: usize, range: Range<i64>) -> Self {
        self.ranges.push((index, range));
        self
    }

    /// Every element of input `index` is replaced by a function of its position and value.
    fn adjust(mut self, index: usize, f: Adjust) -> Self {
        self.adjust.push((index, f));
        self
    }

    /// Uses another body.
    fn by(mut self, variant: &'static str) -> Self {
        self.variant = Some(variant);
        self
    }

    /// How far results may be from the reference, relative to its largest element.
    fn within(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }

    fn function(&self) -> &str {
        self.call.split('(').next().unwrap_or_default()
    }

    /// The inputs for a graph, the same in every run.
    fn inputs(&self, graph: &Graph) -> Vec<Values> {
        let mut rng = StdRng::seed_from_u64(7);
        let tensors = graph.inputs.iter().map(|&id| &graph.tensors[id]);
        let inputs = tensors.enumerate().map(|(index, tensor)| {
            let range = self.ranges.iter().find(|(wanted, _)| *wanted == index).map(|(_, range)| range.clone());
            let data = (0..tensor.len()).map(|flat| {
                let value = match &range {
                    Some(range) => rng.random_range(range.clone()) as f64,
                    None => f64::from(rng.random_range(-32..=32)) / 16.0,
                };
                let adjust = self.adjust.iter().find(|(wanted, _)| *wanted == index);
                adjust.map_or(value, |(_, f)| f(&position(flat, &tensor.shape), value))
            });
            Values::floats(tensor.dtype, &tensor.shape, data.collect()).expect("as many as the shape says")
        });
        inputs.collect()
    }
}

fn position(mut flat: i64, shape: &[i64]) -> Vec<i64> {
    let mut at = vec![0; shape.len()];
    for (index, extent) in at.iter_mut().zip(shape).rev() {
        *index = flat % extent;
        flat /= extent;
    }
    at
}

fn array_of(values: &Values) -> Array {
    let data = (0..values.len()).map(|i| values.get_f64(i).expect("inside")).collect();
    Array { shape: values.shape().to_vec(), data }
}

fn cases() -> Vec<Case> {
    [linalg::cases, conv::cases, activation::cases, nn::cases, pool::cases, reduce::cases, tensor::cases]
        .into_iter()
        .flat_map(|cases| cases())
        .collect()
}

/// The whole library, and the sources that messages point into.
struct Library {
    sources: SourceMap,
    program: Program,
}

fn library() -> Library {
    let mut sources = SourceMap::default();
    let (program, found) = sema::load_std(&mut sources, &mut Modules::beside("."));
    assert!(found.is_empty(), "{}", render(&sources, &found));
    Library { sources, program }
}

/// Messages with the source that their primary labels mark.
fn render(sources: &SourceMap, found: &[Diagnostic]) -> String {
    let line = |diagnostic: &Diagnostic| {
        let places = diagnostic.labels.iter().filter(|label| label.primary);
        let places: Vec<_> = places.map(|label| sources.text(label.span)).collect();
        format!("{} {}: {places:?} {:?}", diagnostic.code.0, diagnostic.message, diagnostic.notes)
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A case that is ready to run.
struct Built<'c> {
    case: &'c Case,
    kernel: Kernel,
    inputs: Vec<Values>,
}

impl Library {
    fn graph(&mut self, case: &Case, symbol: &str) -> Result<Graph, String> {
        let text = format!("{symbol} = {}", case.call);
        let file = self.sources.add("call", &text);
        let (export, found) = parser::parse_export(file, &text);
        let Some(export) = export.filter(|_| found.is_empty()) else { return Err(render(&self.sources, &found)) };
        let variants = case.variant.iter().map(ToString::to_string).collect();
        let request = Request { variants, ..Request::default() };
        sema::instantiate(&self.program, &export, &request).map_err(|found| render(&self.sources, &found))
    }

    fn build<'c>(&mut self, case: &'c Case, symbol: &str) -> Built<'c> {
        let graph = self.graph(case, symbol).unwrap_or_else(|why| panic!("{}\n{why}", case.call));
        let kernel = lower(&graph);
        verify::verify(&kernel).unwrap_or_else(|why| panic!("{}\n{why:?}", case.call));
        Built { case, kernel, inputs: case.inputs(&graph) }
    }
}

/// Holds what `run` makes of every case against its reference.
fn check(built: &[Built<'_>], run: impl Fn(&Built<'_>) -> Result<Vec<Values>, String>) {
    let wrong = built.iter().filter_map(|built| {
        let why = run(built).and_then(|outputs| compare(built.case, &built.inputs, &outputs)).err()?;
        Some(format!("{} {}\n{why}", built.case.call, built.case.variant.unwrap_or_default()))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{} cases are wrong\n\n{}", wrong.len(), wrong.join("\n\n"));
}

fn compare(case: &Case, inputs: &[Values], outputs: &[Values]) -> Result<(), String> {
    let arrays: Vec<_> = inputs.iter().map(array_of).collect();
    let wanted = (case.reference)(&arrays);
    if wanted.len() != outputs.len() {
        return Err(format!("{} outputs, not {}", outputs.len(), wanted.len()));
    }
    for (number, (wanted, found)) in wanted.iter().zip(outputs).enumerate() {
        if wanted.shape != found.shape() {
            return Err(format!("output {number} has extents {:?}, not {:?}", found.shape(), wanted.shape));
        }
        let scale = wanted.data.iter().fold(1f64, |largest, x| largest.max(x.abs()));
        let tolerance = if found.dtype().is_float() { case.tolerance * scale } else { 0.0 };
        let tolerance = if found.dtype() == DType::F16 { tolerance.max(1e-3 * scale) } else { tolerance };
        for (flat, wanted) in wanted.data.iter().enumerate() {
            let found = found.get_f64(flat).expect("of the same extents");
            if (found - wanted).abs().partial_cmp(&tolerance).is_none_or(std::cmp::Ordering::is_gt) {
                return Err(format!("output {number}, element {flat} is {found}, not {wanted}"));
            }
        }
    }
    Ok(())
}

#[test]
fn the_interpreter_agrees_with_the_references() {
    let (cases, mut library) = (cases(), library());
    let built: Vec<_> = cases.iter().map(|case| library.build(case, "kernel")).collect();
    check(&built, |built| interp::run(&built.kernel, &built.inputs).map_err(|error| error.to_string()));
}

/// The legality of schedules: whatever `apply` does not refuse verifies, and gives what the naive nest gives.
#[test]
fn random_schedules_agree_with_the_references() {
    let (cases, mut library) = (cases(), library());
    for seed in 0..schedule_seeds() {
        let built: Vec<_> = cases.iter().map(|case| library.build(case, "kernel")).collect();
        check(&built, |built| {
            let schedule = schedule_gen::schedule(&built.kernel, seed, 24);
            let show = |why: String| format!("seed {seed}: {why}\n{schedule}");
            let kernel = schedule::apply(&built.kernel, &schedule).map_err(|refused| show(refused.to_string()))?;
            for kernel in [kernel.clone(), simplify(kernel.clone())] {
                verify::verify(&kernel).map_err(|why| show(format!("{why:?}\n{kernel}")))?;
                let outputs = interp::run(&kernel, &built.inputs).map_err(|error| show(error.to_string()))?;
                compare(built.case, &built.inputs, &outputs).map_err(|why| show(format!("{why}\n{kernel}")))?;
            }
            let consts = if seed % 2 == 0 { !1 } else { 1 };
            let outputs = pack::run(&pack::with_consts(kernel, consts), &built.inputs).map_err(&show)?;
            compare(built.case, &built.inputs, &outputs).map_err(|why| show(format!("packed: {why}")))?;
            Ok(()).and_then(|()| interp::run(&built.kernel, &built.inputs).map_err(|error| error.to_string()))
        });
    }
}

/// What is chosen for a GPU where nobody gave a schedule, as CUDA C, too.
#[test]
fn schedules_chosen_for_a_gpu_agree_with_the_references() {
    let (cases, mut library) = (cases(), library());
    let built: Vec<_> = cases.iter().map(|case| library.build(case, "kernel")).collect();
    let Ok(Target::Gpu(gpu)) = Target::parse("cuda", None) else { panic!("it is a GPU") };
    check(&built, |built| {
        let schedule = choose(&built.kernel, &gpu.chip().into());
        let show = |why: String| format!("{why}\n{schedule}");
        let kernel = schedule::apply(&built.kernel, &schedule).map_err(|refused| show(refused.to_string()))?;
        let kernel = simplify(kernel);
        verify::verify(&kernel).map_err(|why| show(format!("{why:?}\n{kernel}")))?;
        let outputs = interp::run(&kernel, &built.inputs).map_err(|error| show(format!("{error}\n{kernel}")))?;
        // The same with all inputs but the first packed ahead.
        let kernel = pack::with_consts(kernel, !1);
        let parts = packing::pack(&kernel);
        cuda::export(&kernel, parts.as_ref(), &gpu, &[]).map_err(|error| show(error.to_string()))?;
        let packed = pack::run(&kernel, &built.inputs).map_err(&show)?;
        compare(built.case, &built.inputs, &packed).map_err(|why| show(format!("{why}\n{kernel}")))?;
        Ok(outputs)
    });
}

/// Points of the spaces for GPUs: those that the steps do not refuse give what the naive nests give, without races.
#[test]
fn points_of_gpu_spaces_agree_with_the_references() {
    let (cases, mut library) = (cases(), library());
    let built: Vec<_> = cases.iter().map(|case| library.build(case, "kernel")).collect();
    let Ok(Target::Gpu(gpu)) = Target::parse("cuda", None) else { panic!("it is a GPU") };
    check(&built, |built| {
        let mut candidates = Candidates::of(&built.kernel, &gpu.chip().into());
        let mut points = candidates.starts(4);
        points.extend(explore::spread(&candidates.knobs, 400));
        points.retain(|point| candidates.predict(point).is_ok());
        points.truncate(4);
        for point in points {
            let schedule = candidates.schedule(&point).map_err(|why| why.detail)?;
            let show = |why: String| format!("{why}\n{schedule}");
            let kernel = schedule::apply(&built.kernel, &schedule).map_err(|refused| show(refused.to_string()))?;
            let kernel = simplify(kernel);
            verify::verify(&kernel).map_err(|why| show(format!("{why:?}\n{kernel}")))?;
            cuda::module(&kernel, None, &gpu).map_err(|error| show(error.to_string()))?;
            let outputs = interp::run(&kernel, &built.inputs).map_err(|error| show(format!("{error}\n{kernel}")))?;
            compare(built.case, &built.inputs, &outputs).map_err(|why| show(format!("{why}\n{kernel}")))?;
        }
        Ok(()).and_then(|()| interp::run(&built.kernel, &built.inputs).map_err(|error| error.to_string()))
    });
}

/// The same on a GPU; the interpreter also finds races and threads that miss a barrier.
#[test]
fn random_gpu_schedules_agree_with_the_references() {
    let (cases, mut library) = (cases(), library());
    for seed in 0..schedule_seeds() {
        let built: Vec<_> = cases.iter().map(|case| library.build(case, "kernel")).collect();
        check(&built, |built| {
            let schedule = schedule_gpu_gen::schedule(&built.kernel, seed);
            let show = |why: String| format!("seed {seed}: {why}\n{schedule}");
            let kernel = schedule::apply(&built.kernel, &schedule).map_err(|refused| show(refused.to_string()))?;
            for kernel in [kernel.clone(), simplify(kernel)] {
                verify::verify(&kernel).map_err(|why| show(format!("{why:?}\n{kernel}")))?;
                let outputs =
                    interp::run(&kernel, &built.inputs).map_err(|error| show(format!("{error}\n{kernel}")))?;
                compare(built.case, &built.inputs, &outputs).map_err(|why| show(format!("{why}\n{kernel}")))?;
            }
            Ok(()).and_then(|()| interp::run(&built.kernel, &built.inputs).map_err(|error| error.to_string()))
        });
    }
}

/// How many random schedules each operator gets; more by hand with `FTC_SCHEDULE_SEEDS`.
fn schedule_seeds() -> u64 {
    std::env::var("FTC_SCHEDULE_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(2)
}

#[cfg(feature = "llvm")]
#[test]
fn compiled_code_agrees_with_the_references() {
    let (cases, mut library) = (cases(), library());
    let build = |(number, case)| library.build(case, &format!("kernel_{number}"));
    let built: Vec<_> = cases.iter().enumerate().map(build).collect();
    let Ok(Target::Cpu(cpu)) = Target::parse("native", llvm::host().as_ref()) else { panic!("no native target") };
    let object = |built: &Built<'_>| match llvm::compile(&simplify(built.kernel.clone()), &cpu, Form::Object) {
        Ok(object) => (built.kernel.name.clone(), object),
        Err(error) => panic!("{}: {error}", built.case.call),
    };
    let objects: Vec<_> = built.iter().map(object).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("libstd.so");
    artifact::link_shared(&objects, &place, &cpu).expect("it links");
    let loaded = runtime::Library::open(&place).expect("it loads");
    check(&built, |built| {
        let inputs: Vec<_> = built.inputs.iter().filter_map(runtime::Array::from_values).collect();
        let made = Interface::of(&built.kernel).params.into_iter().filter(|param| param.direction == Direction::Out);
        let mut outputs: Vec<_> = made.filter_map(|param| runtime::Array::zeros(param.dtype, &param.shape)).collect();
        let borrowed: Vec<_> = inputs.iter().collect();
        loaded.call(&built.kernel.name, &borrowed, &mut outputs).map_err(|error| error.to_string())?;
        Ok(outputs.iter().map(runtime::Array::values).collect())
    });
}

#[test]
fn every_function_has_a_case() {
    let cases = cases();
    let tested: BTreeSet<_> = cases.iter().map(Case::function).collect();
    let library = library();
    let missing: Vec<_> = library.program.function_names().into_iter().filter(|name| !tested.contains(name)).collect();
    assert!(missing.is_empty(), "without a case: {missing:?}");
}

#[test]
fn every_file_checks_without_a_warning() {
    for path in ftc::driver::modules::std_modules() {
        let segments: Vec<_> = path.split("::").collect();
        let mut loader = Modules::beside(".");
        let (name, text) = loader.load("", &segments).expect("a module of std");
        let mut sources = SourceMap::default();
        let file = sources.add(name, text.clone());
        let (tree, found) = parser::parse(file, &text);
        assert!(found.is_empty(), "{}", render(&sources, &found));
        let (program, mut found) = sema::load(&mut sources, file, tree, &mut loader);
        let more = sema::check(&program, &found);
        found.extend(more);
        assert!(found.is_empty(), "{path}\n{}", render(&sources, &found));
    }
}
