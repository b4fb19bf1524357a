//! The schedule of a kernel by the locks: its own entry, the user's before the one that comes with ftc; else that of the
//! nearest kernel, made to fit; else what the model chooses.

use std::cell::LazyCell;

use super::{Entry, Key, Lock, Pinned, parse_schedule};
use crate::diag::Diagnostic;
use crate::driver::choose;
use crate::driver::tune::error;
use crate::loops::{BufferKind, Kernel};
use crate::measure::candidates::Candidates;
use crate::model;
use crate::schedule::nest::Program;
use crate::schedule::{self, Schedule};
use crate::space::knobs::{Knob, Knobs, Point};
use crate::target::Platform;

/// What an entry of another size may cost by the model, of what the model would choose: it was measured, but elsewhere.
const TRUST: f64 = 1.05;
/// Entries of other sizes that are looked at.
const NEAR: usize = 4;

/// The schedule of a kernel, and what is to be said about it.
pub fn decide(
    pinned: &Pinned,
    kernel: &Kernel,
    platform: &Platform,
    choose: impl FnOnce() -> Schedule,
) -> (Schedule, Option<Diagnostic>) {
    let key = Key::of(kernel, &pinned.target);
    let finding = match own(pinned, &key, kernel) {
        Ok(Some(schedule)) => return (schedule, None),
        Ok(None) => None,
        Err(finding) => Some(finding),
    };
    if let Some(schedule) = behind(pinned, &key, kernel, platform) {
        return (schedule, finding);
    }
    let chosen = choose();
    let near = [&pinned.lock, &pinned.shipped].into_iter().flat_map(|lock| lock.near(&key).into_iter().take(NEAR));
    let near: Vec<_> = near.collect();
    if near.is_empty() {
        return (chosen, finding);
    }
    let limit = cycles(kernel, &chosen, platform).map_or(f64::INFINITY, |cycles| cycles * TRUST);
    // Finding out what can be computed inside of what takes long; few entries speak of it.
    let (apart, inside) =
        (LazyCell::new(|| Candidates::of(kernel, platform)), LazyCell::new(|| choose::candidates(kernel, platform)));
    let found = near.into_iter().find_map(|entry| {
        let candidates = if entry.choices.starts_with("inside ") { &*inside } else { &*apart };
        fitted(kernel, candidates, entry, platform, limit)
    });
    (found.unwrap_or(chosen), finding)
}

/// The schedule that was measured for a kernel, if it can be used.
pub fn recorded(pinned: &Pinned, kernel: &Kernel, platform: &Platform) -> Option<Schedule> {
    let key = Key::of(kernel, &pinned.target);
    own(pinned, &key, kernel).ok().flatten().or_else(|| behind(pinned, &key, kernel, platform))
}

/// What is to be said of the entry that the user's own lock has for a kernel, if it cannot be used.
pub fn finding(pinned: &Pinned, kernel: &Kernel) -> Option<Diagnostic> {
    own(pinned, &Key::of(kernel, &pinned.target), kernel).err()
}

/// The schedule of the user's own lock, if it has one; else why what it has is not used.
fn own(pinned: &Pinned, key: &Key, kernel: &Kernel) -> Result<Option<Schedule>, Diagnostic> {
    match (pinned.lock.exact(key), pinned.lock.stale(key)) {
        (Some(entry), _) => {
            let schedule = usable(entry, kernel);
            schedule.map(Some).map_err(|why| error::unusable_entry(&pinned.path, entry, &why))
        }
        (None, Some(entry)) => Err(error::stale_entry(&pinned.path, entry)),
        (None, None) => Ok(None),
    }
}

/// The schedule that stands behind the user's own lock.
fn behind(pinned: &Pinned, key: &Key, kernel: &Kernel, platform: &Platform) -> Option<Schedule> {
    let shipped = pinned.shipped.exact(key).and_then(|entry| usable(entry, kernel).ok());
    shipped.or_else(|| as_variable(pinned, kernel, platform).and_then(|entry| usable(entry, kernel).ok()))
}

/// The schedule of an entry, if it is one for a kernel; else why it is none.
fn usable(entry: &Entry, kernel: &Kernel) -> Result<Schedule, String> {
    let own = parse_schedule(&entry.schedule)?;
    schedule::apply(kernel, &own).map(|_| own.clone()).map_err(|refused| {
        let step = own.steps.get(refused.step).map_or_else(String::new, |step| format!("`{step}`: "));
        step + &refused.message
    })
}

/// The entry of the same kernel whose arguments are all variable: on a GPU, what is packed ahead is read as it was.
fn as_variable<'p>(pinned: &'p Pinned, kernel: &Kernel, platform: &Platform) -> Option<&'p Entry> {
    let mut plain = kernel.clone();
    let mut has_const = false;
    for (_, buffer) in plain.buffers.iter_mut() {
        if let BufferKind::Input { is_const } = &mut buffer.kind {
            has_const |= std::mem::take(is_const);
        }
    }
    let is_wanted = has_const && matches!(platform, Platform::Gpu(_));
    is_wanted.then(|| Key::of(&plain, &pinned.target)).and_then(|key| pinned.exact(&key))
}

