//! The table of x86 processors: which instructions each one has, as LLVM 22 knows them.
//!
//! Code generation asks these facts where LLVM would otherwise answer with a call into a helper library (`f16`
//! without F16C), and where the shape of a kernel depends on the machine (lanes, registers).

use super::{Arch, Cpu};

/// Generations of x86 vector units; each has all that the former ones have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// SSE2: 128 bits, 16 registers.
    V1,
    /// SSE4.2.
    V2,
    /// AVX without AVX2: 256 bits for floats.
    Avx,
    /// AVX2, FMA, F16C: 256 bits.
    V3,
    /// AVX-512 F, BW, CD, DQ, VL: 512 bits, 32 registers, masks.
    V4,
}

/// One named processor.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "a list of instructions that are there or not")]
pub struct Row {
    /// LLVM's name.
    pub name: &'static str,
    /// Its generation.
    pub level: Level,
    /// Whether it multiplies bytes into 32-bit sums (`vpdpbusd`), in whatever encoding.
    pub vnni: bool,
    /// Whether it does so for factors that both have a sign, or none, in 256 bits (AVX-VNNI-INT8).
    pub vnni_signs: bool,
    /// Whether it has dot products of `bf16`.
    pub bf16: bool,
    /// Whether it computes in `f16`.
    pub fp16: bool,
    /// Whether LLVM prefers 512-bit vectors on it.
    pub wide: bool,
}

/// What code generation may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a list of instructions that are there or not")]
pub struct Facts {
    /// Bits of the widest vector of floats.
    pub vector_bits: u32,
    /// Bits of the vectors that LLVM chooses by itself: half of the widest where those lower the clock.
    pub preferred_bits: u32,
    /// Number of vector registers.
    pub vector_registers: u32,
    /// Fused multiply-add.
    pub fma: bool,
    /// Conversion between `f16` and `f32` in hardware.
    pub f16_convert: bool,
    /// Byte products summed into 32 bits, of one factor without and one with a sign.
    pub vnni: bool,
    /// The same for two factors with a sign, and for two without, in 256 bits.
    pub vnni_signs: bool,
    /// Dot products of `bf16`.
    pub bf16: bool,
    /// Whether these are as fast as a multiply-add: AMD's are, Intel's take four times as long.
    pub bf16_fast: bool,
    /// Arithmetic in `f16`.
    pub fp16: bool,
    /// Vector operations under a mask register.
    pub masks: bool,
}

const fn plain(name: &'static str, level: Level) -> Row {
    Row { name, level, vnni: false, vnni_signs: false, bf16: false, fp16: false, wide: false }
}

const fn vnni(name: &'static str, level: Level) -> Row {
    Row { vnni: true, ..plain(name, level) }
}

const fn signs(name: &'static str) -> Row {
    Row { vnni_signs: true, ..vnni(name, Level::V3) }
}

const fn bf16(name: &'static str, level: Level) -> Row {
    Row { bf16: true, ..vnni(name, level) }
}

const fn fp16(name: &'static str) -> Row {
    Row { fp16: true, ..bf16(name, Level::V4) }
}

const fn zen(name: &'static str) -> Row {
    Row { wide: true, ..bf16(name, Level::V4) }
}

/// All of them: the levels, then Intel, then AMD, each from old to new.
pub const TABLE: &[Row] = &[
    plain("x86-64", Level::V1),
    plain("x86-64-v2", Level::V2),
    plain("x86-64-v3", Level::V3),
    plain("x86-64-v4", Level::V4),
    plain("nocona", Level::V1),
    plain("core2", Level::V1),
    plain("penryn", Level::V1),
    plain("nehalem", Level::V2),
    plain("westmere", Level::V2),
    plain("sandybridge", Level::Avx),
    plain("ivybridge", Level::Avx),
    plain("haswell", Level::V3),
    plain("broadwell", Level::V3),
    plain("skylake", Level::V3),
    plain("skylake-avx512", Level::V4),
    plain("cannonlake", Level::V4),
    vnni("cascadelake", Level::V4),
    bf16("cooperlake", Level::V4),
    vnni("icelake-client", Level::V4),
    vnni("icelake-server", Level::V4),
    vnni("rocketlake", Level::V4),
    vnni("tigerlake", Level::V4),
    vnni("alderlake", Level::V3),
    vnni("raptorlake", Level::V3),
    vnni("meteorlake", Level::V3),
    signs("arrowlake"),
    signs("arrowlake-s"),
    signs("lunarlake"),
    signs("pantherlake"),
    signs("wildcatlake"),
    fp16("sapphirerapids"),
    fp16("emeraldrapids"),
    fp16("graniterapids"),
    fp16("graniterapids-d"),
    fp16("diamondrapids"),
    vnni("gracemont", Level::V3),
    signs("sierraforest"),
    signs("grandridge"),
    signs("clearwaterforest"),
    plain("bonnell", Level::V1),
    plain("silvermont", Level::V2),
    plain("goldmont", Level::V2),
    plain("goldmont-plus", Level::V2),
    plain("tremont", Level::V2),
    // Knights have AVX-512 without the half of it that this level means.
    plain("knl", Level::V3),
    plain("knm", Level::V3),
    plain("k8", Level::V1),
    plain("k8-sse3", Level::V1),
    plain("amdfam10", Level::V1),
    plain("btver1", Level::V1),
    plain("btver2", Level::Avx),
    plain("bdver1", Level::Avx),
    plain("bdver2", Level::Avx),
    plain("bdver3", Level::Avx),
    plain("bdver4", Level::V3),
    plain("znver1", Level::V3),
    plain("znver2", Level::V3),
    plain("znver3", Level::V3),
    zen("znver4"),
    zen("znver5"),
];

