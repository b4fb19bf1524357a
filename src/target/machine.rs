//! Sizes and speeds of a CPU as a cost model sees them: round numbers of a current core, the same on every host, so
//! that the schedule chosen for a named target does not depend on where ftc runs.

use super::Cpu;

/// What a cost model counts with. Cycles are those of one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// Bytes of a vector.
    pub vector_bytes: i64,
    /// Vector registers.
    pub registers: i64,
    /// Vector multiply-adds that start in a cycle.
    pub fmas: f64,
    /// Vector loads that start in a cycle.
    pub loads: f64,
    /// Instructions of any kind that start in a cycle.
    pub issue: f64,
    /// Cycles until a multiply-add can feed the next one.
    pub latency: f64,
    /// Bytes of the first and the second cache of a core.
    pub caches: [i64; 2],
    /// Bytes in a cycle from the second cache, and from what is beyond it.
    pub bandwidth: [f64; 2],
    /// Instructions that join products of small numbers.
    pub dots: Dots,
    /// Threads.
    pub threads: i64,
    /// Cycles to start and to join a team of threads.
    pub fork: f64,
}

/// For which factors there is an instruction that joins several products to a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dots {
    /// Bytes, one without and one with a sign.
    pub mixed: bool,
    /// Bytes, both with a sign or both without.
    pub same: bool,
    /// `bf16`: what it costs, where a multiply-add costs 1; none if there is none.
    pub bf16: Option<f64>,
}

impl Machine {
    /// The machine that a target stands for, with so many threads.
    pub fn of(cpu: &Cpu, threads: i64) -> Self {
        let facts = cpu.facts();
        Self {
            vector_bytes: i64::from(facts.vector_bits) / 8,
            registers: i64::from(facts.vector_registers),
            fmas: 2.0,
            loads: 2.0,
            issue: 5.0,
            latency: 4.0,
            caches: [44 << 10, 5 << 18],
            bandwidth: [40.0, 9.0],
            dots: Dots {
                mixed: facts.vnni,
                same: facts.vnni_signs,
                bf16: (facts.bf16 && facts.masks).then_some(if facts.bf16_fast { 1.0 } else { 4.0 }),
            },
            threads: threads.max(1),
            fork: 50_000.0,
        }
    }
}
