//! What ftc and its workers say to each other: one JSON object a line, a reply for each request.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::samples::Samples;
use crate::explore::Reason;
use crate::target::{Arch, Cpu, Gpu, Numbers, Target};

/// What a worker is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Request {
    /// To get ready for candidates of a kernel.
    Setup(Setup),
    /// To compile candidates, together where that is faster.
    Build(Vec<Build>),
    /// To check a library's results, and to time it.
    Time(Time),
    /// To call a library once with a set of inputs and to write its outputs to files.
    Call(Call),
}

/// What all candidates of a kernel share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The plain loops: they say what the parameters are.
    pub kernel: String,
    /// What they are compiled for.
    pub processor: Processor,
    /// Threads of each call.
    pub threads: usize,
    /// Where inputs and expected outputs are; see [`Setup::file`].
    pub folder: PathBuf,
    /// Bytes of all tensors, intermediates too.
    pub tensors: u64,
}

/// What code is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Processor {
    /// A processor in LLVM's words.
    Cpu {
        /// The name by which it was asked for.
        name: String,
        /// Whether its architecture is Arm's.
        is_arm: bool,
        /// LLVM's name of it.
        cpu: String,
        /// LLVM's features.
        features: String,
    },
    /// A GPU in CUDA's.
    Gpu {
        /// The name by which it was asked for.
        name: String,
        /// The number of its architecture.
        sm: u32,
        /// Whether its matrix units may round operands.
        rounds: bool,
    },
}

/// A candidate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Build {
    /// Its loops, as text.
    pub loops: String,
    /// What to compile for.
    pub processor: Processor,
    /// Where the library goes.
    pub library: PathBuf,
}

/// A library to be timed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Time {
    /// The library.
    pub library: PathBuf,
    /// How long to measure.
    pub effort: Effort,
    /// Whether its results were found right before.
    pub checked: bool,
    /// The library that it is timed beside, if there is one.
    pub anchor: Option<PathBuf>,
}

/// A library to be called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The library.
    pub library: PathBuf,
    /// The number of the set of inputs.
    pub set: usize,
    /// Outputs go to files of this name with `.0`, `.1`, … at its end.
    pub outputs: PathBuf,
}

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Samples at most.
    pub samples: usize,
    /// Seconds of all samples, about.
    pub seconds: f64,
    /// What takes longer than this is hopeless, and one call of it is enough.
    pub hopeless: Option<f64>,
    /// What takes more times as long as the anchor than this is behind, and one sample of it is enough.
    pub behind: Option<f64>,
    /// Faster than this is not possible: something else was measured.
    pub fastest: f64,
}

/// What a worker replies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// It was done.
    Done,
    /// What became of each candidate: done, or failed.
    Built(Vec<Self>),
    /// What calls take.
    Samples(Samples),
    /// It does not work.
    Failed {
        /// By which failures are counted.
        kind: String,
        /// What exactly.
        detail: String,
    },
}

impl Effort {
    /// Whether something that takes so long is not worth a second call.
    pub fn is_hopeless(&self, once: f64) -> bool {
        self.hopeless.is_some_and(|limit| once > 2.0 * limit)
    }
}

impl Setup {
    /// The file of an input or an expected output of a set.
    pub fn file(&self, direction: &str, set: usize, index: usize) -> PathBuf {
        self.folder.join(format!("{direction}.{set}.{index}"))
    }
}

impl Processor {
    /// That of a target; none of the interpreter, which needs no code.
    pub fn of(target: &Target) -> Option<Self> {
        Some(match target.clone() {
            Target::Cpu(Cpu { name, arch, cpu, features }) => {
                Self::Cpu { name, is_arm: arch == Arch::Aarch64, cpu, features }
            }
            Target::Gpu(Gpu { name, sm, numbers }) => Self::Gpu { name, sm, rounds: numbers == Numbers::Tf32 },
            Target::Interp => return None,
        })
    }

    /// What it may make of operands.
    pub const fn numbers(&self) -> Numbers {
        if let Self::Gpu { rounds: true, .. } = self { Numbers::Tf32 } else { Numbers::Exact }
    }

    /// Whether it is a GPU.
    pub const fn is_gpu(&self) -> bool {
        matches!(self, Self::Gpu { .. })
    }
}

impl From<&Processor> for Target {
    fn from(processor: &Processor) -> Self {
        match processor.clone() {
            Processor::Cpu { name, is_arm, cpu, features } => {
                let arch = if is_arm { Arch::Aarch64 } else { Arch::X86 };
                Self::Cpu(Cpu { name, arch, cpu, features })
            }
            Processor::Gpu { name, sm, rounds } => {
                let numbers = if rounds { Numbers::Tf32 } else { Numbers::Exact };
                Self::Gpu(Gpu { name, sm, numbers })
            }
        }
    }
}

impl Reply {
    /// Nothing to say, or why it failed.
    pub fn into_result(self) -> Result<(), Reason> {
        match self {
            Self::Failed { kind, detail } => Err(Reason { kind, detail }),
            _ => Ok(()),
        }
    }
}

impl From<Reason> for Reply {
    fn from(Reason { kind, detail }: Reason) -> Self {
        Self::Failed { kind, detail }
    }
}
