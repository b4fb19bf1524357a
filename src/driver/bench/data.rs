//! Inputs of a workload: random, the same for the same seed, never zeros alone.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::scalar::DType;
use crate::scalar::values::Values;

/// Where the elements of an input come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Smallest value.
    pub low: i64,
    /// One past the greatest.
    pub high: i64,
}

/// The random source of one workload: depends on nothing else in the suite, so a filter changes no data.
pub fn source(seed: u64, name: &str) -> StdRng {
    // FNV-1a: spreads the name over 64 bits, the same on every machine.
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    StdRng::seed_from_u64(seed ^ hash)
}

/// Floats between -1 and 1; integers of a range, or small ones, so that their sums do not wrap.
pub fn random(rng: &mut StdRng, dtype: DType, shape: &[i64], range: Option<Range>) -> Values {
    let count = shape.iter().product::<i64>() as usize;
    let made = if let Some(Range { low, high }) = range {
        Values::ints(dtype, shape, (0..count).map(|_| rng.random_range(low..high)).collect())
    } else if dtype.is_float() {
        Values::floats(dtype, shape, (0..count).map(|_| rng.random_range(-1.0..1.0)).collect())
    } else {
        let (low, high) = match dtype {
            DType::Bool => (0, 2),
            DType::U8 => (0, 16),
            _ => (-8, 8),
        };
        Values::ints(dtype, shape, (0..count).map(|_| rng.random_range(low..high)).collect())
    };
    made.expect("as many elements as the shape asks for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_depends_on_seed_and_name_alone() {
        let draw = |seed, name| random(&mut source(seed, name), DType::F32, &[4, 4], None);
        assert_eq!(draw(1, "GMM"), draw(1, "GMM"));
        assert_ne!(draw(1, "GMM"), draw(2, "GMM"));
        assert_ne!(draw(1, "GMM"), draw(1, "GMV"));
    }

    #[test]
    fn a_range_is_kept() {
        let range = Some(Range { low: 3, high: 5 });
        let drawn = random(&mut source(0, "idx"), DType::I64, &[100], range);
        assert!((0..100).all(|at| matches!(drawn.get_f64(at).map(|x| x as i64), Some(3 | 4))));
    }
}
