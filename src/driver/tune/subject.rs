//! An export to be tuned: its plain loops, the data that candidates are checked with, and the check of winners.
//!
//! Expected outputs are those of the schedule that a build would take, compared with the definition; all other candidates
//! are compared with them in full. A winner is compared with the definition again, with inputs that schedules trip over
//! (`adverse`). Where the definition itself leaves open what becomes of those, the plain loops decide.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use tempfile::TempDir;

use super::super::bench::data::{self, Range};
use super::super::bench::reference::{self, Work};
use super::super::choose;
use super::adverse::{self, ByZero};
use super::floor;
use crate::explore::Reason;
use crate::graph::Graph;
use crate::loops::{self, Kernel};
use crate::measure::candidates::Candidates;
use crate::measure::crew::Crew;
use crate::measure::meter::{Leader, Meter};
use crate::measure::protocol::{Build, Call, Processor, Reply, Request, Setup};
use crate::measure::{accuracy, parallel};
use crate::runtime::Array;
use crate::scalar::Values;
use crate::schedule::Schedule;
use crate::space::knobs::Point;
use crate::target::{Platform, Target};

/// The sets of inputs: two for every candidate, one for winners.
const CHECKED: usize = 2;
const ADVERSE: usize = 2;
/// The longest call.
const CALL_LIMIT: Duration = Duration::from_secs(120);

/// An export with its data.
#[derive(Debug)]
pub struct Subject {
    /// What it computes.
    pub graph: Graph,
    definition: Graph,
    /// Its candidates, and their times.
    pub meter: Meter,
    /// Points to start from.
    pub starts: Vec<Point>,
    /// What a build takes before this search, from the lock or the model: a candidate in the final, whether the space has
    /// it or not.
    pub chosen: Option<Leader>,
    /// Seconds that calling a kernel with two sets of inputs took, with the comparison of its outputs with the definition.
    pub compared: f64,
    inputs: Vec<Vec<Values>>,
    seed: u64,
    // Goes away with all that is in it.
    _folder: TempDir,
}

/// What became of a comparison, and the outputs.
type Compared = (Result<(), Reason>, Vec<Array>);

/// What a subject is made from.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// What it computes.
    pub graph: &'a Graph,
    /// What it is to give: the same, or the body of which it is a variant.
    pub definition: &'a Graph,
    /// Ranges of inputs, where they are not any numbers.
    pub ranges: &'a [Option<Range>],
    /// The plain loops.
    pub naive: &'a Kernel,
    /// What to compile for.
    pub target: &'a Target,
    /// What schedules are made for.
    pub platform: &'a Platform,
    /// Threads of a call.
    pub threads: usize,
    /// Of the inputs.
    pub seed: u64,
    /// What a build takes, if that is known: it stands beside what is found. Else the model chooses it.
    pub chosen: Option<Schedule>,
}

/// The library of what a build would take.
const CHOSEN: &str = "chosen.so";

/// Starts of a search.
const STARTS: usize = 8;

impl Subject {
    /// Makes inputs; gives the schedule that a build would take, of which outputs are expected.
    pub fn new(recipe: &Recipe<'_>) -> Result<(Self, Schedule), Reason> {
        let folder = tempfile::Builder::new().prefix("ftc-tune-").tempdir().map_err(|cause| files(&cause))?;
        let Thought { candidates, starts, chosen } = Thought::of(recipe);
        let by_zero = if candidates.skip_zeros() { ByZero::LeftOut } else { ByZero::Computed };
        let mut rng = data::source(recipe.seed, &recipe.graph.name);
        let mut inputs = Vec::new();
        for set in 0..=CHECKED {
            let mut values = random(recipe, &mut rng).ok_or_else(no_memory)?;
            if set == ADVERSE {
                adverse::disturb(recipe.graph, by_zero, &mut values, &mut rng);
            }
            inputs.push(values);
        }
        let setup = Setup {
            kernel: loops::print::print(&loops::simplify::simplify(recipe.naive.clone())),
            processor: Processor::of(recipe.target).ok_or_else(|| Reason::new("target", "it runs no code"))?,
            threads: recipe.threads,
            folder: folder.path().to_owned(),
            tensors: tensors(recipe.graph),
        };
        for (set, values) in inputs.iter().enumerate() {
            for (index, values) in values.iter().enumerate() {
                std::fs::write(setup.file("in", set, index), values.to_bytes()).map_err(|cause| files(&cause))?;
            }
        }
        let fastest = floor::floor(recipe.graph, recipe.platform, recipe.threads);
        let meter = Meter::new(candidates, setup, fastest);
        let subject = Self {
            graph: recipe.graph.clone(),
            definition: recipe.definition.clone(),
            meter,
            starts,
            chosen: None,
            compared: 0.0,
            inputs,
            seed: recipe.seed,
            _folder: folder,
        };
        Ok((subject, chosen))
    }

