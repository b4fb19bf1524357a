//! Compiling accesses: the slot of `tensor[at]` as a linear form, summed from the outermost loop inwards so that each
//! loop adds its own part only; and checks of the subscripts that are not inside by their ranges alone.

use std::collections::BTreeMap;

use super::super::range::{Interval, interval};
use super::super::{ExprId, TensorId, affine};
use super::build::{BuildError, Builder, Frame};
use super::{Instr, Reg};

impl Builder<'_> {
    /// The register that holds the slot of `tensor[at]`.
    pub(super) fn address(&mut self, tensor: TensorId, at: &[ExprId]) -> Result<Reg, BuildError> {
        let (base, last) = self.split_address(tensor, at)?;
        match last {
            Some((term, factor)) => self.sum(base, term, factor),
            None => Ok(base),
        }
    }

    /// Compiles a load.
    pub(super) fn load(&mut self, tensor: TensorId, at: &[ExprId]) -> Result<Reg, BuildError> {
        let (base, last) = self.split_address(tensor, at)?;
        let fused = match last {
            Some((term, factor)) if !self.is_wide(tensor) && !self.is_steady(term)? => {
                i32::try_from(factor).ok().map(|scale| (term, scale))
            }
            _ => None,
        };
        if let Some((term, scale)) = fused {
            let index = self.value(term)?;
            let to = self.fresh();
            self.emit(Instr::LoadIndexed { to, base, index, scale });
            return Ok(to);
        }
        let at = match last {
            Some((term, factor)) => self.sum(base, term, factor)?,
            None => base,
        };
        let to = self.fresh();
        self.emit(if self.is_wide(tensor) { Instr::LoadWide { to, at } } else { Instr::Load { to, at } });
        Ok(to)
    }

    /// The slot of `tensor[at]` but for its last term, which is still to be added.
    fn split_address(&mut self, tensor: TensorId, at: &[ExprId]) -> Result<(Reg, Option<(ExprId, i64)>), BuildError> {
        let place = self.layout.place(tensor);
        if at.len() != place.shape.len() {
            return Err(BuildError::Subscripts(tensor));
        }
        let mut constant = place.start as i64;
        let mut factors = BTreeMap::new();
        let mut stride = 1i64;
        for (dim, (&subscript, &extent)) in at.iter().zip(&place.shape).enumerate().rev() {
            self.check(tensor, dim, subscript, extent)?;
            // As the machine computes: modulo 2^64.
            let view = affine::linear(self.pool, subscript);
            constant = constant.wrapping_add(view.constant.wrapping_mul(stride));
            for (term, factor) in view.terms {
                let sum = factors.entry(term).or_insert(0i64);
                *sum = sum.wrapping_add(factor.wrapping_mul(stride));
            }
            stride = stride.wrapping_mul(extent);
        }
        let mut terms = Vec::new();
        for (term, factor) in factors.into_iter().filter(|&(_, factor)| factor != 0) {
            terms.push((self.home(term)?.unwrap_or(usize::MAX), term, factor));
        }
        terms.sort_unstable();
        let last = terms.pop();
        let mut base = self.constant(constant.cast_unsigned());
        for (_, term, factor) in terms {
            base = self.sum(base, term, factor)?;
        }
        Ok((base, last.map(|(_, term, factor)| (term, factor))))
    }

    /// Emits a check of one subscript, unless its range shows that it is inside.
    fn check(&mut self, tensor: TensorId, dim: usize, subscript: ExprId, extent: i64) -> Result<(), BuildError> {
        if interval(self.pool, subscript, &self.domain).inside(Interval::extent(extent)) {
            return Ok(());
        }
        let value = self.value(subscript)?;
        let site = self.site(tensor, dim, extent);
        let extent = self.constant(extent.cast_unsigned());
        self.emit(Instr::Check { value, extent, site });
        Ok(())
    }

    /// `base + term * factor`, in the outermost frame where both are known. The bases of one address only grow inwards.
    fn sum(&mut self, base: Reg, term: ExprId, factor: i64) -> Result<Reg, BuildError> {
        let index = self.value(term)?;
        let key = (base, index, factor);
        let known = |frame: &Frame| frame.sums.get(&key).copied();
        if let Some(reg) = self.frames.iter().rev().find_map(known) {
            return Ok(reg);
        }
        let target = self.home(term)?.map_or(self.frames.len() - 1, |frame| self.hoisted(frame));
        let scale = self.constant(factor.cast_unsigned());
        let to = self.fresh();
        self.in_frame(target, |builder| builder.emit(Instr::MulAdd { to, base, index, scale }));
        self.frames[target].sums.insert(key, to);
        Ok(to)
    }

    /// Whether `term` is known before the innermost loop.
    fn is_steady(&mut self, term: ExprId) -> Result<bool, BuildError> {
        Ok(self.home(term)?.is_some_and(|frame| self.hoisted(frame) + 1 < self.frames.len()))
    }
}
