//! A dense array in memory: element type, shape, and bytes in row-major order, aligned for any vector load.
//!
//! What a kernel is called with. [`Values`] is the same for looking at elements; the two convert into each other.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

use crate::scalar::DType;
use crate::scalar::Values;

/// Start of every array's bytes, in bytes: a cache line, and the widest vector.
pub const ALIGNMENT: usize = 64;

/// Bytes of a fence on each side of an array.
const FENCE: usize = 4096;

/// What fences are made of.
const POISON: u8 = 0xff;

/// Bytes of a huge page.
const HUGE: usize = 2 << 20;
/// How far into their pages arrays begin, one more so than the one before, and after how many it begins anew: else all
/// of them would have their first elements at the same place of every cache.
const STAGGER: usize = 17 * 4096;
const STAGGERED: usize = 16;

/// A dense, row-major array.
pub struct Array {
    dtype: DType,
    shape: Vec<i64>,
    /// The elements start at `start`; the slack makes room for the alignment.
    storage: Storage,
    start: usize,
    length: usize,
    /// Bytes of the fence on each side.
    fence: usize,
}

/// The memory of an array.
enum Storage {
    Heap(Vec<u8>),
    Pages(MmapMut),
}

impl Deref for Storage {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Pages(bytes) => bytes,
        }
    }
}

impl DerefMut for Storage {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Pages(bytes) => bytes,
        }
    }
}

/// Bytes of a tensor; none if that is no number.
fn size(dtype: DType, shape: &[i64]) -> Option<usize> {
    let bytes = shape.iter().try_fold(dtype.bytes() as i64, |bytes, &extent| bytes.checked_mul(extent))?;
    usize::try_from(bytes).ok()
}

impl Array {
    /// An array whose bytes are all zero; none if there is no memory for it.
    pub fn zeros(dtype: DType, shape: &[i64]) -> Option<Self> {
        let length = size(dtype, shape)?;
        let mut storage = Vec::new();
        storage.try_reserve_exact(length + ALIGNMENT).ok()?;
        storage.resize(length + ALIGNMENT, 0);
        let start = storage.as_ptr().align_offset(ALIGNMENT);
        Some(Self { dtype, shape: shape.to_vec(), storage: Storage::Heap(storage), start, length, fence: 0 })
    }

    /// As [`Array::zeros`], with a fence on both sides that [`Array::is_intact`] looks at. As floats the fence is NaN, so
    /// that what is read of it spoils results.
    pub fn fenced(dtype: DType, shape: &[i64]) -> Option<Self> {
        let length = size(dtype, shape)?;
        let mut storage = Vec::new();
        let all = length.checked_add(2 * FENCE + ALIGNMENT)?;
        storage.try_reserve_exact(all).ok()?;
        storage.resize(all, POISON);
        let start = FENCE + storage[FENCE..].as_ptr().align_offset(ALIGNMENT);
        storage[start..start + length].fill(0);
        Some(Self { dtype, shape: shape.to_vec(), storage: Storage::Heap(storage), start, length, fence: FENCE })
    }

    /// As [`Array::fenced`], in huge pages where the system has them, for the array of some number among others: where it
    /// lies in caches is then the same in every process, while small pages may lie anywhere.
    pub fn fenced_in_huge_pages(dtype: DType, shape: &[i64], number: usize) -> Option<Self> {
        let length = size(dtype, shape)?;
        let before = FENCE + number % STAGGERED * STAGGER;
        let all = length.checked_add(before + FENCE + HUGE)?.checked_next_multiple_of(HUGE)?;
        let mut storage = MmapMut::map_anon(all).ok()?;
        #[cfg(target_os = "linux")]
        // Small pages work, too.
        let _ = storage.advise(memmap2::Advice::HugePage);
        let start = storage.as_ptr().align_offset(HUGE) + before;
        storage[start - FENCE..start].fill(POISON);
        storage[start + length..start + length + FENCE].fill(POISON);
        Some(Self { dtype, shape: shape.to_vec(), storage: Storage::Pages(storage), start, length, fence: FENCE })
    }

    /// Whether nothing was written into the fence.
    pub fn is_intact(&self) -> bool {
        let end = self.start + self.length;
        let (before, after) =
            (&self.storage[self.start - self.fence..self.start], &self.storage[end..end + self.fence]);
        before.iter().chain(after).all(|&byte| byte == POISON)
    }

    /// Fills it with numbers that no kernel writes, so that an element that was forgotten is seen: NaN as floats, -1 or
    /// the greatest value as integers.
    pub fn poison(&mut self) {
        let poison = if self.dtype == DType::Bool { 0 } else { POISON };
        self.bytes_mut().fill(poison);
    }

    /// An array of these elements; none if there is no memory for it.
    pub fn from_values(values: &Values) -> Option<Self> {
        let mut array = Self::zeros(values.dtype(), values.shape())?;
        array.bytes_mut().copy_from_slice(&values.to_bytes());
        Some(array)
    }

    /// The elements.
    pub fn values(&self) -> Values {
        Values::from_bytes(self.dtype, &self.shape, self.bytes())
            .expect("an array has the bytes that its shape asks for")
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
            let array = Array::from_values(&values).expect("some bytes");
            assert_eq!(array.bytes().as_ptr().align_offset(ALIGNMENT), 0);
            assert_eq!(array.values(), values);
        }
    }

    #[test]
    fn fences_are_aligned_and_notice_writes() {
        let huge = [0, 3, 17].map(|number| Array::fenced_in_huge_pages(DType::F32, &[3], number));
        for array in huge.into_iter().chain([Array::fenced(DType::F32, &[3])]) {
            let mut array = array.expect("some bytes");
            assert_eq!(array.bytes().as_ptr().align_offset(ALIGNMENT), 0);
            assert!(array.bytes().iter().all(|&byte| byte == 0));
            array.poison();
            assert!(array.is_intact() && array.values().get_f64(2).is_some_and(f64::is_nan));
            for at in [array.start - 1, array.start + array.length] {
                let before = std::mem::take(&mut array.storage[at]);
                assert!(!array.is_intact());
                array.storage[at] = before;
            }
        }
    }

    #[test]
    fn what_no_memory_holds_is_refused() {
        assert_eq!(Array::zeros(DType::F64, &[1 << 40, 1 << 40]), None);
        assert_eq!(Array::zeros(DType::F64, &[1 << 58]), None);
    }
}