    /// What is to be compiled before outputs can be expected.
    pub fn order(&self, chosen: &Schedule) -> Result<Build, Reason> {
        self.meter.order(chosen, self.meter.setup.folder.join(CHOSEN))
    }

    /// Finds expected outputs: those of the schedule that a build would take, if it was compiled and they are right; else
    /// those of the plain loops.
    pub fn expect(&mut self, crew: &Crew, chosen: Schedule, built: Result<(), Reason>) -> Result<(), Reason> {
        let library = self.meter.setup.folder.join(CHOSEN);
        let Err(first) = built.and_then(|()| self.expect_of(crew, &library)) else {
            // No point of the space need have this schedule.
            let point = Point(Vec::new());
            if !self.meter.setup.processor.is_gpu() {
                self.meter.moor(library.clone());
            }
            self.chosen = Some(Leader { point, schedule: chosen, seconds: f64::INFINITY, library, looks: Vec::new() });
            return Ok(());
        };
        if self.meter.setup.processor.is_gpu() {
            return Err(first);
        }
        let plain = self.meter.setup.folder.join("plain.so");
        self.meter.compile(crew, &Schedule::default(), plain.clone())?;
        self.expect_of(crew, &plain)
    }

    fn expect_of(&mut self, crew: &Crew, library: &Path) -> Result<(), Reason> {
        let start = Instant::now();
        for (found, _) in self.compared(crew, library, "out", (0..CHECKED).collect())? {
            found?;
        }
        self.compared = start.elapsed().as_secs_f64();
        Ok(())
    }

    /// Calls a library with sets of inputs, and compares what it gives; files of outputs have a name with the set's number.
    fn compared(&self, crew: &Crew, library: &Path, name: &str, sets: Vec<usize>) -> Result<Vec<Compared>, Reason> {
        let mut called = Vec::new();
        for set in sets {
            let outputs = self.meter.setup.folder.join(format!("{name}.{set}"));
            self.call(crew, library.to_owned(), set, outputs.clone())?;
            called.push((set, self.read_outputs(&outputs)?));
        }
        Ok(parallel::each(called, |(set, arrays)| (self.compare(set, &arrays), arrays)))
    }

    /// Calls a library with a set of inputs.
    fn call(&self, crew: &Crew, library: PathBuf, set: usize, outputs: PathBuf) -> Result<(), Reason> {
        let request = Request::Call(Call { library, set, outputs });
        match crew.alone(&self.meter.setup, &request, CALL_LIMIT)? {
            Reply::Done => Ok(()),
            other => Err(Reason::new("worker", format!("it said {other:?}"))),
        }
    }

    fn read_outputs(&self, path: &Path) -> Result<Vec<Array>, Reason> {
        let read = |(index, &id): (usize, &crate::expr::TensorId)| {
            let tensor = &self.graph.tensors[id];
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{index}"));
            let bytes = std::fs::read(name).map_err(|cause| files(&cause))?;
            let mut array = Array::zeros(tensor.dtype, &tensor.shape).ok_or_else(no_memory)?;
            array.bytes_mut().copy_from_slice(&bytes);
            Ok(array)
        };
        self.graph.outputs.iter().enumerate().map(read).collect()
    }

