//! Programs with values: `tests/run/*.ft`. Every export of every program is computed in every way there is, and all
//! must agree: the evaluator of graphs, the interpreter before and after simplification, and compiled code.
//!
//! Lines `// EXPORT.TENSOR = 1 2 3` give inputs and expected outputs; inputs without one are seeded random numbers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ftc::driver::select::{self, Selected, Selection};
use ftc::driver::{self, Session, loaded, machine};
use ftc::graph::Graph;
use ftc::graph::eval::Evaluator;
use ftc::loops::{Kernel, interp};
use ftc::lower::lower;
use ftc::runtime::Array;
use ftc::scalar::{DType, Values};
use ftc::target::Target;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[test]
fn programs_give_their_values_in_every_way() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for path in programs() {
        let mut session = Session::new();
        let selected = select(&mut session, &path);
        let given = given(&std::fs::read_to_string(&path).expect("a program"));
        for export in &selected.exports {
            let name = select::symbol(export);
            let graph = driver::instantiate(&mut session, &selected.program, export, &selected.request)
                .unwrap_or_else(|stop| panic!("{}: {name}: {stop:?} {:?}", path.display(), session.diagnostics));
            count += 1;
            for complaint in check(&mut session, &graph, &given) {
                wrong.push(format!("{}: {name}: {complaint}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of the ways of {count} exports differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 20, "only {count} exports");
}

fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run");
    let entries = std::fs::read_dir(folder).expect("the corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ft"));
    paths.sort();
    paths
}

fn select(session: &mut Session, path: &Path) -> Selected {
    let what = Selection { file: Some(path.to_owned()), ..Selection::default() };
    select::select(session, &what)
        .unwrap_or_else(|stop| panic!("{}: {stop:?} {:?}", path.display(), session.diagnostics))
}

/// The numbers of a program's comments, by `EXPORT.TENSOR`.
fn given(text: &str) -> BTreeMap<String, Vec<f64>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("// ")?.split_once(" = "));
    let number = |word: &str| word.parse().unwrap_or_else(|_| panic!("`{word}` is not a number"));
    lines.map(|(name, numbers)| (name.to_owned(), numbers.split_whitespace().map(number).collect())).collect()
}

/// Everything in which the ways to compute `graph` differ.
fn check(session: &mut Session, graph: &Graph, given: &BTreeMap<String, Vec<f64>>) -> Vec<String> {
    let inputs = inputs(graph, given);
    let naive = lower(graph);
    let chooser = machine::chooser(&machine::target(session, "native").expect("the host"));
    let lowered = driver::lower(session, graph, None, &chooser);
    let kernel = lowered.expect("what was lowered verifies").kernel;
    let reference = interp::run(&naive, &inputs).expect("the naive kernel runs");
    let mut ways = vec![
        ("the evaluator", evaluate(graph, &inputs)),
        ("the simplified kernel", interp::run(&kernel, &inputs).expect("the simplified kernel runs")),
    ];
    ways.extend(native(session, &kernel, &inputs).map(|values| ("compiled code", values)));
    let mut wrong = Vec::new();
    for (index, &id) in graph.outputs.iter().enumerate() {
        let name = &graph.tensors[id].name;
        if let Some(expected) = given.get(&format!("{}.{name}", graph.name)) {
            let expected = values(reference[index].dtype(), reference[index].shape(), expected);
            wrong.extend(difference(&expected, &reference[index]).map(|what| format!("{name}: interpreted, {what}")));
        }
        for (way, results) in &ways {
            wrong.extend(difference(&reference[index], &results[index]).map(|what| format!("{name}: {way}, {what}")));
        }
    }
    wrong
}

fn inputs(graph: &Graph, given: &BTreeMap<String, Vec<f64>>) -> Vec<Values> {
    let mut random = StdRng::seed_from_u64(7);
    let input = |&id| {
        let tensor = &graph.tensors[id];
        if let Some(numbers) = given.get(&format!("{}.{}", graph.name, tensor.name)) {
            return values(tensor.dtype, &tensor.shape, numbers);
        }
        let numbers: Vec<f64> = (0..tensor.len()).map(|_| random.random_range(-1.0..1.0)).collect();
        values(tensor.dtype, &tensor.shape, &numbers)
    };
    graph.inputs.iter().map(input).collect()
}

fn values(dtype: DType, shape: &[i64], numbers: &[f64]) -> Values {
    Values::floats(dtype, shape, numbers.to_vec()).unwrap_or_else(|wrong| panic!("{dtype}{shape:?}: {wrong}"))
}

fn evaluate(graph: &Graph, inputs: &[Values]) -> Vec<Values> {
    let mut evaluator = Evaluator::new(graph, inputs).expect("a graph and its inputs");
    graph.outputs.iter().map(|&id| evaluator.tensor(id).expect("the elements of an output")).collect()
}

/// Compiled, linked, loaded and called; none where this ftc has no backend.
fn native(session: &mut Session, kernel: &Kernel, inputs: &[Values]) -> Option<Vec<Values>> {
    if cfg!(not(feature = "llvm")) {
        return None;
    }
    let Ok(Target::Cpu(cpu)) = machine::target(session, "native") else { panic!("the host has a target") };
    let loaded = loaded::load(session, kernel, None, &cpu)
        .unwrap_or_else(|stop| panic!("{}: {stop:?} {:?}", kernel.name, session.diagnostics));
    let inputs: Vec<_> = inputs.iter().map(|values| Array::from_values(values).expect("some bytes")).collect();
    let outputs = &kernel.params[inputs.len()..];
    let zeros = |&id| Array::zeros(kernel.buffers[id].dtype, &kernel.buffers[id].shape).expect("some bytes");
    let mut outputs: Vec<_> = outputs.iter().map(zeros).collect();
    // What is not written must not pass for a zero.
    for array in &mut outputs {
        array.bytes_mut().fill(0x7f);
    }
    loaded.library.call(&loaded.export, &inputs.iter().collect::<Vec<_>>(), &mut outputs).expect("the call succeeds");
    Some(outputs.iter().map(Array::values).collect())
}

/// Where two results differ by more than roundings.
fn difference(expected: &Values, found: &Values) -> Option<String> {
    let tolerance = match expected.dtype() {
        DType::F16 => 2e-3,
        DType::BF16 => 2e-2,
        DType::F32 => 2e-5,
        DType::F64 => 1e-12,
        DType::Bool | DType::I8 | DType::U8 | DType::I32 | DType::I64 => 0.0,
    };
    let pairs = (0..expected.len()).map(|index| (index, expected.get_f64(index), found.get_f64(index)));
    let mut wrong = pairs.filter_map(|(index, a, b)| {
        let (a, b) = (a?, b?);
        let same = a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        let close = same || (a - b).abs() <= tolerance * (1.0 + a.abs());
        (!close).then(|| format!("element {index}: expected {a}, found {b}"))
    });
    wrong.next()
}
