//! Launches in the interpreter: block by block, phase by phase, thread by thread.
//!
//! In each phase every thread of the block runs to its next barrier, one after another. The results are those of a GPU
//! wherever these are defined at all: a race, which could make them depend on the order, is an error, and so is a
//! barrier that only some threads of a block reach. Where threads combine what they have, all run up to there, and go
//! on in the same phase.

use std::collections::BTreeMap;

use crate::expr::TensorId;
use crate::expr::program::{Actor, Builder, Layout, Machine, Memory, Program, Race, Saved, Trap, Use, Watch};
use crate::loops::launch::{Coordinate, Launch};
use crate::loops::{BufferKind, For, Kernel, Scope, Stmt};

use super::{InterpError, block, element, explain, fault};

/// A launch to be run.
struct Grid<'k> {
    kernel: &'k Kernel,
    layout: &'k Layout,
    launch: Launch<'k>,
    /// What one thread does; the coordinates are its parameters.
    program: Program,
    /// Temporaries of which each thread has its own.
    own: Vec<TensorId>,
    watch: Watch,
}

/// A thread between two phases.
struct Thread {
    machine: Machine,
    own: Vec<Saved>,
}

/// Where a thread stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    End,
    /// Which barrier.
    Barrier(usize),
    /// Which combination, and of which element.
    Combine {
        number: u32,
        slot: usize,
    },
}

/// Runs the launch that begins with a grid loop.
pub(super) fn run(kernel: &Kernel, layout: &Layout, memory: &mut Memory, outer: &For) -> Result<(), InterpError> {
    let launch = Launch::of(kernel, outer);
    let mut builder = Builder::new(&kernel.pool, layout);
    let coordinates = launch.grid.iter().chain(&launch.block);
    let program = coordinates
        .map(|at| builder.parameter(at.axis, at.extent))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Into::into)
        .and_then(|_| block(&mut builder, launch.body))
        .map(|()| builder.finish())
        .map_err(|stop| explain(kernel, &stop))?;
    let mut own = Vec::new();
    temporaries(kernel, launch.body, &mut own);
    let is_common = |id: &TensorId| {
        let kind = &kernel.buffers[*id].kind;
        matches!(kind, BufferKind::Output | BufferKind::Temp(_)) && !own.contains(id)
    };
    let is_async = |id: &TensorId| kernel.buffers[*id].kind == BufferKind::Temp(Scope::Async);
    let mut watch = Watch::over(layout, kernel.buffers.ids().filter(is_common));
    watch.arrive_late(layout, kernel.buffers.ids().filter(is_async));
    let mut grid = Grid { kernel, layout, launch, program, own, watch };
    let blocks: i64 = grid.launch.grid.iter().map(|at| at.extent).product();
    (0..blocks).try_for_each(|block| grid.block(memory, block))
}

/// The temporaries that each thread has for itself.
fn temporaries(kernel: &Kernel, body: &[Stmt], found: &mut Vec<TensorId>) {
    for stmt in body {
        match stmt {
            Stmt::For(l) => temporaries(kernel, &l.body, found),
            Stmt::If { then, otherwise, .. } => {
                temporaries(kernel, then, found);
                temporaries(kernel, otherwise, found);
            }
            Stmt::Alloc { buffer, body } => {
                let is_own = matches!(kernel.buffers[*buffer].kind, BufferKind::Temp(Scope::Stack | Scope::Register));
                if is_own && !found.contains(buffer) {
                    found.push(*buffer);
                }
                temporaries(kernel, body, found);
            }
            Stmt::Store { .. } | Stmt::Reduce { .. } | Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
        }
    }
}

