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

/// Floats between -1 and 1; integers of a range, or small ones, so that their sums do not wrap. None if they do not fit
/// into memory.
pub fn random(rng: &mut StdRng, dtype: DType, shape: &[i64], range: Option<Range>) -> Option<Values> {
    let count = usize::try_from(shape.iter().try_fold(1_i64, |count, extent| count.checked_mul(*extent))?).ok()?;
    let made = if dtype.is_float() && range.is_none() {
        Values::floats(dtype, shape, draw(count, || rng.random_range(-1.0..1.0))?)
    } else {
        let Range { low, high } = range.unwrap_or(match dtype {
            DType::Bool => Range { low: 0, high: 2 },
            DType::U8 => Range { low: 0, high: 16 },
            _ => Range { low: -8, high: 8 },
        });
        Values::ints(dtype, shape, draw(count, || rng.random_range(low..high))?)
    };
    Some(made.expect("as many elements as the shape asks for"))
}

fn draw<T>(count: usize, mut next: impl FnMut() -> T) -> Option<Vec<T>> {
    let mut items = Vec::new();
    items.try_reserve_exact(count).ok()?;
    items.extend((0..count).map(|_| next()));
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_depends_on_seed_and_name_alone() {
        let draw = |seed, name| random(&mut source(seed, name), DType::F32, &[4, 4], None).expect("it fits");
        assert_eq!(draw(1, "GMM"), draw(1, "GMM"));
        assert_ne!(draw(1, "GMM"), draw(2, "GMM"));
        assert_ne!(draw(1, "GMM"), draw(1, "GMV"));
    }

    #[test]
    fn what_no_memory_holds_is_refused() {
        let refused = |shape: &[i64]| random(&mut source(0, ""), DType::F32, shape, None).is_none();
        assert!(refused(&[1 << 60]) && refused(&[1 << 40, 1 << 40]));
    }

    #[test]
    fn a_range_is_kept() {
        let range = Some(Range { low: 3, high: 5 });
        let drawn = random(&mut source(0, "idx"), DType::I64, &[100], range).expect("it fits");
        assert!((0..100).all(|at| matches!(drawn.get_f64(at).map(|x| x as i64), Some(3 | 4))));
    }
}
