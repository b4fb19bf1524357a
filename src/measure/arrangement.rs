//! One arrangement of a kernel's nests: which of them are one, which run inside of others, and what is left to choose.
//!
//! In a chain, each nest is computed inside of the one that reads it, and takes its own steps before the next one is
//! placed in it: for that, each is judged in a program that ends with it.
//!
//! Nests with the same knobs, such as the phases of a transposed convolution, share them: what is good for one is good
//! for the others, unless no point is a schedule of all of them. Nests are predicted one by one and remembered, since a
//! search changes few knobs at a time.

use std::collections::HashMap;

use crate::explore::{self, Reason};
use crate::model::{self, Portion};
use crate::schedule::nest::{Nest, Program};
use crate::schedule::{self, Refused, Step};
use crate::space::NestSpace;
use crate::space::knobs::{Knob, Knobs, Point};
use crate::target::Platform;

use super::candidates::{refused_step, rejected};

/// Where an intermediate is computed: inside of the nest that reads it.
#[derive(Clone, Debug)]
pub struct Placement {
    /// For people, and for other sizes.
    pub name: String,
    /// The steps of the nest that reads, the last of which compute the other one inside.
    pub steps: Vec<Step>,
    /// The number of the nest that is computed inside.
    pub producer: usize,
    /// The number of the nest that reads.
    pub reader: usize,
    /// Nests that are computed inside of that one, each in the one before it.
    pub links: Vec<Link>,
}

/// A nest that is computed inside of the one before it in a chain.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its number.
    pub nest: usize,
    /// Puts the loop outermost in which it will be, where the one before has the loops of the formula.
    pub front: Step,
    /// Puts it there.
    pub step: Step,
}

/// One arrangement.
#[derive(Clone, Debug)]
pub(super) struct Arrangement {
    /// What can be chosen, nest after nest.
    pub(super) knobs: Knobs,
    /// After its own steps.
    program: Program,
    fixed: Vec<Step>,
    groups: Vec<Group>,
}

/// Nests that share knobs.
#[derive(Clone, Debug)]
struct Group {
    knobs: Knobs,
    /// The first of them among those of the arrangement.
    first: usize,
    nests: Vec<Part>,
    known: HashMap<Point, Result<f64, Reason>>,
}

/// One nest.
#[derive(Clone, Debug)]
struct Part {
    number: usize,
    /// The nest whose cycles count: that which it runs inside of, or itself.
    judged: usize,
    space: NestSpace,
    /// As it is without steps.
    plain: Nest,
    /// The next one of a chain, which is computed inside of it.
    next: Option<Link>,
    /// If it is further inside of a chain itself: the program up to it, and how many boxes of it there are, one after the
    /// other.
    further: Option<(Program, f64)>,
}

/// Points all over a space that are tried before nests are said to have no schedule in common.
const GUESSES: usize = 500;

/// Predictions for the start of each nest.
const CLIMB: usize = 1500;

impl Arrangement {
    /// All nests one after the other, in a program in which steps have joined and divided them.
    pub(super) fn apart(program: Program, fixed: Vec<Step>, platform: &Platform) -> Self {
        Self::of(program, fixed, None, platform)
    }

    /// With one nest inside of another one; none if that is refused.
    pub(super) fn placed(
        mut program: Program,
        mut fixed: Vec<Step>,
        place: &Placement,
        platform: &Platform,
    ) -> Option<Self> {
        place.steps.iter().try_for_each(|step| program.apply(step)).ok()?;
        schedule::check(&program.nests[place.reader]).ok()?;
        fixed.extend(place.steps.iter().cloned());
        let chain = chain(&program, place, platform)?;
        Some(Self::of(program, fixed, Some((place, chain)), platform))
    }

