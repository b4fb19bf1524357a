//! Scalars: element types, constants, and the one table of operations.
//!
//! Every IR and every backend speaks of numbers in these words. Adding an operation is one row in `op.rs`, its value
//! in `eval.rs`, and the arms that the compiler then asks for.
//!
//! Storage and computing are different things. A tensor may hold any [`DType`]; arithmetic happens only in the
//! *compute types* `bool i32 i64 f32 f64` ([`DType::compute`]): a load of `f16` is cast to `f32`, a load of `i8` to
//! `i32`, and the store casts back. So a kernel rounds once per store, and no backend needs 16-bit arithmetic.

pub mod eval;
pub mod op;
pub mod values;

pub use op::{Op, ReduceOp};
pub use values::Values;

/// Element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum DType {
    Bool,
    I8,
    U8,
    I32,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

impl DType {
    /// All element types, in the order of the language reference.
    pub const ALL: [Self; 9] =
        [Self::Bool, Self::I8, Self::U8, Self::I32, Self::I64, Self::F16, Self::BF16, Self::F32, Self::F64];

    /// The spelling in the language and in every text form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// The type of that spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }

    /// Bytes of one element in memory.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::I8 | Self::U8 => 1,
            Self::F16 | Self::BF16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    /// Whether it is a floating-point type.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::BF16 | Self::F32 | Self::F64)
    }

    /// Whether it is an integer type (`bool` is not).
    pub const fn is_int(self) -> bool {
        matches!(self, Self::I8 | Self::U8 | Self::I32 | Self::I64)
    }

    /// The type in which arithmetic on such elements is done.
    pub const fn compute(self) -> Self {
        match self {
            Self::I8 | Self::U8 => Self::I32,
            Self::F16 | Self::BF16 => Self::F32,
            Self::Bool | Self::I32 | Self::I64 | Self::F32 | Self::F64 => self,
        }
    }

    /// Smallest and largest value of an integer type; 0 and 1 for `bool`; none for floats.
    pub const fn int_range(self) -> Option<(i64, i64)> {
        match self {
            Self::Bool => Some((0, 1)),
            Self::I8 => Some((i8::MIN as i64, i8::MAX as i64)),
            Self::U8 => Some((0, u8::MAX as i64)),
            Self::I32 => Some((i32::MIN as i64, i32::MAX as i64)),
            Self::I64 => Some((i64::MIN, i64::MAX)),
            Self::F16 | Self::BF16 | Self::F32 | Self::F64 => None,
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A value of some element type, comparable bit by bit so that constants can be interned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Const {
    dtype: DType,
    bits: u64,
}

impl Const {
    /// A truth value.
    pub const fn bool(value: bool) -> Self {
        Self { dtype: DType::Bool, bits: value as u64 }
    }

    /// An index: an `i64`.
    pub const fn index(value: i64) -> Self {
        Self { dtype: DType::I64, bits: value.cast_unsigned() }
    }

    /// An integer of type `dtype` (`bool` counts as one), wrapped to its width. Floats take the nearest value.
    pub fn int(dtype: DType, value: i64) -> Self {
        match dtype {
            DType::Bool => Self::bool(value != 0),
            DType::I8 => Self { dtype, bits: i64::from(value as i8).cast_unsigned() },
            DType::U8 => Self { dtype, bits: u64::from(value as u8) },
            DType::I32 => Self { dtype, bits: i64::from(value as i32).cast_unsigned() },
            DType::I64 => Self::index(value),
            // Rounded once: `f64` does not hold every `i64`.
            DType::F32 => Self::float(dtype, f64::from(value as f32)),
            DType::F16 | DType::BF16 | DType::F64 => Self::float(dtype, value as f64),
        }
    }

    /// A float of type `dtype`, rounded to its precision. Integer types saturate, NaN becomes 0; `bool` is `!= 0`.
    pub fn float(dtype: DType, value: f64) -> Self {
        let rounded = match dtype {
            DType::F16 => half::f16::from_f32(round_to_odd(value)).to_f64(),
            DType::BF16 => half::bf16::from_f32(round_to_odd(value)).to_f64(),
            DType::F32 => f64::from(value as f32),
            DType::F64 => value,
            DType::Bool => return Self::bool(value != 0.0),
            DType::I8 => return Self::int(dtype, i64::from(value as i8)),
            DType::U8 => return Self::int(dtype, i64::from(value as u8)),
            DType::I32 => return Self::int(dtype, i64::from(value as i32)),
            DType::I64 => return Self::index(value as i64),
        };
        // One NaN only, so that equal constants have equal bits.
        let canonical = if rounded.is_nan() { f64::NAN } else { rounded };
        Self { dtype, bits: canonical.to_bits() }
    }

    /// Its type.
    pub const fn dtype(self) -> DType {
        self.dtype
    }

    /// The value of an integer or `bool`; none for floats.
    pub const fn as_int(self) -> Option<i64> {
        if self.dtype.is_float() { None } else { Some(self.bits.cast_signed()) }
    }

    /// The value of a `bool`.
    pub const fn as_bool(self) -> Option<bool> {
        if matches!(self.dtype, DType::Bool) { Some(self.bits != 0) } else { None }
    }

    /// The value as a float, whatever the type.
    pub const fn to_f64(self) -> f64 {
        if self.dtype.is_float() { f64::from_bits(self.bits) } else { self.bits.cast_signed() as f64 }
    }

    /// The same number in another type: as Rust's `as` does it, rounding to nearest even.
    pub fn cast(self, dtype: DType) -> Self {
        match self.as_int() {
            Some(value) => Self::int(dtype, value),
            None => Self::float(dtype, self.to_f64()),
        }
    }
}

/// The text form: `3`, `true`, `0.5`, `inf`, `nan`; a float always shows that it is one. The type is not shown.
impl std::fmt::Display for Const {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.as_bool(), self.as_int()) {
            (Some(truth), _) => write!(f, "{truth}"),
            (None, Some(value)) => write!(f, "{value}"),
            (None, None) => {
                let value = self.to_f64();
                if value.is_nan() {
                    write!(f, "nan")
                } else if value.is_finite() {
                    write!(f, "{value:?}")
                } else {
                    write!(f, "{}", if value > 0.0 { "inf" } else { "-inf" })
                }
            }
        }
    }
}

impl std::fmt::Debug for Const {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}: {}", self.dtype)
    }
}

/// An `f64` as the `f32` whose nearest 16-bit float is that of the `f64`. Rounding to the nearest twice would miss it
/// now and then; of the two neighbours of an inexact value, the one with an odd last bit leads to the right one.
#[expect(clippy::float_cmp, reason = "the question is whether rounding changed anything at all")]
pub fn round_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let back = f64::from(nearest);
    if back == value || value.is_nan() {
        return nearest;
    }
    let away_from_zero = u32::from(back.abs() > value.abs());
    f32::from_bits((nearest.to_bits() - away_from_zero) | 1)
}
