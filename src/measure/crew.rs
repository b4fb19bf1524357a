//! Workers, from ftc's side: some compile, all at the same time; others check and time, one for each GPU, or one alone.
//!
//! Each worker has a thread here that asks it. What is compiled is started and then waited for, so that timing can begin
//! with what is ready first, and so that what comes next is compiled meanwhile. Whatever happens to a worker is the reason
//! why its candidates failed, and nothing else.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::process::Worker;
use super::protocol::{Build, Reply, Request, Setup};
use crate::explore::Reason;

/// Some workers.
#[derive(Debug)]
pub struct Crew {
    builders: Sender<Job>,
    /// Workers that compile.
    count: usize,
    timers: Vec<Sender<Errand>>,
}

/// What workers have done.
#[derive(Debug)]
pub enum Event {
    /// The candidate of this number was compiled, or not.
    Built(usize, Result<(), Reason>),
    /// A worker that times replied on the candidate of this number.
    Replied {
        /// The number of the worker.
        timer: usize,
        /// The number of the candidate.
        at: usize,
        /// What it said.
        reply: Result<Reply, Reason>,
    },
}

/// Candidates that are being compiled; those that have not begun are left out when this is dropped.
#[derive(Debug)]
pub struct Building(Arc<AtomicBool>);

impl Drop for Building {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Candidates that one worker compiles together.
#[derive(Debug)]
struct Job {
    builds: Vec<(usize, Build)>,
    limit: Duration,
    events: Sender<Event>,
    is_over: Arc<AtomicBool>,
}

/// What a worker that times is to do.
#[derive(Debug)]
enum Errand {
    /// To answer.
    Ask(Box<Question>),
    /// To make room for another process.
    Renew,
}

/// Something that a worker which times is asked.
#[derive(Debug)]
struct Question {
    setup: Setup,
    request: Request,
    limit: Duration,
    at: usize,
    events: Sender<Event>,
}

/// The share of the limit of one candidate that each other one of a group adds.
const MORE: f64 = 0.4;

impl Crew {
    /// A crew of so many compiling workers, and one that times. `program` is ftc itself.
    pub fn new(program: impl Into<PathBuf>, builders: usize) -> Self {
        Self::with_gpus(program, builders, &[])
    }

    /// The same with a worker that times for each GPU, by the names that CUDA knows them by; with one, where none is named.
    pub fn with_gpus(program: impl Into<PathBuf>, builders: usize, gpus: &[String]) -> Self {
        let program = program.into();
        let (sender, jobs) = mpsc::channel();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..builders.max(1) {
            let (worker, jobs) = (Worker::new(program.clone(), None), Arc::clone(&jobs));
            std::thread::spawn(move || compile(worker, &jobs));
        }
        let named = gpus.iter().cloned().map(Some);
        let gpus: Vec<_> = if gpus.is_empty() { vec![None] } else { named.collect() };
        let timer = |(number, gpu)| {
            let (sender, errands) = mpsc::channel();
            let worker = Worker::new(program.clone(), gpu);
            std::thread::spawn(move || run(worker, number, &errands));
            sender
        };
        Self { builders: sender, count: builders.max(1), timers: gpus.into_iter().enumerate().map(timer).collect() }
    }

    /// Workers that compile.
    pub const fn builders(&self) -> usize {
        self.count
    }

    /// Workers that time.
    pub const fn timers(&self) -> usize {
        self.timers.len()
    }

    /// Starts to compile candidates, so many together; each is an event when it is done, with the number given.
    pub fn start(
        &self,
        builds: &[(usize, Build)],
        together: usize,
        limit: Duration,
        events: &Sender<Event>,
    ) -> Building {
        let is_over = Arc::new(AtomicBool::new(false));
        for group in builds.chunks(together.max(1)) {
            let limit = limit.mul_f64(MORE.mul_add(group.len() as f64 - 1.0, 1.0));
            let (events, is_over) = (events.clone(), Arc::clone(&is_over));
            let job = Job { builds: group.to_vec(), limit, events, is_over };
            self.builders.send(job).expect("the threads of builders end after the crew");
        }
        Building(is_over)
    }

