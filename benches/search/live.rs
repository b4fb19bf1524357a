//! Searches that measure: `ftc tune` for ten kernels, each with every method and several seeds, and what their logs say.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use ftc::driver::tune::log::{self, Line, Outcome};

use crate::curves::Curve;

/// Kernels of many shapes: they fit into a cache or do not, tiles divide them or do not, one stage or several.
pub(crate) const KERNELS: [(&str, &str); 10] = [
    ("gemm512", "gemm(A: f32[512, 512], B: f32[512, 512])"),
    ("gemm_odd", "gemm(A: f32[1000, 37], B: f32[37, 129])"),
    ("gemm_flat", "gemm(A: f32[64, 2048], B: f32[2048, 96])"),
    ("gemv", "gemv(A: f32[1024, 1024], x: f32[1024])"),
    ("bilinear", "bilinear(a: f32[16, 64], W: f32[32, 64, 64], b: f32[16, 64])"),
    ("conv3x3", "conv2d(x: f32[1, 64, 28, 28], w: f32[64, 64, 3, 3], pad = 1)"),
    ("conv1x1", "conv2d(x: f32[1, 128, 28, 28], w: f32[64, 128, 1, 1])"),
    ("strided", "conv2d(x: f32[1, 3, 112, 112], w: f32[16, 3, 7, 7], stride = 2, pad = 3)"),
    ("transposed", "conv_transpose2d(x: f32[1, 32, 28, 28], w: f32[32, 32, 3, 3], stride = 2, pad = 1)"),
    ("softmax", "softmax(x: f32[256, 1000])"),
];

/// What is searched.
pub(crate) struct Plan {
    /// Minutes of everything together.
    pub(crate) minutes: f64,
    /// Seeds of the default method; each other method has one.
    pub(crate) seeds: usize,
    /// The names of the methods.
    pub(crate) methods: Vec<String>,
}

/// The default method: that whose searches are to agree, whatever their seeds.
pub(crate) const DEFAULT: &str = "auto";
/// Seconds that a search takes beside those that it is given.
const AROUND: f64 = 0.5;
/// Seconds with which a search is worth something.
const FEWEST: f64 = 4.0;

/// One search.
struct Search<'p> {
    name: &'static str,
    call: &'static str,
    method: &'p str,
    seed: usize,
}

impl Search<'_> {
    fn log(&self, logs: &Path) -> PathBuf {
        logs.join(format!("{}.{}.{}.jsonl", self.name, self.method, self.seed))
    }
}

/// All searches. The seeds of one kernel and method lie far apart in time, so that what else the machine does falls on all
/// methods.
fn searches(plan: &Plan) -> Vec<Search<'_>> {
    let mut all = Vec::new();
    for seed in 0..plan.seeds {
        for (name, call) in KERNELS {
            let methods = plan.methods.iter().filter(|method| seed == 0 || *method == DEFAULT);
            all.extend(methods.map(|method| Search { name, call, method, seed }));
        }
    }
    all
}

/// Searches all that has no log yet, each for as long as the others.
pub(crate) fn search(logs: &Path, plan: &Plan) {
    std::fs::create_dir_all(logs).expect("a folder for logs");
    let all = searches(plan);
    let seconds = plan.minutes * 60.0 / all.len() as f64 - AROUND;
    println!("{} searches of {seconds:.1} s", all.len());
    if seconds < FEWEST {
        let minutes = all.len() as f64 * (FEWEST + AROUND) / 60.0;
        println!("that is little: give them {minutes:.0} minutes, or fewer methods");
    }
    let (begin, mut done) = (Instant::now(), 0);
    for search in &all {
        let log = search.log(logs);
        if !is_complete(&log) {
            tune(search, seconds.max(1.0), &log);
        }
        done += 1;
        if done % plan.methods.len() == 0 {
            println!("{done} of {} after {:.1} min", all.len(), begin.elapsed().as_secs_f64() / 60.0);
        }
    }
}

fn is_complete(log: &Path) -> bool {
    log::lines(log).is_ok_and(|lines| lines.iter().any(|line| matches!(line, Line::Winner(_))))
}

fn tune(search: &Search<'_>, seconds: f64, log: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftc"));
    let folder = std::env::temp_dir();
    let lock = folder.join(format!("ftc-bench-search-{}.lock", std::process::id()));
    command.args([
        "tune",
        "--fresh",
        "--export",
        search.call,
        "--search",
        search.method,
        "--seed",
        &search.seed.to_string(),
    ]);
    command.args(["--budget", &format!("{:.0}ms", seconds * 1e3), "--log"]).arg(log).arg("--lock").arg(&lock);
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !ended.is_ok_and(|status| status.success()) {
        println!("failed: {command:?}");
    }
    let _ = std::fs::remove_file(&lock);
}

/// The curves of all logs in a folder, named as above.
pub(crate) fn curves(logs: &Path) -> Vec<Curve> {
    let files = std::fs::read_dir(logs).expect("a folder of logs").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files.iter().filter_map(|file| curve(file)).collect()
}

fn curve(file: &Path) -> Option<Curve> {
    let name = file.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    let [kernel, method, _seed] = name.split('.').collect::<Vec<_>>()[..] else { return None };
    let lines = log::lines(file).ok()?;
    let points = lines.iter().filter_map(|line| match line {
        Line::Trial(trial) => match trial.outcome {
            Outcome::Seconds(seconds) => Some((trial.number, Some(trial.at), seconds)),
            Outcome::Rejected(..) | Outcome::Failed(..) => None,
        },
        Line::Search(_) | Line::Winner(_) => None,
    });
    let end = lines.iter().find_map(|line| if let Line::Winner(winner) = line { Some(winner.seconds) } else { None });
    Some(Curve { kernel: kernel.to_owned(), method: method.to_owned(), points: points.collect(), end })
}
