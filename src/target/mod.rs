//! What a machine is: data, read from a name or from the host by the driver.
//!
//! Nothing here asks the machine that ftc runs on: what `native` means comes in as a [`Host`]. [`cpus`] is the table
//! of processors that have names, [`gpus`] that of GPUs.

pub mod cpus;
pub mod gpus;
pub mod machine;

pub use cpus::{Facts, Level};
pub use gpus::{Chip, Gpu, Numbers};
pub use machine::{Dots, Machine};

/// A machine to generate code for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A CPU, through LLVM.
    Cpu(Cpu),
    /// A GPU, through CUDA C.
    Gpu(Gpu),
    /// The reference interpreter.
    Interp,
}

/// What schedules are chosen for: a machine as spaces and cost models see it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Platform {
    /// Some cores.
    Cpu(Machine),
    /// A GPU.
    Gpu(Chip),
}

impl Platform {
    /// What may be made of operands.
    pub const fn numbers(&self) -> Numbers {
        if let Self::Gpu(chip) = self { chip.numbers } else { Numbers::Exact }
    }
}

impl From<Machine> for Platform {
    fn from(machine: Machine) -> Self {
        Self::Cpu(machine)
    }
}

impl From<Chip> for Platform {
    fn from(chip: Chip) -> Self {
        Self::Gpu(chip)
    }
}

/// A CPU in LLVM's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The name by which it was asked for: `x86`, `native`, `znver4`, `aarch64`.
    pub name: String,
    /// The architecture.
    pub arch: Arch,
    /// LLVM's name of the processor: `x86-64-v3`, `znver4`, `generic`.
    pub cpu: String,
    /// LLVM's features: `+avx2,-avx512f`; empty for those of the processor.
    pub features: String,
}

/// Instruction sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86,
    /// 64-bit Arm.
    Aarch64,
}

/// The processor that ftc runs on, as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The architecture.
    pub arch: Arch,
    /// LLVM's name of the processor.
    pub cpu: String,
    /// LLVM's features of exactly this machine.
    pub features: String,
}

/// Why a name is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No target has this name.
    #[error("unknown target `{name}`")]
    Unknown {
        /// What was asked for.
        name: String,
        /// Targets with names like it, nearest first; may be empty.
        nearest: Vec<&'static str>,
    },
    /// `native`, and nobody could say what the host is.
    #[error("the host's processor is not known, so `native` names no target")]
    NoHost,
    /// Rounding to tf32 was allowed, and nothing there does that.
    #[error("target `{name}` has no matrix units that round to tf32")]
    NoTf32 {
        /// The target.
        name: String,
    },
}

impl Arch {
    /// The Rust and LLVM target triple.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// The architecture of Rust's name (`std::env::consts::ARCH`).
    pub fn from_rust(name: &str) -> Option<Self> {
        match name {
            "x86_64" => Some(Self::X86),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }
}

/// The names that are not those of a processor, and what they mean.
const ALIASES: [(&str, &str); 5] = [
    ("x86", "64-bit x86 with AVX2 and FMA, the same as x86-64-v3"),
    ("native", "the processor that ftc runs on"),
    ("aarch64", "64-bit Arm with Neon; cross compiled elsewhere"),
    ("cuda", "NVIDIA GPUs through CUDA C, the same as cuda:sm_90"),
    ("interp", "the reference interpreter, slow and exact"),
];

impl Target {
    /// The name by which it was asked for.
    pub fn name(&self) -> &str {
        match self {
            Self::Cpu(cpu) => &cpu.name,
            Self::Gpu(gpu) => &gpu.name,
            Self::Interp => "interp",
        }
    }

