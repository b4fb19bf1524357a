//! Races: two threads of a GPU that use one element while nothing orders them, and one of them writes it.
//!
//! Machines run one after another here, so a [`Watch`] remembers who used each slot: a thread of a block in a phase,
//! which is what a block does between two barriers. Uses are ordered if they are by one thread, or by one block in
//! different phases. What arrives later is used by the thread that stored it until it has waited for that, and by nobody
//! else. Blocks come in their order, and phases within a block.

use std::collections::VecDeque;

use super::super::TensorId;
use super::memory::Layout;

/// Who uses an element, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The block.
    pub block: u32,
    /// What it has waited for.
    pub phase: u32,
    /// The thread.
    pub thread: u32,
}

impl Actor {
    /// Whether nothing orders this use and one by `other`.
    const fn is_at_once(self, other: Self) -> bool {
        self.block != other.block || (self.phase == other.phase && self.thread != other.thread)
    }
}

/// How an element is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is loaded.
    Load,
    /// It is stored.
    Store,
}

/// Two uses of one element at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Race {
    /// The slot of the element.
    pub slot: usize,
    /// Each use; the later one is where the machine stopped.
    pub uses: [(Actor, Use); 2],
}

/// The uses of one slot that can still be part of a race.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    writer: Option<Actor>,
    /// The latest reader.
    reader: Option<Actor>,
    /// The latest reader of the same block that is another thread.
    other: Option<Actor>,
    /// A reader of an earlier block.
    earlier: Option<Actor>,
}

/// Remembers who used each slot.
#[derive(Clone, Debug)]
pub struct Watch {
    cells: Vec<Cell>,
    /// Which slots can be used by more than one thread.
    watched: Vec<bool>,
    /// Who runs.
    now: Actor,
    /// Which slots are stored to asynchronously, and how many stores to each are under way.
    late: Vec<Option<u32>>,
    /// For each thread of the block, such stores in groups, the newest last, and those since.
    groups: Vec<(VecDeque<Vec<usize>>, Vec<usize>)>,
}

impl Watch {
    /// A watch over some tensors, which nobody has used yet.
    pub fn over(layout: &Layout, tensors: impl IntoIterator<Item = TensorId>) -> Self {
        let now = Actor { block: 0, phase: 0, thread: 0 };
        let mut watch = Self {
            cells: vec![Cell::default(); layout.len()],
            watched: vec![false; layout.len()],
            now,
            late: vec![None; layout.len()],
            groups: Vec::new(),
        };
        for tensor in tensors {
            watch.watched[layout.slots_of(tensor)].fill(true);
        }
        watch
    }

    /// Says who runs from here on.
    pub fn set(&mut self, now: Actor) {
        self.now = now;
    }

    /// Says that stores to some tensors arrive later.
    pub fn arrive_late(&mut self, layout: &Layout, tensors: impl IntoIterator<Item = TensorId>) {
        for tensor in tensors {
            self.late[layout.slots_of(tensor)].fill(Some(0));
        }
    }

    /// Forgets what is under way.
    pub fn forget_groups(&mut self) {
        self.groups.clear();
        self.late.iter_mut().flatten().for_each(|under_way| *under_way = 0);
    }

    /// What the thread that runs has under way.
    fn own_groups(&mut self) -> &mut (VecDeque<Vec<usize>>, Vec<usize>) {
        let thread = self.now.thread as usize;
        if self.groups.len() <= thread {
            self.groups.resize_with(thread + 1, Default::default);
        }
        &mut self.groups[thread]
    }

    /// Forgets who used a tensor.
    pub fn forget(&mut self, layout: &Layout, tensor: TensorId) {
        self.cells[layout.slots_of(tensor)].fill(Cell::default());
    }
}

/// What sees every access of a machine.
pub(super) trait Observer {
    /// Notes a use of a slot, or says with which other it is a race.
    fn note(&mut self, slot: usize, how: Use) -> Result<(), Race>;
    /// Notes that all but the newest groups of stores have arrived.
    fn wait(&mut self, pending: u32) -> Result<(), Race>;
}

/// Sees nothing.
pub(super) struct Nobody;

impl Observer for Nobody {
    #[inline]
    fn note(&mut self, _slot: usize, _how: Use) -> Result<(), Race> {
        Ok(())
    }
    #[inline]
    fn wait(&mut self, _pending: u32) -> Result<(), Race> {
        Ok(())
    }
}

impl Observer for &mut Watch {
    fn wait(&mut self, pending: u32) -> Result<(), Race> {
        let (groups, since) = self.own_groups();
        groups.push_back(std::mem::take(since));
        let arrived = groups.len().saturating_sub(pending as usize);
        let arrived: Vec<_> = groups.drain(..arrived).flatten().collect();
        for slot in arrived {
            self.late[slot] = self.late[slot].map(|under_way| under_way.saturating_sub(1));
            self.used(slot, Use::Store)?;
        }
        Ok(())
    }

    fn note(&mut self, slot: usize, how: Use) -> Result<(), Race> {
        if !self.watched[slot] {
            return Ok(());
        }
        if let Some(under_way) = self.late[slot] {
            if under_way > 0
                && let Some(writer) = self.cells[slot].writer
            {
                return Err(Race { slot, uses: [(writer, Use::Store), (self.now, how)] });
            }
            if how == Use::Store {
                self.late[slot] = Some(under_way + 1);
                self.own_groups().1.push(slot);
            }
        }
        self.used(slot, how)
    }
}

impl Watch {
    /// Notes a use.
    fn used(&mut self, slot: usize, how: Use) -> Result<(), Race> {
        let (now, cell) = (self.now, &mut self.cells[slot]);
        let readers = [cell.reader, cell.other, cell.earlier].map(|reader| (reader, Use::Load));
        let against = if how == Use::Store { readers.as_slice() } else { &[] };
        for (actor, earlier) in [(cell.writer, Use::Store)].iter().chain(against) {
            if let Some(actor) = actor.filter(|actor| actor.is_at_once(now)) {
                return Err(Race { slot, uses: [(actor, *earlier), (now, how)] });
            }
        }
        match how {
            Use::Store => cell.writer = Some(now),
            Use::Load => {
                match cell.reader {
                    Some(last) if last.block != now.block => (cell.earlier, cell.other) = (Some(last), None),
                    Some(last) if last.thread != now.thread => cell.other = Some(last),
                    _ => {}
                }
                cell.reader = Some(now);
            }
        }
        Ok(())
    }
}