/// The schedule of an entry for a kernel of other sizes: the same choices there, or the same steps, whichever the model
/// likes better; none if it likes neither.
fn fitted(
    kernel: &Kernel,
    candidates: &Candidates,
    entry: &Entry,
    platform: &Platform,
    limit: f64,
) -> Option<Schedule> {
    let point = nearest_point(&candidates.knobs, &entry.choices);
    let same_choices = point.and_then(|point| candidates.schedule(&point).ok());
    let both = same_choices.into_iter().chain(parse_schedule(&entry.schedule).ok());
    let applicable = both.filter(|schedule| schedule::apply(kernel, schedule).is_ok());
    let judged = applicable.filter_map(|schedule| Some((cycles(kernel, &schedule, platform)?, schedule)));
    let best = judged.min_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 <= limit).then_some(best.1)
}

/// The point that is nearest to choices in another space: the same values, or the nearest numbers.
pub fn nearest_point(knobs: &Knobs, choices: &str) -> Option<Point> {
    let chosen =
        |part: &'_ str, knob: &Knob| Some(part.strip_prefix(knob.name.as_str())?.strip_prefix(' ')?.to_owned());
    let value = |knob: &Knob| {
        let mut parts = choices.split(", ").filter(|part| {
            // `blocks of rows` is no value of the knob `blocks` where there is a knob `blocks of`.
            let mut longer = knobs.knobs.iter().filter(|other| other.name.len() > knob.name.len());
            longer.all(|other| chosen(part, other).is_none())
        });
        let text = parts.find_map(|part| chosen(part, knob))?;
        let exact = knob.values.iter().position(|value| *value == text);
        let number = text.parse::<f64>().ok();
        let distance = |value: &String| Some((value.parse::<f64>().ok()?.max(0.5) / number?.max(0.5)).ln().abs());
        let near = || {
            let all = knob.values.iter().enumerate().filter_map(|(at, value)| Some((at, distance(value)?)));
            all.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(at, _)| at)
        };
        exact.or_else(near).map(|at| at as u16)
    };
    let values: Vec<_> = knobs.knobs.iter().map(value).collect();
    let point = knobs.canonical(Point(values.iter().map(|value| value.unwrap_or_default()).collect()));
    // What means nothing where it is need not be said.
    let is_known = (0..values.len()).all(|number| values[number].is_some() || !knobs.is_meant(&point, number));
    is_known.then_some(point)
}

/// The cycles that the model sees in a kernel under a schedule; none if a step is refused.
pub fn cycles(kernel: &Kernel, schedule: &Schedule, platform: &Platform) -> Option<f64> {
    let mut program = Program::of(kernel);
    schedule.steps.iter().try_for_each(|step| program.apply(step)).ok()?;
    // Nests inside of others count with those.
    let is_outer = |&nest: &usize| !program.nests[nest].order.is_empty() && program.reader_of(nest).is_none();
    let nests = (0..program.nests.len()).filter(is_outer);
    Some(nests.map(|nest| model::cycles(&program, nest, platform)).sum())
}

impl Pinned {
    /// No lock but what comes with ftc.
    pub fn shipped(target: String) -> Self {
        Self { path: super::NAME.into(), lock: Lock::default(), shipped: super::shipped::lock(&target), target }
    }

    /// The entry of a kernel, the user's own before the one that comes with ftc.
    pub fn exact(&self, key: &Key) -> Option<&Entry> {
        self.lock.exact(key).or_else(|| self.shipped.exact(key))
    }

    /// Entries of kernels that differ in sizes alone: the user's own, then those that come with ftc, each the nearest first.
    pub fn near(&self, key: &Key) -> Vec<&Entry> {
        [&self.lock, &self.shipped].into_iter().flat_map(|lock: &Lock| lock.near(key)).collect()
    }

    /// The time that was measured for a kernel, if its entry can be used.
    pub fn seconds(&self, kernel: &Kernel) -> Option<f64> {
        self.exact(&Key::of(kernel, &self.target)).map(|entry| entry.seconds)
    }

    /// In a word, where the schedule of a kernel with its own entry comes from; the model if it has none.
    pub fn source(&self, kernel: &Kernel) -> &'static str {
        let key = Key::of(kernel, &self.target);
        match (self.lock.exact(&key), self.shipped.exact(&key)) {
            (Some(_), _) => "lock",
            (None, Some(_)) => "shipped",
            (None, None) => "model",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_of_another_space_become_the_nearest() {
        let kinds = Knob::any("copy", ["no", "near"].map(str::to_owned));
        let knobs = Knobs { knobs: vec![Knob::line("rows", [1, 6, 14]), kinds] };
        assert_eq!(nearest_point(&knobs, "rows 12, copy near"), Some(Point(vec![2, 1])));
        assert_eq!(nearest_point(&knobs, "rows 5, copy near, more yes"), Some(Point(vec![1, 1])));
        assert_eq!(nearest_point(&knobs, "rows 5"), None);
    }

    #[test]
    fn a_name_may_begin_like_another_one() {
        let of = Knob::any("blocks of", ["rows", "vectors"].map(str::to_owned));
        let knobs = Knobs { knobs: vec![of, Knob::line("blocks", [1, 2, 4])] };
        assert_eq!(nearest_point(&knobs, "blocks of vectors, blocks 4"), Some(Point(vec![1, 2])));
    }
}
