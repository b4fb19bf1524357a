//! What a step of a schedule can name: the loops and tensors of a kernel, followed through the steps before it.
//!
//! Only names and extents, so that a message can say what is there, and what became of what is not; whether a step is
//! possible is not asked here.

use crate::loops::{BufferKind, Kernel, Scope as Place, Stmt};
use crate::schedule::{SUFFIX, Step, Tail};

/// What can be named.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// The loops in order, each with its extent where that is known.
    pub(super) axes: Vec<(String, Option<i64>)>,
    /// The tensors, without the accumulators of reductions.
    pub(super) tensors: Vec<String>,
    /// The loops around each statement that writes to a tensor.
    stores: Vec<(String, Vec<String>)>,
    /// What took the place of something else, in the order of the steps.
    changes: Vec<Change>,
}

/// Names that are gone, and those that there are for them now.
#[derive(Clone, Debug)]
struct Change {
    old: Vec<String>,
    new: Vec<String>,
    fate: Fate,
}

/// Why a name is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A loop has parts.
    Split,
    /// A loop became one with others.
    Fused,
    /// There is a loop for each phase.
    Phases,
    /// A tensor is computed where it is used.
    Inlined,
}

impl Scope {
    /// Before the first step.
    pub(super) fn of(naive: &Kernel) -> Self {
        let mut scope = Self { axes: Vec::new(), tensors: Vec::new(), stores: Vec::new(), changes: Vec::new() };
        scope.visit(naive, &naive.body, &mut Vec::new());
        let named = naive.buffers.iter().filter(|(_, buffer)| buffer.kind != BufferKind::Temp(Place::Register));
        scope.tensors.extend(named.map(|(_, buffer)| buffer.name.clone()));
        scope
    }

    /// Behind a step.
    pub(super) fn advance(&mut self, step: &Step) {
        match step {
            Step::Split { axis, parts, .. } => {
                let first = self.first_part(step);
                let extents = std::iter::once(first).chain(parts.iter().copied()).enumerate();
                let new: Vec<_> = extents.map(|(part, extent)| (format!("{axis}.{part}"), extent)).collect();
                self.replace(std::slice::from_ref(axis), new, Fate::Split);
            }
            Step::Fuse { axes, name } => {
                let extent = axes.iter().try_fold(1i64, |all, axis| all.checked_mul(self.extent(axis)?));
                self.replace(axes, vec![(name.clone(), extent)], Fate::Fused);
            }
            Step::Phases { axes, counts } => self.phases(axes, counts),
            Step::Inline { tensor } => {
                let mut old = self.loops_of(tensor);
                self.put(&old, Vec::new());
                old.push(tensor.clone());
                self.changes.push(Change { old, new: Vec::new(), fate: Fate::Inlined });
                self.tensors.retain(|known| known != tensor);
            }
            Step::Store { operand, layout } => {
                let stored = format!("{operand}{SUFFIX}");
                let new: Vec<_> = layout.iter().map(|axis| (format!("{stored}.{axis}"), self.extent(axis))).collect();
                self.stores.push((stored.clone(), new.iter().map(|(axis, _)| axis.clone()).collect()));
                self.tensors.push(stored);
                self.axes.extend(new);
            }
            Step::Reorder { .. }
            | Step::Parallel { .. }
            | Step::Vectorize { .. }
            | Step::Unroll { .. }
            | Step::Bind { .. }
            | Step::Stage { .. }
            | Step::Accumulate { .. }
            | Step::Pipeline { .. }
            | Step::Tensorize { .. }
            | Step::Rfactor { .. } => {}
            // Its loops run over the part that is needed, however much that is.
            Step::ComputeAt { tensor, .. } => {
                let around = self.loops_of(tensor);
                let unknown = self.axes.iter_mut().filter(|(name, _)| around.contains(name));
                unknown.for_each(|(_, extent)| *extent = None);
            }
        }
    }

