//! The GPUs that have names: what CUDA calls compute capabilities, `sm_90`, and what code may count on there.

/// A GPU in CUDA's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// The name by which it was asked for: `cuda`, `cuda:sm_80`.
    pub name: String,
    /// The number of its architecture: 90 for `sm_90`.
    pub sm: u32,
    /// What its matrix units may make of operands.
    pub numbers: Numbers,
}

/// What matrix units make of the numbers of their operands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Numbers {
    /// Products are exact.
    #[default]
    Exact,
    /// Those of `f32` are rounded to 10 bits behind the point first.
    Tf32,
}

/// What stands behind the name of a GPU that may round so.
pub const TF32: &str = "+tf32";
/// The first architecture that can.
const TF32_SINCE: u32 = 80;

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name as a target.
    pub name: &'static str,
    /// The number of the architecture.
    pub sm: u32,
    /// A GPU of that kind.
    pub example: &'static str,
    /// Its sizes and speeds.
    pub chip: Chip,
}

/// Sizes and speeds of a GPU as spaces and cost models see them: those of the example of its architecture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chip {
    /// The number of the architecture.
    pub sm: u32,
    /// Processors.
    pub processors: i64,
    /// Multiply-adds of `f32` that a processor does in a cycle.
    pub lanes: f64,
    /// Threads that a processor holds.
    pub threads: i64,
    /// Blocks that a processor holds.
    pub blocks: i64,
    /// Registers of 4 bytes that a processor has for all its threads.
    pub registers: i64,
    /// Bytes of shared memory of a processor.
    pub shared: i64,
    /// Bytes of shared memory that one block may have.
    pub block_shared: i64,
    /// Cycles in a nanosecond.
    pub clock: f64,
    /// Bytes of the cache that all processors share.
    pub cache: i64,
    /// Bytes in a nanosecond from main memory.
    pub memory: f64,
    /// What matrix units may make of operands.
    pub numbers: Numbers,
}

/// Threads of a block, at most, on every GPU.
pub const MOST_THREADS: i64 = 1024;
/// Registers of a thread, at most, on every GPU.
pub const MOST_REGISTERS: i64 = 255;
/// Threads that go through the code together.
pub const WARP: i64 = 32;
/// Shared memory of each block that CUDA takes for itself.
const RESERVED: i64 = 1 << 10;

/// What `cuda` without an architecture means.
pub const DEFAULT: u32 = 90;

/// Sizes of a processor by architecture: threads, blocks, KiB of shared memory, multiply-adds.
const fn processor(sm: u32, [threads, blocks, shared]: [i64; 3], lanes: f64) -> Chip {
    let shared = shared << 10;
    let (registers, block_shared) = (1 << 16, shared - if sm < 80 { 0 } else { RESERVED });
    Chip {
        sm,
        processors: 0,
        lanes,
        threads,
        blocks,
        registers,
        shared,
        block_shared,
        clock: 0.0,
        cache: 0,
        memory: 0.0,
        numbers: Numbers::Exact,
    }
}

/// A row: the name, an example with its number of processors, MiB of cache, cycles and bytes in a nanosecond.
const fn row(
    name: &'static str,
    example: &'static str,
    [processors, cache]: [i64; 2],
    [clock, memory]: [f64; 2],
    chip: Chip,
) -> Row {
    Row { name, sm: chip.sm, example, chip: Chip { processors, clock, cache: cache << 20, memory, ..chip } }
}

/// All architectures, in their order.
pub const TABLE: [Row; 7] = [
    row("cuda:sm_75", "T4", [40, 4], [1.59, 320.0], processor(75, [1024, 16, 64], 64.0)),
    row("cuda:sm_80", "A100", [108, 40], [1.41, 1935.0], processor(80, [2048, 32, 164], 64.0)),
    row("cuda:sm_86", "A10, RTX 3090", [82, 6], [1.7, 936.0], processor(86, [1536, 16, 100], 128.0)),
    row("cuda:sm_89", "L4, RTX 4090", [128, 72], [2.5, 1008.0], processor(89, [1536, 24, 100], 128.0)),
    row("cuda:sm_90", "H100, H200", [132, 50], [1.9, 4200.0], processor(90, [2048, 32, 228], 128.0)),
    row("cuda:sm_100", "B200", [148, 126], [1.85, 7700.0], processor(100, [2048, 32, 228], 128.0)),
    row("cuda:sm_120", "RTX 5090", [170, 96], [2.4, 1792.0], processor(120, [1536, 24, 100], 128.0)),
];

/// The GPU of a name: `cuda`, or one of the table, with `+tf32` behind it where that is allowed.
pub fn find(name: &str) -> Option<Gpu> {
    let (bare, numbers) = match name.strip_suffix(TF32) {
        Some(bare) => (bare, Numbers::Tf32),
        None => (name, Numbers::Exact),
    };
    let sm = match bare {
        "cuda" => DEFAULT,
        _ => TABLE.iter().find(|row| row.name == bare)?.sm,
    };
    let can = numbers == Numbers::Exact || sm >= TF32_SINCE;
    can.then(|| Gpu { name: name.to_owned(), sm, numbers })
}

impl Gpu {
    /// `sm_90`
    pub fn arch(&self) -> String {
        format!("sm_{}", self.sm)
    }

    /// Bytes of shared memory that one block may have.
    pub fn shared(&self) -> usize {
        self.chip().block_shared as usize
    }

    /// Its sizes and speeds.
    pub fn chip(&self) -> Chip {
        let found = TABLE.iter().find(|row| row.sm == self.sm);
        // Every GPU is of a row.
        Chip { numbers: self.numbers, ..found.map_or(TABLE[0].chip, |row| row.chip) }
    }
}
