//! What programs work on: one flat array of 64-bit slots, in which every tensor has its place. A slot knows whether it
//! was stored to; for that one bit pattern, a NaN with a payload that no computation gives, stands for "undefined".
//! `i64` is the one type whose values may take that pattern: its slots are tracked beside the array.

use super::super::TensorId;
use crate::arena::{Arena, Id};
use crate::scalar::values::{Data, wrap};
use crate::scalar::{DType, Op, Values, eval};

/// The slot of an element that was never stored.
const UNDEFINED: u64 = 0x7ff4_0bad_0bad_0bad;

/// The most slots that a memory may have; more would not fit into any machine's.
const MOST_SLOTS: usize = 1 << 36;

/// The tensors do not fit into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Where each tensor lies.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    places: Arena<TensorId, Place>,
    /// The first slot of each place; they ascend.
    starts: Vec<usize>,
    slots: usize,
    has_wide: bool,
}

/// The place of one tensor.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) dtype: DType,
    pub(super) shape: Vec<i64>,
}

impl Layout {
    /// A layout without tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a place to the next tensor; tensors come in the order of their ids.
    pub fn add(&mut self, dtype: DType, shape: &[i64]) -> Result<TensorId, TooLarge> {
        let len = shape
            .iter()
            .try_fold(1usize, |product, &extent| product.checked_mul(usize::try_from(extent).ok()?))
            .ok_or(TooLarge)?;
        let start = self.slots;
        self.slots = start.checked_add(len).filter(|&slots| slots <= MOST_SLOTS).ok_or(TooLarge)?;
        self.starts.push(start);
        self.has_wide |= dtype == DType::I64;
        Ok(self.places.push(Place { start, len, dtype, shape: shape.to_vec() }))
    }

    /// The number of slots.
    pub fn len(&self) -> usize {
        self.slots
    }

    /// Whether there is no slot.
    pub fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// The slots of a tensor.
    pub fn slots_of(&self, tensor: TensorId) -> std::ops::Range<usize> {
        let place = self.place(tensor);
        place.start..place.start + place.len
    }

    pub(super) fn place(&self, tensor: TensorId) -> &Place {
        &self.places[tensor]
    }

    /// The slot of one element; none if a subscript is outside or their number is wrong.
    pub fn slot(&self, tensor: TensorId, at: &[i64]) -> Option<usize> {
        let place = &self.places[tensor];
        if at.len() != place.shape.len() || at.iter().zip(&place.shape).any(|(i, extent)| !(0..*extent).contains(i)) {
            return None;
        }
        let flat = at.iter().zip(&place.shape).fold(0, |flat, (&i, &extent)| flat * extent + i);
        Some(place.start + flat as usize)
    }

    /// The tensor and the subscripts of a slot.
    pub fn element(&self, slot: usize) -> (TensorId, Vec<i64>) {
        let above = self.starts.partition_point(|&start| start <= slot);
        let tensor = TensorId::new(above.checked_sub(1).expect("every slot belongs to a tensor"));
        let place = &self.places[tensor];
        let mut flat = (slot - place.start) as i64;
        let mut at = vec![0; place.shape.len()];
        for (index, extent) in at.iter_mut().zip(&place.shape).rev() {
            *index = flat % extent;
            flat /= extent;
        }
        (tensor, at)
    }
}

/// The elements of one tensor, set aside.
#[derive(Clone, Debug)]
pub struct Saved {
    tensor: TensorId,
    slots: Vec<u64>,
    stored: Vec<bool>,
}

impl Saved {
    /// Joins the element in `slot` of several threads, each of which has set its own aside, in their order; each gets the
    /// whole. None if one of them is undefined.
    pub fn combine(all: &mut [&mut Self], layout: &Layout, slot: usize, op: Op) -> Option<()> {
        let place = layout.place(all.first()?.tensor);
        let at = slot - place.start;
        let is_wide = place.dtype == DType::I64;
        let mut whole = None;
        for saved in all.iter() {
            if if is_wide { !saved.stored[at] } else { saved.slots[at] == UNDEFINED } {
                return None;
            }
            let bits = saved.slots[at];
            whole = Some(whole.map_or(bits, |sum| joined(op, place.dtype, sum, bits)));
        }
        for saved in all.iter_mut() {
            saved.slots[at] = whole.unwrap_or(UNDEFINED);
        }
        Some(())
    }

    /// Whose elements these are.
    pub fn tensor(&self) -> TensorId {
        self.tensor
    }
}

