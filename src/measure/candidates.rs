//! The candidates of a kernel: the spaces of all its nests as one space.
//!
//! A point has a value for each knob of each nest; its schedule is the steps that join and divide nests, then those of
//! each nest. Where intermediates can be computed inside of the nests that read them, one of them or a chain, the first
//! knob says which is; each such arrangement has knobs of its own, and those of the others are at the values that the
//! model likes best:
//!
//! ```text
//! inside  apart | z in y 1 | z u in y 1    nest 1 …, nest 2 …      z in y 1: nest 1 …      z u in y 1: nest 1 …
//! stored  apart | x                        nest 1 …                x: nest 1 …, x: nest 2 …
//! ```
//!
//! On a GPU, it says which operands are stored in another order first.

use crate::explore::Reason;
use crate::loops::{self, Kernel};
use crate::schedule::nest::Program;
use crate::schedule::{self, Schedule, Step};
use crate::space::knobs::{Knob, Knobs, Only, Point};
use crate::space::{self, NestSpace};
use crate::target::Platform;

use super::arrangement::Arrangement;
pub use super::arrangement::{Link, Placement, cycles};
use super::parallel;

/// All candidates of a kernel.
#[derive(Clone, Debug)]
pub struct Candidates {
    /// What can be chosen.
    pub knobs: Knobs,
    kernel: Kernel,
    platform: Platform,
    arrangements: Vec<Arrangement>,
}

/// Arrangements in which operands of a nest are stored in another order first, each with the names of these.
fn stored(program: &Program, fixed: &[Step], platform: &Platform) -> Vec<(String, Arrangement)> {
    let arrangement = |nest: usize| {
        let stores = NestSpace::stores(program, nest, platform);
        let mut trial = program.clone();
        let is_legal = !stores.is_empty() && stores.iter().all(|step| trial.apply(step).is_ok());
        let operands = stores.iter().filter_map(|step| match step {
            Step::Store { operand, .. } => Some(operand.as_str()),
            _ => None,
        });
        let name = operands.collect::<Vec<_>>().join(" ");
        let steps = [fixed, &stores].concat();
        is_legal.then(|| (name, Arrangement::apart(trial, steps, platform)))
    };
    let nests = (0..program.nests.len()).filter(|&nest| !program.nests[nest].order.is_empty());
    nests.filter_map(arrangement).collect()
}

/// How the arrangement without a nest inside of another one is called.
const APART: &str = "apart";

impl Candidates {
    /// Those of a kernel of plain loops, with all nests one after the other.
    pub fn of(kernel: &Kernel, platform: &Platform) -> Self {
        Self::with(kernel, platform, &[])
    }

    /// With places where nests may be computed inside of others; those that are refused are left out.
    pub fn with(kernel: &Kernel, platform: &Platform, places: &[Placement]) -> Self {
        let mut program = Program::of(kernel);
        let fixed = space::fixed(&mut program, platform);
        let placed = |place| Some((place, Arrangement::placed(program.clone(), fixed.clone(), place, platform)?));
        let (named, mut arrangements): (Vec<&Placement>, Vec<_>) = places.iter().filter_map(placed).unzip();
        let mut names: Vec<_> = named.iter().map(|place| place.name.clone()).collect();
        let stored = stored(&program, &fixed, platform);
        let word = if stored.is_empty() { "inside" } else { "stored" };
        for (name, arrangement) in stored {
            names.push(name);
            arrangements.push(arrangement);
        }
        arrangements.insert(0, Arrangement::apart(program.clone(), fixed.clone(), platform));
        names.insert(0, APART.to_owned());
        let mut knobs = Knobs::default();
        if arrangements.len() == 1 {
            knobs.clone_from(&arrangements[0].knobs);
            return Self { knobs, kernel: kernel.clone(), platform: *platform, arrangements };
        }
        knobs.knobs.push(Knob::any(word, names.clone()));
        // Looking for a good point takes long.
        let home = |arrangement: &mut Arrangement| arrangement.starts(1, platform).swap_remove(0);
        let homes = parallel::each(arrangements.iter_mut().collect(), home);
        for (((value, name), arrangement), home) in (0..).zip(&names).zip(&arrangements).zip(homes) {
            let prefix = if name == APART { String::new() } else { format!("{name}: ") };
            let own = arrangement.knobs.knobs.iter().zip(home);
            knobs.knobs.extend(own.map(|(knob, home)| {
                let only = Some(Only { knob: 0, value, home });
                Knob { name: format!("{prefix}{}", knob.name), only, ..knob.clone() }
            }));
        }
        Self { knobs, kernel: kernel.clone(), platform: *platform, arrangements }
    }

