//! Everything that has no tiles: each thread computes some elements of the result on its own, or threads next to each
//! other join the terms of one.
//!
//! ```text
//! other axes, blocks of each axis     on the grid and on threads, as one
//!   [terms, on threads]
//!     terms
//!       elements of one axis, and of another one       of one thread
//! ```
//!
//! Elements of a thread are next to each other along an axis of the result, so that what their windows share is read once
//! where terms are written out.

use crate::loops::LoopKind;
use crate::schedule::Step;
use crate::schedule::step::Tail;
use crate::space::facts::Facts;
use crate::space::knobs::{Knob, Knobs, Point};
use crate::space::{Rejected, one_loop};
use crate::target::Chip;

use super::{Family, Need, bind, part, split};

/// Threads of a block.
const THREADS: [i64; 6] = [32, 64, 128, 256, 512, 1024];
/// Elements of a thread along an axis.
const EACH: [i64; 7] = [1, 2, 3, 4, 6, 7, 8];
/// Threads that join the terms of one result.
const JOINED: [i64; 8] = [1, 4, 8, 16, 32, 64, 128, 256];
/// Terms of one thread that are next to each other, where threads join.
const NEXT: [i64; 3] = [1, 2, 4];
/// Multiply-adds that may be written out.
const WRITTEN_OUT: i64 = 512;

/// The schedules of such a nest.
#[derive(Clone, Debug)]
pub(in crate::space) struct Direct {
    facts: Facts,
    chip: Chip,
    /// Axes of which a thread may have several elements; the first is that along which results lie next to each other.
    axes: Vec<usize>,
    /// The reduced axis whose terms threads may join.
    joined: Option<usize>,
    family: Family,
}

/// One point.
#[derive(Clone, Debug)]
struct Choice {
    threads: i64,
    /// Axes and the elements of a thread along them.
    inner: (usize, i64),
    outer: (usize, i64),
    /// How many of the reduced axes are written out, from the innermost on.
    unrolled: usize,
    /// Threads that join the terms of one result, and how many each of them reads at once.
    joined: i64,
    next: i64,
}

impl Direct {
    /// None for a nest without axes.
    pub(in crate::space) fn of(facts: Facts, chip: &Chip, family: Family) -> Option<Self> {
        let mut axes: Vec<_> = facts.spatial.iter().rev().copied().collect();
        if axes.is_empty() {
            axes.extend(facts.ones.iter().copied().filter(|&axis| !facts.axes[axis].is_reduced).take(1));
        }
        axes.truncate(3);
        let along = |axis: &usize| facts.loads.iter().any(|load| load.strides[*axis] == Some(1));
        let joined = facts.reduced.iter().copied().rev().find(along).or(facts.reduced.last().copied());
        let joined = joined.filter(|&axis| facts.axes[axis].extent >= 16);
        (!axes.is_empty()).then_some(Self { facts, chip: *chip, axes, joined, family })
    }

    pub(in crate::space) fn knobs(&self) -> Knobs {
        let joined = if self.joined.is_some() { &JOINED[..] } else { &JOINED[..1] };
        let next = if self.joined.is_some() { &NEXT[..] } else { &NEXT[..1] };
        let names = |axes: &[usize]| axes.iter().map(|&axis| self.name(axis)).collect::<Vec<_>>();
        Knobs {
            knobs: vec![
                Knob::line("threads", THREADS),
                Knob::any("along", names(&self.axes)),
                Knob::line("each", EACH),
                Knob::any("across", names(&self.axes)),
                Knob::line("rows", EACH),
                Knob::line("written out", 0..=self.facts.reduced.len() as i64),
                Knob::line("joined", joined.iter().copied()),
                Knob::line("next", next.iter().copied()),
            ],
        }
    }

