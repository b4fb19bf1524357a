//! Loads and stores, of one element and of the lanes of a vector loop.
//!
//! Lanes that are neighbours in memory are one access. Lanes close to each other are loaded with what lies between them
//! and sorted out by shuffles; what is loaded there lies between elements that the kernel may touch. Others are loaded
//! and stored one at a time, or by a gather or scatter where a mask says which. A buffer on the stack may become
//! registers, as long as all accesses to it are plain: under a mask its old elements are stored again.

use super::body::Body;
use super::convert;
use super::ir::{Scalar, Value};
use super::ir_vector::Memory;
use crate::codegen::pattern;
use crate::expr::range::Interval;
use crate::expr::{AxisId, ExprId, TensorId};
use crate::scalar::DType;

/// Loads of so many neighbours at most, for each lane, are made for what lies between.
const MOST_WINDOWS: i64 = 4;
/// Lanes that lie together in fewer bytes than this are loaded one at a time.
const LEAST_CHUNK: usize = 16;

/// The loop whose iterations are lanes.
#[derive(Clone, Copy)]
pub(super) struct Lanes<'ctx> {
    pub(super) axis: AxisId,
    pub(super) count: u32,
    /// The lanes that run; all of them without.
    pub(super) mask: Option<Value<'ctx>>,
}

/// Where the lanes of an access lie.
#[derive(Clone, Copy)]
pub(super) enum Spot<'ctx, 'k> {
    /// All in one place, or there are no lanes.
    One(Value<'ctx>),
    /// At constant distances from the pointer.
    Near(Value<'ctx>, &'k [i64]),
    /// Each at its own pointer.
    Each(Value<'ctx>),
}

impl<'ctx, 'k> Body<'ctx, 'k> {
    /// The lanes that run, if not all of them do.
    pub(super) fn mask(&self) -> Option<Value<'ctx>> {
        self.lanes.and_then(|lanes| lanes.mask)
    }

    /// Where an access goes.
    pub(super) fn spot(&mut self, tensor: TensorId, at: &[ExprId]) -> Spot<'ctx, 'k> {
        let patterns = self.patterns;
        if let (Some(lanes), [flat]) = (self.lanes, at)
            && let Some(pattern) = patterns.get(lanes.axis, *flat)
        {
            return Spot::Near(self.address(tensor, &[pattern.base]), &pattern.offsets);
        }
        let address = self.address(tensor, at);
        if address.lanes().is_some() { Spot::Each(address) } else { Spot::One(address) }
    }

    /// Whether an access is inside its buffer in every lane, whether it runs or not.
    pub(super) fn is_inside(&self, tensor: TensorId, at: &[ExprId]) -> bool {
        let shape = &self.kernel.buffers[tensor].shape;
        at.iter().zip(shape).all(|(&at, &extent)| self.bounds.interval(at).inside(Interval::extent(extent)))
    }

    /// Loads in their register type; under a mask, unless every lane is known to be inside.
    pub(super) fn load(&mut self, tensor: TensorId, at: &[ExprId]) -> Value<'ctx> {
        let around = self.cx.location();
        self.cx.mark(self.function, self.marks.loaded.get(tensor));
        let spot = self.spot(tensor, at);
        let mask = self.mask().filter(|_| !self.is_inside(tensor, at));
        let value = self.read(tensor, spot, mask);
        self.cx.restore(around);
        value
    }

