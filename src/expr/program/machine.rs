//! Running programs. A machine stops at the first access that is outside its tensor or undefined; after an undefined
//! load it can be run on, once the element has been stored.

use super::memory::{Layout, Memory};
use super::watch::{Nobody, Observer, Race, Use, Watch};
use super::{Instr, Program, Reg, Site};
use crate::scalar::values::{round, truncate, wrap};
use crate::scalar::{DType, eval};

/// Why a machine stopped before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trap {
    /// A subscript is outside.
    Outside {
        /// Which one.
        site: Site,
        /// Its value.
        value: i64,
    },
    /// An element is loaded that was never stored.
    Undefined {
        /// Its slot; see [`Layout::element`].
        slot: usize,
    },
    /// It is at a barrier; run on, it goes on behind it.
    Barrier {
        /// Which one: barriers of one program differ.
        place: usize,
    },
    /// An element is to be joined with those of other threads; run on, it goes on behind that.
    Combine {
        /// Which one: combinations of one program differ.
        number: u32,
        /// The slot of the element.
        slot: usize,
    },
    /// Another thread uses the same element at once; only for machines that are watched.
    Race(Race),
}

/// The registers and the place of one run of a program.
#[derive(Clone, Debug)]
pub struct Machine {
    registers: Vec<u64>,
    next: usize,
}

impl Machine {
    /// A machine at the start of `program`, with values for its parameters in the order of their declaration.
    pub fn new(program: &Program, parameters: &[i64]) -> Self {
        let mut machine = Self { registers: program.registers.clone(), next: 0 };
        machine.restart(parameters);
        machine
    }

    /// Goes back to the start, with other values for the parameters.
    pub fn restart(&mut self, parameters: &[i64]) {
        self.registers.iter_mut().zip(parameters).for_each(|(reg, value)| *reg = value.cast_unsigned());
        self.next = 0;
    }

    /// Runs to the end or to the first trap.
    pub fn run(&mut self, program: &Program, layout: &Layout, memory: &mut Memory) -> Result<(), Trap> {
        execute(program, layout, memory, Registers(&mut self.registers), Nobody, &mut self.next)
    }

    /// As [`Machine::run`], with all accesses watched.
    pub fn run_watched(
        &mut self,
        program: &Program,
        layout: &Layout,
        memory: &mut Memory,
        watch: &mut Watch,
    ) -> Result<(), Trap> {
        execute(program, layout, memory, Registers(&mut self.registers), watch, &mut self.next)
    }
}

/// Registers, seen as the type that an instruction asks for.
struct Registers<'a>(&'a mut [u64]);

impl Registers<'_> {
    #[inline]
    fn bits(&self, reg: Reg) -> u64 {
        self.0[reg as usize]
    }
    #[inline]
    fn int(&self, reg: Reg) -> i64 {
        self.0[reg as usize].cast_signed()
    }
    #[inline]
    fn float(&self, reg: Reg) -> f64 {
        f64::from_bits(self.0[reg as usize])
    }
    #[inline]
    fn set(&mut self, reg: Reg, bits: u64) {
        self.0[reg as usize] = bits;
    }
    #[inline]
    fn set_int(&mut self, reg: Reg, value: i64) {
        self.0[reg as usize] = value.cast_unsigned();
    }
    #[inline]
    fn set_float(&mut self, reg: Reg, value: f64) {
        self.0[reg as usize] = value.to_bits();
    }
    #[inline]
    fn set_bool(&mut self, reg: Reg, value: bool) {
        self.0[reg as usize] = u64::from(value);
    }
}

