//! Arrays of scalars: what goes into and comes out of a computation. Not memory in the layout of a kernel: elements
//! are held widened, as `f64` or `i64`, so that every consumer can read them without knowing all nine types; the raw
//! bytes that files and kernels use are converted at the border.

use super::{Const, DType, round_to_odd};

/// A dense, row-major array of one element type.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    dtype: DType,
    shape: Vec<i64>,
    data: Data,
}

/// The elements: floats of any width as `f64`, integers and `bool` as `i64`.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Of a float type.
    F64(Vec<f64>),
    /// Of an integer type, or `bool` as 0 and 1.
    I64(Vec<i64>),
}

/// One number: a float of any width, or an integer or `bool`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Of a float type.
    Float(f64),
    /// Of an integer type, or `bool` as 0 and 1.
    Int(i64),
}

impl Number {
    /// The value as a float.
    pub const fn to_f64(self) -> f64 {
        match self {
            Self::Float(value) => value,
            Self::Int(value) => value as f64,
        }
    }
}

/// Why bytes are not an array of the wanted type and shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongLength {
    /// Elements or bytes that the shape asks for.
    pub expected: usize,
    /// How many there are.
    pub found: usize,
}

impl std::fmt::Display for WrongLength {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the shape asks for {}, but there are {}", self.expected, self.found)
    }
}

impl Values {
    /// Floats, rounded to `dtype`; an integer `dtype` takes them as `as` does.
    pub fn floats(dtype: DType, shape: &[i64], items: Vec<f64>) -> Result<Self, WrongLength> {
        check_length(count(shape), items.len())?;
        let data = match dtype {
            DType::F64 => Data::F64(items),
            DType::F16 | DType::BF16 | DType::F32 => Data::F64(items.into_iter().map(|x| round(dtype, x)).collect()),
            DType::Bool | DType::I8 | DType::U8 | DType::I32 | DType::I64 => {
                Data::I64(items.into_iter().map(|x| truncate(dtype, x)).collect())
            }
        };
        Ok(Self { dtype, shape: shape.to_vec(), data })
    }

    /// Integers, wrapped to `dtype`; a float `dtype` takes the nearest values.
    pub fn ints(dtype: DType, shape: &[i64], items: Vec<i64>) -> Result<Self, WrongLength> {
        check_length(count(shape), items.len())?;
        let data = if dtype.is_float() {
            Data::F64(items.into_iter().map(|x| round(dtype, x as f64)).collect())
        } else {
            Data::I64(items.into_iter().map(|x| wrap(dtype, x)).collect())
        };
        Ok(Self { dtype, shape: shape.to_vec(), data })
    }

    /// Constants, each converted to `dtype`.
    pub fn from_consts(dtype: DType, shape: &[i64], items: &[Const]) -> Result<Self, WrongLength> {
        let items = items.iter().map(|item| item.cast(dtype));
        if dtype.is_float() {
            Self::floats(dtype, shape, items.map(Const::to_f64).collect())
        } else {
            Self::ints(dtype, shape, items.filter_map(Const::as_int).collect())
        }
    }

    /// From elements as they lie in memory, little-endian.
    pub fn from_bytes(dtype: DType, shape: &[i64], bytes: &[u8]) -> Result<Self, WrongLength> {
        check_length(count(shape).saturating_mul(dtype.bytes()), bytes.len())?;
        let data = match dtype {
            DType::Bool => Data::I64(bytes.iter().map(|&b| i64::from(b != 0)).collect()),
            DType::I8 => Data::I64(bytes.iter().map(|&b| i64::from(b as i8)).collect()),
            DType::U8 => Data::I64(bytes.iter().map(|&b| i64::from(b)).collect()),
            DType::I32 => Data::I64(each(bytes, |b| i64::from(i32::from_le_bytes(b)))),
            DType::I64 => Data::I64(each(bytes, i64::from_le_bytes)),
            DType::F16 => Data::F64(each(bytes, |b| half::f16::from_le_bytes(b).to_f64())),
            DType::BF16 => Data::F64(each(bytes, |b| half::bf16::from_le_bytes(b).to_f64())),
            DType::F32 => Data::F64(each(bytes, |b| f64::from(f32::from_le_bytes(b)))),
            DType::F64 => Data::F64(each(bytes, f64::from_le_bytes)),
        };
        Ok(Self { dtype, shape: shape.to_vec(), data })
    }