    /// Loads from a place; what the mask leaves out is 0.
    pub(super) fn read(&self, tensor: TensorId, spot: Spot<'ctx, 'k>, mask: Option<Value<'ctx>>) -> Value<'ctx> {
        let buffer = &self.kernel.buffers[tensor];
        let value = match (spot, mask) {
            (Spot::One(at), None) => self.cx.ir.load(self.cx.memory(buffer.dtype), at, &buffer.name),
            (Spot::One(at), Some(mask)) => {
                let any = self.cx.ir.splat(self.any(mask), 1);
                let one = self.cx.ir.load_masked(&self.cx.module, self.memory(buffer.dtype, at), any);
                self.cx.ir.lane(one, 0)
            }
            (Spot::Near(base, offsets), None) => self.read_near(tensor, base, offsets),
            (Spot::Near(base, offsets), Some(mask)) => {
                let at =
                    if pattern::stride(offsets) == Some(1) { base } else { self.pointers_near(tensor, base, offsets) };
                self.load_masked(buffer.dtype, at, mask)
            }
            (Spot::Each(at), mask) => {
                let lanes = at.lanes().expect("one pointer for each lane");
                let all = self.cx.ir.splat(self.cx.ir.int_of(self.cx.register(DType::Bool), 1), lanes);
                self.cx.ir.load_masked(&self.cx.module, self.memory(buffer.dtype, at), mask.unwrap_or(all))
            }
        };
        self.in_register(buffer.dtype, value)
    }

    /// Loads the lanes that the mask chooses, in parts of one register each where masks are vectors themselves (AVX2): of
    /// a longer mask, LLVM 22 takes a register whose lanes are all known to be off for one whose lanes are all on.
    fn load_masked(&self, dtype: DType, at: Value<'ctx>, mask: Value<'ctx>) -> Value<'ctx> {
        let ir = &self.cx.ir;
        let lanes = mask.lanes().expect("a mask is a vector");
        let most = self.cx.facts.vector_bits / 8 / dtype.bytes() as u32;
        let is_apart = self.cx.facts.vector_bits == 256 && lanes > most && lanes.is_power_of_two();
        if !is_apart || at.lanes().is_some() {
            return ir.load_masked(&self.cx.module, self.memory(dtype, at), mask);
        }
        let index: Scalar<'ctx> = ir.context.i64_type().into();
        let part = |first: u32| {
            let at = ir.element_anywhere(self.cx.memory(dtype), at, ir.int_of(index, i64::from(first)));
            ir.load_masked(&self.cx.module, self.memory(dtype, at), ir.part_alone(mask, first, most))
        };
        ir.concat(&(0..lanes).step_by(most as usize).map(part).collect::<Vec<_>>())
    }

