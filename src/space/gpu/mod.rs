//! Schedules for GPUs: what a block computes, what one of its threads does, and what they keep in shared memory.
//!
//! As on a CPU, a space comes from the axes of a nest and how accesses go along them. A reduction of which some axes of the
//! result index one operand and others another one is [`tiled`]: tiles of both, as products of matrices are; or [`tensor`],
//! where matrix units multiply such numbers exactly. Everything
//! else is [`direct`]: each thread computes some elements of the result on its own, or some threads join the terms of one.
//! Where one side of such tiles is short, that is offered, too, and so are [`boxed`] windows.
//! Limits are those of a [`Chip`], and are held against sizes before anything is built.
//!
//! [`Chip`]: crate::target::Chip

pub(super) mod boxed;
pub(super) mod direct;
mod stores;
pub(super) mod tensor;
pub(super) mod tiled;

use crate::loops::LoopKind;
use crate::schedule::Step;
use crate::schedule::step::Tail;
use crate::space::{Rejected, div_ceil};
use crate::target::Chip;
use crate::target::gpus::{MOST_REGISTERS, MOST_THREADS, WARP};

/// Registers of a thread beside its sums and what they are made of: addresses, counters.
const ADDRESSES: i64 = 28;
/// Of the threads of the last warp, the share that may have nothing to do.
const IDLE: f64 = 0.15;

/// Nests that write parts of one tensor, the phases of a transposed convolution: they have the same knobs, and run as one
/// launch where their blocks are alike.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Family {
    /// The terms of the longest sum among them; none where a nest writes its tensor alone.
    pub(super) longest: Option<i64>,
}

/// What a block needs of a processor.
#[derive(Clone, Copy, Debug)]
struct Need {
    threads: i64,
    /// Values that a thread keeps in registers, each of so many bytes.
    values: i64,
    bytes: i64,
    /// Bytes of shared memory.
    shared: i64,
}

impl Need {
    /// Whether a processor has so much.
    fn check(&self, chip: &Chip) -> Result<(), Rejected> {
        let Self { threads, values, bytes, shared } = *self;
        if threads > MOST_THREADS {
            return Err(Rejected::new(
                "threads",
                format!("a block of {threads} threads; it has {MOST_THREADS} at most"),
            ));
        }
        let warps = div_ceil(threads, WARP) * WARP;
        if threads > WARP && warps as f64 * (1.0 - IDLE) > threads as f64 {
            return Err(Rejected::new("warps", format!("of {warps} threads in warps only {threads} have work")));
        }
        let registers = values * div_ceil(bytes, 4) + ADDRESSES;
        let most = MOST_REGISTERS.min(chip.registers / warps);
        if registers > most {
            return Err(Rejected::new(
                "registers",
                format!("{values} values need {registers} registers; a thread of {threads} has {most}"),
            ));
        }
        if shared > chip.block_shared {
            return Err(Rejected::new(
                "shared memory",
                format!("{shared} bytes for the tiles; a block has {} at most", chip.block_shared),
            ));
        }
        Ok(())
    }
}

fn split(axis: &str, parts: &[i64], tail: Tail) -> Step {
    Step::Split { axis: axis.to_owned(), parts: parts.iter().copied().map(Some).collect(), tail }
}

fn bind(axis: impl Into<String>, to: LoopKind) -> Step {
    Step::Bind { axis: axis.into(), to }
}

fn part(axis: &str, number: usize) -> String {
    format!("{axis}.{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::gpus;

    #[test]
    fn limits_are_told_with_their_numbers() {
        let chip = gpus::find("cuda").expect("it is a GPU").chip();
        let need = Need { threads: 256, values: 80, bytes: 4, shared: 32 << 10 };
        let kind = |need: Need| need.check(&chip).map_err(|rejected| (rejected.kind, rejected.reason));
        assert_eq!(kind(need), Ok(()));
        let registers = "200 values need 228 registers; a thread of 512 has 128".to_owned();
        assert_eq!(kind(Need { threads: 512, values: 200, ..need }), Err(("registers", registers)));
        let threads = "a block of 2048 threads; it has 1024 at most".to_owned();
        assert_eq!(kind(Need { threads: 2048, ..need }), Err(("threads", threads)));
        let shared = "262144 bytes for the tiles; a block has 232448 at most".to_owned();
        assert_eq!(kind(Need { shared: 256 << 10, ..need }), Err(("shared memory", shared)));
        assert_eq!(kind(Need { threads: 49, ..need }).map_err(|(kind, _)| kind), Err("warps"));
        // Values of 8 bytes take two registers each.
        assert_eq!(kind(Need { values: 120, bytes: 8, ..need }).map_err(|(kind, _)| kind), Err("registers"));
    }
}