    /// The loops of a nest, with the number of each phase behind; how many values a reduced one keeps is not known here.
    fn phases(&mut self, axes: &[String], counts: &[i64]) {
        let phases: i64 = counts.iter().product();
        let around = self.stores.iter().filter(|(_, around)| around.contains(&axes[0])).flat_map(|(_, around)| around);
        let is_around: Vec<_> = around.collect();
        let loops = self.axes.iter().filter(|(name, _)| is_around.contains(&name));
        let names: Vec<_> = loops.map(|(name, _)| name.clone()).collect();
        let phases = phases.clamp(0, 64);
        let of_phase = |phase: i64| names.iter().map(move |name| (format!("{name}_{phase}"), None));
        let new: Vec<_> = (0..phases).flat_map(of_phase).collect();
        self.put(&names, new);
        for name in names {
            let new = (0..phases).map(|phase| format!("{name}_{phase}")).collect();
            self.changes.push(Change { old: vec![name], new, fate: Fate::Phases });
        }
    }

    /// What became of a name that is not there any more, and what there is in its place now.
    pub(super) fn fate(&self, name: &str) -> Option<(Fate, Vec<String>)> {
        let at = self.changes.iter().rposition(|change| change.old.iter().any(|old| old == name))?;
        let start = self.changes[at].new.clone();
        let now = self.changes[at + 1..].iter().fold(start, |names, change| exchanged(names, &change.old, &change.new));
        Some((self.changes[at].fate, now))
    }

    /// The axes of the formula that a loop was made of.
    pub(super) fn sources(&self, axis: &str) -> Vec<String> {
        let back = self.changes.iter().rev();
        back.fold(vec![axis.to_owned()], |names, change| exchanged(names, &change.new, &change.old))
    }

    /// The loops of the formula around what computes a tensor, as far as they are there.
    fn loops_of(&self, tensor: &str) -> Vec<String> {
        let around = self.stores.iter().filter(|(stored, _)| stored == tensor).flat_map(|(_, around)| around);
        around.cloned().collect()
    }

    /// The number of values of a loop.
    pub(super) fn extent(&self, axis: &str) -> Option<i64> {
        self.axes.iter().find(|(name, _)| name == axis)?.1
    }

    /// The extent of the first part of a split.
    pub(super) fn first_part(&self, step: &Step) -> Option<i64> {
        let Step::Split { axis, parts, tail } = step else { return None };
        let inner = parts.iter().try_fold(1i64, |product, part| product.checked_mul((*part)?))?;
        let extent = self.extent(axis).filter(|_| inner > 0)?;
        let whole = extent / inner;
        // The last part has loops of its own, unless there is no other.
        let apart = *tail == Tail::Peel && whole > 0;
        Some(whole + i64::from(extent % inner != 0 && !apart))
    }

    /// Puts `new` in the place of the first of `old`.
    fn replace(&mut self, old: &[String], new: Vec<(String, Option<i64>)>, fate: Fate) {
        let names = new.iter().map(|(name, _)| name.clone()).collect();
        self.changes.push(Change { old: old.to_vec(), new: names, fate });
        self.put(old, new);
    }

    fn put(&mut self, old: &[String], new: Vec<(String, Option<i64>)>) {
        let is_old = |(name, _): &(String, Option<i64>)| old.contains(name);
        if let Some(at) = self.axes.iter().position(is_old) {
            self.axes.retain(|axis| !is_old(axis));
            self.axes.splice(at..at, new);
        }
    }

    fn visit(&mut self, kernel: &Kernel, block: &[Stmt], around: &mut Vec<String>) {
        for stmt in block {
            match stmt {
                Stmt::For(inner) => {
                    let name = kernel.axes[inner.axis].name.clone();
                    self.axes.push((name.clone(), Some(inner.extent)));
                    around.push(name);
                    self.visit(kernel, &inner.body, around);
                    around.pop();
                }
                Stmt::If { then, otherwise, .. } => {
                    self.visit(kernel, then, around);
                    self.visit(kernel, otherwise, around);
                }
                Stmt::Alloc { body, .. } => self.visit(kernel, body, around),
                Stmt::Store { buffer, .. } | Stmt::Reduce { buffer, .. } => {
                    self.stores.push((kernel.buffers[*buffer].name.clone(), around.clone()));
                }
                Stmt::Combine { .. } | Stmt::Barrier | Stmt::Wait { .. } => {}
            }
        }
    }
}

/// `names` with `new` in the place of the first of `old` that is among them, and without the others.
fn exchanged(mut names: Vec<String>, old: &[String], new: &[String]) -> Vec<String> {
    if let Some(at) = names.iter().position(|name| old.contains(name)) {
        let before: Vec<_> = names.drain(..at).collect();
        names.retain(|name| !old.contains(name));
        names.splice(0..0, before.into_iter().chain(new.iter().cloned()));
    }
    names
}
