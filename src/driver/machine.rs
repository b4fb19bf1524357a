//! The machine that ftc runs on, and what a target's name means on it.

use std::hint::black_box;
use std::time::Instant;

use crate::codegen;
use crate::target::{Cpu, Facts, Host, Machine, Platform, Target, TargetError};

use super::error;
use super::session::{Outcome, Session};

/// What this machine is, if that is known.
pub fn host() -> Option<Host> {
    codegen::llvm::host()
}

/// The target of that name.
pub fn target(session: &mut Session, name: &str) -> Outcome<Target> {
    let host = host();
    Target::parse(name, host.as_ref()).map_err(|cause| match &cause {
        TargetError::Unknown { nearest, .. } => session.user(error::unknown_target(&cause.to_string(), nearest)),
        TargetError::NoTf32 { .. } => session.user(error::no_tf32(&cause.to_string())),
        TargetError::NoHost => session.environment(error::unknown_target(&cause.to_string(), &["x86"])),
    })
}

/// Threads that a schedule for a named target counts with: what is chosen must not depend on where ftc runs.
const THREADS: i64 = 8;

/// How schedules for a target are chosen.
#[derive(Clone, Debug)]
pub enum Chooser {
    /// Not at all: loops stay as they are.
    Nobody,
    /// By a model.
    Model(Platform),
}

impl Chooser {
    /// The machine of the model.
    pub const fn model(&self) -> Option<&Platform> {
        if let Self::Model(platform) = self { Some(platform) } else { None }
    }
}

/// The machine that schedules for a target are chosen for; none where no model is asked.
pub fn model(target: &Target) -> Option<Platform> {
    let cpu = match target {
        Target::Cpu(cpu) => cpu,
        Target::Gpu(gpu) => return Some(gpu.chip().into()),
        Target::Interp => return None,
    };
    let threads = match cpu.name.as_str() {
        "native" => std::thread::available_parallelism().map_or(1, |count| count.get() as i64),
        _ => THREADS,
    };
    Some(Machine::of(cpu, threads).into())
}

/// Who chooses schedules for a target.
pub fn chooser(target: &Target) -> Chooser {
    model(target).map_or(Chooser::Nobody, Chooser::Model)
}

/// Cycles in a second of this machine, about: what its processor says of itself is often less than what it does, so a
/// chain of multiplications is timed, each of which waits for the one before.
pub fn clock() -> f64 {
    /// Multiplications, and the cycles of one with what joins it to the next.
    const CHAIN: u32 = 1 << 20;
    const LATENCY: f64 = 4.0;
    if cfg!(debug_assertions) {
        // The chain would be one of loads and stores.
        return 3e9;
    }
    let seconds = (0..5).map(|turn| {
        let begin = Instant::now();
        let end = (0..CHAIN).fold(black_box(turn), |x: u64, _| x.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x55);
        black_box(end);
        begin.elapsed().as_secs_f64()
    });
    f64::from(CHAIN) * LATENCY / seconds.fold(f64::INFINITY, f64::min)
}

/// Why code for `cpu` cannot run on this machine; none if it can.
pub fn cannot_run(cpu: &Cpu) -> Option<String> {
    let host = host()?;
    if host.arch != cpu.arch {
        return Some(format!("it is {}, and this machine is {}", cpu.arch.triple(), host.arch.triple()));
    }
    let native = Cpu { name: "native".to_owned(), arch: host.arch, cpu: host.cpu, features: host.features };
    lacks(&cpu.facts(), &native.facts()).map(|what| format!("this machine has no {what}"))
}

/// What one machine has that another lacks, if there is something.
pub fn lacks(wanted: &Facts, there: &Facts) -> Option<&'static str> {
    let table = [
        (wanted.vector_bits > 256 && there.vector_bits <= 256, "AVX-512"),
        (wanted.vector_bits > 128 && there.vector_bits <= 128, "AVX"),
        (wanted.fma && !there.fma, "FMA"),
        (wanted.f16_convert && !there.f16_convert, "F16C"),
        (wanted.vnni && !there.vnni, "VNNI"),
        (wanted.bf16 && !there.bf16, "BF16 instructions"),
        (wanted.fp16 && !there.fp16, "FP16 instructions"),
    ];
    table.iter().find(|(is_missing, _)| *is_missing).map(|&(_, what)| what)
}

/// Every target's name, with a line about it.
pub fn targets() -> Vec<(&'static str, String)> {
    let host = host();
    let about = |(name, about): (&'static str, String)| match &host {
        Some(host) if name == "native" => (name, format!("{about}: {}", host.cpu)),
        _ => (name, about),
    };
    Target::list().into_iter().map(about).collect()
}