    /// What an axis is called, without the number of its nest in a family.
    fn name(&self, axis: usize) -> String {
        let name = &self.facts.axes[axis].name;
        let bare = name.rsplit_once('_').filter(|_| self.family.longest.is_some());
        bare.map_or(name.as_str(), |(bare, _)| bare).to_owned()
    }

    pub(in crate::space) fn starts(&self) -> Vec<Point> {
        let across = u16::from(self.axes.len() > 1);
        let all = self.facts.reduced.len() as u16;
        let plain = |threads: u16| Point(vec![threads, 0, 0, across, 0, 0, 0, 0]);
        let mut found = vec![plain(3), plain(0), Point(vec![2, 0, 0, across, 0, all, 0, 0])];
        found.push(Point(vec![2, 0, 3, across, 1, all, 0, 0]));
        if all > 1 {
            found.push(Point(vec![2, 0, 3, across, 0, all - 1, 0, 0]));
            let last = self.axes.len() as u16 - 1;
            let few = EACH.iter().position(|&each| each == self.facts.axes[self.axes[usize::from(last)]].extent);
            found.extend(few.map(|rows| Point(vec![2, 0, 3, last, rows as u16, all - 1, 0, 0])));
        }
        if self.joined.is_some() {
            found.push(Point(vec![3, 0, 0, across, 0, 0, 4, 0]));
            found.push(Point(vec![2, 0, 0, across, 0, 0, 5, 2]));
        }
        found
    }

    pub(in crate::space) fn steps(&self, point: &Point) -> Result<Vec<Step>, Rejected> {
        let at: Vec<_> = point.0.iter().map(|&value| usize::from(value)).collect();
        let choice = Choice {
            threads: THREADS[at[0]],
            inner: (self.axes[at[1]], EACH[at[2]]),
            outer: (self.axes[at[3]], EACH[at[4]]),
            unrolled: at[5],
            joined: JOINED[at[6]],
            next: NEXT[at[7]],
        };
        self.check(&choice)?;
        Ok(self.written(&choice))
    }

    fn check(&self, choice: &Choice) -> Result<(), Rejected> {
        let Choice { threads, inner, outer, joined, next, .. } = *choice;
        let facts = &self.facts;
        if inner.1 == 1 && inner.0 != self.axes[0] || outer.1 == 1 && outer.0 != *self.axes.get(1).unwrap_or(&inner.0) {
            return Err(Rejected::same("one element goes along no axis"));
        }
        if outer.1 > 1 && (inner.0 == outer.0 || inner.1 == 1) {
            return Err(Rejected::same("one axis can be said in another way"));
        }
        for (axis, each) in [inner, outer] {
            let extent = facts.axes[axis].extent;
            if each > extent {
                return Err(Rejected::new("elements", format!("{each} elements of {extent} for a thread")));
            }
        }
        let results: i64 = facts.length(&facts.spatial) / (inner.1 * outer.1).max(1);
        if threads > 32 && results * joined * 2 <= threads {
            return Err(Rejected::new("threads", format!("{threads} threads for {results} results")));
        }
        self.check_joined(choice)?;
        if joined == 1 && next > 1 {
            return Err(Rejected::same("terms are not divided"));
        }
        let terms = facts.length(&facts.reduced[facts.reduced.len() - choice.unrolled..]);
        if terms * inner.1 * outer.1 > WRITTEN_OUT {
            return Err(Rejected::new("unroll", format!("{} multiply-adds written out", terms * inner.1 * outer.1)));
        }
        let values = inner.1 * outer.1 * 2 + next * 2;
        Need { threads, values, bytes: facts.bytes, shared: 0 }.check(&self.chip)
    }

