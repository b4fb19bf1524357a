//! Another implementation of the same operators, in a process of its own, timed beside ours.
//!
//! The only peer so far is PyTorch, driven by `benches/peer_torch.py`, where the questions and answers are described.
//! The script is part of the binary. The peer gets our inputs, and its results are compared with ours: a ratio of
//! times means nothing if the two compute different things.

use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::suite::Workload;
use super::timing::Timed;
use crate::runtime::Array;
use crate::scalar::DType;
use crate::target::{Numbers, Target};

const SCRIPT: &str = include_str!("../../../benches/peer_torch.py");

/// Why a peer gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// It cannot be started.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// The system's refusal.
        source: std::io::Error,
    },
    /// It says itself what is wrong.
    #[error("{0}")]
    Refused(String),
    /// It ended, or said something that is no answer.
    #[error("the peer ended without an answer{0}")]
    Ended(String),
    /// A file for it cannot be written or read.
    #[error("cannot exchange arrays with the peer: {0}")]
    Files(#[from] std::io::Error),
}

/// A running peer.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// What it writes to its standard error.
    complaints: std::fs::File,
    /// Its name and version.
    pub name: String,
    files: tempfile::TempDir,
}

/// Where a peer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// On the processor.
    Cpu,
    /// On the GPU, in full precision.
    Gpu,
    /// On the GPU, where operands may be rounded to tf32.
    GpuTf32,
}

impl Where {
    /// Where code for a target runs.
    pub const fn of(target: &Target) -> Self {
        match target {
            Target::Gpu(gpu) if matches!(gpu.numbers, Numbers::Tf32) => Self::GpuTf32,
            Target::Gpu(_) => Self::Gpu,
            Target::Cpu(_) | Target::Interp => Self::Cpu,
        }
    }

    /// PyTorch's word for it.
    const fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Gpu => "cuda",
            Self::GpuTf32 => "cuda+tf32",
        }
    }
}

/// The Python that peers run in: what the variable FTC_PYTHON names, or `python3`.
pub fn python() -> String {
    std::env::var("FTC_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

impl Peer {
    /// Starts PyTorch with so many threads, or on the GPU.
    pub fn start(python: &str, threads: usize, place: Where) -> Result<Self, PeerError> {
        let fail = |source| PeerError::Start { program: python.to_owned(), source };
        let complaints = tempfile::tempfile()?;
        let mut child = Command::new(python)
            .args(["-c", SCRIPT, &threads.to_string(), place.word()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone()?)
            .spawn()
            .map_err(fail)?;
        let questions = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let files = tempfile::tempdir()?;
        let mut peer = Self { child, questions, answers, complaints, name: String::new(), files };
        let hello = peer.answer()?;
        peer.name = format!("torch {}", hello["torch"].as_str().unwrap_or("of unknown version"));
        Ok(peer)
    }

    /// Gives the peer a workload with its inputs; it computes once, and the result comes back.
    pub fn prepare(&mut self, workload: &Workload, inputs: &[Array], output: &Array) -> Result<Array, PeerError> {
        let mut files = Vec::new();
        for (index, input) in inputs.iter().enumerate() {
            let path = self.files.path().join(format!("in{index}"));
            std::fs::write(&path, input.bytes())?;
            files.push(json!({"file": path, "dtype": input.dtype().name(), "shape": input.shape()}));
        }
        let path = self.files.path().join("out");
        // Made anew: the peer maps the file, and what is mapped keeps its length.
        let _ = std::fs::remove_file(&path);
        let params: serde_json::Map<_, _> =
            workload.params.iter().map(|param| (param.name.clone(), param.value.json())).collect();
        let answer = self.ask(&json!({
            "do": "prepare", "op": workload.op, "params": params, "dtype": output.dtype().name(),
            "inputs": files, "output": path,
        }))?;
        let shape: Option<Vec<i64>> = serde_json::from_value(answer["shape"].clone()).ok();
        if shape.as_deref() != Some(output.shape()) {
            return Err(PeerError::Refused(format!(
                "its result has shape {}, not {:?}",
                answer["shape"],
                output.shape()
            )));
        }
        read(&path, output.dtype(), output.shape())
    }

    fn ask(&mut self, question: &Value) -> Result<Value, PeerError> {
        // A peer that has ended is noticed when its answer is missing.
        let _ = writeln!(self.questions, "{question}").and_then(|()| self.questions.flush());
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, PeerError> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let Ok(answer) = serde_json::from_str::<Value>(&line) else { return Err(self.ended()) };
        match answer["error"].as_str() {
            Some(error) => Err(PeerError::Refused(error.to_owned())),
            None => Ok(answer),
        }
    }

    /// The end of what it wrote to its standard error.
    fn ended(&mut self) -> PeerError {
        let mut said = String::new();
        let read = self.complaints.rewind().and_then(|()| self.complaints.read_to_string(&mut said));
        let last = said.trim_end().lines().next_back().filter(|_| read.is_ok());
        PeerError::Ended(last.map_or(String::new(), |line| format!(": {line}")))
    }
}

impl Timed for Peer {
    type Error = PeerError;

    fn time(&mut self, calls: u32) -> Result<f64, PeerError> {
        let answer = self.ask(&json!({"do": "time", "calls": calls}))?;
        answer["seconds"].as_f64().ok_or_else(|| PeerError::Refused(format!("`{answer}` is no time")))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may be in the middle of a long call; nobody waits for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path, dtype: DType, shape: &[i64]) -> Result<Array, PeerError> {
    let mut array = Array::zeros(dtype, shape).ok_or(std::io::ErrorKind::OutOfMemory).map_err(std::io::Error::from)?;
    std::fs::File::open(path)?.read_exact(array.bytes_mut())?;
    Ok(array)
}