fn execute(
    program: &Program,
    layout: &Layout,
    memory: &mut Memory,
    mut regs: Registers<'_>,
    mut observer: impl Observer,
    next: &mut usize,
) -> Result<(), Trap> {
    let code = program.code.as_slice();
    let mut pc = *next;
    while let Some(&instr) = code.get(pc) {
        pc += 1;
        match instr {
            Instr::Enter { axis } => regs.set(axis, 0),
            Instr::Next { axis, extent, back } => {
                let value = regs.bits(axis) + 1;
                regs.set(axis, value);
                if value < regs.bits(extent) {
                    pc -= back as usize + 1;
                }
            }
            Instr::Jump { over } => pc += over as usize,
            Instr::JumpUnless { cond, over } => {
                if regs.bits(cond) == 0 {
                    pc += over as usize;
                }
            }
            Instr::LoadIndexed { to, base, index, scale } => {
                let slot = regs.int(base).wrapping_add(regs.int(index).wrapping_mul(i64::from(scale))) as usize;
                raced(next, pc, observer.note(slot, Use::Load))?;
                match memory.load(slot) {
                    Some(bits) => regs.set(to, bits),
                    None => return stop(next, pc, Trap::Undefined { slot }),
                }
            }
            Instr::Load { to, at } => {
                let slot = regs.bits(at) as usize;
                raced(next, pc, observer.note(slot, Use::Load))?;
                match memory.load(slot) {
                    Some(bits) => regs.set(to, bits),
                    None => return stop(next, pc, Trap::Undefined { slot }),
                }
            }
            Instr::LoadWide { to, at } => {
                let slot = regs.bits(at) as usize;
                raced(next, pc, observer.note(slot, Use::Load))?;
                match memory.load_wide(slot) {
                    Some(bits) => regs.set(to, bits),
                    None => return stop(next, pc, Trap::Undefined { slot }),
                }
            }
            Instr::Check { value, extent, site } => {
                if regs.bits(value) >= regs.bits(extent) {
                    let (site, value) = (program.sites[site as usize], regs.int(value));
                    return stop(next, pc, Trap::Outside { site, value });
                }
            }
            Instr::Store { at, value } => {
                let slot = regs.bits(at) as usize;
                raced(next, pc, observer.note(slot, Use::Store))?;
                memory.store(slot, regs.bits(value));
            }
            Instr::StoreWide { at, value } => {
                let slot = regs.bits(at) as usize;
                raced(next, pc, observer.note(slot, Use::Store))?;
                memory.store_wide(slot, regs.bits(value));
            }
            Instr::Undefine { tensor } => memory.undefine(layout, tensor),
            Instr::Wait { pending } => raced(next, pc, observer.wait(pending))?,
            Instr::Barrier => return stop(next, pc + 1, Trap::Barrier { place: pc }),
            Instr::Combine { at, number } => {
                return stop(next, pc + 1, Trap::Combine { number, slot: regs.bits(at) as usize });
            }
            Instr::AddFloat { to, a, b } => regs.set_float(to, regs.float(a) + regs.float(b)),
            Instr::MulFloat { to, a, b } => regs.set_float(to, regs.float(a) * regs.float(b)),
            Instr::AddInt { to, a, b } => regs.set_int(to, regs.int(a).wrapping_add(regs.int(b))),
            Instr::SubInt { to, a, b } => regs.set_int(to, regs.int(a).wrapping_sub(regs.int(b))),
            Instr::Less { to, a, b } => regs.set_bool(to, regs.int(a) < regs.int(b)),
            Instr::AtMost { to, a, b } => regs.set_bool(to, regs.int(a) <= regs.int(b)),
            Instr::Both { to, a, b } => regs.set(to, regs.bits(a) & regs.bits(b)),
            Instr::MulAdd { to, base, index, scale } => {
                let product = regs.int(index).wrapping_mul(regs.int(scale));
                regs.set_int(to, regs.int(base).wrapping_add(product));
            }
            Instr::Move { to, from } => regs.set(to, regs.bits(from)),
            _ => compute(instr, &mut regs),
        }
    }
    *next = pc;
    Ok(())
}

/// Leaves the machine before the instruction that it could not finish; for what waits for others, before the next one.
fn stop(next: &mut usize, pc: usize, trap: Trap) -> Result<(), Trap> {
    *next = pc - 1;
    Err(trap)
}

/// Leaves the machine where a use is part of a race.
#[inline]
fn raced(next: &mut usize, pc: usize, noted: Result<(), Race>) -> Result<(), Trap> {
    noted.or_else(|race| stop(next, pc, Trap::Race(race)))
}

/// The instructions between registers that are not frequent enough for `execute`.
fn compute(instr: Instr, regs: &mut Registers<'_>) {
    match instr {
        Instr::Int { op, to, a, b } => regs.set_int(to, eval::int(op, regs.int(a), regs.int(b))),
        Instr::CompareInt { op, to, a, b } => regs.set_bool(to, eval::compare(op, &regs.int(a), &regs.int(b))),
        Instr::Logic { op, to, a, b } => {
            regs.set_bool(to, eval::logic(op, regs.bits(a) != 0, regs.bits(b) != 0));
        }
        Instr::Float { op, to, a, b } => regs.set_float(to, eval::float(op, regs.float(a), regs.float(b))),
        Instr::CompareFloat { op, to, a, b } => regs.set_bool(to, eval::compare(op, &regs.float(a), &regs.float(b))),
        Instr::Round { dtype, to, from } => regs.set_float(to, round(dtype, regs.float(from))),
        Instr::Wrap { dtype, to, from } => regs.set_int(to, wrap(dtype, regs.int(from))),
        Instr::Truncate { dtype, to, from } => regs.set_int(to, truncate(dtype, regs.float(from))),
        Instr::ToFloat { dtype, to, from } => regs.set_float(to, to_float(dtype, regs.int(from))),
        _ => unreachable!("`execute` runs all others"),
    }
}

fn to_float(dtype: DType, value: i64) -> f64 {
    match dtype {
        // Once, not by way of `f64`.
        DType::F32 => f64::from(value as f32),
        _ => round(dtype, value as f64),
    }
}
