//! What is left when `ftc tune` or its workers are killed at any moment: a log and a lock that read, and a search that can
//! be gone on with. `FTC_KILLS=100 cargo test --test it kills` does it a hundred times.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ftc::driver::lock;
use ftc::driver::tune::log::{self, Line};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::place::Place;

const TRIALS: usize = 48;

fn kills() -> usize {
    std::env::var("FTC_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(4)
}

fn tune(place: &Place) -> Command {
    let call = "gemm(A: f32[24, 20], B: f32[20, 32])";
    let budget = format!("{TRIALS}trials");
    place.command(&["tune", "gemm.ft", "--export", call, "--budget", &budget, "--log", "log.jsonl", "--resume"])
}

fn start(place: &Place) -> Child {
    tune(place).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ftc runs")
}

/// The processes that a process started.
fn children(of: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    texts.flat_map(|text| text.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>()).collect()
}

fn kill(process: u32) {
    let status = Command::new("kill").args(["-9", &process.to_string()]).stderr(Stdio::null()).status();
    status.expect("there is a kill");
}

/// Whether a process is there, and no zombie.
fn lives(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

/// Holds what is on the disk to what every moment allows; gives the trials of the log.
fn check_files(place: &Place) -> usize {
    let path = place.path("log.jsonl");
    let lines = if path.exists() { log::lines(&path).expect("a log of whole lines") } else { Vec::new() };
    let numbers: Vec<_> =
        lines.iter().filter_map(|line| if let Line::Trial(trial) = line { Some(trial.number) } else { None }).collect();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
    lock::read(&place.path("ftc.lock")).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    numbers.len()
}

fn wait_until(what: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !what() {
        if begin.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Kills ftc after a while; its workers must end by themselves.
fn kill_ftc(place: &Place, after: Duration) {
    let mut ftc = start(place);
    std::thread::sleep(after);
    let workers = children(ftc.id());
    kill(ftc.id());
    ftc.wait().expect("it ended");
    assert!(wait_until(|| workers.iter().all(|&worker| !lives(worker))), "a worker is left");
}

/// Kills a worker after a while; ftc goes on without it.
fn kill_worker(place: &Place, after: Duration, rng: &mut StdRng) {
    let ftc = start(place);
    std::thread::sleep(after);
    let workers = children(ftc.id());
    if !workers.is_empty() {
        kill(workers[rng.random_range(0..workers.len())]);
    }
    let ended = ftc.wait_with_output().expect("it ended");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_search_that_is_killed_leaves_what_it_had() {
    if !Path::new("/proc/self/task").exists() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(1);
    let mut place = Place::with_gemm();
    for number in 0..kills() {
        let before = check_files(&place);
        let after = Duration::from_millis(rng.random_range(1..1500));
        if number % 3 == 2 {
            kill_worker(&place, after, &mut rng);
        } else {
            kill_ftc(&place, after);
        }
        let trials = check_files(&place);
        assert!(trials >= before, "{before} trials became {trials}");
        if trials == TRIALS {
            finish(&place);
            place = Place::with_gemm();
        }
    }
    finish(&place);
}

/// Lets the search end, and looks at what it found.
fn finish(place: &Place) {
    let ended = tune(place).output().expect("ftc runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(check_files(place), TRIALS);
    let lines = log::lines(&place.path("log.jsonl")).expect("a log");
    assert!(lines.iter().any(|line| matches!(line, Line::Winner(_))), "{lines:?}");
    let text = lock::read(&place.path("ftc.lock")).expect("a lock").text();
    assert!(text.contains("[[kernel]]"), "{text}");
}
