//! Compiling loops, conditions and stores.
//!
//! The builder keeps a stack of frames, one for each loop and branch that is open, each with its own code. A frame is
//! appended to the one below when it closes; until then, code that does not depend on an inner loop can still be put
//! before that loop, at the end of an outer frame.

use std::collections::{BTreeSet, HashMap};

use super::super::range::{Domain, Interval};
use super::super::{AxisId, ExprId, Pool, TensorId};
use super::memory::Layout;
use super::{Combined, Instr, Program, Reg, Site};
use crate::scalar::{DType, Op, ReduceOp};

/// Why something cannot be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// An expression uses an axis of no loop around it.
    OutOfScope(AxisId),
    /// Two loops have the same axis.
    Reused(AxisId),
    /// A loop runs less than once.
    Extent(AxisId),
    /// The number of subscripts is not that of the tensor's dimensions.
    Subscripts(TensorId),
    /// The program would be too long.
    TooLong,
}

/// Compiles a program, statement by statement.
#[derive(Debug)]
pub struct Builder<'a> {
    pub(super) pool: &'a Pool,
    pub(super) layout: &'a Layout,
    pub(super) frames: Vec<Frame>,
    axes: HashMap<AxisId, AxisState>,
    constants: HashMap<u64, Reg>,
    registers: Vec<u64>,
    sites: Vec<Site>,
    combined: Vec<Combined>,
    /// The values of the axes that were declared.
    pub(super) domain: Domain,
    pub(super) homes: HashMap<ExprId, Option<usize>>,
    pub(super) choices: HashMap<ExprId, BTreeSet<ExprId>>,
    /// The number of instructions so far.
    pub(super) emitted: usize,
}

/// Code that runs together.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) code: Vec<Instr>,
    is_loop: bool,
    /// Values that stay the same while the frame runs.
    pub(super) steady: HashMap<ExprId, Reg>,
    /// Values that hold until the next store.
    pub(super) loaded: HashMap<ExprId, Reg>,
    /// Parts of addresses: base, index, scale.
    pub(super) sums: HashMap<(Reg, Reg, i64), Reg>,
}

#[derive(Clone, Copy, Debug)]
struct AxisState {
    reg: Reg,
    /// The frame of its loop, while that is open.
    frame: Option<usize>,
}

impl<'a> Builder<'a> {
    /// A builder for code over `pool` that works on a memory of this layout.
    pub fn new(pool: &'a Pool, layout: &'a Layout) -> Self {
        Self {
            pool,
            layout,
            frames: vec![Frame::default()],
            axes: HashMap::new(),
            constants: HashMap::new(),
            registers: Vec::new(),
            sites: Vec::new(),
            combined: Vec::new(),
            domain: Domain::new(),
            homes: HashMap::new(),
            choices: HashMap::new(),
            emitted: 0,
        }
    }

    /// Declares an axis that is given before the program runs; `n` in [`Machine::new`](super::Machine::new)'s list is
    /// the `n`-th declared. To be called before anything else.
    pub fn parameter(&mut self, axis: AxisId, extent: i64) -> Result<(), BuildError> {
        self.declare(axis, extent, 0).map(drop)
    }

    fn declare(&mut self, axis: AxisId, extent: i64, frame: usize) -> Result<Reg, BuildError> {
        if extent < 1 {
            return Err(BuildError::Extent(axis));
        }
        let reg = self.fresh();
        self.domain.insert(axis, Interval::extent(extent));
        match self.axes.insert(axis, AxisState { reg, frame: Some(frame) }) {
            None => Ok(reg),
            Some(_) => Err(BuildError::Reused(axis)),
        }
    }

    /// Compiles a loop around what `body` compiles.
    pub fn repeat<E: From<BuildError>>(
        &mut self,
        axis: AxisId,
        extent: i64,
        body: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        let reg = self.declare(axis, extent, self.frames.len())?;
        let extent = self.constant(extent.cast_unsigned());
        self.frames.push(Frame { is_loop: true, ..Frame::default() });
        body(self)?;
        let inner = self.close();
        self.axes.get_mut(&axis).expect("declared above").frame = None;
        let back = inner.len() as u32;
        self.emit(Instr::Enter { axis: reg });
        self.top().code.extend(inner);
        self.emit(Instr::Next { axis: reg, extent, back });
        Ok(())
    }

    /// Compiles what `then` compiles where `cond` holds, and what `otherwise` compiles where it does not.
    pub fn branch<E: From<BuildError>>(
        &mut self,
        cond: ExprId,
        then: impl FnOnce(&mut Self) -> Result<(), E>,
        otherwise: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.forget_loads();
        let cond = self.value(cond)?;
        self.frames.push(Frame::default());
        then(self)?;
        let then = self.close();
        self.frames.push(Frame::default());
        otherwise(self)?;
        let otherwise = self.close();
        self.choose(cond, then, otherwise);
        Ok(())
    }

    /// Appends two branches and the jumps between them.
    pub(super) fn choose(&mut self, cond: Reg, then: Vec<Instr>, otherwise: Vec<Instr>) {
        let skip = u32::from(!otherwise.is_empty());
        self.emit(Instr::JumpUnless { cond, over: then.len() as u32 + skip });
        self.top().code.extend(then);
        if !otherwise.is_empty() {
            self.emit(Instr::Jump { over: otherwise.len() as u32 });
            self.top().code.extend(otherwise);
        }
    }

    /// Compiles `tensor[at] = value`.
    pub fn store(&mut self, tensor: TensorId, at: &[ExprId], value: ExprId) -> Result<(), BuildError> {
        self.forget_loads();
        let value = self.value(value)?;
        let at = self.address(tensor, at)?;
        self.emit(if self.is_wide(tensor) { Instr::StoreWide { at, value } } else { Instr::Store { at, value } });
        Ok(())
    }

