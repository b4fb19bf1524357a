//! Compiling expressions. Each distinct expression is computed once in the frame where it is needed, or, if it depends
//! on fewer loops than are open, right before the first loop that it does not depend on.

use std::collections::BTreeSet;

use super::super::{Expr, ExprId};
use super::build::{BuildError, Builder, Frame};
use super::{Instr, Reg};
use crate::scalar::{Const, DType, Op};

/// Longer programs are not compiled: they come from choices within choices that share their parts.
const MOST_INSTRUCTIONS: usize = 1 << 24;

impl Builder<'_> {
    /// The register that holds `id`.
    pub(super) fn value(&mut self, id: ExprId) -> Result<Reg, BuildError> {
        if self.emitted > MOST_INSTRUCTIONS {
            return Err(BuildError::TooLong);
        }
        match self.pool.get(id) {
            Expr::Const(value) => return Ok(self.constant(bits(*value))),
            &Expr::Axis(axis) => return self.axis(axis).map(|(reg, _)| reg),
            _ => {}
        }
        let known = |frame: &Frame| frame.steady.get(&id).or_else(|| frame.loaded.get(&id)).copied();
        if let Some(reg) = self.frames.iter().rev().find_map(known) {
            return Ok(reg);
        }
        let Some(frame) = self.home(id)? else {
            let reg = self.compute(id)?;
            self.top().loaded.insert(id, reg);
            return Ok(reg);
        };
        let target = self.hoisted(frame);
        let reg = self.in_frame(target, |builder| builder.compute(id))?;
        self.frames[target].steady.insert(id, reg);
        Ok(reg)
    }

    /// Runs `action` with frame `target` on top, so that its code comes before the loops that are opened above it.
    pub(super) fn in_frame<T>(&mut self, target: usize, action: impl FnOnce(&mut Self) -> T) -> T {
        let above = self.frames.split_off(target + 1);
        let result = action(self);
        self.frames.extend(above);
        result
    }

    fn compute(&mut self, id: ExprId) -> Result<Reg, BuildError> {
        match *self.pool.get(id) {
            Expr::Const(_) | Expr::Axis(_) => self.value(id),
            Expr::Unary(op, a) => self.operation(op, a, a),
            Expr::Binary(op, a, b) => self.operation(op, a, b),
            Expr::Cast(dtype, value) => self.conversion(dtype, value),
            Expr::Select { cond, then, otherwise } => self.selection(cond, then, otherwise),
            Expr::Load { tensor, ref at } => self.load(tensor, at),
        }
    }

    fn operation(&mut self, op: Op, a: ExprId, b: ExprId) -> Result<Reg, BuildError> {
        let operands = [self.value(a)?, self.value(b)?];
        let to = self.fresh();
        self.operate(op, self.pool.dtype(a), to, operands);
        Ok(to)
    }

    fn conversion(&mut self, dtype: DType, value: ExprId) -> Result<Reg, BuildError> {
        let source = self.pool.dtype(value);
        let from = self.value(value)?;
        let is_exact = match (source.is_float(), dtype.is_float()) {
            (true, true) => dtype.bytes() > source.bytes(),
            (false, false) => match (source.int_range(), dtype.int_range()) {
                (Some(inner), Some(outer)) => dtype != DType::Bool && outer.0 <= inner.0 && inner.1 <= outer.1,
                _ => false,
            },
            _ => false,
        };
        if is_exact {
            return Ok(from);
        }
        let to = self.fresh();
        self.emit(match (source.is_float(), dtype.is_float()) {
            (true, true) => Instr::Round { dtype, to, from },
            (true, false) => Instr::Truncate { dtype, to, from },
            (false, true) => Instr::ToFloat { dtype, to, from },
            (false, false) => Instr::Wrap { dtype, to, from },
        });
        Ok(to)
    }

    fn selection(&mut self, cond: ExprId, then: ExprId, otherwise: ExprId) -> Result<Reg, BuildError> {
        let cond = self.value(cond)?;
        // Choices that both arms make anyway: compiled in each, chains of them would double with every link.
        for shared in self.choices(then).intersection(&self.choices(otherwise)).copied().collect::<Vec<_>>() {
            self.value(shared)?;
        }
        let to = self.fresh();
        let then = self.arm(then, to)?;
        let otherwise = self.arm(otherwise, to)?;
        self.choose(cond, then, otherwise);
        Ok(to)
    }

    fn arm(&mut self, value: ExprId, to: Reg) -> Result<Vec<Instr>, BuildError> {
        self.open();
        let from = self.value(value)?;
        self.emit(Instr::Move { to, from });
        Ok(self.close())
    }

    /// The selects that are evaluated wherever `id` is.
    fn choices(&mut self, id: ExprId) -> BTreeSet<ExprId> {
        if let Some(known) = self.choices.get(&id) {
            return known.clone();
        }
        let found = if let Expr::Select { cond, then, otherwise } = *self.pool.get(id) {
            let both: Vec<_> = self.choices(then).intersection(&self.choices(otherwise)).copied().collect();
            self.choices(cond).into_iter().chain(both).chain([id]).collect()
        } else {
            self.pool.children(id).into_iter().flat_map(|child| self.choices(child)).collect()
        };
        self.choices.insert(id, found);
        self.choices[&id].clone()
    }

    /// The frame of the innermost loop that `id` depends on; none where it loads or chooses, so must not be moved.
    pub(super) fn home(&mut self, id: ExprId) -> Result<Option<usize>, BuildError> {
        if let Some(&home) = self.homes.get(&id) {
            return Ok(home);
        }
        let mut home = Some(0);
        for child in self.pool.children(id) {
            let child = self.home(child)?;
            home = home.zip(child).map(|(a, b)| a.max(b));
        }
        let home = match *self.pool.get(id) {
            Expr::Axis(axis) => Some(self.axis(axis)?.1),
            Expr::Select { .. } | Expr::Load { .. } => None,
            Expr::Const(_) | Expr::Unary(..) | Expr::Binary(..) | Expr::Cast(..) => home,
        };
        self.homes.insert(id, home);
        Ok(home)
    }
}

/// A constant as a register holds it.
fn bits(value: Const) -> u64 {
    value.as_int().map_or_else(|| value.to_f64().to_bits(), i64::cast_unsigned)
}
