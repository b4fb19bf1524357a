//! A worker as ftc sees it: a process that is started when needed, asked, and killed when it takes too long.
//!
//! Whatever happens to the process is the reason why what it was asked failed, and nothing else: the next request starts
//! another one.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::gpu::FAULT;
use super::protocol::{Reply, Request, Setup};
use crate::explore::Reason;
use crate::runtime::threads;

/// How often a thread of OpenMP looks for work before it sleeps: through the time from call to call, not for longer.
const SPINS: &str = "20000";
/// By this, CUDA shows a process some GPUs only.
const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";

/// How long a worker may take to get ready.
const READY: Duration = Duration::from_secs(20);

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    program: PathBuf,
    /// The GPU that it sees, where there are several.
    gpu: Option<String>,
    process: Option<Process>,
    /// What the process was set up for.
    setup: Option<Setup>,
}

impl Worker {
    /// A worker that has not been started. `program` is ftc itself.
    pub(super) const fn new(program: PathBuf, gpu: Option<String>) -> Self {
        Self { program, gpu, process: None, setup: None }
    }

    /// Has something done.
    pub(super) fn ask(&mut self, setup: Option<&Setup>, request: &Request, limit: Duration) -> Result<Reply, Reason> {
        let asked = self.get_ready(setup).and_then(|process| process.ask(request, limit));
        match asked {
            Ok(Reply::Failed { kind, detail }) => {
                if kind == FAULT {
                    // Nothing more can be done on the GPU in that process.
                    self.process = None;
                }
                Err(Reason { kind, detail })
            }
            Ok(reply) => Ok(reply),
            Err(reason) => {
                // It is dead, or it might as well be.
                self.process = None;
                Err(reason)
            }
        }
    }

    /// Ends the process; the next request starts another one.
    pub(super) fn retire(&mut self) {
        self.process = None;
    }

    /// A living process, set up as is wanted.
    fn get_ready(&mut self, setup: Option<&Setup>) -> Result<&mut Process, Reason> {
        let mut process = if let Some(process) = self.process.take() {
            process
        } else {
            self.setup = None;
            Process::start(&self.program, self.gpu.as_deref())?
        };
        if let Some(setup) = setup.filter(|setup| self.setup.as_ref() != Some(*setup)) {
            self.setup = None;
            if let Reply::Failed { kind, detail } = process.ask(&Request::Setup(setup.clone()), READY)? {
                return Err(Reason { kind, detail });
            }
            self.setup = Some(setup.clone());
        }
        Ok(self.process.insert(process))
    }
}

/// A running worker; killed when it is dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    requests: ChildStdin,
    replies: Receiver<String>,
}

impl Process {
    fn start(program: &PathBuf, gpu: Option<&str>) -> Result<Self, Reason> {
        let mut command = Command::new(program);
        command.envs(gpu.map(|gpu| (VISIBLE, gpu)));
        // What was timed last must not look for work on the cores of what is timed next.
        command.env("GOMP_SPINCOUNT", SPINS);
        command.envs(threads::binding());
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|cause| Reason::new("worker", cause.to_string()))?;
        let (Some(requests), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Reason::new("worker", "it has no pipes"));
        };
        let (sender, replies) = mpsc::channel();
        std::thread::spawn(move || {
            // Ends with the process, or when nobody listens any longer.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, requests, replies })
    }

    fn ask(&mut self, request: &Request, limit: Duration) -> Result<Reply, Reason> {
        let text = serde_json::to_string(request).expect("a request has only strings for keys");
        if writeln!(self.requests, "{text}").and_then(|()| self.requests.flush()).is_err() {
            return Err(self.death());
        }
        match self.replies.recv_timeout(limit) {
            Ok(line) => serde_json::from_str(&line).map_err(|cause| Reason::new("worker", cause.to_string())),
            Err(RecvTimeoutError::Disconnected) => Err(self.death()),
            Err(RecvTimeoutError::Timeout) => {
                Err(Reason::new("time limit", format!("not done after {:.1} s", limit.as_secs_f64())))
            }
        }
    }

    /// Why it no longer replies.
    fn death(&mut self) -> Reason {
        // What closed its output and lives on does not deserve better.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => Reason::new("crash", how(status)),
            Err(cause) => Reason::new("crash", cause.to_string()),
        }
    }
}

fn how(status: ExitStatus) -> String {
    match status.signal() {
        Some(11) => "signal 11, memory that is not its own".to_owned(),
        Some(6) => "signal 6, aborted, perhaps for lack of memory".to_owned(),
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