    /// The schedule that the model likes best with one nest, or a chain of them, inside of another, and the cycles of a
    /// call of it; none if that is refused.
    pub fn placed(kernel: &Kernel, platform: &Platform, place: &Placement) -> Option<(Schedule, f64)> {
        let mut program = Program::of(kernel);
        let fixed = space::fixed(&mut program, platform);
        let mut arrangement = Arrangement::placed(program, fixed, place, platform)?;
        let best = arrangement.starts(1, platform).swap_remove(0);
        let cycles = arrangement.predict_call(&best, platform).ok()?;
        Some((Schedule { steps: arrangement.steps(&best).ok()? }, cycles))
    }

    /// The arrangement of a point, and its part of the point.
    fn own<'p>(&self, point: &'p Point) -> Result<(usize, &'p [u16]), Reason> {
        if self.arrangements.len() == 1 {
            return Ok((0, &point.0));
        }
        let which = usize::from(point.0[0]);
        let first = 1 + self.arrangements[..which].iter().map(|other| other.knobs.knobs.len()).sum::<usize>();
        let end = first + self.arrangements[which].knobs.knobs.len();
        if self.knobs.canonical(point.clone()) != *point {
            return Err(Reason::new("same", "it differs in what has no meaning where it is"));
        }
        Ok((which, &point.0[first..end]))
    }

    /// The point of an arrangement's own part.
    fn whole(&self, which: usize, own: &[u16]) -> Point {
        if self.arrangements.len() == 1 {
            return Point(own.to_vec());
        }
        let parts =
            self.arrangements.iter().enumerate().flat_map(|(number, other)| {
                if number == which { own.to_vec() } else { vec![0; other.knobs.knobs.len()] }
            });
        self.knobs.canonical(Point(std::iter::once(which as u16).chain(parts).collect()))
    }

    /// The schedule of a point; it may still be refused when it is applied.
    pub fn schedule(&self, point: &Point) -> Result<Schedule, Reason> {
        let (which, own) = self.own(point)?;
        Ok(Schedule { steps: self.arrangements[which].steps(own)? })
    }

    /// The loops under a schedule, as text.
    pub fn loops(&self, schedule: &Schedule) -> Result<String, Reason> {
        loops(&self.kernel, schedule)
    }

    /// Whether schedules leave out products by zero that the plain loops compute.
    pub fn skip_zeros(&self) -> bool {
        self.arrangements.iter().any(Arrangement::skips_zeros)
    }

    /// The plain loops.
    pub const fn plain(&self) -> &Kernel {
        &self.kernel
    }

    /// The cycles that the model predicts, or why a point is no schedule.
    pub fn predict(&mut self, point: &Point) -> Result<f64, Reason> {
        let (which, own) = self.own(point)?;
        self.arrangements[which].predict(own, &self.platform)
    }

    /// Points to start from: the best by the model of each arrangement, then others, the cheapest arrangement first.
    pub fn starts(&mut self, count: usize) -> Vec<Point> {
        let Self { arrangements, platform, .. } = self;
        let starts = parallel::each(arrangements.iter_mut().collect(), |own| own.starts(count, platform));
        let mut each: Vec<(f64, Vec<Point>)> = Vec::new();
        for (which, own) in starts.iter().enumerate() {
            let points: Vec<_> = own.iter().map(|own| self.whole(which, own)).collect();
            let best = points.first().and_then(|best| self.predict(best).ok()).unwrap_or(f64::INFINITY);
            each.push((best, points));
        }
        each.sort_by(|a, b| a.0.total_cmp(&b.0));
        let firsts = each.iter().filter_map(|(_, points)| points.first());
        let rest = each.iter().flat_map(|(_, points)| points.iter().skip(1));
        firsts.chain(rest).take(count).cloned().collect()
    }
}

/// The loops of a kernel under a schedule, as text.
pub fn loops(kernel: &Kernel, schedule: &Schedule) -> Result<String, Reason> {
    let kernel = schedule::apply(kernel, schedule).map_err(|refused| refused_step(&refused.to_string()))?;
    Ok(loops::print::print(&loops::simplify::simplify(kernel)))
}

pub(super) fn rejected(why: space::Rejected) -> Reason {
    Reason::new(why.kind, why.reason)
}

pub(super) fn refused_step(message: &str) -> Reason {
    Reason::new("refused step", message)
}