    /// Compiles `tensor[at] = op(tensor[at], value)`.
    pub fn reduce(&mut self, tensor: TensorId, at: &[ExprId], op: ReduceOp, value: ExprId) -> Result<(), BuildError> {
        self.forget_loads();
        let value = self.value(value)?;
        let at = self.address(tensor, at)?;
        let old = self.fresh();
        let joined = self.fresh();
        let wide = self.is_wide(tensor);
        self.emit(if wide { Instr::LoadWide { to: old, at } } else { Instr::Load { to: old, at } });
        let dtype = self.layout.place(tensor).dtype;
        self.operate(op.combine(), dtype, joined, [old, value]);
        self.emit(if wide { Instr::StoreWide { at, value: joined } } else { Instr::Store { at, value: joined } });
        Ok(())
    }

    /// Compiles that the elements of `tensor` are undefined from here on.
    pub fn undefine(&mut self, tensor: TensorId) {
        self.emit(Instr::Undefine { tensor });
    }

    /// Compiles that the machine stops, to go on behind when other machines have worked on the same memory.
    pub fn barrier(&mut self) {
        self.forget_loads();
        self.emit(Instr::Barrier);
    }

    /// Compiles that all but the newest groups of stores have arrived.
    pub fn wait(&mut self, pending: i64) {
        self.forget_loads();
        self.emit(Instr::Wait { pending: u32::try_from(pending).unwrap_or(u32::MAX) });
    }

    /// Compiles that the machine stops, so that an element can be joined with those of others.
    pub fn combine(
        &mut self,
        tensor: TensorId,
        at: &[ExprId],
        op: ReduceOp,
        over: &[AxisId],
    ) -> Result<(), BuildError> {
        self.forget_loads();
        let at = self.address(tensor, at)?;
        let number = self.combined.len() as u32;
        self.combined.push(Combined { op, over: over.to_vec() });
        self.emit(Instr::Combine { at, number });
        Ok(())
    }

    /// The program.
    pub fn finish(mut self) -> Program {
        let code = self.close();
        Program { code, registers: self.registers, sites: self.sites, combined: self.combined }
    }

    pub(super) fn is_wide(&self, tensor: TensorId) -> bool {
        self.layout.place(tensor).dtype == DType::I64
    }

    pub(super) fn top(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the outermost frame closes last")
    }

    pub(super) fn open(&mut self) {
        self.frames.push(Frame::default());
    }

    pub(super) fn close(&mut self) -> Vec<Instr> {
        self.frames.pop().expect("a frame is open").code
    }

    pub(super) fn emit(&mut self, instr: Instr) {
        self.emitted += 1;
        self.top().code.push(instr);
    }

    /// The frame in which to compute a value that depends on no loop inside of `frame`: right before the next loop.
    pub(super) fn hoisted(&self, frame: usize) -> usize {
        let inner = self.frames.iter().skip(frame + 1).position(|frame| frame.is_loop);
        inner.map_or(self.frames.len() - 1, |distance| frame + distance)
    }

    fn forget_loads(&mut self) {
        self.frames.iter_mut().for_each(|frame| frame.loaded.clear());
    }

    pub(super) fn fresh(&mut self) -> Reg {
        self.registers.push(0);
        (self.registers.len() - 1) as Reg
    }

    pub(super) fn constant(&mut self, bits: u64) -> Reg {
        if let Some(&reg) = self.constants.get(&bits) {
            return reg;
        }
        let reg = self.fresh();
        self.registers[reg as usize] = bits;
        self.constants.insert(bits, reg);
        reg
    }

    /// The register and frame of an axis whose loop is open.
    pub(super) fn axis(&self, axis: AxisId) -> Result<(Reg, usize), BuildError> {
        self.axes.get(&axis).and_then(|state| Some((state.reg, state.frame?))).ok_or(BuildError::OutOfScope(axis))
    }

    pub(super) fn site(&mut self, tensor: TensorId, dim: usize, extent: i64) -> u32 {
        self.sites.push(Site { tensor, dim, extent });
        (self.sites.len() - 1) as u32
    }

    /// Emits `to = op(operands)` for compute type `dtype`; a unary operation ignores the second operand.
    pub(super) fn operate(&mut self, op: Op, dtype: DType, to: Reg, [a, b]: [Reg; 2]) {
        let instr = match (dtype.is_float(), op) {
            (true, _) if op.gives_bool() => Instr::CompareFloat { op, to, a, b },
            (true, Op::Add) => Instr::AddFloat { to, a, b },
            (true, Op::Mul) => Instr::MulFloat { to, a, b },
            (true, _) => Instr::Float { op, to, a, b },
            (false, Op::And) => Instr::Both { to, a, b },
            (false, _) if dtype == DType::Bool => Instr::Logic { op, to, a, b },
            (false, Op::Lt) => Instr::Less { to, a, b },
            (false, Op::Le) => Instr::AtMost { to, a, b },
            (false, Op::Gt) => Instr::Less { to, a: b, b: a },
            (false, Op::Ge) => Instr::AtMost { to, a: b, b: a },
            (false, Op::Add) => Instr::AddInt { to, a, b },
            (false, Op::Sub) => Instr::SubInt { to, a, b },
            (false, _) if op.gives_bool() => Instr::CompareInt { op, to, a, b },
            (false, _) => Instr::Int { op, to, a, b },
        };
        self.emit(instr);
        if dtype == DType::I32 && !op.gives_bool() && !matches!(op, Op::Min | Op::Max | Op::Mod) {
            self.emit(Instr::Wrap { dtype, to, from: to });
        }
    }
}
