//! A dense array in memory: element type, shape, and bytes in row-major order, aligned for any vector load.
//!
//! What a kernel is called with. [`Values`] is the same for looking at elements; the two convert into each other.

use crate::scalar::DType;
use crate::scalar::values::Values;

/// Start of every array's bytes, in bytes: a cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;

/// A dense, row-major array.
pub struct Array {
    dtype: DType,
    shape: Vec<i64>,
    /// The elements start at `start`; the slack makes room for the alignment.
    storage: Vec<u8>,
    start: usize,
    length: usize,
}

impl Array {
    /// An array whose bytes are all zero.
    pub fn zeros(dtype: DType, shape: &[i64]) -> Self {
        let length = shape.iter().product::<i64>() as usize * dtype.bytes();
        let storage = vec![0; length + ALIGNMENT];
        let start = storage.as_ptr().align_offset(ALIGNMENT);
        Self { dtype, shape: shape.to_vec(), storage, start, length }
    }

    /// An array of these elements.
    pub fn from_values(values: &Values) -> Self {
        let mut array = Self::zeros(values.dtype(), values.shape());
        array.bytes_mut().copy_from_slice(&values.to_bytes());
        array
    }

    /// The elements.
    pub fn values(&self) -> Values {
        Values::from_bytes(self.dtype, &self.shape, self.bytes()).expect("an array has the bytes that its shape asks for")
    }

    /// The type of the elements.
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// The extents; empty for a single value.
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// The elements' bytes, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.length]
    }

    /// The elements' bytes, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

impl Clone for Array {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.dtype, &self.shape);
        copy.bytes_mut().copy_from_slice(self.bytes());
        copy
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        (self.dtype, &self.shape, self.bytes()) == (other.dtype, &other.shape, other.bytes())
    }
}

impl std::fmt::Debug for Array {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?} {:?}", self.dtype, self.shape, self.values().data())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_type_are_kept_and_start_aligned() {
        for dtype in DType::ALL {
            let values = Values::ints(dtype, &[2, 3], vec![0, 1, 1, 0, 1, 0]).expect("six elements");
            let array = Array::from_values(&values);
            assert_eq!(array.bytes().as_ptr().align_offset(ALIGNMENT), 0);
            assert_eq!((array.clone().values(), array.clone()), (values, array));
        }
    }
}