/// `a op b` on the bits of two elements.
fn joined(op: Op, dtype: DType, a: u64, b: u64) -> u64 {
    if dtype.is_float() {
        float_bits(eval::float(op, f64::from_bits(a), f64::from_bits(b)))
    } else if dtype == DType::Bool {
        u64::from(eval::logic(op, a != 0, b != 0))
    } else {
        wrap(dtype, eval::int(op, a.cast_signed(), b.cast_signed())).cast_unsigned()
    }
}

/// The elements of all tensors.
#[derive(Clone, Debug)]
pub struct Memory {
    pub(super) slots: Vec<u64>,
    /// Which slots were stored to; only asked for `i64`, and empty where no tensor has that type.
    stored: Vec<bool>,
}

impl Memory {
    /// Memory in which nothing is stored yet.
    pub fn new(layout: &Layout) -> Self {
        let stored = if layout.has_wide { vec![false; layout.slots] } else { Vec::new() };
        Self { slots: vec![UNDEFINED; layout.slots], stored }
    }

    /// Stores all elements of a tensor. They must be as many as its place holds.
    pub fn fill(&mut self, layout: &Layout, tensor: TensorId, values: &Values) {
        let place = layout.place(tensor);
        let range = place.start..place.start + place.len;
        let slots = &mut self.slots[range.clone()];
        assert_eq!(slots.len(), values.len(), "a tensor is filled with as many elements as it has");
        match values.data() {
            Data::F64(items) => slots.iter_mut().zip(items).for_each(|(slot, &item)| *slot = float_bits(item)),
            Data::I64(items) => slots.iter_mut().zip(items).for_each(|(slot, &item)| *slot = item.cast_unsigned()),
        }
        if place.dtype == DType::I64 {
            self.stored[range].fill(true);
        }
    }

    /// All elements of a tensor, rounded to its type, or the first slot that is undefined.
    pub fn read(&self, layout: &Layout, tensor: TensorId) -> Result<Values, usize> {
        let place = layout.place(tensor);
        let range = place.start..place.start + place.len;
        if let Some(slot) = range.clone().find(|&slot| !self.is_defined(place.dtype, slot)) {
            return Err(slot);
        }
        let slots = self.slots[range].iter();
        let values = if place.dtype.is_float() {
            Values::floats(place.dtype, &place.shape, slots.map(|&bits| f64::from_bits(bits)).collect())
        } else {
            Values::ints(place.dtype, &place.shape, slots.map(|&bits| bits.cast_signed()).collect())
        };
        Ok(values.expect("a place has as many slots as its shape says"))
    }

    /// The bits of an element, `f64` or `i64`; none if it is undefined.
    pub fn get(&self, layout: &Layout, tensor: TensorId, slot: usize) -> Option<u64> {
        self.is_defined(layout.place(tensor).dtype, slot).then(|| self.slots[slot])
    }

    /// Elements of a tensor that were never stored.
    pub fn fresh(&self, layout: &Layout, tensor: TensorId) -> Saved {
        let len = layout.place(tensor).len;
        let stored = if self.stored.is_empty() { Vec::new() } else { vec![false; len] };
        Saved { tensor, slots: vec![UNDEFINED; len], stored }
    }

    /// Exchanges the elements of a tensor for those that were set aside.
    pub fn exchange(&mut self, layout: &Layout, saved: &mut Saved) {
        let range = layout.slots_of(saved.tensor);
        if !self.stored.is_empty() {
            self.stored[range.clone()].swap_with_slice(&mut saved.stored);
        }
        self.slots[range].swap_with_slice(&mut saved.slots);
    }

    /// Forgets all elements of a tensor.
    pub fn undefine(&mut self, layout: &Layout, tensor: TensorId) {
        let place = layout.place(tensor);
        let range = place.start..place.start + place.len;
        if place.dtype == DType::I64 {
            self.stored[range.clone()].fill(false);
        }
        self.slots[range].fill(UNDEFINED);
    }

    fn is_defined(&self, dtype: DType, slot: usize) -> bool {
        if dtype == DType::I64 { self.stored[slot] } else { self.slots[slot] != UNDEFINED }
    }

    /// The bits in a slot of any type but `i64`.
    pub(super) fn load(&self, slot: usize) -> Option<u64> {
        let bits = self.slots[slot];
        if bits == UNDEFINED { None } else { Some(bits) }
    }

    /// The bits in a slot of type `i64`.
    pub(super) fn load_wide(&self, slot: usize) -> Option<u64> {
        if self.stored[slot] { Some(self.slots[slot]) } else { None }
    }

    pub(super) fn store(&mut self, slot: usize, bits: u64) {
        self.slots[slot] = bits;
    }

    pub(super) fn store_wide(&mut self, slot: usize, bits: u64) {
        self.stored[slot] = true;
        self.slots[slot] = bits;
    }
}

/// The bits of a float, with one NaN only.
fn float_bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}