    fn of(mut program: Program, fixed: Vec<Step>, place: Option<(&Placement, Vec<Part>)>, platform: &Platform) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        let (place, chain) = place.map_or((None, Vec::new()), |(place, chain)| (Some(place), chain));
        // What reads has its steps already.
        let is_open = |&number: &usize| {
            place.is_none_or(|place| number != place.reader) && chain.iter().all(|part| part.number != number)
        };
        let nests = (0..program.nests.len()).filter(|&number| !program.nests[number].order.is_empty());
        for number in nests.filter(is_open) {
            let space = NestSpace::of(&program, number, platform);
            let (knobs, plain) = (space.knobs.clone(), program.nests[number].clone());
            let inside = place.filter(|place| number == place.producer);
            let judged = inside.map_or(number, |place| place.reader);
            let next = inside.and_then(|place| place.links.first().cloned());
            let part = Part { number, judged, space, plain, next, further: None };
            let alike = |group: &&mut Group| group.knobs == knobs && inside.is_none() && !group.is_inside();
            match groups.iter_mut().find(alike) {
                Some(group) => group.nests.push(part),
                None => groups.push(Group::alone(part)),
            }
        }
        groups.extend(chain.into_iter().map(Group::alone));
        let mut groups: Vec<_> = groups.into_iter().flat_map(|group| group.that_fit(&mut program, platform)).collect();
        let mut knobs = Knobs::default();
        let several = groups.len() > 1;
        for group in &mut groups {
            group.first = knobs.knobs.len();
            let prefix = if several { format!("nest {} ", group.nests[0].number + 1) } else { String::new() };
            let named = |knob: &Knob| Knob { name: format!("{prefix}{}", knob.name), ..knob.clone() };
            knobs.knobs.extend(group.knobs.knobs.iter().map(named));
        }
        Self { knobs, program, fixed, groups }
    }

    /// Whether its own steps leave out products by zero.
    pub(super) fn skips_zeros(&self) -> bool {
        self.fixed.iter().any(|step| matches!(step, Step::Phases { .. }))
    }

    /// The steps of a point; they may still be refused.
    pub(super) fn steps(&self, point: &[u16]) -> Result<Vec<Step>, Reason> {
        let mut steps = self.fixed.clone();
        for group in &self.groups {
            for part in &group.nests {
                steps.extend(part.steps(&group.own(point))?);
            }
        }
        Ok(steps)
    }

    /// The cycles of a point, or why it is no schedule.
    pub(super) fn predict(&mut self, point: &[u16], platform: &Platform) -> Result<f64, Reason> {
        self.sum(point, platform, |_, _| true)
    }

    /// The cycles of a call of a point: without what is computed ahead of all calls.
    pub(super) fn predict_call(&mut self, point: &[u16], platform: &Platform) -> Result<f64, Reason> {
        self.sum(point, platform, |group, program| !group.is_ahead(program))
    }

    /// The cycles of some groups.
    fn sum(
        &mut self,
        point: &[u16],
        platform: &Platform,
        counts: impl Fn(&Group, &Program) -> bool,
    ) -> Result<f64, Reason> {
        let Self { program, groups, .. } = self;
        let mut cycles = 0.0;
        for group in groups {
            if counts(group, program) {
                cycles += group.predict(program, platform, &group.own(point))?;
            }
        }
        Ok(cycles)
    }

    /// Points to start from: the best by the model for all nests; then, nest by nest, what the space of the nest offers.
    pub(super) fn starts(&mut self, count: usize, platform: &Platform) -> Vec<Vec<u16>> {
        let Self { program, groups, .. } = self;
        let mut best = Vec::new();
        let mut others: Vec<(f64, usize, Point)> = Vec::new();
        for (at, group) in groups.iter_mut().enumerate() {
            let mut starts = group.nests[0].space.starts();
            starts.extend(explore::spread(&group.knobs, 4));
            let cost = |start| (group.predict(program, platform, start).unwrap_or(f64::INFINITY), start);
            let mut scored: Vec<_> = starts.iter().map(cost).collect();
            scored.sort_by(|a, b| a.0.total_cmp(&b.0));
            others.extend(scored.iter().take(count).map(|&(cost, start)| (cost, at, start.clone())));
            let knobs = group.knobs.clone();
            let climbed = explore::climb(&knobs, &starts, CLIMB, |own| group.predict(program, platform, own).ok());
            best.push(climbed.map_or_else(|| knobs.point(0), |climbed| climbed.point));
        }
        let joined = |best: &[Point]| best.iter().flat_map(|own| own.0.iter().copied()).collect::<Vec<_>>();
        let mut found = vec![joined(&best)];
        others.retain(|(cost, _, _)| cost.is_finite());
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, at, own) in others {
            let mut all = best.clone();
            all[at] = own;
            found.push(joined(&all));
        }
        found.truncate(count);
        found
    }
}

/// The nests of a chain but the first, each with the program up to it; none if one of them cannot be there.
fn chain(program: &Program, place: &Placement, platform: &Platform) -> Option<Vec<Part>> {
    let Platform::Cpu(machine) = platform else { return place.links.is_empty().then(Vec::new) };
    let boxes = model::boxes(program, place.reader, machine);
    let mut parts = Vec::new();
    let mut program = program.clone();
    for (at, Link { nest, front, step }) in place.links.iter().enumerate() {
        program.apply(front).and_then(|()| program.apply(step)).ok()?;
        let (space, plain) = (NestSpace::of(&program, *nest, platform), program.nests[*nest].clone());
        let (next, further) = (place.links.get(at + 1).cloned(), Some((program.clone(), boxes)));
        parts.push(Part { number: *nest, judged: *nest, space, plain, next, further });
    }
    Some(parts)
}