    /// A value from memory in its register type.
    pub(super) fn in_register(&self, dtype: DType, value: Value<'ctx>) -> Value<'ctx> {
        if dtype == DType::Bool { convert::nonzero(self.cx, DType::Bool, value) } else { value }
    }

    fn read_near(&self, tensor: TensorId, base: Value<'ctx>, offsets: &[i64]) -> Value<'ctx> {
        let ir = &self.cx.ir;
        let buffer = &self.kernel.buffers[tensor];
        let (dtype, lanes) = (buffer.dtype, offsets.len());
        let load = |offset: i64, lanes: usize| {
            let at = self.beside(dtype, base, offset);
            ir.load_lanes(self.memory(dtype, at), lanes as u32, &buffer.name)
        };
        let chunk = chunk(offsets);
        if chunk == lanes || chunk * dtype.bytes() >= LEAST_CHUNK {
            let parts: Vec<_> = offsets.chunks(chunk).map(|part| load(part[0], chunk)).collect();
            return ir.concat(&parts);
        }
        if !self.is_on_stack(tensor)
            && let Some(windows) = windows(offsets)
        {
            return self.read_windows(&windows, offsets, &load);
        }
        let each = offsets.iter().map(|&offset| ir.load(self.cx.memory(dtype), self.beside(dtype, base, offset), ""));
        ir.gathered(&each.collect::<Vec<_>>())
    }

    /// Loads all windows, and chooses the lanes from them.
    fn read_windows(
        &self,
        windows: &Windows,
        offsets: &[i64],
        load: &dyn Fn(i64, usize) -> Value<'ctx>,
    ) -> Value<'ctx> {
        let ir = &self.cx.ir;
        let places: Vec<_> = offsets.iter().map(|&offset| windows.place(offset)).collect();
        let loaded: Vec<_> = windows.starts.iter().map(|&start| load(start, windows.lanes)).collect();
        let (first, second) = (loaded[0], loaded.get(1).copied().unwrap_or_else(|| ir.poison(loaded[0])));
        let width = windows.lanes as u32;
        let chosen = |&(window, lane): &(usize, u32)| (window < 2).then(|| window as u32 * width + lane);
        let mut value = ir.shuffle(first, second, &places.iter().map(chosen).collect::<Vec<_>>());
        for (nth, &next) in loaded.iter().enumerate().skip(2) {
            let own = places
                .iter()
                .enumerate()
                .map(|(lane, &(window, there))| Some(if window == nth { width + there } else { lane as u32 }));
            value = ir.shuffle(value, next, &own.collect::<Vec<_>>());
        }
        value
    }

    /// Stores a value in its register type; only what the mask says.
    pub(super) fn store(&self, tensor: TensorId, value: Value<'ctx>, spot: Spot<'ctx, 'k>, mask: Option<Value<'ctx>>) {
        let dtype = self.kernel.buffers[tensor].dtype;
        let ir = &self.cx.ir;
        let value = if dtype == DType::Bool { ir.zext(value, self.cx.memory(DType::Bool)) } else { value };
        match (spot, mask) {
            (Spot::One(at), None) => ir.store(value, at),
            (Spot::Near(base, offsets), None) => {
                self.store_near(dtype, ir.splat(value, offsets.len() as u32), base, offsets);
            }
            (Spot::Near(base, offsets), Some(mask)) => {
                let at =
                    if pattern::stride(offsets) == Some(1) { base } else { self.pointers_near(tensor, base, offsets) };
                let value = ir.splat(value, offsets.len() as u32);
                ir.store_masked(&self.cx.module, value, self.memory(dtype, at), mask);
            }
            (Spot::Each(at), mask) => {
                let lanes = at.lanes().expect("one pointer for each lane");
                let all = ir.splat(ir.int_of(self.cx.register(DType::Bool), 1), lanes);
                let value = ir.splat(value, lanes);
                ir.store_masked(&self.cx.module, value, self.memory(dtype, at), mask.unwrap_or(all));
            }
            (Spot::One(at), Some(mask)) => {
                // The lanes that run, in their order: the last one stays.
                let lanes = mask.lanes().expect("a mask is a vector");
                let (value, at) = (ir.splat(value, lanes), ir.splat(at, lanes));
                ir.store_masked(&self.cx.module, value, self.memory(dtype, at), mask);
            }
        }
    }

    fn store_near(&self, dtype: DType, value: Value<'ctx>, base: Value<'ctx>, offsets: &[i64]) {
        let ir = &self.cx.ir;
        let chunk = chunk(offsets);
        if chunk == offsets.len() || chunk * dtype.bytes() >= LEAST_CHUNK {
            for (nth, part) in offsets.chunks(chunk).enumerate() {
                let at = self.beside(dtype, base, part[0]);
                let part = ir.part(value, (nth * chunk) as u32, chunk as u32);
                ir.store_lanes(part, self.memory(dtype, at));
            }
            return;
        }
        for (lane, &offset) in offsets.iter().enumerate() {
            ir.store(ir.lane(value, lane as u32), self.beside(dtype, base, offset));
        }
    }

    /// The memory at a pointer, aligned as an element is.
    pub(super) fn memory(&self, dtype: DType, at: Value<'ctx>) -> Memory<'ctx> {
        Memory { at, element: self.cx.memory(dtype), align: dtype.bytes() as u32 }
    }

    /// The address at a constant distance from another one of the same buffer.
    pub(super) fn beside(&self, dtype: DType, base: Value<'ctx>, offset: i64) -> Value<'ctx> {
        if offset == 0 { base } else { self.cx.ir.neighbour(self.cx.memory(dtype), base, self.index(offset)) }
    }

    /// The addresses of all lanes, of which some may be outside.
    fn pointers_near(&self, tensor: TensorId, base: Value<'ctx>, offsets: &[i64]) -> Value<'ctx> {
        let offsets = self.cx.ir.ints(self.cx.register(DType::I64), offsets);
        self.cx.ir.element_anywhere(self.cx.memory(self.kernel.buffers[tensor].dtype), base, offsets)
    }

    /// Whether a buffer lives on the stack, where no other thread sees it.
    pub(super) fn is_on_stack(&self, tensor: TensorId) -> bool {
        self.pointers.get(tensor).is_some_and(|pointer| pointer.is_on_stack())
    }

    /// Whether any lane of a mask runs.
    pub(super) fn any(&self, mask: Value<'ctx>) -> Value<'ctx> {
        self.cx.ir.intrinsic(&self.cx.module, "llvm.vector.reduce.or", &[mask], &[mask])
    }

    /// The address of one element, or of one for each lane. Subscripts are inside their extents in the lanes that run,
    /// so nothing here wraps there.
    pub(super) fn address(&mut self, tensor: TensorId, at: &[ExprId]) -> Value<'ctx> {
        let kernel = self.kernel;
        let buffer = &kernel.buffers[tensor];
        let mut index = None;
        for (&subscript, &extent) in at.iter().zip(&buffer.shape) {
            let zero = kernel.pool.as_int(subscript) == Some(0);
            let subscript = self.value(subscript);
            index = Some(match index {
                None => subscript,
                Some(outer) => {
                    let row = self.cx.ir.nuw_mul(outer, self.cx.ir.int(outer, extent));
                    if zero { row } else { self.cx.ir.nuw_add(row, subscript) }
                }
            });
        }
        let base = self.pointers.get(tensor).copied().expect("a verified kernel uses buffers inside their life");
        let scalar = self.cx.memory(buffer.dtype);
        match index {
            Some(index) if self.mask().is_some() && !self.is_inside(tensor, at) => {
                self.cx.ir.element_anywhere(scalar, base, index)
            }
            Some(index) => self.cx.ir.element(scalar, base, index),
            None => base,
        }
    }
}

/// The largest power of two such that so many lanes at a time are neighbours.
fn chunk(offsets: &[i64]) -> usize {
    let mut chunk = offsets.len();
    let is_run = |part: &[i64]| part.windows(2).all(|pair| pair[1].checked_sub(pair[0]) == Some(1));
    while !offsets.chunks(chunk).all(is_run) {
        chunk /= 2;
    }
    chunk
}

/// Vectors of neighbours that hold all lanes of an access.
struct Windows {
    starts: Vec<i64>,
    lanes: usize,
}

impl Windows {
    /// The first window that has an offset, and the lane there.
    fn place(&self, offset: i64) -> (usize, u32) {
        let window = self.starts.iter().rposition(|&start| start <= offset).unwrap_or(0);
        (window, (offset - self.starts[window]) as u32)
    }
}

/// Windows over offsets that lie close together: none of them reaches beyond the smallest and the largest offset.
fn windows(offsets: &[i64]) -> Option<Windows> {
    let (low, high) = (*offsets.iter().min()?, *offsets.iter().max()?);
    let span = high.checked_sub(low)?.checked_add(1)?;
    let count = offsets.len() as i64;
    if span > MOST_WINDOWS.checked_mul(count)? {
        return None;
    }
    let below = 1 << (63 - span.leading_zeros());
    let lanes = count.min(below);
    let mut starts: Vec<_> = (low..=high + 1 - lanes).step_by(lanes as usize).collect();
    if starts.last() != Some(&(high + 1 - lanes)) {
        starts.push(high + 1 - lanes);
    }
    (starts.len() <= 2 || lanes == count).then_some(Windows { starts, lanes: lanes as usize })
}

#[cfg(test)]
mod tests {
    use super::{chunk, windows};

    #[test]
    fn chunks_are_runs() {
        assert_eq!(chunk(&[0, 1, 2, 3]), 4);
        assert_eq!(chunk(&[0, 1, 8, 9]), 2);
        assert_eq!(chunk(&[0, 2, 4, 6]), 1);
        assert_eq!(chunk(&[0, 1, 2, 2]), 1);
    }

    #[test]
    fn windows_hold_every_lane_and_nothing_outside() {
        for offsets in [vec![0, 2, 4, 6], vec![0, 3, 6, 9], vec![3, 2, 1, 0], vec![0, 0, 1, 1], vec![0, -4, 2, 1]] {
            let found = windows(&offsets).expect("they are close");
            let (low, high) = (offsets.iter().min().expect("some"), offsets.iter().max().expect("some"));
            assert!(found.starts.iter().all(|&start| start >= *low && start + found.lanes as i64 - 1 <= *high));
            for &offset in &offsets {
                let (window, lane) = found.place(offset);
                assert_eq!(found.starts[window] + i64::from(lane), offset);
                assert!((lane as usize) < found.lanes);
            }
        }
        assert!(windows(&[0, 100]).is_none());
    }
}
