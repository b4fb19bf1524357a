//! What a machine is: data, read from a name or from the host by the driver.

/// A machine to generate code for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A CPU, through LLVM.
    Cpu(Cpu),
    /// The reference interpreter.
    Interp,
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

impl Arch {
    /// The Rust and LLVM target triple.
    pub const fn triple(self) -> &'static str {
        match self {
            Self::X86 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }
}