impl Grid<'_> {
    /// Runs all threads of a block.
    fn block(&mut self, memory: &mut Memory, number: i64) -> Result<(), InterpError> {
        self.watch.forget_groups();
        for &shared in &self.launch.shared {
            memory.undefine(self.layout, shared);
            self.watch.forget(self.layout, shared);
        }
        let place = coordinates(&self.launch.grid, number);
        let count: i64 = self.launch.block.iter().map(|at| at.extent).product();
        let mut threads: Vec<_> = (0..count)
            .map(|thread| {
                let parameters = [place.as_slice(), &coordinates(&self.launch.block, thread)].concat();
                let own = self.own.iter().map(|&id| memory.fresh(self.layout, id)).collect();
                Thread { machine: Machine::new(&self.program, &parameters), own }
            })
            .collect();
        let mut phase = 0;
        while self.phase(memory, &mut threads, number as u32, phase)? {
            phase += 1;
        }
        Ok(())
    }

    /// Runs all threads of a block to their next barrier; false at the end.
    fn phase(
        &mut self,
        memory: &mut Memory,
        threads: &mut [Thread],
        block: u32,
        phase: u32,
    ) -> Result<bool, InterpError> {
        loop {
            let mut stops = Vec::with_capacity(threads.len());
            for (number, thread) in threads.iter_mut().enumerate() {
                self.watch.set(Actor { block, phase, thread: number as u32 });
                let stop = self.thread(memory, thread)?;
                if *stops.first().unwrap_or(&stop) != stop {
                    return Err(InterpError::Divergent { block, thread: number as u32 });
                }
                stops.push(stop);
            }
            match stops.first() {
                Some(&Stop::Combine { number, slot }) => self.combine(threads, number, slot)?,
                Some(Stop::Barrier(_)) => return Ok(true),
                Some(Stop::End) | None => return Ok(false),
            }
        }
    }

    /// Joins an element among the threads that differ in nothing but some coordinates.
    fn combine(&self, threads: &mut [Thread], number: u32, slot: usize) -> Result<(), InterpError> {
        let Self { kernel, layout, program, launch, .. } = self;
        let (tensor, at) = layout.element(slot);
        let combined = program.combined(number);
        let mut groups: BTreeMap<Vec<i64>, Vec<&mut Saved>> = BTreeMap::new();
        for (number, thread) in threads.iter_mut().enumerate() {
            let mut group = coordinates(&launch.block, number as i64);
            for (value, loop_) in group.iter_mut().zip(&launch.block) {
                if combined.over.contains(&loop_.axis) {
                    *value = 0;
                }
            }
            groups.entry(group).or_default().extend(thread.own.iter_mut().filter(|own| own.tensor() == tensor));
        }
        let joined =
            groups.values_mut().all(|group| Saved::combine(group, layout, slot, combined.op.combine()).is_some());
        if joined { Ok(()) } else { Err(InterpError::Undefined { buffer: kernel.buffers[tensor].name.clone(), at }) }
    }

    /// Runs a thread to where it waits for others, or to its end.
    fn thread(&mut self, memory: &mut Memory, thread: &mut Thread) -> Result<Stop, InterpError> {
        let Self { kernel, layout, program, watch, .. } = self;
        thread.own.iter_mut().for_each(|own| memory.exchange(layout, own));
        let ended = thread.machine.run_watched(program, layout, memory, watch);
        thread.own.iter_mut().for_each(|own| memory.exchange(layout, own));
        match ended {
            Ok(()) => Ok(Stop::End),
            Err(Trap::Barrier { place }) => Ok(Stop::Barrier(place)),
            Err(Trap::Combine { number, slot }) => Ok(Stop::Combine { number, slot }),
            Err(Trap::Race(race)) => Err(conflict(kernel, layout, &race)),
            Err(trap) => Err(fault(kernel, layout, trap)),
        }
    }
}

/// The values of nested loops at their `number`-th iteration.
fn coordinates(loops: &[Coordinate], mut number: i64) -> Vec<i64> {
    let mut values = vec![0; loops.len()];
    for (value, at) in values.iter_mut().zip(loops).rev() {
        *value = number % at.extent;
        number /= at.extent;
    }
    values
}

fn conflict(kernel: &Kernel, layout: &Layout, race: &Race) -> InterpError {
    let (buffer, at) = element(kernel, layout, race.slot);
    let [first, second] = race.uses.map(|(actor, how)| {
        let verb = if how == Use::Store { "stored" } else { "loaded" };
        format!("{verb} by thread {} of block {}", actor.thread, actor.block)
    });
    InterpError::Race { buffer, at, first, second }
}
