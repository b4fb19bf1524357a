//! Searches that measure: `ftc tune` for ten kernels, each with every method and several seeds, and what their logs say.

use std::path::Path;
use std::process::{Command, Stdio};

use ftc::driver::tune::log::{self, Line, Outcome};

use crate::curves::{self, Curve};
use crate::methods;

/// Kernels of many shapes: they fit into a cache or do not, tiles divide them or do not, one stage or several.
const KERNELS: [(&str, &str); 10] = [
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

/// Searches all that has no log yet.
pub(crate) fn search(logs: &Path, seconds: usize, seeds: usize) {
    std::fs::create_dir_all(logs).expect("a folder for logs");
    let searches = KERNELS.len() * methods().count() * seeds;
    println!("{searches} searches of {seconds} s");
    // The seeds of one kernel and method lie far apart in time, so that what else the machine does falls on all methods.
    for seed in 0..seeds {
        for (name, call) in KERNELS {
            for (_, method) in methods() {
                let log = logs.join(format!("{name}.{method}.{seed}.jsonl"));
                if !is_complete(&log) {
                    tune(call, method, seconds, seed, &log);
                }
            }
        }
    }
}

fn is_complete(log: &Path) -> bool {
    log::lines(log).is_ok_and(|lines| lines.iter().any(|line| matches!(line, Line::Winner(_))))
}

fn tune(call: &str, method: &str, seconds: usize, seed: usize, log: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ftc"));
    let folder = std::env::temp_dir();
    let lock = folder.join(format!("ftc-bench-search-{}.lock", std::process::id()));
    command.args(["tune", "--export", call, "--search", method, "--seed", &seed.to_string()]);
    command.args(["--budget", &format!("{seconds}s"), "--log"]).arg(log).arg("--lock").arg(&lock);
    let ended = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !ended.is_ok_and(|status| status.success()) {
        println!("failed: {command:?}");
    }
    // No search is to start where another one ended.
    let _ = std::fs::remove_file(&lock);
}

/// The curves of all logs in a folder, named as above.
pub(crate) fn curves(logs: &Path) -> Vec<Curve> {
    let files = std::fs::read_dir(logs).expect("a folder of logs").map(|file| file.expect("a file").path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    let curves: Vec<_> = files.iter().filter_map(|file| curve(file)).collect();
    curves::agreement(&curves);
    curves
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