/// The row of a processor.
pub fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

impl Level {
    const fn vector_bits(self) -> u32 {
        match self {
            Self::V1 | Self::V2 => 128,
            Self::Avx | Self::V3 => 256,
            Self::V4 => 512,
        }
    }
}

impl Row {
    /// A line for `ftc targets`.
    pub fn about(&self) -> String {
        let simd = match self.level {
            Level::V1 => "SSE2",
            Level::V2 => "SSE4.2",
            Level::Avx => "AVX",
            Level::V3 => "AVX2, FMA",
            Level::V4 => "AVX-512",
        };
        let extras = [(self.vnni, "VNNI"), (self.bf16, "BF16"), (self.fp16, "FP16")];
        let extras = extras.into_iter().filter_map(|(has, name)| has.then_some(name));
        ["64-bit x86", simd].into_iter().chain(extras).collect::<Vec<_>>().join(", ")
    }

    fn facts(&self) -> Facts {
        let (v3, v4) = (self.level >= Level::V3, self.level >= Level::V4);
        Facts {
            vector_bits: self.level.vector_bits(),
            preferred_bits: if self.wide { 512 } else { self.level.vector_bits().min(256) },
            vector_registers: if v4 { 32 } else { 16 },
            fma: v3,
            // Ivy Bridge and its contemporaries had F16C before AVX2; they take the portable way, which is as exact.
            f16_convert: v3,
            vnni: self.vnni,
            vnni_signs: self.vnni_signs,
            bf16: self.bf16,
            bf16_fast: self.bf16 && self.wide,
            fp16: self.fp16,
            masks: v4,
        }
    }
}

const NEON: Facts = Facts {
    vector_bits: 128,
    preferred_bits: 128,
    vector_registers: 32,
    fma: true,
    f16_convert: true,
    vnni: false,
    vnni_signs: false,
    bf16: false,
    bf16_fast: false,
    fp16: false,
    masks: false,
};

/// The facts of a CPU: of its row, then changed by its list of features.
pub(super) fn facts(cpu: &Cpu) -> Facts {
    if cpu.arch == Arch::Aarch64 {
        return NEON;
    }
    let features: Vec<_> = cpu.features.split(',').filter_map(|feature| feature.split_at_checked(1)).collect();
    let has = |name: &str| features.iter().rev().find(|(_, known)| *known == name).map(|(sign, _)| *sign == "+");
    let row = find(&cpu.cpu).unwrap_or(&TABLE[0]).facts();
    let masks = has("avx512vl").unwrap_or(row.masks);
    let narrow = if has("avx").unwrap_or(row.vector_bits > 128) { 256 } else { 128 };
    let vector_bits = if masks { 512 } else { narrow };
    // Two encodings of the same instruction.
    let vnni = [has("avx512vnni"), has("avxvnni")].into_iter().flatten().reduce(|a, b| a || b);
    Facts {
        vector_bits,
        preferred_bits: row.preferred_bits.max(narrow).min(vector_bits),
        vector_registers: if masks { 32 } else { 16 },
        fma: has("fma").unwrap_or(row.fma),
        f16_convert: has("f16c").unwrap_or(row.f16_convert),
        vnni: vnni.unwrap_or(row.vnni),
        vnni_signs: has("avxvnniint8").unwrap_or(row.vnni_signs),
        bf16: has("avx512bf16").unwrap_or(row.bf16),
        bf16_fast: row.bf16_fast,
        fp16: has("avx512fp16").unwrap_or(row.fp16),
        masks,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Arch, Cpu};

    fn cpu(name: &str, features: &str) -> Cpu {
        Cpu { name: name.into(), arch: Arch::X86, cpu: name.into(), features: features.into() }
    }

    #[test]
    fn levels_decide_lanes_and_registers() {
        let bits = |name| (cpu(name, "").facts().vector_bits, cpu(name, "").facts().vector_registers);
        assert_eq!(bits("x86-64"), (128, 16));
        assert_eq!(bits("x86-64-v3"), (256, 16));
        assert_eq!(bits("x86-64-v4"), (512, 32));
        let preferred = |name| cpu(name, "").facts().preferred_bits;
        assert_eq!([preferred("x86-64-v2"), preferred("skylake-avx512"), preferred("znver4")], [128, 256, 512]);
        assert!(cpu("znver4", "").facts().vnni && cpu("sapphirerapids", "").facts().fp16);
    }

    #[test]
    fn features_override_the_row() {
        let facts = cpu("skylake-avx512", "+avx,-avx512vl,-f16c").facts();
        assert_eq!((facts.vector_bits, facts.masks, facts.f16_convert), (256, false, false));
        assert!(cpu("no-such-cpu", "+f16c,+avx").facts().f16_convert);
        assert!(!cpu("cascadelake", "-avx512vnni,-avxvnni").facts().vnni);
        assert!(cpu("cascadelake", "-avx512vnni,+avxvnni").facts().vnni);
    }
}