    /// Compares outputs with the definition.
    fn compare(&self, set: usize, outputs: &[Array]) -> Result<(), Reason> {
        // Variants make something else of what is infinite.
        let wanted = if set == ADVERSE { &self.graph } else { &self.definition };
        let mut rng = data::source(self.seed, &format!("{} {set}", self.graph.name));
        let found = reference::distances(wanted, &self.inputs[set], outputs, Work::Brief, &mut rng);
        let found = found.map_err(|cause| Reason::new("reference", cause.to_string()))?;
        let numbers = self.meter.setup.processor.numbers();
        for (distance, output) in found.iter().zip(outputs) {
            if distance.error > accuracy::tolerance(output.dtype(), numbers) {
                return Err(Reason::new(
                    "wrong values",
                    format!("`{}` is off by {:.1e}", distance.tensor, distance.error),
                ));
            }
        }
        Ok(())
    }

    /// Checks a winner against the definition, with random inputs and with those that schedules trip over.
    pub fn check(&self, crew: &Crew, leader: &Leader) -> Result<(), Reason> {
        self.meter.restore(crew, leader)?;
        let sets = [0, ADVERSE];
        let found = self.compared(crew, &leader.library, "winner", sets.to_vec())?;
        for (set, (compared, arrays)) in sets.into_iter().zip(found) {
            if let Err(reason) = compared {
                self.agrees_with_plain(crew, set, &arrays).map_err(|_| reason)?;
            }
        }
        Ok(())
    }

    /// Compares with the plain loops; on a GPU, where one thread would take minutes for them, with the model's choice.
    fn agrees_with_plain(&self, crew: &Crew, set: usize, arrays: &[Array]) -> Result<(), Reason> {
        let is_gpu = self.meter.setup.processor.is_gpu();
        let library = self.meter.setup.folder.join(if is_gpu { CHOSEN } else { "plain.so" });
        if !library.exists() {
            self.meter.compile(crew, &Schedule::default(), library.clone())?;
        }
        let outputs = self.meter.setup.folder.join("plain");
        self.call(crew, library, set, outputs.clone())?;
        let plain = self.read_outputs(&outputs)?;
        let numbers = self.meter.setup.processor.numbers();
        let far = |(a, b): (&Array, &Array)| accuracy::distance(a, b) > accuracy::tolerance(a.dtype(), numbers);
        if arrays.iter().zip(&plain).any(far) {
            return Err(Reason::new("wrong values", "it differs from the plain loops"));
        }
        Ok(())
    }
}

/// What is known of a kernel before anything is measured.
struct Thought {
    candidates: Candidates,
    starts: Vec<Point>,
    chosen: Schedule,
}

impl Thought {
    /// Both take long, and neither needs the other.
    fn of(recipe: &Recipe<'_>) -> Self {
        let space = || {
            let mut candidates = choose::candidates(recipe.naive, recipe.platform);
            let starts = candidates.starts(STARTS);
            (candidates, starts)
        };
        std::thread::scope(|scope| {
            let space = parallel::beside(scope, space);
            let chosen = || choose::choose(recipe.naive, recipe.platform);
            let chosen = recipe.chosen.clone().unwrap_or_else(chosen);
            let (candidates, starts) = space.join();
            Self { candidates, starts, chosen }
        })
    }
}

fn random(recipe: &Recipe<'_>, rng: &mut StdRng) -> Option<Vec<Values>> {
    let made = recipe.graph.inputs.iter().enumerate().map(|(index, &id)| {
        let tensor = &recipe.graph.tensors[id];
        data::random(rng, tensor.dtype, &tensor.shape, recipe.ranges.get(index).copied().flatten())
    });
    made.collect()
}

/// Bytes of all tensors, intermediates too.
fn tensors(graph: &Graph) -> u64 {
    let bytes =
        |tensor: &crate::graph::Tensor| tensor.shape.iter().product::<i64>() as u64 * tensor.dtype.bytes() as u64;
    graph.tensors.iter().map(|(_, tensor)| bytes(tensor)).sum()
}

fn files(cause: &std::io::Error) -> Reason {
    Reason::new("files", cause.to_string())
}

fn no_memory() -> Reason {
    Reason::new("memory", "there is not enough for the tensors")
}