impl Group {
    /// A nest that shares its knobs with no other.
    fn alone(part: Part) -> Self {
        Self { knobs: part.space.knobs.clone(), first: 0, nests: vec![part], known: HashMap::new() }
    }

    /// The group, if its nests have schedules in common; else one for each nest.
    fn that_fit(mut self, program: &mut Program, platform: &Platform) -> Vec<Self> {
        if self.nests.len() > 1 && self.guesses().iter().all(|own| self.predict(program, platform, own).is_err()) {
            let Self { nests, .. } = self;
            return nests.into_iter().map(Self::alone).collect();
        }
        vec![self]
    }

    /// Points that can be schedules of its nests.
    fn guesses(&self) -> Vec<Point> {
        let starts = self.nests.iter().flat_map(|part| part.space.starts());
        starts.chain(explore::spread(&self.knobs, GUESSES)).collect()
    }

    /// Its part of a point.
    fn own(&self, point: &[u16]) -> Point {
        Point(point[self.first..self.first + self.knobs.knobs.len()].to_vec())
    }

    fn is_family(&self, program: &Program) -> bool {
        let buffer = |part: &Part| program.nests[part.number].buffer;
        self.nests.iter().all(|part| buffer(part) == buffer(&self.nests[0]))
    }

    fn is_inside(&self) -> bool {
        self.nests.iter().any(|part| part.judged != part.number)
    }

    fn is_ahead(&self, program: &Program) -> bool {
        self.nests.iter().all(|part| program.ahead.contains(&program.nests[part.number].buffer))
    }

    fn predict(&mut self, program: &mut Program, platform: &Platform, own: &Point) -> Result<f64, Reason> {
        if let Some(known) = self.known.get(own) {
            return known.clone();
        }
        let portions: Result<Vec<_>, _> =
            self.nests.iter_mut().map(|part| part.predict(program, platform, own)).collect();
        let predicted = portions.map(|portions| match platform {
            // Those that write parts of one tensor with blocks that are alike become one launch.
            Platform::Gpu(_) if self.is_family(program) => model::together(&portions),
            _ => portions.iter().map(Portion::cycles).sum(),
        });
        self.known.insert(own.clone(), predicted.clone());
        predicted
    }
}

impl Part {
    /// Its steps, and the one that puts the next nest of a chain inside of it, once its loops have their shapes.
    fn steps(&self, own: &Point) -> Result<Vec<Step>, Reason> {
        let mut steps = self.space.steps(own).map_err(rejected)?;
        if let Some(next) = &self.next {
            let shaped = steps.iter().rposition(Step::is_shape).map_or(0, |last| last + 1);
            steps.insert(shaped, next.step.clone());
        }
        Ok(steps)
    }

    /// The nest that is computed inside of it is judged for itself.
    fn predict(&mut self, program: &mut Program, platform: &Platform, own: &Point) -> Result<Portion, Reason> {
        let steps = self.steps(own)?;
        let Self { number, judged, plain, next, further, .. } = self;
        let (program, boxes) = match further {
            Some((program, boxes)) => (program, *boxes),
            None => (program, 1.0),
        };
        let next = next.as_ref().map(|next| next.nest);
        let judge = |program: &Program| model::portion(program, *judged, next, platform).times(boxes);
        let before = next.map(|next| (program.items.clone(), next, program.nests[next].clone()));
        let found = under(program, *number, plain, &steps, judge).map_err(|refused| refused_step(&refused.message));
        if let Some((items, next, plain)) = before {
            (program.items, program.nests[next]) = (items, plain);
        }
        found
    }
}

/// The cycles of a nest under some steps, or why they are refused. The nest, which is plain before, is so again.
pub fn cycles(
    program: &mut Program,
    nest: usize,
    plain: &Nest,
    steps: &[Step],
    platform: &Platform,
) -> Result<f64, Refused> {
    under(program, nest, plain, steps, |program| model::cycles(program, nest, platform))
}

/// What is true of a program with a nest under some steps.
fn under<T>(
    program: &mut Program,
    nest: usize,
    plain: &Nest,
    steps: &[Step],
    ask: impl FnOnce(&Program) -> T,
) -> Result<T, Refused> {
    let mut applied = steps.iter().try_for_each(|step| program.apply(step));
    applied = applied.and_then(|()| schedule::check(&program.nests[nest]));
    let answer = applied.map(|()| ask(program));
    program.nests[nest] = plain.clone();
    answer
}