    /// The elements as they lie in memory, little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len() * self.dtype.bytes());
        match &self.data {
            Data::F64(items) => {
                for &item in items {
                    match self.dtype {
                        DType::F16 => bytes.extend(half::f16::from_f64(item).to_le_bytes()),
                        DType::BF16 => bytes.extend(half::bf16::from_f64(item).to_le_bytes()),
                        DType::F32 => bytes.extend((item as f32).to_le_bytes()),
                        _ => bytes.extend(item.to_le_bytes()),
                    }
                }
            }
            // Two's complement: the low bytes are the narrower number.
            Data::I64(items) => {
                for item in items {
                    bytes.extend(&item.to_le_bytes()[..self.dtype.bytes()]);
                }
            }
        }
        bytes
    }

    /// The element type.
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extents; empty for a single value.
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// The elements, row-major.
    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::F64(items) => items.len(),
            Data::I64(items) => items.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Type and shape as diagnostics show them: `f32[64, 3]`.
    pub fn spell(dtype: DType, shape: &[i64]) -> String {
        format!("{dtype}{shape:?}")
    }

    /// The element at a row-major position.
    pub fn get(&self, index: usize) -> Option<Const> {
        match &self.data {
            Data::F64(items) => items.get(index).map(|&x| Const::float(self.dtype, x)),
            Data::I64(items) => items.get(index).map(|&x| Const::int(self.dtype, x)),
        }
    }

    /// The element at a row-major position as a float, whatever the type.
    pub fn get_f64(&self, index: usize) -> Option<f64> {
        match &self.data {
            Data::F64(items) => items.get(index).copied(),
            Data::I64(items) => items.get(index).map(|&x| x as f64),
        }
    }
}

/// `value` rounded to the precision of a float type.
pub fn round(dtype: DType, value: f64) -> f64 {
    match dtype {
        DType::F16 => half::f16::from_f32(round_to_odd(value)).to_f64(),
        DType::BF16 => half::bf16::from_f32(round_to_odd(value)).to_f64(),
        DType::F32 => f64::from(value as f32),
        _ => value,
    }
}

/// `value` wrapped to the width of an integer type; `bool` is `!= 0`.
pub fn wrap(dtype: DType, value: i64) -> i64 {
    match dtype {
        DType::Bool => i64::from(value != 0),
        DType::I8 => i64::from(value as i8),
        DType::U8 => i64::from(value as u8),
        DType::I32 => i64::from(value as i32),
        _ => value,
    }
}

/// `value` as an integer type: towards zero, saturating, 0 for NaN; `bool` is `!= 0`.
pub fn truncate(dtype: DType, value: f64) -> i64 {
    match dtype {
        DType::Bool => i64::from(value != 0.0),
        DType::I8 => i64::from(value as i8),
        DType::U8 => i64::from(value as u8),
        DType::I32 => i64::from(value as i32),
        _ => value as i64,
    }
}

/// The number of elements; `usize::MAX` where it is no such number.
fn count(shape: &[i64]) -> usize {
    shape
        .iter()
        .try_fold(1usize, |product, &extent| product.checked_mul(usize::try_from(extent).ok()?))
        .unwrap_or(usize::MAX)
}

const fn check_length(expected: usize, found: usize) -> Result<(), WrongLength> {
    if expected == found { Ok(()) } else { Err(WrongLength { expected, found }) }
}

fn each<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|&chunk| convert(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Data, Values};
    use crate::scalar::DType;

    #[test]
    fn bytes_round_trip_in_every_type() {
        for dtype in DType::ALL {
            let items = if dtype == DType::Bool { vec![0, 1, 1] } else { vec![0, 1, 100] };
            let values = Values::ints(dtype, &[3], items).expect("three elements");
            let bytes = values.to_bytes();
            assert_eq!(bytes.len(), 3 * dtype.bytes());
            assert_eq!(Values::from_bytes(dtype, &[3], &bytes).expect("the same length"), values);
        }
    }

    #[test]
    fn negative_integers_keep_their_sign() {
        let values = Values::from_bytes(DType::I8, &[1], &[0xfe]).expect("one byte");
        assert_eq!(values.data(), &Data::I64(vec![-2]));
        assert_eq!(values.to_bytes(), [0xfe]);
    }

    #[test]
    fn a_wrong_length_is_an_error() {
        assert!(Values::from_bytes(DType::F32, &[2, 2], &[0; 15]).is_err());
        assert!(Values::ints(DType::F32, &[i64::MAX, i64::MAX], vec![]).is_err());
    }
}