    fn check_joined(&self, choice: &Choice) -> Result<(), Rejected> {
        let Choice { threads, joined, next, .. } = *choice;
        if joined == 1 {
            return Ok(());
        }
        let Some(axis) = self.joined else { return Err(Rejected::same("there is nothing to join")) };
        let extent = self.facts.axes[axis].extent;
        if joined > threads {
            return Err(Rejected::new("threads", format!("{joined} of {threads} threads cannot join")));
        }
        if extent % (joined * next) != 0 {
            return Err(Rejected::new("terms", format!("{extent} terms for {joined} threads of {next}")));
        }
        if choice.unrolled > 0 {
            return Err(Rejected::same("terms of threads that join are not written out otherwise"));
        }
        Ok(())
    }

    fn written(&self, choice: &Choice) -> Vec<Step> {
        let facts = &self.facts;
        let mut steps = Vec::new();
        let mut own = Vec::new();
        let mut order = Vec::new();
        for (axis, each) in [choice.outer, choice.inner] {
            if each > 1 {
                steps.push(split(&facts.axes[axis].name, &[each], Tail::Guard));
                own.push(part(&facts.axes[axis].name, 1));
            }
        }
        for (axis, found) in facts.axes.iter().enumerate().filter(|(_, axis)| !axis.is_reduced) {
            let is_split = [choice.inner, choice.outer].iter().any(|&(other, each)| other == axis && each > 1);
            order.push(if is_split { part(&found.name, 0) } else { found.name.clone() });
        }
        let outer = order.clone();
        let (joined, sums, next) = self.sums(choice, &mut steps);
        order.extend(joined.iter().chain(&sums).chain(&own).chain(&next).cloned());
        steps.push(Step::Reorder { axes: order });
        steps.extend(joined.iter().map(|joined| Step::Rfactor { axis: joined.clone() }));
        let axis = one_loop(outer, &mut steps);
        let results = choice.threads / choice.joined;
        steps.push(split(&axis, &[results], Tail::Guard));
        steps.push(bind(part(&axis, 0), LoopKind::Grid(0)));
        let place = u8::from(joined.is_some());
        steps.push(bind(part(&axis, 1), LoopKind::Block(place)));
        steps.extend(joined.map(|joined| bind(joined, LoopKind::Block(0))));
        self.unrolled(choice, &sums, own, next, &mut steps);
        steps
    }

    /// The loop of terms that threads join, the other loops of the sum, and that of terms which a thread reads at once.
    fn sums(&self, choice: &Choice, steps: &mut Vec<Step>) -> (Option<String>, Vec<String>, Option<String>) {
        let facts = &self.facts;
        let all = facts.axes.iter().enumerate().filter(|(_, axis)| axis.is_reduced).map(|(at, _)| at);
        let (mut joined, mut sums, mut next) = (None, Vec::new(), None);
        for axis in all {
            let name = &facts.axes[axis].name;
            if choice.joined == 1 || Some(axis) != self.joined {
                sums.push(name.clone());
                continue;
            }
            if choice.next > 1 {
                steps.push(split(name, &[choice.joined, choice.next], Tail::Peel));
                next = Some(part(name, 2));
            } else {
                steps.push(split(name, &[choice.joined], Tail::Peel));
            }
            sums.push(part(name, 0));
            joined = Some(part(name, 1));
        }
        (joined, sums, next)
    }

    fn unrolled(
        &self,
        choice: &Choice,
        sums: &[String],
        mut own: Vec<String>,
        next: Option<String>,
        steps: &mut Vec<Step>,
    ) {
        let (axis, each) = choice.inner;
        let is_vector = next.is_none()
            && matches!(each, 2 | 4 | 8)
            && self.facts.store.strides[axis] == Some(1)
            && self.facts.axes[axis].extent % each == 0;
        // Terms next to each other are read at once.
        let lanes = if is_vector { own.pop() } else { next };
        let written_out = if choice.joined == 1 { choice.unrolled.min(sums.len()) } else { 0 };
        let mut axes = sums[sums.len() - written_out..].to_vec();
        axes.extend(own);
        if !axes.is_empty() {
            steps.push(Step::Unroll { axes });
        }
        steps.extend(lanes.map(|axis| Step::Vectorize { axis }));
    }
}