    /// Compiles candidates on all workers, so many together, and waits for all.
    pub fn build(&self, builds: &[Build], together: usize, limit: Duration) -> Vec<Result<(), Reason>> {
        let (sender, events) = mpsc::channel();
        let _building = self.start(&builds.iter().cloned().enumerate().collect::<Vec<_>>(), together, limit, &sender);
        drop(sender);
        let mut results: Vec<_> = builds.iter().map(|_| Ok(())).collect();
        for event in events {
            if let Event::Built(at, result) = event {
                results[at] = result;
            }
        }
        results
    }

    /// Asks a worker that times about the candidate of a number; its reply is an event.
    pub fn ask(
        &self,
        timer: usize,
        (setup, request): (&Setup, Request),
        limit: Duration,
        at: usize,
        events: &Sender<Event>,
    ) {
        let question = Question { setup: setup.clone(), request, limit, at, events: events.clone() };
        self.send(timer, Errand::Ask(Box::new(question)));
    }

    /// Has the first worker that times replaced by another process: one that has its data at other places in memory.
    pub fn renew(&self) {
        self.send(0, Errand::Renew);
    }

    fn send(&self, timer: usize, errand: Errand) {
        self.timers[timer].send(errand).expect("the threads of workers end after the crew");
    }

    /// Has something done by the first worker that times, and waits for it.
    pub fn alone(&self, setup: &Setup, request: &Request, limit: Duration) -> Result<Reply, Reason> {
        let (sender, events) = mpsc::channel();
        self.ask(0, (setup, request.clone()), limit, 0, &sender);
        drop(sender);
        match events.recv() {
            Ok(Event::Replied { reply, .. }) => reply,
            _ => Err(Reason::new("worker", "it did not reply")),
        }
    }
}

/// What the thread of a compiling worker does, until the crew is gone.
fn compile(mut worker: Worker, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { builds, limit, events, is_over }) = job else { return };
        if is_over.load(Ordering::Relaxed) {
            continue;
        }
        for (at, result) in compiled(&mut worker, &builds, limit) {
            // Whoever does not listen has no more time.
            let _ = events.send(Event::Built(at, result));
        }
    }
}

/// Compiles a group; where it fails as a whole, each of its candidates alone.
fn compiled(worker: &mut Worker, builds: &[(usize, Build)], limit: Duration) -> Vec<(usize, Result<(), Reason>)> {
    let request = Request::Build(builds.iter().map(|(_, build)| build.clone()).collect());
    let asked = worker.ask(None, &request, limit);
    let numbers = builds.iter().map(|&(at, _)| at);
    match asked {
        Ok(Reply::Built(replies)) if replies.len() == builds.len() => {
            numbers.zip(replies.into_iter().map(Reply::into_result)).collect()
        }
        Err(_) if builds.len() > 1 => {
            builds.iter().flat_map(|build| compiled(worker, std::slice::from_ref(build), limit)).collect()
        }
        Err(reason) => numbers.map(|at| (at, Err(reason.clone()))).collect(),
        Ok(other) => numbers.map(|at| (at, Err(Reason::new("worker", format!("it said {other:?}"))))).collect(),
    }
}

/// What the thread of a worker that times does, until the crew is gone.
fn run(mut worker: Worker, timer: usize, errands: &Receiver<Errand>) {
    for errand in errands {
        match errand {
            Errand::Renew => worker.retire(),
            Errand::Ask(question) => {
                let Question { setup, request, limit, at, events } = *question;
                let reply = worker.ask(Some(&setup), &request, limit);
                let _ = events.send(Event::Replied { timer, at, reply });
            }
        }
    }
}
