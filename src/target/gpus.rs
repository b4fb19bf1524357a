//! The GPUs that have names: what CUDA calls compute capabilities, `sm_90`, and what code may count on there.

/// A GPU in CUDA's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// The name by which it was asked for: `cuda`, `cuda:sm_80`.
    pub name: String,
    /// The number of its architecture: 90 for `sm_90`.
    pub sm: u32,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name as a target.
    pub name: &'static str,
    /// The number of the architecture.
    pub sm: u32,
    /// Bytes of shared memory that one block may have.
    pub shared: usize,
    /// A GPU of that kind.
    pub example: &'static str,
}

const fn row(name: &'static str, sm: u32, shared_kib: usize, example: &'static str) -> Row {
    Row { name, sm, shared: shared_kib << 10, example }
}

/// What `cuda` without an architecture means.
pub const DEFAULT: u32 = 90;

/// All architectures, in their order.
pub const TABLE: [Row; 7] = [
    row("cuda:sm_75", 75, 64, "T4"),
    row("cuda:sm_80", 80, 163, "A100"),
    row("cuda:sm_86", 86, 99, "A10, RTX 3090"),
    row("cuda:sm_89", 89, 99, "L4, RTX 4090"),
    row("cuda:sm_90", 90, 227, "H100, H200"),
    row("cuda:sm_100", 100, 227, "B200"),
    row("cuda:sm_120", 120, 99, "RTX 5090"),
];

/// The GPU of a name: `cuda`, or one of the table.
pub fn find(name: &str) -> Option<Gpu> {
    let sm = match name {
        "cuda" => DEFAULT,
        _ => TABLE.iter().find(|row| row.name == name)?.sm,
    };
    Some(Gpu { name: name.to_owned(), sm })
}

impl Gpu {
    /// `sm_90`
    pub fn arch(&self) -> String {
        format!("sm_{}", self.sm)
    }

    /// Bytes of shared memory that one block may have.
    pub fn shared(&self) -> usize {
        // What is older or unknown has at least that.
        TABLE.iter().find(|row| row.sm == self.sm).map_or(48 << 10, |row| row.shared)
    }
}