    /// The target of that name. `host` says what `native` is.
    pub fn parse(name: &str, host: Option<&Host>) -> Result<Self, TargetError> {
        let cpu = |arch, cpu: &str, features: &str| {
            Ok(Self::Cpu(Cpu { name: name.to_owned(), arch, cpu: cpu.to_owned(), features: features.to_owned() }))
        };
        match name {
            "interp" => Ok(Self::Interp),
            "x86" => cpu(Arch::X86, "x86-64-v3", ""),
            "aarch64" => cpu(Arch::Aarch64, "generic", ""),
            "native" => host.map_or(Err(TargetError::NoHost), |host| cpu(host.arch, &host.cpu, &host.features)),
            _ if cpus::find(name).is_some() => cpu(Arch::X86, name, ""),
            _ if let Some(gpu) = gpus::find(name) => Ok(Self::Gpu(gpu)),
            _ if let Some(bare) = name.strip_suffix(gpus::TF32) => {
                Self::parse(bare, host).and(Err(TargetError::NoTf32 { name: bare.to_owned() }))
            }
            _ => Err(TargetError::Unknown { name: name.to_owned(), nearest: nearest(name) }),
        }
    }

    /// Every name that [`Target::parse`] knows, with a line about it, in the order in which to list them.
    pub fn list() -> Vec<(&'static str, String)> {
        let aliases = ALIASES.iter().map(|&(name, about)| (name, about.to_owned()));
        let gpus = gpus::TABLE.iter().map(|row| (row.name, format!("an NVIDIA GPU: {}", row.example)));
        aliases.chain(cpus::TABLE.iter().map(|row| (row.name, row.about()))).chain(gpus).collect()
    }
}

impl Cpu {
    /// What code generation may count on.
    pub fn facts(&self) -> Facts {
        cpus::facts(self)
    }
}

/// Up to three names that were probably meant, nearest first.
fn nearest(name: &str) -> Vec<&'static str> {
    let processors = cpus::TABLE.iter().map(|row| row.name).chain(gpus::TABLE.iter().map(|row| row.name));
    let known = ALIASES.iter().map(|&(known, _)| known).chain(processors);
    let mut scored: Vec<_> = known
        .map(|known| (strsim::jaro_winkler(&name.to_ascii_lowercase(), known), known))
        .filter(|&(score, _)| score > 0.8)
        .collect();
    // A stable sort: equals keep the order of the table.
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, known)| known).collect()
}

#[cfg(test)]
mod tests {
    use super::{Arch, Host, Numbers, Target, TargetError};

    fn cpu(name: &str, host: Option<&Host>) -> super::Cpu {
        match Target::parse(name, host) {
            Ok(Target::Cpu(cpu)) => cpu,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn names_mean_processors() {
        assert_eq!(cpu("x86", None).cpu, "x86-64-v3");
        assert_eq!(cpu("znver4", None).cpu, "znver4");
        assert_eq!(cpu("aarch64", None).arch, Arch::Aarch64);
        assert_eq!(Target::parse("interp", None), Ok(Target::Interp));
    }

    #[test]
    fn every_listed_name_parses() {
        let host = Host { arch: Arch::X86, cpu: "znver3".into(), features: "+avx2".into() };
        for (name, _) in Target::list() {
            assert!(Target::parse(name, Some(&host)).is_ok(), "{name}");
        }
    }

    #[test]
    fn rounding_is_allowed_behind_the_name_of_a_gpu() {
        let Ok(Target::Gpu(gpu)) = Target::parse("cuda:sm_80+tf32", None) else { panic!() };
        assert_eq!((gpu.sm, gpu.numbers, gpu.chip().numbers), (80, Numbers::Tf32, Numbers::Tf32));
        for name in ["x86", "cuda:sm_75", "interp"] {
            let refused = Err(TargetError::NoTf32 { name: name.to_owned() });
            assert_eq!(Target::parse(&format!("{name}+tf32"), None), refused);
        }
        assert!(matches!(Target::parse("???+tf32", None), Err(TargetError::Unknown { .. })));
    }

    #[test]
    fn native_is_the_host_as_given() {
        let host = Host { arch: Arch::X86, cpu: "znver3".into(), features: "+avx2,+f16c,+fma".into() };
        let native = cpu("native", Some(&host));
        assert_eq!((native.cpu.as_str(), native.features.as_str()), ("znver3", "+avx2,+f16c,+fma"));
        assert_eq!(Target::parse("native", None), Err(TargetError::NoHost));
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let Err(TargetError::Unknown { nearest, .. }) = Target::parse("zenver4", None) else { panic!() };
        assert_eq!(nearest[0], "znver4");
        let Err(TargetError::Unknown { nearest, .. }) = Target::parse("???", None) else { panic!() };
        assert!(nearest.is_empty());
    }
}
