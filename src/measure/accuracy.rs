//! How far a kernel's numbers are from the reference.
//!
//! The relative error of an output is
//!
//! ```text
//! max |a - b| / max(|b|, s)      s = √(mean of b²)
//! ```
//!
//! over the compared elements, where `a` is what the kernel wrote and `b` what the definition says, computed in `f64`
//! from the same inputs. The root mean square `s` keeps sums that happen to be near zero from being punished for
//! errors that are small beside their terms. Elements that are equal, infinite or NaN in both have no error; an
//! element that is infinite or NaN in one alone has an infinite error.

use crate::runtime::Array;
use crate::scalar::DType;
use crate::scalar::values::Data;
use crate::target::Numbers;

/// The relative error of numbers `a` against the reference `b`.
pub fn relative_error(pairs: &[(f64, f64)]) -> f64 {
    error_among(pairs.iter().copied())
}

/// The relative error of an array against another one of the same type and shape.
pub fn distance(found: &Array, expected: &Array) -> f64 {
    if found.bytes() == expected.bytes() {
        return 0.0;
    }
    // Every candidate comes through here twice: no element is looked up by its number, and floats stay where they are.
    if found.dtype() == DType::F32 && expected.dtype() == DType::F32 {
        return error_among(floats(found.bytes()).zip(floats(expected.bytes())));
    }
    match (found.values().data(), expected.values().data()) {
        (Data::F64(found), Data::F64(expected)) => error_among(found.iter().copied().zip(expected.iter().copied())),
        (Data::I64(found), Data::I64(expected)) => {
            error_among(found.iter().zip(expected).map(|(&a, &b)| (a as f64, b as f64)))
        }
        _ => f64::INFINITY,
    }
}

/// The floats that bytes are.
fn floats(bytes: &[u8]) -> impl ExactSizeIterator<Item = f64> + Clone {
    bytes.as_chunks::<4>().0.iter().map(|&bytes| f64::from(f32::from_ne_bytes(bytes)))
}

fn error_among(pairs: impl ExactSizeIterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = pairs.len().max(1);
    let squares: f64 = pairs.clone().filter(|(_, b)| b.is_finite()).map(|(_, b)| b * b).sum();
    let scale = (squares / count as f64).sqrt();
    pairs.map(|(a, b)| error_of(a, b, scale)).fold(0.0, f64::max)
}

fn error_of(a: f64, b: f64, scale: f64) -> f64 {
    #[expect(clippy::float_cmp, reason = "equal numbers, infinities among them, have no error")]
    if a == b || (a.is_nan() && b.is_nan()) {
        return 0.0;
    }
    let error = (a - b).abs() / b.abs().max(scale);
    if error.is_finite() { error } else { f64::INFINITY }
}

/// The relative error that rounding can explain, for outputs of a type: sums of a million terms in any order, and one
/// rounding to the type at the end; of operands, too, where that is allowed.
pub const fn tolerance(dtype: DType, numbers: Numbers) -> f64 {
    match dtype {
        DType::F64 => 1e-10,
        DType::F32 if matches!(numbers, Numbers::Tf32) => 1e-2,
        DType::F32 => 1e-3,
        DType::F16 => 4e-3,
        DType::BF16 => 3e-2,
        DType::Bool | DType::I8 | DType::U8 | DType::I32 | DType::I64 => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_near_zero_is_measured_by_the_others() {
        let error = relative_error(&[(1.0, 1.0), (1e-9, 0.0)]);
        assert!(error < 1e-8, "{error}");
    }

    #[test]
    fn what_is_not_a_number_must_be_none_in_both() {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        assert!(relative_error(&[(nan, nan), (inf, inf), (-inf, -inf)]).abs() < f64::EPSILON);
        for (a, b) in [(nan, 1.0), (1.0, nan), (inf, 1.0), (1.0, inf), (inf, -inf)] {
            assert_eq!(relative_error(&[(a, b), (1.0, 1.0)]).to_bits(), inf.to_bits(), "{a} against {b}");
        }
    }
}
